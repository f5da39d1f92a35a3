//! Agents of earlier versions before this hub, and hubs of earlier versions before this agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;
use tripline::clock::{Halt, Manual};
use tripline::config::settings::Retention;
use tripline::domain::coverage::Duty;
use tripline::domain::edition::{Origin, Rank};
use tripline::domain::id::Region;
use tripline::domain::run::{Outcome, Report};
use tripline::engine::errands::{self, Errands};
use tripline::engine::judge::{ProjectJudge, Rulebook};
use tripline::http::Loops;
use tripline::http::agents::{Inlet, Link, Parts, Unavailable, router};
use tripline::link::client::{Client, Error, Route, Told, hub_address};
use tripline::link::protocol::{Assignments, Goodbye, OutputMessage, Verdict};
use tripline::link::publication::{Part, Publication};
use tripline::link::token::Token;
use tripline::store::accounts::{Accounts as _, Expectation, Expected};
use tripline::store::agents::Tokens as _;
use tripline::store::sqlite::{Holder, SqliteStore, SqliteTokens};

use super::{Exchange, VERSIONS, assert_kept, assignments, checks, exchanges};

/// Keeps what it is given.
#[derive(Default)]
struct Basket(Mutex<Vec<Report>>);

#[async_trait]
impl Inlet for Basket {
    async fn take(&self, reports: Vec<Report>) -> Result<(), Unavailable> {
        self.0.lock().expect("nobody panics with it").extend(reports);
        Ok(())
    }
}

/// A hub whose region is to run what was told to the agent then.
struct Hub {
    router: Router,
    clock: Arc<Manual>,
    basket: Arc<Basket>,
    token: Token,
    _folder: tempfile::TempDir,
}

impl Hub {
    async fn new(exchanges: &[Exchange]) -> Self {
        let told = assignments(exchanges);
        let region = Region::new(&told.region).expect("a good name");
        let start = exchanges[0].at;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tripline.db");
        let holder = Holder { command: "a test".into(), since: start };
        let store = Arc::new(SqliteStore::open(&path, &holder).await.expect("a new store"));
        let token = Token::generate().expect("there are random numbers");
        let tokens = SqliteTokens::open(&path).await.expect("the store is there");
        tokens.create(&region, "a", &token.digest(), start).await.expect("made");
        let expected = checks(&told).into_iter().map(|check| Expected {
            check: check.id.clone(),
            region: region.clone(),
            schedule: check.schedule.clone(),
            duty: Duty::Run,
        });
        let expected: Vec<Expected> = expected.collect();
        let since = start - TimeDelta::minutes(1);
        let expectation = Expectation::new(expected, since, Origin::Start, since);
        assert_eq!(store.expect(&expectation, since).await.expect("noted"), Rank::Latest);
        let (clock, basket) = (Arc::new(Manual::new(start)), Arc::new(Basket::default()));
        let part = part(&told, exchanges);
        let (_, publication) = watch::channel(Arc::new(Publication::new([(region, part)])));
        let errands = Errands::new(errands::Parts {
            store: store.clone(),
            incidents: store.clone(),
            judge: Arc::new(ProjectJudge::new(Rulebook::default())),
            clock: clock.clone(),
        });
        let link = Link::new(Parts {
            agents: store.clone(),
            accounts: store.clone(),
            inlet: basket.clone(),
            retention: Retention::of_runs(Duration::from_hours(24)),
            errands: Arc::new(errands),
            publication,
            clock: clock.clone(),
            version: "9.9.9",
            loops: Loops::new(watch::channel(None).1),
            closing: Halt::new(),
        });
        Self { router: router(link), clock, basket, token, _folder: folder }
    }

    async fn answer(&self, exchange: &Exchange) -> (StatusCode, Value) {
        self.clock.set(exchange.at);
        // A question about what has not changed would be answered late.
        let path = exchange.path.replace("wait_ms=25000", "wait_ms=0");
        let body = match &exchange.body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let request = Request::builder()
            .method(exchange.method.as_str())
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token.expose()))
            .header("tripline-protocol", &exchange.protocol)
            .body(body)
            .expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("answered");
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("text");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

/// What the region is to run, put together from what the hub said.
fn part(told: &Assignments, exchanges: &[Exchange]) -> Part {
    let text = |sha256: &str| {
        let route = format!("modules/{sha256}");
        let found = exchanges.iter().find(|it| it.route == route).expect("it was fetched");
        found.answer.as_str().expect("a text").to_owned()
    };
    let modules = told.modules.iter().map(|it| (it.path.clone(), text(&it.sha256)));
    Part {
        checks: checks(told),
        modules: modules.collect(),
        secrets: told.secrets.clone(),
        control: told.control.clone(),
    }
}

