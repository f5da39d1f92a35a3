//! Groups of checks as a load balancer asks for them, by the real binary.

use std::time::Duration;

use serde_json::Value;

use crate::support::http;
use crate::support::site::Site;
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::until;

/// How long something may take that takes some seconds on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_mins(1);

async fn ask(daemon: &Daemon, group: &str) -> (u16, Value) {
    let url = format!("{}/health/{group}", daemon.url());
    let answer = http::client().get(url).send().await.expect("the daemon answers");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Waits until a group is answered with `status`; the body.
async fn answered(daemon: &Daemon, group: &str, status: u16) -> Value {
    until(&format!("{group} is answered with {status}"), PATIENCE, async || {
        let (now, body) = ask(daemon, group).await;
        (now == status).then_some(body)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_taken_out_after_three_failures_and_back_after_three_passes() {
    let site = Site::start().await;
    let check = |name: &str| {
        let url = format!("{}/{name}", site.url());
        format!(
            "[[check]]\nname = \"{name}\"\nurl = \"{url}\"\nevery = \"1s\"\n\
             labels = {{ team = \"shop\" }}\n"
        )
    };
    let groups = "[health.front]\nchecks = [\"login\"]\n\
                  [health.all]\nlabels = { team = \"shop\" }\n\
                  [health.any]\nlabels = { team = \"shop\" }\nneeds = 1\nfailures = 2\n";
    let project = Project::new().toml(groups).toml(&check("login")).toml(&check("cart"));
    let daemon = project.up().await;
    for group in ["front", "all", "any"] {
        let (status, body) = ask(&daemon, group).await;
        assert_eq!((status, &body["healthy"]), (200, &true.into()), "nothing failed yet: {body}");
    }
    daemon.run("login", "passed", |run| run.outcome == "passed").await;

    site.answer_at("/login", 500);
    let body = answered(&daemon, "front", 503).await;
    let failures = daemon.runs("login").await;
    assert!(failures.iter().filter(|run| run.outcome == "failed").count() >= 3, "{failures:#?}");
    assert_eq!(body["checks"][0]["ill_in"], serde_json::json!(["test"]), "{body}");
    let body = answered(&daemon, "all", 503).await;
    assert_eq!(body["checks"][0]["id"], "cart");
    assert_eq!(body["checks"][0]["healthy"], true);
    assert_eq!(ask(&daemon, "any").await.0, 200, "one of the two is well");

    site.answer_at("/login", 200);
    answered(&daemon, "front", 200).await;
    let latest: Vec<String> =
        daemon.runs("login").await.into_iter().take(3).map(|run| run.outcome).collect();
    assert_eq!(latest, ["passed"; 3], "not before three in a row");

    let (status, body) = ask(&daemon, "back").await;
    assert_eq!(status, 404, "{body}");
    assert!(body.to_string().contains("no group `back`"), "{body}");
    assert!(daemon.stop().await.success());
}
