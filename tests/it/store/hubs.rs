//! What is particular to several hubs on one PostgreSQL database: what they do at once is done once,
//! whatever their clocks show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::TimeDelta;
use tokio::task::JoinSet;
use tripline::clock::{Clock, Guided, System};
use tripline::domain::Timestamp;
use tripline::domain::notification::settle;
use tripline::domain::policy::Channel;
use tripline::domain::run::Outcome::{Failed, Passed, Unknown};
use tripline::domain::run::Report;
use tripline::store::agents::{Agents, Claimed};
use tripline::store::postgres::PostgresStore;
use tripline::store::{Claim, Epoch, IncidentFilter, Novelty, Standing, Store};

use super::postgres::{Fresh, PATIENCE, everything};
use super::scene::{
    accepted, at, attempt, claim, history, outbox, report, rules, rules_with, seconds, tell,
};
use crate::support::wait::until;

#[tokio::test]
async fn of_many_who_claim_a_name_at_once_one_gets_it() {
    let fresh = Fresh::new().await;
    let mut claims = JoinSet::new();
    for instance in 1..=8 {
        let hub = fresh.another().await;
        claims.spawn(async move {
            let claimed = hub.claim_name(&super::agents::claim("a", instance, 0)).await;
            hub.close().await;
            claimed.expect("answered")
        });
    }
    let claimed = claims.join_all().await;
    let granted = claimed.iter().filter(|it| matches!(it, Claimed::Granted(_))).count();
    assert_eq!(granted, 1, "{claimed:?}");
    fresh.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_that_review_at_once_decide_once() {
    let fresh = Fresh::new().await;
    tell(&fresh.store, 1, &[Unknown; 5]).await;
    // Of one holder, as hubs are that both believe to have their turn.
    for (outcome, slot) in [(Unknown, 5), (Passed, 6)] {
        if outcome == Passed {
            tell(&fresh.store, slot, &[Passed]).await;
        }
        let mut hubs = JoinSet::new();
        for _ in 0..4 {
            let store = fresh.another().await;
            hubs.spawn(async move {
                let lease = super::review::turn(&store, at(slot)).await;
                let changes = store.review(&rules(), &lease, at(slot)).await.expect("reviewed");
                store.close().await;
                changes.len()
            });
        }
        let decided: usize = hubs.join_all().await.into_iter().sum();
        assert_eq!(decided, 1, "slot {slot}");
    }
    let incidents = IncidentFilter { limit: 10, ..IncidentFilter::default() };
    assert_eq!(fresh.store.incidents(&incidents).await.expect("listed").len(), 1);
    fresh.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_that_record_the_same_results_at_once_store_and_decide_them_once() {
    const HUBS: usize = 3;
    const SLOTS: u32 = 40;
    let fresh = Fresh::new().await;
    let mut hubs = JoinSet::new();
    for hub in 0..HUBS {
        let store = fresh.another().await;
        hubs.spawn(async move {
            let mut new = 0;
            for slot in 1..=SLOTS {
                let outcome = if slot % 8 < 4 { Failed } else { Passed };
                let mut batch: Vec<Report> = ["login", "search"]
                    .iter()
                    .flat_map(|check| ["eu", "us"].map(|place| report(check, place, slot, outcome)))
                    .collect();
                // Each hub has them in an order of its own.
                batch.rotate_left(hub);
                if hub == 1 {
                    batch.reverse();
                }
                let now = at(slot) + seconds(1);
                let recorded = store.record(&batch, &rules(), now).await.expect("recorded");
                new += recorded.iter().filter(|it| it.novelty == Novelty::New).count();
            }
            store.close().await;
            new
        });
    }
    let new: Vec<usize> = hubs.join_all().await;
    let runs = fresh.store.runs(&everything()).await.expect("listed");
    assert_eq!(runs.len(), 4 * SLOTS as usize);
    assert_eq!(new.iter().sum::<usize>(), runs.len(), "each is new to one hub: {new:?}");
    let incidents = IncidentFilter { limit: 1000, ..IncidentFilter::default() };
    let incidents = fresh.store.incidents(&incidents).await.expect("listed");
    let mut opened: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    for record in &incidents {
        let history = history(&fresh.store, record.id.0).await;
        let told: Vec<String> = outbox(&fresh.store, record.id.0).await;
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "{told:?}");
        assert!(!history.decisions.is_empty());
        let is_new =
            opened.entry(record.subject.to_string()).or_default().insert(record.incident.opened_at);
        assert!(is_new, "one incident at a time");
    }
    assert!(incidents.len() >= 10, "{}", incidents.len());
    fresh.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_that_claim_at_once_send_each_message_once_and_each_recipient_in_order() {
    const CHECKS: usize = 24;
    let fresh = Fresh::new().await;
    let names: Vec<String> = (0..CHECKS).map(|number| format!("check-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rules = rules_with(tripline::domain::policy::Policy::built_in(None), &names);
    for name in &names {
        let failures = [report(name, "eu", 1, Failed), report(name, "eu", 2, Failed)];
        fresh.store.record(&failures, &rules, at(2)).await.expect("recorded");
    }
    let sent = Arc::new(std::sync::Mutex::new(Vec::<Claim>::new()));
    let mut hubs = JoinSet::new();
    for _ in 0..4 {
        let (store, sent) = (fresh.another().await, Arc::clone(&sent));
        hubs.spawn(async move {
            loop {
                let claimed = claim(&store, Channel::Slack, at(4)).await;
                let recipients: BTreeSet<_> =
                    claimed.iter().map(|it| &it.notification.recipient).collect();
                assert_eq!(recipients.len(), claimed.len(), "one per recipient");
                if claimed.is_empty()
                    && store.next_due(Channel::Slack).await.expect("read").is_none()
                {
                    break store.close().await;
                }
                for one in claimed {
                    sent.lock().expect("no panic").push(one.clone());
                    attempt(&store, &one, at(4), &accepted()).await;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    hubs.join_all().await;
    let sent = sent.lock().expect("no panic").clone();
    let once: BTreeSet<_> = sent.iter().map(|it| it.notification.id).collect();
    assert_eq!((sent.len(), once.len()), (2 * CHECKS, 2 * CHECKS));
    for recipient in ["slack:#p2", "slack:#p1"] {
        let mine = sent.iter().filter(|it| it.notification.recipient.to_string() == recipient);
        assert!(mine.clone().is_sorted_by_key(|it| it.notification.id), "{recipient}");
        assert!(mine.clone().all(|it| it.epoch.0 == 1 && !it.notification.possible_repeat));
    }
    fresh.close().await;
}

/// The clock of a machine, which is off by some seconds.
#[derive(Debug, Default)]
struct Off(AtomicI64);

impl Clock for Off {
    fn now(&self) -> Timestamp {
        System.now() + TimeDelta::seconds(self.0.load(Ordering::Relaxed))
    }
}

/// A hub on the database of `fresh`, whose machine's clock is off by so many seconds.
struct Hub {
    store: PostgresStore,
    machine: Arc<Off>,
    clock: Arc<Guided>,
}

impl Hub {
    async fn off_by(fresh: &Fresh, seconds: i64) -> Self {
        let machine = Arc::new(Off(AtomicI64::new(seconds)));
        let clock = Arc::new(Guided::new(Arc::clone(&machine) as Arc<dyn Clock>));
        let store = PostgresStore::open_guiding(fresh.database.url(), Arc::clone(&clock)).await;
        Self { store: store.expect("opened"), machine, clock }
    }

    /// By how much the time that it goes by is off, to the nearest second.
    fn off(&self) -> i64 {
        (self.clock.now() - System.now() + TimeDelta::milliseconds(500))
            .num_milliseconds()
            .div_euclid(1000)
    }

    async fn lease(&self, holder: &str) -> Option<Epoch> {
        let now = self.clock.now();
        self.store.lease("review", holder, now, now + seconds(15)).await.expect("answered")
    }

    async fn claim(&self) -> Vec<Claim> {
        claim(&self.store, Channel::Slack, self.clock.now()).await
    }
}

#[tokio::test]
async fn hubs_whose_clocks_differ_take_nothing_from_each_other() {
    let fresh = Fresh::new().await;
    let (right, ahead) = (Hub::off_by(&fresh, 0).await, Hub::off_by(&fresh, 20).await);
    let (far, behind) = (Hub::off_by(&fresh, 3600).await, Hub::off_by(&fresh, -3600).await);
    let hubs = [&right, &ahead, &far, &behind];
    assert_eq!(hubs.map(Hub::off), [0; 4], "they agree since they opened the store");
    // Then clocks are set while they run, and nobody has heard yet of the right time.
    let mut now = right.clock.now();
    for (hub, jump) in hubs.into_iter().zip([0, 20, 3600, -3600]) {
        hub.machine.0.fetch_add(jump, Ordering::Relaxed);
    }
    assert_eq!(hubs.map(Hub::off), [0, 20, 3600, -3600]);
    let held = right.lease("right").await.expect("it is free");
    assert_eq!(ahead.lease("ahead").await, None);
    assert_eq!(far.lease("far").await, None);
    assert_eq!(behind.lease("behind").await, None);
    assert_eq!(right.lease("right").await, Some(held), "it was renewed");
    assert_eq!(hubs.map(Hub::off), [0; 4], "and now they know");
    // The same with what is being sent.
    for (number, sender) in hubs.into_iter().enumerate() {
        for hub in hubs {
            hub.machine.0.fetch_add(3600, Ordering::Relaxed);
        }
        let check = ["login", "search"][number % 2];
        let outcome = if number < 2 { Failed } else { Passed };
        let mut told = report(check, "eu", 0, outcome);
        now += TimeDelta::seconds(1);
        (told.slot.at, told.started_at) = (now, now);
        fresh.store.record(&[told], &rules(), System.now()).await.expect("recorded");
        let claimed = sender.claim().await;
        assert_eq!(claimed.len(), 1, "{number}");
        assert!(!claimed[0].notification.possible_repeat);
        for other in hubs {
            assert_eq!(other.claim().await, [], "{number}");
        }
        let standing = attempt_of(&sender.store, &claimed[0], sender.clock.now()).await;
        assert_eq!(standing, Standing::Held, "{number}");
    }
    for incident in [1, 2] {
        for sent in history(&fresh.store, incident).await.notifications {
            assert_eq!(sent.deliveries.len(), 1, "{sent:?}");
        }
    }
    // A lease that is over is free by anybody's clock.
    let (start, end) = (far.clock.now(), far.clock.now() + TimeDelta::milliseconds(20));
    far.store.lease("rules", "far", start, end).await.expect("answered").expect("it is free");
    until("its end comes", PATIENCE, async || {
        let now = behind.clock.now();
        behind.store.lease("rules", "behind", now, now + seconds(15)).await.expect("answered")
    })
    .await;
    for hub in [right, ahead, far, behind] {
        hub.store.close().await;
    }
    fresh.close().await;
}

/// The recipient has it; says whether it was still the claimant's to send.
async fn attempt_of(store: &PostgresStore, claim: &Claim, now: Timestamp) -> Standing {
    let sent = settle(&claim.notification, &accepted(), now, now, 0.0);
    store.settle(claim, now, now, &accepted(), &sent).await.expect("settled")
}
