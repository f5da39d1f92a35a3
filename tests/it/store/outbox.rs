//! Messages out: handed out once, in order, and never lost.

use tripline::domain::Timestamp;
use tripline::domain::id::IncidentId;
use tripline::domain::incident::acting::Act;
use tripline::domain::notification::{Attempt, NotificationState as State, settle};
use tripline::domain::policy::{Channel, Policy, Recipient, Target, Tier};
use tripline::domain::restraint::{Actor, Via};
use tripline::domain::run::Outcome::{Failed, Passed};
use tripline::store::care::{Acted, Care};
use tripline::store::{Backlog, Claim, Ended, Standing, Store};

use super::scene::{
    accepted, at, attempt, claim, history, outbox, refused, report, rules_with, seconds, states,
    tell, tell_one,
};

pub(super) async fn what_is_claimed_is_leased(store: &dyn Store) {
    assert_eq!(store.next_due(Channel::Slack).await.expect("read"), None);
    tell(store, 1, &[Failed]).await;
    let owed_at = at(1) + seconds(1);
    assert_eq!(store.next_due(Channel::Slack).await.expect("read"), Some(owed_at));
    assert!(claim(store, Channel::Slack, at(1)).await.is_empty(), "it is not due yet");
    let claimed = claim(store, Channel::Slack, owed_at).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].notification.recipient, Recipient::Slack("#p2".into()));
    assert!(claimed[0].notification.first_word && !claimed[0].notification.possible_repeat);
    let end = owed_at + seconds(15);
    assert_eq!(store.next_due(Channel::Slack).await.expect("read"), Some(end));
    assert!(claim(store, Channel::Slack, end - seconds(1)).await.is_empty());
    attempt(store, &claimed[0], owed_at, &accepted()).await;
    assert_eq!(store.next_due(Channel::Slack).await.expect("read"), None);
    assert!(claim(store, Channel::Slack, end).await.is_empty());
    let record = &history(store, 1).await.notifications[0];
    assert_eq!(record.state, State::Sent);
    assert_eq!(record.deliveries.len(), 1);
    let delivery = &record.deliveries[0];
    assert_eq!((delivery.outcome.as_str(), delivery.detail.as_str()), ("accepted", "C1/17"));
    assert_eq!((delivery.started_at, delivery.ended_at), (owed_at, owed_at + seconds(1)));
}

pub(super) async fn a_lost_lease_is_a_possible_repeat(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let first = claim(store, Channel::Slack, at(2)).await;
    let again = claim(store, Channel::Slack, at(2) + seconds(15)).await;
    assert_eq!(first[0].notification.id, again[0].notification.id);
    assert_eq!(
        (first[0].notification.possible_repeat, again[0].notification.possible_repeat),
        (false, true)
    );
    assert!(
        again[0].notification.first_word,
        "that it may be a repeat says nothing of others before it"
    );
    let record = &history(store, 1).await.notifications[0];
    let lost = &record.deliveries[0];
    assert_eq!((lost.outcome.as_str(), lost.started_at), ("ambiguous", at(2)));
    attempt(store, &again[0], at(3), &accepted()).await;
    assert_eq!(states(store, 1).await, [State::Sent]);
}

/// Claims the one message to Slack that is owed, over and over, each time from one who died.
async fn claim_after(store: &dyn Store, claims: u32) -> Vec<Claim> {
    let mut claimed = Vec::new();
    for number in 0..claims {
        claimed = claim(store, Channel::Slack, at(2 + number)).await;
    }
    claimed
}

async fn departure(store: &dyn Store, claim: &Claim) -> Standing {
    store.note_departure(claim).await.expect("answered")
}

pub(super) async fn a_repeat_that_had_not_left_is_handed_out_again(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let fourth = claim_after(store, 4).await;
    assert!(fourth[0].notification.possible_repeat);
    assert_eq!(fourth[0].notification.failures, 1, "only the first may have arrived");
    let record = &history(store, 1).await.notifications[0];
    let outcomes: Vec<&str> = record.deliveries.iter().map(|it| it.outcome.as_str()).collect();
    assert_eq!(outcomes, ["ambiguous", "retry", "retry"]);
    attempt(store, &fourth[0], at(5), &accepted()).await;
    assert_eq!(states(store, 1).await, [State::Sent]);
}

