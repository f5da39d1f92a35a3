//! Killed between two steps: of a slot's way into the store, of forgetting, copying and keeping the log
//! short. After the next start every slot is accounted for, nothing is there twice, and nothing is gone
//! that is referred to.

mod agents;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tripline::clock::{Clock as _, System, haste};
use tripline::domain::Timestamp;
use tripline::failpoint::{Failpoint, VARIABLE};

use crate::support::dump;
use crate::support::postgres::Database;
use crate::support::process::Process;
use crate::support::providers::{Message, Providers};
use crate::support::site::Site;
use crate::support::strace;
use crate::support::told::{EVERYBODY, quiet};
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::{until, until_true};
use crate::support::wall::Wall;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Where it says at which place the daemon is to die.
const DIE_AT: &str = "die-at";

fn project(site: &Site, providers: &Providers, database: Option<&Database>) -> Project {
    let check = format!("[[check]]\nname = \"shop\"\nurl = \"{}/\"\nevery = \"1s\"\n", site.url());
    let project = providers.told_by(Project::new().toml(&check));
    let place = project.path().join(DIE_AT).display().to_string();
    let project = project.env(VARIABLE, &place);
    match database {
        None => project,
        Some(database) => project
            .toml("[store]\nurl = { env = \"DATABASE_URL\" }\n")
            .env("DATABASE_URL", database.url()),
    }
}

/// Waits until a process that was told to die is dead.
async fn died(mut ended: impl FnMut() -> Option<std::process::ExitStatus>) {
    let status = until("it dies where it was to", PATIENCE, async || ended()).await;
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}");
}

/// Waits until all slots up to now are accounted for; what `tripline store check` says then.
async fn accounted(project: &Project) -> Value {
    let now = System.now();
    until("the slots are accounted for", PATIENCE, async || {
        let (code, told, words) = project.run(&["store", "check", "--json"]).await;
        assert_eq!(code, Some(0), "{told}{words}");
        let audit: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(audit["unaccounted"], serde_json::json!([]), "{told}");
        let until: Option<Timestamp> = audit["until"].as_str().and_then(|it| it.parse().ok());
        (until > Some(now)).then_some(audit)
    })
    .await
}

/// Each slot has a run or a reason, and no slot has two runs.
async fn assert_accounted(project: &Project, daemon: &Daemon, check: &str) -> Value {
    let audit = accounted(project).await;
    let missed = audit["missed"].as_object().expect("by reason");
    let missed: u64 = missed.values().filter_map(Value::as_u64).sum();
    let number = |name: &str| audit[name].as_u64().expect("a number");
    assert_eq!(number("expected"), number("ran") + missed, "{audit:#}");
    let runs = daemon.runs(check).await;
    let slots: BTreeSet<Timestamp> = runs.iter().map(|run| run.slot_at).collect();
    assert_eq!(slots.len(), runs.len(), "a slot was stored twice");
    audit
}

