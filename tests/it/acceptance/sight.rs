//! What is not seen: runs that end unknown, results that are missing, regions without agents.

use super::scenario::{Down, Odd, Scenario, Silent, Up, login, scenario};
use super::setup::Watched;
use super::told::{any_sms, between, m, slack};

/// Little time and few slots are enough to judge by.
const COVERAGE: &str = "[coverage]\nover = \"10m\"\nslots = 5\n";

fn two() -> Scenario {
    scenario(vec![Watched::new("login"), Watched::new("cart")]).closely()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_region_is_one_incident_and_its_checks_are_none() {
    two()
        .on_postgres_too()
        .at(m(2) + m(1) / 4)
        .lose_agent("eu")
        .target("login", Silent)
        .target("cart", Silent)
        .want(between(m(2) + m(1) / 2, m(4)), slack("#p2").saying("Blind: region eu"))
        .at(m(6))
        .find_agent("eu")
        .target("login", Up)
        .target("cart", Up)
        .want(between(m(6), m(7)), slack("#p2").saying("Seen again: ").saying("region eu"))
        .want_none(between(m(0), m(9)), any_sms())
        .want_incidents(&["region:eu over"])
        .until(m(9))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_the_region_that_is_left_is_told_as_ever() {
    scenario(vec![Watched::new("login").regions(&["eu", "us"])])
        .closely()
        .at(m(2) + m(1) / 4)
        .lose_agent("eu")
        .target_in("login", "eu", Silent)
        .want(between(m(2) + m(1) / 2, m(4)), slack("#p2").saying("Blind: region eu"))
        .at(m(5))
        .target_in("login", "us", Down)
        .want(between(m(5), m(5)), slack("#p2").saying("Failing: login"))
        .want_all(between(m(6), m(6)), &["#p1", "ana", "bo"], "failing")
        .want_incidents(&["region:eu open", "check:login open"])
        .until(m(7))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_back_soon_is_not_missed() {
    two()
        .at(m(2) + m(1) / 12)
        .lose_agent("eu")
        .at(m(2) + m(1) / 3)
        .find_agent("eu")
        .want_incidents(&[])
        .until(m(5))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_ends_unknown_again_and_again_is_told_of_once() {
    login()
        .closely()
        .at(m(1))
        .target("login", Odd)
        .want(between(m(5), m(6)), slack("#p2").saying("Blind: login"))
        .at(m(9))
        .target("login", Up)
        .want(between(m(9), m(10)), slack("#p2").saying("Seen again: ").saying("login"))
        .want_none(between(m(0), m(12)), any_sms())
        .want_incidents(&["coverage:login over"])
        .until(m(11))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_missing_now_and_then_are_low_coverage() {
    let mut story = login().closely().toml(COVERAGE);
    for minute in 1..=10 {
        story = story.at(m(minute)).target("login", if minute % 2 == 0 { Odd } else { Up });
    }
    story
        .want(between(m(4), m(9)), slack("#p2").saying("Blind: region eu").saying("are known"))
        .at(m(11))
        .target("login", Up)
        .want(between(m(12), m(17)), slack("#p2").saying("Seen again: ").saying("region eu"))
        .want_none(between(m(0), m(20)), any_sms())
        .want_incidents(&["shortfall:eu over"])
        .until(m(18))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_due_and_not_run_is_told_of_though_an_agent_is_there() {
    two()
        .toml("[coverage]\nover = \"10m\"\nslots = 1000\n")
        .at(m(2))
        .target("login", Silent)
        .want(between(m(4), m(8)), slack("#p2").saying("login is due and not run"))
        .at(m(10))
        .target("login", Up)
        .want(between(m(10), m(16)), slack("#p2").saying("Seen again: ").saying("region eu"))
        .want_none(between(m(0), m(20)), any_sms())
        .want_incidents(&["shortfall:eu over"])
        .until(m(17))
        .await;
}