pub(super) async fn a_repeat_that_is_lost_after_it_left_is_given_up(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let second = claim_after(store, 2).await;
    assert_eq!(departure(store, &second[0]).await, Standing::Held);
    let end = at(3) + seconds(15);
    assert!(claim(store, Channel::Slack, end).await.is_empty());
    let record = &history(store, 1).await.notifications[0];
    assert_eq!(record.state, State::GivenUp);
    assert!(record.reason.as_ref().is_some_and(|it| it.contains("it may have arrived")));
    assert_eq!(store.backlog(at(3)).await.expect("read")[0].given_up, 1);
    assert_eq!(departure(store, &second[0]).await, Standing::Lost, "it is not owed");
    // A recovery goes to whoever may have heard of it, and is not their first word.
    tell(store, 5, &[Passed]).await;
    let recovery = claim(store, Channel::Slack, at(6)).await;
    assert_eq!((recovery.len(), recovery[0].notification.first_word), (1, false));
}

pub(super) async fn a_repeat_that_was_refused_may_leave_again(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let second = claim_after(store, 2).await;
    assert_eq!(departure(store, &second[0]).await, Standing::Held);
    let retry = Attempt::Retry { reason: "429".into(), after: None };
    attempt(store, &second[0], at(3), &retry).await;
    assert_eq!(departure(store, &second[0]).await, Standing::Lost, "nobody is sending it");
    let third = claim(store, Channel::Slack, at(4)).await;
    let late = departure(store, &second[0]).await;
    assert_eq!(late, Standing::Lost, "by that claim, nothing leaves any more");
    let fourth = claim(store, Channel::Slack, at(5)).await;
    assert_eq!((third.len(), fourth.len()), (1, 1), "the third had not left");
}

pub(super) async fn a_clock_set_back_keeps_nobody_waiting(store: &dyn Store) {
    tell(store, 100, &[Failed]).await;
    let claimed = claim(store, Channel::Slack, at(101)).await;
    let retry = Attempt::Retry { reason: "500".into(), after: Some(seconds(60)) };
    attempt(store, &claimed[0], at(101), &retry).await;
    // Due at once: how long it has waited cannot be known.
    assert_eq!(claim(store, Channel::Slack, at(2)).await.len(), 1);
    let end = at(2) + seconds(15);
    assert!(claim(store, Channel::Slack, end - seconds(1)).await.is_empty());
    // The clock is set back again, while someone has it.
    assert!(claim(store, Channel::Slack, at(1)).await.is_empty());
    assert_eq!(claim(store, Channel::Slack, at(1) + seconds(15)).await.len(), 1);
}

pub(super) async fn one_recipient_is_told_in_order(store: &dyn Store) {
    let tier = |failures| Tier::after(failures, vec![Target::Slack("#p2".into())]);
    let policy = Policy { tiers: vec![tier(1), tier(2)], ..Policy::built_in(None) };
    let rules = rules_with(policy, &["login"]);
    store.record(&[report("login", "eu", 1, Failed)], &rules, at(1)).await.expect("recorded");
    let first = claim(store, Channel::Slack, at(3)).await;
    store.record(&[report("login", "eu", 2, Failed)], &rules, at(2)).await.expect("recorded");
    assert_eq!(first.len(), 1);
    assert!(claim(store, Channel::Slack, at(3)).await.is_empty(), "the second waits for the first");
    // It may have arrived, so it is repeated, and the second does not take its place.
    let lost = Attempt::Ambiguous { reason: "no answer".into() };
    attempt(store, &first[0], at(3), &lost).await;
    assert!(claim(store, Channel::Slack, at(3) + seconds(1)).await.is_empty());
    let first = claim(store, Channel::Slack, at(6)).await;
    attempt(store, &first[0], at(6), &accepted()).await;
    let second = claim(store, Channel::Slack, at(7)).await;
    assert_eq!(second.len(), 1);
    assert!(second[0].notification.id > first[0].notification.id);
}

