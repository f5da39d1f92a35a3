//! A project with two checks, and results to tell a store.

use std::collections::BTreeMap;
use std::time::Duration;

use tripline::domain::Timestamp;
use tripline::domain::check::{Check, Work};
use tripline::domain::id::{CheckId, IncidentId, PersonId, Region};
use tripline::domain::notification::{Attempt, NotificationState, Settlement, settle};
use tripline::domain::policy::{Channel, Policy, Recipient, Roster};
use tripline::domain::run::{Failure, FailureKind, Outcome, Report, Trace};
use tripline::domain::schedule::{Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::domain::storm::Crowd;
use tripline::engine::judge::Rulebook;
use tripline::store::gathering::Asked;
use tripline::store::{Claim, IncidentHistory, Recorded, Standing, Store};

pub(super) fn check_id(name: &str) -> CheckId {
    CheckId::new(name).expect("a good name")
}

pub(super) fn region(name: &str) -> Region {
    Region::new(name).expect("a good name")
}

/// The time of the slot with this number; slots are 30 seconds apart.
pub(super) fn at(slot: u32) -> Timestamp {
    let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
    start + Duration::from_secs(30) * slot
}

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) fn check(name: &str) -> Check {
    Check {
        id: check_id(name),
        name: name.to_uppercase(),
        schedule: Schedule::Every(Interval::new(seconds(30)).expect("in range")),
        regions: vec![region("eu"), region("us")],
        timeout: seconds(20),
        policy: Policy::DEFAULT_NAME.into(),
        runbook: Some("https://wiki.example.com/".into()),
        labels: BTreeMap::new(),
        bodies: tripline::domain::exchange::Bodies::Kept,
        work: Work::Script { entry: format!("checks/{name}.js") },
    }
}

/// The checks `names` under `policy`; the team devops is ana and bo.
pub(super) fn rules_with(policy: Policy, names: &[&str]) -> Rulebook {
    let person = |name: &str| PersonId::new(name).expect("a good name");
    let roster = Roster {
        people: [(person("ana"), None), (person("bo"), None)].into(),
        teams: [("devops".to_owned(), vec![person("ana"), person("bo")])].into(),
        ..Roster::default()
    };
    Rulebook::new(names.iter().map(|name| check(name)), [policy], roster)
        .expect("it has its policy")
}

/// The default policy for `login` and `search`, by which each outage is an incident of its own.
pub(super) fn rules() -> Rulebook {
    let policy = Policy { reopen_within: Duration::ZERO, ..Policy::built_in(Some("devops")) };
    rules_with(policy, &["login", "search"])
}

pub(super) fn report(check: &str, place: &str, slot: u32, outcome: Outcome) -> Report {
    let failure = match outcome {
        Outcome::Passed => None,
        Outcome::Failed => Some(Failure::new(FailureKind::Expectation, "expected 200\nbut")),
        Outcome::Unknown => Some(Failure::new(FailureKind::Overload, "no capacity")),
    };
    Report {
        slot: Slot { check: check_id(check), region: region(place), at: at(slot) },
        started_at: at(slot) + Duration::from_millis(5),
        duration: Duration::from_micros(123_456),
        failure,
        trace: Trace::default(),
        clock_ahead: chrono::TimeDelta::zero(),
    }
}

/// Tells results of `login` in `eu`, one slot after the other from slot `from`, each when it ends.
pub(super) async fn tell(store: &dyn Store, from: u32, outcomes: &[Outcome]) -> Vec<Recorded> {
    let mut all = Vec::new();
    for (slot, outcome) in (from..).zip(outcomes) {
        all.extend(tell_one(store, &report("login", "eu", slot, *outcome)).await);
    }
    all
}

pub(super) async fn tell_one(store: &dyn Store, report: &Report) -> Vec<Recorded> {
    let now = report.slot.at + seconds(1);
    store.record(std::slice::from_ref(report), &rules(), now).await.expect("recorded")
}

/// What there is for a recipient, as far as it counts since `since`.
pub(super) async fn crowd(store: &dyn Store, recipient: &Recipient, since: Timestamp) -> Crowd {
    let asked = Asked { crowd: Some((recipient, since)), ..Asked::default() };
    store.background(&asked).await.expect("read").crowd.expect("asked for")
}

pub(super) async fn history(store: &dyn Store, id: i64) -> IncidentHistory {
    store.incident(IncidentId(id)).await.expect("read").expect("there is such an incident")
}

/// `slack:#p2 failing owed`, one for each notification of an incident.
pub(super) async fn outbox(store: &dyn Store, incident: i64) -> Vec<String> {
    let record = history(store, incident).await;
    let words = record.notifications.iter().map(|record| {
        let said = &record.notification;
        format!("{} {} {}", said.recipient, said.notice.kind.as_str(), record.state.as_str())
    });
    words.collect()
}

/// Claims everything due on a channel at `now`, for 15 seconds.
pub(super) async fn claim(store: &dyn Store, channel: Channel, now: Timestamp) -> Vec<Claim> {
    store.claim_due(channel, now, now + seconds(15), 100).await.expect("claimed")
}

/// Settles an attempt that took a second.
pub(super) async fn attempt(
    store: &dyn Store,
    claim: &Claim,
    now: Timestamp,
    attempt: &Attempt,
) -> Settlement {
    let ended = now + seconds(1);
    let settlement = settle(&claim.notification, attempt, ended, ended, 0.0);
    let _: Standing = store.settle(claim, now, ended, attempt, &settlement).await.expect("settled");
    settlement
}

pub(super) fn accepted() -> Attempt {
    Attempt::Accepted { receipt: "C1/17".into() }
}

pub(super) fn refused() -> Attempt {
    Attempt::GiveUp { reason: "channel_not_found".into() }
}

/// The state of every notification of an incident.
pub(super) async fn states(store: &dyn Store, incident: i64) -> Vec<NotificationState> {
    let record = history(store, incident).await;
    record.notifications.iter().map(|record| record.state).collect()
}
