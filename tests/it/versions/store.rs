//! Stores of earlier versions, opened by this one.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;
use tripline::clock::{Clock, Manual};
use tripline::domain::Timestamp;
use tripline::domain::check::Check;
use tripline::domain::drill::Terms;
use tripline::domain::id::Region;
use tripline::domain::incident::Change;
use tripline::domain::notification::NotificationState;
use tripline::domain::policy::{Policy, Roster};
use tripline::domain::run::{Report, Trace};
use tripline::domain::slot::Slot;
use tripline::engine::acts::{Acts, Observer};
use tripline::engine::drills::{Drills, InForce};
use tripline::engine::errands::{self, Errands};
use tripline::engine::judge::{ProjectJudge, Rulebook};
use tripline::engine::queries::Queries;
use tripline::engine::rules::RuleSet;
use tripline::http::access::{self, Access, Unasked};
use tripline::http::{Acting, Api, Hosts, Intake, Loops, Rules, router};
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::{Holder, SqliteStore};
use tripline::store::{IncidentFilter, Ledger};

use super::{VERSIONS, assert_kept, assignments, checks, exchanges, file, json};
use crate::support::dump;
use crate::support::postgres::Database;

/// Fields that depend on the moment of the question.
const MOVING: [&str; 3] = ["after", "until", "next_slot_at"];

fn recorded_at(recorded: &Value) -> Timestamp {
    recorded["at"].as_str().expect("a time").parse().expect("a time")
}

/// Nobody acts.
struct Nobody;

impl Observer for Nobody {
    fn on_acted(&self, _: &Change) {}

    fn on_silenced(&self) {}
}

impl tripline::engine::review::Observer for Nobody {
    fn on_reviewed(&self, _: &[Change]) {}
}

fn no_rules() -> RuleSet {
    let around = (Roster::default(), Region::new("local").expect("a good name"));
    RuleSet::new([], around, Duration::ZERO).expect("there is none that could be wrong")
}

/// An API over `store` in which it is `now`.
fn api(store: Arc<impl Ledger + 'static>, checks: Vec<Arc<Check>>, now: Timestamp) -> Api {
    let bound: SocketAddr = "127.0.0.1:7676".parse().expect("an address");
    let (_, trouble) = watch::channel(None);
    let clock: Arc<dyn Clock> = Arc::new(Manual::new(now));
    let errands = Errands::new(errands::Parts {
        store: store.clone(),
        incidents: store.clone(),
        judge: Arc::new(ProjectJudge::new(Rulebook::default())),
        clock: Arc::clone(&clock),
    });
    let acts = Acts {
        store: store.clone(),
        judge: Arc::new(ProjectJudge::new(Rulebook::default())),
        clock: Arc::clone(&clock),
        observer: Arc::new(Nobody),
    };
    let access = Access::new(access::Parts {
        users: Vec::new(),
        unasked: Unasked::All(Acting::new(bound, false)),
        sessions: store.clone(),
        clock: Arc::clone(&clock),
        url: None,
    });
    let region = Region::new("eu").expect("a good name");
    let in_force = InForce { terms: Terms::default(), region };
    Api {
        store: store.clone(),
        looking: store.clone(),
        accounts: store.clone(),
        agents: store.clone(),
        queries: Queries::of(store.clone()),
        rules: Rules {
            in_force: Arc::new(ArcSwap::from_pointee(no_rules())),
            records: store.clone(),
        },
        metrics: store.clone(),
        clock: Arc::clone(&clock),
        checks: Arc::new(ArcSwap::from_pointee(checks)),
        version: "9.9.9",
        pulse: Arc::default(),
        loops: Loops::new(trouble.clone()),
        intake: Intake { trouble, holding: Arc::default(), statsd: Arc::default(), received: None },
        hosts: Hosts::new(bound, None),
        acts: Arc::new(acts),
        errands: Arc::new(errands),
        access: Arc::new(access),
        stamps: Arc::default(),
        refused: Arc::default(),
        live: Arc::default(),
        drills: Drills {
            store,
            in_force: Arc::new(ArcSwap::from_pointee(in_force)),
            clock,
            observer: Arc::new(Nobody),
        },
        heartbeat: Arc::default(),
        publication: watch::channel(Arc::default()).1,
    }
}