pub(super) async fn channels_have_lanes_of_their_own(store: &dyn Store) {
    tell(store, 1, &[Failed, Failed]).await;
    tell_one(store, &report("search", "eu", 1, Failed)).await;
    let slack = claim(store, Channel::Slack, at(3)).await;
    assert_eq!(slack.len(), 2);
    assert!(slack.is_sorted_by_key(|claim| claim.notification.id));
    let one = store.claim_due(Channel::Sms, at(3), at(4), 1).await.expect("claimed");
    assert_eq!(one.len(), 1);
    let rest = claim(store, Channel::Sms, at(3)).await;
    assert_eq!(rest.len(), 1);
    assert_ne!(one[0].notification.recipient, rest[0].notification.recipient);
}

pub(super) async fn a_recipient_is_sent_one_at_a_time(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    tell_one(store, &report("search", "eu", 1, Failed)).await;
    let first = claim(store, Channel::Slack, at(2)).await;
    assert_eq!(first.len(), 1, "both are due to #p2");
    assert!(claim(store, Channel::Slack, at(2)).await.is_empty());
    let end = at(2) + seconds(15);
    assert_eq!(store.next_due(Channel::Slack).await.expect("read"), Some(end));
    let retry = Attempt::Retry { reason: "500".into(), after: None };
    attempt(store, &first[0], at(2), &retry).await;
    let second = claim(store, Channel::Slack, at(2) + seconds(1)).await;
    assert_eq!(second.len(), 1, "one incident does not wait for another's retry");
    assert_ne!(second[0].notification.incident, first[0].notification.incident);
    attempt(store, &second[0], at(2) + seconds(1), &accepted()).await;
    assert_eq!(claim(store, Channel::Slack, at(3)).await.len(), 1);
}

pub(super) async fn a_retry_is_due_when_it_says(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let claimed = claim(store, Channel::Slack, at(2)).await;
    let lost = Attempt::Ambiguous { reason: "timed out".into() };
    let settlement = attempt(store, &claimed[0], at(2), &lost).await;
    let due = store.next_due(Channel::Slack).await.expect("read").expect("still owed");
    assert_eq!(due, settlement.due_at);
    assert!(claim(store, Channel::Slack, due - seconds(1)).await.is_empty());
    let again = claim(store, Channel::Slack, due).await;
    assert_eq!((again[0].notification.failures, again[0].notification.possible_repeat), (1, true));
    let record = &history(store, 1).await.notifications[0];
    assert_eq!(record.reason.as_deref(), Some(settlement.reason.as_str()));
    assert_eq!(record.deliveries.len(), 1, "a settled attempt is no lost lease");
}

pub(super) async fn an_acceptance_always_counts(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let slow = claim(store, Channel::Slack, at(2)).await;
    let other = claim(store, Channel::Slack, at(3)).await;
    attempt(store, &other[0], at(3), &refused()).await;
    assert_eq!(states(store, 1).await, [State::GivenUp]);
    attempt(store, &slow[0], at(3), &accepted()).await;
    assert_eq!(states(store, 1).await, [State::Sent]);
    attempt(store, &other[0], at(4), &refused()).await;
    assert_eq!(states(store, 1).await, [State::Sent]);
    assert_eq!(
        outcomes(store, 1).await,
        ["ambiguous", "given_up", "accepted"],
        "the lost lease, the refusal and the late acceptance"
    );
}

/// How each attempt at the first notification of an incident ended.
async fn outcomes(store: &dyn Store, incident: i64) -> Vec<String> {
    let record = history(store, incident).await.notifications.remove(0);
    record.deliveries.into_iter().map(|delivery| delivery.outcome).collect()
}

/// Settles an attempt and says whether the claim was still held.
async fn standing(store: &dyn Store, claim: &Claim, now: Timestamp, ended: &Attempt) -> Standing {
    let settlement = settle(&claim.notification, ended, now, now, 0.0);
    store.settle(claim, now, now, ended, &settlement).await.expect("answered")
}

