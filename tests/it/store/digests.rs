//! Digests: gathered under one claim, told once, repeated whole or not at all.

use std::time::Duration;

use tripline::domain::id::{IncidentId, NotificationId};
use tripline::domain::incident::acting::Act;
use tripline::domain::notification::{Attempt, NotificationState as State, settle};
use tripline::domain::policy::{Channel, Policy, Recipient, Target, Tier};
use tripline::domain::restraint::{Actor, Via};
use tripline::domain::run::Outcome::{Failed, Passed};
use tripline::domain::run::Report;
use tripline::domain::storm;
use tripline::domain::subject::Subject;
use tripline::store::care::{Acted, Care};
use tripline::store::gathering::{Asked, Background, Gathered, Shared, Sought};
use tripline::store::{Claim, Ended, NotificationRecord, Offer, Standing, Store};

use super::scene::{
    self, accepted, at, attempt, claim, history, outbox, refused, report, rules_with, seconds,
    states,
};

const CHECKS: [&str; 4] = ["a", "b", "c", "d"];

fn rules() -> tripline::engine::judge::Rulebook {
    let tiers = vec![Tier::after(1, vec![Target::Slack("#p2".into())])];
    rules_with(Policy { tiers, ..Policy::built_in(None) }, &CHECKS)
}

fn channel() -> Recipient {
    Recipient::Slack("#p2".into())
}

/// All of [`CHECKS`] fail at once; the incidents are 1 to 4, and so are the notifications.
async fn storm(store: &dyn Store) {
    let reports = CHECKS.map(|name| report(name, "eu", 1, Failed));
    store.record(&reports, &rules(), at(1) + seconds(1)).await.expect("recorded");
}

/// Claims the first and gathers the others.
async fn gathered(store: &dyn Store, slot: u32) -> Claim {
    let claims = claim(store, Channel::Slack, at(slot)).await;
    assert_eq!(claims.len(), 1, "one recipient is told one thing at a time");
    let others = [2, 3, 4].map(NotificationId);
    let gathered = store.gather(&claims[0], &others).await.expect("gathered");
    let Gathered { claim, open } = gathered.expect("the claim is held");
    assert_eq!(open, 4);
    claim
}

fn numbers(claim: &Claim) -> Vec<i64> {
    let gathered = claim.gathered.as_ref().expect("it is a digest");
    gathered.iter().map(|it| it.notification.id.0).collect()
}

/// Settles an attempt at a digest that took a second, for all that is in it.
async fn try_digest(store: &dyn Store, claim: &Claim, slot: u32, tried: &Attempt) -> Standing {
    let (now, ended) = (at(slot), at(slot) + seconds(1));
    let of = |it: &Claim| settle(&it.notification, tried, ended, ended, 0.0);
    let head = of(claim);
    let id = claim.notification.id;
    let share = |it: &Claim| -> Shared { (it.notification.id, storm::share((id, &head), of(it))) };
    let shared: Vec<Shared> = claim.gathered.iter().flatten().map(share).collect();
    let ended = Ended {
        claim,
        started_at: now,
        ended_at: ended,
        attempt: tried,
        settlement: &head,
        shared: &shared,
    };
    store.settle_all(&[ended]).await.expect("settled")[0]
}

async fn record(store: &dyn Store, incident: i64) -> NotificationRecord {
    history(store, incident).await.notifications.remove(0)
}

async fn all_states(store: &dyn Store) -> Vec<State> {
    let mut all = Vec::new();
    for incident in 1..=4 {
        all.extend(states(store, incident).await);
    }
    all
}

pub(super) async fn what_is_owed_to_one_recipient_is_seen_together(store: &dyn Store) {
    storm(store).await;
    let crowd = scene::crowd(store, &channel(), at(0)).await;
    let waiting: Vec<(i64, i64)> =
        crowd.waiting.iter().map(|it| (it.id.0, it.incident.0)).collect();
    assert_eq!(waiting, [(1, 1), (2, 2), (3, 3), (4, 4)]);
    assert!(crowd.told.is_empty() && crowd.waiting.iter().all(|it| !it.is_bound));
    let first = claim(store, Channel::Slack, at(2)).await.remove(0);
    attempt(store, &first, at(2), &accepted()).await;
    let second = claim(store, Channel::Slack, at(3)).await.remove(0);
    let crowd = scene::crowd(store, &channel(), at(0)).await;
    let told: Vec<(i64, bool)> =
        crowd.told.iter().map(|it| (it.incident.0, it.is_digest)).collect();
    assert_eq!(told, [(1, false)]);
    assert_eq!(crowd.told[0].at, at(2) + seconds(1));
    let bound: Vec<bool> = crowd.waiting.iter().map(|it| it.is_bound).collect();
    assert_eq!(bound, [true, false, false], "somebody has {}", second.notification.id);
    let late = scene::crowd(store, &channel(), at(2) + seconds(1)).await;
    assert!(late.told.is_empty());
    let nobody = Recipient::Slack("#p1".into());
    assert!(scene::crowd(store, &nobody, at(0)).await.waiting.is_empty());
}

