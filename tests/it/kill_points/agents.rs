//! The same at an agent of another region: killed between the moment at which a slot is its own and that at
//! which the hub has its report.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tripline::domain::Timestamp;
use tripline::failpoint::{Failpoint, VARIABLE};

use super::{DIE_AT, PATIENCE, assert_accounted, died};
use crate::support::port;
use crate::support::process::{Process, descendants, runs};
use crate::support::providers::{Message, Providers};
use crate::support::site::Site;
use crate::support::told::{EVERYBODY, quiet};
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::until_true;

/// The status that a script takes for a reason never to end.
const ENDLESS: u16 = 500;

/// A hub whose one check is run by an agent of another region.
struct Region {
    site: Site,
    providers: Providers,
    project: Project,
    hub: Daemon,
    agent: Process,
}

impl Region {
    /// The agent has run the check, and it passed.
    async fn at_work() -> Self {
        let (site, providers) = (Site::start().await, Providers::start().await);
        let script = format!(
            "import {{ expect }} from \"tripline\";\n\
             export const options = {{ every: \"2s\", timeout: \"2s\", regions: [\"eu\"] }};\n\
             export default async function () {{\n  const answer = await fetch(\"{}/\");\n  \
             while (answer.status === {ENDLESS}) {{}}\n  expect(answer.status).toBe(200);\n}}\n",
            site.url()
        );
        let project = Project::new().toml("[regions.eu]\n").script("shop.js", &script);
        let project = providers.told_by(project);
        let hub = project.up().await;
        let (code, token, words) = project.run(&["token", "create", "--region", "eu"]).await;
        assert_eq!(code, Some(0), "{words}");
        project.write("token", &token);
        let agent = agent(&project, &hub);
        hub.run("shop", "passed", |run| run.outcome == "passed").await;
        Self { site, providers, project, hub, agent }
    }

    /// The agent is started again and the site fails, which everybody is told once; then it mends. Every
    /// slot has a run or a reason, and none has two. What `tripline store check` says then.
    async fn goes_on(self) -> Value {
        let Self { site, providers, project, hub, .. } = self;
        site.answer(503);
        let mut agent = agent(&project, &hub);
        until_true("everybody is told", PATIENCE, async || {
            EVERYBODY.iter().all(|to| providers.arrived(to).iter().any(Message::answered))
        })
        .await;
        site.answer(200);
        quiet(&hub, PATIENCE).await;
        for to in EVERYBODY {
            let told = providers.arrived(to);
            let about: BTreeSet<(String, bool)> = told.iter().map(Message::about).collect();
            assert_eq!(about.len(), told.len(), "{to} is told twice: {told:#?}");
            assert!(!told.iter().any(Message::is_marked), "{told:#?}");
        }
        let audit = assert_accounted(&project, &hub, "shop").await;
        // What is under way ends, and what is kept is handed over.
        assert!(agent.stop(PATIENCE).await.success(), "{}", agent.log());
        let ran = hub.runs("shop").await.len();
        let came = site.visits().len();
        // One was killed, and one may have been under way beside it.
        assert!(came <= ran + 2, "{came} visits by {ran} runs: a slot was run twice");
        assert!(hub.stop().await.success());
        audit
    }
}

/// Starts the agent.
fn agent(project: &Project, hub: &Daemon) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    let status = format!("127.0.0.1:{}", port::free());
    command
        .current_dir(project.path())
        .env("NO_COLOR", "1")
        .env(VARIABLE, project.path().join(DIE_AT))
        .args(["agent", "--region", "eu", "--name", "one", "--token-file", "token"])
        .args(["--data-dir", "data", "--hub", hub.url(), "--status", &status]);
    Process::start("the agent", &mut command, project.path().join("agent.log"))
}

/// The slots whose reports a killed agent has kept.
async fn kept(project: &Project) -> BTreeSet<Timestamp> {
    let options = SqliteConnectOptions::new().filename(project.path().join("data/spool.db"));
    let mut spool = options.connect().await.expect("connected");
    let reports: Vec<String> =
        sqlx::query_scalar("SELECT report FROM reports").fetch_all(&mut spool).await.expect("read");
    spool.close().await.expect("closed");
    let slot = |report: &String| {
        let report: Value = serde_json::from_str(report).expect("JSON");
        report["slot_at"].as_str().and_then(|it| it.parse().ok()).expect("a time")
    };
    reports.iter().map(slot).collect()
}

/// The agent dies at `point`; the slots whose reports it kept.
async fn killed(point: Failpoint) -> (Region, BTreeSet<Timestamp>) {
    let mut region = Region::at_work().await;
    let children = descendants(region.agent.id());
    region.project.write(DIE_AT, point.as_str());
    died(|| region.agent.ended()).await;
    are_gone(&children).await;
    region.project.remove(DIE_AT);
    let kept = kept(&region.project).await;
    (region, kept)
}

/// The agent goes on; the slot that it was killed for is missed, for a reason.
async fn is_missed(region: Region) {
    let audit = region.goes_on().await;
    let reasons = audit["missed"].as_object().map_or(0, serde_json::Map::len);
    assert!(reasons > 0, "{audit:#}");
}

/// Waits until none of these processes runs.
async fn are_gone(children: &[u32]) {
    assert!(!children.is_empty(), "scripts run in processes of their own");
    until_true("they end with the agent", PATIENCE, async || !children.iter().copied().any(runs))
        .await;
}

/// K1: a slot was taken, and its script did not start.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_an_agent_took_when_it_was_killed_is_accounted_for() {
    let (region, _) = killed(Failpoint::Due).await;
    is_missed(region).await;
}

/// K2: the script ends with the agent.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_whose_script_was_running_when_the_agent_was_killed_is_accounted_for() {
    let mut region = Region::at_work().await;
    region.site.answer(ENDLESS);
    let known = region.site.visits().len();
    until_true("the script runs", PATIENCE, async || region.site.visits().len() > known).await;
    let children = descendants(region.agent.id());
    region.agent.kill();
    are_gone(&children).await;
    is_missed(region).await;
}

/// K3: the script has ended, and its report is nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_report_was_not_kept_when_the_agent_was_killed_is_accounted_for() {
    let (region, _) = killed(Failpoint::Ran).await;
    is_missed(region).await;
}

/// The report is on the agent's disk, and the hub knows nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_was_kept_when_the_agent_was_killed_is_handed_over_later() {
    let (region, kept) = killed(Failpoint::Spooled).await;
    assert!(!kept.is_empty(), "it is on disk");
    let known = region.hub.runs("shop").await;
    assert!(!known.iter().any(|run| kept.contains(&run.slot_at)), "the hub has not heard of it");
    let agent = agent(&region.project, &region.hub);
    for slot in kept {
        region.hub.run("shop", "was kept", |run| run.slot_at == slot).await;
    }
    drop(agent);
    region.goes_on().await;
}
