//! The growth of counters that begin anew and grow little by little.

use std::sync::Arc;

use tripline::query::{METRIC_NAME, Series, When};

use super::server::Server;
use super::{BEGIN, Values, difference, here, number, there};
use crate::support::random::Random;

/// Ranges, and how many milliseconds they are.
const RANGES: [(&str, i64); 4] =
    [("40s", 40_000), ("1m", 60_000), ("5m", 300_000), ("23m", 23 * 60_000)];

/// Where both differ, but for the points of which [`is_bounded_otherwise`] says that they must.
pub(super) async fn compare(
    server: &Server,
    all: &[Arc<Series>],
    random: &mut Random,
) -> Vec<String> {
    let (mut wrong, mut left_out, mut compared) = (Vec::new(), 0, 0);
    for (function, (range, length)) in
        ["rate", "increase"].iter().flat_map(|it| RANGES.map(|range| (it, range)))
    {
        let text = format!("{function}(d_total[{range}])");
        let start = BEGIN + 7_000 + 60_000 * (20 + i64::from(number(random, 60)));
        let (end, step) = (start + 3_600_000, 10_000);
        let ours = here(all, &text, When::Every { start, end, step });
        let theirs = there(&server.query_range(&text, (start, end), step).await);
        let (mut ours, mut theirs) = (ours.expect("a matrix"), theirs.expect("a matrix"));
        for series in all.iter().filter(|it| it.labels().metric_name() == "d_total") {
            let labels = series.labels().without(&[METRIC_NAME]).to_string();
            let known = |time: &i64| !is_bounded_otherwise(series, time - length, *time);
            let before = ours.get(&labels).map_or(0, Values::len);
            for values in [&mut ours, &mut theirs].into_iter().filter_map(|it| it.get_mut(&labels))
            {
                values.retain(|time, _| known(time));
            }
            let after = ours.get(&labels).map_or(0, Values::len);
            (left_out, compared) = (left_out + before - after, compared + after);
        }
        if let Some(difference) = difference(&ours, &theirs) {
            wrong.push(format!("{text}\n    {difference}"));
        }
    }
    assert!(left_out * 50 < compared, "{left_out} points are left out, {compared} are compared");
    wrong
}

/// Whether version 2 goes back elsewhere from the first sample of a range.
///
/// Where no sample is near the beginning (within 1.1 of the mean distance of samples), both go back half
/// that distance. A counter cannot have been below zero, so version 3 then stops at the time when it would
/// have been zero, if that is nearer. Version 2 looks at that time first, and goes back to it wherever it is
/// within 1.1 of the distance, so beyond the half of it, too. Nothing else of extrapolation differs.
fn is_bounded_otherwise(series: &Series, begin: i64, end: i64) -> bool {
    let samples = series.times().iter().zip(series.values());
    let inside: Vec<(f64, f64)> = samples
        .filter(|(time, _)| (begin..=end).contains(*time))
        .map(|(time, value)| (seconds(time - begin), *value))
        .collect();
    let [(to_start, lowest), .., (to_last, _)] = inside[..] else { return false };
    let grown = |pair: &[(f64, f64)]| {
        let (before, after) = (pair[0].1, pair[1].1);
        if after < before { after } else { after - before }
    };
    let growth: f64 = inside.windows(2).map(grown).sum();
    let covered = to_last - to_start;
    let distance = covered / f64::from(u32::try_from(inside.len() - 1).expect("few samples"));
    let to_zero = covered * lowest / growth;
    growth > 0.0
        && to_start >= 1.1 * distance
        && to_zero > distance / 2.0
        && to_zero < 1.1 * distance
}

/// Of milliseconds within a range.
fn seconds(millis: i64) -> f64 {
    f64::from(i32::try_from(millis).expect("a short range")) / 1000.0
}
