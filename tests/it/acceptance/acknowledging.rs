//! What is told before, while and after somebody takes care of an incident.

use super::scenario::{Down, Up, login};
use super::told::{any_sms, at, between, m, slack};

const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

/// `#p2` at once; `#p1` and the team by a condition.
fn then(second: &str, more: &str) -> String {
    format!(
        "[[policy]]\nname = \"usual\"\n{more}\n\
         [[policy.tier]]\nwhen = {{ failures_in_a_row = 1 }}\nnotify = [\"slack:#p2\"]\n\
         [[policy.tier]]\nwhen = {{ {second} }}\nnotify = [\"slack:#p1\", \"sms:devops\"]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_after_the_first_tier_holds_the_second_back() {
    login()
        .toml(&then("failures_in_a_row = 3", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .acknowledge(1)
        .want(at(m(2)), slack("#p2").saying("acknowledged by eva"))
        .want_none(between(m(0), m(60)), any_sms())
        .want_reason("but nobody is told: acknowledged by eva")
        .until(m(20))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_is_forgotten_comes_back() {
    login()
        .toml(&then("failures_in_a_row = 3", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .acknowledge_for(1, "10m")
        .want(at(m(2)), slack("#p2").saying("acknowledged"))
        .want_all(at(m(12)), &EVERYBODY, "the acknowledgement by eva")
        .on_postgres_too()
        .until(m(15))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_says_how_long_an_acknowledgement_lasts() {
    login()
        .toml(&then("failures_in_a_row = 3", "acknowledged_for = \"5m\""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .acknowledge(1)
        .want(at(m(2)), slack("#p2").saying("acknowledged"))
        .want_all(at(m(7)), &EVERYBODY, "still fails")
        .until(m(9))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_after_the_last_tier_ends_when_it_recovers() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(3))
        .acknowledge_for(1, "10m")
        .want_all(at(m(3)), &["#p2", "#p1"], "acknowledged by eva")
        .at(m(5))
        .target("login", Up)
        .want_all(at(m(5)), &EVERYBODY, "recovered")
        .want_incidents(&["check:login over"])
        .until(m(20))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_after_the_last_tier_comes_back_to_all() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(3))
        .acknowledge_for(1, "10m")
        .want_all(at(m(3)), &["#p2", "#p1"], "acknowledged by eva")
        .want_all(at(m(13)), &EVERYBODY, "still failing")
        .until(m(16))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_never_woken_is_not_told_that_it_is_over() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .acknowledge(1)
        .want(at(m(1) + m(1) / 2), slack("#p2").saying("acknowledged"))
        .at(m(4))
        .target("login", Up)
        .want(at(m(4)), slack("#p2").saying("recovered"))
        .want_none(between(m(0), m(60)), any_sms())
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_is_taken_back_tells_at_once_what_it_held_back() {
    login()
        .toml(&then("failures_in_a_row = 3", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .acknowledge(1)
        .want(at(m(2)), slack("#p2").saying("acknowledged"))
        .at(m(5) + m(1) / 2)
        .take_back(1)
        .want(at(m(5) + m(1) / 2), slack("#p2").saying("does not take care of it any more"))
        .want_all(at(m(5) + m(1) / 2), &EVERYBODY, "still fails")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_acknowledgement_takes_the_place_of_the_first() {
    login()
        .toml(&then("failures_in_a_row = 3", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .acknowledge_for(1, "5m")
        .want(at(m(2)), slack("#p2").saying("10:07:00"))
        .at(m(4))
        .acknowledge_for(1, "10m")
        .want(at(m(4)), slack("#p2").saying("10:14:00"))
        .want_all(at(m(14)), &EVERYBODY, "still fails")
        .until(m(16))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_in_time_is_not_called() {
    login()
        .toml(&then("unacknowledged_for = \"10m\"", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(10))
        .acknowledge_for(1, "20m")
        .want(at(m(10)), slack("#p2").saying("acknowledged"))
        .at(m(28))
        .target("login", Up)
        .want(at(m(28)), slack("#p2").saying("recovered"))
        .want_none(between(m(0), m(60)), any_sms())
        .until(m(40))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_takes_care_any_more_the_time_to_answer_begins_anew() {
    login()
        .toml(&then("unacknowledged_for = \"10m\"", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(5))
        .acknowledge_for(1, "10m")
        .want(at(m(5)), slack("#p2").saying("acknowledged"))
        .want(at(m(15)), slack("#p2").saying("still fails"))
        .want_all(at(m(25)), &SECOND, "failing")
        .until(m(30))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_for_long_waits_for_the_end_of_an_acknowledgement() {
    login()
        .toml(&then("open_for = \"10m\"", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(5))
        .acknowledge_for(1, "15m")
        .want(at(m(5)), slack("#p2").saying("acknowledged"))
        .want_all(at(m(20)), &EVERYBODY, "still fails")
        .until(m(22))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_told_to_those_who_follow_and_wakes_nobody() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(3))
        .note(1, "it is the database")
        .want_all(at(m(3)), &["#p2", "#p1"], "it is the database")
        .want_none(between(m(3), m(9)), any_sms())
        .until(m(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_after_it_was_acknowledged_is_told_again() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .acknowledge(1)
        .want(at(m(1) + m(1) / 2), slack("#p2").saying("acknowledged"))
        .at(m(3))
        .target("login", Up)
        .want(at(m(3)), slack("#p2").saying("recovered"))
        .at(m(5))
        .target("login", Down)
        .want(at(m(5)), slack("#p2").saying("again"))
        .want_all(at(m(6)), &SECOND, "failing")
        .until(m(8))
        .await;
}
