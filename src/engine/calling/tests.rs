//! Rotas against a real store.

use futures::FutureExt as _;
use tempfile::TempDir;

use super::*;
use crate::clock::Manual;
use crate::domain::check::Check;
use crate::domain::id::{CheckId, IncidentId, PersonId, Region};
use crate::domain::policy::{Policy, Roster, Target, Tier};
use crate::domain::rota::{Layer, Rota, Turn};
use crate::domain::run::{Failure, FailureKind, Report, Trace};
use crate::domain::slot::Slot;
use crate::domain::zone::Zone;
use crate::engine::judge::Rulebook;
use crate::store::sqlite::{Holder, SqliteStore};

fn utc(text: &str) -> Timestamp {
    text.parse().expect("an RFC 3339 time")
}

/// Ana and Bo take turns of a day, from this day on.
fn roster() -> Roster {
    let people = ["ana", "bo"].map(|name| PersonId::new(name).expect("a good name"));
    let starts = utc("2026-11-21T00:00:00Z").naive_utc();
    let layer = Layer::new(people.to_vec(), Zone::UTC, starts, Turn::Days(1));
    let primary = Rota {
        name: "primary".into(),
        team: "ops".into(),
        layers: vec![layer],
        overrides: Vec::new(),
    };
    Roster {
        people: people.clone().map(|it| (it, Some("+4930123456".to_owned()))).into(),
        teams: [("ops".to_owned(), people.to_vec())].into(),
        rotas: [("primary".to_owned(), primary)].into(),
        ..Roster::default()
    }
}

#[tokio::test]
async fn whoever_is_on_duty_when_it_is_sent_is_called() {
    let folder = TempDir::new().expect("a folder");
    let owed_at = utc("2026-11-21T23:59:58Z");
    let holder = Holder { command: "test".into(), since: owed_at };
    let store = SqliteStore::open(&folder.path().join("tripline.db"), &holder).await;
    let store = Arc::new(store.expect("a fresh store"));
    let tier = Tier::after(1, vec![Target::Sms("primary".into())]);
    let policy = Policy::of(Policy::DEFAULT_NAME, vec![tier]);
    let rules = Rulebook::new([Check::example("login")], [policy], roster());
    let rules = rules.expect("it has its policy");
    let report = Report {
        slot: Slot {
            check: CheckId::new("login").expect("a good name"),
            region: Region::new("eu").expect("a good name"),
            at: owed_at,
        },
        started_at: owed_at,
        duration: Duration::ZERO,
        failure: Some(Failure::new(FailureKind::Expectation, "expected 200")),
        trace: Trace::default(),
        clock_ahead: chrono::TimeDelta::zero(),
    };
    store.record(&[report], &rules, owed_at).await.expect("recorded");

    // Ana was on duty when it was owed, Bo is when it is handed on.
    let contacts = Arc::new(Contacts::new(roster(), |_| None));
    let lane = Arc::new(Notify::new());
    let clock = Arc::new(Manual::new(owed_at));
    let calling = Calling::new(store.clone(), contacts, clock, vec![Arc::clone(&lane)]);
    let midnight = utc("2026-11-22T00:00:00Z");
    assert_eq!(calling.tick(midnight).await.expect("the store answers"), None);
    assert!(lane.notified().now_or_never().is_some(), "the lanes are woken");
    let history = store.incident(IncidentId(1)).await.expect("read").expect("it exists");
    let told: Vec<String> = history
        .notifications
        .iter()
        .map(|it| format!("{} {}", it.notification.recipient, it.state.as_str()))
        .collect();
    assert_eq!(told, ["rota:primary handed_on", "sms:bo owed"]);
    let reason = history.notifications[0].reason.as_deref();
    assert_eq!(reason, Some("bo is on duty (rota primary, layer 1)"));
    calling.tick(midnight).await.expect("the store answers");
    assert!(lane.notified().now_or_never().is_none(), "nothing was owed");
}