pub(super) async fn what_happened_is_read_with_it(store: &dyn Store) {
    for slot in [1, 2] {
        let reports = [("eu", Passed), ("us", Passed)].map(|(at, is)| report("a", at, slot, is));
        store.record(&reports, &rules(), at(slot) + seconds(1)).await.expect("recorded");
    }
    // One region fails first; the other works on.
    for (slot, in_us) in [(3, Passed), (4, Failed)] {
        let reports = [("eu", Failed), ("us", in_us)].map(|(at, is)| report("a", at, slot, is));
        store.record(&reports, &rules(), at(slot) + seconds(1)).await.expect("recorded");
    }
    let subject = Subject::Check(scene::check_id("a"));
    let recipient = channel();
    let (incident, missing) = (IncidentId(1), IncidentId(99));
    let both = Asked {
        crowd: Some((&recipient, at(0))),
        story: Some((incident, &subject)),
        silences: None,
    };
    let background = store.background(&both).await.expect("read");
    assert_eq!(background.crowd.expect("asked for").waiting.len(), 1);
    let told = background.story.expect("there is such an incident");
    assert_eq!(told.history, history(store, 1).await);
    let passed = report("a", "eu", 2, Passed);
    assert_eq!(told.last_success, Some(passed.slot.at), "where it is down for longest");
    let about = Subject::Region(scene::region("eu"));
    let elsewhere = Asked { story: Some((incident, &about)), ..Asked::default() };
    let background = store.background(&elsewhere).await.expect("read");
    assert!(background.crowd.is_none(), "nobody asked");
    assert_eq!(background.story.expect("there is").last_success, None, "it is no check");
    let absent = Asked { story: Some((missing, &subject)), ..Asked::default() };
    assert_eq!(store.background(&absent).await.expect("read").story, None);
}

/// Leases what is due, with whatever comes along.
async fn claim_to_send(store: &dyn Store, slot: u32) -> (Vec<Claim>, Option<Background>) {
    let handed = store.claim_to_send(&offer(slot), at(slot)).await.expect("claimed");
    (handed.claims, handed.background.map(|it| *it))
}

/// What a lane takes.
fn offer(slot: u32) -> Offer {
    Offer {
        channel: Channel::Slack,
        lease_until: at(slot) + seconds(14),
        limit: 4,
        sought: Sought { crowd_since: Some(at(0)), story: true },
    }
}

pub(super) async fn what_comes_along_with_a_claim_is_what_would_be_asked(store: &dyn Store) {
    storm(store).await;
    let first = claim(store, Channel::Slack, at(2)).await.remove(0);
    attempt(store, &first, at(2), &accepted()).await;
    let (claims, background) = claim_to_send(store, 3).await;
    let [second] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!(second.notification.id, NotificationId(2));
    assert!(second.notification.first_word && !second.notification.possible_repeat);
    assert_eq!(second.until, at(3) + seconds(14));
    if let Some(background) = background {
        let subject = Subject::Check(scene::check_id("b"));
        let recipient = channel();
        let (crowd, about) = ((&recipient, at(0)), (IncidentId(2), &subject));
        let asked = Asked { crowd: Some(crowd), story: Some(about), silences: None };
        assert_eq!(background, store.background(&asked).await.expect("read"));
    }
    // Nobody settled it: it may have arrived.
    assert_eq!(claim_to_send(store, 3).await, (Vec::new(), None), "one at a time");
    let (claims, background) = claim_to_send(store, 4).await;
    let [again] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!(again.notification.id, NotificationId(2));
    assert!(again.notification.possible_repeat);
    assert_eq!(background, None, "it is not handed out for the first time");
}

