//! What is known of rules: each time of the grid is passed once.

use tripline::domain::id::Region;
use tripline::domain::incident::{Cause, Change, Decision, DecisionKind, Incident, Transition};
use tripline::domain::rule::RuleName;
use tripline::domain::rule::state::{RuleState, Standing};
use tripline::domain::subject::Subject;
use tripline::store::Remembered;
use tripline::store::rules::{Judged, RuleJudge, RuleRecords, Rules};

use super::scene::at;

fn name(text: &str) -> RuleName {
    RuleName::new(text).expect("a good name")
}

/// Opens an incident about a rule if there is none, and ends it if there is one.
struct Turn(&'static str);

impl RuleJudge for Turn {
    fn judge(&self, remembered: &Remembered) -> Judged {
        let open = &remembered.open;
        let subject = Subject::Rule(name(self.0));
        let region = Region::new("eu").expect("a good name");
        let cause = Cause::new(region, "value 7");
        let fresh = Incident { tiers: [1].into(), ..Incident::opening(at(1), at(0), cause) };
        let known = open.get(&subject).cloned();
        let incident = match known {
            Some(open) => Incident { resolved_at: Some(at(2)), ..open },
            None => fresh,
        };
        let decision = Decision { kind: DecisionKind::Opened, reason: "seven".into() };
        let state = RuleState { standing: Standing::Ok, ..RuleState::default() };
        Judged {
            states: [(name(self.0), state)].into(),
            gone: [name("gone")].into(),
            changes: vec![Change {
                subject,
                transition: Transition {
                    streak: None,
                    incident: Some(incident),
                    decisions: vec![decision],
                    owed: Vec::new(),
                },
            }],
        }
    }
}

pub(super) async fn a_time_is_passed_once(store: &dyn Rules) {
    assert_eq!(store.rule_records().await.expect("read"), RuleRecords::default());
    let pass = async |from, until, turn| {
        let passed = store.pass(from, until, &Turn(turn), at(3)).await.expect("answered");
        passed.map(|changes| {
            let incident = changes[0].transition.incident.as_ref().expect("an incident");
            (incident.id.expect("a number").0, incident.resolved_at.is_some())
        })
    };
    assert_eq!(pass(Some(at(0)), at(1), "a").await, None, "nothing was passed yet");
    assert_eq!(pass(None, at(1), "gone").await, Some((1, false)));
    assert_eq!(pass(None, at(1), "a").await, None, "another hub was first");
    assert_eq!(pass(Some(at(1)), at(2), "a: b").await, Some((2, false)));
    assert_eq!(pass(Some(at(1)), at(2), "a: b").await, None);
    assert_eq!(pass(Some(at(2)), at(3), "a: b").await, Some((2, true)));
    // It may also go back, by a clock that was set back.
    assert_eq!(pass(Some(at(3)), at(1), "a: b").await, Some((3, false)));
    let records = store.rule_records().await.expect("read");
    assert_eq!(records.until, Some(at(1)));
    let names: Vec<&str> = records.states.keys().map(RuleName::as_str).collect();
    assert_eq!(names, ["a: b"], "the other is forgotten");
}
