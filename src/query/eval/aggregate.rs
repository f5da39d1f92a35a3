//! Aggregations that make one value of many: `sum`, `avg`, `quantile` and their like.

use std::collections::HashMap;

use super::super::functions::math;
use super::super::labels::Labels;
use super::super::number;
use super::super::parse::expression::{Aggregate, Aggregator, Grouping};
use super::column::{ABSENT, Column, Grid, is_absent};
use super::{Evaluated, Evaluator, failed};

/// The columns of a group, by their places.
pub(super) struct Group {
    pub(super) labels: Labels,
    pub(super) members: Vec<usize>,
}

/// The labels of the group that a series is in.
pub(super) fn group_labels(labels: &Labels, grouping: &Grouping) -> Labels {
    match grouping {
        Grouping::Only(names) => labels.only(names),
        Grouping::AllBut(names) => labels.nameless().without(names),
    }
}

/// The groups of the columns, in the order of their first members.
///
/// Members are in the order of their labels, whatever order they come in: the rounding of a sum and
/// the choice between equals must be the same at each step and in each query.
pub(super) fn groups(columns: &[Column], grouping: &Grouping) -> Vec<Group> {
    let mut known: HashMap<Labels, usize> = HashMap::new();
    let mut found: Vec<Group> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let labels = group_labels(&column.labels, grouping);
        let place = *known.entry(labels.clone()).or_insert_with(|| {
            found.push(Group { labels, members: Vec::new() });
            found.len() - 1
        });
        found[place].members.push(at);
    }
    for group in &mut found {
        group.members.sort_by(|a, b| columns[*a].labels.cmp(&columns[*b].labels));
    }
    found
}

impl Evaluator<'_> {
    pub(super) fn aggregate(&self, aggregate: &Aggregate, grid: Grid) -> Evaluated<Vec<Column>> {
        let aggregator = aggregate.aggregator;
        match (aggregator, &aggregate.parameter) {
            (Aggregator::CountValues, Some(label)) => self.count_values(label, aggregate, grid),
            (Aggregator::Quantile, Some(quantile)) => {
                let quantiles = self.scalar(quantile, grid)?;
                for wrong in quantiles.iter().filter(|wrong| !(0.0..=1.0).contains(*wrong)) {
                    self.notes.borrow_mut().invalid_quantile(*wrong);
                }
                self.reduced(aggregate, grid, |at, values| math::quantile(quantiles[at], values))
            }
            (_, Some(parameter)) => {
                let parameter = self.scalar(parameter, grid)?;
                self.choose(aggregate, &parameter, grid)
            }
            (_, None) => self.reduced(aggregate, grid, |_, values| reduce(aggregator, values)),
        }
    }

    fn reduced(
        &self,
        aggregate: &Aggregate,
        grid: Grid,
        reduce: impl Fn(usize, &mut [f64]) -> f64,
    ) -> Evaluated<Vec<Column>> {
        let columns = self.vector(&aggregate.inner, grid)?;
        self.account.work((columns.len() as u64).saturating_mul(grid.steps as u64))?;
        let groups = groups(&columns, &aggregate.grouping);
        self.account.hold(groups.len(), grid.steps)?;
        let mut scratch = Vec::new();
        let mut out = Vec::with_capacity(groups.len());
        for group in groups {
            let mut column = Column::empty(group.labels, grid.steps);
            let members: Vec<&Column> = group.members.iter().map(|at| &columns[*at]).collect();
            for (at, value) in column.values.iter_mut().enumerate() {
                scratch.clear();
                scratch.extend(members.iter().map(|m| m.values[at]).filter(|v| !is_absent(*v)));
                if !scratch.is_empty() {
                    *value = reduce(at, &mut scratch);
                }
            }
            let drops = |at: usize| {
                members.iter().any(|member| member.nameless && !is_absent(member.values[at]))
            };
            out.extend(column.parted(drops).into_iter().filter(|part| !part.is_empty()));
        }
        Ok(out)
    }
}

/// One value of the values of a group, of which there is at least one.
fn reduce(aggregator: Aggregator, values: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are fewer series than 2^52")]
    let count = values.len() as f64;
    let best = |is_better: fn(f64, f64) -> bool| {
        let better = |kept: f64, next: f64| {
            if kept.is_nan() || is_better(next, kept) { next } else { kept }
        };
        values.iter().copied().reduce(better).unwrap_or(ABSENT)
    };
    match aggregator {
        Aggregator::Sum => math::sum(values),
        Aggregator::Avg => math::mean(values),
        Aggregator::Min => best(|next, kept| next < kept),
        Aggregator::Max => best(|next, kept| next > kept),
        Aggregator::Count => count,
        Aggregator::Group => 1.0,
        Aggregator::Stddev => math::variance(values).sqrt(),
        Aggregator::Stdvar => math::variance(values),
        _ => ABSENT,
    }
}

/// The whole number that `topk` and its like are given at each step.
pub(super) fn whole_parameters(parameters: &[f64]) -> Evaluated<Option<Vec<usize>>> {
    let largest = parameters.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest < 1.0 {
        return Ok(None);
    }
    if parameters.iter().any(|parameter| parameter.is_nan()) {
        return failed("Parameter value is NaN");
    }
    let shown = |value: &f64| number::general(*value);
    if let Some(low) = parameters.iter().find(|parameter| **parameter <= -9.223_372_036_854_775e18)
    {
        return failed(format!("Scalar value {} underflows int64", shown(low)));
    }
    if let Some(high) = parameters.iter().find(|parameter| **parameter >= 9.223_372_036_854_775e18)
    {
        return failed(format!("Scalar value {} overflows int64", shown(high)));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion of floats saturates"
    )]
    Ok(Some(parameters.iter().map(|parameter| *parameter as usize).collect()))
}
