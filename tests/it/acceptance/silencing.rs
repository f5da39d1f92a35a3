//! What somebody asked not to be told of.

use serde_json::json;

use super::scenario::{Down, Up, login, scenario};
use super::setup::Watched;
use super::told::{at, between, m, slack};

const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

#[tokio::test(flavor = "multi_thread")]
async fn what_recovers_within_a_silence_is_told_to_nobody() {
    login()
        .silence(json!({"checks": ["login"], "for": "10m"}))
        .at(m(1))
        .target("login", Down)
        .at(m(5))
        .target("login", Up)
        .want_none(between(m(0), m(60)), slack("#p2"))
        .want_reason("but nobody is told: silenced by eva")
        .want_incidents(&["check:login over"])
        .until(m(15))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_still_fails_at_the_end_of_a_silence_is_told_and_says_why_so_late() {
    login()
        .silence(json!({"checks": ["login"], "for": "10m"}))
        .at(m(3))
        .target("login", Down)
        .want_all(at(m(10)), &EVERYBODY, "still fails after: silenced by eva")
        .on_postgres_too()
        .until(m(13))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_that_is_ended_tells_at_once() {
    login()
        .silence(json!({"checks": ["login"], "for": "1h"}))
        .at(m(3))
        .target("login", Down)
        .at(m(6))
        .unsilence(1)
        .want_all(at(m(6)), &EVERYBODY, "a deploy")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_that_begins_between_two_failures_holds_the_second_back() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .silence(json!({"checks": ["login"], "for": "5m"}))
        .want(at(m(1) + m(1) / 2), slack("#p2").saying("silenced by eva"))
        .want_all(at(m(6) + m(1) / 2), &SECOND, "still fails after")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_what_was_told_is_told_within_a_silence() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(3))
        .silence(json!({"checks": ["login"], "for": "30m"}))
        .want_all(at(m(3)), &["#p2", "#p1"], "silenced by eva")
        .at(m(5))
        .target("login", Up)
        .want_all(at(m(5)), &EVERYBODY, "recovered")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_by_label_covers_the_checks_that_have_it() {
    let labelled =
        |id: &str, team: &str| Watched::new(id).with(&format!("labels = {{ team = \"{team}\" }}"));
    scenario(vec![labelled("cart", "shop"), labelled("login", "accounts")])
        .silence(json!({"labels": {"team": "shop"}, "for": "1h"}))
        .at(m(1))
        .target("cart", Down)
        .target("login", Down)
        .want(at(m(1)), slack("#p2").saying("login"))
        .want_all(at(m(2)), &SECOND, "login")
        .want_none(between(m(0), m(9)), slack("#p2").saying("cart"))
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_by_region_covers_what_is_down_there_alone() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .silence(json!({"regions": ["eu"], "for": "1h"}))
        .at(m(1))
        .target_in("login", "eu", Down)
        .want_none(between(m(0), m(60)), slack("#p2"))
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_by_region_ends_for_a_check_that_goes_down_elsewhere_too() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .silence(json!({"regions": ["eu"], "for": "1h"}))
        .at(m(1))
        .target_in("login", "eu", Down)
        .at(m(4))
        .target_in("login", "us", Down)
        .want_all(at(m(4)), &EVERYBODY, "failing")
        .until(m(7))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_of_everything_covers_everything() {
    scenario(vec![Watched::new("login"), Watched::new("cart")])
        .silence(json!({"everything": true, "for": "5m"}))
        .at(m(1))
        .target("login", Down)
        .target("cart", Down)
        .at(m(3))
        .target("cart", Up)
        .want_all(at(m(5)), &EVERYBODY, "login")
        .until(m(7))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_silences_the_longer_counts() {
    login()
        .silence(json!({"checks": ["login"], "for": "5m"}))
        .silence(json!({"everything": true, "for": "9m"}))
        .at(m(1))
        .target("login", Down)
        .want_all(at(m(9)), &EVERYBODY, "still fails")
        .until(m(11))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_by_region_ends_for_a_check_that_is_down_elsewhere_instead() {
    scenario(vec![Watched::new("login").regions(&["ap", "eu", "us"])])
        .silence(json!({"regions": ["eu", "us"], "for": "1h"}))
        .at(m(1))
        .target_in("login", "eu", Down)
        .at(m(3))
        .target_in("login", "us", Down)
        .want_none(between(m(0), m(4)), slack("#p2"))
        .at(m(5))
        .target_in("login", "ap", Down)
        .want_all(at(m(5)), &EVERYBODY, "failing")
        .until(m(7))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_down_in_a_silenced_region_alone_again_is_told_no_more() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .toml(
            "[[policy]]\nname = \"usual\"\n\
             [[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = [\"slack:#p2\"]\n\
             [[policy.tier]]\nwhen = { open_for = \"5m\" }\nnotify = [\"sms:bo\"]\n",
        )
        .silence(json!({"regions": ["eu"], "for": "20m"}))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(3))
        .target_in("login", "us", Up)
        .want(at(m(20)), super::told::sms("bo").saying("still fails after"))
        .until(m(22))
        .await;
}
