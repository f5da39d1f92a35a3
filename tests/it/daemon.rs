//! `tripline up` as the one who operates it meets it: its store, its signals, its log.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use sqlx::ConnectOptions as _;

use crate::support::providers::{ANA, BO, CREDENTIALS, Providers};
use crate::support::site::Site;
use crate::support::slack::FakeSlack;
use crate::support::tripline::{Daemon, Project, REGION};
use crate::support::wait::until_true;

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A script that asks `site` for `path` every second and expects status 200.
fn visitor(site: &Site, path: &str) -> String {
    format!(
        "import {{ expect }} from \"tripline\";\n\
         export const options = {{ every: \"1s\" }};\n\
         export default async function () {{\n\
           expect((await fetch(\"{}{path}\")).status).toBe(200);\n\
         }}\n",
        site.url()
    )
}

/// A script that asks `site` and then waits for longer than a stop takes.
fn sleeper(site: &Site) -> String {
    format!(
        "import {{ sleep, step }} from \"tripline\";\n\
         export const options = {{ every: \"15s\", timeout: \"15s\" }};\n\
         export default async function () {{\n\
           await step(\"sleep\", async () => {{\n\
             await fetch(\"{}/\");\n\
             await sleep(14000);\n\
           }});\n\
         }}\n",
        site.url()
    )
}

/// A daemon in the middle of a run of `sleeper`.
async fn in_a_run(project: &Project, site: &Site) -> Daemon {
    let daemon = project.up().await;
    until_true("the script runs", PATIENCE, async || !site.visits().is_empty()).await;
    daemon
}

