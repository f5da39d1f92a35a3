//! What an agent may: see what its region needs, and report what its region was to run.

use std::fs;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tripline::domain::Timestamp;

use super::world::{PATIENCE, REGION, World};
use super::{check, is_at_work, next_slot, slot_after, slots};
use crate::support::site::Site;
use crate::support::wait::until_true;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_in_until_it_is_revoked_and_can_be_replaced_without_a_gap() {
    let site = Site::start().await;
    let world = World::new(&check("shop", &site));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;

    // A wrong one, and one of another region.
    let mut wrong = world.agent("wrong", "tripline_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert!(wrong.gives_up().await.contains("the token is not known here"));
    let elsewhere = world.create_token("us").await;
    let mut astray = world.agent("astray", &elsewhere);
    assert!(astray.gives_up().await.contains("for agents of `us`"));
    let (status, _) = world.as_agent("", "assignments", "1", None).await;
    assert_eq!(status, 401);

    let mut agent = world.agent("one", &token);
    agent.says("it works", |it| is_at_work(it, 1)).await;
    let rotated = world.token("rotate 1").await;
    assert!(rotated.status.success(), "{rotated:?}");
    let fresh = String::from_utf8(rotated.stdout).expect("text").trim().to_owned();
    assert_ne!(fresh, token);
    assert_eq!(world.as_agent(&token, "assignments", "1", None).await.0, 200);
    fs::write(&agent.token_file, &fresh).expect("written");
    // Another agent with the same token has time to be given the new one, and is told of it.
    let mut slower = world.agent("two", &token);
    slower.says("it hears of the new one", |it| !it["token_good_until"].is_null()).await;
    assert!(slower.log().contains("the token was replaced by another"), "{}", slower.log());
    slower.stop().await;
    agent
        .says("it shows the new one", |it| is_at_work(it, 1) && it["token_good_until"].is_null())
        .await;
    let listed = world.token("list").await;
    let listed = String::from_utf8(listed.stdout).expect("text");
    assert!(listed.contains("rotating") && listed.contains("the token before it is good until"));

    // A question that is left open ends with the token, too.
    let (_, body) = world.as_agent(&fresh, "assignments", "1", None).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let revision = body["revision"].as_str().expect("a revision");
    let path = format!("assignments?revision={revision}&wait_ms=25000");
    let open = world.as_agent(&fresh, &path, "1", None);
    let revoke = async {
        let output = world.token("revoke 1").await;
        assert!(output.status.success(), "{output:?}");
    };
    let ((status, _), ()) = tokio::join!(open, revoke);
    assert_eq!(status, 401);
    let (status, _) = world.as_agent(&token, "assignments", "1", None).await;
    assert_eq!(status, 401, "what it took the place of is revoked with it");
    agent.says("it runs nothing any more", |it| it["checks"] == 0).await;
    assert!(!agent.folder.join("assignments").exists());
    assert!(agent.log().contains("the token was revoked"));
    let listed = world.token("list --json").await;
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["tokens"][0]["state"], "revoked");
    assert_eq!(listed["tokens"][1]["region"], "us");
    assert!(!world.token("revoke 1").await.status.success());
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_told_the_secrets_its_checks_name_and_no_others() {
    let world = World::new(
        "[secrets]\nPASSWORD = { env = \"SHOP_PASSWORD\" }\nOTHER = { env = \"OTHER\" }\n",
    );
    let script = |region: &str, secret: &str| {
        format!(
            "export const options = {{ every: '1s', regions: ['{region}'] }};\n\
             export default async function () {{ console.log('it is ' + secret('{secret}')); }}\n"
        )
    };
    world.script("shop.js", &script(REGION, "PASSWORD"));
    world.script("office.js", &script("us", "OTHER"));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let (status, body) = world.as_agent(&token, "assignments", "1", None).await;
    assert_eq!(status, 200);
    assert!(!body.contains("another-secret-value"), "{body}");
    let told: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(told["secrets"], json!({ "PASSWORD": "correct-horse-battery" }));
    let paths: Vec<&Value> =
        told["modules"].as_array().expect("a list").iter().map(|it| &it["path"]).collect();
    assert_eq!(paths, ["checks/shop.js"]);

    let mut agent = world.agent("one", &token);
    until_true("a run", PATIENCE, async || !world.runs("shop").await.is_empty()).await;
    for entry in fs::read_dir(&agent.folder).expect("a folder") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("correct-horse-battery"), "a secret is on the disk in the clear");
    }
    assert!(!agent.log().contains("correct-horse-battery"));

    // What changes in the project reaches the agent.
    world.script("more.js", &script(REGION, "PASSWORD"));
    agent.says("it runs the new check too", |it| is_at_work(it, 2)).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_takes_nothing_that_is_not_the_regions_own() {
    let site = Site::start().await;
    let elsewhere = check("office", &site).replace(REGION, "us");
    let world = World::new(&format!("{}{elsewhere}", check("shop", &site)));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let at = next_slot("shop").await;
    let report = |check: &str, region: &str| {
        json!({
            "check": check, "region": region, "slot_at": at, "started_at": at,
            "duration_us": 1, "outcome": "passed",
        })
    };
    let batch = json!({ "name": "one", "reports": [
        report("office", "us"), report("shop", "us"), report("office", REGION),
        report("none", REGION), { "check": 5 }, report("shop", REGION),
    ]});
    let (status, body) = world.as_agent(&token, "reports", "1", Some(batch.to_string())).await;
    assert_eq!(status, 200, "{body}");
    let verdict: Value = serde_json::from_str(&body).expect("JSON");
    let refused: Vec<&Value> =
        verdict["refused"].as_array().expect("a list").iter().map(|it| &it["index"]).collect();
    assert_eq!(refused, [0, 1, 4]);
    // In the project of another hub they may be.
    assert_eq!(verdict["later"], json!([2, 3]), "{verdict}");
    // Handed over again, because the answer was lost: acknowledged again, stored once.
    let again = json!({ "name": "one", "reports": [report("shop", REGION)] });
    let (status, body) = world.as_agent(&token, "reports", "1", Some(again.to_string())).await;
    assert_eq!((status, body.as_str()), (200, "{\"refused\":[]}"));
    assert_eq!(world.runs("shop").await.len(), 1);
    assert!(world.runs("office").await.is_empty());

    let (status, body) = world.as_agent(&token, "reports", "1", Some("{".into())).await;
    assert_eq!((status, body.contains("not understood")), (400, true), "{body}");
    let (status, body) = world.as_agent(&token, "hello", "3", Some("{}".into())).await;
    let wanted = format!("install Tripline {}", env!("CARGO_PKG_VERSION"));
    assert_eq!((status, body.contains(&wanted)), (426, true), "{body}");
    assert_eq!(world.asked_at_link("/api/v1/checks").await, 404);
    assert_eq!(world.asked_at_link("/healthz").await, 404);
    assert_eq!(world.asked_at_link("/agent/v1/assignments").await, 401);
    let large = " ".repeat(20_000);
    let (status, body) = world.as_agent(&token, "hello", "1", Some(large)).await;
    assert_eq!((status, body.contains("too long")), (413, true), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_of_a_check_before_it_was_removed_is_stored_and_tells_nobody() {
    let site = Site::start().await;
    let world = World::new(&format!("{}{}", check("shop", &site), check("office", &site)));
    let hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let before = next_slot("shop").await;
    let report = |at: Timestamp| {
        json!({
            "check": "shop", "region": REGION, "slot_at": at, "started_at": at, "duration_us": 1,
            "outcome": "failed", "failure": { "kind": "network", "message": "refused" },
        })
    };
    let hand_over = async |reports: &[Value]| {
        let batch = json!({ "name": "one", "reports": reports });
        let (status, body) = world.as_agent(&token, "reports", "1", Some(batch.to_string())).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).expect("JSON")
    };
    world.write(&check("office", &site));
    until_true("the check is gone", PATIENCE, async || {
        let told = world.as_agent(&token, "assignments", "1", None).await.1;
        !told.contains("\"shop\"")
    })
    .await;
    let (after, long_ago) =
        (next_slot("shop").await, slot_after("shop", before - TimeDelta::hours(1)));
    let verdict = hand_over(&[report(before), report(after), report(long_ago)]).await;
    assert_eq!((&verdict["refused"][0]["index"], &verdict["later"]), (&json!(2), &json!([1])));
    let reason = verdict["later_reason"].as_str().expect("a reason");
    assert!(reason.contains("does not know (yet, or any more)"), "{reason}");
    let runs = world.runs("shop").await;
    assert_eq!(slots(&runs), [before], "{}", hub.log());
    assert_eq!(world.incidents().await, Vec::<Value>::new());
}
