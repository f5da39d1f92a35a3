use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::super::state::{Data, Evaluation, Found};
use super::super::{Condition, RuleName};
use super::*;
use crate::domain::id::PersonId;
use crate::domain::incident::DecisionKind;
use crate::domain::policy::{Policy, Target, Tier};

/// A rule with its state and its open incidents, evaluated once a minute.
struct Story {
    rule: Rule,
    roster: Roster,
    state: RuleState,
    open: BTreeMap<Subject, Incident>,
    minute: i64,
}

fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T02:00:00Z".parse().expect("a time");
    start + TimeDelta::minutes(minute)
}

fn story(hold: u64, on_missing: OnMissing) -> Story {
    let ana = PersonId::new("ana").expect("a name");
    let tier = Tier::after;
    Story {
        rule: Rule {
            name: RuleName::new("disks fill").expect("a name"),
            condition: Condition::Expression("disk > 90".into()),
            interval: Duration::from_mins(1),
            hold: Duration::from_mins(hold),
            keep_firing_for: Duration::ZERO,
            on_missing,
            missing_after: Duration::from_mins(3),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            policy: Policy::of(
                "two",
                vec![
                    tier(1, vec![Target::Slack("#p2".into())]),
                    tier(3, vec![Target::Slack("#p1".into()), Target::Sms("ana".into())]),
                ],
            ),
            runbook: None,
        },
        roster: Roster { people: [(ana, None)].into(), ..Roster::default() },
        state: RuleState::default(),
        open: BTreeMap::new(),
        minute: 0,
    }
}

impl Story {
    /// Lets a minute pass in which `evaluation` is found; says what was decided and who is told.
    fn minute(&mut self, evaluation: &Evaluation) -> Vec<String> {
        let at = at(self.minute);
        self.minute += 1;
        self.state = self.state.step(&self.rule, at, evaluation);
        let name = self.rule.name.clone();
        let region = Region::new("eu").expect("a name");
        let changes = decide(
            &self.rule,
            &mut self.state,
            Open {
                breached: self.open.get(&Subject::Rule(name.clone())),
                unseen: self.open.get(&Subject::Unseen(name)),
            },
            Surroundings { roster: &self.roster, region: &region, at, now: at },
        );
        let mut said = Vec::new();
        for Change { subject, transition } in changes {
            let incident = transition.incident.expect("an incident");
            if incident.resolved_at.is_some() {
                self.open.remove(&subject);
            } else {
                self.open.insert(subject.clone(), incident);
            }
            let decided = transition.decisions.iter().map(|it| it.kind.as_str());
            said.push(format!("{} {}", decided.collect::<Vec<_>>().join(","), subject.kind()));
            let told = transition.owed.iter();
            said.extend(told.map(|it| format!("{}: {}", it.recipient, it.notice.error)));
        }
        said
    }
}

fn found(hosts: &[&str]) -> Evaluation {
    let found = hosts.iter().map(|host| Found {
        labels: [("host", *host)].into_iter().collect(),
        value: 93.0,
        usual: None,
        direction: None,
    });
    Evaluation::Seen { found: found.collect(), missing: BTreeSet::new(), data: Data::There }
}

fn nothing() -> Evaluation {
    Evaluation::Seen { found: Vec::new(), missing: BTreeSet::new(), data: Data::Missing }
}

#[test]
fn tiers_are_reached_by_evaluations_in_a_row() {
    let mut story = story(0, OnMissing::Tell);
    assert_eq!(story.minute(&found(&["a"])), ["opened rule", "slack:#p2: {host=\"a\"} 93"]);
    assert_eq!(story.minute(&found(&["a"])), Vec::<String>::new());
    assert_eq!(
        story.minute(&found(&["a"])),
        ["escalated rule", "slack:#p1: {host=\"a\"} 93", "sms:ana: {host=\"a\"} 93"]
    );
    let last = "{host=\"a\"} 93";
    assert_eq!(
        story.minute(&found(&[])),
        [
            "resolved rule".to_owned(),
            format!("slack:#p1: {last}"),
            format!("slack:#p2: {last}"),
            format!("sms:ana: {last}")
        ]
    );
    assert!(story.open.is_empty());
}

