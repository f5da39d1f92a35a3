//! `count_values`: how often each value occurs, with the value as a label.

use std::collections::HashMap;

use super::super::labels::Labels;
use super::super::limits::Excess;
use super::super::number;
use super::super::parse::expression::{Aggregate, Grouping, Node};
use super::aggregate::group_labels;
use super::column::{Column, Grid, is_absent, merged};
use super::{Evaluated, Evaluator};

/// Making a label of a value costs about as much as computing so many values.
const LABEL: u64 = 20;

/// The counts so far, by the labels that they have in the result.
#[derive(Default)]
struct Counts {
    places: HashMap<Labels, usize>,
    columns: Vec<Column>,
    /// At which steps the name of a column is to be dropped, by its place.
    drops: HashMap<usize, Vec<bool>>,
}

impl Evaluator<'_> {
    pub(super) fn count_values(
        &self,
        label: &Node,
        aggregate: &Aggregate,
        grid: Grid,
    ) -> Evaluated<Vec<Column>> {
        let label = Self::label(label, "label name")?;
        let mut grouping = aggregate.grouping.clone();
        if let Grouping::Only(names) = &mut grouping {
            names.push(label.into());
        }
        let mut counts = Counts::default();
        for column in self.vector(&aggregate.inner, grid)? {
            let mut last = None;
            for (at, value) in column.values.iter().enumerate().filter(|(_, v)| !is_absent(**v)) {
                let place = match last {
                    Some((bits, place)) if bits == value.to_bits() => place,
                    _ => {
                        let mut draft = column.labels.draft();
                        draft.set(label, number::plain(*value));
                        let labels = group_labels(&draft.finish(), &grouping);
                        self.counted(&mut counts, labels, grid)?
                    }
                };
                last = Some((value.to_bits(), place));
                let counted = &mut counts.columns[place];
                if column.nameless {
                    let drops = counts.drops.entry(place);
                    drops.or_insert_with(|| vec![false; grid.steps])[at] = true;
                }
                let count = &mut counted.values[at];
                *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
            }
        }
        let Counts { columns, drops, .. } = counts;
        let parted = columns.into_iter().enumerate().flat_map(|(place, column)| {
            let drops = drops.get(&place);
            column.parted(|at| drops.is_some_and(|drops| drops[at]))
        });
        merged(parted.collect())
    }

    /// The place of the count with these labels, which begins here if there is none.
    fn counted(&self, counts: &mut Counts, labels: Labels, grid: Grid) -> Evaluated<usize> {
        self.account.work(LABEL)?;
        if let Some(place) = counts.places.get(&labels) {
            return Ok(*place);
        }
        let place = counts.columns.len();
        let most = self.settings.limits.series;
        if place >= most {
            return Err(Excess::of("series", most).into());
        }
        self.account.hold(1, grid.steps)?;
        counts.places.insert(labels.clone(), place);
        counts.columns.push(Column::empty(labels, grid.steps));
        Ok(place)
    }
}
