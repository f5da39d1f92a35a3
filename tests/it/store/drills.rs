//! Paths: rounds of drills, and what proves a path.

use std::collections::BTreeSet;
use std::time::Duration;

use tripline::domain::Timestamp;
use tripline::domain::drill::{
    Decided, Evidence, Known, Plan, Standing, Terms, decide, round, verdict,
};
use tripline::domain::id::PersonId;
use tripline::domain::incident::Change;
use tripline::domain::notification::Attempt;
use tripline::domain::policy::{Channel, Policy, Recipient};
use tripline::domain::proof::{Status, Word};
use tripline::domain::run::Outcome::Failed;
use tripline::domain::schedule::Cron;
use tripline::engine::succession::InForce;
use tripline::store::drills::Examiner;
use tripline::store::{Error, IncidentFilter, Lease, Ledger, Remembered};

use super::scene::{self, accepted, at, attempt, claim, history, outbox, region, seconds, tell};

fn p2() -> Recipient {
    Recipient::Slack("#p2".into())
}

fn ana() -> Recipient {
    Recipient::Sms(PersonId::new("ana").expect("a good name"))
}

/// Decides as a hub does, for `#p2` and ana.
struct Look(Terms);

impl Look {
    fn new() -> Self {
        let plan = Plan {
            schedule: Cron::parse("*/10 * * * *", "UTC").expect("a schedule"),
            channels: Channel::OUT.into(),
            proven_within: Duration::from_hours(1),
        };
        let tiers = Policy::built_in(None).tiers.into_iter().map(|tier| tier.notify);
        let paths: BTreeSet<Recipient> = [p2(), ana()].into();
        Self(Terms { plan: Some(plan), paths, tiers: tiers.collect(), ..Terms::default() })
    }
}

impl Examiner for Look {
    fn examine(&self, known: &Known, _: &Remembered, now: Timestamp) -> Decided {
        decide(&self.0, known, &region("eu"), now)
    }
}

/// Drills both by hand.
struct ByHand;

impl Examiner for ByHand {
    fn examine(&self, known: &Known, _: &Remembered, now: Timestamp) -> Decided {
        let round = round([p2(), ana()], known, &region("eu"), "manual", now);
        Decided { changes: round.into_iter().collect(), ..Decided::default() }
    }
}

async fn examine(store: &dyn Ledger, examiner: &dyn Examiner, now: Timestamp) -> Vec<String> {
    let changes = store.examine(examiner, None, now).await.expect("examined");
    let words = |Change { subject, transition }: Change| {
        let incident = transition.incident.and_then(|it| it.id).expect("it has a number");
        format!("{incident} {subject} {}", transition.decisions[0].kind.as_str())
    };
    changes.into_iter().map(words).collect()
}

async fn standing(store: &dyn Ledger, path: &Recipient, now: Timestamp) -> Standing {
    let known = store.known_paths(now).await.expect("read");
    verdict(&Look::new().0, &known, path, now).standing
}

pub(super) async fn a_round_is_owed_once_and_what_arrives_is_its_proof(store: &dyn Ledger) {
    let look = Look::new();
    // At first, both are known, and nothing is owed.
    assert!(examine(store, &look, at(1)).await.is_empty());
    let known = store.known_paths(at(50)).await.expect("read");
    assert_eq!((known.records.len(), known.mark), (2, Some(at(1))));
    assert_eq!(known.records[&ana()].drilled_since, Some(at(1)));
    assert_eq!(known.records[&p2()].since, at(1));
    assert!(examine(store, &look, at(19)).await.is_empty());
    assert_eq!(examine(store, &look, at(20)).await, ["1 drill:paths noted"]);
    assert!(examine(store, &look, at(20)).await.is_empty(), "once");
    assert_eq!(outbox(store, 1).await, ["slack:#p2 drill owed", "sms:ana drill owed"]);
    assert_eq!(standing(store, &p2(), at(20)).await, Standing::Waiting);

    let [slack] = &claim(store, Channel::Slack, at(20)).await[..] else { panic!("one") };
    attempt(store, slack, at(20), &accepted()).await;
    let [sms] = &claim(store, Channel::Sms, at(20)).await[..] else { panic!("one") };
    attempt(store, sms, at(20), &Attempt::Accepted { receipt: "SM1".into() }).await;
    let known = store.known_paths(at(50)).await.expect("read");
    let proof = known.records[&p2()].proof.clone().expect("it arrived");
    assert_eq!((proof.by, proof.receipt.as_str()), (Evidence::Accepted, "C1/17"));
    let before = store.known_paths(at(19)).await.expect("read");
    assert_eq!(before.records[&p2()].proof, None, "a clock was ahead");
    assert_eq!(known.records[&ana()].proof, None, "it was only taken");
    assert_eq!(standing(store, &ana(), at(21)).await, Standing::Waiting);
    let word = |status| Word { status, code: Some(30003) };
    store.hear("SM1", word(Status::Delivered), at(22)).await.expect("heard");
    let known = store.known_paths(at(50)).await.expect("read");
    let proof = known.records[&ana()].proof.clone().expect("it arrived");
    assert_eq!((proof.by, proof.at), (Evidence::Delivered, at(22)));

    // The proof is noted, and outlives the message.
    assert!(examine(store, &look, at(23)).await.is_empty());
    assert!(store.known_paths(at(50)).await.expect("read").records[&ana()].noted == Some(at(22)));

    // The next one does not arrive, which is told once, until something does.
    assert_eq!(examine(store, &look, at(40)).await, ["2 drill:paths noted"]);
    let [sms] = &claim(store, Channel::Sms, at(40)).await[..] else { panic!("one") };
    attempt(store, sms, at(40), &Attempt::Accepted { receipt: "SM2".into() }).await;
    store.hear("SM2", word(Status::Undelivered), at(41)).await.expect("heard");
    assert_eq!(standing(store, &ana(), at(42)).await, Standing::Failed);
    assert_eq!(examine(store, &look, at(42)).await, ["3 path:sms:ana opened"]);
    assert!(examine(store, &look, at(43)).await.is_empty());
    let [slack] = &claim(store, Channel::Slack, at(43)).await[..] else { panic!("one") };
    assert_eq!(slack.notification.incident.0, 3, "a drill of #p2 is owed before, and waits");
    let in_force = InForce::default();
    let decided = store.succeed(&in_force, 10, at(44)).await.expect("decided");
    assert!(decided[0].heirs.recipients.is_empty(), "{decided:?}");
    assert!(decided[0].heirs.sentence.contains("it was a drill"), "{decided:?}");
    assert_eq!(examine(store, &ByHand, at(45)).await, ["4 drill:paths noted"]);
    assert_eq!(outbox(store, 4).await, ["sms:ana drill owed"], "one to #p2 is on its way");
    let [sms] = &claim(store, Channel::Sms, at(45)).await[..] else { panic!("one") };
    attempt(store, sms, at(45), &Attempt::Accepted { receipt: "SM3".into() }).await;
    store.hear("SM3", word(Status::Delivered), at(46)).await.expect("heard");
    assert_eq!(examine(store, &look, at(47)).await, ["3 path:sms:ana resolved"]);
}

