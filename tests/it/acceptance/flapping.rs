//! What is over and fails again.

use super::scenario::{Down, Up, login, scenario};
use super::setup::Watched;
use super::told::{any_sms, at, between, m, slack};
use crate::support::provider::Answer;

const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

/// The built-in policy with further keys.
fn usual(more: &str) -> String {
    format!(
        "[[policy]]\nname = \"usual\"\n{more}\n\
         [[policy.tier]]\nwhen = {{ failures_in_a_row = 1 }}\nnotify = [\"slack:#p2\"]\n\
         [[policy.tier]]\nwhen = {{ failures_in_a_row = 2 }}\n\
         notify = [\"slack:#p1\", \"sms:devops\"]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_soon_is_the_same_incident_and_says_so() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Up)
        .want(at(m(2)), slack("#p2").saying("recovered"))
        .at(m(4))
        .target("login", Down)
        .want(at(m(4)), slack("#p2").saying("fails again 2m after it was over, for the 2nd time"))
        .want_all(at(m(5)), &SECOND, "failing")
        .at(m(7))
        .target("login", Up)
        .want_all(at(m(7)), &EVERYBODY, "recovered")
        .want_incidents(&["check:login over"])
        .on_postgres_too()
        .until(m(9))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_later_is_another_incident() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Up)
        .want(at(m(2)), slack("#p2").saying("recovered"))
        .at(m(12))
        .target("login", Down)
        .want(at(m(12)), slack("#p2").saying("Failing: login").not_saying("again"))
        .want_incidents(&["check:login over", "check:login open"])
        .until(m(12))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_may_make_each_failure_an_incident() {
    login()
        .toml(&usual("reopen_within = \"0s\""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Up)
        .want(at(m(2)), slack("#p2").saying("recovered"))
        .at(m(3))
        .target("login", Down)
        .want(at(m(3)), slack("#p2").not_saying("again"))
        .want_incidents(&["check:login over", "check:login open"])
        .until(m(3))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_flaps_for_long_is_one_incident_and_wakes_nobody() {
    let mut it = login();
    for turn in 0..5 {
        let down = m(1 + 2 * turn);
        it = it.at(down).target("login", Down).want(at(down), slack("#p2").saying("fail"));
        let up = m(2 + 2 * turn);
        it = it.at(up).target("login", Up).want(at(up), slack("#p2").saying("recovered"));
    }
    it.want_none(between(m(0), m(20)), any_sms())
        .want_reason("for the 5th time")
        .want_incidents(&["check:login over"])
        .until(m(13))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_success_is_no_recovery_where_two_are_asked_for() {
    login()
        .toml(&usual("recover_after = 2"))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(3))
        .target("login", Up)
        .want_reason("1 of 2 passes in a row needed to recover")
        .at(m(4))
        .target("login", Down)
        .at(m(5))
        .target("login", Up)
        .want_all(at(m(6)), &EVERYBODY, "recovered")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_recovers_before_its_failure_could_be_told_is_one_message() {
    login()
        .slack(Answer::Status(503))
        .at(m(1))
        .target("login", Down)
        .at(m(2))
        .target("login", Up)
        .at(m(3))
        .slack(Answer::Accept)
        .want(between(m(2), m(4)), slack("#p2").saying("has recovered"))
        .want_incidents(&["check:login over"])
        .until(m(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_after_it_was_resolved_by_hand_is_open_again() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(2) + m(1) / 2)
        .resolve(1)
        .want_all(at(m(2) + m(1) / 2), &EVERYBODY, "closed")
        .want_all(at(m(3)), &EVERYBODY, "again")
        .at(m(5))
        .target("login", Up)
        .want_all(at(m(5)), &EVERYBODY, "recovered")
        .want_incidents(&["check:login over"])
        .until(m(7))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_resolved_by_hand_and_passes_is_not_told_again() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Up)
        .resolve(1)
        .want(at(m(2)), slack("#p2").saying("rolled back"))
        .want_incidents(&["check:login over"])
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_checks_that_flaps_leaves_the_other_alone() {
    scenario(vec![Watched::new("login"), Watched::new("cart")])
        .at(m(1))
        .target("login", Down)
        .target("cart", Down)
        .want(at(m(1)), slack("#p2").saying("login"))
        .want(at(m(1)), slack("#p2").saying("cart"))
        .at(m(2))
        .target("login", Up)
        .want(at(m(2)), slack("#p2").saying("login").saying("recovered"))
        .want_all(at(m(2)), &SECOND, "cart")
        .at(m(3))
        .target("login", Down)
        .want(at(m(3)), slack("#p2").saying("login").saying("again"))
        .until(m(3))
        .await;
}
