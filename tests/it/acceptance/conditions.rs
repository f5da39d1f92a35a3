//! When a tier is reached, and whom the policy of a check tells.

use super::scenario::{Down, Silent, Up, login, scenario};
use super::setup::Watched;
use super::told::{any_sms, at, between, m, slack};

const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

/// A policy of one or two tiers.
fn policy(first: &str, second: &str, more: &str) -> String {
    format!(
        "[[policy]]\nname = \"usual\"\n{more}\n\
         [[policy.tier]]\nwhen = {{ {first} }}\nnotify = [\"slack:#p2\"]\n\
         [[policy.tier]]\nwhen = {{ {second} }}\nnotify = [\"slack:#p1\", \"sms:devops\"]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_acknowledges_in_time_is_told_to_more() {
    login()
        .toml(&policy("failures_in_a_row = 1", "unacknowledged_for = \"90s\"", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2) + m(1) / 2), &SECOND, "failing")
        .want_reason("tier 2")
        .on_postgres_too()
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_for_long_is_told_to_more() {
    login()
        .toml(&policy("failures_in_a_row = 1", "open_for = \"5m\"", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(6)), &SECOND, "failing")
        .until(m(9))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_recovers_in_time_is_told_to_no_more() {
    login()
        .toml(&policy("failures_in_a_row = 1", "open_for = \"5m\"", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(5))
        .target("login", Up)
        .want(at(m(5)), slack("#p2").saying("recovered"))
        .want_none(between(m(0), m(20)), any_sms())
        .until(m(10))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_an_incident_that_is_open_again_begins_anew() {
    login()
        .toml(&policy("failures_in_a_row = 1", "open_for = \"5m\"", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(4))
        .target("login", Up)
        .want(at(m(4)), slack("#p2").saying("recovered"))
        .at(m(5))
        .target("login", Down)
        .want(at(m(5)), slack("#p2").saying("again"))
        .want_all(at(m(10)), &SECOND, "failing")
        .until(m(12))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_tier_is_told_again_and_again() {
    login()
        .toml(&policy("failures_in_a_row = 1", "failures_in_a_row = 2", "repeat_every = \"5m\""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .want_all(at(m(7)), &SECOND, "still fail")
        .want_all(at(m(12)), &SECOND, "still fail")
        .until(m(14))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_reminded_of_what_is_acknowledged_or_over() {
    login()
        .toml(&policy("failures_in_a_row = 1", "failures_in_a_row = 9", "repeat_every = \"5m\""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .acknowledge_for(1, "6m")
        .want(at(m(2)), slack("#p2").saying("acknowledged"))
        // It is told again, and once: that it is time for a reminder, too, is no second message.
        .want(at(m(8)), slack("#p2").saying("still fails"))
        .at(m(8) + m(1) / 2)
        .target("login", Up)
        .want(at(m(9)), slack("#p2").saying("recovered"))
        .until(m(20))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_among_the_last_runs() {
    login()
        .toml(&policy("failures = 3, of_last = 5", "failures_in_a_row = 9", ""))
        .at(m(1))
        .target("login", Down)
        .at(m(2))
        .target("login", Up)
        .at(m(3))
        .target("login", Down)
        .at(m(4))
        .target("login", Up)
        .want_reason("policy usual tells after 3 failures of the last 5: nobody is told")
        .at(m(5))
        .target("login", Down)
        .want(at(m(5)), slack("#p2"))
        .until(m(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_are_too_far_apart_are_not_counted_together() {
    let mut it = login().toml(&policy("failures = 2, of_last = 3", "failures_in_a_row = 9", ""));
    for minute in [1, 4, 7, 10] {
        it = it.at(m(minute)).target("login", Down).at(m(minute + 1)).target("login", Up);
    }
    it.want_incidents(&[]).until(m(12)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_within_a_time() {
    login()
        .toml(&policy("failures = 3, within = \"10m\"", "failures_in_a_row = 9", ""))
        .at(m(1))
        .target("login", Down)
        .at(m(2))
        .target("login", Up)
        .at(m(8))
        .target("login", Down)
        .at(m(9))
        .target("login", Up)
        // Ten minutes after the first it does not count any more.
        .at(m(12))
        .target("login", Down)
        .at(m(13))
        .target("login", Up)
        .at(m(14))
        .target("login", Down)
        .want(at(m(14)), slack("#p2"))
        .until(m(14))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_chosen_by_the_labels_of_a_check() {
    let shop = "[[policy]]\nname = \"shop\"\nfor = { team = \"shop\" }\n\
                [[policy.tier]]\nwhen = { failures_in_a_row = 2 }\nnotify = [\"slack:#shop\"]\n";
    scenario(vec![
        Watched::new("cart").with("labels = { team = \"shop\" }"),
        Watched::new("login"),
    ])
    .toml(&policy("failures_in_a_row = 1", "failures_in_a_row = 3", ""))
    .toml(shop)
    .at(m(1))
    .target("cart", Down)
    .target("login", Down)
    .want(at(m(1)), slack("#p2").saying("login"))
    .want(at(m(2)), slack("#shop").saying("cart"))
    .want_all(at(m(3)), &SECOND, "login")
    .until(m(4))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_in_two_tiers_that_are_reached_at_once_is_told_once() {
    let both = policy("failures_in_a_row = 1", "failures_in_a_row = 2", "")
        .replace("\"slack:#p2\"", "\"slack:#p2\", \"sms:ana\"");
    login()
        .toml(&both)
        .at(m(1))
        .target("login", Silent)
        .at(m(8))
        .report("login", "eu", m(2), Down)
        .at(m(9))
        .target("login", Down)
        .want_all(at(m(9)), &["#p2", "#p1", "ana", "bo"], "2 in a row")
        .until(m(11))
        .await;
}
