//! Which series of two vectors belong together, and what operators make of them.
//!
//! Series are put into groups by their matching labels once; within a group it is decided step by
//! step, since a group may have another series at each. Source: Prometheus' `VectorBinop`,
//! `VectorAnd`, `VectorOr` and `VectorUnless`.

use std::collections::HashMap;

use super::super::labels::Labels;
use super::super::parse::expression::{Binary, Grouping, Matching, Operator, Side};
use super::binary::compute;
use super::column::{ABSENT, Column, Grid, is_absent, merged, overlay};
use super::range::any_present;
use super::{Evaluated, Evaluator, failed};

/// The columns of both sides that match, by their places.
#[derive(Default)]
struct Group {
    /// The side that may have many.
    many: Vec<usize>,
    one: Vec<usize>,
}

/// The labels that decide what a series is matched with.
fn key(labels: &Labels, matching: &Matching) -> Labels {
    match &matching.grouping {
        Some(Grouping::Only(names)) => labels.only(names),
        Some(Grouping::AllBut(names)) => labels.nameless().without(names),
        None => labels.nameless(),
    }
}

fn groups(many: &[Column], one: &[Column], matching: &Matching) -> Vec<(Labels, Group)> {
    let mut known: HashMap<Labels, usize> = HashMap::new();
    let mut found: Vec<(Labels, Group)> = Vec::new();
    let sides = many.iter().enumerate().map(|(at, column)| (at, column, true));
    let sides = sides.chain(one.iter().enumerate().map(|(at, column)| (at, column, false)));
    for (at, column, is_many) in sides {
        let key = key(&column.labels, matching);
        let place = *known.entry(key.clone()).or_insert_with(|| {
            found.push((key, Group::default()));
            found.len() - 1
        });
        let group = &mut found[place].1;
        if is_many { group.many.push(at) } else { group.one.push(at) }
    }
    found
}

impl Evaluator<'_> {
    pub(super) fn matched(
        &self,
        binary: &Binary,
        left: Vec<Column>,
        right: Vec<Column>,
        grid: Grid,
    ) -> Evaluated<Vec<Column>> {
        if binary.operator.is_set() {
            return self.set(binary, left, right, grid);
        }
        let swapped = binary.matching.side == Side::Right;
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        let found = groups(&many, &one, &binary.matching);
        let any_many = any_present(&many, grid.steps);
        let mut out = Vec::new();
        for (key, group) in &found {
            check_one_side(key, group, &one, &any_many, swapped)?;
            let pairs = group.many.len().saturating_mul(group.one.len());
            self.account.hold(pairs, grid.steps)?;
            let mut uniqueness = Uniqueness::new(binary.matching.side == Side::One);
            for many in group.many.iter().map(|at| &many[*at]) {
                for one in group.one.iter().map(|at| &one[*at]) {
                    let pair = pair(binary, many, one, swapped);
                    if pairs > 1 {
                        uniqueness.take(&pair.labels, many, one)?;
                    }
                    out.push(pair);
                }
            }
        }
        merged(out)
    }

    fn set(
        &self,
        binary: &Binary,
        mut left: Vec<Column>,
        mut right: Vec<Column>,
        grid: Grid,
    ) -> Evaluated<Vec<Column>> {
        let found = groups(&left, &right, &binary.matching);
        self.account.hold(left.len().saturating_add(right.len()), 1)?;
        for (_, group) in &found {
            let mut present = vec![false; grid.steps];
            let (decides, filtered, chosen, wanted) = match binary.operator {
                Operator::Or => (&left, &group.many, &group.one, false),
                Operator::And => (&right, &group.one, &group.many, true),
                _ => (&right, &group.one, &group.many, false),
            };
            for column in filtered.iter().map(|at| &decides[*at]) {
                for (present, value) in present.iter_mut().zip(&column.values) {
                    *present |= !is_absent(*value);
                }
            }
            let changed = if binary.operator == Operator::Or { &mut right } else { &mut left };
            for at in chosen {
                for (value, present) in changed[*at].values.iter_mut().zip(&present) {
                    if *present != wanted {
                        *value = ABSENT;
                    }
                }
            }
        }
        if binary.operator == Operator::Or {
            left.append(&mut right);
        }
        merged(left)
    }
}

