//! Series of checks, read to be drawn.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::CheckId;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::query::{Comparison, METRIC_NAME, Matcher, Selection, Series, is_stale};
use crate::store::metrics::{Bounds, Found};

/// What may be read at once.
const BOUNDS: Bounds = Bounds { series: 10_000, points: 1_000_000 };

/// So many points are asked for at once, as far as schedules tell how many there are.
const AT_ONCE: u64 = 250_000;

/// In so many parts one question is asked at most: a page is not waited for longer.
const PARTS: u64 = 48;

/// What is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The names of the series.
    pub(super) names: &'a [&'a str],
    /// Of which checks.
    pub(super) checks: &'a [&'a Check],
    /// How many series of these names a check has in a region, about.
    pub(super) each: u64,
    /// From when until when.
    pub(super) span: (Timestamp, Timestamp),
}

/// How much of what is wanted was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// Not all of it: that would be too much for a page.
    TooMuch,
}

/// Hands on each series that is found, with the place of its name. One that is long comes in several parts, from the
/// earliest: so what has to be held at a time is bounded, however much there is.
pub(super) async fn each(
    api: &Api,
    wanted: Wanted<'_>,
    mut take: impl FnMut(usize, &Series),
) -> Result<Extent, Problem> {
    for checks in batches(wanted) {
        let parts = points(Wanted { checks, ..wanted }).div_ceil(AT_ONCE).max(1);
        if parts > PARTS {
            return Ok(Extent::TooMuch);
        }
        for span in parts_of(wanted.span, parts) {
            let one = |name: &&str| selection(name, checks, span);
            let selections: Result<Vec<Selection>, String> = wanted.names.iter().map(one).collect();
            let Ok(selections) = selections else { return Ok(Extent::TooMuch) };
            let Found::Series(found) = api.metrics.select(&selections, BOUNDS).await? else {
                return Ok(Extent::TooMuch);
            };
            for (place, series) in found.iter().enumerate() {
                for it in series {
                    take(place, it);
                }
            }
        }
    }
    Ok(Extent::Whole)
}

/// The checks, as many at a time as are asked for at once; one alone may be more than that.
fn batches(wanted: Wanted<'_>) -> Vec<&[&Check]> {
    let mut batches = Vec::new();
    let (mut begin, mut sum) = (0, 0);
    for (at, check) in wanted.checks.iter().enumerate() {
        let own = points(Wanted { checks: std::slice::from_ref(check), ..wanted });
        if sum + own > AT_ONCE && at > begin {
            batches.push(&wanted.checks[begin..at]);
            (begin, sum) = (at, 0);
        }
        sum += own;
    }
    batches.push(&wanted.checks[begin..]);
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// How many points there are, as the schedules say.
fn points(Wanted { checks, each, span, .. }: Wanted<'_>) -> u64 {
    let length = (span.1 - span.0).num_milliseconds().max(0).unsigned_abs();
    let of = |check: &&Check| {
        let every = u64::try_from(check.schedule.interval(span.1).as_millis()).unwrap_or(u64::MAX);
        (length / every.max(1)).saturating_mul(check.regions.len() as u64).saturating_mul(each)
    };
    checks.iter().map(of).fold(0, u64::saturating_add)
}

/// `parts` parts of a span, of the same length and from the earliest.
fn parts_of(
    (from, until): (Timestamp, Timestamp),
    parts: u64,
) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let parts = i32::try_from(parts).unwrap_or(i32::MAX).max(1);
    let length = until - from;
    (0..parts).map(move |at| (from + length * at / parts, from + length * (at + 1) / parts))
}

fn selection(
    name: &str,
    checks: &[&Check],
    span: (Timestamp, Timestamp),
) -> Result<Selection, String> {
    let of_checks = match checks {
        [check] => Matcher::new("check", Comparison::Equal, check.id.as_str())?,
        checks => {
            // A dot is the only character of a name that means something in a pattern.
            let escaped = |id: &CheckId| id.as_str().replace('.', "\\.");
            let ids: Vec<String> = checks.iter().map(|it| escaped(&it.id)).collect();
            Matcher::new("check", Comparison::Matches, &ids.join("|"))?
        }
    };
    let matchers = [Matcher::new(METRIC_NAME, Comparison::Equal, name)?, of_checks];
    let (after, until) = (span.0.timestamp_millis(), span.1.timestamp_millis());
    Ok(Selection { matchers: matchers.into(), after, until })
}

