//! Incidents as stories: results in, decisions and messages out.

use std::time::Duration;

use chrono::TimeDelta;

use super::*;
use crate::domain::id::PersonId;
use crate::domain::policy::{Condition, Quorum, Target, Tier};
use crate::domain::schedule::{Interval, Schedule};

mod care;
mod model;

fn region(name: &str) -> Region {
    Region::new(name).expect("a good name")
}

fn start() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

fn check_in(regions: &[&str]) -> Check {
    let regions = regions.iter().map(|name| region(name)).collect();
    Check { name: "Sign in".into(), regions, ..Check::example("login") }
}

fn roster() -> Roster {
    let person = |name: &str| PersonId::new(name).expect("a good name");
    Roster {
        people: [(person("ana"), None), (person("bo"), None)].into(),
        teams: [("devops".to_owned(), vec![person("ana"), person("bo")])].into(),
        ..Roster::default()
    }
}

/// One check, its rules, and what came of each result so far.
struct Story {
    check: Check,
    policy: Policy,
    roster: Roster,
    state: CheckState,
    now: Timestamp,
    opened: i64,
}

impl Story {
    fn new(policy: Policy, regions: &[&str]) -> Self {
        Self {
            check: check_in(regions),
            policy,
            roster: roster(),
            state: CheckState::default(),
            now: start(),
            opened: 0,
        }
    }

    fn verdict(region: Region, outcome: Outcome, slot: Timestamp) -> Verdict {
        let error = if outcome == Outcome::Passed { "" } else { "expected 200" };
        Verdict {
            region,
            slot,
            ended: slot,
            outcome,
            step: None,
            request: None,
            error: error.into(),
            overlaps: false,
            overtaken: false,
        }
    }

    /// One result of the present slot, 30 seconds after the last.
    fn tell(&mut self, region: Region, outcome: Outcome) -> Transition {
        self.now += TimeDelta::seconds(30);
        self.tell_at(&Self::verdict(region, outcome, self.now))
    }

    fn tell_at(&mut self, verdict: &Verdict) -> Transition {
        let rules = Rules { check: &self.check, policy: &self.policy, roster: &self.roster };
        let mut transition = step(&self.state, verdict, rules, self.now);
        if let Some(streak) = &transition.streak {
            self.state.streaks.insert(verdict.region.clone(), streak.clone());
        }
        if let Some(incident) = &mut transition.incident {
            if incident.id.is_none() {
                self.opened += 1;
                incident.id = Some(IncidentId(self.opened));
            }
            let is_open = incident.resolved_at.is_none();
            self.state.incident = is_open.then(|| Box::new(incident.clone()));
        }
        transition
    }
}

fn outcome_of(letter: &str) -> Outcome {
    match letter {
        "pass" => Outcome::Passed,
        "fail" => Outcome::Failed,
        "unknown" => Outcome::Unknown,
        other => panic!("no outcome is called {other}"),
    }
}

/// `opened 1: slack:#p2` for what was decided about incident 1 and whom it tells.
fn in_words(transition: &Transition) -> String {
    let kinds = transition.decisions.iter().map(|decision| decision.kind.as_str().to_owned());
    let id = transition.incident.as_ref().and_then(|incident| incident.id);
    let mut line = kinds.chain(id.map(|id| id.to_string())).collect::<Vec<_>>().join(" ");
    if !transition.owed.is_empty() {
        let told = transition.owed.iter().map(|owed| owed.recipient.to_string());
        line = format!("{line}: {}", told.collect::<Vec<_>>().join(" "));
    }
    if line.is_empty() { "-".into() } else { line }
}

/// Tells `results` (`region outcome`, or only the outcome in `eu`) and compares each line.
#[track_caller]
fn check(policy: &Policy, regions: &[&str], results: &[(&str, &str)]) {
    let mut story = Story::new(policy.clone(), regions);
    let mut told = Vec::new();
    for (result, _) in results {
        let (place, outcome) = result.split_once(' ').unwrap_or(("eu", *result));
        told.push(in_words(&story.tell(region(place), outcome_of(outcome))));
    }
    let expected: Vec<&str> = results.iter().map(|(_, line)| *line).collect();
    assert_eq!(told, expected);
}

