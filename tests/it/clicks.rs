//! Buttons in Slack, over signed HTTP: what is clicked is done once, and by nobody else's word.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use futures::{SinkExt as _, StreamExt as _};
use http::{Request, StatusCode};
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceExt as _;
use tripline::clock::{Halt, Manual};
use tripline::domain::Timestamp;
use tripline::domain::id::IncidentId;
use tripline::domain::incident::acting::Act;
use tripline::domain::incident::{Change, Incident};
use tripline::domain::notification::{Attempt, settle};
use tripline::domain::policy::{Channel, Policy, Roster};
use tripline::domain::restraint::{Actor, Via};
use tripline::domain::run::{Failure, FailureKind, Report, Trace};
use tripline::domain::slot::Slot;
use tripline::engine::acts::{self, Acts};
use tripline::engine::clicks::{Clicks, Desk, Parts};
use tripline::engine::errands::{self, Errands};
use tripline::engine::judge::{ProjectJudge, Rulebook};
use tripline::http::slack::{PATH, router};
use tripline::notify::slack::clicks::silence_form;
use tripline::notify::slack::socket::Socket;
use tripline::notify::slack::{self, Slack};
use tripline::store::care::{ActedOnce, Care as _};
use tripline::store::errands::Errands as _;
use tripline::store::gathering::Answered;
use tripline::store::sqlite::{Holder, SqliteStore};
use tripline::store::{Ledger, Standing, Store as _};

use crate::deliveries::login;
use crate::support::slack::{APP_TOKEN, FakeSlack, TOKEN};
use crate::support::targets::mistakes_in_slack;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

/// Remembers what it was told.
#[derive(Default)]
struct Seen {
    answered: Mutex<Vec<Answered>>,
    silenced: AtomicUsize,
}

impl acts::Observer for Seen {
    fn on_acted(&self, _: &Change) {}

    fn on_answered(&self, answered: &[Answered]) {
        self.answered.lock().expect("nobody panics").extend(answered);
    }

    fn on_silenced(&self) {
        self.silenced.fetch_add(1, Ordering::Relaxed);
    }
}