/// Records, and gives what was handed out or what a lane then asks for, which are the same.
async fn record_to_send(
    store: &dyn Store,
    reports: &[Report],
    slot: u32,
) -> (Vec<Claim>, Option<Background>) {
    let recorded = store.record_to_send(reports, &rules(), at(slot), &[offer(slot)]).await;
    let (recorded, mut handed) = recorded.expect("recorded");
    assert_eq!(recorded.len(), reports.len());
    match handed.pop() {
        Some(handed) => {
            assert_eq!(handed.channel, Channel::Slack);
            (handed.claims, handed.background.map(|it| *it))
        }
        None => claim_to_send(store, slot).await,
    }
}

pub(super) async fn what_is_owed_is_handed_out_with_its_recording(store: &dyn Store) {
    // One by itself, which is recorded in another way than several are.
    let alone = [report("a", "eu", 1, Failed)];
    let (claims, background) = record_to_send(store, &alone, 2).await;
    let [first] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!((first.notification.id, first.notification.incident.0), (NotificationId(1), 1));
    assert!(first.notification.first_word && !first.notification.possible_repeat);
    let failed_at = Some(at(1) + Duration::from_millis(128));
    assert_eq!((first.until, first.failed_at), (at(2) + seconds(14), failed_at));
    if let Some(background) = background {
        let (subject, recipient) = (Subject::Check(scene::check_id("a")), channel());
        let (crowd, about) = ((&recipient, at(0)), (IncidentId(1), &subject));
        let asked = Asked { crowd: Some(crowd), story: Some(about), silences: None };
        assert_eq!(background, store.background(&asked).await.expect("read"));
    }
    // It is held as any other claim is, and what comes meanwhile waits for it.
    let others = ["b", "c"].map(|name| report(name, "eu", 1, Failed));
    assert_eq!(record_to_send(store, &others, 2).await, (Vec::new(), None), "one at a time");
    attempt(store, first, at(2), &accepted()).await;
    assert_eq!(record(store, 1).await.state, State::Sent);
    // The earliest is handed out, whichever was recorded just now.
    let again = ["a", "d"].map(|name| report(name, "eu", 2, Failed));
    let (claims, _) = record_to_send(store, &again, 3).await;
    assert_eq!(claims.iter().map(|it| it.notification.id.0).collect::<Vec<_>>(), [2]);
    // What takes nothing is handed nothing.
    let (_, handed) = store.record_to_send(&again, &rules(), at(4), &[]).await.expect("recorded");
    assert_eq!(handed, []);
}

pub(super) async fn a_clock_set_back_keeps_nothing_from_being_claimed(store: &dyn Store) {
    storm(store).await;
    let late = claim(store, Channel::Slack, at(200)).await.remove(0);
    let busy = Attempt::Retry { reason: "429".into(), after: None };
    attempt(store, &late, at(200), &busy).await;
    let (claims, _) = claim_to_send(store, 2).await;
    assert_eq!(claims.len(), 1, "what was put off until the future is due");
    assert_eq!(claims[0].notification.id, late.notification.id);
}

pub(super) async fn a_digest_is_told_once_for_all_that_is_in_it(store: &dyn Store) {
    storm(store).await;
    let digest = gathered(store, 2).await;
    assert_eq!(numbers(&digest), [2, 3, 4]);
    let due = store.next_due(Channel::Slack).await.expect("read");
    assert_eq!(due, Some(at(2) + seconds(15)), "nothing of it is handed out meanwhile");
    assert_eq!(try_digest(store, &digest, 2, &accepted()).await, Standing::Held);
    let states = all_states(store).await;
    assert_eq!((states[0], &states[1..]), (State::Sent, &[State::InDigest; 3][..]));
    let (head, member) = (record(store, 1).await, record(store, 3).await);
    let id = Some(digest.notification.id);
    assert_eq!((head.digest, head.deliveries.len()), (id, 1));
    assert_eq!((member.digest, member.deliveries.len()), (id, 0));
    let reason = member.reason.expect("it says why");
    assert!(reason.starts_with("told in the digest of notification 1, accepted"), "{reason}");
    // Recording it again changes nothing, and nothing is left to send.
    assert_eq!(try_digest(store, &digest, 2, &accepted()).await, Standing::Held);
    assert_eq!(record(store, 1).await.deliveries.len(), 1);
    assert_eq!(store.next_due(Channel::Slack).await.expect("read"), None);
    let crowd = scene::crowd(store, &channel(), at(0)).await;
    let sent: Vec<(i64, bool)> = crowd.told.iter().map(|it| (it.id.0, it.is_digest)).collect();
    assert_eq!(sent, [(1, true)], "one message, whatever it told");
    // Whoever was told in a digest was told: an end is not the first word.
    let passed = report("c", "eu", 3, Passed);
    store.record(&[passed], &rules(), at(3) + seconds(1)).await.expect("recorded");
    let end = claim(store, Channel::Slack, at(4)).await.remove(0);
    assert!(!end.notification.first_word && end.gathered.is_none());
}

