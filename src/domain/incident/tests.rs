//! Incidents as stories: results in, decisions and messages out.

use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::id::PersonId;
use crate::domain::policy::{Quorum, Target, Tier};

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
        Verdict { region, slot, outcome, step: None, error: error.into() }
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
            self.state.incident = Some(incident.clone()).filter(|it| it.resolved_at.is_none());
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
    let tier = |failures_in_a_row, target: &str| Tier {
        failures_in_a_row,
        notify: vec![Target::Slack(target.into())],
    };
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
    failed 1 in a row in eu, down in 1 of 3 regions; policy p2-then-p1 tells after 1 in a row in 2 regions: nobody is told
    first failure in us: tier 1 of policy p2-then-p1 tells slack:#p2
    failed 2 in a row in us; no further tier is reached
    2 failures in a row in eu: tier 2 of policy p2-then-p1 tells slack:#p1, sms:ana, sms:bo
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
    assert_eq!((notice.region.as_str(), notice.failures_in_a_row), ("eu", 2));
    assert_eq!(notice.since, start() + TimeDelta::seconds(30));
    assert_eq!(notice.lasted(), Duration::from_mins(1));
}

/// The rules again, as briefly as they can be said: counts, and nothing of how they are told.
#[derive(Default)]
struct Model {
    regions: BTreeMap<usize, (u32, u32, bool)>,
    open: Option<(BTreeSet<usize>, BTreeSet<String>)>,
}

impl Model {
    /// Whom the result tells.
    fn tell(
        &mut self,
        policy: &Policy,
        of: usize,
        at: usize,
        outcome: Outcome,
    ) -> BTreeSet<String> {
        let (failures, passes, down) = self.regions.entry(at).or_default();
        match outcome {
            Outcome::Unknown => return BTreeSet::new(),
            Outcome::Failed => (*failures, *passes, *down) = (*failures + 1, 0, true),
            Outcome::Passed => {
                *failures = 0;
                *passes += 1;
                *down &= *passes < policy.recover_after;
            }
        }
        let quorum = policy.quorum.of(of);
        let many = |met: &dyn Fn(&(u32, u32, bool)) -> bool| {
            self.regions.values().filter(|region| met(region)).count() >= quorum
        };
        if outcome == Outcome::Passed {
            let over = self.open.take_if(|_| !many(&|(_, _, down)| *down));
            return over.map(|(_, told)| told).unwrap_or_default();
        }
        let tiers = policy.tiers.iter().enumerate();
        let reached: BTreeSet<usize> = tiers
            .filter(|(_, tier)| many(&|(failures, ..)| *failures >= tier.failures_in_a_row))
            .map(|(number, _)| number)
            .collect();
        let known = self.open.as_ref().map(|(tiers, _)| tiers.clone()).unwrap_or_default();
        let fresh: Vec<usize> = reached.difference(&known).copied().collect();
        if fresh.is_empty() {
            return BTreeSet::new();
        }
        let targets = fresh.iter().flat_map(|number| &policy.tiers[*number].notify);
        let people = targets.flat_map(|target| roster().recipients(target));
        let told: BTreeSet<String> = people.map(|recipient| recipient.to_string()).collect();
        let (tiers, all) = self.open.get_or_insert_default();
        tiers.extend(fresh);
        all.extend(told.iter().cloned());
        told
    }
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let quorum =
        prop_oneof![(1u32..4).prop_map(Quorum::Count), Just(Quorum::Majority), Just(Quorum::All)];
    let target = prop_oneof![
        Just(Target::Slack("#p1".into())),
        Just(Target::Slack("#p2".into())),
        Just(Target::Sms("devops".into())),
        Just(Target::Sms("bo".into())),
    ];
    let tier = (1u32..5, proptest::collection::vec(target, 0..3))
        .prop_map(|(failures_in_a_row, notify)| Tier { failures_in_a_row, notify });
    (quorum, 1u32..4, proptest::collection::vec(tier, 0..4)).prop_map(
        |(quorum, recover_after, tiers)| Policy {
            name: "any".into(),
            quorum,
            recover_after,
            tiers,
        },
    )
}

fn any_results() -> impl Strategy<Value = Vec<(usize, Outcome)>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Failed),
        3 => Just(Outcome::Passed),
        1 => Just(Outcome::Unknown)
    ];
    proptest::collection::vec((0usize..3, outcome), 0..60)
}

proptest! {
    /// Whatever the policy and the results: those are told whom the model names, a tier speaks
    /// once in an incident, and its end is told to exactly those who were told of it (I4).
    #[test]
    fn the_rules_hold(policy in any_policy(), results in any_results()) {
        let names = ["eu", "us", "ap"];
        let mut story = Story::new(policy.clone(), &names);
        let mut model = Model::default();
        let (mut told, mut tiers) = (BTreeSet::new(), BTreeSet::new());
        for (place, outcome) in results {
            let transition = story.tell(region(names[place]), outcome);
            let now_told: BTreeSet<String> =
                transition.owed.iter().map(|owed| owed.recipient.to_string()).collect();
            prop_assert_eq!(now_told.len(), transition.owed.len(), "nobody is told twice");
            prop_assert_eq!(&now_told, &model.tell(&policy, 3, place, outcome));
            for owed in &transition.owed {
                if let NoticeKind::Failing { tier } = owed.notice.kind {
                    let recipient = owed.recipient.to_string();
                    prop_assert!(tiers.insert((tier, recipient.clone())), "a tier spoke twice");
                    told.insert(recipient);
                } else {
                    prop_assert!(told.contains(&owed.recipient.to_string()));
                }
            }
            prop_assert_eq!(story.state.incident.is_some(), model.open.is_some());
            if transition.incident.is_some_and(|incident| incident.resolved_at.is_some()) {
                prop_assert_eq!(&now_told, &told);
                told.clear();
                tiers.clear();
            }
        }
    }
}
