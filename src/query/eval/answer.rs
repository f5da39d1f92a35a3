//! What an evaluation gives back.

use super::super::labels::Labels;
use super::super::notes::Notes;
use super::super::parse::expression::{Node, Type};
use super::column::{Column, Grid, Value, is_absent, merged};
use super::{Evaluated, EvaluationError, Evaluator};

/// A value and what is to be said of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The value.
    pub outcome: Outcome,
    /// Warnings and infos.
    pub notes: Notes,
}

/// A value of an expression.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Of an instant query: a number.
    Scalar(f64),
    /// Of an instant query: a text.
    Text(String),
    /// Of an instant query: one value for each series, in the order that the expression gives them.
    Vector(Vec<Sample>),
    /// Of a range query, or of an instant query for a range: series in the order of their labels.
    Matrix(Vec<Line>),
}

/// A series' value at the time of the query.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The series.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// A series' values over time.
#[derive(Clone, Debug)]
pub struct Line {
    /// The series.
    pub labels: Labels,
    /// Milliseconds since 1970 and the value then; ascending, at least one.
    pub points: Vec<(i64, f64)>,
}

impl Evaluator<'_> {
    pub(super) fn outcome(&self, root: &Node, grid: Grid, once: bool) -> Evaluated<Outcome> {
        let kind = root.value_type();
        if !once && matches!(kind, Type::Matrix | Type::Text) {
            return Err(EvaluationError::Invalid(format!(
                "invalid expression type {:?} for range query, must be scalar or instant vector",
                kind.described()
            )));
        }
        if kind == Type::Matrix {
            return self.raw(root, grid);
        }
        Ok(match self.eval(root, grid)? {
            Value::Text(bytes) => Outcome::Text(String::from_utf8_lossy(&bytes).into_owned()),
            Value::Scalar(values) if once => {
                Outcome::Scalar(values.first().copied().unwrap_or(f64::NAN))
            }
            Value::Scalar(values) => Outcome::Matrix(lines(
                vec![Column { labels: Labels::default(), nameless: false, values }],
                grid,
            )),
            Value::Vector(columns) if once => {
                let sample = |column: Column| {
                    let value = column.values.first().copied()?;
                    Some(Sample { labels: column.labels, value })
                };
                Outcome::Vector(named(columns)?.into_iter().filter_map(sample).collect())
            }
            Value::Vector(columns) => Outcome::Matrix(lines(named(columns)?, grid)),
        })
    }

    /// The samples that a range vector consists of.
    fn raw(&self, root: &Node, grid: Grid) -> Evaluated<Outcome> {
        let mut lines: Vec<Line> = Vec::new();
        for series in self.ranged(root, grid)? {
            let nameless = series.nameless;
            let labels = if nameless { series.labels.nameless() } else { series.labels };
            let points = series.times.iter().copied().zip(series.values.iter().copied()).collect();
            let line = Line { labels, points };
            if !line.points.is_empty() {
                lines.push(line);
            }
        }
        lines.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Outcome::Matrix(lines))
    }
}

/// Drops the names that are to be dropped.
fn named(mut columns: Vec<Column>) -> Evaluated<Vec<Column>> {
    for column in columns.iter_mut().filter(|column| column.nameless) {
        column.labels = column.labels.nameless();
        column.nameless = false;
    }
    merged(columns)
}

fn lines(columns: Vec<Column>, grid: Grid) -> Vec<Line> {
    let line = |column: Column| {
        let points = grid.times().zip(&column.values).filter(|(_, value)| !is_absent(**value));
        Line { labels: column.labels, points: points.map(|(time, value)| (time, *value)).collect() }
    };
    let mut lines: Vec<Line> = columns.into_iter().map(line).collect();
    lines.sort_by(|a, b| a.labels.cmp(&b.labels));
    lines
}
