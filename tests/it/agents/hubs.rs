//! Agents of several hubs that share a store, each with a project folder of its own.

use std::collections::{BTreeSet, HashMap};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tripline::domain::Timestamp;
use tripline::domain::id::Region;
use tripline::link::publication::{Part, Publication, Published};
use tripline::link::token::Token;

use super::next_slot;
use super::world::{PATIENCE, REGION, World};
use crate::support::http;
use crate::support::port;
use crate::support::postgres::Database;
use crate::support::process::Process;
use crate::support::site::Site;
use crate::support::stream::Stream;
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::until_true;

/// A project whose store is in `database`, with these checks of the agents' region.
pub(super) fn project(database: &Database, site: &Site, checks: &[&str]) -> Project {
    let of_region = |id: &&str| super::check(id, site);
    let checks: String = checks.iter().map(of_region).collect();
    let store = "[store]\nurl = { env = \"DATABASE_URL\" }\n";
    let regions = format!("[regions.{REGION}]\n[regions.us]\n");
    let toml = format!("{regions}{store}{checks}");
    Project::new().toml(&toml).env("DATABASE_URL", database.url())
}

/// The hub of `project` at this port of a loopback address of its own.
pub(super) async fn hub(project: &Project, host: u8, port: u16) -> (Daemon, String) {
    let listen = format!("127.0.0.{host}:{port}");
    let url = format!("http://{listen}");
    let hub = format!("[hub]\nlisten = \"{listen}\"\n");
    let daemon = project.up_as(&hub, url.clone(), http::client()).await;
    (daemon, url)
}

async fn asked(url: &str) -> Value {
    let answer = http::client().get(url).send().await.expect("the hub answers");
    serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
}

