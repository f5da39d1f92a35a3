//! Coverage as stories: checks that end unknown, and what is said of it.

use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::check::{Check, Work};
use crate::domain::id::{CheckId, IncidentId};
use crate::domain::policy::{Policy, Roster, Target, Tier};
use crate::domain::run::{Failure, FailureKind, Outcome};
use crate::domain::schedule::{Interval, Schedule};

fn region(name: &str) -> Region {
    Region::new(name).expect("a good name")
}

fn start() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

fn check(name: &str, regions: &[&str]) -> Check {
    Check {
        id: CheckId::new(name).expect("a good name"),
        name: name.to_uppercase(),
        schedule: Schedule::Every(Interval::new(Duration::from_secs(30)).expect("in range")),
        regions: regions.iter().map(|name| region(name)).collect(),
        timeout: Duration::from_secs(20),
        policy: name.into(),
        runbook: None,
        labels: BTreeMap::new(),
        bodies: crate::domain::exchange::Bodies::Kept,
        work: Work::Script { entry: "checks/a.js".into() },
    }
}

/// Tells `#p2` first, then `#p1`.
fn policy(name: &str) -> Policy {
    let tier = |failures, channel: &str| Tier::after(failures, vec![Target::Slack(channel.into())]);
    let tiers = vec![tier(1, "#p2"), tier(2, "#p1")];
    Policy { name: name.into(), tiers, ..Policy::built_in(None) }
}

/// Checks, what is known of them, and the incidents that are open.
struct Story {
    checks: Vec<(Check, Policy, CheckState)>,
    lost: BTreeMap<Region, Lost>,
    open: BTreeMap<Subject, Incident>,
    now: Timestamp,
    opened: i64,
    /// Why runs end unknown.
    reason: String,
}

impl Story {
    fn new(checks: &[(&str, &[&str])]) -> Self {
        let checks = checks
            .iter()
            .map(|(name, regions)| (check(name, regions), policy(name), CheckState::default()))
            .collect();
        let (lost, open) = (BTreeMap::new(), BTreeMap::new());
        let reason = "no capacity in time".to_owned();
        Self { checks, lost, open, now: start(), opened: 0, reason }
    }

    /// A result of `name` in `place`, a second after the last.
    fn tell(&mut self, name: &str, place: &str, outcome: Outcome) {
        self.now += TimeDelta::seconds(1);
        let known = self.checks.iter_mut().find(|(check, ..)| check.id.as_str() == name);
        let (check, policy, state) = known.expect("a known check");
        let streak = state.streaks.entry(region(place)).or_default();
        let next = streak.counting(outcome, self.now, policy.recover_after);
        let broke = streak.heard_until().is_some_and(|heard| check.is_old(heard, self.now));
        *streak = if broke && outcome != Outcome::Unknown {
            next.after_a_break(self.now)
        } else {
            next.explained(&self.reason)
        };
    }

    /// What a review says: `opened coverage:a: slack:#p2`.
    fn review(&mut self) -> Vec<String> {
        let roster = Roster::default();
        let watched: Vec<Watched<'_>> = self
            .checks
            .iter()
            .map(|(check, policy, state)| Watched {
                rules: Rules { check, policy, roster: &roster },
                state,
            })
            .collect();
        let changes = review(&watched, &self.lost, &self.open, self.now);
        let mut said = Vec::new();
        for Change { subject, transition } in changes {
            let mut incident = transition.incident.expect("each changes one");
            let known = incident.id;
            if incident.resolved_at.is_some() {
                assert!(self.open.remove(&subject).is_some(), "it was open");
            } else {
                self.opened += 1;
                incident.id = known.or(Some(IncidentId(self.opened)));
                assert!(self.open.insert(subject.clone(), incident).is_none(), "it was not open");
            }
            let words = transition.decisions.iter().map(|it| it.kind.as_str());
            let told: Vec<String> =
                transition.owed.iter().map(|it| it.recipient.to_string()).collect();
            let words = words.collect::<Vec<_>>().join(" ");
            said.push(format!("{words} {subject}: {}", told.join(" ")));
        }
        said
    }

    /// No agent is heard of in `place` any more.
    fn lose(&mut self, place: &str) {
        let lost = Lost { since: self.now, agent: "one".into(), farewell: Farewell::None };
        self.lost.insert(region(place), lost);
    }

    fn unknown(&mut self, name: &str, place: &str, times: u32) {
        for _ in 0..times {
            self.tell(name, place, Outcome::Unknown);
        }
    }
}