pub(super) async fn a_digest_that_may_have_arrived_is_repeated_as_it_was(store: &dyn Store) {
    storm(store).await;
    let first = gathered(store, 2).await;
    // Whoever was sending it stops, and what else is owed meanwhile does not join.
    let late = at(2) + seconds(15);
    let again = claim(store, Channel::Slack, late).await;
    assert_eq!(again.len(), 1);
    let again = again.into_iter().next().expect("one");
    assert_eq!((numbers(&again), again.notification.possible_repeat), (vec![2, 3, 4], true));
    assert!(again.gathered.iter().flatten().all(|it| it.notification.possible_repeat));
    let same = store.gather(&again, &[]).await.expect("gathered").expect("held");
    assert_eq!(same.open, 4);
    assert_eq!(record(store, 1).await.deliveries[0].outcome, "ambiguous");
    // No answer to it either: it is given up with all that is in it.
    let lost = Attempt::Ambiguous { reason: "timed out".into() };
    assert_eq!(try_digest(store, &again, 3, &lost).await, Standing::Held);
    assert_eq!(all_states(store).await, [State::GivenUp; 4]);
    // The first one had arrived after all: that counts for all of it.
    assert_eq!(try_digest(store, &first, 2, &accepted()).await, Standing::Lost);
    assert_eq!(all_states(store).await[0], State::Sent);
    assert_eq!(all_states(store).await[1..], [State::InDigest; 3]);
}

pub(super) async fn a_digest_that_was_refused_for_now_is_gathered_anew(store: &dyn Store) {
    storm(store).await;
    let digest = gathered(store, 2).await;
    let retry = Attempt::Retry { reason: "429".into(), after: Some(seconds(40)) };
    assert_eq!(try_digest(store, &digest, 2, &retry).await, Standing::Held);
    assert_eq!(all_states(store).await, [State::Owed; 4]);
    let due = at(2) + seconds(41);
    assert!(claim(store, Channel::Slack, due - seconds(1)).await.is_empty(), "all of it waits");
    // One is over before it is told; the end says both.
    let passed = report("b", "eu", 3, Passed);
    store.record(&[passed], &rules(), at(3) + seconds(1)).await.expect("recorded");
    assert_eq!(
        outbox(store, 2).await,
        ["slack:#p2 failing superseded", "slack:#p2 recovered owed"]
    );
    let head = claim(store, Channel::Slack, due).await.remove(0);
    assert!(head.gathered.is_none() && !head.notification.possible_repeat);
    assert_eq!(head.notification.failures, 1);
    let all: Vec<NotificationId> = (2..=5).map(NotificationId).collect();
    let anew = store.gather(&head, &all).await.expect("gathered").expect("held").claim;
    assert_eq!(numbers(&anew), [3, 4, 5]);
    let failures = |it: &Claim| it.notification.failures;
    let failed: Vec<u32> = anew.gathered.iter().flatten().map(failures).collect();
    assert_eq!(failed, [1, 1, 0], "each was tried with the digest");
    assert_eq!(try_digest(store, &anew, 4, &accepted()).await, Standing::Held);
    assert_eq!(states(store, 2).await, [State::Superseded, State::InDigest]);
}

pub(super) async fn a_digest_that_is_given_up_names_what_was_in_it(store: &dyn Store) {
    storm(store).await;
    let digest = gathered(store, 2).await;
    assert_eq!(try_digest(store, &digest, 2, &refused()).await, Standing::Held);
    assert_eq!(all_states(store).await, [State::GivenUp; 4]);
    let member = record(store, 4).await;
    assert_eq!(member.digest, Some(digest.notification.id));
    assert!(member.reason.is_some_and(|it| it.contains("channel_not_found")));
    assert_eq!(store.backlog(at(0)).await.expect("read")[0].given_up, 4);
}