pub(super) async fn a_drill_leaves_after_all_else_and_is_counted_nowhere(store: &dyn Ledger) {
    examine(store, &Look::new(), at(1)).await;
    assert_eq!(examine(store, &ByHand, at(2)).await, ["1 drill:paths noted"]);
    let all = IncidentFilter { limit: 10, ..IncidentFilter::default() };
    assert_eq!(store.incidents(&all).await.expect("listed"), []);
    assert!(history(store, 1).await.record.incident.resolved_at.is_some());
    let owed = store.backlog(at(0)).await.expect("read").iter().map(|it| it.owed).sum::<u64>();
    assert_eq!(owed, 0);
    tell(store, 3, &[Failed]).await;
    let crowd = scene::crowd(store, &p2(), at(0)).await;
    assert_eq!(crowd.waiting.len(), 1, "{crowd:?}");
    let [first] = &claim(store, Channel::Slack, at(4)).await[..] else { panic!("one") };
    assert_eq!(first.notification.notice.kind.as_str(), "failing");
    attempt(store, first, at(4), &Attempt::Retry { reason: "503".into(), after: None }).await;
    // While that is to be tried again, the drill waits, and nobody is called for it.
    let next = store.next_due(Channel::Slack).await.expect("read").expect("it is tried again");
    assert!(claim(store, Channel::Slack, at(4) + seconds(1)).await.is_empty());
    let [again] = &claim(store, Channel::Slack, next).await[..] else { panic!("one") };
    assert_eq!(again.notification.id, first.notification.id);
    attempt(store, again, next, &accepted()).await;
    let [drill] = &claim(store, Channel::Slack, at(8)).await[..] else { panic!("one") };
    assert_eq!(drill.notification.notice.kind.as_str(), "drill");
    attempt(store, drill, at(8), &Attempt::GiveUp { reason: "no".into() }).await;
    let told = scene::crowd(store, &p2(), at(0)).await.told;
    assert_eq!(told.len(), 1);
    examine(store, &ByHand, at(9)).await;
    let [drill] = &claim(store, Channel::Slack, at(9)).await[..] else { panic!("one") };
    attempt(store, drill, at(9), &accepted()).await;
    let told = scene::crowd(store, &p2(), at(0)).await.told;
    assert_eq!(told.len(), 1, "a drill keeps no alarm from anybody");
    let lost: u64 = store.backlog(at(0)).await.expect("read").iter().map(|it| it.given_up).sum();
    assert_eq!(lost, 0);
}

pub(super) async fn what_a_channel_is_broken_by_is_known_and_a_lost_lease_decides_nothing(
    store: &dyn Ledger,
) {
    let look = Look::new();
    examine(store, &look, at(1)).await;
    examine(store, &ByHand, at(2)).await;
    let [drill] = &claim(store, Channel::Slack, at(2)).await[..] else { panic!("one") };
    let broken = Attempt::Broken { reason: "token_revoked".into() };
    attempt(store, drill, at(2), &broken).await;
    store.succeed(&InForce::default(), 10, at(3)).await.expect("decided");
    let known = store.known_paths(at(50)).await.expect("read");
    assert_eq!(known.broken[0].path.as_str(), "slack");
    assert_eq!(standing(store, &p2(), at(3)).await, Standing::Broken);
    let lease = |holder: &str| Lease {
        part: "drills".into(),
        holder: holder.into(),
        epoch: tripline::store::Epoch(1),
    };
    let until = at(3) + seconds(9);
    store.lease("drills", "one", at(3), until).await.expect("taken").expect("it is free");
    let lost = store.examine(&look, Some(&lease("other")), at(3)).await;
    assert!(matches!(lost, Err(Error::LeaseLost { .. })), "{lost:?}");
    let opened = store.examine(&look, Some(&lease("one")), at(3)).await.expect("examined");
    assert_eq!(opened[0].subject.to_string(), "path:slack");
    assert_eq!(examine(store, &look, at(4)).await.len(), 0, "once");
    assert_eq!(store.known_paths(at(50)).await.expect("read").open.len(), 1);
    // What is sent by it, whatever it is, shows that it works.
    let [told] = &claim(store, Channel::Slack, at(5)).await[..] else { panic!("one") };
    attempt(store, told, at(5), &accepted()).await;
    assert_eq!(examine(store, &look, at(6)).await, ["2 path:slack resolved"]);
}
