//! Evaluation: a tree and the series it selects, into values.
//!
//! Each part is evaluated at all steps at once. Nothing here waits, reads a clock or knows where
//! series come from; everything that costs is counted in `limits` before it happens.

mod aggregate;
mod answer;
mod binary;
mod buckets;
mod call;
mod choose;
mod column;
mod counted;
mod matching;
mod range;
mod select;

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use super::limits::{Account, Excess, Limits};
use super::notes::Notes;
use super::parse::Expression;
use super::parse::expression::{Anchor, Kind, Node, Shift};
use super::series::Series;
use super::window::Refusal;
pub(super) use column::Grid;
use column::{Column, Value};

pub use answer::{Answer, Line, Outcome, Sample};

/// When an expression is evaluated; all in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once, at this time since 1970.
    At(i64),
    /// From `start` on, every `step`, until `end` at the latest.
    Every {
        /// Since 1970.
        start: i64,
        /// Since 1970, not before `start`.
        end: i64,
        /// More than 0.
        step: i64,
    },
}

/// How expressions are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For how many milliseconds a sample is a series' value; Prometheus' default is five minutes.
    pub lookback: i64,
    /// The step of subqueries that name none, in milliseconds; Prometheus' default is its
    /// evaluation interval, a minute.
    pub subquery_step: i64,
    /// What an evaluation may cost.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lookback: 300_000, subquery_step: 60_000, limits: Limits::default() }
    }
}

/// An expression that has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It costs too much.
    #[error(transparent)]
    Excess(#[from] Excess),
    /// The times or settings make no sense.
    #[error("{0}")]
    Invalid(String),
    /// Whoever asked wanted it to stop.
    #[error("the evaluation was stopped")]
    Stopped,
    /// The series do not fit together; the texts are Prometheus'.
    #[error("{0}")]
    Failed(String),
}

impl From<Refusal> for EvaluationError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Excess(excess) => Self::Excess(excess),
            Refusal::Factor { .. } => Self::Failed(refusal.to_string()),
        }
    }
}

type Evaluated<T> = Result<T, EvaluationError>;

/// Milliseconds far beyond any calendar, and far from overflow in what is added to them.
const FARTHEST: i64 = 10_000_000_000_000_000;

/// The times of `when`, checked.
pub(super) fn grid(when: When, settings: &Settings) -> Evaluated<Grid> {
    let invalid = |message: &str| Err(EvaluationError::Invalid(message.to_owned()));
    let spans = [settings.lookback, settings.subquery_step];
    if spans.iter().any(|span| !(1..FARTHEST).contains(span)) {
        return invalid("lookback and subquery step must be more than 0 and within a calendar");
    }
    let known = |time: i64| (-FARTHEST..FARTHEST).contains(&time);
    match when {
        When::At(time) if known(time) => Ok(Grid::instant(time)),
        When::Every { start, end, step } if known(start) && known(end) => {
            if step <= 0 {
                return invalid("the step must be more than 0");
            }
            if end < start {
                return invalid("the end is before the start");
            }
            let steps = Account::new(settings.limits, &never).steps((end - start) / step + 1)?;
            Ok(Grid { start, step, steps })
        }
        _ => invalid("the time is beyond any calendar"),
    }
}

/// Nobody wants it to stop.
fn never() -> bool {
    false
}

/// Evaluates `expression` over the series of each of its selections.
///
/// `data` holds for each of [`plan`](super::plan::plan)'s selections, in that order, the series
/// that it selects. More samples than asked for do no harm; series that do not match do.
///
/// # Errors
/// Where the expression costs more than the limits allow, and where the series do not fit together.
pub fn evaluate(
    expression: &Expression,
    when: When,
    data: &[Vec<Arc<Series>>],
    settings: &Settings,
) -> Evaluated<Answer> {
    evaluate_until(expression, when, data, settings, &never)
}

/// The same, until `stop` says so, which is asked every few milliseconds.
///
/// # Errors
/// Those of [`evaluate`], and [`EvaluationError::Stopped`].
pub fn evaluate_until(
    expression: &Expression,
    when: When,
    data: &[Vec<Arc<Series>>],
    settings: &Settings,
    stop: &dyn Fn() -> bool,
) -> Evaluated<Answer> {
    let grid = grid(when, settings)?;
    if data.len() != expression.selectors {
        let (given, wanted) = (data.len(), expression.selectors);
        let message = format!("series for {given} selections of {wanted}");
        return Err(EvaluationError::Invalid(message));
    }
    let most = settings.limits.series;
    if are_more_than(most, data) {
        return Err(Excess::of("series", most).into());
    }
    let end = match when {
        When::At(time) => time,
        When::Every { end, .. } => end,
    };
    let evaluator = Evaluator {
        data,
        settings,
        account: Account::new(settings.limits, stop),
        start: grid.start,
        end,
        notes: RefCell::new(Notes::default()),
    };
    let outcome = evaluator.outcome(&expression.root, grid, matches!(when, When::At(_)));
    if evaluator.account.is_stopped() {
        return Err(EvaluationError::Stopped);
    }
    let outcome = outcome?;
    Ok(Answer { outcome, notes: evaluator.notes.into_inner() })
}

