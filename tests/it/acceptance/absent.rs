//! What ends, begins or is due while the daemon is not there.

use serde_json::json;

use super::scenario::{Down, Up, login, scenario};
use super::setup::Watched;
use super::told::{any_sms, at, between, m, slack, sms};

const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_ends_meanwhile_comes_back_at_the_start() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(3))
        .acknowledge_for(1, "10m")
        .want_all(at(m(3)), &["#p2", "#p1"], "acknowledged by eva")
        .at(m(4) + m(1) / 2)
        .stop()
        .at(m(20) + m(1) / 2)
        .start()
        .want_all(at(m(20) + m(1) / 2), &EVERYBODY, "the acknowledgement by eva")
        .until(m(23))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_is_told_at_the_start_when_its_silence_ended_meanwhile() {
    login()
        .silence(json!({"checks": ["login"], "for": "10m"}))
        .at(m(1))
        .target("login", Down)
        .at(m(4) + m(1) / 2)
        .stop()
        .at(m(20) + m(1) / 2)
        .start()
        .want_all(at(m(20) + m(1) / 2), &EVERYBODY, "still fails after: silenced by eva")
        .until(m(23))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_failure_after_a_long_stop_is_a_second_in_a_row() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .stop()
        .at(m(20) + m(1) / 2)
        .start()
        .want_all(at(m(21)), &SECOND, "2 in a row")
        .until(m(23))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_recovered_meanwhile_is_over_at_its_next_run() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .stop()
        .at(m(20) + m(1) / 2)
        .target("login", Up)
        .start()
        .want(at(m(21)), slack("#p2").saying("recovered"))
        .want_none(between(m(0), m(30)), any_sms())
        .until(m(23))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_to_be_called_meanwhile_is_called_at_the_start() {
    let policy = "[[policy]]\nname = \"usual\"\n\
        [[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = [\"slack:#p2\"]\n\
        [[policy.tier]]\nwhen = { unacknowledged_for = \"5m\" }\nnotify = [\"sms:bo\"]\n";
    login()
        .toml(policy)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .stop()
        .at(m(20) + m(1) / 2)
        .start()
        .want(at(m(20) + m(1) / 2), sms("bo"))
        .until(m(23))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_was_taken_out_meanwhile_is_told_of_at_the_start() {
    scenario(vec![Watched::new("login"), Watched::new("cart")])
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(3) + m(1) / 2)
        .stop()
        .at(m(5) + m(1) / 2)
        .edit(|project| project.remove("login"))
        .at(m(6) + m(1) / 2)
        .start()
        .want_all(at(m(6) + m(1) / 2), &EVERYBODY, "no longer watched")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_an_agent_kept_meanwhile_decide_in_their_order() {
    login()
        .at(m(1) + m(1) / 2)
        .stop()
        .at(m(20) + m(1) / 2)
        .start()
        .report("login", "eu", m(5), Down)
        .report("login", "eu", m(6), Down)
        .report("login", "eu", m(7), Up)
        .report("login", "eu", m(20), Down)
        .want(at(m(20) + m(1) / 2), slack("#p2").saying("1 in a row"))
        .at(m(21))
        .target("login", Up)
        .want(at(m(21)), slack("#p2").saying("recovered"))
        .until(m(23))
        .await;
}