async fn as_agent(hub: &str, path: &str, token: &str, body: Option<&Value>) -> Value {
    let url = format!("{hub}/agent/v1/{path}");
    let request = match body {
        Some(body) => http::client().post(url).body(body.to_string()),
        None => http::client().get(url),
    };
    let request = request.bearer_auth(token).header("tripline-protocol", "1");
    let answer = request.send().await.expect("the hub answers");
    assert_eq!(answer.status(), 200);
    serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_behind_leaves_to_the_other_what_only_that_can_judge() {
    let (site, database) = (Site::start().await, Database::empty().await);
    let (ahead, behind) =
        (project(&database, &site, &["shop"]), project(&database, &site, &["shop"]));
    let port = port::free();
    let (one, first) = hub(&ahead, 1, port).await;
    let (two, second) = hub(&behind, 2, port).await;
    let (code, token, said) = ahead.run(&["token", "create", "--region", REGION]).await;
    assert_eq!(code, Some(0), "{said}");
    let token = token.trim();

    // One has the new project already.
    ahead.edit("[[check]]", &format!("{}[[check]]", super::check("office", &site)));
    until_true("the first hub knows the new check", PATIENCE, async || {
        as_agent(&first, "assignments", token, None).await["checks"]
            .as_array()
            .is_some_and(|checks| checks.len() == 2)
    })
    .await;
    let told = as_agent(&second, "assignments", token, None).await;
    assert_eq!(told["checks"].as_array().map(Vec::len), Some(1), "the second does not");
    let mut reports = Vec::new();
    for check in ["shop", "office"] {
        let at: Timestamp = next_slot(check).await;
        reports.push(json!({
            "check": check, "region": REGION, "slot_at": at, "started_at": at, "duration_us": 1,
            "outcome": "passed",
        }));
    }
    let batch = json!({ "name": "one", "reports": reports });
    // Stored by a hub that does not have the check, nothing would follow from it.
    let verdict = as_agent(&second, "reports", token, Some(&batch)).await;
    let reason = "this hub does not have the check `office` yet; another one has";
    assert_eq!(verdict, json!({ "refused": [], "later": [1], "later_reason": reason }));
    let verdict = as_agent(&first, "reports", token, Some(&batch)).await;
    assert_eq!(verdict, json!({ "refused": [] }));
    let runs = asked(&format!("{first}/api/v1/runs?check=office")).await;
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(1), "{runs}");

    // Their hosts and ports have the same name, and their agents do not.
    until_true("each hub's agent has a name of its own", PATIENCE, async || {
        let mut names = BTreeSet::new();
        let agents = asked(&format!("{first}/api/v1/agents")).await;
        for agent in agents["agents"].as_array().expect("a list") {
            if agent["state"] == "live" {
                names.insert(agent["name"].as_str().expect("a text").to_owned());
            }
        }
        names.len() == 2 && names.iter().any(|name| name.ends_with(&format!("-hub-{port}-2")))
    })
    .await;
    assert!(two.log().contains("has the name of this one's agent"), "{}", two.log());

    // Started again with what it has, it leaves alone what the other watches.
    assert!(two.stop().await.success());
    let mut again = behind.spawn(&["up"]);
    until_true("it says that it is behind", PATIENCE, async || {
        assert!(again.ended().is_none(), "{}", again.log());
        again.log().contains("has a later edition of the project")
    })
    .await;
    let mut connection = database.connect().await;
    let open = "SELECT count(*) FROM watches WHERE check_id = 'office' AND until_at IS NULL";
    let open: i64 = sqlx::query_scalar(open).fetch_one(&mut connection).await.expect("read");
    assert_eq!(open, 1, "{}", again.log());
    drop(connection);
    assert!(again.stop(PATIENCE).await.success() && one.stop().await.success());
    database.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_does_is_seen_at_another_hub_than_its_agent_talks_to() {
    let (site, database) = (Site::start().await, Database::empty().await);
    let (near, far) = (project(&database, &site, &["shop"]), project(&database, &site, &["shop"]));
    let port = port::free();
    let (one, first) = hub(&near, 1, port).await;
    let (two, second) = hub(&far, 2, port).await;
    let (code, token, said) = near.run(&["token", "create", "--region", REGION]).await;
    assert_eq!(code, Some(0), "{said}");
    let token = token.trim();

    let url = format!("{second}/api/v1/checks/shop/errands");
    let asked = http::client().post(url).json(&json!({ "by": "ana" })).send().await;
    let asked: Value = asked.expect("the hub answers").json().await.expect("JSON");
    let id = asked["id"].as_str().expect("an id").to_owned();
    let place = format!("{second}/errands/{id}/output");
    let mut stream = Stream::open(&http::client(), &place).await;
    let mut leg = Value::Null;
    until_true("the first hub gives it away", PATIENCE, async || {
        let wanted = json!({ "name": "one", "most": 1 });
        leg = as_agent(&first, "errands", token, Some(&wanted)).await["errands"][0].clone();
        leg["id"] == id.as_str()
    })
    .await;
    let tell = async |number: u32, text: &str| {
        let lines = json!([{ "number": number, "at_us": 1, "kind": "began", "step": text }]);
        let body = json!({ "name": "one", "lines": lines }).to_string();
        let url = format!("{first}/agent/v1/errands/{id}/output");
        let request = http::client().post(url).bearer_auth(token).header("tripline-protocol", "1");
        request.body(body).send().await.expect("the hub answers").status()
    };
    assert_eq!(tell(0, "sign in").await, 204);
    stream.until("sign in", PATIENCE).await;
    assert_eq!(tell(1, "pay").await, 204);
    let going = stream.until("pay", PATIENCE).await;
    assert!(!going.contains("event: verdict"), "{going}");
    let report = json!({
        "check": "shop", "region": REGION, "slot_at": leg["asked_at"],
        "started_at": leg["asked_at"], "duration_us": 1, "outcome": "passed",
    });
    let url = format!("{first}/agent/v1/errands/{id}");
    let request = http::client().post(url).bearer_auth(token).header("tripline-protocol", "1");
    let body = json!({ "name": "one", "report": report }).to_string();
    assert_eq!(request.body(body).send().await.expect("the hub answers").status(), 204);
    let ended = stream.until("event: end", PATIENCE).await;
    assert!(ended.contains("\"outcome\":\"passed\""), "{ended}");
    assert_eq!(ended.matches("event: line").count(), 2, "each once: {ended}");
    assert_eq!(tell(2, "late").await, 410, "it is over");
    assert!(two.stop().await.success() && one.stop().await.success());
    database.discard().await;
}

/// What stands before two hubs and asks them in turn. They were given different projects.
struct Balancer {
    hubs: [Arc<Published>; 2],
    questions: AtomicUsize,
}

impl Balancer {
    fn new() -> Self {
        let region = Region::new(REGION).expect("a good name");
        let hubs = ["http://one.example/", "http://two.example/"].map(|control| {
            let part = Part { control: vec![control.to_owned()], ..Part::default() };
            Publication::new([(region.clone(), part)]).of(&region)
        });
        Self { hubs, questions: AtomicUsize::new(0) }
    }
}

async fn what_to_run(
    State(balancer): State<Arc<Balancer>>,
    Query(wanted): Query<HashMap<String, String>>,
) -> Response {
    let hub = &balancer.hubs[balancer.questions.fetch_add(1, Ordering::Relaxed) % 2];
    if wanted.get("revision") != Some(&hub.revision) {
        return hub.body.clone().into_response();
    }
    // A hub leaves such a question open for longer.
    tokio::time::sleep(Duration::from_millis(50)).await;
    StatusCode::NO_CONTENT.into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_answered_by_two_projects_in_turn_keeps_to_the_newer_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let balancer = Arc::new(Balancer::new());
    let pulse = async || Json(json!({ "version": "1.2.3", "live": ["one"] }));
    let router = Router::new()
        .route("/agent/v1/hello", post(pulse))
        .route("/agent/v1/heartbeat", post(pulse))
        .route("/agent/v1/assignments", get(what_to_run))
        .with_state(Arc::clone(&balancer));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    let folder = TempDir::new().expect("a temporary folder");
    let token = Token::generate().expect("random numbers").expose();
    std::fs::write(folder.path().join("token"), token).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.current_dir(folder.path()).env("NO_COLOR", "1").args([
        "agent",
        "--region",
        REGION,
        "--name",
        "one",
        "--token-file",
        "token",
        "--data-dir",
        "data",
        "--hub",
        &format!("http://{address}"),
        "--status",
        &format!("127.0.0.1:{}", port::free()),
    ]);
    let mut agent = Process::start("the agent", &mut command, folder.path().join("agent.log"));
    until_true("it has asked often", PATIENCE, async || {
        assert!(agent.ended().is_none(), "{}", agent.log());
        balancer.questions.load(Ordering::Relaxed) >= 12
    })
    .await;
    let log = agent.log();
    assert_eq!(log.matches("what to run is known").count(), 2, "each once:\n{log}");
    serving.abort();
}

/// How far the loops of a hub are behind, in milliseconds.
type Lag = Arc<AtomicU64>;

async fn pulse_of(State(lag): State<Lag>) -> Json<Value> {
    let lags = json!({ "review_ms": lag.load(Ordering::Relaxed) });
    Json(json!({ "version": "1.2.3", "live": ["one"], "lags": lags }))
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_hub_is_behind_is_told_by_its_agents() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let lag: Lag = Arc::default();
    let nothing = async || StatusCode::NO_CONTENT;
    let router = Router::new()
        .route("/agent/v1/hello", post(pulse_of))
        .route("/agent/v1/heartbeat", post(pulse_of))
        .route("/agent/v1/assignments", get(nothing))
        .with_state(Arc::clone(&lag));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let world = World::new("");
    let mut agent = world.agent_of(&format!("http://{address}"), "one");
    let is_so = |status: &Value, is_behind: bool, lag: u64| {
        let told = (&status["hub_behind"], &status["hub_lags"]["review_ms"]);
        status["hub_reachable"] == true && told == (&is_behind.into(), &lag.into())
    };
    // Up to half a minute is a long turn, and no trouble.
    for (millis, is_behind) in [(0, false), (30_000, false), (30_001, true), (0, false)] {
        lag.store(millis, Ordering::Relaxed);
        let what = format!("its hub is {millis} ms behind");
        agent.says(&what, |it| is_so(it, is_behind, millis)).await;
    }
    assert!(agent.log().contains("behind"), "{}", agent.log());
    agent.stop().await;
    serving.abort();
}
