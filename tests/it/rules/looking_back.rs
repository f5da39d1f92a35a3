//! `tripline query` and `tripline rule replay`, by the real binary, over what was imported.

use std::fmt::Write as _;

use serde_json::Value;
use tripline::clock::{Clock as _, System};
use tripline::domain::Timestamp;

use crate::support::tripline::Project;

const RULE: &str = r#"
[[rule]]
name = "logins collapse"
expr = "rate(logins_total[5m]) * 60 < 10"
for = "2m"
notify = ["slack:#p2"]
"#;

/// A project whose store has the logins of two hours, `end` being their last full minute: 120 a minute,
/// but for half an hour in which there are none.
async fn project(end: Timestamp) -> Project {
    let project = Project::new().toml(RULE);
    let (mut text, mut total) = (String::from("# TYPE logins counter\n"), 0);
    for minute in 0..=120 {
        total += if (60..90).contains(&minute) { 0 } else { 120 };
        let at = end.timestamp() - (120 - minute) * 60;
        writeln!(text, "logins_total{{region=\"eu\"}} {total} {at}").expect("a string takes all");
    }
    project.write("history.om", &(text + "# EOF\n"));
    let (code, told, words) = project.run(&["metrics", "import", "history.om"]).await;
    assert_eq!(code, Some(0), "{told}{words}");
    project
}

fn last_minute() -> Timestamp {
    let seconds = System.now().timestamp() / 60 * 60 - 120;
    Timestamp::from_timestamp(seconds, 0).expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_finds_what_was_imported() {
    let end = last_minute();
    let project = project(end).await;
    let words = ["rule", "replay", "logins collapse", "--since", "30d"];
    let (code, told, said) = project.run(&[&words[..], &["--json"]].concat()).await;
    assert_eq!(code, Some(0), "{told}{said}");
    let replayed: Value = serde_json::from_str(&told).expect("JSON");
    let episodes = replayed["episodes"].as_array().expect("a list");
    // Nothing grows in the five minutes before minute 63, and two minutes later that is said.
    let of = |name: &str| -> Timestamp {
        episodes[0][name].as_str().expect("a time").parse().expect("a time")
    };
    let minute = |at: Timestamp| 120 - (end - at).num_minutes();
    assert_eq!(episodes.len(), 1, "{told}");
    assert_eq!((minute(of("from")), minute(of("until"))), (65, 90), "{told}");

    let (code, told, said) = project.run(&words).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(told.contains("logins collapse would have been breached 1 time, for 25 min"), "{told}");
    let (code, _, said) = project.run(&["rule", "replay", "logins"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("logins collapse"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_is_a_table_or_a_chart() {
    let end = last_minute();
    let project = project(end).await;
    let at = end.to_rfc3339();
    let rate = "sum by (region) (rate(logins_total[5m])) * 60";
    let (code, told, said) = project.run(&["query", rate, "--at", &at]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(told.contains("region=\"eu\"") && told.contains("120"), "{told}");
    let (code, told, said) = project.run(&["query", rate, "--at", &at, "--range", "1h"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(told.lines().count() > 10 && told.contains("region=\"eu\""), "{told}");
    let (code, told, _) = project
        .run(&["query", rate, "--at", &at, "--range", "1h", "--step", "30m", "--json"])
        .await;
    assert_eq!(code, Some(0));
    let found: Value = serde_json::from_str(&told).expect("JSON");
    let values: Vec<&str> = found["result"][0]["values"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|it| it[1].as_str())
        .collect();
    assert_eq!(values, ["90", "30", "120"], "{told}");
    let (code, _, said) = project.run(&["query", "rate(logins_total[5m)"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("5m"), "{said}");
}
