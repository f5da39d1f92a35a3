//! One time of the grid: what its evaluations make of the states, and what the store is to keep.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::compiled::{Compiled, RuleSet};
use super::gather::{Gathered, Needed};
use crate::domain::Timestamp;
use crate::domain::incident::Change;
use crate::domain::rule::decision::{Open, Surroundings, decide, withdraw};
use crate::domain::rule::state::{Evaluation, RuleState, Standing};
use crate::domain::rule::{LabelSet, RuleName};
use crate::domain::subject::Subject;
use crate::engine::judge::Rulebook;
use crate::query::{Settings, When};
use crate::store::Remembered;
use crate::store::rules::{Judged, RuleJudge};

/// The states of rules by name.
pub(super) type States = BTreeMap<RuleName, RuleState>;

/// One time of the grid with the series that its rules need.
pub(super) struct Round {
    pub(super) rules: Arc<RuleSet>,
    pub(super) at: Timestamp,
    pub(super) gathered: Gathered,
}

impl Round {
    /// The states of the rules that are due, after their evaluation.
    pub(super) fn evaluate(mut self, known: &States) -> States {
        let mut stepped = States::new();
        for compiled in self.rules.due(self.at) {
            let name = &compiled.rule.name;
            let Some(needed) = self.gathered.remove(name) else { continue };
            let before = known.get(name).cloned().unwrap_or_default();
            let evaluation = evaluation(compiled, self.at, &needed, &before, &self.rules.settings);
            let after = before.step(&compiled.rule, self.at, &evaluation);
            note(name, &before, &after);
            stepped.insert(name.clone(), after);
        }
        stepped
    }
}

/// What the evaluation of a rule finds at `at`.
pub(super) fn evaluation(
    rule: &Compiled,
    at: Timestamp,
    needed: &Needed,
    before: &RuleState,
    settings: &Settings,
) -> Evaluation {
    let data = match needed {
        Ok(data) => data,
        Err(reason) => return Evaluation::Failed(reason.clone()),
    };
    let known: Vec<&LabelSet> = before.tracks.keys().collect();
    match rule.look(When::At(at.timestamp_millis()), data, &known, settings) {
        Ok(look) => look.evaluation(0, &before.tracks),
        Err(error) => Evaluation::Failed(error.to_string()),
    }
}

/// Says in the log that a rule cannot be evaluated, and that it can again.
fn note(name: &RuleName, before: &RuleState, after: &RuleState) {
    match (before.standing, after.standing) {
        (Standing::Failing, Standing::Failing) => {}
        (_, Standing::Failing) => {
            let error = after.error.as_deref().unwrap_or_default();
            tracing::warn!(rule = %name, error, "a rule cannot be evaluated");
        }
        (Standing::Failing, _) => tracing::info!(rule = %name, "a rule can be evaluated again"),
        _ => {}
    }
}

/// Decides about the incidents of rules, in the store's transaction.
pub(super) struct RoundJudge<'a> {
    rules: &'a RuleSet,
    /// What keeps people from being told.
    rulebook: &'a Rulebook,
    /// After the evaluation.
    stepped: States,
    /// Before it.
    known: &'a States,
    at: Timestamp,
    now: Timestamp,
    /// What the last judgement made of all of them.
    states: Mutex<States>,
}

impl<'a> RoundJudge<'a> {
    pub(super) fn new(
        (rules, rulebook): (&'a RuleSet, &'a Rulebook),
        stepped: States,
        known: &'a States,
        (at, now): (Timestamp, Timestamp),
    ) -> Self {
        Self { rules, rulebook, stepped, known, at, now, states: Mutex::default() }
    }

    /// Whether the project does not have this rule.
    fn lacks(&self, name: &RuleName) -> bool {
        !self.rules.rules.iter().any(|it| it.rule.name == *name)
    }

    fn finished(&self, changes: Vec<Change>, remembered: &Remembered) -> Vec<Change> {
        let whole = |change| self.rulebook.finish(change, remembered, self.now);
        changes.into_iter().map(whole).collect()
    }

    /// All states after what was judged last; of rules that the project does not have, too.
    pub(super) fn into_states(self) -> States {
        self.states.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RuleJudge for RoundJudge<'_> {
    fn judge(&self, remembered: &Remembered) -> Judged {
        let open = &remembered.open;
        let mut judged = Judged::default();
        let mut all = self.known.clone();
        let by_name: HashMap<&RuleName, &Compiled> =
            self.rules.rules.iter().map(|it| (&it.rule.name, it)).collect();
        for (name, stepped) in &self.stepped {
            let Some(compiled) = by_name.get(name) else { continue };
            let mut state = stepped.clone();
            let about = Open {
                breached: open.get(&Subject::Rule(name.clone())),
                unseen: open.get(&Subject::Unseen(name.clone())),
            };
            let around = Surroundings {
                roster: &self.rules.roster,
                region: &self.rules.region,
                at: self.at,
                now: self.now,
            };
            judged.changes.extend(decide(&compiled.rule, &mut state, about, around));
            let known = self.known.get(name);
            if known.is_none_or(|known| differs(known, &state)) {
                judged.states.insert(name.clone(), state.clone());
            }
            all.insert(name.clone(), state);
        }
        judged.changes = self.finished(judged.changes, remembered);
        *self.states.lock().unwrap_or_else(PoisonError::into_inner) = all;
        judged
    }

    fn edition(&self) -> Option<&str> {
        self.rules.edition.as_deref()
    }

    fn withdraw(&self, remembered: &Remembered) -> Judged {
        let open = &remembered.open;
        let ended = open.iter().filter(|(it, _)| it.rule().is_some_and(|name| self.lacks(name)));
        let changes = ended.map(|(subject, it)| withdraw(subject, it, self.now)).collect();
        let gone = self.known.keys().filter(|name| self.lacks(name)).cloned().collect();
        Judged { gone, changes: self.finished(changes, remembered), ..Judged::default() }
    }
}

/// Whether a state is worth being written: that it was looked at once more is not.
fn differs(known: &RuleState, state: &RuleState) -> bool {
    let plain = |state: &RuleState| RuleState {
        evaluated_at: None,
        seen_at: state.seen_at.map(|_| Timestamp::UNIX_EPOCH),
        ..state.clone()
    };
    plain(known) != plain(state)
}