pub(super) async fn a_claim_that_was_lost_gathers_and_holds_nothing(store: &dyn Store) {
    storm(store).await;
    let lost = claim(store, Channel::Slack, at(2)).await.remove(0);
    let held = claim(store, Channel::Slack, at(3)).await.remove(0);
    assert_eq!(lost.notification.id, held.notification.id);
    let others = [NotificationId(2)];
    assert_eq!(store.gather(&lost, &others).await.expect("answered"), None);
    let until = at(9);
    assert_eq!(store.hold(&lost, &others, until, "held").await.expect("answered"), Standing::Lost);
    // What may have arrived is not gathered by whoever has something else.
    attempt(store, &held, at(3), &Attempt::Ambiguous { reason: "timed out".into() }).await;
    let second = claim(store, Channel::Slack, at(3) + seconds(1)).await.remove(0);
    assert_eq!(second.notification.id, NotificationId(2));
    let all = [1, 2, 3].map(NotificationId);
    let digest = store.gather(&second, &all).await.expect("answered").expect("held").claim;
    assert_eq!(numbers(&digest), [3]);
}

pub(super) async fn what_is_held_is_due_later(store: &dyn Store) {
    storm(store).await;
    let head = claim(store, Channel::Slack, at(2)).await.remove(0);
    let others = [2, 3].map(NotificationId);
    let until = at(5);
    let standing = store.hold(&head, &others, until, "held: enough").await.expect("answered");
    assert_eq!(standing, Standing::Held);
    let record = record(store, 1).await;
    assert_eq!((record.state, record.due_at, record.deliveries.len()), (State::Owed, until, 0));
    assert_eq!(record.reason.as_deref(), Some("held: enough"));
    // The one that was not named is due, and it goes out before.
    let next = claim(store, Channel::Slack, at(2)).await.remove(0);
    assert_eq!(next.notification.id, NotificationId(4));
    attempt(store, &next, at(2), &accepted()).await;
    assert_eq!(store.next_due(Channel::Slack).await.expect("read"), Some(until));
    let head = claim(store, Channel::Slack, until).await.remove(0);
    assert!(!head.notification.possible_repeat && head.notification.failures == 0);
}

pub(super) async fn stamps_tell_when_what_happened(store: &(impl Store + Care)) {
    storm(store).await;
    let digest = gathered(store, 2).await;
    let failed_at = report("a", "eu", 1, Failed).finished_at();
    assert!(digest.failed_at.is_some_and(|at| (failed_at - at).num_milliseconds() == 0));
    assert_eq!(record(store, 3).await.stamps.accepted, None);
    assert_eq!(try_digest(store, &digest, 2, &accepted()).await, Standing::Held);
    for incident in [1, 3] {
        let stamps = record(store, incident).await.stamps;
        assert_eq!(stamps.sent, Some(at(2)), "{incident}");
        assert_eq!(stamps.accepted, Some(at(2) + seconds(1)), "{incident}");
        assert_eq!(stamps.acknowledged, None);
        assert!(stamps.failed.is_some());
    }
    let act = Act::Acknowledge { lasts: None, reason: None };
    let actor = Actor { name: "ana".into(), via: Via::Cli };
    let acted = store.act(IncidentId(3), (&act, &actor), &rules(), at(4)).await.expect("acted");
    assert!(matches!(acted, Acted::Done(_)), "{acted:?}");
    assert_eq!(record(store, 3).await.stamps.acknowledged, Some(at(4)));
    assert_eq!(record(store, 1).await.stamps.acknowledged, None);
    let answered = store.answered(IncidentId(3), at(4)).await.expect("read");
    assert_eq!(answered.len(), 1);
    assert_eq!(
        (answered[0].channel, answered[0].accepted_at),
        (Channel::Slack, at(2) + seconds(1))
    );
}

pub(super) async fn what_is_over_leaves_a_digest_that_was_refused(store: &dyn Store) {
    storm(store).await;
    let digest = gathered(store, 2).await;
    let over = ["a", "c"].map(|name| report(name, "eu", 2, Passed));
    store.record(&over, &rules(), at(2) + seconds(1)).await.expect("recorded");
    let busy = Attempt::Retry { reason: "429".into(), after: None };
    assert_eq!(try_digest(store, &digest, 2, &busy).await, Standing::Held);
    let (over, failing) = ([State::Superseded, State::Owed], [State::Owed]);
    assert_eq!((states(store, 1).await, states(store, 3).await), (over.into(), over.into()));
    assert_eq!((states(store, 2).await, states(store, 4).await), (failing.into(), failing.into()));
}
