//! What is run by hand: whoever follows reads what came of it, and nothing else comes of it.

use std::time::Duration;

use super::scenario::{Down, Up, login};
use super::told::{any_sms, at, between, m, slack};

const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

/// One channel is told, whatever happens.
const QUIET: &str = "[[policy]]\nname = \"quiet\"\n\
    [[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = [\"slack:#p2\"]\n";

/// Between two slots.
fn half_past(minute: u64) -> Duration {
    m(minute) + m(1) / 2
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_hand_after_a_repair_says_so_and_the_next_scheduled_one_ends_the_incident() {
    login()
        .answered()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(half_past(2))
        .click("eva", "run", 1)
        .want(at(half_past(2)), slack("#p1").saying("login is being run in eu"))
        .take("eu", 1)
        .bring("login", "eu", Up)
        .want_all(
            at(half_past(2)),
            &["#p2", "#p1"],
            "eva (Slack) ran it in eu: passed in 1 ms; only scheduled runs end the incident",
        )
        .want_none(between(half_past(2), half_past(3)), any_sms())
        .at(m(4))
        .target("login", Up)
        .want_all(at(m(4)), &EVERYBODY, "recovered")
        .want_reason("noted: eva (Slack) ran it in eu: passed")
        .want_incidents(&["check:login over"])
        .until(m(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_by_hand_that_fail_page_nobody_and_count_for_nothing() {
    login()
        .at(half_past(1))
        .run_now("login")
        .take("eu", 1)
        .bring("login", "eu", Down)
        .run_now("login")
        .take("eu", 1)
        .bring("login", "eu", Down)
        .at(m(3))
        .target("login", Down)
        .want(at(m(3)), slack("#p2").saying("failing"))
        .at(half_past(3))
        .run_now("login")
        .take("eu", 1)
        .bring("login", "eu", Down)
        .want(at(half_past(3)), slack("#p2").saying("eva (API) ran it in eu: failed: expected 200"))
        .at(m(4))
        .target("login", Up)
        .want(at(m(4)), slack("#p2").saying("recovered"))
        .want_incidents(&["check:login over"])
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_after_the_click_has_it_run_once_when_it_is_back() {
    login()
        .answered()
        .toml(QUIET)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(half_past(1))
        .click("eva", "run", 1)
        .want(at(half_past(1)), slack("#p1").saying("login is being run in eu"))
        .kill()
        .take("eu", 1)
        .kill()
        .take("eu", 0)
        .bring("login", "eu", Up)
        .want(at(half_past(1)), slack("#p2").saying("eva (Slack) ran it in eu: passed"))
        .take("eu", 0)
        .bring("login", "eu", Up)
        .want_incidents(&["check:login open"])
        .until(m(3))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_took_and_never_brought_is_said_to_be_lost() {
    login()
        .toml(QUIET)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(half_past(1))
        .run_now("login")
        .take("eu", 1)
        .kill()
        .want(between(m(2), m(9)), slack("#p2").saying("lost, the agent one took it"))
        .until(m(9))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_agent_takes_is_said_not_to_be_run() {
    login()
        .toml(QUIET)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(half_past(1))
        .run_now("login")
        .want(at(m(2)), slack("#p2").saying("not run, no agent took it within 30 s"))
        .at(half_past(2))
        .take("eu", 0)
        .until(m(3))
        .await;
}