fn default_policy() -> Policy {
    Policy::built_in(Some("devops"))
}

fn with(quorum: Quorum, recover_after: u32) -> Policy {
    Policy { quorum, recover_after, ..default_policy() }
}

const OPENED: &str = "opened 1: slack:#p2";
const ESCALATED: &str = "escalated 1: slack:#p1 sms:ana sms:bo";

#[test]
fn the_first_failure_tells_p2_the_second_p1_and_everyone_by_sms() {
    let resolved = "resolved 1: slack:#p1 slack:#p2 sms:ana sms:bo";
    check(
        &default_policy(),
        &["eu"],
        &[
            ("pass", "-"),
            ("fail", OPENED),
            ("fail", ESCALATED),
            ("fail", "not_told"),
            ("fail", "-"),
            ("pass", resolved),
            ("pass", "-"),
        ],
    );
}

#[test]
fn an_unknown_result_neither_counts_nor_resets() {
    check(
        &default_policy(),
        &["eu"],
        &[
            ("unknown", "-"),
            ("fail", OPENED),
            ("unknown", "ignored"),
            ("unknown", "-"),
            ("fail", ESCALATED),
        ],
    );
}

#[test]
fn a_pass_between_two_failures_makes_two_incidents() {
    check(
        &default_policy(),
        &["eu"],
        &[
            ("fail", OPENED),
            ("pass", "resolved 1: slack:#p2"),
            ("fail", "opened 2: slack:#p2"),
            ("pass", "resolved 2: slack:#p2"),
        ],
    );
}

#[test]
fn two_regions_failing_once_each_are_not_two_in_a_row() {
    check(
        &default_policy(),
        &["eu", "us"],
        &[
            ("eu fail", OPENED),
            ("us fail", "not_told"),
            ("eu pass", "ignored"),
            ("eu pass", "-"),
            ("us fail", ESCALATED),
            ("us pass", "resolved 1: slack:#p1 slack:#p2 sms:ana sms:bo"),
        ],
    );
}

#[test]
fn a_quorum_waits_for_the_others() {
    check(
        &with(Quorum::Majority, 1),
        &["eu", "us", "ap"],
        &[
            ("eu fail", "not_told"),
            ("us pass", "-"),
            ("ap fail", OPENED),
            ("eu fail", "not_told"),
            ("ap fail", ESCALATED),
            // One of three is still down, which is less than the quorum.
            ("ap pass", "resolved 1: slack:#p1 slack:#p2 sms:ana sms:bo"),
            ("eu fail", "not_told"),
        ],
    );
    check(
        &with(Quorum::All, 1),
        &["eu", "us"],
        &[("eu fail", "not_told"), ("us fail", OPENED), ("eu pass", "resolved 1: slack:#p2")],
    );
}

#[test]
fn recovering_takes_as_many_passes_as_the_policy_wants() {
    check(
        &with(Quorum::Count(1), 2),
        &["eu"],
        &[
            ("fail", OPENED),
            ("pass", "ignored"),
            ("unknown", "ignored"),
            ("pass", "resolved 1: slack:#p2"),
            ("fail", "opened 2: slack:#p2"),
            ("pass", "ignored"),
            // Still the same incident, and its first tier was told.
            ("fail", "not_told"),
            ("fail", "escalated 2: slack:#p1 sms:ana sms:bo"),
        ],
    );
}

#[test]
fn a_policy_may_tell_nobody_at_first_and_several_tiers_at_once() {
    let tier = |failures, target: &str| Tier::after(failures, vec![Target::Slack(target.into())]);
    let patient =
        Policy { tiers: vec![tier(2, "#p2"), tier(2, "#p1"), tier(3, "#p2")], ..default_policy() };
    check(
        &patient,
        &["eu"],
        &[
            ("fail", "not_told"),
            ("fail", "opened 1: slack:#p2 slack:#p1"),
            ("fail", "escalated 1: slack:#p2"),
        ],
    );
}

