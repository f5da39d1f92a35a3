//! Which series there were at a time, without their points.
//!
//! Long times are covered by the longest periods of chunks that lie within them, so that few rows are
//! looked at; points are only unpacked at the edges.

use std::collections::HashSet;
use std::ops::Range;

use super::aside::aside;
use super::backing::{Backing, ChunkRow, State};
use super::chunk;
use super::head::Head;
use super::levels::{Level, ceiling, floor};
use super::rolling::PAIRS;
use super::rollup::{Aspect, Rolled};
use crate::query::{Labels, Matcher};
use crate::store::Error;

/// The series that are looked for, and in which time.
#[derive(Debug)]
pub(in crate::store) struct Listing {
    /// None in a store without metrics.
    state: Option<State>,
    after: i64,
    until: i64,
    /// Those that have points which are not closed.
    found: Vec<Labels>,
    /// The others.
    left: Vec<(i64, Labels)>,
}

/// Copies from the head what is needed to list series.
pub(in crate::store) fn ask(
    head: &Head,
    matchers: &[Vec<Matcher>],
    (after, until): (i64, i64),
) -> Listing {
    let mut places = match matchers {
        [] => head.index.matching(&[]),
        any => any.iter().flat_map(|all| head.index.matching(all)).collect(),
    };
    places.sort_unstable();
    places.dedup();
    let mut listing =
        Listing { state: head.state(), after, until, found: Vec::new(), left: Vec::new() };
    for place in places {
        let known = head.index.at(place);
        if head.open_within(place, (after, until)).any(|open| open.has_within(after, until)) {
            listing.found.push(known.labels.clone());
        } else {
            listing.left.push((known.id, known.labels.clone()));
        }
    }
    listing
}

/// The labels of those that have points, sorted, at most `limit`.
pub(in crate::store) async fn answer(
    backing: &mut dyn Backing,
    listing: Listing,
    limit: usize,
) -> Result<Vec<Labels>, Error> {
    let Listing { state, after, until, mut found, mut left } = listing;
    let Some(state) = state else { return Ok(found) };
    let many = found.len() + left.len();
    let [points, short, long] = state.forgotten;
    let stretches = [
        (Level::Points, points, state.closed),
        (Level::Short, short, points),
        (Level::Long, long, short),
    ];
    for (finest, from, to) in stretches {
        let (after, until) = (after.max(from), until.min(to));
        let there = there(backing, finest, (after, until), &left).await?;
        let (some, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(id, _)| there.contains(id));
        found.extend(some.into_iter().map(|(_, labels)| labels));
        left = others;
    }
    let sorting = move || {
        found.sort_unstable();
        found.truncate(limit);
        found
    };
    aside(many, sorting).await
}

/// Which of `wanted` have points of that time.
async fn there(
    backing: &mut dyn Backing,
    finest: Level,
    (after, until): (i64, i64),
    wanted: &[(i64, Labels)],
) -> Result<HashSet<i64>, Error> {
    if after >= until || wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let mut found = HashSet::new();
    let inner = inner(finest, after, until);
    for (level, starts) in &inner {
        found.extend(backing.listed(*level, starts.clone()).await?);
    }
    let is_inner = |start: &i64| inner.iter().any(|(_, starts)| starts.contains(start));
    let edges: Vec<i64> = finest.starts(after, until).filter(|start| !is_inner(start)).collect();
    let left: Vec<i64> =
        wanted.iter().map(|(id, _)| *id).filter(|id| !found.contains(id)).collect();
    for some in left.chunks(PAIRS) {
        let rows = backing.chunks(finest, &edges, some).await?;
        found.extend(aside(rows.len(), move || with_points(&rows, finest, after, until)).await?);
    }
    Ok(found)
}

/// The series of which some of these chunks have points of that time.
fn with_points(rows: &[ChunkRow], level: Level, after: i64, until: i64) -> Vec<i64> {
    let mut found = Vec::new();
    for row in rows {
        let points = match level {
            Level::Points => chunk::unpacked(&row.points),
            Level::Short | Level::Long => Rolled::read(&row.points)
                .map(|it| it.seen(Aspect::default(), level.span(), level.span())),
        };
        // What is damaged was there once; whoever asks for its points is told.
        if points.is_none_or(|points| !points.within(after, until).0.is_empty()) {
            found.push(row.series);
        }
    }
    found
}

/// The starts of periods within a time, of the longest that fit, not finer than `finest`. What is
/// left over at both ends is shorter than a period of the finest level.
fn inner(finest: Level, after: i64, until: i64) -> Vec<(Level, Range<i64>)> {
    let mut inner = Vec::new();
    // What is covered so far, and grows to both sides.
    let mut covered: Option<(i64, i64)> = None;
    for level in Level::ALL.into_iter().rev().filter(|level| *level >= finest) {
        let (first, last) = (ceiling(after, level.period()), floor(until, level.period()));
        let (start, end) = covered.unwrap_or((last, last));
        if first < last {
            inner.extend([(level, first..start), (level, end..last)]);
            covered = Some((first.min(start), last.max(end)));
        }
    }
    inner.retain(|(_, starts)| !starts.is_empty());
    inner
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::metrics::levels::HOUR;

    proptest! {
        #[test]
        fn a_time_is_covered_once(after in 0_i64..2000, length in 0_i64..1000, odd in 0_i64..2) {
            let (after, until) = (after * HOUR - odd * 7, (after + length) * HOUR + odd * 9);
            let mut covered: Vec<(i64, i64)> = inner(Level::Points, after, until)
                .into_iter()
                .flat_map(|(level, starts)| {
                    prop_assert_eq_step(&starts, level);
                    [(starts.start, starts.end)]
                })
                .collect();
            covered.sort_unstable();
            for pair in covered.windows(2) {
                prop_assert_eq!(pair[0].1, pair[1].0, "neither gaps nor twice");
            }
            let whole = (ceiling(after, HOUR), floor(until, HOUR));
            if whole.0 < whole.1 {
                prop_assert_eq!((covered[0].0, covered[covered.len() - 1].1), whole);
            } else {
                prop_assert!(covered.is_empty());
            }
        }
    }

    fn prop_assert_eq_step(starts: &Range<i64>, level: Level) {
        assert_eq!((starts.end - starts.start) % level.period(), 0);
    }
}
