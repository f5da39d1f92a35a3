//! Trying rules out over series that are written down: what `tripline rule test` runs.
//!
//! Groups of rules are evaluated in order at each step, recording rules and `ALERTS` included, as
//! promtool does. Nothing is read, stored or told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compiled::Compiled;
use super::round::evaluation;
use crate::domain::Timestamp;
use crate::domain::rule::Template;
use crate::domain::rule::state::{RuleState, Track};
use crate::domain::rule::template::Filling;
use crate::query::{
    Expression, Labels, METRIC_NAME, Outcome, STALE, Selection, Series, Settings, When, evaluate,
    plan,
};

/// A rule of a group.
#[derive(Debug, Clone)]
pub enum Item {
    /// One that alerts.
    Alert(Box<Compiled>),
    /// One that makes series.
    Record {
        /// What they are called.
        name: String,
        /// Their values.
        expression: Box<Expression>,
        /// Labels that they have, too; an empty one takes a label away.
        labels: Vec<(String, String)>,
    },
}

/// A rule as its group has it evaluated.
#[derive(Debug, Clone)]
pub struct Member {
    /// The rule.
    pub item: Item,
    /// How many series or alerts it may make at most.
    pub limit: Option<usize>,
    /// Of how long before its time it is evaluated, in milliseconds.
    pub query_offset: i64,
}

impl Member {
    /// Refuses what is more than the limit, in the words of Prometheus.
    fn bounded(&self, name: &str, made: usize, what: &str) -> Result<(), String> {
        match self.limit {
            Some(limit) if made > limit => {
                Err(format!("the rule `{name}`: exceeded limit of {limit} with {made} {what}"))
            }
            _ => Ok(()),
        }
    }
}

/// Rules that are tried, with what is the same for all of them.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// The rules, group by group.
    pub members: Vec<Member>,
    /// What templates know as `$externalLabels`.
    pub external_labels: BTreeMap<String, String>,
    /// What templates know as `$externalURL`.
    pub external_url: String,
    /// How expressions are evaluated.
    pub settings: Settings,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alert {
    /// Its labels, the rule's among them.
    pub labels: BTreeMap<String, String>,
    /// What is said of it.
    pub annotations: BTreeMap<String, String>,
}

/// A trial on its way.
#[derive(Debug)]
pub struct Stage<'t> {
    trial: &'t Trial,
    series: BTreeMap<Labels, (Vec<i64>, Vec<f64>)>,
    states: Vec<RuleState>,
    /// Which series each rule made at the last step.
    made: Vec<BTreeSet<Labels>>,
}

impl Trial {
    /// Begins with the series that are written down.
    pub fn begin(&self, series: impl IntoIterator<Item = Series>) -> Stage<'_> {
        let whole = |it: Series| (it.labels().clone(), (it.times().to_vec(), it.values().to_vec()));
        Stage {
            trial: self,
            series: series.into_iter().map(whole).collect(),
            states: vec![RuleState::default(); self.members.len()],
            made: vec![BTreeSet::new(); self.members.len()],
        }
    }
}

