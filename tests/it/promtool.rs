//! Prometheus' own tool asks a running daemon.

use std::fmt::Write as _;
use std::process::Command;

use chrono::TimeDelta;
use tripline::clock::{Clock as _, System};

use crate::support::skip::skipped;
use crate::support::tripline::Project;

/// The lines that `promtool query` prints, in order; none where it is not installed.
async fn promtool(arguments: Vec<String>) -> Option<Vec<String>> {
    let mut command = Command::new("promtool");
    command.arg("query").args(&arguments).env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output());
    let Ok(output) = output.await.expect("the task was not aborted") else {
        let needs = "`promtool` is missing (Debian: `apt-get install prometheus`)";
        skipped("Prometheus' tool asks no daemon", needs);
        return None;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool query {arguments:?}: {stderr}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    lines.retain(|line| !line.is_empty());
    lines.sort();
    Some(lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_queries_a_running_daemon() {
    let project = Project::new();
    let end = System.now().timestamp() / 60 * 60 - 60;
    let mut text = String::new();
    for minute in 0..=10 {
        let at = end - (10 - minute) * 60;
        writeln!(text, "logins_total{{region=\"eu\"}} {} {at}", minute * 120).expect("written");
        writeln!(text, "logins_total{{region=\"us\"}} {} {at}", minute * 30).expect("written");
        writeln!(text, "{{\"shop.queue\"}} {minute} {at}").expect("written");
    }
    project.write("history.om", &(text + "# EOF\n"));
    let (code, told, words) = project.run(&["metrics", "import", "history.om"]).await;
    assert_eq!(code, Some(0), "{told}{words}");
    let daemon = project.up().await;
    let server = daemon.url();
    let day = TimeDelta::days(1).num_seconds();
    let [from, until, now] = [end - 120, end, end + day].map(|it| it.to_string());
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();

    let rate = "sum by (region) (rate(logins_total[5m])) * 60";
    let asked = ["instant", "--time", &until, server, rate];
    let Some(lines) = promtool(words(&asked)).await else { return };
    let at = format!("@[{end}]");
    assert_eq!(
        lines,
        [format!("{{region=\"eu\"}} => 120 {at}"), format!("{{region=\"us\"}} => 30 {at}")]
    );
    let scalar = promtool(words(&["instant", "--time", &until, server, "1 + 1"])).await;
    assert_eq!(scalar, Some(vec![format!("scalar: 2 {at}")]));

    let steps = ["range", "--start", &from, "--end", &until, "--step", "1m", server];
    let lines = promtool(words(&[&steps[..], &["logins_total{region=\"us\"}"]].concat())).await;
    let mut expected: Vec<String> =
        (8..=10).map(|it| format!("{} @[{}]", it * 30, end - (10 - it) * 60)).collect();
    expected.push("logins_total{region=\"us\"} =>".to_owned());
    expected.sort();
    assert_eq!(lines, Some(expected));

    let within = ["--start", &from, "--end", &now];
    let series = [&["series", "--match", "logins_total"], &within[..], &[server]].concat();
    let lines = promtool(words(&series)).await;
    let both = ["eu", "us"].map(|it| format!("{{__name__=\"logins_total\", region=\"{it}\"}}"));
    assert_eq!(lines, Some(both.to_vec()));
    let labels = [&["labels"], &within[..], &[server, "region"]].concat();
    assert_eq!(promtool(words(&labels)).await, Some(words(&["eu", "us"])));

    // A mistake is told in its place, and ends the tool with an error.
    let mut wrong = Command::new("promtool");
    wrong.args(["query", "instant", server, "rate(logins_total[5m)"]).env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || wrong.output()).await.expect("not aborted");
    let output = output.expect("it ran before");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("bad_data"), "{told}");
    assert!(daemon.stop().await.success());
}
