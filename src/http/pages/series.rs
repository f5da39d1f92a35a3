//! Series of checks, read to be drawn.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::domain::Timestamp;
use crate::domain::id::CheckId;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::query::{Comparison, METRIC_NAME, Matcher, Selection, Series, is_stale};
use crate::store::metrics::{Bounds, Found};

/// What may be read for one page; where that is too little, it is drawn without.
const BOUNDS: Bounds = Bounds { series: 10_000, points: 1_000_000 };

/// What is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The names of the series.
    pub(super) names: &'a [&'a str],
    /// Of which checks.
    pub(super) checks: &'a [&'a CheckId],
    /// From when until when.
    pub(super) span: (Timestamp, Timestamp),
}

/// For each name its series; none at all where that would be too much.
pub(super) async fn read(api: &Api, wanted: Wanted<'_>) -> Result<Vec<Vec<Arc<Series>>>, Problem> {
    let selections: Result<Vec<Selection>, String> =
        wanted.names.iter().map(|name| selection(name, wanted)).collect();
    let none = || vec![Vec::new(); wanted.names.len()];
    let Ok(selections) = selections else { return Ok(none()) };
    if wanted.checks.is_empty() {
        return Ok(none());
    }
    match api.metrics.select(&selections, BOUNDS).await? {
        Found::Series(found) => Ok(found),
        Found::TooMuch(_) => Ok(none()),
    }
}

fn selection(name: &str, Wanted { checks, span, .. }: Wanted<'_>) -> Result<Selection, String> {
    let of_checks = match checks {
        [check] => Matcher::new("check", Comparison::Equal, check.as_str())?,
        checks => {
            // A dot is the only character of a name that means something in a pattern.
            let ids: Vec<String> =
                checks.iter().map(|it| it.as_str().replace('.', "\\.")).collect();
            Matcher::new("check", Comparison::Matches, &ids.join("|"))?
        }
    };
    let matchers = [Matcher::new(METRIC_NAME, Comparison::Equal, name)?, of_checks];
    let (after, until) = (span.0.timestamp_millis(), span.1.timestamp_millis());
    Ok(Selection { matchers: matchers.into(), after, until })
}

/// When, in milliseconds, and the value then.
pub(super) fn points(series: &Series) -> impl Iterator<Item = (i64, f64)> {
    let points = series.times().iter().copied().zip(series.values().iter().copied());
    points.filter(|(_, value)| !is_stale(*value))
}

/// The averages of `points` over parts of time, each at the beginning of its part.
pub(super) fn averages(
    points: impl Iterator<Item = (i64, f64)>,
    part: TimeDelta,
) -> Vec<(i64, f64)> {
    let part = part.num_milliseconds().max(1);
    let mut sums: std::collections::BTreeMap<i64, (f64, f64)> = std::collections::BTreeMap::new();
    for (at, value) in points {
        let (sum, count) = sums.entry(at.div_euclid(part)).or_default();
        *sum += value;
        *count += 1.0;
    }
    sums.into_iter().map(|(at, (sum, count))| (at * part, sum / count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_of_parts_of_time() {
        let points = [(0, 1.0), (900, 3.0), (1_000, 5.0), (-1, 7.0)];
        let all = averages(points.into_iter(), TimeDelta::seconds(1));
        assert_eq!(all, [(-1_000, 7.0), (0, 2.0), (1_000, 5.0)]);
    }
}
