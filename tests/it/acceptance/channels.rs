//! Ways out that fail: nothing is lost, and nothing comes twice.

use serde_json::json;

use super::scenario::{Down, Scenario, Up, scenario};
use super::setup::Watched;
use super::told::{any_sms, at, between, m, slack};
use crate::support::provider::Answer;

/// What a provider says that is down.
const DOWN: Answer = Answer::Status(503);
const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

/// Every other minute, since each step waits for the lanes.
fn login() -> Scenario {
    scenario(vec![Watched::new("login").every(2)])
}

/// It fails while no way out works.
fn failing_unheard() -> Scenario {
    login().both_ways(DOWN).at(m(2)).target("login", Down)
}

/// It fails while Slack does not work.
fn failing_without_slack() -> Scenario {
    login().slack(DOWN).at(m(2)).target("login", Down)
}

/// It fails while no SMS leaves; Slack is told.
fn failing_without_sms() -> Scenario {
    login()
        .twilio(DOWN)
        .at(m(2))
        .target("login", Down)
        .want(at(m(2)), slack("#p2"))
        .want(at(m(4)), slack("#p1"))
}

impl Scenario {
    /// Slack and Twilio answer so from now on.
    fn both_ways(self, answer: Answer) -> Self {
        self.slack(answer).twilio(answer)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_ways_down_and_back_lose_nothing_and_repeat_nothing() {
    failing_unheard()
        .at(m(6))
        .both_ways(Answer::Accept)
        .want_all(between(m(6), m(8)), &EVERYBODY, "failing")
        .want_none(between(m(0), m(5)), slack("#p2"))
        .on_postgres_too()
        .until(m(10))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_when_all_ways_are_back_is_told_in_one_message_each() {
    failing_unheard()
        .at(m(6))
        .target("login", Up)
        .at(m(8))
        .both_ways(Answer::Accept)
        .want_all(between(m(8), m(10)), &EVERYBODY, "has recovered")
        .until(m(10))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_way_takes_while_it_is_tried_arrives_when_one_does() {
    scenario(vec![Watched::new("login")])
        .both_ways(DOWN)
        .at(m(1))
        .target("login", Down)
        .want_none(between(m(0), m(19)), slack("#p2"))
        .at(m(20))
        .both_ways(Answer::Accept)
        .want_all(between(m(20), m(22)), &EVERYBODY, "failing")
        .until(m(22))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sms_leave_while_slack_is_down() {
    failing_without_slack()
        .want_all(at(m(4)), &["ana", "bo"], "failing")
        .at(m(6))
        .slack(Answer::Accept)
        .want_all(between(m(6), m(8)), &["#p2", "#p1"], "failing")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_told_while_twilio_is_down() {
    login()
        .twilio(Answer::Coded(503, 20500))
        .at(m(2))
        .target("login", Down)
        .want(at(m(2)), slack("#p2"))
        .want(at(m(4)), slack("#p1"))
        .at(m(6))
        .twilio(Answer::Accept)
        .want_all(between(m(6), m(8)), &["ana", "bo"], "failing")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_survives_a_kill_while_all_ways_are_down() {
    failing_unheard()
        .at(m(5))
        .kill()
        .at(m(6))
        .both_ways(Answer::Accept)
        .want_all(between(m(6), m(8)), &EVERYBODY, "failing")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_survives_a_restart_while_slack_is_down() {
    login()
        .slack(Answer::Status(500))
        .at(m(2))
        .target("login", Down)
        .at(m(3))
        .restart()
        .want_all(at(m(4)), &["ana", "bo"], "failing")
        .at(m(6))
        .slack(Answer::Accept)
        .want_all(between(m(6), m(8)), &["#p2", "#p1"], "failing")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_while_slack_is_down_is_told_when_it_is_back() {
    failing_without_slack()
        .at(m(3))
        .acknowledge(1)
        .at(m(6))
        .slack(Answer::Accept)
        .want(between(m(6), m(8)), slack("#p2").saying("Failing: `login`"))
        .want(between(m(6), m(8)), slack("#p2").saying("acknowledged by eva"))
        .until(m(10))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_two_incidents_to_one_channel_do_not_wait_for_each_other() {
    scenario(vec![Watched::new("login").every(2), Watched::new("cart").every(2)])
        .at(m(2))
        .target("login", Down)
        .target("cart", Down)
        .want(at(m(2)), slack("#p2").saying("login"))
        .want(at(m(2)), slack("#p2").saying("cart"))
        .want_all(at(m(4)), &SECOND, "login")
        .want_all(at(m(4)), &SECOND, "cart")
        .until(m(4))
        .await;
}

const USUAL: &str = "[[policy]]\nname = \"usual\"\nrepeat_every = \"2m\"\n\
    [[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = [\"slack:#p2\", \"sms:ana\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn reminders_that_could_not_be_sent_are_one_when_they_can() {
    login()
        .toml(USUAL)
        .twilio(DOWN)
        .at(m(2))
        .target("login", Down)
        .want(at(m(2)), slack("#p2").saying("failing"))
        .want(at(m(4)), slack("#p2").saying("still fail"))
        .want(at(m(6)), slack("#p2").saying("still fail"))
        .want(at(m(8)), slack("#p2").saying("still fail"))
        .at(m(9))
        .twilio(Answer::Accept)
        .want(between(m(9), m(10)), super::told::sms("ana").saying("failing"))
        .at(m(9) + m(1) / 2)
        .acknowledge(1)
        .want(between(m(9), m(10)), slack("#p2").saying("acknowledged"))
        .until(m(11))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_not_acknowledged_any_more_when_slack_is_back() {
    failing_without_slack()
        .at(m(3))
        .acknowledge(1)
        .at(m(6))
        .target("login", Up)
        .at(m(7))
        .slack(Answer::Accept)
        .want(between(m(6), m(8)), slack("#p2").saying("has recovered"))
        .until(m(10))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reminders_to_a_rota_that_could_not_be_sent_are_one_when_they_can() {
    let rota = USUAL.replace("sms:ana", "sms:primary")
        + "[rota.primary]\nteam = \"devops\"\n[[rota.primary.layer]]\npeople = [\"ana\"]\n\
           starts = \"2026-11-23 09:00\"\nturn = \"daily\"\n";
    login()
        .toml(&rota)
        .both_ways(DOWN)
        .at(m(2))
        .target("login", Down)
        .at(m(7))
        .both_ways(Answer::Accept)
        .want_all(between(m(7), m(8)), &["#p2", "ana"], "still fails after 4m")
        .until(m(7) + m(1) / 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_takes_no_messages_is_followed_by_the_next_person() {
    for code in [21211, 21408, 21610] {
        login()
            .toml(
                "[[policy]]\nname = \"usual\"\n[[policy.tier]]\n\
                 when = { failures_in_a_row = 1 }\nnotify = [\"sms:ana\"]\n",
            )
            .at(m(2))
            .twilio_next(&[Answer::Coded(400, code)])
            .target("login", Down)
            .want(
                between(m(2), m(4)),
                super::told::sms("bo").saying("because an SMS did not reach ana"),
            )
            .at(m(6))
            .target("login", Up)
            .want(between(m(6), m(8)), super::told::sms("bo").saying("recovered"))
            .may(between(m(6), m(8)), super::told::sms("ana").saying("recovered"))
            .until(m(8))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_while_all_ways_are_down_makes_the_health_page_red_and_goes_out_after_all() {
    failing_unheard()
        .at(m(11))
        .want_health(503, "has been owed for")
        .both_ways(Answer::Accept)
        .want_all(between(m(11), m(12)), &EVERYBODY, "failing")
        .until(m(14))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_did_not_leave_before_the_acknowledgement_wakes_nobody() {
    failing_without_sms()
        .at(m(5))
        .acknowledge(1)
        .want_all(at(m(5)), &["#p2", "#p1"], "acknowledged by eva")
        .at(m(6))
        .twilio(Answer::Accept)
        .want_none(between(m(0), m(60)), any_sms())
        .on_postgres_too()
        .until(m(12))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_was_held_back_is_told_once_when_the_acknowledgement_is_over() {
    failing_without_sms()
        .at(m(5))
        .acknowledge_for(1, "10m")
        .want_all(at(m(5)), &["#p2", "#p1"], "acknowledged by eva")
        .at(m(6))
        .twilio(Answer::Accept)
        .want_all(at(m(15)), &EVERYBODY, "the acknowledgement by eva")
        .until(m(18))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_did_not_leave_before_a_silence_waits_for_its_end() {
    failing_without_sms()
        .at(m(5))
        .silence(json!({"checks": ["login"], "for": "10m"}))
        .want_all(at(m(5)), &["#p2", "#p1"], "silenced by eva")
        .at(m(6))
        .twilio(Answer::Accept)
        .want_all(between(m(15), m(16)), &["ana", "bo"], "failing")
        .until(m(18))
        .await;
}
