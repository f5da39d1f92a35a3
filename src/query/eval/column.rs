//! What is computed with: a vector at all steps at once.
//!
//! A column holds one series' values, one for each step of a grid, so that series are matched and
//! grouped once and not at every step. Where a series has no value it holds [`ABSENT`], which no
//! sample and no arithmetic yields: it is the marker of stale series, and those are never selected.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::super::labels::Labels;
use super::super::series::{STALE, is_stale};
use super::EvaluationError;

/// No value at this step.
pub(in crate::query) const ABSENT: f64 = STALE;

pub(in crate::query) fn is_absent(value: f64) -> bool {
    is_stale(value)
}

/// The times that something is evaluated at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) struct Grid {
    /// Milliseconds since 1970.
    pub(in crate::query) start: i64,
    /// Milliseconds, more than 0.
    pub(in crate::query) step: i64,
    /// At least 1.
    pub(in crate::query) steps: usize,
}

impl Grid {
    pub(in crate::query) fn instant(time: i64) -> Self {
        Self { start: time, step: 1, steps: 1 }
    }

    pub(in crate::query) fn times(self) -> impl ExactSizeIterator<Item = i64> {
        let step = self.step;
        (0..self.steps).map(move |at| self.start + step * at.cast_signed() as i64)
    }

    pub(in crate::query) fn last(self) -> i64 {
        self.start + self.step * (self.steps - 1).cast_signed() as i64
    }
}

/// One series at all steps.
#[derive(Clone, Debug)]
pub(in crate::query) struct Column {
    pub(in crate::query) labels: Labels,
    /// The metric name is to be dropped when all is evaluated, and not before: until then it tells
    /// series apart and can be read by `label_replace` (Prometheus' delayed name removal).
    pub(in crate::query) nameless: bool,
    pub(in crate::query) values: Vec<f64>,
}

impl Column {
    /// A column of no values.
    pub(in crate::query) fn empty(labels: Labels, steps: usize) -> Self {
        Self { labels, nameless: false, values: vec![ABSENT; steps] }
    }

    pub(in crate::query) fn is_empty(&self) -> bool {
        self.values.iter().all(|value| is_absent(*value))
    }

    /// This column as two: one of the steps at which `drops` says that the name is to be dropped, and
    /// one of the others. An instant query would find one or the other.
    pub(in crate::query) fn parted(mut self, drops: impl Fn(usize) -> bool) -> [Self; 2] {
        let mut nameless =
            Self { nameless: true, ..Self::empty(self.labels.clone(), self.values.len()) };
        for (at, value) in self.values.iter_mut().enumerate().filter(|(at, _)| drops(*at)) {
            nameless.values[at] = std::mem::replace(value, ABSENT);
        }
        self.nameless = false;
        [nameless, self]
    }

    /// This column with each value changed, and its name to be dropped.
    pub(in crate::query) fn mapped(mut self, change: impl Fn(usize, f64) -> f64) -> Self {
        for (at, value) in self.values.iter_mut().enumerate() {
            if !is_absent(*value) {
                *value = change(at, *value);
            }
        }
        self.nameless = true;
        self
    }
}

/// The value of a part of an expression, at all steps.
#[derive(Clone, Debug)]
pub(in crate::query) enum Value {
    Scalar(Vec<f64>),
    Text(Vec<u8>),
    Vector(Vec<Column>),
}

/// Puts columns with the same labels together; columns without any value are left out.
///
/// Labels that lose their name are not the same as those that keep it, even before they lose it.
///
/// # Errors
/// Where two of them have a value at the same step.
pub(in crate::query) fn merged(columns: Vec<Column>) -> Result<Vec<Column>, EvaluationError> {
    let mut known: HashMap<(Labels, bool), usize> = HashMap::with_capacity(columns.len());
    let mut out: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns.into_iter().filter(|column| !column.is_empty()) {
        // Where there is no name, there is none to be dropped.
        let nameless = column.nameless && !column.labels.metric_name().is_empty();
        match known.entry((column.labels.clone(), nameless)) {
            Entry::Vacant(place) => {
                place.insert(out.len());
                out.push(column);
            }
            Entry::Occupied(place) => {
                let kept = &mut out[*place.get()];
                let message = "vector cannot contain metrics with the same labelset";
                overlay(&mut kept.values, &column.values, message)?;
            }
        }
    }
    Ok(out)
}

/// Puts the values of `more` into `kept`, where that has none.
pub(in crate::query) fn overlay(
    kept: &mut [f64],
    more: &[f64],
    message: &str,
) -> Result<(), EvaluationError> {
    for (old, new) in kept.iter_mut().zip(more) {
        if is_absent(*new) {
            continue;
        }
        if !is_absent(*old) {
            return Err(EvaluationError::Failed(message.to_owned()));
        }
        *old = *new;
    }
    Ok(())
}