/// What the operator makes of two series that match.
fn pair(binary: &Binary, many: &Column, one: &Column, swapped: bool) -> Column {
    let (operator, returns_bool) = (binary.operator, binary.returns_bool);
    let mut out = Column::empty(result_labels(binary, &many.labels, &one.labels), 0);
    out.nameless = many.nameless || returns_bool;
    let value = |(many, one): (&f64, &f64)| {
        if is_absent(*many) || is_absent(*one) {
            return ABSENT;
        }
        let (left, right) = if swapped { (*one, *many) } else { (*many, *one) };
        compute(operator, left, right).value(returns_bool, left)
    };
    out.values = many.values.iter().zip(&one.values).map(value).collect();
    out
}

/// Prometheus' `resultMetric`.
fn result_labels(binary: &Binary, many: &Labels, one: &Labels) -> Labels {
    let matching = &binary.matching;
    let mut labels = many.clone();
    if !binary.operator.is_comparison() {
        labels = labels.nameless();
    }
    if matching.side == Side::One {
        labels = match &matching.grouping {
            Some(Grouping::Only(names)) => labels.only(names),
            Some(Grouping::AllBut(names)) => labels.without(names),
            None => labels,
        };
    }
    if matching.include.is_empty() {
        return labels;
    }
    let mut draft = labels.draft();
    for name in &matching.include {
        draft.set(name.clone(), one.value(name));
    }
    draft.finish()
}

/// The side that must have one series has one at each step that is looked at.
fn check_one_side(
    key: &Labels,
    group: &Group,
    one: &[Column],
    any_many: &[bool],
    swapped: bool,
) -> Evaluated<()> {
    let [first, others @ ..] = &group.one[..] else { return Ok(()) };
    if others.is_empty() {
        return Ok(());
    }
    let mut holder: Vec<Option<usize>> =
        one[*first].values.iter().map(|value| (!is_absent(*value)).then_some(*first)).collect();
    for other in others {
        for (at, value) in one[*other].values.iter().enumerate() {
            if is_absent(*value) || !any_many[at] {
                continue;
            }
            let Some(before) = holder[at].replace(*other) else { continue };
            let side = if swapped { "left" } else { "right" };
            let (labels, before) = (&one[*other].labels, &one[before].labels);
            return failed(format!(
                "found duplicate series for the match group {key} on the {side} hand-side of the \
                 operation: [{labels}, {before}];many-to-many matching not allowed: matching \
                 labels must be unique on one side"
            ));
        }
    }
    Ok(())
}

/// Which results of a group there are at which steps, before a comparison filters them: whether
/// series fit together must not depend on their values (as in Prometheus from 3.9 on).
struct Uniqueness {
    /// At each step the group has one result, whatever its labels.
    one_to_one: bool,
    taken: HashMap<Labels, Vec<f64>>,
}

impl Uniqueness {
    fn new(one_to_one: bool) -> Self {
        Self { one_to_one, taken: HashMap::new() }
    }

    fn take(&mut self, result: &Labels, many: &Column, one: &Column) -> Evaluated<()> {
        let (key, message) = if self.one_to_one {
            let message = "multiple matches for labels: many-to-one matching must be explicit \
                           (group_left/group_right)";
            (Labels::default(), message)
        } else {
            let message = "multiple matches for labels: grouping labels must ensure unique matches";
            (result.clone(), message)
        };
        let both = many
            .values
            .iter()
            .zip(&one.values)
            .map(|(many, one)| if is_absent(*many) || is_absent(*one) { ABSENT } else { 1.0 });
        let both: Vec<f64> = both.collect();
        let taken = self.taken.entry(key).or_insert_with(|| vec![ABSENT; both.len()]);
        overlay(taken, &both, message)
    }
}
