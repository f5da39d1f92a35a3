//! What somebody asks to be run at once is run by the agent of its region, like any other run.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::world::{PATIENCE, REGION, World};
use crate::support::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_runs_what_is_asked_for_and_its_run_can_be_read() {
    let world = World::new("[secrets]\nPASSWORD = { env = \"SHOP_PASSWORD\" }\n");
    world.script(
        "login.js",
        "import { secret, step } from 'tripline';\n\
         export const options = { cron: '0 0 1 1 *', regions: ['eu'], timeout: '20s' };\n\
         export default async function () {\n\
           await step('sign in', () => console.log(`with ${secret('PASSWORD')}`));\n\
         }\n",
    );
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let mut one = world.agent("one", &token);
    one.says("it runs its share", |it| super::is_at_work(it, 1)).await;

    let asked = world.post("/api/v1/checks/login/errands", &json!({"by": "ana"})).await;
    let path = format!("/api/v1/errands/{}", asked["id"].as_str().expect("an id"));
    let ended = until("it has ended", PATIENCE, async || {
        let errand: Value = world.ask(&path).await;
        (errand["is_over"] == true).then_some(errand)
    })
    .await;
    let leg = &ended["legs"][0];
    assert_eq!((&leg["outcome"], &leg["agent"]), (&json!("passed"), &json!("one")), "{ended}");
    let run: Value = world.ask(&format!("/api/v1/runs/{}", leg["run"].as_str().expect("id"))).await;
    assert_eq!(run["steps"][0]["name"], "sign in", "{run}");
    let said = run["logs"][0]["text"].as_str().expect("a line");
    assert!(said.starts_with("with ") && !said.contains("battery"), "{said}");
    assert!(world.runs("login").await.is_empty(), "it is no run of a slot");
    one.stop().await;
}

/// A page that does not answer before it is let, and where it is.
async fn held_back() -> (Arc<Notify>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let opened = Arc::new(Notify::new());
    let waits = Arc::clone(&opened);
    let page = axum::routing::get(async move || waits.notified().await);
    let router = axum::Router::new().fallback(page);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (opened, format!("http://{address}/hold"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_does_is_seen_while_it_goes_on() {
    let (opened, page) = held_back().await;
    let world = World::new("[secrets]\nPASSWORD = { env = \"SHOP_PASSWORD\" }\n");
    world.script(
        "login.js",
        &format!(
            "import {{ secret, step }} from 'tripline';\n\
             export const options = {{ cron: '0 0 1 1 *', regions: ['eu'], timeout: '50s' }};\n\
             export default async function () {{\n\
               await step('open', () => console.log(`with ${{secret('PASSWORD')}}`));\n\
               await step('wait', async () => {{\n\
                 await fetch('{page}?word=' + secret('PASSWORD'));\n\
               }});\n\
             }}\n",
        ),
    );
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let mut one = world.agent("one", &token);
    one.says("it runs its share", |it| super::is_at_work(it, 1)).await;

    let asked = world.post("/api/v1/checks/login/errands", &json!({"by": "ana"})).await;
    let mut stream = world.stream(&asked).await;
    let going = stream.until("/hold?word=", PATIENCE).await;
    assert!(going.contains("\"text\":\"with ***\""), "{going}");
    assert!(going.contains("\"look\":\"good\"") && going.contains("open ("), "{going}");
    assert!(!going.contains("event: verdict"), "{going}");
    opened.notify_one();
    let ended = stream.until("event: end", PATIENCE).await;
    assert!(ended.contains("\"outcome\":\"passed\""), "{ended}");
    assert!(ended.contains("\"run\":\"/runs/"), "{ended}");
    assert!(!ended.contains("battery"), "{ended}");
    one.stop().await;
}