/// Whether there are more than `most` different series: one that several selectors select counts once.
fn are_more_than(most: usize, data: &[Vec<Arc<Series>>]) -> bool {
    if data.iter().map(Vec::len).sum::<usize>() <= most {
        return false;
    }
    let mut known = HashSet::new();
    data.iter().flatten().any(|series| known.insert(series.labels()) && known.len() > most)
}

struct Evaluator<'a> {
    data: &'a [Vec<Arc<Series>>],
    settings: &'a Settings,
    account: Account<'a>,
    /// What `start()` is.
    start: i64,
    /// What `end()` is.
    end: i64,
    notes: RefCell<Notes>,
}

fn failed<T>(message: impl Into<String>) -> Evaluated<T> {
    Err(EvaluationError::Failed(message.into()))
}

impl<'a> Evaluator<'a> {
    fn eval(&self, node: &Node, grid: Grid) -> Evaluated<Value> {
        let leaf = matches!(node.kind, Kind::Number(_) | Kind::Text(_));
        if node.fixed && grid.steps > 1 && !leaf {
            let once = self.eval(node, Grid::instant(grid.start))?;
            return self.spread(once, grid.steps);
        }
        match &node.kind {
            Kind::Number(value) => {
                self.account.hold(1, grid.steps)?;
                Ok(Value::Scalar(vec![*value; grid.steps]))
            }
            Kind::Text(bytes) => Ok(Value::Text(bytes.clone())),
            Kind::Selector(selector) => Ok(Value::Vector(self.select(selector, grid)?)),
            Kind::Range(..) | Kind::Subquery(_) => {
                failed("a range vector has no value but in a function")
            }
            Kind::Parenthesised(inner) => self.eval(inner, grid),
            Kind::Negated(inner) => self.negated(inner, grid),
            Kind::Binary(binary) => self.binary(binary, grid),
            Kind::Aggregate(aggregate) => Ok(Value::Vector(self.aggregate(aggregate, grid)?)),
            Kind::Call(function, arguments) => self.call(*function, arguments, grid),
        }
    }

    fn negated(&self, inner: &Node, grid: Grid) -> Evaluated<Value> {
        Ok(match self.eval(inner, grid)? {
            Value::Vector(columns) => {
                let negate = |column: Column| column.mapped(|_, value| -value);
                Value::Vector(columns.into_iter().map(negate).collect())
            }
            Value::Scalar(values) => {
                Value::Scalar(values.into_iter().map(|value| -value).collect())
            }
            text @ Value::Text(_) => text,
        })
    }

    /// The same value at all steps.
    fn spread(&self, value: Value, steps: usize) -> Evaluated<Value> {
        let repeated = |values: &[f64]| vec![values.first().copied().unwrap_or(f64::NAN); steps];
        Ok(match value {
            Value::Scalar(values) => {
                self.account.hold(1, steps)?;
                Value::Scalar(repeated(&values))
            }
            Value::Vector(mut columns) => {
                self.account.hold(columns.len(), steps)?;
                for column in &mut columns {
                    column.values = repeated(&column.values);
                }
                Value::Vector(columns)
            }
            text @ Value::Text(_) => text,
        })
    }

    fn vector(&self, node: &Node, grid: Grid) -> Evaluated<Vec<Column>> {
        match self.eval(node, grid)? {
            Value::Vector(columns) => Ok(columns),
            _ => failed("expected an instant vector"),
        }
    }

    /// The value of a scalar at each step.
    fn scalar(&self, node: &Node, grid: Grid) -> Evaluated<Vec<f64>> {
        match self.eval(node, grid)? {
            Value::Scalar(values) => Ok(values),
            _ => failed("expected a scalar"),
        }
    }

    /// The bytes of a text.
    fn bytes(node: &Node) -> &[u8] {
        match &node.bare().kind {
            Kind::Text(bytes) => bytes,
            _ => &[],
        }
    }

    /// The time that `@` names, if it is there.
    fn anchor(&self, shift: Shift) -> Option<i64> {
        shift.at.map(|at| match at {
            Anchor::Start => self.start,
            Anchor::End => self.end,
            Anchor::At(time) => time,
        })
    }

    /// The series of one selector.
    fn series(&self, selector: usize) -> &'a [Arc<Series>] {
        self.data.get(selector).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests;