/// Asks for all that the API of that version was asked for, at the moment at which it was.
async fn says_the_same(
    store: Arc<impl Ledger + 'static>,
    checks: Vec<Arc<Check>>,
    recorded: &Value,
) {
    let router = router(api(store, checks, recorded_at(recorded)));
    let answers = recorded["answers"].as_object().expect("answers by path");
    assert!(answers.len() > 6);
    for (path, then) in answers {
        let request = Request::get(path).header("host", "localhost:7676").body(Body::empty());
        let answer = router.clone().oneshot(request.expect("a request")).await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        let mut now: Value = serde_json::from_slice(&body).expect("JSON");
        if let Some(agents) = now["agents"].as_array_mut() {
            // The hub's own went on saying that it was there while this was recorded.
            agents.retain(|agent| agent["state"] == "left");
        }
        assert_kept(then, &now, &MOVING, path);
    }
}

/// The incident that was open is ended by a result of now, and those who were told hear of it.
async fn goes_on(store: &impl Ledger, checks: &[Arc<Check>], recorded: &Value) {
    let filter = IncidentFilter { open_only: true, limit: 10, ..IncidentFilter::default() };
    let open = store.incidents(&filter).await.expect("listed");
    let is_failing = |check: &&Arc<Check>| {
        open.iter().any(|it| it.subject.to_string() == format!("check:{}", check.id))
    };
    let check = checks.iter().find(is_failing).expect("one was failing");
    let rules = Rulebook::new(checks.iter().cloned(), [Policy::built_in(None)], Roster::default());
    let at = recorded_at(recorded);
    let slot = Slot { check: check.id.clone(), region: check.regions[0].clone(), at };
    let report = Report {
        slot,
        started_at: at,
        duration: Duration::from_millis(7),
        failure: None,
        trace: Trace::default(),
        clock_ahead: chrono::TimeDelta::zero(),
    };
    let rules = rules.expect("they have their policy");
    let became = store.record(&[report], &rules, at).await.expect("recorded");
    let incident = became[0].incident.expect("it changed");
    let history = store.incident(incident).await.expect("read").expect("it is there");
    assert!(history.record.incident.resolved_at.is_some());
    let owed = history.notifications.iter().filter(|it| it.state == NotificationState::Owed);
    assert!(owed.count() > 0, "those who were told hear that it is over");
    assert!(!store.tokens().await.expect("read").is_empty());
    assert!(store.tallied().await.expect("read").is_some());
}

#[tokio::test]
async fn stores_of_earlier_versions_are_opened_with_nothing_lost() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tripline.db");
        fs::copy(file(version, "store.db"), &path).expect("copied");
        let recorded = json(version, "api.json");
        let holder = Holder { command: "a test".into(), since: recorded_at(&recorded) };
        let before = dump::rows(&path).await;
        let store = Arc::new(SqliteStore::open(&path, &holder).await.expect("it is understood"));
        let after = dump::rows(&path).await;
        for (table, rows) in &before {
            let kept = after.get(table).unwrap_or_else(|| panic!("`{table}` is gone"));
            assert_eq!(kept.len(), rows.len(), "{version}: `{table}` has other rows");
        }
        let checks = checks(&assignments(&exchanges(version)));
        says_the_same(Arc::clone(&store), checks.clone(), &recorded).await;
        goes_on(&*store, &checks, &recorded).await;
    }
}

#[tokio::test]
async fn databases_of_earlier_versions_are_opened_with_nothing_lost() {
    for version in VERSIONS {
        let database = Database::empty().await;
        let dump = fs::read_to_string(file(version, "store.postgres.sql")).expect("recorded");
        database.execute(&dump).await;
        let store = PostgresStore::open(database.url()).await.expect("it is understood");
        let (store, recorded) = (Arc::new(store), json(version, "api.json"));
        let checks = checks(&assignments(&exchanges(version)));
        says_the_same(Arc::clone(&store), checks.clone(), &recorded).await;
        goes_on(&*store, &checks, &recorded).await;
        tripline::store::Store::close(&*store).await;
        database.discard().await;
    }
}
