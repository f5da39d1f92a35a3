//! Values over time, made ready to be drawn: put in order, cut where some are missing, and thinned
//! to what a width can show.
//!
//! Of each column of [`COLUMN`] units the least and the greatest value stay, in their order: one
//! slow run among a hundred thousand is what somebody looks for, and an average, or a choice of
//! points by area (LTTB), may lose it.

use std::collections::BTreeMap;

use super::Millis;
use super::number::{float, whole};
use super::unit::Unit;

/// Values over time under a name.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// When, and the value then; in any order. What is no finite number is missing.
    pub points: Vec<(Millis, f64)>,
}

/// How wide a column is of which two points are drawn at most.
const COLUMN: f64 = 2.0;

/// The finite points within `span`, in the order of their times.
pub(super) fn within(points: &[(Millis, f64)], span: (Millis, Millis)) -> Vec<(Millis, f64)> {
    let is_in = |(at, value): &&(Millis, f64)| (span.0..=span.1).contains(at) && value.is_finite();
    let mut points: Vec<_> = points.iter().filter(is_in).copied().collect();
    points.sort_by_key(|(at, _)| *at);
    points
}

/// `points` (in order) as unbroken runs for a drawing that is `width` wide. What is farther apart
/// than `gap` is not joined, if that can be seen.
pub(super) fn runs(
    points: &[(Millis, f64)],
    span: (Millis, Millis),
    gap: Millis,
    width: f64,
) -> Vec<Vec<(Millis, f64)>> {
    let mut runs: Vec<Vec<(Millis, f64)>> = Vec::new();
    let mut last: Option<(Millis, usize)> = None;
    let mut column: Vec<(Millis, f64)> = Vec::new();
    for (time, value) in points {
        let here = whole(part(*time, span) * width / COLUMN);
        let (is_new, is_cut) = last.map_or((true, true), |(before, column)| {
            (column != here, column != here && time.saturating_sub(before) > gap)
        });
        if is_new {
            flush(&mut column, &mut runs);
        }
        if is_cut {
            runs.push(Vec::new());
        }
        column.push((*time, *value));
        last = Some((*time, here));
    }
    flush(&mut column, &mut runs);
    runs
}

/// The least and the greatest of `column` are added to the last run.
fn flush(column: &mut Vec<(Millis, f64)>, runs: &mut [Vec<(Millis, f64)>]) {
    let least = column.iter().copied().min_by(|one, other| one.1.total_cmp(&other.1));
    let most = column.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1));
    if let (Some(least), Some(most), Some(run)) = (least, most, runs.last_mut()) {
        let (first, second) = if least.0 <= most.0 { (least, most) } else { (most, least) };
        run.push(first);
        if first != second {
            run.push(second);
        }
    }
    column.clear();
}

/// Where `time` is in `span`: 0 at its begin, 1 at its end.
pub(super) fn part(time: Millis, (from, until): (Millis, Millis)) -> f64 {
    let whole = float(until) - float(from);
    let part = (float(time) - float(from)) / whole;
    if part.is_nan() { 0.5 } else { part.clamp(0.0, 1.0) }
}

/// The least and the greatest of all values.
pub(super) fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |bounds, value| {
        let (least, most) = bounds.unwrap_or((value, value));
        Some((value.min(least), value.max(most)))
    })
}

/// A line in words: "eu: 120 ms at the end, 90 ms to 2.1 s".
pub(super) fn told(name: &str, points: &[(Millis, f64)], unit: Unit) -> String {
    let present = points.last().map(|(_, value)| *value);
    match (present, bounds(points.iter().map(|(_, value)| *value))) {
        (Some(present), Some((least, most))) => {
            let [present, least, most] = [present, least, most].map(|value| unit.say(value));
            format!("{name}: {present} at the end, {least} to {most}")
        }
        _ => format!("{name}: no value"),
    }
}

/// What can be pointed at in a column of a chart: the values of each line there.
#[derive(Debug, Default, Clone)]
pub(super) struct Column {
    pub(super) until: Millis,
    /// By the number of the line: the first time, the least and the greatest value.
    pub(super) values: BTreeMap<usize, (f64, f64)>,
    pub(super) from: Millis,
}

/// The columns, `apart` units wide, in which there are points, by their number from the left.
pub(super) fn columns<'a>(
    lines: impl Iterator<Item = &'a [(Millis, f64)]>,
    span: (Millis, Millis),
    width: f64,
    apart: f64,
) -> BTreeMap<usize, Column> {
    let mut columns: BTreeMap<usize, Column> = BTreeMap::new();
    let most = whole((width / apart).ceil()).saturating_sub(1);
    for (line, points) in lines.enumerate() {
        for (time, value) in points {
            let here = whole(part(*time, span) * width / apart).min(most);
            let column = columns.entry(here).or_insert_with(|| Column {
                from: *time,
                until: *time,
                values: BTreeMap::new(),
            });
            column.from = column.from.min(*time);
            column.until = column.until.max(*time);
            let (least, greatest) = column.values.entry(line).or_insert((*value, *value));
            (*least, *greatest) = (least.min(*value), greatest.max(*value));
        }
    }
    columns
}
