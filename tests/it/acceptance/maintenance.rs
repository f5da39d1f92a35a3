//! Planned times in which nobody is told.

use super::scenario::{Down, Scenario, Up, login, scenario};
use super::setup::Watched;
use super::told::{at, between, h, m, slack};

const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

/// A window of the day of the scenarios.
fn once(from: &str, until: &str) -> String {
    format!(
        "[[maintenance]]\nname = \"move\"\nchecks = [\"login\"]\n\
         from = 2026-11-23T{from}:00Z\nuntil = 2026-11-23T{until}:00Z\n"
    )
}

/// The check fails from the first minute on, and there is such a window.
fn failing_around(from: &str, until: &str) -> Scenario {
    login().toml(&once(from, until)).at(m(1)).target("login", Down)
}

/// The same, and its first failure is told before the window.
fn told_before(from: &str, until: &str) -> Scenario {
    failing_around(from, until).want(at(m(1)), slack("#p2"))
}

/// And its second.
fn told_twice_before(from: &str, until: &str) -> Scenario {
    told_before(from, until).want_all(at(m(2)), &SECOND, "failing")
}

/// The check runs in two regions, of which one has such a window.
fn in_two_regions_around(from: &str, until: &str) -> Scenario {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .toml(&once(from, until).replace("checks = [\"login\"]", "regions = [\"eu\"]"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_that_starts_while_failing_holds_back_what_is_still_to_come() {
    told_before("10:02", "10:10")
        .want_all(at(m(10)), &EVERYBODY, "still fails after: maintenance")
        .until(m(13))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_still_fails_at_the_end_of_a_maintenance_is_told_and_says_so() {
    failing_around("09:00", "10:05")
        .want_all(at(m(5)), &EVERYBODY, "still fails after: maintenance")
        .on_postgres_too()
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_and_recovers_within_a_maintenance_is_told_to_nobody() {
    failing_around("09:00", "10:05")
        .at(m(4))
        .target("login", Up)
        .want_none(between(m(0), m(60)), slack("#p2"))
        .want_incidents(&["check:login over"])
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_recovers_within_a_maintenance_and_was_told_before_is_over() {
    told_before("10:02", "10:30")
        .at(m(6))
        .target("login", Up)
        .want(at(m(6)), slack("#p2").saying("recovered"))
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_checks_are_told_of_meanwhile() {
    scenario(vec![Watched::new("login"), Watched::new("cart")])
        .toml(&once("09:00", "12:00"))
        .at(m(1))
        .target("login", Down)
        .target("cart", Down)
        .want(at(m(1)), slack("#p2").saying("cart"))
        .want_all(at(m(2)), &SECOND, "cart")
        .until(m(4))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recurring_maintenance_holds_back_each_time() {
    let weekly = "[[maintenance]]\nname = \"backup\"\nlabels = { tier = \"database\" }\n\
                  cron = \"0 11 * * *\"\nlasts = \"30m\"\n";
    scenario(vec![Watched::new("login").every(10).with("labels = { tier = \"database\" }")])
        .toml(weekly)
        .at(m(70))
        .target("login", Down)
        .want_all(at(m(90)), &EVERYBODY, "still fails after: maintenance")
        .at(m(100))
        .target("login", Up)
        .want_all(at(m(100)), &EVERYBODY, "recovered")
        // The next day.
        .at(h(25) + m(10))
        .target("login", Down)
        .at(h(25) + m(20))
        .target("login", Up)
        .want_none(between(h(2), h(30)), slack("#p2"))
        .until(h(25) + m(50))
        .await;
}

/// In the night in which the clocks of Berlin go back at 03:00 (01:00 UTC).
#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_lasts_in_real_time_when_the_clocks_go_back() {
    let nightly = "[[maintenance]]\nname = \"backup\"\nchecks = [\"login\"]\n\
                   cron = \"0 1 * * SUN\"\ntimezone = \"Europe/Berlin\"\nlasts = \"3h\"\n";
    scenario(vec![Watched::new("login").every(10)])
        .toml(nightly)
        .starting("2026-10-24T22:50:00Z")
        // 01:20 in Berlin, and the window began at 01:00.
        .at(m(30))
        .target("login", Down)
        // It is 03:00 for the first time, and then 02:00 again; three hours are over at 03:00.
        .want_all(at(h(3) + m(10)), &EVERYBODY, "still fails after: maintenance")
        .until(h(3) + m(20))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_that_is_taken_out_ends_at_once() {
    let window = once("09:00", "12:00");
    let was = window.clone();
    login()
        .toml(&window)
        .at(m(1))
        .target("login", Down)
        .at(m(4) + m(1) / 2)
        .edit(move |project| project.replace(&was, ""))
        .want_all(at(m(4) + m(1) / 2), &EVERYBODY, "still fails")
        .until(m(7))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_that_is_begun_in_haste_holds_back_from_then_on() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| project.tables.push_str(&once("10:00", "10:20")))
        .want_all(at(m(20)), &EVERYBODY, "still fails after: maintenance")
        .until(m(22))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_ends_within_a_maintenance_comes_back_after_it() {
    told_before("10:05", "10:20")
        .at(m(1) + m(1) / 2)
        .acknowledge_for(1, "10m")
        .want(at(m(1) + m(1) / 2), slack("#p2").saying("acknowledged"))
        .want_all(at(m(20)), &EVERYBODY, "still fails")
        .until(m(22))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_of_a_region_ends_for_a_check_that_goes_down_elsewhere_too() {
    in_two_regions_around("09:00", "12:00")
        .at(m(1))
        .target_in("login", "eu", Down)
        .at(m(4))
        .target_in("login", "us", Down)
        .want_all(at(m(4)), &EVERYBODY, "failing")
        .until(m(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_of_a_region_counts_for_a_check_that_was_down_elsewhere_before_it() {
    in_two_regions_around("10:05", "10:12")
        .at(m(1))
        .target_in("login", "eu", Down)
        .target_in("login", "us", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(3))
        .target_in("login", "us", Up)
        .want_all(at(m(12)), &EVERYBODY, "still fails after: maintenance")
        .until(m(15))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_before_a_maintenance_is_told_once_more_at_its_end() {
    told_twice_before("10:05", "10:12")
        .want_all(at(m(12)), &EVERYBODY, "still fails after: maintenance")
        .on_postgres_too()
        .until(m(15))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_takes_care_of_is_not_told_again_at_the_end_of_a_maintenance() {
    told_twice_before("10:05", "10:12")
        .at(m(3))
        .acknowledge(1)
        .want_all(at(m(3)), &["#p2", "#p1"], "acknowledged by eva")
        .want_none(at(m(12)), slack("#p2"))
        .until(m(15))
        .await;
}
