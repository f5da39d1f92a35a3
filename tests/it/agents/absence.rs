//! What is lost for a while: an agent, the hub, a disk, the internet, the right time.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::world::{self, PATIENCE, REGION, World};
use super::{check, is_at_work, now, slot_after, slots};
use crate::support::port;
use crate::support::site::Site;
use crate::support::wait::{until, until_true};

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_loses_its_agent_is_one_incident_until_it_answers_again() {
    let site = Site::start().await;
    let ids: Vec<String> = (0..3).map(|number| format!("shop-{number}")).collect();
    let world = World::new(&ids.iter().map(|id| check(id, &site)).collect::<String>());
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let mut agent = world.agent("one", &token);
    for id in &ids {
        let what = format!("a run of {id}");
        until_true(&what, PATIENCE, async || !world.runs(id).await.is_empty()).await;
    }
    assert_eq!(world.incidents().await, Vec::<Value>::new());

    agent.kill();
    let told = until("somebody is told", PATIENCE, async || {
        let incidents = world.incidents().await;
        (!incidents.is_empty()).then_some(incidents)
    })
    .await;
    let subjects: Vec<&Value> = told.iter().map(|it| &it["subject"]).collect();
    assert_eq!(subjects, [&json!("region:eu")]);
    assert_eq!(world.owed(&told[0]).await, ["slack:#p2 blind"]);
    // Its slots are accounted for, and what that finds opens nothing further.
    for id in &ids {
        until_true(&format!("the gap of {id}"), PATIENCE, async || {
            world.gap_reasons(id).await.iter().any(|reason| reason == "agent_lost")
        })
        .await;
    }
    assert_eq!(world.incidents().await.len(), 1);

    let mut agent = world.agent_in("one", "agent-one", &agent.token_file.clone());
    until_true("it is seen again", PATIENCE, async || {
        world.incidents().await.iter().all(|it| it["status"] == "resolved")
    })
    .await;
    assert_eq!(world.incidents().await.len(), 1);
    assert_eq!(world.owed(&told[0]).await, ["slack:#p2 blind", "slack:#p2 recovered"]);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_hub_an_agent_goes_on_survives_a_crash_and_reports_later() {
    let site = Site::start().await;
    let world = World::new(&check("shop", &site));
    let mut hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let mut agent = world.agent("one", &token);
    until_true("a run", PATIENCE, async || !world.runs("shop").await.is_empty()).await;

    world::kill(&mut hub);
    agent
        .says("it keeps what it cannot report", |it| {
            it["hub_reachable"] == false && it["spool"]["reports"].as_u64() >= Some(3)
        })
        .await;
    agent.kill();
    let (crashed, folder) = (site.visits().len(), agent.folder.clone());
    assert!(folder.join("assignments").exists());
    let kept = agent.token_file.clone();
    let mut agent = world.agent_in("one", "agent-one", &kept);
    agent.says("it runs what it knew", |it| it["own_checks"] == 1).await;
    until_true("further visits", PATIENCE, async || site.visits().len() >= crashed + 3).await;
    agent
        .says("what it kept before is kept", |it| it["spool"]["reports"].as_u64() >= Some(6))
        .await;

    let returned = now();
    let _hub = world.hub().await;
    agent
        .says("all is reported", |it| {
            it["hub_reachable"] == true && it["spool"]["reports"].as_u64() <= Some(1)
        })
        .await;
    let runs = until("runs from before and after", PATIENCE, async || {
        let runs = world.runs("shop").await;
        let later = runs.iter().filter(|run| run.slot_at > returned).count();
        (later >= 2).then_some(runs)
    })
    .await;
    // With their own times, and none is missing but those while the agent itself was down.
    for run in &runs {
        assert!(run.started_at - run.slot_at < TimeDelta::seconds(5), "{run:?}");
    }
    let slots = slots(&runs);
    let holes = slots.windows(2).filter(|pair| pair[1] - pair[0] > TimeDelta::milliseconds(1001));
    assert!(holes.clone().count() <= 1, "{:?}", holes.collect::<Vec<_>>());
    assert!(runs.len() + 2 >= site.visits().len(), "{} of {}", runs.len(), site.visits().len());
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_says_why_its_reports_are_kept_and_when_they_are_lost() {
    let site = Site::start().await;
    let world = World::new(&check("shop", &site));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let mut agent = world.agent("one", &token);
    agent.says("it works", |it| is_at_work(it, 1)).await;
    until_true("a run", PATIENCE, async || !world.runs("shop").await.is_empty()).await;
    // As when the disk is full: reports go to the hub all the same.
    let url = format!("sqlite:{}", agent.folder.join("spool.db").display());
    let mut spool = sqlx::SqliteConnection::connect(&url).await.expect("opened");
    let full =
        "CREATE TRIGGER full BEFORE INSERT ON reports BEGIN SELECT raise(ABORT, 'full'); END";
    sqlx::raw_sql(full).execute(&mut spool).await.expect("done");
    let status = agent.says("its disk fails", |it| !it["spool_trouble"].is_null()).await;
    assert!(status["spool_trouble"].as_str().is_some_and(|it| it.contains("full")), "{status}");
    let since = now();
    until_true("further runs", PATIENCE, async || {
        world.runs("shop").await.iter().filter(|run| run.slot_at > since).count() >= 3
    })
    .await;
    assert!(agent.log().contains("the disk does not take reports"));
    sqlx::raw_sql("DROP TRIGGER full").execute(&mut spool).await.expect("done");
    agent.says("its disk works", |it| it["spool_trouble"].is_null()).await;
    let listed = world.listed("one").await.expect("it is listed");
    assert_eq!((&listed["spool"]["lost"], &listed["spool"]["thinned"]), (&json!(0), &json!(0)));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_cut_off_is_one_incident_and_its_checks_are_none() {
    let site = Site::start().await;
    let nowhere = format!("http://127.0.0.1:{}", port::free());
    let checks: String = ["shop", "office"]
        .iter()
        .map(|id| check(id, &site).replace(&site.url(), &nowhere))
        .collect();
    let with_control =
        |target: &str| format!("[regions.{REGION}]\ncontrol = [\"{target}\"]\n{checks}");
    let world = World::new(&with_control(&nowhere));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let mut agent = world.agent("one", &token);
    agent.says("it works", |it| is_at_work(it, 2)).await;
    let subjects = async || {
        let incidents = world.incidents().await.into_iter();
        incidents.map(|it| format!("{} {}", it["subject"], it["status"])).collect::<Vec<_>>()
    };
    until_true("the region is told of", PATIENCE, async || !subjects().await.is_empty()).await;
    assert_eq!(subjects().await, ["\"region:eu\" \"open\""]);
    let incident = world.incidents().await.remove(0);
    let error = incident["cause"]["error"].as_str().expect("a text");
    assert!(error.starts_with("the region is cut off: no control target answers"), "{error}");
    assert_eq!(world.owed(&incident).await, ["slack:#p2 blind"]);

    // Where a control target answers, what fails is the target's failure.
    world.write(&with_control(&site.url()));
    let expected =
        ["\"check:office\" \"open\"", "\"check:shop\" \"open\"", "\"region:eu\" \"resolved\""];
    until_true("the checks are told of, and the region is seen", PATIENCE, async || {
        let mut all = subjects().await;
        all.sort();
        all == expected
    })
    .await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_a_wrong_clock_that_runs_nothing_is_found_out() {
    let site = Site::start().await;
    let world = World::new(&check("shop", &site));
    let hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let theirs = || now() + TimeDelta::seconds(10);
    let beat = async |lag_ms: u64| {
        let beat = json!({
            "region": REGION, "name": "odd", "instance": "6f1f1f8e-0c6e-4a53-9a3c-2f6f3d1f7a11",
            "sent_at": theirs(), "lag_ms": lag_ms, "revision": "1-2",
        });
        let (status, answer) =
            world.as_agent(&token, "heartbeat", "1", Some(beat.to_string())).await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str::<Value>(&answer).expect("JSON")
    };
    let answer = beat(0).await;
    assert_eq!(answer["live"], json!(["odd"]));
    assert!(answer["lags"]["review_ms"].as_u64().is_some_and(|lag| lag < 30_000), "{answer}");
    let slot = slot_after("shop", theirs());
    let before = slot - TimeDelta::seconds(10);
    let batch = json!({ "name": "odd", "reports": [{
        "check": "shop", "region": REGION, "slot_at": slot, "started_at": slot,
        "duration_us": 1, "outcome": "passed",
    }]});
    let (status, body) = world.as_agent(&token, "reports", "1", Some(batch.to_string())).await;
    assert_eq!((status, body.as_str()), (200, "{\"refused\":[]}"));
    let run = world.runs("shop").await.remove(0);
    assert_eq!(run.slot_at.timestamp_millis(), slot.timestamp_millis());
    let off = (run.started_at - before).num_milliseconds().abs();
    assert!(off < 5_000, "it started {off} ms from when it did");

    assert_eq!(beat(45_000).await["live"], json!([]), "others would run its checks");
    let listed = world.listed("odd").await.expect("it is listed");
    assert_eq!((&listed["state"], &listed["stalled"]), (&json!("lost"), &json!(true)));
    assert!(listed["skew_ms"].as_f64().is_some_and(|skew| skew > 5_000.0), "{listed}");
    let health = world.health().await;
    assert_eq!(health["status"], "degraded", "{health}");
    let reasons = health["reasons"].to_string();
    assert!(
        reasons.contains("the agent odd of eu lives and does not keep its schedule"),
        "{reasons}"
    );
    assert!(reasons.contains("the clock of the agent odd of eu is "), "{reasons}");
    assert!(hub.log().contains("the clock of an agent differs from the hub's"));
    until_true("its region is told of, though it is heard of", PATIENCE, async || {
        beat(60_000).await;
        let incidents = world.incidents().await;
        incidents.iter().any(|it| it["subject"] == "region:eu" && it["status"] == "open")
    })
    .await;
    assert!(hub.log().contains("an agent is as good as lost"), "{}", hub.log());
}
