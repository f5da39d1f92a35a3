//! Scripts that mean harm: each ends by its deadline, and nothing else suffers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::site::Site;
use crate::support::tripline::{Daemon, Project, Run};
use crate::support::wait::until_true;

/// The file names and texts of `tests/targets/hostile/`.
macro_rules! hostile {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../targets/hostile/", $name, ".js")))),*]
    };
}

const SCRIPTS: [(&str, &str); 15] = hostile![
    "array-buffer",
    "array-from-huge",
    "array-growth",
    "endless-loop",
    "error-with-getter",
    "interval-zero",
    "json-nesting",
    "log-flood",
    "parser-recursion",
    "promise-storm",
    "recursion",
    "regex-backtracking",
    "sparse-sort",
    "string-doubling",
    "string-repeat",
];

/// Those that cannot come to a good end in any engine. The others may catch their own error, or
/// return before the harm is done.
const DOOMED: [&str; 4] = ["array-growth", "endless-loop", "error-with-getter", "string-doubling"];

/// How long a run may take beyond its time-out of two seconds, on a busy machine.
const LATEST_END: f64 = 8_000.0;

fn as_check(body: &str, every: &str) -> String {
    format!(
        "export const options = {{ every: \"{every}\", timeout: \"2s\" }};\n\
         export default async function () {{\n{body}\n}}\n"
    )
}

fn project(every: &str) -> Project {
    SCRIPTS.iter().fold(Project::new(), |project, (name, body)| {
        project.script(&format!("{name}.js"), &as_check(body, every))
    })
}

fn assert_contained(run: &Run) {
    assert!(matches!(run.outcome.as_str(), "passed" | "failed"), "no verdict: {run:#?}");
    if DOOMED.contains(&run.check.as_str()) {
        assert_eq!(run.outcome, "failed", "{run:#?}");
    }
    assert!(run.duration_ms < LATEST_END, "it ended long after its deadline: {run:#?}");
    if let Some(failure) = &run.failure {
        assert!(!failure.message.is_empty(), "{run:#?}");
        assert!(!failure.message.contains('\u{1b}'), "a terminal sequence: {failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hostile_script_ends_by_its_deadline_with_a_verdict() {
    let tested = project("60s").test(&[]).await;
    assert_eq!(tested.code, Some(4), "{}", tested.stderr);
    let runs: BTreeMap<&str, &Run> =
        tested.runs.iter().map(|run| (run.check.as_str(), run)).collect();
    for (name, _) in SCRIPTS {
        assert_contained(runs.get(name).unwrap_or_else(|| panic!("no run of {name}")));
    }
    // Computing for ever is the script's fault; waiting for ever would be a time-out.
    assert_eq!(runs["endless-loop"].failure().kind, "limit");
    let flood = runs["log-flood"];
    let kept: usize = flood.logs.iter().map(|line| line.text.len()).sum();
    assert!(kept <= 1 << 20, "{kept} bytes of a flood were kept");
    assert!(!flood.dropped.is_empty(), "nobody learns that lines are missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_and_its_other_checks_do_not_notice() {
    let site = Site::start().await;
    let well =
        format!("[[check]]\nname = \"well\"\nurl = \"{}/well\"\nevery = \"1s\"\n", site.url());
    let mut daemon = project("20s").toml(&well).up().await;
    daemon.run("well", "passed", |run| run.outcome == "passed").await;
    let before = daemon.resident_kib();

    let all_ran = async |daemon: &Daemon| {
        for (name, _) in SCRIPTS {
            if daemon.runs(name).await.is_empty() {
                return false;
            }
        }
        true
    };
    until_true("a run of each script", Duration::from_mins(1), async || all_ran(&daemon).await)
        .await;

    for (name, _) in SCRIPTS {
        daemon.runs(name).await.iter().for_each(assert_contained);
    }
    let after = daemon.resident_kib();
    assert!(after < before + (64 << 10), "the daemon grew from {before} to {after} KiB");
    assert!(daemon.ended().is_none());

    // The well check ran at every second of all that, and passed.
    let mut slots: Vec<Run> = daemon.runs("well").await;
    slots.reverse();
    assert!(slots.iter().all(|run| run.outcome == "passed"), "{slots:#?}");
    for pair in slots.windows(2) {
        let apart = (pair[1].slot_at - pair[0].slot_at).num_milliseconds();
        assert_eq!(apart, 1000, "a slot is missing: {pair:#?}");
    }

    // What scripts say cannot forge a line of the log or reach a terminal.
    let log = daemon.log();
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01 INFO fake log line")), "{log}");
    assert!(!log.contains('\u{1b}') && !log.contains('\u{7}'), "{log}");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_script_ends_with_the_daemon_that_is_killed() {
    let site = Site::start().await;
    let script = format!(
        "export const options = {{ every: \"5s\", timeout: \"5s\" }};\n\
         export default async function () {{\n  await fetch(\"{}/\");\n  for (;;) {{}}\n}}\n",
        site.url()
    );
    let daemon = Project::new().script("endless.js", &script).up().await;
    until_true("the script runs", Duration::from_secs(30), async || !site.visits().is_empty())
        .await;
    // `kill` waits until the children are gone.
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_hostile_when_it_is_read_is_a_mistake_of_the_project() {
    let bomb = format!("{}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let texts = [
        ("hangs.js", "export const options = {};\nfor (;;) {}\nexport default () => {};"),
        ("bomb.js", bomb.as_str()),
    ];
    for (name, text) in texts {
        let tested = Project::new().script(name, text).test(&[]).await;
        assert_eq!(tested.code, Some(3), "{tested:#?}");
        assert!(tested.stderr.contains(name), "{}", tested.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_finds_no_descriptor_left_is_unknown() {
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("it is bound").port();
    let script = format!(
        "export default async function () {{\n\
           const all = Array.from({{ length: 50 }}, () => fetch(\"http://127.0.0.1:{port}/\"));\n\
           await Promise.all(all);\n\
         }}\n"
    );
    let run = Project::new().script("greedy.js", &script).test_one_with_files(48).await;
    assert_eq!((run.outcome.as_str(), run.failure().kind.as_str()), ("unknown", "agent"));
    assert!(run.failure().message.contains("too many files open"), "{run:#?}");
}
