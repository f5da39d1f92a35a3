//! What happens while a message is on its way: its provider took it, and has not said so yet.
//!
//! The first result comes two seconds before the next slot, since no answer is waited for much longer.

use std::time::Duration;

use super::scenario::{Down, Scenario, Silent, Up, login};
use super::told::{any_sms, at, between, m, slack};
use crate::support::provider::Answer;

/// So many seconds after the start.
const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// When the first message leaves, and when something is said of it at last.
const LEFT: Duration = s(118);
const SAID: Duration = s(123);

/// The message of the first failure is on its way.
fn first_on_its_way() -> Scenario {
    let failing = slack("#p2").saying("failing").not_saying("repeat");
    login()
        .at(m(1))
        .target("login", Silent)
        .at(LEFT)
        .slack_next(&[Answer::Hold])
        .report("login", "eu", m(1), Down)
        .want(at(LEFT), failing)
        .at(m(2))
}

/// Those of the second failure to ana and bo are, and eva acknowledges it.
fn acknowledged_on_their_way() -> Scenario {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .twilio_next(&[Answer::Hold, Answer::Hold])
        .want_all(at(m(2)), &["#p1", "ana", "bo"], "failing")
        .at(s(122))
        .acknowledge(1)
        .want_all(at(s(122)), &["#p2", "#p1"], "acknowledged by eva")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_is_told_after_the_failure_that_was_on_its_way() {
    first_on_its_way()
        .target("login", Up)
        .at(SAID)
        .answered_at_last()
        .want(at(SAID), slack("#p2").saying("recovered").not_saying("repeat"))
        .want_incidents(&["check:login over"])
        .until(m(4))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_which_nothing_was_heard_comes_once_more_before_its_end() {
    first_on_its_way()
        .target("login", Up)
        .at(SAID)
        .cut_at_last()
        .want(between(SAID, m(3)), slack("#p2").saying("failing").saying("possible repeat"))
        .want(between(SAID, m(3)), slack("#p2").saying("recovered").not_saying("repeat"))
        .until(m(4))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_keeps_an_sms_that_was_on_its_way_from_coming_again() {
    acknowledged_on_their_way().at(SAID).answered_at_last().until(m(8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_not_repeated_where_nothing_was_heard_of_it() {
    acknowledged_on_their_way()
        .at(SAID)
        .cut_at_last()
        .want_none(between(SAID, m(60)), any_sms())
        .on_postgres_too()
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_failure_does_not_wait_for_an_answer_to_the_first() {
    first_on_its_way()
        .target("login", Down)
        .want_all(at(m(2)), &["#p1", "ana", "bo"], "failing")
        .at(SAID)
        .answered_at_last()
        .until(m(4))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_comes_once_more_and_says_so_where_nothing_was_heard_of_it() {
    first_on_its_way()
        .target("login", Down)
        .want_all(at(m(2)), &["#p1", "ana", "bo"], "failing")
        .at(SAID)
        .cut_at_last()
        .want(between(SAID, m(3)), slack("#p2").saying("failing").saying("possible repeat"))
        .on_postgres_too()
        .until(m(4))
        .await;
}
