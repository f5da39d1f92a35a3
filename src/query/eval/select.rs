//! Instant vectors: the last sample of each series at each step.
//!
//! A sample counts for the lookback after its time, that end excluded; a stale marker ends a series
//! at once.

use super::super::parse::expression::Selector;
use super::super::series::{Series, is_stale};
use super::super::window::seconds;
use super::column::{ABSENT, Column, Grid};
use super::{Evaluated, Evaluator};

/// What of the found sample is the value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Value,
    Time,
}

impl Evaluator<'_> {
    pub(super) fn select(&self, selector: &Selector, grid: Grid) -> Evaluated<Vec<Column>> {
        self.found(selector, grid, Wanted::Value)
    }

    /// The times of the samples, in seconds, instead of their values.
    pub(super) fn select_times(&self, selector: &Selector, grid: Grid) -> Evaluated<Vec<Column>> {
        let mut columns = self.found(selector, grid, Wanted::Time)?;
        for column in &mut columns {
            column.nameless = true;
        }
        Ok(columns)
    }

    fn found(&self, selector: &Selector, grid: Grid, wanted: Wanted) -> Evaluated<Vec<Column>> {
        let series = self.series(selector.number);
        let anchor = self.anchor(selector.shift);
        let offset = selector.shift.offset.unwrap_or_default();
        self.account.hold(series.len(), grid.steps)?;
        let mut columns = Vec::with_capacity(series.len());
        for one in series {
            let times = grid.times().map(|now| anchor.unwrap_or(now) - offset);
            let values = self.walk(one, times, wanted);
            let column = Column { labels: one.labels().clone(), nameless: false, values };
            if !column.is_empty() {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    fn walk(&self, series: &Series, at: impl Iterator<Item = i64>, wanted: Wanted) -> Vec<f64> {
        let (times, values) = (series.times(), series.values());
        let mut next = 0;
        at.map(|time| {
            // Far ahead is found by halving, near ahead by going on.
            if times.get(next + 16).is_some_and(|sample| *sample <= time) {
                next += times[next..].partition_point(|sample| *sample <= time);
            }
            while next < times.len() && times[next] <= time {
                next += 1;
            }
            let Some(last) = next.checked_sub(1) else { return ABSENT };
            if times[last] <= time - self.settings.lookback || is_stale(values[last]) {
                return ABSENT;
            }
            if wanted == Wanted::Time { seconds(times[last]) } else { values[last] }
        })
        .collect()
    }
}
