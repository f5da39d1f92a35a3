//! Much that fails at once: few messages, and nothing untold.

use super::scenario::{Down, Scenario, Up, scenario};
use super::setup::Watched;
use super::told::{any_sms, at, between, m, slack};

const CHECKS: [&str; 8] = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"];

fn storm() -> Scenario {
    let story = scenario(CHECKS.map(Watched::new).into()).closely().at(m(1));
    CHECKS.iter().fold(story, |story, check| story.target(check, Down))
}

/// The first five by themselves, and the rest together.
fn told(story: Scenario, to: &str, minute: u64) -> Scenario {
    let alone = |story: Scenario, _| {
        story.want(at(m(minute)), slack(to).saying("failing").not_saying("more incident"))
    };
    (0..5)
        .fold(story, alone)
        .want(between(m(minute), m(minute) + m(1) / 2), slack(to).saying("3 more incidents"))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_fail_at_once_the_first_are_told_alone_and_the_rest_together() {
    let story = ["#p1", "ana", "bo"].iter().fold(told(storm(), "#p2", 1), |it, to| told(it, to, 2));
    story.on_postgres_too().until(m(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_once_in_a_storm_and_is_over_wakes_nobody() {
    let story = told(storm(), "#p2", 1).at(m(2));
    let story = CHECKS.iter().fold(story, |story, check| story.target(check, Up));
    let alone = |story: Scenario, _| {
        // What was told by itself ends in its own message, unless it is told with the others.
        story.may(between(m(2), m(5)), slack("#p2").saying("recovered"))
    };
    (0..8)
        .fold(story, alone)
        .may(between(m(2), m(5)), slack("#p2").saying("ended"))
        .want_none(between(m(0), m(6)), any_sms())
        .until(m(5))
        .await;
}