/// When, in milliseconds, and the value then.
pub(super) fn of(series: &Series) -> impl Iterator<Item = (i64, f64)> {
    let points = series.times().iter().copied().zip(series.values().iter().copied());
    points.filter(|(_, value)| !is_stale(*value))
}

/// The averages over parts of time.
#[derive(Debug)]
pub(super) struct Averages {
    part: i64,
    /// The sum and the number of the values in each part.
    sums: BTreeMap<i64, (f64, f64)>,
}

impl Averages {
    /// Over parts that are as long as `part`.
    pub(super) fn over(part: TimeDelta) -> Self {
        Self { part: part.num_milliseconds().max(1), sums: BTreeMap::new() }
    }

    /// Adds more values.
    pub(super) fn add(&mut self, points: impl Iterator<Item = (i64, f64)>) {
        for (at, value) in points {
            let (sum, count) = self.sums.entry(at.div_euclid(self.part)).or_default();
            *sum += value;
            *count += 1.0;
        }
    }

    /// Each at the beginning of its part.
    pub(super) fn points(self) -> Vec<(i64, f64)> {
        let part = self.part;
        self.sums.into_iter().map(|(at, (sum, count))| (at * part, sum / count)).collect()
    }
}

/// The least and the greatest value of each part of time: what is drawn of a line, however many values it has.
#[derive(Debug)]
pub(super) struct Extremes {
    part: i64,
    parts: BTreeMap<i64, [(i64, f64); 2]>,
}

impl Extremes {
    /// Of parts that are as long as `part`.
    pub(super) fn over(part: TimeDelta) -> Self {
        Self { part: part.num_milliseconds().max(1), parts: BTreeMap::new() }
    }

    /// Adds a value.
    pub(super) fn add(&mut self, point: (i64, f64)) {
        let part = self.parts.entry(point.0.div_euclid(self.part));
        let [least, most] = part.or_insert([point; 2]);
        if point.1 < least.1 {
            *least = point;
        }
        if point.1 > most.1 {
            *most = point;
        }
    }

    /// Both of each part, in the order of their times.
    pub(super) fn points(&self) -> Vec<(i64, f64)> {
        let mut points: Vec<(i64, f64)> = self.parts.values().flatten().copied().collect();
        points.sort_by_key(|(at, _)| *at);
        points.dedup();
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(millis).expect("a time")
    }

    #[test]
    fn averages_are_of_parts_of_time() {
        let mut all = Averages::over(TimeDelta::seconds(1));
        all.add([(0, 1.0), (900, 3.0)].into_iter());
        all.add([(1_000, 5.0), (-1, 7.0)].into_iter());
        assert_eq!(all.points(), [(-1_000, 7.0), (0, 2.0), (1_000, 5.0)]);
    }

    #[test]
    fn of_many_values_the_extremes_stay_where_they_were() {
        let mut all = Extremes::over(TimeDelta::seconds(1));
        for point in [(0, 2.0), (100, 9.0), (200, 1.0), (300, 2.0), (1_500, 4.0)] {
            all.add(point);
        }
        assert_eq!(all.points(), [(100, 9.0), (200, 1.0), (1_500, 4.0)]);
    }

    #[test]
    fn much_is_asked_for_in_parts() {
        let mut check = Check::example("front");
        check.regions = (0..12)
            .map(|at| crate::domain::id::Region::new(&format!("r{at}")).expect("good"))
            .collect();
        let every = check.schedule.interval(at(0));
        let checks = vec![&check; 100];
        let span = (at(0), at(i64::try_from(every.as_millis()).expect("short") * 720));
        let wanted = Wanted { names: &["up"], checks: &checks, each: 2, span };
        assert_eq!(points(wanted), 100 * 12 * 720 * 2);
        let batches = batches(wanted);
        assert_eq!(batches.iter().map(|it| it.len()).sum::<usize>(), 100);
        for checks in batches {
            assert!(points(Wanted { checks, ..wanted }) <= AT_ONCE);
        }
        let parts: Vec<_> = parts_of((at(0), at(9)), 3).collect();
        assert_eq!(parts, [(at(0), at(3)), (at(3), at(6)), (at(6), at(9))]);
    }
}
