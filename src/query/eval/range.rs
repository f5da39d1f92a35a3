//! Range vectors: the samples of each series before each step, and what functions make of them.

use std::borrow::Cow;

use super::super::labels::Labels;
use super::super::parse::expression::{Kind, Node, Selector, Shift, Subquery};
use super::super::series::is_stale;
use super::super::window::{Over, Run, Slide, Span};
use super::column::{ABSENT, Column, Grid, is_absent};
use super::{Evaluated, Evaluator, failed};

/// The samples of one series that ranges are cut from.
pub(super) struct Ranged<'a> {
    pub(super) labels: Labels,
    pub(super) nameless: bool,
    pub(super) times: Cow<'a, [i64]>,
    pub(super) values: Cow<'a, [f64]>,
}

impl<'a> Evaluator<'a> {
    /// The samples that `node` ranges over.
    pub(super) fn ranged(&self, node: &Node, grid: Grid) -> Evaluated<Vec<Ranged<'a>>> {
        match &node.bare().kind {
            Kind::Range(selector, range) => self.samples(selector, *range, grid),
            Kind::Subquery(subquery) => self.subquery(subquery, grid),
            _ => failed("expected a range vector"),
        }
    }

    /// From after when until when the ranges of all steps reach.
    fn reach(&self, shift: Shift, range: i64, grid: Grid) -> (i64, i64) {
        let offset = shift.offset.unwrap_or_default();
        let anchor = self.anchor(shift);
        let first = anchor.unwrap_or(grid.start) - offset - range;
        (first, anchor.unwrap_or(grid.last()) - offset)
    }

    fn samples(&self, selector: &Selector, range: i64, grid: Grid) -> Evaluated<Vec<Ranged<'a>>> {
        let (after, until) = self.reach(selector.shift, range, grid);
        let mut found = Vec::new();
        for series in self.series(selector.number) {
            let from = series.times().partition_point(|time| *time <= after);
            let to = series.times().partition_point(|time| *time <= until);
            if from >= to {
                continue;
            }
            self.account.work((to - from) as u64)?;
            let (times, values) = (&series.times()[from..to], &series.values()[from..to]);
            let labels = series.labels().clone();
            if !values.iter().any(|value| is_stale(*value)) {
                let (times, values) = (Cow::Borrowed(times), Cow::Borrowed(values));
                found.push(Ranged { labels, nameless: false, times, values });
                continue;
            }
            self.account.hold(2, to - from)?;
            let (times, values) = present(times.iter().copied(), values);
            found.push(Ranged { labels, nameless: false, times: times.into(), values });
        }
        Ok(found)
    }

    fn subquery(&self, subquery: &Subquery, grid: Grid) -> Evaluated<Vec<Ranged<'a>>> {
        let (after, until) = self.reach(subquery.shift, subquery.range, grid);
        let step = subquery.step.unwrap_or(self.settings.subquery_step);
        // Steps are multiples of the step, whatever the time of evaluation.
        let start = after.div_euclid(step) * step + step;
        if start > until {
            return Ok(Vec::new());
        }
        let steps = self.account.steps((until - start) / step + 1)?;
        let inner = Grid { start, step, steps };
        let columns = self.vector(&subquery.inner, inner)?;
        self.account.hold(columns.len(), steps)?;
        let ranged = |column: Column| {
            let (times, values) = present(inner.times(), &column.values);
            let (labels, nameless) = (column.labels, column.nameless);
            Ranged { labels, nameless, times: times.into(), values }
        };
        Ok(columns.into_iter().map(ranged).collect())
    }

    /// What `over` makes of the ranges of `node` at each step.
    pub(super) fn over(
        &self,
        over: Over,
        node: &Node,
        parameters: [&[f64]; 2],
        grid: Grid,
    ) -> Evaluated<Vec<Column>> {
        let (shift, range) = match &node.bare().kind {
            Kind::Range(selector, range) => (selector.shift, *range),
            Kind::Subquery(subquery) => (subquery.shift, subquery.range),
            _ => return failed("expected a range vector"),
        };
        let (anchor, offset) = (self.anchor(shift), shift.offset.unwrap_or_default());
        let ranged = self.ranged(node, grid)?;
        self.account.hold(ranged.len(), grid.steps)?;
        let parameter = |which: usize, at: usize| parameters[which].get(at).copied();
        let mut columns = Vec::with_capacity(ranged.len());
        for series in ranged {
            let run = Run { times: &series.times, values: &series.values };
            let mut slide = Slide::new(over, run);
            let mut column = Column::empty(series.labels.clone(), grid.steps);
            for (at, now) in grid.times().enumerate() {
                let end = anchor.unwrap_or(now) - offset;
                let span = Span { start: end - range, end, now };
                let with = [0, 1].map(|which| parameter(which, at).unwrap_or(f64::NAN));
                let value = slide.next(span, with, &self.account)?;
                column.values[at] = value.unwrap_or(ABSENT);
            }
            if column.is_empty() {
                continue;
            }
            column.nameless = series.nameless || !over.keeps_the_name();
            let name = column.labels.metric_name();
            if matches!(over, Over::Rate | Over::Increase) && !is_counter(name) {
                self.notes.borrow_mut().no_counter(name);
            }
            columns.push(column);
        }
        Ok(columns)
    }

    /// Whether any series has a sample in the range, for each step.
    pub(super) fn any_over(&self, node: &Node, grid: Grid) -> Evaluated<Vec<bool>> {
        let columns = self.over(Over::Present, node, [&[], &[]], grid)?;
        Ok(any_present(&columns, grid.steps))
    }
}

/// Whether any column has a value, for each step.
pub(super) fn any_present(columns: &[Column], steps: usize) -> Vec<bool> {
    let mut found = vec![false; steps];
    for column in columns {
        for (found, value) in found.iter_mut().zip(&column.values) {
            *found |= !is_absent(*value);
        }
    }
    found
}

/// The samples that are there.
fn present<'a>(times: impl Iterator<Item = i64>, values: &[f64]) -> (Vec<i64>, Cow<'a, [f64]>) {
    let there = times.zip(values).filter(|(_, value)| !is_stale(**value));
    let (times, values): (Vec<i64>, Vec<f64>) = there.map(|(time, value)| (time, *value)).unzip();
    (times, values.into())
}

/// Whether a metric may be a counter, by its name; of one without a name nothing is known.
fn is_counter(name: &str) -> bool {
    let endings = ["_total", "_sum", "_count", "_bucket"];
    name.is_empty() || endings.iter().any(|ending| name.ends_with(ending))
}