/// K1, K3 and K4: between the moment at which a slot is due and that at which its run is stored.
async fn killed_on_a_slots_way(point: Failpoint, database: Option<&Database>) {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = project(&site, &providers, database);
    let mut daemon = project.up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    project.write(DIE_AT, point.as_str());
    if point == Failpoint::Written {
        // Something is to be decided, and people are to be told.
        site.answer(500);
    }
    died(|| daemon.ended()).await;
    assert_eq!(providers.posts().len() + providers.texts().len(), 0, "nothing was visible");
    project.remove(DIE_AT);
    site.answer(500);
    let daemon = project.up().await;
    until_true("everybody is told", PATIENCE, async || {
        EVERYBODY.iter().all(|to| providers.arrived(to).iter().any(Message::answered))
    })
    .await;
    site.answer(200);
    quiet(&daemon, PATIENCE).await;
    for to in EVERYBODY {
        let told = providers.arrived(to);
        assert_eq!(told.len(), 2, "{to}: the beginning and the end, once each: {told:#?}");
        assert!(!told.iter().any(Message::is_marked), "{told:#?}");
    }
    let audit = assert_accounted(&project, &daemon, "shop").await;
    // Whether it was down, or had just begun.
    let reasons = audit["missed"].as_object().map_or(0, serde_json::Map::len);
    assert!(reasons > 0, "the slot is missed, for a reason: {audit:#}");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_was_handed_over_when_the_daemon_was_killed_is_accounted_for() {
    killed_on_a_slots_way(Failpoint::Due, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_was_told_of_when_the_daemon_was_killed_is_accounted_for() {
    killed_on_a_slots_way(Failpoint::Ran, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_result_that_was_written_and_not_committed_nothing_is_there() {
    killed_on_a_slots_way(Failpoint::Written, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_a_slots_way_into_a_database_it_is_accounted_for() {
    for point in [Failpoint::Due, Failpoint::Ran, Failpoint::Written] {
        let database = Database::empty().await;
        killed_on_a_slots_way(point, Some(&database)).await;
        database.discard().await;
    }
}

/// K2: the script ends with the daemon, and its slot has a reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_whose_script_was_running_when_the_daemon_was_killed_is_accounted_for() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let script = format!(
        "export const options = {{ every: \"2s\", timeout: \"2s\" }};\n\
         export default async function () {{\n  await fetch(\"{}/script\");\n  for (;;) {{}}\n}}\n",
        site.url()
    );
    let project = project(&site, &providers, None).script("endless.js", &script);
    let daemon = project.up().await;
    until_true("the script runs", PATIENCE, async || {
        site.visits().iter().any(|visit| visit.contains("/script"))
    })
    .await;
    // Waits until the children are gone.
    daemon.kill().await;
    let daemon = project.up().await;
    assert_accounted(&project, &daemon, "endless").await;
    assert!(daemon.stop().await.success());
}

async fn opened(project: &Project) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(project.path().join("tripline.db"));
    options.connect().await.expect("connected")
}

/// Nothing is damaged, and every run that a decision about an incident refers to is there.
async fn assert_sound(connection: &mut SqliteConnection) {
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_all(&mut *connection)
        .await
        .expect("checked");
    assert_eq!(found, ["ok"]);
    let dangling: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM decisions WHERE incident_id IS NOT NULL AND run_id IS NOT NULL \
         AND run_id NOT IN (SELECT id FROM runs)",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("looked for");
    assert_eq!(dangling, Vec::<i64>::new(), "runs of these decisions are gone");
    let referred: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM decisions WHERE incident_id IS NOT NULL AND run_id IS NOT NULL",
    )
    .fetch_one(connection)
    .await
    .expect("counted");
    assert!(referred > 0, "there is something that could have been lost");
}

/// Runs and an incident of three days ago, counted by the hour and kept for a day.
async fn grown_old(project: &Project, site: &Site, wall: &Wall, database: Option<&Database>) {
    wall.set("-3d");
    let daemon = project.up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    site.answer(500);
    until_true("there is an incident", PATIENCE, async || !daemon.incidents().await.is_empty())
        .await;
    site.answer(200);
    quiet(&daemon, PATIENCE).await;
    assert!(daemon.stop().await.success());
    wall.set("+0");
    let daemon = project.up().await;
    let since = System.now() - Duration::from_hours(2);
    let counted = async || -> Option<i64> {
        let query = "SELECT until_at FROM tallied";
        match database {
            None => sqlx::query_scalar(query).fetch_optional(&mut opened(project).await).await,
            Some(database) => {
                sqlx::query_scalar(query).fetch_optional(&mut database.connect().await).await
            }
        }
        .expect("read")
    };
    until_true("the hours are counted", PATIENCE, async || {
        counted().await >= Some(since.timestamp_millis())
    })
    .await;
    assert!(daemon.stop().await.success());
}

/// K13: what is half forgotten is not, and nothing is forgotten that an incident refers to.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_while_it_forgets_loses_nothing_that_is_referred_to() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let mut project = project(&site, &providers, None)
        .toml("[store]\nkeep_passed = \"1d\"\nkeep_failed = \"1d\"\n")
        .env(haste::VARIABLE, "1");
    let Some(wall) = Wall::find(project.path()) else { return };
    for (name, value) in wall.environment() {
        project.set_env(&name, &value);
    }
    grown_old(&project, &site, &wall, None).await;
    let count = "SELECT count(*) FROM runs";
    let before: i64 =
        sqlx::query_scalar(count).fetch_one(&mut opened(&project).await).await.expect("counted");
    project.write(DIE_AT, Failpoint::Forgotten.as_str());
    dies(&project).await;
    project.remove(DIE_AT);
    let mut connection = opened(&project).await;
    assert_sound(&mut connection).await;
    connection.close().await.expect("closed");
    let daemon = project.up().await;
    let day = (System.now() - Duration::from_hours(24)).timestamp_millis();
    until_true("what is old is forgotten", PATIENCE, async || {
        let alone = "SELECT count(*) FROM runs WHERE slot_at < $1 AND NOT EXISTS (SELECT 1 \
             FROM decisions WHERE run_id = runs.id AND incident_id IS NOT NULL)";
        let left = sqlx::query_scalar::<_, i64>(alone).bind(day);
        left.fetch_one(&mut opened(&project).await).await.expect("counted") == 0
    })
    .await;
    let mut connection = opened(&project).await;
    assert_sound(&mut connection).await;
    connection.close().await.expect("closed");
    assert!(before > 0 && !daemon.incidents().await.is_empty());
    assert_accounted(&project, &daemon, "shop").await;
    assert!(daemon.stop().await.success());
}

/// Starts a daemon, which dies before it need have answered.
async fn dies(project: &Project) {
    let mut daemon: Process = project.spawn(&["up", "--listen", "127.0.0.1:0"]);
    died(|| daemon.ended()).await;
}

/// K13, where runs are forgotten by dropping a day.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_while_it_drops_a_day_loses_nothing_that_is_referred_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(wall) = Wall::find(folder.path()) else { return };
    // A hub goes by the clock of its database.
    let database = Database::in_environment(wall.environment()).await;
    let (site, providers) = (Site::start().await, Providers::start().await);
    let mut project = project(&site, &providers, Some(&database))
        .with("[store]\n", "[store]\nkeep_passed = \"1d\"\nkeep_failed = \"1d\"\n")
        .env(haste::VARIABLE, "1");
    for (name, value) in wall.environment() {
        project.set_env(&name, &value);
    }
    grown_old(&project, &site, &wall, Some(&database)).await;
    project.write(DIE_AT, Failpoint::Forgotten.as_str());
    dies(&project).await;
    project.remove(DIE_AT);
    let dangling = async || -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM decisions WHERE incident_id IS NOT NULL AND run_id IS NOT NULL \
             AND run_id NOT IN (SELECT id FROM runs UNION ALL SELECT id FROM kept_runs)",
        )
        .fetch_one(&mut database.connect().await)
        .await
        .expect("looked for")
    };
    assert_eq!(dangling().await, 0);
    let daemon = project.up().await;
    until_true("what is old is forgotten", PATIENCE, async || {
        let kept = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM kept_runs");
        kept.fetch_one(&mut database.connect().await).await.expect("counted") > 0
    })
    .await;
    assert_eq!(dangling().await, 0);
    assert_accounted(&project, &daemon, "shop").await;
    assert!(daemon.stop().await.success());
    database.discard().await;
}