#[test]
fn a_result_that_comes_late_is_not_counted() {
    let mut story = Story::new(default_policy(), &["eu"]);
    story.tell(region("eu"), Outcome::Passed);
    let late = Story::verdict(region("eu"), Outcome::Failed, story.now - TimeDelta::seconds(30));
    let again = Story::verdict(region("eu"), Outcome::Failed, story.now);
    for verdict in [late, again] {
        let transition = story.tell_at(&verdict);
        assert_eq!(in_words(&transition), "ignored");
        assert_eq!((transition.streak, transition.owed.len()), (None, 0));
    }
}

#[test]
fn a_region_that_was_taken_out_counts_no_more() {
    let mut story = Story::new(default_policy(), &["eu", "us"]);
    story.tell(region("us"), Outcome::Failed);
    story.check.regions = vec![region("eu")];
    assert_eq!(in_words(&story.tell(region("us"), Outcome::Failed)), "ignored");
    let resolved = story.tell(region("eu"), Outcome::Passed);
    assert_eq!(in_words(&resolved), "resolved 1: slack:#p2");
}

#[test]
fn a_check_that_was_taken_out_closes_its_incident() {
    let mut story = Story::new(default_policy(), &["eu"]);
    story.tell(region("eu"), Outcome::Failed);
    let open = story.state.incident.expect("it is open");
    let end = withdraw(&open, &story.check.id, "Sign in", story.now);
    assert_eq!(in_words(&end), "resolved 1: slack:#p2");
    assert_eq!(end.owed[0].notice.kind, NoticeKind::Withdrawn);
}

/// The story goes on `seconds` later.
fn later(story: &mut Story, seconds: i64) {
    story.now += TimeDelta::seconds(seconds);
}

fn late(story: &Story, place: &str, outcome: Outcome, seconds: i64) -> Verdict {
    Story::verdict(region(place), outcome, story.now - TimeDelta::seconds(seconds))
}

fn reason(transition: &Transition) -> &str {
    transition.decisions.first().map_or("", |decision| &decision.reason)
}

#[test]
fn a_late_failure_counts_and_tells_nobody_before_a_fresh_one() {
    let mut story = Story::new(default_policy(), &["eu"]);
    later(&mut story, 1000);
    let first = late(&story, "eu", Outcome::Failed, 600);
    let told = story.tell_at(&first);
    assert_eq!(
        reason(&told),
        "failed 1 in a row in eu, late by 10 min: counted, nobody is told before a fresh result \
         fails, too"
    );
    let second = late(&story, "eu", Outcome::Failed, 61);
    assert_eq!(in_words(&story.tell_at(&second)), "not_told");
    let fresh = late(&story, "eu", Outcome::Failed, 31);
    let told = story.tell_at(&fresh);
    assert_eq!(in_words(&told), "opened 1: slack:#p2 slack:#p1 sms:ana sms:bo");
    assert_eq!(told.owed[0].notice.failures_in_a_row, 3);
    assert_eq!(told.owed[0].notice.since, first.slot);
}

#[test]
fn a_failure_that_was_heard_of_with_the_pass_after_it_counts_and_tells_nobody() {
    let mut story = Story::new(default_policy(), &["eu"]);
    let over =
        Verdict { overtaken: true, ..Story::verdict(region("eu"), Outcome::Failed, story.now) };
    let told = story.tell_at(&over);
    assert_eq!(in_words(&told), "not_told");
    assert_eq!(
        reason(&told),
        "failed 1 in a row in eu, and has passed there since: counted, nobody is told of it"
    );
    // Where it must pass more than once, it is still down, and the next failure is told.
    let told = story.tell(region("eu"), Outcome::Failed);
    assert_eq!(in_words(&told), "opened 1: slack:#p2 slack:#p1 sms:ana sms:bo");
    assert_eq!(told.owed[0].notice.failures_in_a_row, 2);
}

#[test]
fn how_often_it_failed_counts_whatever_passed_since() {
    let when = Condition::FailuresOfLast { failures: 2, of_last: 3 };
    let policy = Policy {
        tiers: vec![Tier { when, ..default_policy().tiers[0].clone() }],
        ..default_policy()
    };
    let mut story = Story::new(policy, &["eu"]);
    let mut told = Vec::new();
    for _ in 0..2 {
        later(&mut story, 30);
        let over = Story::verdict(region("eu"), Outcome::Failed, story.now);
        told.push(in_words(&story.tell_at(&Verdict { overtaken: true, ..over })));
        story.tell(region("eu"), Outcome::Passed);
    }
    assert_eq!(told, ["not_told", "opened 1: slack:#p2"]);
}

