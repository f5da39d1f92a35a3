//! Rules made ready: their expressions parsed, and looked at over series.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::domain::policy::Roster;
use crate::domain::rule::change::{Change, Judgement};
use crate::domain::rule::state::{Data, Evaluation, Found, Track};
use crate::domain::rule::{Condition, LabelSet, Rule, RuleName};
use crate::query::{
    EvaluationError, Expression, Labels, METRIC_NAME, Outcome, ParseError, Selection, Series,
    Settings, When, evaluate, parse, plan,
};

/// A rule whose expression is no `PromQL`, or none that a rule can look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule `{rule}` has no valid expression: {source}")]
pub struct WrongRule {
    /// Which.
    pub rule: RuleName,
    /// What is wrong with it.
    pub source: ParseError,
}

/// The rules of a project, ready to be evaluated.
#[derive(Debug)]
pub struct RuleSet {
    /// The rules, in the order of the project.
    pub rules: Vec<Compiled>,
    /// Who can be told.
    pub roster: Roster,
    /// Where the hub is.
    pub region: Region,
    /// How long after its time a time of the grid is evaluated: so late may points come.
    pub settle: Duration,
    /// How expressions are evaluated.
    pub settings: Settings,
    /// Which edition of the project has them, where hubs can have different ones.
    pub edition: Option<String>,
}

impl RuleSet {
    /// Makes rules ready.
    ///
    /// # Errors
    ///
    /// [`WrongRule`] names the first whose expression is none; a project that was read has no such.
    pub fn new(
        rules: impl IntoIterator<Item = Arc<Rule>>,
        (roster, region): (Roster, Region),
        settle: Duration,
    ) -> Result<Self, WrongRule> {
        let settings = Settings::default();
        let rules = rules.into_iter().map(|rule| Compiled::new(rule, &settings));
        let rules = rules.collect::<Result<_, _>>()?;
        Ok(Self { rules, roster, region, settle, settings, edition: None })
    }

    /// The same, all of which together may be about so many series at one time.
    #[must_use]
    pub fn about(mut self, most_series: usize) -> Self {
        self.settings.limits.series = most_series;
        self
    }

    /// The same as those of an edition of the project.
    #[must_use]
    pub fn of_edition(self, edition: String) -> Self {
        Self { edition: Some(edition), ..self }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first time of a grid after `mark`; where there is no rule, of a grid of a minute.
    pub fn next_after(&self, mark: Timestamp) -> Timestamp {
        let next = |interval: Duration| {
            let step = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
            (mark.timestamp_millis().div_euclid(step) + 1).saturating_mul(step)
        };
        let intervals: BTreeSet<Duration> = self.rules.iter().map(|it| it.rule.interval).collect();
        let earliest = intervals.into_iter().map(next).min();
        let earliest = earliest.unwrap_or_else(|| next(Duration::from_mins(1)));
        Timestamp::from_timestamp_millis(earliest).unwrap_or(Timestamp::MAX_UTC)
    }

    /// The rules whose grid has the time `at`.
    pub fn due(&self, at: Timestamp) -> impl Iterator<Item = &Compiled> {
        let millis = at.timestamp_millis();
        self.rules.iter().filter(move |it| {
            let step = i64::try_from(it.rule.interval.as_millis()).unwrap_or(i64::MAX).max(1);
            millis % step == 0
        })
    }
}

/// A rule with its expressions.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The rule.
    pub rule: Arc<Rule>,
    looks: Looks,
}

#[derive(Debug, Clone)]
enum Looks {
    /// What is beyond the threshold, and whatever could be.
    Filter { whole: Box<Expression>, unfiltered: Option<Box<Expression>> },
    /// What is, and what is usual.
    Change { now: Box<Expression>, usual: Box<Expression> },
}

impl Compiled {
    /// Parses the expressions of `rule`.
    ///
    /// # Errors
    ///
    /// [`WrongRule`] says what is wrong with one.
    pub fn new(rule: Arc<Rule>, settings: &Settings) -> Result<Self, WrongRule> {
        let read = |text: &str| {
            let wrong = |source| WrongRule { rule: rule.name.clone(), source };
            let read = parse(text, &settings.limits).and_then(Expression::condition);
            read.map(Box::new).map_err(wrong)
        };
        let looks = match &rule.condition {
            Condition::Change(change) => {
                Looks::Change { now: read(&change.now())?, usual: read(&change.usual())? }
            }
            condition => {
                let whole = read(&condition.expression())?;
                let unfiltered = whole.unfiltered().map(Box::new);
                Looks::Filter { whole, unfiltered }
            }
        };
        Ok(Self { rule, looks })
    }

    /// Which series are needed, and of when.
    ///
    /// # Errors
    ///
    /// Where the times are too many.
    pub fn selections(
        &self,
        when: When,
        settings: &Settings,
    ) -> Result<Vec<Selection>, EvaluationError> {
        match &self.looks {
            Looks::Filter { whole, .. } => plan(whole, when, settings),
            Looks::Change { now, usual } => {
                let mut selections = plan(now, when, settings)?;
                selections.extend(plan(usual, when, settings)?);
                Ok(selections)
            }
        }
    }

