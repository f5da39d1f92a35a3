//! Agents of one region: they share its checks, and take over from each other.

use std::fs;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tripline::domain::id::CheckId;
use tripline::domain::rendezvous::owner;

use super::world::{HOME, PATIENCE, REGION, World};
use super::{check, is_at_work, slots};
use crate::support::site::Site;
use crate::support::wait::until_true;

/// Within so long of slots, others run what an agent that was killed would have.
const TAKEOVER: TimeDelta = TimeDelta::seconds(30);
/// So many checks that two agents share them whatever they are called.
const MANY: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_share_a_region_and_one_takes_over_when_the_other_is_killed() {
    let site = Site::start().await;
    let ids: Vec<String> = (0..6).map(|number| format!("shop-{number}")).collect();
    let world = World::new(&ids.iter().map(|id| check(id, &site)).collect::<String>());
    world.script(
        "login.js",
        "import { greeting } from './lib/words.js';\n\
         export const options = { every: '1s', regions: ['eu'] };\n\
         export default async function () { console.log(greeting); }\n",
    );
    fs::create_dir(world.path().join("checks/lib")).expect("a folder");
    world.script("lib/words.js", "export const greeting = 'hello from afar';\n");
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let (mut one, mut two) = (world.agent("one", &token), world.agent("two", &token));

    let owner_of = |id: &str| owner(&CheckId::new(id).expect("a name"), ["one", "two"]);
    let all = ids.iter().map(String::as_str).chain(["login"]);
    let of_two: Vec<&str> = all.clone().filter(|id| owner_of(id) == Some("two")).collect();
    assert!(!of_two.is_empty() && of_two.len() < 7, "the names do not share: {of_two:?}");
    one.says("it runs its share", |it| is_at_work(it, 7 - of_two.len())).await;
    two.says("it runs its share", |it| is_at_work(it, of_two.len())).await;
    for id in all.clone() {
        until_true(&format!("runs of {id}"), PATIENCE, async || {
            world.runs(id).await.iter().filter(|run| run.region == REGION).count() >= 2
        })
        .await;
    }
    let listed = world.listed("one").await.expect("it is listed");
    assert_eq!((&listed["state"], &listed["lost"]), (&json!("live"), &json!(false)));
    assert!(listed["skew_ms"].as_f64().is_some_and(|skew| skew.abs() < 2000.0), "{listed}");

    two.kill();
    one.says("it runs everything", |it| is_at_work(it, 7)).await;
    for id in of_two {
        let before = world.runs(id).await.first().map(|run| run.slot_at);
        until_true(&format!("further runs of {id}"), PATIENCE, async || {
            world.runs(id).await.first().map(|run| run.slot_at) > before
        })
        .await;
    }
    let lost = world.listed("two").await.expect("it is remembered");
    assert_eq!(lost["state"], "lost");
    // However many ran a slot while the share changed, it is stored once, and what nobody ran
    // meanwhile is no more than is promised.
    for id in all {
        let mut slots = slots(&world.runs(id).await);
        let count = slots.len();
        slots.dedup();
        assert_eq!(slots.len(), count, "{id}");
        let longest = slots.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(longest <= Some(TAKEOVER), "{id} was left alone: {slots:#?}");
    }
    one.stop().await;
    let left = world.listed("one").await.expect("it is remembered");
    assert_eq!(left["state"], "left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hubs_own_agent_shares_with_others_and_takes_over_from_them() {
    let site = Site::start().await;
    let ids: Vec<String> = (0..MANY).map(|number| format!("shop-{number}")).collect();
    let checks = ids.iter().map(|id| check(id, &site)).collect::<String>();
    let world = World::new(&checks.replace(&format!("[\"{REGION}\"]"), &format!("[\"{HOME}\"]")));
    let hub = world.hub().await;
    let token = world.create_token(HOME).await;
    let mut helper = world.agent_at_home("helper", &token);
    let shared = |it: &Value| it["live"].as_array().is_some_and(|live| live.len() == 2);
    let status = helper.says("it is one of two", |it| shared(it) && it["checks"] == MANY).await;
    let live: Vec<&str> =
        status["live"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let of_helper: Vec<&String> = ids
        .iter()
        .filter(|id| {
            let id = CheckId::new(id).expect("a name");
            owner(&id, live.iter().copied()) == Some("helper")
        })
        .collect();
    assert!(!of_helper.is_empty() && of_helper.len() < MANY, "{live:?} do not share");
    assert_eq!(status["own_checks"], of_helper.len());

    until_true("the hub's own agent leaves them to it", PATIENCE, async || {
        hub.log().contains("the checks are shared by these agents")
    })
    .await;
    helper.kill();
    let known = site.visits().len();
    until_true("runs of all checks by the hub's own agent", PATIENCE, async || {
        let since = site.visits().split_off(known);
        of_helper.iter().all(|id| since.iter().any(|path| path == &format!("/{id}")))
    })
    .await;
}