pub(super) async fn a_lost_claim_changes_nothing(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let lost = claim(store, Channel::Slack, at(2)).await;
    let held = claim(store, Channel::Slack, at(3)).await;
    assert!(held[0].epoch > lost[0].epoch);
    assert_eq!((lost[0].until, held[0].until), (at(2) + seconds(15), at(3) + seconds(15)));
    let before = history(store, 1).await;
    let retry = Attempt::Retry { reason: "500".into(), after: None };
    for ended in [&retry, &refused(), &Attempt::Ambiguous { reason: "timed out".into() }] {
        assert_eq!(standing(store, &lost[0], at(3), ended).await, Standing::Lost);
        assert_eq!(history(store, 1).await, before);
    }
    assert!(claim(store, Channel::Slack, at(3)).await.is_empty(), "the lease holds");
    assert_eq!(standing(store, &held[0], at(3), &accepted()).await, Standing::Held);
    assert_eq!(states(store, 1).await, [State::Sent]);
    assert_eq!(standing(store, &lost[0], at(4), &refused()).await, Standing::Lost);
    assert_eq!(states(store, 1).await, [State::Sent]);
}

pub(super) async fn an_acceptance_by_a_lost_claim_is_recorded_once(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let lost = claim(store, Channel::Slack, at(2)).await;
    let held = claim(store, Channel::Slack, at(3)).await;
    for _ in 0..2 {
        let standing = standing(store, &lost[0], at(3), &accepted()).await;
        assert_eq!(states(store, 1).await, [State::Sent]);
        assert_eq!(outcomes(store, 1).await, ["ambiguous", "accepted"], "{standing:?}");
    }
    // The repeat left as well, and that is known, too.
    assert_eq!(standing(store, &held[0], at(3), &accepted()).await, Standing::Lost);
    assert_eq!(outcomes(store, 1).await, ["ambiguous", "accepted", "accepted"]);
    assert!(claim(store, Channel::Slack, at(9)).await.is_empty());
    assert!(history(store, 1).await.notifications[0].notification.possible_repeat);
}

pub(super) async fn a_claim_that_ran_out_and_was_taken_by_nobody_is_held(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let claimed = claim(store, Channel::Slack, at(2)).await;
    let retry = Attempt::Retry { reason: "500".into(), after: None };
    assert_eq!(standing(store, &claimed[0], at(9), &retry).await, Standing::Held);
    assert_eq!(outcomes(store, 1).await, ["retry"]);
    // Asked again because the first answer was lost, it says the same and does nothing.
    assert_eq!(standing(store, &claimed[0], at(9), &retry).await, Standing::Held);
    assert_eq!(outcomes(store, 1).await, ["retry"]);
    let again = claim(store, Channel::Slack, at(10)).await;
    assert!(!again[0].notification.possible_repeat);
    assert_eq!(again[0].notification.failures, 1);
}

pub(super) async fn a_recovery_takes_the_place_of_what_was_not_sent(store: &dyn Store) {
    tell(store, 1, &[Failed, Passed]).await;
    assert_eq!(
        outbox(store, 1).await,
        ["slack:#p2 failing superseded", "slack:#p2 recovered owed"]
    );
    let claimed = claim(store, Channel::Slack, at(3)).await;
    assert_eq!(claimed.len(), 1);
    assert!(claimed[0].notification.first_word, "so that it says both");
    let superseded = &history(store, 1).await.notifications[0];
    assert!(superseded.reason.as_ref().is_some_and(|reason| reason.contains("says both")));
}

pub(super) async fn a_recovery_waits_for_what_is_being_sent(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let sending = claim(store, Channel::Slack, at(2)).await;
    tell(store, 2, &[Passed]).await;
    assert_eq!(outbox(store, 1).await, ["slack:#p2 failing owed", "slack:#p2 recovered owed"]);
    assert!(claim(store, Channel::Slack, at(2) + seconds(2)).await.is_empty());
    attempt(store, &sending[0], at(2), &accepted()).await;
    let recovery = claim(store, Channel::Slack, at(2) + seconds(2)).await;
    assert_eq!((recovery.len(), recovery[0].notification.first_word), (1, false));
}

fn busy() -> Attempt {
    Attempt::Retry { reason: "503".into(), after: None }
}

