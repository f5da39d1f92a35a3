//! A time in which nobody watched is told as such, by the real binary.

use std::time::Duration;

use serde_json::Value;
use tripline::clock::{Clock as _, System};

use crate::support::site::Site;
use crate::support::tripline::Project;
use crate::support::wait::{until, until_true};

/// Slots are accounted for when their runs must have ended, and somebody comes round for it.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread")]
async fn the_slots_of_a_time_without_a_daemon_are_missed_for_that_reason() {
    let site = Site::start().await;
    let check = format!("[[check]]\nname = \"front\"\nevery = \"1s\"\nurl = \"{}/\"\n", site.url());
    let project = Project::new().toml(&check);
    let daemon = project.up().await;
    daemon.run("front", "passed", |run| run.outcome == "passed").await;
    daemon.kill().await;
    let back = System.now() + Duration::from_secs(3);
    until_true("three slots go by", PATIENCE, async || System.now() > back).await;
    let daemon = project.up().await;
    let told = until("the slots are accounted for", PATIENCE, async || {
        let (code, told, words) = project.run(&["store", "check"]).await;
        assert_eq!(code, Some(0), "{told}{words}");
        told.contains("missed (hub_down)").then_some(told)
    })
    .await;
    assert!(told.contains("Every slot is accounted for."), "{told}");
    let (code, printed, words) = project.run(&["uptime", "--json"]).await;
    assert_eq!(code, Some(0), "{words}");
    let uptime: Value = serde_json::from_str(&printed).expect("JSON");
    let tally = &uptime["checks"][0];
    assert!(tally["missed"].as_u64() >= Some(1), "{tally}");
    assert!(tally["coverage"].as_f64().is_some_and(|coverage| coverage < 1.0), "{tally}");
    assert_eq!(tally["uptime"], 1.0, "nothing failed: {tally}");
    assert!(daemon.stop().await.success());
}
