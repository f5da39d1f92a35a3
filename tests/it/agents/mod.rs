//! Agents in other regions: they share checks, take over, outlive the hub, and see no more than
//! they must.

mod hubs;
mod world;

use std::fs;
use std::time::Duration;

use chrono::TimeDelta;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::Connection as _;
use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, Region};
use tripline::domain::rendezvous::owner;
use tripline::domain::schedule::{Interval, Schedule};

use self::world::{HOME, PATIENCE, REGION, Ran, World};
use crate::support::port;
use crate::support::site::Site;
use crate::support::wait::{until, until_true};

/// A plain check of the agents' region, each second.
fn check(id: &str, site: &Site) -> String {
    format!(
        "[[check]]\nid = \"{id}\"\nurl = \"{}/{id}\"\nevery = \"1s\"\nregions = [\"{REGION}\"]\n",
        site.url()
    )
}

fn is_at_work(status: &Value, own: usize) -> bool {
    status["hub_reachable"] == true && status["own_checks"] == own
}

/// The first slot of a check of a second after `at`.
fn slot_after(check: &str, at: Timestamp) -> Timestamp {
    let (check, region) = (CheckId::new(check), Region::new(REGION));
    let every = Schedule::Every(Interval::new(Duration::from_secs(1)).expect("in range"));
    let next = every.next_after(at, &check.expect("a name"), &region.expect("a name"));
    next.expect("there is one")
}

fn now() -> Timestamp {
    tripline::clock::Clock::now(&tripline::clock::System)
}

/// The next slot of a check of a second, when it has come.
async fn next_slot(check: &str) -> Timestamp {
    let at = slot_after(check, now());
    until_true("the next slot comes", PATIENCE, async || now() >= at).await;
    at
}

/// The slots of `runs`, oldest first.
fn slots(runs: &[Ran]) -> Vec<tripline::domain::Timestamp> {
    let mut slots: Vec<_> = runs.iter().map(|run| run.slot_at).collect();
    slots.sort();
    slots
}

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
    // However many ran a slot while the share changed, it is stored once.
    for id in all {
        let mut slots = slots(&world.runs(id).await);
        let count = slots.len();
        slots.dedup();
        assert_eq!(slots.len(), count, "{id}");
    }
    one.stop().await;
    let left = world.listed("one").await.expect("it is remembered");
    assert_eq!(left["state"], "left");
}

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
async fn the_hubs_own_agent_shares_with_others_and_takes_over_from_them() {
    let site = Site::start().await;
    let ids: Vec<String> = (0..8).map(|number| format!("shop-{number}")).collect();
    let checks = ids.iter().map(|id| check(id, &site)).collect::<String>();
    let world = World::new(&checks.replace(&format!("[\"{REGION}\"]"), &format!("[\"{HOME}\"]")));
    let hub = world.hub().await;
    let token = world.create_token(HOME).await;
    let mut helper = world.agent_at_home("helper", &token);
    let shared = |it: &Value| it["live"].as_array().is_some_and(|live| live.len() == 2);
    let status = helper.says("it is one of two", |it| shared(it) && it["checks"] == 8).await;
    let live: Vec<&str> =
        status["live"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let of_helper: Vec<&String> = ids
        .iter()
        .filter(|id| {
            let id = CheckId::new(id).expect("a name");
            owner(&id, live.iter().copied()) == Some("helper")
        })
        .collect();
    assert!(!of_helper.is_empty() && of_helper.len() < 8, "{live:?} do not share");
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