pub(super) async fn a_recovery_takes_the_place_of_what_was_refused_meanwhile(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let sending = claim(store, Channel::Slack, at(2)).await;
    tell(store, 2, &[Passed]).await;
    attempt(store, &sending[0], at(2), &busy()).await;
    assert_eq!(
        outbox(store, 1).await,
        ["slack:#p2 failing superseded", "slack:#p2 recovered owed"]
    );
    let superseded = &history(store, 1).await.notifications[0];
    assert!(superseded.reason.as_ref().is_some_and(|reason| reason.contains("the recovery says")));
    assert_eq!(superseded.deliveries.len(), 1, "the attempt is on record");
    let recovery = claim(store, Channel::Slack, at(2) + seconds(2)).await;
    assert_eq!((recovery.len(), recovery[0].notification.first_word), (1, true));
}

pub(super) async fn a_recovery_waits_for_the_repeat_of_what_may_have_arrived(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let sending = claim(store, Channel::Slack, at(2)).await;
    tell(store, 2, &[Passed]).await;
    let lost = Attempt::Ambiguous { reason: "no answer".into() };
    attempt(store, &sending[0], at(2), &lost).await;
    assert_eq!(outbox(store, 1).await, ["slack:#p2 failing owed", "slack:#p2 recovered owed"]);
}

pub(super) async fn a_recovery_takes_the_place_of_what_was_held_meanwhile(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let sending = claim(store, Channel::Slack, at(2)).await;
    tell(store, 2, &[Passed]).await;
    let held = store.hold(&sending[0], &[], at(9), "held: later").await.expect("held");
    assert_eq!(held, Standing::Held);
    assert_eq!(
        outbox(store, 1).await,
        ["slack:#p2 failing superseded", "slack:#p2 recovered owed"]
    );
}

pub(super) async fn what_is_told_again_takes_the_place_of_what_was_refused_meanwhile(
    store: &(impl Store + Care),
) {
    let policy = Policy { acknowledged_for: seconds(60), ..Policy::built_in(None) };
    let rules = rules_with(policy, &["login"]);
    store.record(&[report("login", "eu", 1, Failed)], &rules, at(1)).await.expect("recorded");
    let actor = Actor { name: "eva".into(), via: Via::Web };
    let act = Act::Acknowledge { reason: None, lasts: None };
    let acted = store.act(IncidentId(1), (&act, &actor), &rules, at(2)).await.expect("done");
    assert!(matches!(acted, Acted::Done(_)));
    let sending = claim(store, Channel::Slack, at(2)).await;
    store.tend(&rules, 10, at(5)).await.expect("tended");
    attempt(store, &sending[0], at(5), &busy()).await;
    assert_eq!(
        outbox(store, 1).await,
        ["slack:#p2 failing superseded", "slack:#p2 acknowledged owed", "slack:#p2 failing owed"]
    );
}

pub(super) async fn a_recovery_after_a_sent_failure_is_not_the_first_word(store: &dyn Store) {
    tell(store, 1, &[Failed, Failed]).await;
    for claim in claim(store, Channel::Slack, at(3)).await {
        attempt(store, &claim, at(3), &accepted()).await;
    }
    // One SMS may have arrived, the other was not tried.
    let sms = store.claim_due(Channel::Sms, at(3), at(4), 1).await.expect("claimed");
    attempt(store, &sms[0], at(3), &Attempt::Ambiguous { reason: "timed out".into() }).await;
    tell(store, 5, &[Passed]).await;
    assert_eq!(
        outbox(store, 1).await,
        [
            "slack:#p2 failing sent",
            "slack:#p1 failing sent",
            "sms:ana failing owed",
            "sms:bo failing superseded",
            "slack:#p1 recovered owed",
            "slack:#p2 recovered owed",
            "sms:ana recovered owed",
            "sms:bo recovered owed",
        ]
    );
    for claim in claim(store, Channel::Slack, at(6)).await {
        assert!(!claim.notification.first_word);
    }
    let sms = claim(store, Channel::Sms, at(6)).await;
    let words: Vec<String> = sms
        .iter()
        .map(|claim| &claim.notification)
        .map(|it| format!("{} {} {}", it.recipient, it.notice.kind.as_str(), it.first_word))
        .collect();
    assert_eq!(words, ["sms:ana failing true", "sms:bo recovered true"]);
}

