//! How much is written in one transaction: points and chunks are counted, since a small text may be of
//! many hours. Pure.

use std::borrow::Cow;

use super::levels::Level;
use crate::query::Series;

/// The most points of one part.
pub(super) const POINTS: usize = 50_000;
/// The most periods of series that one part may change. A point of long ago costs three chunks.
pub(super) const PERIODS: usize = 4_000;

/// What of `series` is written together, in their order.
pub(in crate::store) fn parts(series: &[Series]) -> impl Iterator<Item = Cow<'_, [Series]>> {
    let mut rest = series;
    let mut pieces: Vec<Series> = Vec::new();
    std::iter::from_fn(move || {
        if let Some(piece) = pieces.pop() {
            return Some(Cow::Owned(vec![piece]));
        }
        let first = rest.first()?;
        if !Size::default().takes(first) {
            pieces = cut(first);
            pieces.reverse();
            rest = &rest[1..];
            return pieces.pop().map(|piece| Cow::Owned(vec![piece]));
        }
        let mut size = Size::default();
        let count = rest.iter().take_while(|one| size.takes(one)).count().max(1);
        let (part, others) = rest.split_at(count);
        rest = others;
        Some(Cow::Borrowed(part))
    })
}

/// How much there is in a part.
#[derive(Debug, Default)]
struct Size {
    points: usize,
    periods: usize,
}

impl Size {
    /// Adds a series; whether all of it still fits.
    fn takes(&mut self, series: &Series) -> bool {
        self.points += series.times().len();
        self.periods += periods(series.times());
        self.points <= POINTS && self.periods <= PERIODS
    }
}

/// In how many periods there are points.
fn periods(times: &[i64]) -> usize {
    let starts = times.iter().map(|time| Level::Points.start(*time));
    let mut last = None;
    starts.filter(|start| last.replace(*start) != Some(*start)).count()
}

/// A series that is too much for one part, in pieces.
fn cut(series: &Series) -> Vec<Series> {
    let (mut times, mut values) = (series.times(), series.values());
    let mut pieces = Vec::new();
    while !times.is_empty() {
        let (mut last, mut periods) = (None, 0);
        let fits = |time: &&i64| {
            let start = Level::Points.start(**time);
            periods += usize::from(last.replace(start) != Some(start));
            periods <= PERIODS
        };
        let count = times.iter().take(POINTS).take_while(fits).count().max(1);
        let (some, later) = times.split_at(count);
        let (own, others) = values.split_at(count);
        let piece = Series::new(series.labels().clone(), some.to_vec(), own.to_vec());
        // A part of what is in order is in order.
        pieces.extend(piece.map(|piece| piece.measuring(series.measure())));
        (times, values) = (later, others);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::levels::HOUR;
    use super::*;
    use crate::query::Labels;

    fn series(points: usize, step: i64) -> Series {
        let times: Vec<i64> = (1_i64..).take(points).map(|number| number * step).collect();
        let values = vec![1.0; points];
        Series::new(Labels::default(), times, values).expect("in order")
    }

    #[test]
    fn nothing_is_written_that_is_too_much_at_once() {
        let sizes = |all: &[Series]| -> Vec<usize> {
            parts(all).map(|part| part.iter().map(|it| it.times().len()).sum()).collect()
        };
        assert_eq!(sizes(&[series(3, 1), series(4, 1)]), [7]);
        assert!(matches!(parts(&[series(3, 1)]).next(), Some(Cow::Borrowed(_))));
        let many = [series(POINTS - 1, 1), series(2, 1), series(POINTS + 5, 1), series(1, 1)];
        assert_eq!(sizes(&many), [POINTS - 1, 2, POINTS, 5, 1]);
        // A point an hour: few points, many chunks.
        let old = [series(PERIODS, HOUR), series(1, HOUR), series(2 * PERIODS + 1, HOUR)];
        assert_eq!(sizes(&old), [PERIODS, 1, PERIODS, PERIODS, 1]);
        assert_eq!(sizes(&[]), [0; 0]);
        let whole: Vec<i64> =
            parts(&many[2..3]).flat_map(|part| part[0].times().to_vec()).collect();
        assert_eq!(whole, many[2].times());
    }
}