    /// The same without an opinion about missing data: what an expression does not yield is over, as
    /// in Prometheus.
    #[must_use]
    pub fn as_in_prometheus(self) -> Self {
        let looks = match self.looks {
            Looks::Filter { whole, .. } => Looks::Filter { whole, unfiltered: None },
            change @ Looks::Change { .. } => change,
        };
        Self { looks, ..self }
    }

    /// The number that its values are compared with, where there is one.
    pub(super) fn bound(&self) -> Option<f64> {
        match &self.looks {
            Looks::Filter { whole, .. } => whole.compared()?.bound,
            Looks::Change { .. } => None,
        }
    }

    /// Of each time the value that is nearest to a breach, or furthest beyond, where the expression
    /// compares values.
    pub(super) fn values(
        &self,
        when: When,
        data: &[Vec<Arc<Series>>],
        settings: &Settings,
    ) -> HashMap<i64, f64> {
        let mut values = HashMap::new();
        let Looks::Filter { whole, .. } = &self.looks else { return values };
        let Some(compared) = whole.compared() else { return values };
        let Ok(answer) = evaluate(&compared.value, when, data, settings) else { return values };
        let Outcome::Matrix(lines) = answer.outcome else { return values };
        for (time, value) in lines.into_iter().flat_map(|line| line.points) {
            let known = values.entry(time).or_insert(value);
            *known = if compared.upwards { known.max(value) } else { known.min(value) };
        }
        values
    }

    /// Looks at `data`, the series of each selection. `known` are label sets of which it is asked
    /// whether there are data, besides those that are found.
    ///
    /// # Errors
    ///
    /// Why the expression has no value.
    pub fn look(
        &self,
        when: When,
        data: &[Vec<Arc<Series>>],
        known: &[&LabelSet],
        settings: &Settings,
    ) -> Result<Look<'_>, EvaluationError> {
        let steps = Steps::of(when);
        Ok(match &self.looks {
            Looks::Filter { whole, unfiltered } => {
                let answer = evaluate(whole, when, data, settings)?;
                let found = steps.samples(&answer.outcome)?;
                let found = found.into_iter().map(named).collect::<Result<Vec<_>, _>>()?;
                let all = unfiltered.as_deref().map(|it| evaluate(it, when, data, settings));
                let seen = match all {
                    Some(Ok(answer)) => {
                        let known = known.iter().map(|it| (*it).clone());
                        let found = found.iter().flatten().map(|(labels, _)| labels.clone());
                        let wanted: BTreeSet<LabelSet> = known.chain(found).collect();
                        Some(steps.presence(&answer.outcome, &wanted)?)
                    }
                    // What cannot be told is taken as there.
                    Some(Err(_)) | None => None,
                };
                Look::Filter { found, seen }
            }
            Looks::Change { now, usual } => {
                let count = plan(now, when, settings)?.len();
                let (first, second) = data.split_at(count.min(data.len()));
                let values = |expression: &Expression, data: &[Vec<Arc<Series>>]| {
                    type Values = Vec<HashMap<LabelSet, f64>>;
                    let answer = evaluate(expression, when, data, settings)?;
                    let steps = steps.samples(&answer.outcome)?.into_iter();
                    let values = steps.map(|step| Ok(named(step)?.into_iter().collect()));
                    values.collect::<Result<Values, EvaluationError>>()
                };
                let Condition::Change(change) = &self.rule.condition else {
                    return Err(EvaluationError::Invalid("the rule compares nothing".into()));
                };
                Look::Change { change, now: values(now, first)?, usual: values(usual, second)? }
            }
        })
    }
}

/// The samples of one step.
type Samples<'a> = Vec<(&'a Labels, f64)>;

/// The labels of samples without the metric's name, which no two may share.
fn named(samples: Samples<'_>) -> Result<Vec<(LabelSet, f64)>, EvaluationError> {
    let mut named: Vec<(LabelSet, f64)> =
        samples.into_iter().map(|(labels, value)| (label_set(labels), value)).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    if named.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        let message = "several series have the same labels but for the name of their metric";
        return Err(EvaluationError::Failed(message.into()));
    }
    Ok(named)
}

/// Labels without the metric's name.
pub fn label_set(labels: &Labels) -> LabelSet {
    let pairs = labels.iter().filter(|it| &*it.name != METRIC_NAME);
    pairs.map(|it| (Arc::clone(&it.name), Arc::clone(&it.value))).collect()
}

/// The times of an evaluation.
#[derive(Debug, Clone, Copy)]
struct Steps {
    start: i64,
    step: i64,
    count: usize,
}

impl Steps {
    fn of(when: When) -> Self {
        match when {
            When::At(time) => Self { start: time, step: 1, count: 1 },
            When::Every { start, end, step } => {
                let count = usize::try_from((end - start) / step.max(1)).unwrap_or_default() + 1;
                Self { start, step: step.max(1), count }
            }
        }
    }

    fn index(self, time: i64) -> usize {
        usize::try_from((time - self.start) / self.step).unwrap_or_default().min(self.count - 1)
    }

