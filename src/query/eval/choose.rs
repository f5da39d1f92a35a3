//! Aggregations that keep some series of each group: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use super::super::functions::math;
use super::super::parse::expression::{Aggregate, Aggregator};
use super::aggregate::{Group, groups, whole_parameters};
use super::column::{ABSENT, Column, Grid, is_absent};
use super::{Evaluated, Evaluator, failed};

impl Evaluator<'_> {
    pub(super) fn choose(
        &self,
        aggregate: &Aggregate,
        parameters: &[f64],
        grid: Grid,
    ) -> Evaluated<Vec<Column>> {
        let columns = self.vector(&aggregate.inner, grid)?;
        self.account.work((columns.len() as u64).saturating_mul(grid.steps as u64))?;
        if aggregate.aggregator == Aggregator::LimitRatio {
            return self.sampled(columns, parameters);
        }
        let Some(most) = whole_parameters(parameters)? else { return Ok(Vec::new()) };
        let groups = groups(&columns, &aggregate.grouping);
        self.account.hold(columns.len(), grid.steps)?;
        let mut kept: Vec<Vec<f64>> = vec![vec![ABSENT; grid.steps]; columns.len()];
        let mut order = Vec::new();
        for group in &groups {
            for (at, most) in most.iter().enumerate() {
                let chosen = chosen(aggregate.aggregator, group, &columns, at, *most);
                for place in &chosen {
                    kept[*place][at] = columns[*place].values[at];
                }
                if grid.steps == 1 {
                    order.extend(chosen);
                }
            }
        }
        if grid.steps > 1 {
            order = (0..columns.len()).collect();
        }
        let column = |place: usize| {
            let values = std::mem::take(&mut kept[place]);
            let (labels, nameless) = (columns[place].labels.clone(), columns[place].nameless);
            Column { labels, nameless, values }
        };
        Ok(order.into_iter().map(column).filter(|column| !column.is_empty()).collect())
    }

    /// The share of series that each ratio asks for: the same ones each time, and with a negative
    /// ratio those that the rest of it leaves.
    fn sampled(&self, columns: Vec<Column>, ratios: &[f64]) -> Evaluated<Vec<Column>> {
        if ratios.iter().all(|ratio| *ratio == 0.0) {
            return Ok(Vec::new());
        }
        if ratios.iter().any(|ratio| ratio.is_nan()) {
            return failed("Ratio value is NaN");
        }
        let largest = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let smallest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        if largest > 1.0 {
            self.notes.borrow_mut().invalid_ratio(largest, 1.0);
        }
        if smallest < -1.0 {
            self.notes.borrow_mut().invalid_ratio(smallest, -1.0);
        }
        let sampled = |mut column: Column| {
            #[expect(clippy::cast_precision_loss, reason = "a share needs no more precision")]
            let place = column.labels.fingerprint() as f64 / u64::MAX as f64;
            for (value, ratio) in column.values.iter_mut().zip(ratios) {
                let all = ratio.abs() >= 1.0;
                let taken = if *ratio >= 0.0 { place < *ratio } else { place >= 1.0 + ratio };
                if !(all || taken) {
                    *value = ABSENT;
                }
            }
            column
        };
        Ok(columns.into_iter().map(sampled).filter(|column| !column.is_empty()).collect())
    }
}

/// The members of a group that are kept at one step, the best first.
fn chosen(
    aggregator: Aggregator,
    group: &Group,
    columns: &[Column],
    at: usize,
    most: usize,
) -> Vec<usize> {
    let value = |place: &usize| columns[*place].values[at];
    let there = group.members.iter().copied().filter(|place| !is_absent(value(place)));
    if aggregator == Aggregator::Limitk {
        return there.take(most).collect();
    }
    let mut places: Vec<usize> = there.collect();
    places.sort_by(|a, b| match aggregator {
        Aggregator::Bottomk => math::descending(-value(a), -value(b)),
        _ => math::descending(value(a), value(b)),
    });
    places.truncate(most);
    places
}