impl Stage<'_> {
    /// Evaluates all rules at `at`, milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// Names the rule that has no value, and says why.
    pub fn step(&mut self, at: i64) -> Result<(), String> {
        let trial = self.trial;
        for (index, member) in trial.members.iter().enumerate() {
            let at = at.saturating_sub(member.query_offset);
            let made = match &member.item {
                Item::Alert(rule) => {
                    let made = self.alert(index, rule, at)?;
                    member.bounded(rule.rule.name.as_str(), made.len(), "alerts")?;
                    made
                }
                Item::Record { name, expression, labels } => {
                    let failed = |reason| format!("the rule `{name}`: {reason}");
                    let outcome = self.query(expression, at).map_err(failed)?;
                    let made = recorded(name, &outcome, labels).map_err(failed)?;
                    member.bounded(name, made.len(), "series")?;
                    made
                }
            };
            self.keep(index, made, at);
        }
        Ok(())
    }

    fn alert(
        &mut self,
        index: usize,
        rule: &Compiled,
        at: i64,
    ) -> Result<Vec<(Labels, f64)>, String> {
        let name = &rule.rule.name;
        let failed = |reason: String| format!("the rule `{name}`: {reason}");
        let selections = rule.selections(When::At(at), &self.trial.settings);
        let selections = selections.map_err(|error| failed(error.to_string()))?;
        let needed = Ok(selections.iter().map(|it| self.select(it)).collect());
        let time = Timestamp::from_timestamp_millis(at).unwrap_or(Timestamp::MAX_UTC);
        let before = &self.states[index];
        let found = evaluation(rule, time, &needed, before, &self.trial.settings);
        let after = before.step(&rule.rule, time, &found);
        if let Some(error) = &after.error {
            return Err(failed(error.clone()));
        }
        self.states[index] = after;
        let tracks = self.states[index].tracks.iter();
        Ok(tracks.map(|(labels, track)| (self.alerts_labels(rule, labels, track), 1.0)).collect())
    }

    /// The labels of the series `ALERTS`.
    fn alerts_labels(
        &self,
        rule: &Compiled,
        labels: &crate::domain::rule::LabelSet,
        track: &Track,
    ) -> Labels {
        let state = if track.is_breached() { "firing" } else { "pending" };
        let mut draft = Labels::default().draft();
        for (name, value) in self.labels(rule, labels, track) {
            draft.set(name, value);
        }
        draft.set(METRIC_NAME, "ALERTS");
        draft.set("alertstate", state);
        draft.finish()
    }

    fn labels(
        &self,
        rule: &Compiled,
        labels: &crate::domain::rule::LabelSet,
        track: &Track,
    ) -> BTreeMap<String, String> {
        let own = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut all: BTreeMap<String, String> = own.collect();
        all.extend(self.filled(&rule.rule.labels, labels, track));
        all.insert("alertname".into(), rule.rule.name.to_string());
        all.retain(|_, value| !value.is_empty());
        all
    }

    fn filled(
        &self,
        templates: &BTreeMap<String, Template>,
        labels: &crate::domain::rule::LabelSet,
        track: &Track,
    ) -> BTreeMap<String, String> {
        let filling = Filling {
            labels,
            value: track.value,
            external_labels: &self.trial.external_labels,
            external_url: &self.trial.external_url,
        };
        templates.iter().map(|(name, it)| (name.clone(), it.render(filling))).collect()
    }

    /// Adds points; series that are not made any more end.
    fn keep(&mut self, index: usize, made: Vec<(Labels, f64)>, at: i64) {
        let now: BTreeSet<Labels> = made.iter().map(|(labels, _)| labels.clone()).collect();
        let before = std::mem::replace(&mut self.made[index], now);
        let ended = before.difference(&self.made[index]).cloned().map(|labels| (labels, STALE));
        for (labels, value) in made.into_iter().chain(ended.collect::<Vec<_>>()) {
            let (times, values) = self.series.entry(labels).or_default();
            if times.last().is_none_or(|last| *last < at) {
                times.push(at);
                values.push(value);
            }
        }
    }

    /// The value of an expression at `at`.
    ///
    /// # Errors
    ///
    /// Why it has none.
    pub fn query(&self, expression: &Expression, at: i64) -> Result<Outcome, String> {
        let settings = &self.trial.settings;
        let selections = plan(expression, When::At(at), settings);
        let selections = selections.map_err(|error| error.to_string())?;
        let data: Vec<_> = selections.iter().map(|it| self.select(it)).collect();
        let answer = evaluate(expression, When::At(at), &data, settings);
        answer.map(|it| it.outcome).map_err(|error| error.to_string())
    }

    fn select(&self, selection: &Selection) -> Vec<Arc<Series>> {
        let Selection { matchers, after, until } = selection;
        let matching =
            self.series.iter().filter(|(labels, _)| matchers.iter().all(|it| it.selects(labels)));
        let within = |(labels, (times, values)): (&Labels, &(Vec<i64>, Vec<f64>))| {
            let start = times.partition_point(|time| time <= after);
            let end = times.partition_point(|time| time <= until);
            let (times, values) = (times[start..end].to_vec(), values[start..end].to_vec());
            let series = Series::new(labels.clone(), times, values).ok()?;
            (end > start).then(|| Arc::new(series))
        };
        matching.filter_map(within).collect()
    }

    /// The alerts of the rules called `name` that fire, sorted.
    pub fn firing(&self, name: &str) -> Vec<Alert> {
        let rules = self.trial.members.iter().zip(&self.states);
        let mut alerts: Vec<Alert> = rules
            .filter_map(|(member, state)| match &member.item {
                Item::Alert(rule) if rule.rule.name.as_str() == name => Some((rule, state)),
                _ => None,
            })
            .flat_map(|(rule, state)| {
                state.breaches().into_iter().map(|(labels, track)| Alert {
                    labels: self.labels(rule, labels, track),
                    annotations: self.filled(&rule.rule.annotations, labels, track),
                })
            })
            .collect();
        alerts.sort();
        alerts
    }
}

/// What is said of a value that is neither many numbers nor one; Prometheus' words.
pub const NO_SAMPLES: &str = "rule result is not a vector or scalar";

fn recorded(
    name: &str,
    outcome: &Outcome,
    labels: &[(String, String)],
) -> Result<Vec<(Labels, f64)>, String> {
    let renamed = |found: &Labels, value: f64| {
        let mut draft = found.draft();
        draft.set(METRIC_NAME, name);
        for (label, value) in labels {
            draft.set(label.as_str(), value.as_str());
        }
        (draft.finish(), value)
    };
    match outcome {
        Outcome::Vector(samples) => {
            Ok(samples.iter().map(|it| renamed(&it.labels, it.value)).collect())
        }
        Outcome::Scalar(value) => Ok(vec![renamed(&Labels::default(), *value)]),
        Outcome::Matrix(_) | Outcome::Text(_) => Err(NO_SAMPLES.to_owned()),
    }
}
