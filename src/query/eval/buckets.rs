//! Classic histograms: series that differ in `le` alone, together.

use std::collections::HashMap;

use super::super::functions::histogram::{Bucket, fraction, quantile};
use super::super::labels::Labels;
use super::super::number;
use super::super::parse::expression::Node;
use super::column::{Column, Grid, is_absent};
use super::{Evaluated, Evaluator};

/// The label that holds a bucket's upper bound.
const BOUND: &str = "le";

/// The buckets of one histogram.
struct Histogram {
    labels: Labels,
    /// Upper bounds and places among the columns.
    buckets: Vec<(f64, usize)>,
}

impl Evaluator<'_> {
    pub(super) fn quantile_of(
        &self,
        quantiles: &Node,
        of: &Node,
        grid: Grid,
    ) -> Evaluated<Vec<Column>> {
        let quantiles = self.scalar(quantiles, grid)?;
        for wrong in quantiles.iter().filter(|quantile| !(0.0..=1.0).contains(*quantile)) {
            self.notes.borrow_mut().invalid_quantile(*wrong);
        }
        self.of_histograms(of, grid, |at, labels, buckets| {
            let (value, forced) = quantile(quantiles[at], buckets);
            if forced {
                self.notes.borrow_mut().forced_monotonicity(labels.metric_name());
            }
            value
        })
    }

    pub(super) fn fraction_of(
        &self,
        [lower, upper]: [&Node; 2],
        of: &Node,
        grid: Grid,
    ) -> Evaluated<Vec<Column>> {
        let (lower, upper) = (self.scalar(lower, grid)?, self.scalar(upper, grid)?);
        self.of_histograms(of, grid, |at, _, buckets| fraction(lower[at], upper[at], buckets))
    }

    fn of_histograms(
        &self,
        of: &Node,
        grid: Grid,
        value: impl Fn(usize, &Labels, &mut Vec<Bucket>) -> f64,
    ) -> Evaluated<Vec<Column>> {
        let columns = self.vector(of, grid)?;
        let histograms = self.histograms(&columns);
        self.account.hold(histograms.len(), grid.steps)?;
        self.account.work((columns.len() as u64).saturating_mul(grid.steps as u64))?;
        let mut scratch = Vec::new();
        let mut out = Vec::with_capacity(histograms.len());
        for histogram in histograms {
            let mut column = Column::empty(histogram.labels, grid.steps);
            column.nameless = true;
            for at in 0..grid.steps {
                scratch.clear();
                let counted = histogram.buckets.iter().filter_map(|(bound, place)| {
                    let count = columns[*place].values[at];
                    (!is_absent(count)).then_some(Bucket { bound: *bound, count })
                });
                scratch.extend(counted);
                if !scratch.is_empty() {
                    column.values[at] = value(at, &column.labels, &mut scratch);
                }
            }
            out.push(column);
        }
        Ok(out)
    }

    fn histograms(&self, columns: &[Column]) -> Vec<Histogram> {
        let mut known: HashMap<Labels, usize> = HashMap::new();
        let mut found: Vec<Histogram> = Vec::new();
        for (place, column) in columns.iter().enumerate().filter(|(_, column)| !column.is_empty()) {
            let bound = column.labels.value(BOUND);
            let Some(bound) = number::bound(bound) else {
                self.notes.borrow_mut().bad_bucket(column.labels.metric_name(), bound);
                continue;
            };
            let labels = column.labels.without(&[BOUND]);
            let at = *known.entry(labels.clone()).or_insert_with(|| {
                found.push(Histogram { labels, buckets: Vec::new() });
                found.len() - 1
            });
            found[at].buckets.push((bound, place));
        }
        found
    }
}