#[tokio::test]
async fn agents_of_earlier_versions_are_understood() {
    for version in VERSIONS {
        let exchanges = exchanges(version);
        let hub = Hub::new(&exchanges).await;
        let mut sent = 0;
        for exchange in &exchanges {
            let (status, answer) = hub.answer(exchange).await;
            let what = format!("{version}: {} {}", exchange.method, exchange.path);
            // Whether there is news depends on how this version counts revisions.
            if exchange.path.contains("revision=") {
                assert!(status.is_success(), "{what}: {status} {answer}");
                continue;
            }
            assert_eq!(status.as_u16(), exchange.status, "{what}: {answer}");
            assert_kept(&exchange.answer, &answer, &["version", "revision", "skew_us"], &what);
            sent += exchange.body["reports"].as_array().map_or(0, Vec::len);
        }
        let taken = hub.basket.0.lock().expect("nobody panicked with it");
        assert!(sent > 0);
        assert_eq!(taken.len(), sent);
        for outcome in [Outcome::Passed, Outcome::Failed] {
            assert!(taken.iter().any(|it| it.outcome() == outcome), "{outcome:?}");
        }
        assert!(taken.iter().any(|it| !it.trace.steps.is_empty() && !it.trace.logs.is_empty()));
        assert!(taken.iter().any(|it| !it.trace.measurements.is_empty()));
    }
}

/// A hub that says what one said then; where it stands.
async fn replayed(exchanges: &[Exchange]) -> String {
    let mut first: HashMap<String, (StatusCode, Value)> = HashMap::new();
    for exchange in exchanges {
        let status = StatusCode::from_u16(exchange.status).expect("a status");
        let answer = (status, exchange.answer.clone());
        first.entry(exchange.route.clone()).or_insert(answer);
    }
    let say = async move |uri: Uri| -> Response {
        let route = uri.path().trim_start_matches("/agent/v1/");
        match first.get(route) {
            Some((status, Value::String(text))) => (*status, text.clone()).into_response(),
            Some((status, answer)) => (*status, axum::Json(answer.clone())).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(say)).await });
    format!("http://{address}")
}

#[tokio::test]
async fn hubs_of_earlier_versions_are_understood() {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    for version in VERSIONS {
        let exchanges = exchanges(version);
        let hub = hub_address(&replayed(&exchanges).await).expect("an address");
        let token = Token::generate().expect("there are random numbers");
        let client = Client::new(hub, token, &Route::default()).expect("a client");
        let said = |route: &str| exchanges.iter().find(|it| it.route == route).expect("recorded");
        for route in ["hello", "heartbeat"] {
            let beat = serde_json::from_value(said(route).body.clone()).expect("a beat");
            let pulse = match route {
                "hello" => client.hello(&beat).await,
                _ => client.heartbeat(&beat).await,
            };
            let pulse = serde_json::to_value(pulse.expect("understood")).expect("JSON");
            assert_kept(&said(route).answer, &pulse, &[], route);
        }
        // It is told of a name that it does not ask for.
        let told = client.assignments(None, Some("eu-1")).await.expect("understood");
        let Told::Assignments(told) = told else { panic!("there are some: {told:?}") };
        assert_kept(
            &said("assignments").answer,
            &serde_json::to_value(&*told).expect("JSON"),
            &[],
            "assignments",
        );
        assert_eq!(checks(&told).len(), told.checks.len());
        for module in &told.modules {
            let text = client.module(&module.sha256).await.expect("it is the right one");
            assert!(!text.is_empty(), "{}", module.path);
        }
        // It knows nothing of what a run does while it goes on: nothing more is told then.
        let output = OutputMessage::new("eu-1", &[]);
        let told_of = client.tell_output(uuid::Uuid::nil(), &output).await;
        assert!(matches!(told_of, Err(Error::Refused { .. } | Error::Odd(_))), "{told_of:?}");
        let verdict = client.reports("eu-1", &["{}".to_owned()]).await.expect("understood");
        assert_eq!(verdict, Verdict::default());
        let goodbye: Goodbye =
            serde_json::from_value(said("goodbye").body.clone()).expect("a goodbye");
        client.goodbye(&goodbye).await.expect("understood");
        assert!(told.secrets.contains_key("SHOP_PASSWORD"));
    }
}