#[test]
fn a_check_that_ends_unknown_five_times_is_told_of_once() {
    let mut story = Story::new(&[("a", &["eu", "us"]), ("b", &["us"])]);
    story.tell("b", "us", Outcome::Passed);
    story.unknown("a", "eu", 4);
    assert!(story.review().is_empty());
    story.unknown("a", "eu", 1);
    assert_eq!(story.review(), ["opened coverage:a: slack:#p2"]);
    let cause = &story.open.values().next().expect("it is open").cause;
    assert_eq!(cause.error, "5 runs in a row ended unknown; the last: no capacity in time");
    // Another region of the same check, and the answers of a third, say nothing new.
    story.unknown("a", "us", 6);
    assert!(story.review().is_empty());
    story.tell("a", "eu", Outcome::Failed);
    assert!(story.review().is_empty());
    story.tell("a", "us", Outcome::Passed);
    assert_eq!(story.review(), ["resolved coverage:a: slack:#p2"]);
    assert!(story.review().is_empty());
}

#[test]
fn a_region_without_any_answer_is_one_incident() {
    let mut story = Story::new(&[("a", &["eu"]), ("b", &["eu"]), ("c", &["eu", "us"])]);
    for (check, place) in [("a", "eu"), ("b", "eu"), ("c", "eu"), ("c", "us")] {
        story.tell(check, place, Outcome::Passed);
    }
    // Their slots are spread over the interval, so the first is there before the others.
    for check in ["a", "b", "c"] {
        story.unknown(check, "eu", 4);
    }
    story.unknown("a", "eu", 1);
    assert_eq!(story.review(), ["opened region:eu: slack:#p2"]);
    story.unknown("b", "eu", 1);
    story.unknown("c", "eu", 3);
    assert!(story.review().is_empty());
    // One answers: the region is seen again, what is still blind has a name of its own.
    story.tell("a", "eu", Outcome::Passed);
    assert_eq!(
        story.review(),
        [
            "resolved region:eu: slack:#p2",
            "opened coverage:b: slack:#p2",
            "opened coverage:c: slack:#p2"
        ]
    );
}

#[test]
fn a_region_that_lost_its_agents_is_one_incident_until_it_answers() {
    let mut story = Story::new(&[("a", &["eu", "us"]), ("b", &["eu"]), ("c", &["eu"])]);
    for (check, place) in [("a", "eu"), ("b", "eu"), ("a", "us")] {
        story.tell(check, place, Outcome::Passed);
    }
    story.lose("eu");
    story.lose("nowhere");
    story.tell("b", "eu", Outcome::Passed);
    story.now += TimeDelta::seconds(30);
    // Also one of which nothing was ever reported has someone who is to know.
    assert_eq!(story.review(), ["opened region:eu: slack:#p2"]);
    let incident = story.open.values().next().expect("it is open").clone();
    assert_eq!(incident.cause.error, {
        "no agent runs its checks; the last, one, is not heard of any more"
    });
    assert_eq!(incident.since, story.now - TimeDelta::seconds(30), "the last result");
    // However long it lasts, and whatever is known of its checks.
    story.unknown("b", "eu", 5);
    story.now += TimeDelta::days(40);
    assert!(story.review().is_empty());
    // That an agent says that it lives is no answer yet, and neither is one from elsewhere.
    story.lost.clear();
    story.tell("a", "us", Outcome::Passed);
    assert!(story.review().is_empty());
    story.tell("c", "eu", Outcome::Failed);
    assert_eq!(story.review(), ["resolved region:eu: slack:#p2"]);
    assert!(story.review().is_empty());
}

#[test]
fn a_lost_region_without_checks_is_nobodys_concern() {
    let mut story = Story::new(&[("a", &["eu", "us"])]);
    story.lose("eu");
    assert_eq!(story.review(), ["opened region:eu: slack:#p2"]);
    story.checks[0].0.regions = vec![region("us")];
    assert_eq!(story.review(), ["resolved region:eu: slack:#p2"]);
    assert!(story.review().is_empty());
}

#[test]
fn an_answer_ends_it_though_the_clock_was_set_back() {
    let mut story = Story::new(&[("a", &["eu"])]);
    story.lose("eu");
    assert_eq!(story.review(), ["opened region:eu: slack:#p2"]);
    story.lost.clear();
    story.now -= TimeDelta::hours(1);
    assert!(story.review().is_empty());
    story.tell("a", "eu", Outcome::Passed);
    assert_eq!(story.review(), ["resolved region:eu: slack:#p2"]);
}

#[test]
fn one_check_alone_is_no_region() {
    let mut story = Story::new(&[("a", &["eu"]), ("slow", &["eu"])]);
    story.tell("slow", "eu", Outcome::Passed);
    story.unknown("a", "eu", 5);
    assert_eq!(story.review(), ["opened coverage:a: slack:#p2"]);
    // When the other has run as well, it is the region; who heard of the check hears its end.
    story.unknown("slow", "eu", 5);
    assert_eq!(story.review(), ["opened region:eu: slack:#p2"]);
    story.tell("a", "eu", Outcome::Passed);
    assert_eq!(
        story.review(),
        [
            "resolved coverage:a: slack:#p2",
            "resolved region:eu: slack:#p2",
            "opened coverage:slow: slack:#p2"
        ]
    );
}