#[test]
fn a_run_that_took_its_time_is_not_late() {
    let mut story = Story::new(default_policy(), &["eu"]);
    let slot = story.now;
    later(&mut story, 79);
    let ended = slot + TimeDelta::seconds(20);
    let timed_out = Verdict { ended, ..Story::verdict(region("eu"), Outcome::Failed, slot) };
    assert_eq!(in_words(&story.tell_at(&timed_out)), OPENED);
    // A clock that runs ahead does not make an old result young.
    let mut story = Story::new(default_policy(), &["eu"]);
    later(&mut story, 600);
    let ahead = Verdict { ended: story.now, ..timed_out };
    assert_eq!(in_words(&story.tell_at(&ahead)), "not_told");
}

#[test]
fn a_busy_machine_is_told_of_failures_of_checks_that_run_every_second() {
    let mut story = Story::new(default_policy(), &["eu"]);
    let every = Interval::new(Duration::from_secs(1)).expect("in range");
    story.check.schedule = Schedule::Every(every);
    later(&mut story, 100);
    let behind = late(&story, "eu", Outcome::Failed, 10);
    assert_eq!(in_words(&story.tell_at(&behind)), OPENED);
    later(&mut story, 20);
    let too_far = late(&story, "eu", Outcome::Failed, 11);
    assert_eq!(in_words(&story.tell_at(&too_far)), "not_told");
}

#[test]
fn times_at_the_ends_of_time_overflow_nothing() {
    for slot in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
        let mut story = Story::new(with(Quorum::Majority, 1), &["eu", "us"]);
        story.tell(region("us"), Outcome::Failed);
        let odd = Verdict { ended: Timestamp::MAX_UTC, ..late(&story, "eu", Outcome::Failed, 0) };
        for outcome in [Outcome::Failed, Outcome::Unknown, Outcome::Passed] {
            story.tell_at(&Verdict { slot, outcome, ..odd.clone() });
            story.tell(region("us"), Outcome::Failed);
            story.tell(region("us"), Outcome::Passed);
        }
    }
}

#[test]
fn a_late_success_resolves() {
    let mut story = Story::new(default_policy(), &["eu"]);
    story.tell(region("eu"), Outcome::Failed);
    later(&mut story, 700);
    let passed = late(&story, "eu", Outcome::Passed, 600);
    let told = story.tell_at(&passed);
    assert_eq!(in_words(&told), "resolved 1: slack:#p2");
    assert_eq!(reason(&told), "passed in eu (late by 10 min); no region is down any more");
}

#[test]
fn a_region_without_news_does_not_open_an_incident() {
    let mut story = Story::new(with(Quorum::Count(2), 1), &["eu", "us"]);
    story.tell(region("eu"), Outcome::Failed);
    later(&mut story, 120);
    let alone = story.tell(region("us"), Outcome::Failed);
    assert_eq!(reason(&alone), "failed in 1 of 2 regions, quorum 2: nobody is told");
    // One that is only unknown for a moment does: that is neutral.
    story.tell(region("eu"), Outcome::Unknown);
    assert_eq!(in_words(&story.tell(region("us"), Outcome::Failed)), OPENED);
}

#[test]
fn a_region_that_fell_silent_does_not_keep_an_incident_open() {
    let mut story = Story::new(default_policy(), &["eu", "us"]);
    story.tell(region("us"), Outcome::Passed);
    story.tell(region("eu"), Outcome::Failed);
    let mut said = Vec::new();
    for _ in 0..11 {
        said.push(story.tell(region("us"), Outcome::Passed));
    }
    let last = said.pop().expect("eleven");
    assert!(said.iter().all(|it| it.owed.is_empty()));
    assert_eq!(in_words(&last), "resolved 1: slack:#p2");
    assert_eq!(
        reason(&last),
        "passed in us; no region is down any more; no answer for long from eu, not waited for"
    );
    let notice = &last.owed[0].notice;
    let states: Vec<_> = notice.regions.iter().map(|it| (it.region.as_str(), it.outcome)).collect();
    assert_eq!(states, [("us", Outcome::Passed), ("eu", Outcome::Unknown)]);
    // It is still down, and says so itself.
    assert_eq!(
        in_words(&story.tell(region("eu"), Outcome::Failed)),
        "opened 2: slack:#p2 slack:#p1 sms:ana sms:bo"
    );
}

