//! That the daemon is told its project again, stopped or killed between any two steps changes nothing.

use serde_json::json;

use super::scenario::{Disturbance, Down, Odd, Scenario, Up, scenario};
use super::setup::Watched;
use super::told::{at, m, slack};

const SECOND: [&str; 3] = ["#p1", "ana", "bo"];
const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];

/// Two checks, two regions, and all that people do.
fn story() -> Scenario {
    scenario(vec![Watched::new("login"), Watched::new("cart").regions(&["eu", "us"])])
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2").saying("login"))
        .at(m(2))
        .target("login", Odd)
        .target_in("cart", "us", Down)
        .want(at(m(2)), slack("#p2").saying("cart"))
        .at(m(3))
        .target("login", Down)
        .want_all(at(m(3)), &SECOND, "login")
        .want_all(at(m(3)), &SECOND, "cart")
        .at(m(3) + m(1) / 2)
        .acknowledge_for(1, "3m")
        .want_all(at(m(3) + m(1) / 2), &["#p2", "#p1"], "acknowledged by eva")
        .at(m(4))
        .target_in("cart", "us", Up)
        .want_all(at(m(4)), &EVERYBODY, "cart")
        .at(m(5))
        .silence(json!({"checks": ["cart"], "for": "2m"}))
        .target_in("cart", "eu", Down)
        .want_all(at(m(6) + m(1) / 2), &EVERYBODY, "the acknowledgement by eva")
        .want_all(at(m(7)), &EVERYBODY, "still fails after: silenced by eva")
        .at(m(8))
        .target("login", Up)
        .want_all(at(m(8)), &EVERYBODY, "login")
        .want_incidents(&["check:login over", "check:cart open"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_of_two_incidents() {
    story().until(m(8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_between_any_two_steps_changes_nothing() {
    story().disturbed(Disturbance::Reload).on_postgres_too().until(m(8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_any_two_steps_changes_nothing() {
    story().disturbed(Disturbance::Restart).on_postgres_too().until(m(8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_any_two_steps_changes_nothing() {
    story().disturbed(Disturbance::Kill).on_postgres_too().until(m(8)).await;
}