/// A region in which `near` is a neighbour of the agent, and nothing else is reached.
fn cut_off() -> Story {
    let mut story = Story::new(&[("a", &["eu"]), ("b", &["eu"]), ("near", &["eu"])]);
    for check in ["a", "b", "near"] {
        story.tell(check, "eu", Outcome::Passed);
    }
    let failure = Failure::new(FailureKind::Network, "connection refused").cut_off("one: gone");
    story.reason = failure.headline();
    for _ in 0..5 {
        assert!(story.review().is_empty());
        story.unknown("a", "eu", 1);
        story.tell("near", "eu", Outcome::Passed);
    }
    story
}

#[test]
fn a_region_that_is_cut_off_is_one_incident_though_a_neighbour_answers() {
    let mut story = cut_off();
    assert_eq!(story.review(), ["opened region:eu: slack:#p2"]);
    let cause = &story.open.values().next().expect("it is open").cause;
    assert_eq!(cause.error, {
        "the region is cut off: no control target answers (one: gone); 1 checks end unknown"
    });
    story.unknown("b", "eu", 5);
    story.tell("near", "eu", Outcome::Passed);
    assert!(story.review().is_empty());
    // The first that gets through ends it; the other has not had its turn yet.
    story.now += TimeDelta::seconds(70);
    story.unknown("a", "eu", 1);
    story.unknown("b", "eu", 1);
    story.tell("a", "eu", Outcome::Failed);
    assert_eq!(story.review(), ["resolved region:eu: slack:#p2"]);
    assert!(story.review().is_empty());
    // What does not get through even then has the region's trouble anew.
    story.unknown("b", "eu", 1);
    assert_eq!(story.review(), ["opened region:eu: slack:#p2"]);
}

#[test]
fn what_was_unknown_long_ago_opens_nothing() {
    let mut story = Story::new(&[("a", &["eu"])]);
    story.unknown("a", "eu", 7);
    story.now += TimeDelta::seconds(81);
    assert!(story.review().is_empty());
    story.unknown("a", "eu", 1);
    assert_eq!(story.review(), ["opened coverage:a: slack:#p2"]);
    // What is open stays open without news.
    story.now += TimeDelta::hours(5);
    assert!(story.review().is_empty());
}

#[test]
fn a_check_or_region_that_was_taken_out_closes_its_incident() {
    let mut story = Story::new(&[("a", &["eu", "us"]), ("b", &["us"])]);
    story.unknown("a", "eu", 5);
    story.unknown("b", "us", 5);
    assert_eq!(story.review(), ["opened coverage:a: slack:#p2", "opened coverage:b: slack:#p2"]);
    story.checks[0].0.regions = vec![region("us")];
    story.checks.pop();
    assert_eq!(
        story.review(),
        ["resolved coverage:a: slack:#p2", "resolved coverage:b: slack:#p2"]
    );
}

proptest! {
    /// Whatever the results: a review repeats nothing, each place that is blind is covered by an
    /// open incident, each region without agents has one, and nothing is open when all answer.
    #[test]
    fn blindness_is_told_once_and_ends(
        results in proptest::collection::vec((0usize..3, 0usize..2, 0u32..12, 1u32..7), 0..60),
    ) {
        let (names, places) = (["a", "b", "c"], ["eu", "us"]);
        let mut story = Story::new(&[("a", &places), ("b", &places), ("c", &places)]);
        for (name, place, kind, times) in results {
            match kind {
                0 => story.tell(names[name], places[place], Outcome::Passed),
                1 => story.tell(names[name], places[place], Outcome::Failed),
                10 => story.lose(places[place]),
                11 => story.lost = BTreeMap::new(),
                _ => story.unknown(names[name], places[place], times),
            }
            story.review();
            prop_assert!(story.review().is_empty(), "said twice");
            for region in story.lost.keys() {
                prop_assert!(story.open.contains_key(&Subject::Region(region.clone())), "not told");
            }
            for (check, _, state) in &story.checks {
                for (region, streak) in &state.streaks {
                    let own = Subject::Coverage(check.id.clone());
                    let covered = story.open.contains_key(&own)
                        || story.open.contains_key(&Subject::Region(region.clone()));
                    let current = streak.last_slot.is_some_and(|it| {
                        !check.is_old(it + check.timeout, story.now)
                    });
                    prop_assert!(covered || !current || !streak.is_blind(), "not told");
                }
            }
        }
        story.lost = BTreeMap::new();
        for name in names {
            for place in places {
                story.tell(name, place, Outcome::Passed);
            }
        }
        story.review();
        prop_assert!(story.open.is_empty());
    }
}