#[test]
fn a_silence_of_the_hub_is_no_silence_of_a_region() {
    let mut story = Story::new(default_policy(), &["eu", "us"]);
    story.tell(region("us"), Outcome::Passed);
    story.tell(region("eu"), Outcome::Failed);
    later(&mut story, 3600);
    for _ in 0..10 {
        assert!(story.tell(region("us"), Outcome::Passed).owed.is_empty());
    }
    assert_eq!(in_words(&story.tell(region("eu"), Outcome::Failed)), ESCALATED);
    assert_eq!(
        in_words(&story.tell(region("eu"), Outcome::Passed)),
        "resolved 1: slack:#p1 slack:#p2 sms:ana sms:bo"
    );
}

#[test]
fn regions_that_are_added_raise_the_quorum() {
    let mut story = Story::new(with(Quorum::Majority, 1), &["eu", "us", "ap"]);
    story.tell(region("eu"), Outcome::Failed);
    assert_eq!(in_words(&story.tell(region("us"), Outcome::Failed)), OPENED);
    story.check.regions.extend(["sa", "af"].map(region));
    assert_eq!(in_words(&story.tell(region("us"), Outcome::Unknown)), "ignored");
    let resolved = story.tell(region("sa"), Outcome::Passed);
    assert_eq!(in_words(&resolved), "resolved 1: slack:#p2");
    assert_eq!(reason(&resolved), "passed in sa; 2 of 5 regions down, quorum 3");
}

#[test]
fn every_decision_says_why() {
    let mut story = Story::new(with(Quorum::Majority, 2), &["eu", "us", "ap"]);
    let mut reasons = Vec::new();
    for result in ["eu fail", "us fail", "us fail", "eu fail", "us pass", "ap unknown", "us pass"] {
        let (place, outcome) = result.split_once(' ').expect("two words");
        let transition = story.tell(region(place), outcome_of(outcome));
        reasons.extend(transition.decisions.into_iter().map(|decision| decision.reason));
    }
    insta::assert_snapshot!(reasons.join("\n"), @"
    failed in 1 of 3 regions, quorum 2: nobody is told
    first failure in us (2 regions, quorum 2): tier 1 of policy p2-then-p1 tells slack:#p2
    failed 2 in a row in us; no further tier is reached
    2 failures in a row in eu (2 regions, quorum 2): tier 2 of policy p2-then-p1 tells slack:#p1, sms:ana, sms:bo
    passed in us; 1 of 2 passes in a row needed to recover
    unknown in ap (expected 200): neither a failure nor a success
    passed in us; 1 of 3 regions down, quorum 2
    ");
}

#[test]
fn a_notice_speaks_of_the_moment_it_was_decided() {
    let mut story = Story::new(default_policy(), &["eu", "us"]);
    story.tell(region("us"), Outcome::Failed);
    story.tell(region("eu"), Outcome::Failed);
    let escalated = story.tell(region("eu"), Outcome::Failed);
    let notice = &escalated.owed[0].notice;
    assert_eq!(notice.kind, NoticeKind::Failing { tier: 2 });
    assert_eq!(notice.down, [region("eu"), region("us")]);
    let states: Vec<_> =
        notice.regions.iter().map(|it| (it.region.as_str(), it.failures_in_a_row)).collect();
    assert_eq!(states, [("eu", 2), ("us", 1)]);
    assert_eq!((notice.region.as_str(), notice.failures_in_a_row), ("eu", 2));
    assert_eq!(notice.since, start() + TimeDelta::seconds(30));
    assert_eq!(notice.lasted(), Duration::from_mins(1));
}
