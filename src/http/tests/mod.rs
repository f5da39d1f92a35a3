//! The router in process, over a store that remembers what a test gave it.

mod access;
mod acts;
mod agents;
mod answers;
mod description;
mod errands;
pub(in crate::http) mod fake;
mod health;
mod incidents;
mod metrics;
mod overview;
mod pages;
mod prometheus;
mod wall;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use self::fake::{Remembered, a_world};
use super::access::{Parts as AccessParts, Unasked};
use super::*;
use crate::clock::Manual;
use crate::config::settings::User;
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::drill::Terms;
use crate::domain::id::Region;
use crate::domain::incident::Change;
use crate::domain::policy::{Policy, Roster};
use crate::domain::schedule::{Cron, Schedule};
use crate::engine::acts::Observer;
use crate::engine::drills::InForce;
use crate::engine::ingest::Trouble;
use crate::engine::judge::{ProjectJudge, Rulebook};

struct Face {
    router: Router,
    store: Arc<Remembered>,
    access: Arc<Access>,
    clock: Arc<Manual>,
    pulse: Arc<Pulse>,
    review: Arc<Pulse>,
    evaluation: Arc<Pulse>,
    /// How often it was said that something was done.
    woken: Arc<Woken>,
    trouble: watch::Sender<Option<Trouble>>,
    stamps: Arc<Stamps>,
    /// Who decides, and by which people.
    judge: Arc<ProjectJudge>,
    /// By what paths are judged.
    in_force: Arc<ArcSwap<InForce>>,
    heartbeat: Arc<ArcSwap<Option<Record>>>,
}

/// Counts what it is told.
#[derive(Debug, Default)]
struct Woken(std::sync::atomic::AtomicUsize);

impl std::ops::Deref for Woken {
    type Target = std::sync::atomic::AtomicUsize;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Observer for Woken {
    fn on_acted(&self, _: &Change) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    fn on_silenced(&self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl crate::engine::review::Observer for Woken {
    fn on_reviewed(&self, _: &[Change]) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Who may come in of `users`, to a listener at `bound`.
fn access(
    users: Vec<User>,
    bound: SocketAddr,
    store: &Arc<Remembered>,
    clock: &Arc<Manual>,
) -> Access {
    Access::new(AccessParts {
        users,
        unasked: Unasked::All(Acting::new(bound, false)),
        sessions: store.clone(),
        clock: clock.clone(),
        url: None,
    })
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: Value,
}

impl Face {
    fn new() -> Self {
        let (checks, store) = a_world();
        Self::watching(checks, store)
    }

    /// One that asks people who they are.
    fn asking(users: Vec<User>) -> Self {
        let (checks, store) = a_world();
        Self::built(checks, store, users)
    }

    fn watching(checks: Vec<Arc<Check>>, store: Remembered) -> Self {
        Self::built(checks, store, Vec::new())
    }

    fn built(checks: Vec<Arc<Check>>, store: Remembered, users: Vec<User>) -> Self {
        let (store, clock) = (Arc::new(store), Arc::new(Manual::new(now())));
        let pulse = Arc::new(Pulse::default());
        let (trouble, seen) = watch::channel(None);
        let loops = Loops::new(seen.clone());
        let (review, evaluation) = (Arc::clone(&loops.review), Arc::clone(&loops.rules));
        let bound: SocketAddr = "127.0.0.1:7070".parse().expect("an address");
        let (woken, stamps) = (Arc::new(Woken::default()), Arc::new(Stamps::default()));
        let policies = [Policy::built_in(None)];
        let rulebook = Rulebook::new(checks.iter().cloned(), policies, Roster::default());
        let judge = Arc::new(ProjectJudge::new(rulebook.expect("the policy is there")));
        let errands = fake::errands::errands(&store, &judge, &clock);
        let region = Region::new("eu").expect("a good name");
        let in_force = Arc::new(ArcSwap::from_pointee(InForce { terms: Terms::default(), region }));
        let heartbeat: Arc<ArcSwap<Option<Record>>> = Arc::default();
        let access = Arc::new(access(users, bound, &store, &clock));
        let router = router(Api {
            store: store.clone(),
            looking: store.clone(),
            accounts: store.clone(),
            agents: store.clone(),
            queries: Queries::of(store.clone()),
            rules: fake::rules::rules(&store),
            metrics: store.clone(),
            clock: clock.clone(),
            publication: watch::channel(Arc::new(fake::a_publication(&checks))).1,
            checks: Arc::new(ArcSwap::from_pointee(checks)),
            version: "1.2.3",
            pulse: pulse.clone(),
            loops,
            intake: Intake {
                trouble: seen,
                holding: Arc::default(),
                statsd: Arc::default(),
                received: None,
            },
            hosts: Hosts::new(bound, None),
            acts: Arc::new(Acts {
                store: store.clone(),
                judge: Arc::clone(&judge),
                clock: clock.clone(),
                observer: woken.clone(),
            }),
            errands,
            access: Arc::clone(&access),
            stamps: Arc::clone(&stamps),
            refused: Arc::default(),
            live: Arc::default(),
            drills: Drills {
                store: store.clone(),
                in_force: Arc::clone(&in_force),
                clock: clock.clone(),
                observer: woken.clone(),
            },
            heartbeat: Arc::clone(&heartbeat),
        });
        Self {
            router,
            store,
            access,
            clock,
            pulse,
            review,
            evaluation,
            woken,
            trouble,
            stamps,
            judge,
            in_force,
            heartbeat,
        }
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("never fails");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| text());
        Answer { status, headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.answer(request(Method::GET, path, "localhost:7070", Body::empty())).await
    }

    async fn ok(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.body
    }

    /// Asks for something that is refused, and gives back the problem.
    async fn refused(&self, path: &str, status: StatusCode) -> Value {
        let answer = self.get(path).await;
        assert_problem(&answer, status);
        answer.body
    }
}

fn now() -> Timestamp {
    "2026-11-21T04:12:31.250Z".parse().expect("a time")
}

fn request(method: Method, path: &str, host: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header(header::HOST, host);
    request.body(body).expect("a request")
}

fn assert_problem(answer: &Answer, status: StatusCode) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(answer.body["status"], status.as_u16());
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
}
