//! Replay: what a rule would have said of the past.
//!
//! The same evaluation and the same state machine over the points of then; nothing is stored and
//! nobody is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;

use super::compiled::{Compiled, Look, RuleSet};
use super::gather::gather_one;
use crate::domain::Timestamp;
use crate::domain::rule::state::{Evaluation, RuleState, Standing};
use crate::domain::rule::{Condition, words};
use crate::query::{Series, Settings, When};
use crate::store::metrics::Metrics;

/// So many times of the grid are evaluated together.
const TOGETHER: i64 = 2_000;

/// What a rule would have said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Replayed {
    /// How it stood at each time of its grid.
    pub moments: Vec<Moment>,
    /// When it was breached.
    pub episodes: Vec<Episode>,
    /// The number that its values are compared with, where there is one.
    pub bound: Option<f64>,
}

/// How a rule stood at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// How.
    pub standing: Standing,
    /// The value nearest to a breach, or furthest beyond, where there is one.
    pub value: Option<f64>,
    /// What it is compared with, for a change.
    pub usual: Option<f64>,
}

/// A time in which a rule was breached without a break.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// The first evaluation that found something beyond the threshold.
    pub since: Timestamp,
    /// When that became a breach.
    pub from: Timestamp,
    /// The first evaluation that found no breach any more; `None` while it goes on.
    pub until: Option<Timestamp>,
    /// The most label sets that were breached at one time.
    pub series: usize,
    /// What people would have read when it began.
    pub said: String,
}

/// Evaluates `rule`, one of `rules`, at all times of its grid after `start` and until `end`.
///
/// # Errors
///
/// A sentence that says why the points cannot be read or the expression has no value.
pub async fn replay(
    metrics: &dyn Metrics,
    (rules, rule): (&RuleSet, &Compiled),
    (start, end): (Timestamp, Timestamp),
) -> Result<Replayed, String> {
    let step = i64::try_from(rule.rule.interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let mut next = (start.timestamp_millis().div_euclid(step) + 1) * step;
    let end = end.timestamp_millis();
    let mut replayed = Replayed { bound: rule.bound(), ..Replayed::default() };
    let mut state = RuleState::default();
    let together = together(rule, step, &rules.settings);
    while next <= end {
        let last = (next + (together - 1) * step).min(end.div_euclid(step) * step);
        let when = When::Every { start: next, end: last, step };
        let data = gather_one(metrics, rule, when, rules).await?;
        state = some(rule, rules, (when, &data), state, &mut replayed)?;
        next = last + step;
    }
    Ok(replayed)
}

/// How many times of the grid can be evaluated together: a change looks at far more times than
/// those of its grid.
fn together(rule: &Compiled, step: i64, settings: &Settings) -> i64 {
    let Condition::Change(change) = &rule.rule.condition else { return TOGETHER };
    let (own, window) = (change.own_step(), change.window.max(change.own_step()));
    let most = u32::try_from(settings.limits.steps).unwrap_or(u32::MAX).saturating_sub(1);
    let whole = i64::try_from((own * most).saturating_sub(window).as_millis()).unwrap_or(i64::MAX);
    (whole / step).clamp(1, TOGETHER)
}

/// Evaluates some times of the grid together.
fn some(
    rule: &Compiled,
    rules: &RuleSet,
    (when, data): (When, &[Vec<Arc<Series>>]),
    mut state: RuleState,
    replayed: &mut Replayed,
) -> Result<RuleState, String> {
    let When::Every { start, end, step } = when else { return Ok(state) };
    let known: Vec<_> = state.tracks.keys().collect();
    let look = rule.look(when, data, &known, &rules.settings).map_err(|error| error.to_string())?;
    let values = rule.values(when, data, &rules.settings);
    for (index, time) in (0..).zip((start..=end).step_by(usize::try_from(step).unwrap_or(1))) {
        let at = Timestamp::from_timestamp_millis(time).unwrap_or(Timestamp::MAX_UTC);
        let evaluation = look.evaluation(index, &state.tracks);
        state = state.step(&rule.rule, at, &evaluation);
        let (value, usual) = seen(&look, index, &evaluation);
        let value = values.get(&time).copied().or(value);
        replayed.moments.push(Moment { at, standing: state.standing, value, usual });
        replayed.follow(rule, &state, at);
    }
    Ok(state)
}

/// What is worth being drawn of one time.
fn seen(look: &Look<'_>, step: usize, evaluation: &Evaluation) -> (Option<f64>, Option<f64>) {
    let found = match evaluation {
        Evaluation::Seen { found, .. } => found.first(),
        Evaluation::Failed(_) => None,
    };
    match (look, found) {
        (_, Some(found)) => (Some(found.value), found.usual),
        (Look::Change { now, usual, .. }, None) => {
            let first = now[step].iter().min_by(|a, b| a.0.cmp(b.0));
            let usual = first.and_then(|(labels, _)| usual[step].get(labels));
            (first.map(|(_, value)| *value), usual.copied())
        }
        (Look::Filter { .. }, None) => (None, None),
    }
}

impl Replayed {
    fn follow(&mut self, rule: &Compiled, state: &RuleState, at: Timestamp) {
        let breaches = state.breaches();
        let open = self.episodes.last_mut().filter(|it| it.until.is_none());
        match (open, breaches.first()) {
            (Some(open), None) => open.until = Some(at),
            (Some(open), Some(_)) => open.series = open.series.max(breaches.len()),
            (None, Some((_, first))) => self.episodes.push(Episode {
                since: first.since,
                from: at,
                until: None,
                series: breaches.len(),
                said: words::breaches(&rule.rule, &breaches),
            }),
            (None, None) => {}
        }
    }

    /// How much of the time the rule stood how: evaluations by standing.
    pub fn standings(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for moment in &self.moments {
            *counts.entry(moment.standing.in_words()).or_default() += 1;
        }
        counts
    }

    /// How long it was breached in all, as far as that is over.
    pub fn breached_for(&self) -> TimeDelta {
        let last = self.moments.last().map(|it| it.at);
        let lasted = |it: &Episode| Some(it.until.or(last)? - it.from);
        self.episodes.iter().filter_map(lasted).sum()
    }
}