pub(super) async fn a_recovery_after_a_failure_that_was_given_up_is_the_first_word(
    store: &dyn Store,
) {
    tell(store, 1, &[Failed]).await;
    let sending = claim(store, Channel::Slack, at(2)).await;
    tell(store, 2, &[Passed]).await;
    attempt(store, &sending[0], at(2), &refused()).await;
    let recovery = claim(store, Channel::Slack, at(3)).await;
    assert!(
        recovery[0].notification.first_word,
        "nobody heard of it, and that was not known when it was owed"
    );
}

pub(super) async fn a_further_tier_is_not_the_first_word(store: &dyn Store) {
    let tier = |failures, target: &str| {
        Tier::after(failures, vec![Target::Slack(target.into()), Target::Slack("#all".into())])
    };
    let policy = Policy { tiers: vec![tier(1, "#p2"), tier(2, "#p1")], ..Policy::built_in(None) };
    let rules = rules_with(policy, &["login"]);
    store.record(&[report("login", "eu", 1, Failed)], &rules, at(1)).await.expect("recorded");
    assert_eq!(claim(store, Channel::Slack, at(1)).await.len(), 2);
    store.record(&[report("login", "eu", 2, Failed)], &rules, at(2)).await.expect("recorded");
    let records = history(store, 1).await.notifications;
    let words: Vec<(String, bool)> = records
        .iter()
        .map(|it| (it.notification.recipient.to_string(), it.notification.first_word))
        .collect();
    let expected =
        [("slack:#p2", true), ("slack:#all", true), ("slack:#p1", true), ("slack:#all", false)];
    assert_eq!(words, expected.map(|(name, first)| (name.to_owned(), first)));
}

pub(super) async fn the_backlog_counts_by_channel(store: &dyn Store) {
    tell(store, 1, &[Failed, Failed]).await;
    let slack = claim(store, Channel::Slack, at(3)).await;
    attempt(store, &slack[0], at(3), &refused()).await;
    let given_up_at = at(3) + seconds(1);
    let backlog = |channel, owed, given_up| Backlog {
        channel,
        owed,
        oldest: Some(at(2) + seconds(1)),
        given_up,
    };
    let before = store.backlog(given_up_at - seconds(1)).await.expect("read");
    let rest = Channel::ALL[2..].iter();
    let rest: Vec<Backlog> = rest
        .map(|channel| Backlog { channel: *channel, owed: 0, oldest: None, given_up: 0 })
        .collect();
    assert_eq!(before[..2], [backlog(Channel::Slack, 1, 1), backlog(Channel::Sms, 2, 0)]);
    assert_eq!(before[2..], rest);
    let after = store.backlog(given_up_at).await.expect("read");
    assert_eq!(after[..2], [backlog(Channel::Slack, 1, 0), backlog(Channel::Sms, 2, 0)]);
    attempt(store, &slack[1], at(3), &accepted()).await;
    let empty = Backlog { channel: Channel::Slack, owed: 0, oldest: None, given_up: 0 };
    assert_eq!(store.backlog(given_up_at).await.expect("read")[0], empty);
}

