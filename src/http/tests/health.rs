//! What the health page says of agents and of the hub's own loops.

use axum::http::StatusCode;
use chrono::TimeDelta;
use serde_json::json;

use super::fake::a_world;
use super::{Face, now};

#[tokio::test]
async fn what_is_wrong_with_agents_is_a_reason_and_none_to_restart_the_hub() {
    let face = Face::new();
    face.store.upset_agents();
    let degraded = face.ok("/healthz").await;
    assert_eq!(degraded["status"], "degraded");
    let expected = [
        "the agent a of eu-west-1 lives and does not keep its schedule: 31 s behind",
        "the clock of the agent a of eu-west-1 is 7 s ahead of this one; set it by NTP",
    ];
    assert_eq!(degraded["reasons"], json!(expected), "nothing of those that are gone");
    let agents = face.ok("/api/v1/agents").await;
    let first = &agents["agents"][0];
    assert_eq!((&first["state"], &first["stalled"]), (&json!("lost"), &json!(true)));
    assert_eq!((&first["skew_ms"], &first["lag_ms"]), (&json!(7_500.0), &json!(31_000)));
}

#[tokio::test]
async fn that_an_agent_has_nothing_to_run_is_a_reason_while_it_is_there() {
    let (_, store) = a_world();
    let face = Face::watching(Vec::new(), store);
    let degraded = face.ok("/healthz").await;
    let reason =
        "the agent a of eu-west-1 has nothing to run: no check of the project runs in its region";
    assert_eq!((&degraded["status"], &degraded["reasons"]), (&json!("degraded"), &json!([reason])));
}

#[tokio::test]
async fn a_hub_whose_loops_stand_still_says_so() {
    let face = Face::new();
    face.review.expect(Some(now() - TimeDelta::seconds(61)));
    let health = face.get("/healthz").await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
    let reason = "the review of checks and agents is 61 s behind";
    assert_eq!(health.body["reasons"], json!([reason]));
    assert_eq!(health.body["loops"]["review_lag_ms"], 61_000.0);
}

#[tokio::test]
async fn rules_that_are_not_evaluated_are_a_reason() {
    let face = Face::new();
    let healthy = face.ok("/healthz").await["rules"].clone();
    let expected = json!({
        "in_force": 1, "last_evaluation_age_ms": 0.0, "breached": 1, "without_data": 0, "failing": [],
    });
    assert_eq!(healthy, expected);
    face.store.fail_rules("more than 200000 series");
    let degraded = face.ok("/healthz").await;
    let reason = "the rule `few logins` cannot be evaluated: more than 200000 series";
    assert_eq!((&degraded["status"], &degraded["reasons"]), (&json!("degraded"), &json!([reason])));
    let failing = json!([{ "name": "few logins", "error": "more than 200000 series" }]);
    assert_eq!(degraded["rules"]["failing"], failing);
    face.evaluation.expect(Some(now() - TimeDelta::seconds(61)));
    let health = face.get("/healthz").await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health.body["reasons"][0], "the evaluation of rules is 61 s behind");
}
