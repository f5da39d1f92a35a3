//! Who is called where a rota says who is on duty.

use super::scenario::{Down, Up, scenario};
use super::setup::Watched;
use super::told::{any_sms, at, between, h, m, slack, sms};
use crate::support::provider::Answer;

/// A rota of ana and bo, and whom the tiers tell.
fn primary(starts: &str, more: &str) -> String {
    format!(
        "[[policy]]\nname = \"usual\"\n\
         [[policy.tier]]\nwhen = {{ failures_in_a_row = 1 }}\nnotify = [\"slack:#p2\"]\n\
         [[policy.tier]]\nwhen = {{ failures_in_a_row = 2 }}\nnotify = [\"sms:primary\"]\n\
         [rota.primary]\nteam = \"devops\"\n{more}\n\
         [[rota.primary.layer]]\npeople = [\"ana\", \"bo\"]\nstarts = \"{starts}\"\n\
         turn = \"daily\"\n"
    )
}

fn login() -> super::scenario::Scenario {
    scenario(vec![Watched::new("login")])
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_duty_is_called_and_nobody_else() {
    login()
        .toml(&primary("2026-11-23 09:00", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want(at(m(2)), sms("ana").saying("failing"))
        .want_none(between(m(0), m(9)), sms("bo"))
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_handover_between_two_failures_the_next_is_called() {
    login()
        .toml(&primary("2026-11-22 10:02", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want(at(m(2)), sms("bo"))
        .want_none(between(m(0), m(9)), sms("ana"))
        .on_postgres_too()
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_told_to_whoever_was_told_of_the_beginning() {
    login()
        .toml(&primary("2026-11-22 10:04", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want(at(m(2)), sms("ana").saying("failing"))
        .at(m(6))
        .target("login", Up)
        .want(at(m(6)), slack("#p2").saying("recovered"))
        .want(at(m(6)), sms("ana").saying("recovered"))
        .want_none(between(m(0), m(9)), sms("bo"))
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_on_duty_the_whole_team_is_called() {
    login()
        .toml(&primary("2026-11-24 09:00", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want(at(m(2)), sms("ana"))
        .want(at(m(2)), sms("bo"))
        .until(m(4))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_hours_of_a_layer_the_whole_team_is_called() {
    let hours = primary("2026-11-23 09:00", "") + "hours = \"Mon-Fri 09:00-10:02\"\n";
    login()
        .toml(&hours)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want(at(m(2)), sms("ana"))
        .want(at(m(2)), sms("bo"))
        .until(m(4))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_calls_somebody_else() {
    let other = primary("2026-11-23 09:00", "")
        + "[[rota.primary.override]]\nperson = \"bo\"\nfrom = \"2026-11-23 09:30\"\n\
           until = \"2026-11-23 12:00\"\n";
    login()
        .toml(&other)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want(at(m(2)), sms("bo"))
        .until(m(4))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_telephone_is_replaced_by_the_team() {
    let silent = primary("2026-11-23 09:00", "").replace("[\"ana\", \"bo\"]", "[\"dee\", \"ana\"]");
    login()
        .toml(&(silent + "[people.dee]\nemail = \"dee@example.com\"\n"))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want(at(m(2)), sms("ana"))
        .want(at(m(2)), sms("bo"))
        .until(m(4))
        .await;
}

/// In the night in which the clocks of Berlin go back at 03:00 (01:00 UTC), 09:00 is an hour later.
#[tokio::test(flavor = "multi_thread")]
async fn a_handover_is_by_the_clocks_on_the_wall() {
    scenario(vec![Watched::new("login").every(10)])
        .toml(&primary("2026-10-24 09:00", "timezone = \"Europe/Berlin\""))
        .starting("2026-10-25T06:30:00Z")
        // 08:40 in Berlin: by the clocks of the day before it would be 09:40.
        .at(h(1) + m(10))
        .target("login", Down)
        .want(at(h(1) + m(10)), slack("#p2"))
        .want(at(h(1) + m(20)), sms("ana").saying("failing"))
        .at(h(1) + m(30))
        .target("login", Up)
        .want(at(h(1) + m(30)), slack("#p2").saying("recovered"))
        .want(at(h(1) + m(30)), sms("ana").saying("recovered"))
        // 09:10 and later.
        .at(h(1) + m(50))
        .target("login", Down)
        .want(at(h(1) + m(50)), slack("#p2"))
        .want(at(h(2)), sms("bo").saying("failing"))
        .until(h(2))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rota_that_is_edited_between_two_failures_calls_by_the_new_one() {
    login()
        .toml(&primary("2026-11-23 09:00", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| project.replace("[\"ana\", \"bo\"]", "[\"bo\"]"))
        .want(at(m(2)), sms("bo"))
        .until(m(4))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_called_for_what_is_acknowledged() {
    login()
        .toml(&primary("2026-11-23 09:00", ""))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .acknowledge_for(1, "5m")
        .want(at(m(1) + m(1) / 2), slack("#p2").saying("acknowledged"))
        .want(at(m(6) + m(1) / 2), slack("#p2").saying("still fails"))
        .want(at(m(6) + m(1) / 2), sms("ana").saying("failing"))
        .want_none(between(m(0), m(6)), any_sms())
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_goes_out_later_to_the_one_who_was_called() {
    login()
        .toml(&primary("2026-11-23 09:00", ""))
        .twilio(Answer::Status(503))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(3))
        .twilio(Answer::Accept)
        .want(between(m(2), m(5)), sms("ana"))
        .want_none(between(m(0), m(9)), sms("bo"))
        .until(m(5))
        .await;
}
