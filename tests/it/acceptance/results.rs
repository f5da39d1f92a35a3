//! What results lead to: in one region, in several, late, out of order, unknown.

use super::scenario::{Down, Odd, Silent, Up, login, scenario};
use super::setup::Watched;
use super::told::{any_sms, at, between, m, slack, sms};

const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

#[tokio::test(flavor = "multi_thread")]
async fn a_first_failure_goes_to_p2_a_second_to_p1_and_the_team_and_the_end_to_all() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2").saying("Failing: login"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(6))
        .target("login", Up)
        .want_all(at(m(6)), &EVERYBODY, "recovered")
        .want_incidents(&["check:login over"])
        .on_postgres_too()
        .until(m(9))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_failure_wakes_nobody() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Up)
        .want(at(m(2)), slack("#p2").saying("recovered"))
        .want_none(between(m(0), m(9)), any_sms())
        .until(m(9))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_checks_at_once_are_two_incidents() {
    scenario(vec![Watched::new("login"), Watched::new("cart")])
        .at(m(1))
        .target("login", Down)
        .target("cart", Down)
        .want(at(m(1)), slack("#p2").saying("login"))
        .want(at(m(1)), slack("#p2").saying("cart"))
        .want_all(at(m(2)), &SECOND, "login")
        .want_all(at(m(2)), &SECOND, "cart")
        .at(m(4))
        .target("cart", Up)
        .want_all(at(m(4)), &EVERYBODY, "cart")
        .want_incidents(&["check:login open", "check:cart over"])
        .until(m(6))
        .await;
}

const ALL: &str = "
[[policy]]
name = \"all\"
quorum = \"all\"

[[policy.tier]]
when = { failures_in_a_row = 1 }
notify = [\"slack:#p2\"]

[[policy.tier]]
when = { failures_in_a_row = 2 }
notify = [\"slack:#p1\", \"sms:devops\"]
";

#[tokio::test(flavor = "multi_thread")]
async fn fewer_regions_than_the_quorum_tell_nobody() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .toml(ALL)
        .at(m(1))
        .target_in("login", "eu", Down)
        .want_reason("failed in 1 of 2 regions, quorum 2: nobody is told")
        .want_incidents(&[])
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_is_reached_when_as_many_regions_as_the_quorum_meet_it() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .toml(ALL)
        .at(m(1))
        .target_in("login", "eu", Down)
        .at(m(4))
        .target_in("login", "us", Down)
        .want(at(m(4)), slack("#p2").saying("us failed 1×").saying("eu failed 4×"))
        .want_all(at(m(5)), &SECOND, "failing")
        .at(m(7))
        .target_in("login", "eu", Up)
        .want_all(at(m(7)), &EVERYBODY, "recovered")
        .want_reason("1 of 2 regions down, quorum 2")
        .on_postgres_too()
        .until(m(9))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_majority_of_three_is_two() {
    scenario(vec![Watched::new("login").regions(&["ap", "eu", "us"])])
        .toml(&ALL.replace("\"all\"\n\n", "\"majority\"\n\n"))
        .at(m(1))
        .target_in("login", "eu", Down)
        .at(m(3))
        .target_in("login", "us", Down)
        .want(at(m(3)), slack("#p2"))
        .want_all(at(m(4)), &SECOND, "failing")
        .at(m(6))
        .target_in("login", "us", Up)
        .want_all(at(m(6)), &EVERYBODY, "recovered")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_regions_that_fail_once_are_not_two_failures_in_a_row() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .at(m(1))
        .target_in("login", "eu", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target_in("login", "eu", Up)
        .target_in("login", "us", Down)
        // The one recovers in the moment in which the other fails.
        .want(at(m(2)), slack("#p2").saying("recovered"))
        .want(at(m(2)), slack("#p2").saying("again"))
        .at(m(3))
        .target_in("login", "us", Up)
        .want(at(m(3)), slack("#p2").saying("recovered"))
        .want_none(between(m(0), m(9)), any_sms())
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_stays_open_while_another_region_is_down() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(4))
        .target_in("login", "eu", Up)
        .want_reason("passed in eu, still down in us")
        .at(m(6))
        .target_in("login", "us", Up)
        .want_all(at(m(6)), &EVERYBODY, "recovered")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_run_between_two_failures_changes_nothing() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Odd)
        .want_reason("neither a failure nor a success")
        .at(m(4))
        .target("login", Down)
        .want_all(at(m(4)), &SECOND, "2 in a row")
        .until(m(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_runs_neither_open_nor_end_an_incident() {
    login()
        .at(m(1))
        .target("login", Odd)
        .at(m(4))
        .target("login", Down)
        .want(at(m(4)), slack("#p2"))
        .at(m(5))
        .target("login", Odd)
        .want_incidents(&["check:login open"])
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_failure_that_comes_after_a_newer_success_is_not_counted() {
    login()
        .at(m(1))
        .target("login", Silent)
        .at(m(2))
        .target("login", Up)
        .at(m(3))
        .report("login", "eu", m(1), Down)
        .want_reason("came after a later one and is not counted")
        .want_incidents(&[])
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_success_that_comes_after_a_newer_failure_ends_nothing() {
    login()
        .at(m(1))
        .target("login", Silent)
        .at(m(2))
        .target("login", Down)
        .want(at(m(2)), slack("#p2"))
        .report("login", "eu", m(1), Up)
        .want_all(at(m(3)), &SECOND, "failing")
        .want_incidents(&["check:login open"])
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_failures_are_counted_and_told_when_a_fresh_one_follows() {
    login()
        .at(m(1))
        .target("login", Silent)
        .at(m(8))
        .report("login", "eu", m(2), Down)
        .report("login", "eu", m(3), Down)
        .want_reason("nobody is told before a fresh result fails, too")
        .at(m(9))
        .target("login", Down)
        .want_all(at(m(9)), &EVERYBODY, "3 in a row")
        .until(m(10))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_failures_of_what_has_recovered_since_tell_nobody() {
    login()
        .at(m(1))
        .target("login", Silent)
        .at(m(8))
        .report("login", "eu", m(2), Down)
        .report("login", "eu", m(3), Down)
        .report("login", "eu", m(4), Up)
        .target("login", Up)
        .want_incidents(&[])
        .until(m(10))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_success_ends_an_incident() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Silent)
        .at(m(8))
        .report("login", "eu", m(3), Up)
        .want(at(m(8)), slack("#p2").saying("recovered"))
        .want_reason("late by")
        .until(m(9))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_slots_between_two_failures_do_not_part_them() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Silent)
        .at(m(5))
        .target("login", Down)
        .want_all(at(m(5)), &SECOND, "2 in a row")
        .until(m(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_reported_twice_counts_once() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Silent)
        .report("login", "eu", m(1), Down)
        .at(m(3))
        .report("login", "eu", m(1), Down)
        .want_none(between(m(0), m(9)), sms("ana"))
        .until(m(4))
        .await;
}
