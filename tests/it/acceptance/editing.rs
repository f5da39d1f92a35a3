//! What is edited while something fails.

use super::scenario::{Down, Up, login, scenario};
use super::setup::Watched;
use super::told::{any_sms, at, between, m, slack, sms};

const EVERYBODY: [&str; 4] = ["#p2", "#p1", "ana", "bo"];
const SECOND: [&str; 3] = ["#p1", "ana", "bo"];

const USUAL: &str = "[[policy]]\nname = \"usual\"\n\
    [[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = [\"slack:#p2\"]\n\
    [[policy.tier]]\nwhen = { failures_in_a_row = 3 }\nnotify = [\"slack:#p1\", \"sms:devops\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_given_another_name_is_the_same() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| project.check("login").more = "name = \"Sign in\"\n".into())
        .want_all(at(m(2)), &SECOND, "Sign in")
        .at(m(4))
        .target("login", Up)
        .want_all(at(m(4)), &EVERYBODY, "recovered")
        .want_incidents(&["check:login over"])
        .until(m(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_given_another_id_is_another_check() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| project.check("login").id = "sign-in".into())
        .want(at(m(1) + m(1) / 2), slack("#p2").saying("no longer watched"))
        .target("sign-in", Down)
        .want(at(m(2)), slack("#p2").saying("Failing: sign-in"))
        .want_all(at(m(3)), &SECOND, "sign-in")
        .want_incidents(&["check:login over", "check:sign-in open"])
        .until(m(4))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_taken_out_while_failing_is_told_to_all_who_were_told() {
    scenario(vec![Watched::new("login"), Watched::new("cart")])
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(2) + m(1) / 2)
        .edit(|project| project.remove("login"))
        .want_all(at(m(2) + m(1) / 2), &EVERYBODY, "no longer watched")
        .want_incidents(&["check:login over"])
        .on_postgres_too()
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_comes_back_begins_anew() {
    scenario(vec![Watched::new("login"), Watched::new("cart")])
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| project.remove("login"))
        .want(at(m(1) + m(1) / 2), slack("#p2").saying("no longer watched"))
        .at(m(20) + m(1) / 2)
        .edit(|project| project.checks.push(Watched::new("login")))
        .want(at(m(21)), slack("#p2").saying("Failing: login"))
        .until(m(21))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_switched_off_while_failing_is_over() {
    login()
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| project.check("login").enabled = false)
        .want(at(m(1) + m(1) / 2), slack("#p2").saying("no longer watched"))
        .want_none(between(m(0), m(9)), any_sms())
        .want_incidents(&["check:login over"])
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_edited_between_two_failures_counts_from_then_on() {
    login()
        .toml(USUAL)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| project.replace("[\"slack:#p1\", \"sms:devops\"]", "[\"sms:bo\"]"))
        .want(at(m(3)), sms("bo"))
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_that_is_lowered_below_what_failed_already_is_told_at_the_next_failure() {
    login()
        .toml(&USUAL.replace("failures_in_a_row = 3", "failures_in_a_row = 9"))
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(3) + m(1) / 2)
        .edit(|project| project.replace("failures_in_a_row = 9", "failures_in_a_row = 2"))
        .want_all(at(m(4)), &SECOND, "failing")
        .until(m(6))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_that_is_taken_out_while_failing_is_not_told_but_the_end_is() {
    login()
        .toml(USUAL)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(3)), &SECOND, "failing")
        .at(m(4) + m(1) / 2)
        .edit(|project| {
            let second = USUAL.split_once("[[policy.tier]]\nwhen = { failures_in_a_row = 3 }");
            let (first, _) = second.expect("it has two tiers");
            project.tables = first.to_owned();
        })
        .at(m(6))
        .target("login", Up)
        .want_all(at(m(6)), &EVERYBODY, "recovered")
        .until(m(8))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_by_time_that_is_added_while_failing_is_reached_by_the_time_that_has_passed() {
    login()
        .toml(USUAL)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(3)), &SECOND, "failing")
        .at(m(8) + m(1) / 2)
        .edit(|project| {
            project.tables.push_str(
                "[[policy.tier]]\nwhen = { open_for = \"5m\" }\nnotify = [\"slack:#shop\"]\n",
            );
        })
        .want(at(m(8) + m(1) / 2), slack("#shop").saying("login"))
        .until(m(10))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_taken_out_while_the_check_is_down_there_does_not_hold_it_open() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"]), Watched::new("cart")])
        .at(m(1))
        .target_in("login", "eu", Down)
        .want(at(m(1)), slack("#p2"))
        .want_all(at(m(2)), &SECOND, "failing")
        .at(m(2) + m(1) / 2)
        .edit(|project| project.check("login").regions = vec!["us".into()])
        .want_all(at(m(3)), &EVERYBODY, "recovered")
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_with_a_mistake_leaves_the_one_before_in_force() {
    login()
        .toml(USUAL)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .mistake("[[policy]]\nname = \"broken\"\n")
        .want_all(at(m(3)), &SECOND, "failing")
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_the_team_between_two_failures_is_called() {
    login()
        .toml("[people.cy]\nphone = \"+4930333333\"\n")
        .toml(&USUAL.replace("\"sms:devops\"", "\"sms:night\""))
        .toml(
            "[people.dee]\nphone = \"+4930444444\"\n[rota.night]\nteam = \"devops\"\n\
               [[rota.night.layer]]\npeople = [\"dee\"]\nstarts = \"2026-11-23 09:00\"\n\
               turn = \"daily\"\n",
        )
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| project.replace("people = [\"dee\"]", "people = [\"cy\"]"))
        .want(at(m(3)), slack("#p1"))
        .want(at(m(3)), sms("cy"))
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_that_is_raised_while_failing_ends_what_it_does_not_count_any_more() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .toml(USUAL)
        .at(m(1))
        .target_in("login", "eu", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| {
            project.replace("name = \"usual\"", "name = \"usual\"\nquorum = \"all\"");
        })
        .want(at(m(2)), slack("#p2").saying("recovered"))
        .want_reason("1 of 2 regions down, quorum 2")
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_given_another_policy_while_failing_is_told_by_that() {
    let shop = "[[policy]]\nname = \"shop\"\n\
        [[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = [\"slack:#shop\"]\n\
        [[policy.tier]]\nwhen = { failures_in_a_row = 2 }\nnotify = [\"sms:bo\"]\n";
    scenario(vec![Watched::new("login").with("policy = \"usual\"")])
        .toml(USUAL)
        .toml(shop)
        .at(m(1))
        .target("login", Down)
        .want(at(m(1)), slack("#p2"))
        .at(m(1) + m(1) / 2)
        .edit(|project| project.check("login").more = "policy = \"shop\"\n".into())
        .want(at(m(2)), sms("bo"))
        .at(m(4))
        .target("login", Up)
        .want_all(at(m(4)), &["#p2", "bo"], "recovered")
        .until(m(6))
        .await;
}