#[test]
fn what_grows_is_told_rarely_and_in_one_message() {
    let mut story = story(0, OnMissing::Tell);
    story.rule.policy.tiers.pop();
    let hosts: Vec<String> = (0..1000).map(|host| format!("h{host:03}")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    assert_eq!(story.minute(&found(&hosts[..500])).len(), 2, "one decision, one message");
    let grown = story.minute(&found(&hosts));
    assert_eq!(
        grown,
        [
            "escalated rule",
            "slack:#p2: {host=\"h500\"} 93; {host=\"h501\"} 93; {host=\"h502\"} 93; + 497 more; \
             1000 are breached in all"
        ]
    );
    // Flapping series are not told again and again: after 10 minutes, then after 20, ...
    let mut told = Vec::new();
    for minute in 0..120 {
        let some = if minute % 2 == 0 { &hosts[..999] } else { &hosts[..] };
        if !story.minute(&found(some)).is_empty() {
            told.push(minute);
        }
    }
    assert_eq!(told, [9, 29, 69]);
    let numbers: Vec<u32> = story.open.values().flat_map(|it| it.tiers.clone()).collect();
    assert_eq!(numbers, [1, 1001, 1002, 1003, 1004]);
}

#[test]
fn missing_data_are_an_incident_of_their_own() {
    let mut story = story(0, OnMissing::Tell);
    for _ in 0..10 {
        assert!(story.minute(&nothing()).is_empty(), "there never were data");
    }
    story.minute(&found(&["a"]));
    let mut said: Vec<Vec<String>> = (0..5).map(|_| story.minute(&nothing())).collect();
    said.retain(|it| !it.is_empty());
    // The breach goes on beside it; what nobody sees is not once more in a row, for the second tier.
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        said[0],
        [
            "opened unseen",
            "slack:#p2: there are no data since 02:11 UTC: nobody knows whether the rule is breached"
        ]
    );
    let back = story.minute(&found(&[]));
    assert_eq!(back[0], "resolved rule");
    assert!(back.contains(&"resolved unseen".to_owned()), "{back:?}");
    assert!(back.contains(&"slack:#p2: ".to_owned()), "{back:?}");

    let mut quiet = self::story(0, OnMissing::Quiet);
    quiet.minute(&found(&[]));
    for _ in 0..10 {
        assert!(quiet.minute(&nothing()).is_empty());
    }
    assert_eq!(quiet.state.standing.as_str(), "no_data", "and never ok");
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_told() {
    let mut story = story(0, OnMissing::Quiet);
    let failed = Evaluation::Failed("the query exceeds the limit of 20000 series".into());
    let said: Vec<String> = (0..5).flat_map(|_| story.minute(&failed)).collect();
    assert_eq!(
        said,
        [
            "opened unseen",
            "slack:#p2: the rule cannot be evaluated since 02:00 UTC: the query exceeds the limit \
             of 20000 series"
        ]
    );
    assert_eq!(story.minute(&found(&[])), ["resolved unseen", "slack:#p2: "]);
}

#[test]
fn a_rule_that_was_taken_out_ends_its_incident() {
    let mut story = story(0, OnMissing::Tell);
    story.minute(&found(&["a"]));
    let (subject, open) = story.open.first_key_value().expect("an incident");
    let Change { transition, .. } = withdraw(subject, open, at(9));
    assert_eq!(transition.decisions[0].kind, DecisionKind::Resolved);
    assert_eq!(transition.owed[0].notice.kind, NoticeKind::Withdrawn);
}

#[test]
fn a_breach_whose_data_are_gone_is_never_said_to_have_recovered() {
    let gone = || Evaluation::Seen {
        found: Vec::new(),
        missing: [[("host", "a")].into_iter().collect()].into(),
        data: Data::There,
    };
    let mut story = story(0, OnMissing::Tell);
    story.minute(&found(&["a"]));
    let said: Vec<String> = (0..5).flat_map(|_| story.minute(&gone())).collect();
    assert_eq!(
        said,
        [
            "opened unseen",
            "slack:#p2: there are no data for {host=\"a\"} since 02:01 UTC: nobody knows whether it \
             is breached there"
        ]
    );
    story.minute += 24 * 60;
    let ended = story.minute(&gone());
    assert!(ended.contains(&"resolved rule".to_owned()), "{ended:?}");
    let scene = story.state.clone();
    assert!(scene.is_lost && scene.missing.is_empty());

    let mut quiet = self::story(0, OnMissing::Quiet);
    quiet.minute(&found(&["a"]));
    let open = quiet.open.clone();
    for _ in 0..4 {
        quiet.state = quiet.state.step(&quiet.rule, at(quiet.minute), &gone());
        quiet.minute += 1;
    }
    let region = Region::new("eu").expect("a name");
    let (_, incident) = open.first_key_value().expect("an incident");
    let around = Surroundings { roster: &quiet.roster, region: &region, at: at(5), now: at(5) };
    let about = Open { breached: Some(incident), unseen: None };
    let changes = decide(&quiet.rule, &mut quiet.state, about, around);
    assert_eq!(changes[0].transition.owed[0].notice.kind, NoticeKind::Lost);
}