    /// The samples of each step.
    fn samples(self, outcome: &Outcome) -> Result<Vec<Samples<'_>>, EvaluationError> {
        static NONE: std::sync::LazyLock<Labels> = std::sync::LazyLock::new(Labels::default);
        let mut steps = vec![Vec::new(); self.count];
        match outcome {
            Outcome::Vector(samples) => {
                steps[0] = samples.iter().map(|it| (&it.labels, it.value)).collect();
            }
            Outcome::Matrix(lines) => {
                for line in lines {
                    for (time, value) in &line.points {
                        steps[self.index(*time)].push((&line.labels, *value));
                    }
                }
            }
            Outcome::Scalar(value) => steps[0].push((&*NONE, *value)),
            Outcome::Text(_) => {
                return Err(EvaluationError::Failed("a text is no condition".into()));
            }
        }
        Ok(steps)
    }

    /// Whether there is anything at each step, and which of the label sets `wanted`.
    fn presence(
        self,
        outcome: &Outcome,
        wanted: &BTreeSet<LabelSet>,
    ) -> Result<Vec<Presence>, EvaluationError> {
        let mut present = vec![Presence::default(); self.count];
        for (step, samples) in self.samples(outcome)?.into_iter().enumerate() {
            present[step].any = !samples.is_empty();
            if wanted.is_empty() {
                continue;
            }
            let sets = samples.into_iter().map(|(labels, _)| label_set(labels));
            present[step].of.extend(sets.filter(|it| wanted.contains(it)));
        }
        Ok(present)
    }
}

#[derive(Debug, Clone, Default)]
struct Presence {
    any: bool,
    of: BTreeSet<LabelSet>,
}

/// What was seen at each step.
#[derive(Debug)]
pub enum Look<'r> {
    /// Of an expression that filters.
    #[non_exhaustive]
    Filter {
        /// What is beyond the threshold.
        found: Vec<Vec<(LabelSet, f64)>>,
        /// What could be.
        #[expect(private_interfaces, reason = "only read here")]
        seen: Option<Vec<Presence>>,
    },
    /// Of a change.
    #[non_exhaustive]
    Change {
        /// What is compared.
        change: &'r Change,
        /// What is.
        now: Vec<HashMap<LabelSet, f64>>,
        /// What is usual.
        usual: Vec<HashMap<LabelSet, f64>>,
    },
}

impl Look<'_> {
    /// What step `step` found, with what is known from the one before.
    pub fn evaluation(&self, step: usize, tracks: &BTreeMap<LabelSet, Track>) -> Evaluation {
        match self {
            Self::Filter { found, seen } => {
                let found: Vec<Found> = found[step]
                    .iter()
                    .map(|(labels, value)| Found {
                        labels: labels.clone(),
                        value: *value,
                        usual: None,
                        direction: None,
                    })
                    .collect();
                let Some(seen) = seen.as_ref().map(|it| &it[step]) else {
                    return Evaluation::Seen { found, missing: BTreeSet::new(), data: Data::There };
                };
                let missing = tracks.keys().filter(|it| !seen.of.contains(it)).cloned();
                let is_there = seen.any || !found.is_empty();
                let data = if is_there { Data::There } else { Data::Missing };
                Evaluation::Seen { found, missing: missing.collect(), data }
            }
            Self::Change { change, now, usual } => {
                changed(change, &now[step], &usual[step], tracks)
            }
        }
    }
}

fn changed(
    change: &Change,
    now: &HashMap<LabelSet, f64>,
    usual: &HashMap<LabelSet, f64>,
    tracks: &BTreeMap<LabelSet, Track>,
) -> Evaluation {
    let all: BTreeSet<&LabelSet> = now.keys().chain(usual.keys()).chain(tracks.keys()).collect();
    let (mut found, mut missing) = (Vec::new(), BTreeSet::new());
    let (mut judged, mut without_history) = (false, false);
    for labels in all {
        let (is, was) = (now.get(labels).copied(), usual.get(labels).copied());
        let before = tracks.get(labels).filter(|it| it.is_breached());
        match change.judge(is, was, before.and_then(|it| it.direction)) {
            // Of several groups, one that was too little to say anything of is not waited for.
            Judgement::Missing
                if before.is_none()
                    && !change.by.is_empty()
                    && was.is_some_and(|was| change.is_little(was)) => {}
            Judgement::Missing => _ = missing.insert(labels.clone()),
            // What began with a history is not over for want of one.
            Judgement::NoHistory if before.is_some() => _ = missing.insert(labels.clone()),
            Judgement::NoHistory => without_history = true,
            Judgement::Clear => judged = true,
            Judgement::Beyond(direction) => {
                judged = true;
                let value = is.unwrap_or(f64::NAN);
                let direction = Some(direction);
                found.push(Found { labels: labels.clone(), value, usual: was, direction });
            }
        }
    }
    let data = match (judged, without_history) {
        (true, _) => Data::There,
        (false, true) => Data::WithoutHistory,
        (false, false) => Data::Missing,
    };
    Evaluation::Seen { found, missing, data }
}

#[cfg(test)]
mod tests;
