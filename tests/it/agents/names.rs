//! A name in a region is that of one live agent: who gets it, keeps it, and gives it back.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::world::{PATIENCE, REGION, World};
use super::{check, is_at_work, now};
use crate::support::site::Site;
use crate::support::wait::{throughout, until, until_true};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_that_of_one_live_agent() {
    let site = Site::start().await;
    let world = World::new(&check("shop", &site));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let mut first = world.agent("one", &token);
    first.says("it works", |it| is_at_work(it, 1)).await;
    let mut second = world.agent_in("one", "agent-second", &first.token_file);
    assert!(second.gives_up().await.contains("there is a live agent called `one` in eu"));

    // The same agent after a crash is let in at once: its folder says that it is the same.
    first.kill();
    let mut again = world.agent_in("one", "agent-one", &first.token_file);
    again.says("it works", |it| is_at_work(it, 1)).await;
    let mut third = world.agent_in("one", "agent-one", &first.token_file);
    assert!(third.gives_up().await.contains("is in use by another agent"));
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_name_was_taken_ends_if_the_other_lives_and_else_takes_it_back() {
    let site = Site::start().await;
    let world = World::new(&check("shop", &site));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let mut agent = world.agent("one", &token);
    agent.says("it works", |it| is_at_work(it, 1)).await;
    let usurp = async |instance: &str| {
        let beat = json!({
            "region": REGION, "name": "one", "instance": instance, "sent_at": now(),
            "revision": "1-2",
        });
        world.as_agent(&token, "heartbeat", "1", Some(beat.to_string())).await.0
    };
    let (one, other) =
        ("6f1f1f8e-0c6e-4a53-9a3c-2f6f3d1f7a11", "6f1f1f8e-0c6e-4a53-9a3c-2f6f3d1f7a12");
    assert_eq!(usurp(one).await, 409, "it lives");
    // It is away for longer than its lease; another takes the name, and is gone again.
    agent.process.signal(Signal::STOP);
    until_true("the name is free", PATIENCE, async || usurp(one).await == 200).await;
    agent.process.signal(Signal::CONT);
    agent
        .says("the name is taken", |it| {
            it["hub_trouble"].as_str().is_some_and(|it| it.contains("there is a live agent"))
        })
        .await;
    agent.says("it has its name again", |it| it["hub_trouble"].is_null()).await;
    let log = agent.log();
    assert!(log.contains("it is taken back unless the other lives"), "{log}");
    assert!(log.contains("the name is this agent's again"), "{log}");

    agent.process.signal(Signal::STOP);
    until_true("the name is free", PATIENCE, async || usurp(other).await == 200).await;
    agent.process.signal(Signal::CONT);
    until_true("it gives up", PATIENCE, async || {
        assert_eq!(usurp(other).await, 200);
        agent.process.ended().is_some()
    })
    .await;
    let log = agent.gives_up().await;
    assert!(log.contains("another agent took the name `one` in eu"), "{log}");
    assert!(log.contains(&format!("stays in {}", agent.folder.display())), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_killed_before_it_knew_that_it_has_its_name_is_let_in_at_once() {
    let site = Site::start().await;
    let world = World::new(&check("shop", &site));
    let hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let mut agent = world.agent("one", &token);
    agent.says("it works", |it| is_at_work(it, 1)).await;
    agent.kill();
    let noted = || {
        let text = fs::read_to_string(agent.folder.join("instance")).expect("it notes its number");
        text.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    let granted = noted();
    assert_eq!(granted.len(), 1);

    // It claims its name from a hub that does not answer yet, and is killed.
    hub.signal(Signal::STOP);
    let mut second = world.agent_in("one", "agent-one", &agent.token_file);
    let claimed = until("it notes the claim", PATIENCE, async || noted().get(1).cloned()).await;
    assert_ne!(claimed, granted[0]);
    second.kill();
    hub.signal(Signal::CONT);
    // The hub hears of it all the same.
    let beat = json!({
        "region": REGION, "name": "one", "instance": claimed, "replaces": granted[0],
        "sent_at": now(), "revision": "1-2",
    });
    let (status, answer) = world.as_agent(&token, "hello", "1", Some(beat.to_string())).await;
    assert_eq!(status, 200, "{answer}");
    let mut third = world.agent_in("one", "agent-one", &agent.token_file);
    third.says("it works", |it| is_at_work(it, 1)).await;
    assert_eq!(noted().len(), 1, "what was before it is of no interest any more");
    third.stop().await;
}

/// A hub that leaves heartbeats unanswered until it is told to answer.
struct Slow {
    heartbeats: AtomicUsize,
    goodbyes: AtomicUsize,
    answers: watch::Sender<bool>,
}

fn pulse() -> Json<Value> {
    Json(json!({ "version": "1.2.3", "live": ["one"] }))
}

async fn heartbeat(State(hub): State<Arc<Slow>>) -> Json<Value> {
    hub.heartbeats.fetch_add(1, Ordering::Relaxed);
    hub.answers.subscribe().wait_for(|answers| *answers).await.expect("the hub lives");
    pulse()
}

async fn goodbye(State(hub): State<Arc<Slow>>) -> StatusCode {
    hub.goodbyes.fetch_add(1, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_says_nothing_after_its_goodbye() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (heartbeats, goodbyes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let hub = Arc::new(Slow { heartbeats, goodbyes, answers: watch::Sender::new(false) });
    let router = Router::new()
        .route("/agent/v1/hello", post(async || pulse()))
        .route("/agent/v1/heartbeat", post(heartbeat))
        .route("/agent/v1/goodbye", post(goodbye))
        .route("/agent/v1/assignments", get(std::future::pending::<StatusCode>))
        .with_state(Arc::clone(&hub));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    let world = World::new("");
    let mut agent = world.agent_of(&url, "one");
    until_true("a heartbeat is under way", PATIENCE, async || {
        hub.heartbeats.load(Ordering::Relaxed) == 1
    })
    .await;
    agent.process.signal(Signal::TERM);
    // It could arrive after the goodbye, and take the name again for nobody.
    let silent = async || hub.goodbyes.load(Ordering::Relaxed) == 0;
    throughout("it waits for the answer", Duration::from_millis(500), silent).await;
    hub.answers.send_replace(true);
    let ended = until("it ends", PATIENCE, async || agent.process.ended()).await;
    assert!(ended.success(), "{}", agent.log());
    let said = (hub.heartbeats.load(Ordering::Relaxed), hub.goodbyes.load(Ordering::Relaxed));
    assert_eq!(said, (1, 1));
    serving.abort();
}