/// Failures of so many checks, all told to one webhook and one that is slow.
async fn tell_webhooks(store: &dyn Store, checks: u32) {
    let names: Vec<String> = (0..checks).map(|number| format!("c{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let targets = ["fast", "slow"].map(|name| Target::Webhook(name.into()));
    let policy = Policy::of(Policy::DEFAULT_NAME, vec![Tier::after(1, targets.to_vec())]);
    let rules = rules_with(policy, &names);
    let failed = |name: &&str| report(name, "eu", 1, Failed);
    let reports: Vec<_> = names.iter().map(failed).collect();
    store.record(&reports, &rules, at(2)).await.expect("recorded");
}

pub(super) async fn webhooks_are_handed_out_many_at_once(store: &dyn Store) {
    let abreast = Channel::Webhook.abreast().expect("many");
    tell_webhooks(store, abreast * 2).await;
    let now = at(3);
    let due = async || store.claim_due(Channel::Webhook, now, now + seconds(15), 1000).await;
    let mut claimed = Vec::new();
    loop {
        let more = due().await.expect("claimed");
        if more.is_empty() {
            break;
        }
        assert!(more.len() <= abreast as usize, "{}", more.len());
        claimed.extend(more);
    }
    let of = |claimed: &[Claim], name: &str| {
        claimed.iter().filter(|it| it.notification.recipient.address() == name).count()
    };
    let most = abreast as usize * 2;
    let (fast, slow) = (of(&claimed, "fast"), of(&claimed, "slow"));
    assert!((abreast as usize..most).contains(&fast), "{fast}");
    assert!((abreast as usize..most).contains(&slow), "{slow}");
    // Those who have enough on their way are waited for, and not asked about again and again.
    let end = now + seconds(15);
    assert_eq!(store.next_due(Channel::Webhook).await.expect("read"), Some(end));
    let fast: Vec<&Claim> =
        claimed.iter().filter(|it| it.notification.recipient.address() == "fast").collect();
    for claim in fast {
        attempt(store, claim, now, &accepted()).await;
    }
    let rest = due().await.expect("claimed");
    assert!(!rest.is_empty() && of(&rest, "slow") == 0, "the slow one holds up nobody else");
}

pub(super) async fn webhooks_about_one_incident_follow_each_other(store: &dyn Store) {
    let tier = |failures| Tier::after(failures, vec![Target::Webhook("chat".into())]);
    let policy = Policy { tiers: vec![tier(1), tier(2)], ..Policy::built_in(None) };
    let rules = rules_with(policy, &["login"]);
    let fails = async |slot, now| {
        let failed = [report("login", "eu", slot, Failed)];
        store.record(&failed, &rules, now).await.expect("recorded");
    };
    fails(1, at(2)).await;
    let first = claim(store, Channel::Webhook, at(3)).await;
    assert_eq!(first.len(), 1);
    // On its way already, so the next one does not take its place.
    fails(2, at(3)).await;
    assert!(claim(store, Channel::Webhook, at(3)).await.is_empty());
    attempt(store, &first[0], at(3), &accepted()).await;
    let second = claim(store, Channel::Webhook, at(3)).await;
    assert_eq!((second.len(), second[0].notification.first_word), (1, false));
}

pub(super) async fn attempts_are_recorded_together_and_each_by_its_claim(store: &dyn Store) {
    tell_webhooks(store, 3).await;
    let lost = claim(store, Channel::Webhook, at(3)).await;
    let now = at(3) + seconds(15);
    let held = claim(store, Channel::Webhook, now).await;
    assert_eq!((lost.len(), held.len()), (6, 6));
    let words = Attempt::Accepted { receipt: "it's \"C1\"\\\0".into() };
    let retry = Attempt::Retry { reason: "503".into(), after: None };
    let tried = [
        (&held[0], &words, Standing::Held),
        (&held[1], &retry, Standing::Held),
        (&held[2], &refused(), Standing::Held),
        (&lost[3], &accepted(), Standing::Lost),
        (&lost[4], &refused(), Standing::Lost),
        (&held[5], &retry, Standing::Held),
        // What comes later in the same transaction finds what came before.
        (&held[0], &words, Standing::Held),
        (&held[5], &accepted(), Standing::Lost),
    ];
    let follows: Vec<_> = tried
        .iter()
        .map(|(claim, attempt, _)| settle(&claim.notification, attempt, now, now, 0.0))
        .collect();
    let ended: Vec<Ended<'_>> = tried
        .iter()
        .zip(&follows)
        .map(|((claim, attempt, _), settlement)| Ended {
            claim,
            started_at: now,
            ended_at: now,
            attempt,
            settlement,
            shared: &[],
        })
        .collect();
    let standings = store.settle_all(&ended).await.expect("answered");
    assert_eq!(standings, tried.map(|(.., standing)| standing));
    assert_eq!(states(store, 1).await, [State::Sent, State::Owed]);
    assert_eq!(states(store, 2).await, [State::GivenUp, State::Sent]);
    assert_eq!(states(store, 3).await, [State::Owed, State::Sent]);
    let first = history(store, 1).await.notifications.remove(0);
    let told: Vec<&str> = first.deliveries.iter().map(|it| it.detail.as_str()).collect();
    assert_eq!(told[1..], ["it's \"C1\"\\\u{fffd}"], "recorded once, whatever stands in it");
    assert_eq!(first.stamps.accepted, Some(now));
    assert_eq!(outcomes(store, 3).await, ["ambiguous"], "a lost claim changes nothing");
    assert!(store.settle_all(&[]).await.expect("answered").is_empty());
}