/// A hub with an open incident, whose buttons somebody clicks.
struct World {
    fake: FakeSlack,
    desk: Desk,
    store: Arc<SqliteStore>,
    clicks: Arc<Clicks>,
    acts: Arc<Acts>,
    seen: Arc<Seen>,
    clock: Arc<Manual>,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = TempDir::new().expect("a folder");
        let holder = Holder { command: "test".into(), since: now() };
        let store = SqliteStore::open(&folder.path().join("tripline.db"), &holder).await;
        let store = Arc::new(store.expect("a fresh store"));
        let check = login();
        let policies = [Policy::built_in(None)];
        let rules = Rulebook::new([check.clone()], policies, Roster::default());
        let judge = Arc::new(ProjectJudge::new(rules.expect("it has its policy")));
        let report = Report {
            slot: Slot { check: check.id.clone(), region: check.regions[0].clone(), at: now() },
            started_at: now(),
            duration: Duration::ZERO,
            failure: Some(Failure::new(FailureKind::Expectation, "expected 200")),
            trace: Trace::default(),
            clock_ahead: chrono::TimeDelta::zero(),
        };
        store.record(&[report], &*judge.current(), now()).await.expect("recorded");
        let (fake, clock) = (FakeSlack::slack().await, Arc::new(Manual::new(now())));
        let api_url = fake.api_url();
        let access =
            slack::Access { api_url: &api_url, bot_token: Some(TOKEN), ..slack::Access::default() };
        let slack = Arc::new(Slack::new(&access).expect("a good address"));
        let desk = Desk { slack, signing_secret: Some(SECRET.to_owned()), socket: None };
        let errands = Arc::new(Errands::new(errands::Parts {
            store: Arc::clone(&store) as Arc<dyn tripline::store::errands::Errands>,
            incidents: store.clone(),
            judge: Arc::clone(&judge),
            clock: clock.clone(),
        }));
        let seen = Arc::new(Seen::default());
        let acts = Arc::new(Acts {
            store: store.clone(),
            judge,
            clock: clock.clone(),
            observer: seen.clone(),
        });
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn Ledger>,
            errands,
            acts: Arc::clone(&acts),
        };
        let clicks = Arc::new(Clicks::new(parts, Some(Arc::new(desk.clone()))));
        Self { fake, desk, store, clicks, acts, seen, clock, _folder: folder }
    }

    /// Sends a request as Slack does; what is answered.
    async fn post(&self, secret: &str, signed_at: i64, body: &str) -> (StatusCode, Value) {
        let signed = format!("v0:{signed_at}:{body}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let seal = data_encoding::HEXLOWER.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
        let request = Request::post(PATH)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", signed_at.to_string())
            .header("x-slack-signature", format!("v0={seal}"));
        self.answer(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    async fn answer(&self, request: Request<Body>) -> (StatusCode, Value) {
        let answer = router(Arc::clone(&self.clicks)).oneshot(request).await.expect("infallible");
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Somebody does something, now.
    async fn click(&self, payload: &Value) -> (StatusCode, Value) {
        self.post(SECRET, now().timestamp(), &form(payload)).await
    }

    async fn incident(&self) -> Incident {
        let history = self.store.incident(IncidentId(1)).await.expect("read");
        history.expect("it exists").record.incident
    }
}

fn form(payload: &Value) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("payload", &payload.to_string()).finish()
}

fn clicked(action: &str, value: &str) -> Value {
    json!({
        "type": "block_actions",
        "user": {"id": "U1", "username": "ana"},
        "channel": {"id": "C0P1"},
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
        "actions": [{"action_id": action, "value": value, "action_ts": "1"}],
    })
}

fn submitted(reason: &str) -> Value {
    let form = silence_form(IncidentId(1));
    json!({
        "type": "view_submission",
        "user": {"id": "U1", "username": "ana"},
        "view": {
            "callback_id": form["callback_id"],
            "private_metadata": form["private_metadata"],
            "state": {"values": {
                "lasts": {"lasts": {"selected_option": {"value": "60"}}},
                "reason": {"reason": {"value": reason}},
            }},
        },
    })
}

#[tokio::test]
async fn a_click_acknowledges_for_whoever_clicked() {
    let world = World::new().await;
    let (status, body) = world.click(&clicked("acknowledge", "1")).await;
    assert_eq!((status, body), (StatusCode::OK, Value::Null));
    let acknowledged = world.incident().await.story.acknowledged.expect("somebody cares");
    assert_eq!((acknowledged.by.name.as_str(), acknowledged.by.via), ("ana", Via::Slack));
    // A link tells of clicks, too, and asks for nothing.
    assert_eq!(world.click(&clicked("runbook", "1")).await.0, StatusCode::OK);
    assert_eq!(world.click(&clicked("acknowledge", "99")).await.0, StatusCode::OK);
    let said = world.fake.accepted();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].text, "There is no incident 99 any more.");
    assert_eq!(said[0].body["user"], "U1");
}

/// Has what is owed accepted.
async fn accept(world: &World) {
    let until = now() + Duration::from_secs(15);
    let claims = world.store.claim_due(Channel::Slack, now(), until, 9).await.expect("claimed");
    for claim in claims {
        let accepted = Attempt::Accepted { receipt: "C1/1".into() };
        let settlement = settle(&claim.notification, &accepted, now(), now(), 0.0);
        let settled = world.store.settle(&claim, now(), now(), &accepted, &settlement).await;
        assert_eq!(settled.expect("settled"), Standing::Held);
    }
}

#[tokio::test]
async fn how_long_an_answer_took_is_measured_on_whichever_way_it_comes() {
    let world = World::new().await;
    accept(&world).await;
    world.click(&clicked("acknowledge", "1")).await;
    let answered = || world.seen.answered.lock().expect("nobody panics").len();
    assert_eq!(answered(), 1, "by a click");

    let world = World::new().await;
    accept(&world).await;
    let by = Actor { name: "ana".into(), via: Via::Sms };
    let act = Act::Acknowledge { reason: None, lasts: None };
    for is_first in [true, false] {
        let told = world.acts.act_once("SM1", IncidentId(1), &act, &by).await.expect("stored");
        assert_eq!(told != ActedOnce::Repeated, is_first);
    }
    let answered = world.seen.answered.lock().expect("nobody panics").len();
    assert_eq!(answered, 1, "by a message, once");
}

