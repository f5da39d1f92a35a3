//! Killed at the places where it hurts most: what is owed is told, and what may be a repeat says so.

use tripline::failpoint::Failpoint;

use super::scenario::{Down, Up, login, scenario};
use super::setup::Watched;
use super::told::{at, between, m, slack, sms};
use crate::support::provider::Answer;

const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

/// K5: the row is found by looking, and not by a call that was lost. It was leased as it was committed, so
/// it says that it may be a repeat.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_anybody_was_woken_is_sent_once() {
    login()
        .die_at(Failpoint::Committed)
        .at(m(1))
        .target("login", Down)
        .want(between(m(1), m(2)), slack("#p2").saying("possible repeat"))
        .want_all(at(m(2)), &SECOND, "failing")
        .until(m(4))
        .await;
}

/// K5, where there are many.
#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_committed_before_anybody_was_woken_is_sent_once() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .die_at(Failpoint::Committed)
        .want_all(between(m(2), m(3)), &SECOND, "failing")
        .until(m(5))
        .await;
}

/// K6: exactly one message. That it did not leave is not known, so it says that it may be a repeat.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_claimed_and_did_not_leave_is_sent_once_and_says_so() {
    login()
        .die_at(Failpoint::Claimed)
        .at(m(1))
        .target("login", Down)
        .want(between(m(1), m(2)), slack("#p2").saying("possible repeat"))
        .want_all(at(m(2)), &SECOND, "failing")
        .until(m(4))
        .await;
}

/// K8, which cannot be told from K7: at most two messages, and the second says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_and_not_recorded_is_sent_once_more_and_says_so() {
    login()
        .die_at(Failpoint::Accepted)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2").not_saying("repeat"))
        .want(between(m(1), m(2)), slack("#p2").saying("possible repeat"))
        .want_all(at(m(2)), &SECOND, "failing")
        .on_postgres_too()
        .until(m(4))
        .await;
}

/// K8 of the end: it is told, at most twice, and it stays one incident.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_taken_and_not_recorded_is_sent_once_more_and_says_so() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(2))
        .target("login", Up)
        .die_at(Failpoint::Accepted)
        .want(at(m(2)), slack("#p2").saying("recovered").not_saying("repeat"))
        .want(between(m(2), m(3)), slack("#p2").saying("recovered").saying("repeat"))
        .want_incidents(&["check:login over"])
        .until(m(4))
        .await;
}

/// K9: those who have it do not get it again.
#[tokio::test(flavor = "multi_thread")]
async fn of_five_people_of_whom_two_were_told_the_other_three_are() {
    let five = "[people.one]\nphone = \"+4930000001\"\n[people.two]\nphone = \"+4930000002\"\n\
        [people.three]\nphone = \"+4930000003\"\n[people.four]\nphone = \"+4930000004\"\n\
        [people.five]\nphone = \"+4930000005\"\n\
        [[policy]]\nname = \"usual\"\n\
        [[policy.tier]]\nwhen = { failures_in_a_row = 1 }\n\
        notify = [\"sms:one\", \"sms:two\", \"sms:three\", \"sms:four\", \"sms:five\"]\n";
    let mut it = login()
        .toml(five)
        .twilio(Answer::Status(503))
        .twilio_next(&[Answer::Accept, Answer::Accept])
        .at(m(1))
        .target("login", Down)
        .at(m(1) + m(1) / 2)
        .kill()
        .twilio(Answer::Accept);
    for number in 1..=5 {
        let person = sms(&format!("+493000000{number}")).not_saying("repeat");
        it = it.want(between(m(1), m(3)), person);
    }
    it.on_postgres_too().until(m(3)).await;
}

/// K10: what was counted is in the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_first_failure_and_the_second_keeps_the_count() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .kill()
        .want_all(at(m(2)), &SECOND, "2 in a row")
        .until(m(4))
        .await;
}

/// K11: the end is told once, also when it fails again before that.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_committed_and_not_sent_is_told_once_before_what_fails_again() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2").saying("failing"))
        .at(m(2))
        .slack(Answer::Status(503))
        .target("login", Up)
        .die_at(Failpoint::Committed)
        .at(m(3))
        .target("login", Down)
        .at(m(3) + m(1) / 2)
        .slack(Answer::Accept)
        .target("login", Up)
        .want(between(m(3), m(5)), slack("#p2").saying("recovered"))
        .want(between(m(3), m(5)), slack("#p2").saying("again"))
        .want(between(m(3), m(5)), slack("#p2").saying("recovered"))
        .want_incidents(&["check:login over"])
        .until(m(6))
        .await;
}

const USUAL: &str = "[[policy]]\nname = \"usual\"\n\
    [[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = [\"slack:#p2\"]\n\
    [[policy.tier]]\nwhen = { failures_in_a_row = 2 }\nnotify = [\"sms:ana\"]\n";

/// K14: killed when the new project is written and the old one in force.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_a_reload_leaves_the_new_project_whole() {
    login()
        .toml(USUAL)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .die_at(Failpoint::Expected)
        .edit(|project| project.replace("sms:ana", "sms:bo"))
        .want(at(m(2)), sms("bo"))
        .until(m(4))
        .await;
}

/// K14: killed when the new one is in force, and what is not in it any more is still open.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_a_reload_leaves_no_incident_of_a_check_that_is_gone() {
    for point in [Failpoint::Expected, Failpoint::InForce] {
        scenario(vec![Watched::new("login"), Watched::new("cart")])
            .at(m(1))
            .target("login", Down)
            .want(at(m(1)), slack("#p2"))
            .want_all(at(m(2)), &SECOND, "failing")
            .at(m(2) + m(1) / 2)
            .die_at(point)
            .edit(|project| project.remove("login"))
            .want_all(between(m(2), m(3)), &EVERYBODY, "no longer watched")
            .want_incidents(&["check:login over"])
            .until(m(4))
            .await;
    }
}

/// K14, where the edit is of who is on duty: whoever is called is one of the two, and never nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_edit_of_a_rota_calls_somebody() {
    let rota = USUAL.replace("sms:ana", "sms:primary")
        + "[rota.primary]\nteam = \"devops\"\n[[rota.primary.layer]]\npeople = [\"ana\"]\n\
           starts = \"2026-11-23 09:00\"\nturn = \"daily\"\n";
    for point in [Failpoint::Expected, Failpoint::InForce] {
        login()
            .toml(&rota)
            .at(m(1))
            .target("login", Down)
            .want(at(m(1)), slack("#p2"))
            .at(m(1) + m(1) / 2)
            .die_at(point)
            .edit(|project| project.replace("[\"ana\"]", "[\"bo\"]"))
            .want(at(m(2)), sms("bo"))
            .until(m(4))
            .await;
    }
}