/// K13: a backup that was killed half way is not there, and the next one is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_killed_half_way_leaves_nothing_and_is_made_again() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = project(&site, &providers, None);
    let daemon = project.up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    daemon.stop().await;
    let store = project.path().join("tripline.db");
    dump::fill(&store).await;
    let before = dump::rows(&store).await;
    project.write(DIE_AT, Failpoint::Copied.as_str());
    let mut backup = project.spawn(&["store", "backup", "copy.db"]);
    died(|| backup.ended()).await;
    project.remove(DIE_AT);
    assert!(!project.path().join("copy.db").exists(), "half of it is not taken for a backup");
    assert_eq!(dump::rows(&store).await, before);
    let (code, told, words) = project.run(&["store", "backup", "copy.db"]).await;
    assert_eq!(code, Some(0), "{told}{words}");
    assert_eq!(dump::rows(&project.path().join("copy.db")).await, before);
}

/// K13: killed while what is in the log is written into the store. Nothing else writes there.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_while_it_empties_its_log_loses_nothing() {
    if !strace::works() {
        return;
    }
    let (site, providers) = (Site::start().await, Providers::start().await);
    let mut project = project(&site, &providers, None);
    // Only what is written to the store itself is counted.
    assert!(project.up().await.stop().await.success());
    let store = project.path().join("tripline.db").display().to_string();
    for write in [1, 3] {
        let killing = format!("inject=pwrite64:signal=KILL:when={write}");
        let words = ["strace", "-D", "-f", "-o", "/dev/null", "-P", &store, "-e", "trace=pwrite64"];
        let words = words.into_iter().chain(["-e", &killing]).map(str::to_owned);
        project = project.behind(words.collect());
        let mut daemon = project.up().await;
        site.answer(500);
        let failed = daemon.run("shop", "failed", |run| run.outcome == "failed").await;
        site.answer(200);
        quiet(&daemon, PATIENCE).await;
        daemon.signal(Signal::TERM);
        died(|| daemon.ended()).await;
        drop(daemon);
        project = project.behind(Vec::new());
        let daemon = project.up().await;
        let runs = daemon.runs("shop").await;
        assert!(runs.iter().any(|run| run.slot_at == failed.slot_at), "what was shown is there");
        let mut connection = opened(&project).await;
        assert_sound(&mut connection).await;
        connection.close().await.expect("closed");
        assert_accounted(&project, &daemon, "shop").await;
        assert!(daemon.stop().await.success());
    }
}

/// F7: what of the log cannot be read any more is as if it had not been written; what is before it stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_torn_costs_its_end_and_nothing_else() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = project(&site, &providers, None);
    // What is in the log by then is all there is of it.
    assert!(project.up().await.stop().await.success());
    let log = project.path().join("tripline.db-wal");
    for garbage in [false, true] {
        let daemon = project.up().await;
        site.answer(500);
        daemon.run("shop", "failed", |run| run.outcome == "failed").await;
        site.answer(200);
        quiet(&daemon, PATIENCE).await;
        daemon.kill().await;
        let mut bytes = std::fs::read(&log).expect("it stays behind");
        let torn = bytes.len() * 2 / 3 + 11;
        if garbage {
            bytes[torn..].fill(0x5a);
        } else {
            bytes.truncate(torn);
        }
        std::fs::write(&log, bytes).expect("written");
        let daemon = project.up().await;
        let mut connection = opened(&project).await;
        let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_all(&mut connection)
            .await
            .expect("checked");
        assert_eq!(found, ["ok"]);
        connection.close().await.expect("closed");
        assert_accounted(&project, &daemon, "shop").await;
        assert!(daemon.stop().await.success());
    }
}