#[tokio::test]
async fn a_click_has_the_check_run_and_says_so_to_whoever_clicked() {
    let world = World::new().await;
    assert_eq!(world.click(&clicked("run", "1")).await, (StatusCode::OK, Value::Null));
    let errands = world.store.untold().await.expect("read");
    let [errand] = errands.as_slice() else { panic!("one errand: {errands:?}") };
    assert_eq!((errand.check.as_str(), errand.incident), ("login", Some(IncidentId(1))));
    assert_eq!((errand.by.name.as_str(), errand.by.via), ("ana", Via::Slack));
    assert!(world.incident().await.resolved_at.is_none(), "it changes nothing");
    let payload = json!({"action_ts": "2", "action_id": "run", "value": "1"});
    let again = json!({"actions": [payload], "type": "block_actions", "trigger_id": "2",
        "user": {"id": "U2", "username": "bo"}, "channel": {"id": "C0P1"}});
    world.click(&again).await;
    assert_eq!(world.store.untold().await.expect("read").len(), 1, "it is being run");
    world.click(&clicked("run", "99")).await;
    let said: Vec<String> = world.fake.accepted().into_iter().map(|post| post.text).collect();
    let place = errand.legs[0].region.as_str();
    assert_eq!(
        said,
        [
            format!("login is being run in {place}; what comes of it is said in the thread."),
            format!(
                "It is not run: 'login' is being run by hand in {place} already; wait until that has \
                 ended."
            ),
            "There is no incident 99 any more.".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_form_asks_and_silences() {
    let world = World::new().await;
    assert_eq!(world.click(&clicked("silence", "1")).await.0, StatusCode::OK);
    let asked = world.fake.accepted();
    assert_eq!(asked[0].body["trigger_id"], "13345224609.738474920.8088930838d88f008e0");
    assert_eq!(asked[0].body["view"]["private_metadata"], "1");
    let form = ("form", "Modal", asked[0].body["view"].to_string());
    let found = mistakes_in_slack(&[form]).await;
    assert!(found.is_empty(), "{found:#?}");

    let (status, body) = world.click(&submitted(" ")).await;
    assert_eq!((status, &body["response_action"]), (StatusCode::OK, &json!("errors")));
    assert_eq!(body["errors"]["reason"], "Please say why, in a few words.");
    assert!(world.store.silences(now()).await.expect("read").is_empty());
    assert_eq!(world.click(&submitted("deploying")).await, (StatusCode::OK, Value::Null));
    let silences = world.store.silences(now()).await.expect("read");
    assert_eq!(world.seen.silenced.load(Ordering::Relaxed), 1, "who sends is woken");
    let [silence] = silences.as_slice() else { panic!("one silence: {silences:?}") };
    assert_eq!((silence.reason.as_str(), silence.by.name.as_str()), ("deploying", "ana"));
    assert_eq!(silence.scope.to_string(), "check login");
    assert_eq!(silence.until, now() + Duration::from_hours(1));
}

#[tokio::test]
async fn nobody_else_acknowledges() {
    let world = World::new().await;
    let at = now().timestamp();
    let body = form(&clicked("acknowledge", "1"));
    for (secret, signed_at) in [("other", at), ("", at), (SECRET, at - 301), (SECRET, at + 301)] {
        let (status, _) = world.post(secret, signed_at, &body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{secret} {signed_at}");
    }
    let unsigned = Request::post(PATH).body(Body::from(body.clone())).expect("a request");
    assert_eq!(world.answer(unsigned).await.0, StatusCode::UNAUTHORIZED);
    let long = "x".repeat((1 << 20) + 1);
    assert_eq!(world.post(SECRET, at, &long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(world.incident().await.story.acknowledged.is_none(), "nothing was stored");

    for strange in ["", "payload=", "payload={}", "payload=%5B%5D", &form(&json!({"type": "x"}))] {
        assert_eq!(world.post(SECRET, at, strange).await.0, StatusCode::BAD_REQUEST, "{strange}");
    }
    assert_eq!(world.post(SECRET, at, &body).await.0, StatusCode::OK);
    let first = world.incident().await.story.acknowledged.expect("somebody cares");
    world.clock.set(now() + Duration::from_mins(4));
    assert_eq!(world.post(SECRET, at, &body).await.0, StatusCode::CONFLICT, "it came before");
    let still = world.incident().await.story.acknowledged.expect("somebody cares");
    assert_eq!(still.at, first.at);
}

#[tokio::test]
async fn without_a_secret_there_is_nothing_to_click() {
    let world = World::new().await;
    world.clicks.replace(None);
    let (status, _) = world.click(&clicked("acknowledge", "1")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(world.incident().await.story.acknowledged.is_none());
}

/// Slack's end of a connection over which clicks come.
struct Line(WebSocketStream<TcpStream>);

impl Line {
    /// Waits for somebody to connect, and greets.
    async fn answer(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.expect("somebody connects");
        let mut line = Self(tokio_tungstenite::accept_async(stream).await.expect("agreed"));
        line.say(&json!({"type": "hello", "num_connections": 1})).await;
        line
    }

    async fn say(&mut self, word: &Value) {
        self.0.send(Message::text(word.to_string())).await.expect("said");
    }

    /// Tells of a click; what is answered to it.
    async fn click(&mut self, envelope: &str, payload: &Value) -> Value {
        let word = json!({
            "type": "interactive",
            "envelope_id": envelope,
            "payload": payload,
            "accepts_response_payload": true,
        });
        self.say(&word).await;
        loop {
            let message = self.0.next().await.expect("it stands").expect("a message");
            if let Message::Text(text) = message {
                return serde_json::from_str(text.as_str()).expect("JSON");
            }
        }
    }
}

#[tokio::test]
async fn clicks_come_over_a_connection_that_is_opened_again_and_again() {
    const PATIENCE: Duration = Duration::from_secs(30);
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    world.fake.serve_clicks_at(format!("ws://{address}/link/?ticket=secret"));
    let socket = Socket::new(&world.fake.api_url(), APP_TOKEN).expect("a good address");
    let desk = Desk { socket: Some(Arc::new(socket)), signing_secret: None, ..world.desk.clone() };
    world.clicks.replace(Some(Arc::new(desk)));
    let halt = Halt::new();
    let listening = tokio::spawn(Arc::clone(&world.clicks).listen(halt.clone()));

    let all = async {
        let mut line = Line::answer(&listener).await;
        let answer = line.click("e1", &clicked("acknowledge", "1")).await;
        assert_eq!(answer, json!({"envelope_id": "e1"}));
        let acknowledged = world.incident().await.story.acknowledged.expect("somebody cares");
        assert_eq!((acknowledged.by.name.as_str(), acknowledged.by.via), ("ana", Via::Slack));
        let strange = line.click("e2", &json!({"type": "message_action"})).await;
        assert_eq!(strange, json!({"envelope_id": "e2"}), "or it would come again");

        // Slack moves on, and the connection with it.
        line.say(&json!({"type": "disconnect", "reason": "refresh_requested"})).await;
        let mut line = Line::answer(&listener).await;
        let answer = line.click("e3", &submitted(" ")).await;
        assert_eq!(answer["payload"]["response_action"], "errors");
        let answer = line.click("e4", &submitted("deploying")).await;
        assert_eq!(answer, json!({"envelope_id": "e4"}));
        assert_eq!(world.store.silences(now()).await.expect("read").len(), 1);

        // One that is cut off is followed by another, too.
        drop(line);
        Line::answer(&listener).await
    };
    let line = timeout(PATIENCE, all).await.expect("it happens long before");
    halt.ask();
    timeout(PATIENCE, listening).await.expect("it ends").expect("it ended well");
    drop(line);
    assert!(world.fake.accepted().len() >= 3, "each connection was asked for");
}