/// What stands in the store about that run, as the next daemon on it tells.
async fn assert_interrupted(project: &Project) {
    let daemon = project.up().await;
    let runs = daemon.runs("sleeper").await;
    let interrupted: Vec<_> = runs
        .iter()
        .filter(|run| run.failure.as_ref().is_some_and(|it| it.kind == "interrupted"))
        .collect();
    assert_eq!(interrupted.len(), 1, "{runs:#?}");
    assert_eq!(interrupted[0].outcome, "unknown");
    assert_eq!(interrupted[0].failure().step.as_deref(), Some("sleep"));
    assert!(daemon.incidents().await.is_empty(), "that is no failure of the check");
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_store_is_refused_and_told_who_has_it() {
    let site = Site::start().await;
    let project = Project::new().script("shop.js", &visitor(&site, "/"));
    let mut first = project.up().await;
    let (status, said) = project.up_again().await;
    assert_eq!(status.code(), Some(1), "{said}");
    let named = format!("in use by process {}", first.id());
    assert!(said.contains(&named) && said.contains("tripline.db"), "{said}");

    let before = first.runs("shop").await.len();
    until_true("the first one goes on", PATIENCE, async || first.runs("shop").await.len() > before)
        .await;
    assert!(first.ended().is_none());
    assert!(first.stop().await.success());
    // Who stopped holds it no longer.
    assert!(project.up().await.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_a_secret_does_not_start_and_names_it() {
    let slack = "[slack]\nbot_token = { env = \"SLACK_TOKEN_THAT_IS_GONE\" }\n";
    let (status, said) = Project::new().toml(slack).up_in_vain("127.0.0.1:0").await;
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("SLACK_TOKEN_THAT_IS_GONE"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_other_machines_reach_has_to_be_allowed_in_the_project() {
    let (status, said) = Project::new().up_in_vain("0.0.0.0:0").await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("open_to_network = true"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_not_there_is_answered_with_those_that_are() {
    let script = "export default function () {}\n";
    let project = Project::new().script("one.js", script).script("deep.js", script);
    let tested = project.test(&["nope"]).await;
    assert_eq!(tested.code, Some(2), "{tested:#?}");
    assert!(tested.stderr.contains("no check `nope`; there is: deep, one\n"), "{tested:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_taken_up_and_the_incident_of_a_removed_check_is_closed() {
    let site = Site::start().await;
    site.answer(500);
    let project = Project::new().script("old.js", &visitor(&site, "/old"));
    let daemon = project.up().await;
    until_true("an incident", PATIENCE, async || !daemon.incidents().await.is_empty()).await;

    project.remove("checks/old.js");
    site.answer(200);
    project.write("checks/new.js", &visitor(&site, "/new"));
    daemon.signal(Signal::HUP);
    daemon.run("new", "passed", |run| run.outcome == "passed").await;
    until_true("the incident is closed", PATIENCE, async || {
        let incidents = daemon.incidents().await;
        incidents.iter().all(|it| it.check.as_deref() == Some("old") && it.status == "resolved")
    })
    .await;
    let seen = daemon.runs("old").await.len();
    let (again, first) = (daemon.runs("new").await.len(), daemon.incidents().await.len());
    until_true("two more runs", PATIENCE, async || daemon.runs("new").await.len() > again + 1)
        .await;
    assert_eq!((daemon.runs("old").await.len(), first), (seen, 1), "a removed check runs no more");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_leaves_the_old_project_in_force_until_it_is_repaired() {
    let site = Site::start().await;
    let project = Project::new().script("shop.js", &visitor(&site, "/"));
    let daemon = project.up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;

    project.write(
        "checks/shop.js",
        "export const options = { evry: \"1s\" };\nexport default () => {};\n",
    );
    project.write("checks/late.js", &visitor(&site, "/late"));
    daemon.signal(Signal::HUP);
    until_true("it says what is wrong", PATIENCE, async || {
        let log = daemon.log();
        log.contains("unknown key `evry`") && log.contains("the one before stays in force")
    })
    .await;
    assert!(daemon.log().contains("checks/shop.js:1:"), "{}", daemon.log());
    let before = daemon.runs("shop").await.len();
    until_true("the old one goes on", PATIENCE, async || {
        daemon.runs("shop").await.len() > before + 1
    })
    .await;
    assert!(daemon.runs("late").await.is_empty(), "half of a project is in force");

    project.write("checks/shop.js", &visitor(&site, "/repaired"));
    daemon.signal(Signal::HUP);
    daemon.run("late", "passed", |run| run.outcome == "passed").await;
    until_true("the repair runs", PATIENCE, async || site.visits().contains(&"/repaired".into()))
        .await;
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_changed_in_its_file_is_taken_up_on_sighup() {
    let site = Site::start().await;
    let settings = format!(
        "[secrets]\nKEY = {{ file = \"key\" }}\n\
         [[check]]\nname = \"shop\"\nevery = \"1s\"\nurl = \"{}/?key=${{secret.KEY}}\"\n",
        site.url()
    );
    let project = Project::new();
    project.write("key", "first-key");
    let daemon = project.toml(&settings).up().await;
    until_true("the first key", PATIENCE, async || {
        site.visits().contains(&"/?key=first-key".into())
    })
    .await;
    // Nobody watches that file, so it is the signal that counts.
    std::fs::write(daemon.folder().join("key"), "other-key").expect("the folder can be written");
    daemon.signal(Signal::HUP);
    until_true("the other key", PATIENCE, async || {
        site.visits().contains(&"/?key=other-key".into())
    })
    .await;
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_go_on_in_the_region_that_an_edit_gives_to_the_agent() {
    let site = Site::start().await;
    let project = Project::new().script("shop.js", &visitor(&site, "/"));
    let daemon = project.up().await;
    daemon.run("shop", "is of the old region", |run| run.region == REGION).await;
    project.edit(&format!("region = \"{REGION}\""), "region = \"elsewhere\"\nmax_runs = 3");
    daemon.signal(Signal::HUP);
    let run = daemon.run("shop", "is of the new region", |run| run.region == "elsewhere").await;
    assert_eq!(run.outcome, "passed");
    let log = daemon.log();
    assert!(log.contains("[agent] max_runs was changed; that takes effect at the next"), "{log}");
    assert!(!log.contains("[agent] region"), "{log}");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_to_tell_people_is_in_force_with_the_policy_that_uses_it() {
    let (site, slack) = (Site::start().await, FakeSlack::slack().await);
    let project = Project::new()
        .toml("[slack.webhooks]\n\"#old\" = { env = \"HOOK\" }\n")
        .toml("[[policy]]\nname = \"tell\"\n[[policy.tier]]\nnotify = [\"slack:#old\"]")
        .toml("when = { failures_in_a_row = 1 }")
        .env("HOOK", &slack.webhook("old"))
        .env("NEW_HOOK", &slack.webhook("new"))
        .script("shop.js", &visitor(&site, "/"));
    let daemon = project.up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;

    project.edit("[slack.webhooks]", "[slack.webhooks]\n\"#new\" = { env = \"NEW_HOOK\" }");
    project.edit("slack:#old", "slack:#new");
    daemon.signal(Signal::HUP);
    until_true("the edit is taken up", PATIENCE, async || daemon.log().contains("read again"))
        .await;
    site.answer(500);
    until_true("it is told", PATIENCE, async || !slack.texts("new").is_empty()).await;
    assert!(slack.texts("old").is_empty());
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_results_cannot_be_stored_is_not_healthy_until_they_are() {
    let site = Site::start().await;
    let project = Project::new().script("shop.js", &visitor(&site, "/"));
    let daemon = project.up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    assert_eq!(daemon.health().await.0, 200);

    let store = daemon.folder().join("tripline.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store);
    let mut other = options.connect().await.expect("the store is there");
    // Reading goes on, so that nothing but the results themselves can tell.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("it can be locked");
    until_true("it is unhealthy", PATIENCE, async || {
        let (status, reasons) = daemon.health().await;
        status == 503 && reasons.contains("results have not been stored for")
    })
    .await;
    let before = daemon.runs("shop").await.len();
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("it can be unlocked");
    until_true("it is healthy again", PATIENCE, async || daemon.health().await.0 == 200).await;
    assert!(daemon.runs("shop").await.len() > before, "what waited is stored");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_project_that_takes_long_to_read() {
    let site = Site::start().await;
    let project =
        Project::new().option("--log-level", "debug").script("shop.js", &visitor(&site, "/"));
    let mut daemon = project.up().await;
    // Each of them takes the two seconds that a module has, a few at a time.
    for number in 0..24 {
        let name = format!("checks/hangs-{number}.js");
        project.write(&name, "for (;;) {}\nexport default () => {};\n");
    }
    until_true("it reads the project", PATIENCE, async || {
        daemon.log().contains("reading the project again")
    })
    .await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().await.code(), Some(0));
    let log = daemon.log();
    assert!(!log.contains("the one before stays in force"), "it read to the end:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_outlasts_the_stop_is_stored_as_interrupted() {
    let site = Site::start().await;
    let project = Project::new().script("sleeper.js", &sleeper(&site));
    let daemon = in_a_run(&project, &site).await;
    assert_eq!(daemon.stop().await.code(), Some(0));
    assert_interrupted(&project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_and_still_stores_the_run() {
    let site = Site::start().await;
    let project = Project::new().script("sleeper.js", &sleeper(&site));
    let mut daemon = in_a_run(&project, &site).await;
    daemon.signal(Signal::TERM);
    until_true("it is stopping", PATIENCE, async || daemon.log().contains("stopping")).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().await.code(), Some(0));
    assert!(daemon.log().contains("at once"), "{}", daemon.log());
    assert_interrupted(&project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_for_machines_is_one_object_a_line_and_holds_no_secret() {
    const PASSWORD: &str = "hunter2-of-the-tests";
    let (site, providers) = (Site::start().await, Providers::start().await);
    let leaky = "import { secret } from \"tripline\";\n\
        export const options = { every: \"1s\" };\n\
        export default function () {\n\
          console.log(\"two\\nlines\", secret(\"PASSWORD\"));\n\
          throw new Error(`refused ${secret(\"PASSWORD\")}\\n\\u001b[31m{\"forged\": true}`);\n\
        }\n";
    let project = providers
        .told_by(Project::new())
        .toml("[secrets]\nPASSWORD = { env = \"PASSWORD\" }\n")
        .env("PASSWORD", PASSWORD)
        .option("--log-format", "json")
        .option("--log-level", "debug")
        .script("leaky.js", leaky)
        .script("well.js", &visitor(&site, "/"));
    let daemon = project.up().await;
    until_true("everybody is told", PATIENCE, async || {
        providers.texts().len() >= 2 && providers.posts().len() >= 2
    })
    .await;
    project.write("checks/well.js", "export const options = { evry: \"1s\" };");
    daemon.signal(Signal::HUP);
    until_true("the mistake is told", PATIENCE, async || daemon.log().contains("evry")).await;
    daemon.signal(Signal::TERM);
    let mut daemon = daemon;
    assert_eq!(daemon.end().await.code(), Some(0));

    let log = daemon.log();
    let mut actions: Vec<String> = Vec::new();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("not one JSON object: {error}\n{line}"));
        let entry = entry.as_object().unwrap_or_else(|| panic!("no object: {line}"));
        for key in ["@timestamp", "log.level", "message"] {
            assert!(entry[key].is_string(), "{key} is missing: {line}");
        }
        assert!(!entry.contains_key("forged"), "{line}");
        actions.extend(entry.get("event.action").and_then(Value::as_str).map(str::to_owned));
    }
    for action in ["run", "decision", "delivery", "reload"] {
        assert!(actions.iter().any(|it| it == action), "nothing about a {action}:\n{log}");
    }
    for secret in [PASSWORD, ANA, BO].into_iter().chain(CREDENTIALS) {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
