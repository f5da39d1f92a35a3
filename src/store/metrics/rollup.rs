//! Roll-ups: what is kept of points when they are too old to be kept themselves.
//!
//! Of a counter (a series that is said to be one or, where nothing is said, whose name ends in
//! `_total`, `_count`, `_sum` or `_bucket`) the last point of
//! each part of time is kept, and the points around each of its resets, as they were: so what it grew
//! by comes out the same. Of everything else, how many points there were, their sum, the least and
//! the greatest; a query sees their average at the end of the part, or what it asks for (`Aspect`).
//! Numbers that are none (NaN), the marker of an end among them, are not rolled up.
//!
//! Pure. Rolling up is the same for points that come together and for points that come one after the
//! other, except that a time that is taken is known only while the points are kept.

use super::chunk::{self, Chunk};
use super::points::{Points, part_of};
use super::varint;
use crate::query::{Labels, Measure};

/// Forms of what is stored, beside that of points.
const AGGREGATED: u8 = 2;
/// Resets in one part of time whose points are kept; a counter that is reset more often is none.
const RESETS: usize = 16;

/// What a series measures, as far as it matters when points are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something that only grows, but for resets.
    Counter,
    /// Something that goes up and down.
    Gauge,
}

impl From<Kind> for Measure {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Gauge => Self::Gauge,
        }
    }
}

impl Kind {
    /// The kind of a series: what it was said to measure, or else what its name looks like.
    pub(super) fn of(labels: &Labels, measure: Option<Measure>) -> Self {
        match measure {
            Some(Measure::Counter) => return Self::Counter,
            Some(Measure::Gauge) => return Self::Gauge,
            None => {}
        }
        let name = labels.metric_name();
        let grows = ["_total", "_count", "_sum", "_bucket"];
        if grows.iter().any(|ending| name.ends_with(ending)) { Self::Counter } else { Self::Gauge }
    }
}

/// Which side of a roll-up is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Aspect {
    /// The average.
    #[default]
    Average,
    /// The least value.
    Least,
    /// The greatest value.
    Greatest,
    /// The sum of the values.
    Sum,
    /// How many values there were.
    Count,
}

impl Aspect {
    /// Reads the word for it in a query.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "avg" => Self::Average,
            "min" => Self::Least,
            "max" => Self::Greatest,
            "sum" => Self::Sum,
            "count" => Self::Count,
            _ => return None,
        })
    }
}

/// Values of one part of time, put together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part {
    /// The last moment of the part.
    pub(super) at: i64,
    count: u64,
    sum: f64,
    least: f64,
    greatest: f64,
}

impl Part {
    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody counts as many points")]
    fn seen_as(&self, aspect: Aspect) -> f64 {
        match aspect {
            Aspect::Average => self.sum / self.count as f64,
            Aspect::Least => self.least,
            Aspect::Greatest => self.greatest,
            Aspect::Sum => self.sum,
            Aspect::Count => self.count as f64,
        }
    }
}

/// What is kept of the points of one series.
#[derive(Debug, Clone)]
pub(super) enum Rolled {
    /// Of a counter: some of its points.
    Kept(Points),
    /// Of anything else: its parts, in the order of time.
    Parts(Vec<Part>),
}

impl Rolled {
    /// Nothing, of a series of this kind.
    pub(super) fn nothing(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Kept(Points::default()),
            Kind::Gauge => Self::Parts(Vec::new()),
        }
    }

    /// What is kept of `points` in parts of `span` milliseconds.
    pub(super) fn of(kind: Kind, points: &Points, span: i64) -> Self {
        let numbers = points.iter().filter(|(_, value)| !value.is_nan());
        match kind {
            Kind::Counter => Self::Kept(turns(&numbers.collect(), span)),
            Kind::Gauge => {
                let mut parts: Vec<Part> = Vec::new();
                for (time, value) in numbers {
                    let at = (part_of(time, span) + 1).saturating_mul(span);
                    let one = Part { at, count: 1, sum: value, least: value, greatest: value };
                    match parts.last_mut() {
                        Some(last) if last.at == at => last.add(&one),
                        _ => parts.push(one),
                    }
                }
                Self::Parts(parts)
            }
        }
    }

    /// Adds what is kept of other points of the same series.
    pub(super) fn unite(&mut self, others: &Self, span: i64) {
        match (self, others) {
            (Self::Kept(points), Self::Kept(others)) => {
                points.unite(others);
                *points = turns(points, span);
            }
            (Self::Parts(parts), Self::Parts(others)) => {
                for other in others {
                    match parts.binary_search_by_key(&other.at, |part| part.at) {
                        Ok(at) => parts[at].add(other),
                        Err(at) => parts.insert(at, *other),
                    }
                }
            }
            (own, others) => *own = others.clone(),
        }
    }

    /// Takes away what is kept of the time after `after` and until `until`, which are ends of parts.
    pub(super) fn cut(&mut self, after: i64, until: i64) {
        match self {
            Self::Kept(points) => points.cut(after, until),
            Self::Parts(parts) => parts.retain(|part| part.at <= after || part.at > until),
        }
    }

    /// What a query sees of it, in parts of `span`: of parts that are longer than `grain`, a point
    /// for each of those, so that whoever looks back no further finds one.
    pub(super) fn seen(&self, aspect: Aspect, span: i64, grain: i64) -> Points {
        match self {
            Self::Kept(points) => evenly(points, span, grain),
            Self::Parts(parts) => {
                let mut seen = Points::default();
                for part in parts {
                    let steps = (span / grain).max(1);
                    for step in (0..steps).rev() {
                        seen.push(part.at - step * grain, part.seen_as(aspect));
                    }
                }
                seen
            }
        }
    }

    /// What is stored of it.
    pub(super) fn stored(&self) -> Vec<u8> {
        let Self::Parts(parts) = self else {
            let Self::Kept(points) = self else { return Vec::new() };
            return Chunk::of(points).stored();
        };
        let columns: [fn(&Part) -> f64; 4] = [
            |part| part.seen_as(Aspect::Count),
            |part| part.sum,
            |part| part.least,
            |part| part.greatest,
        ];
        let mut bytes = vec![AGGREGATED];
        for column in columns {
            let points: Points = parts.iter().map(|part| (part.at, column(part))).collect();
            let stored = Chunk::of(&points).stored();
            varint::put(&mut bytes, u64::try_from(stored.len()).unwrap_or(u64::MAX));
            bytes.extend_from_slice(&stored);
        }
        bytes
    }

    /// What was stored; none where it cannot be read.
    pub(super) fn read(stored: &[u8]) -> Option<Self> {
        let (form, mut rest) = stored.split_first()?;
        if *form != AGGREGATED {
            return chunk::unpacked(stored).map(Self::Kept);
        }
        let mut columns = Vec::with_capacity(4);
        for _ in 0..4 {
            let length = usize::try_from(varint::take(&mut rest)?).ok()?;
            let (column, after) = rest.split_at_checked(length)?;
            columns.push(chunk::unpacked(column)?);
            rest = after;
        }
        let [counts, sums, least, greatest] = columns.as_slice() else { return None };
        if [sums, least, greatest].iter().any(|column| column.times != counts.times) {
            return None;
        }
        let part = |(index, at): (usize, &i64)| Part {
            at: *at,
            count: counted(counts.values[index]),
            sum: sums.values[index],
            least: least.values[index],
            greatest: greatest.values[index],
        };
        Some(Self::Parts(counts.times.iter().enumerate().map(part).collect()))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a count")]
fn counted(value: f64) -> u64 {
    (value as u64).max(1)
}

/// The first point, the last one of each part of `span`, and those around resets.
fn turns(points: &Points, span: i64) -> Points {
    let (times, values) = (&points.times, &points.values);
    let mut kept = Points::default();
    let (mut part, mut resets) = (None, 0);
    for (index, (time, value)) in points.iter().enumerate() {
        let own = part_of(time, span);
        if part != Some(own) {
            (part, resets) = (Some(own), 0);
        }
        let falls = |earlier: usize, later: usize| {
            values.get(later).is_some_and(|later| *later < values[earlier])
        };
        let after_reset = index > 0 && falls(index - 1, index);
        resets += usize::from(after_reset);
        let turns = after_reset || falls(index, index + 1);
        let is_last = times.get(index + 1).is_none_or(|next| part_of(*next, span) != own);
        if index == 0 || is_last || turns && resets <= RESETS {
            kept.push(time, value);
        }
    }
    kept
}

/// The points of a counter, with more of them between two that are about `span` apart, as if it had
/// grown evenly.
fn evenly(points: &Points, span: i64, grain: i64) -> Points {
    let mut seen = Points::default();
    let mut last: Option<(i64, f64)> = None;
    for (time, value) in points.iter() {
        if let Some((before, from)) = last
            && span > grain
            && time - before <= 2 * span
            && value >= from
        {
            let mut between = (before.div_euclid(grain) + 1) * grain;
            while between < time {
                #[expect(clippy::cast_precision_loss, reason = "these are hours")]
                let share = (between - before) as f64 / (time - before) as f64;
                seen.push(between, from + (value - from) * share);
                between += grain;
            }
        }
        seen.push(time, value);
        last = Some((time, value));
    }
    seen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: i64 = 300_000;

    fn points(all: &[(i64, f64)]) -> Points {
        all.iter().map(|(second, value)| (second * 1000, *value)).collect()
    }

    fn seen(rolled: &Rolled, aspect: Aspect) -> Vec<(i64, f64)> {
        rolled.seen(aspect, SPAN, SPAN).iter().map(|(time, value)| (time / 1000, value)).collect()
    }

    #[test]
    fn a_gauge_is_seen_as_its_average_or_as_is_asked() {
        let all = points(&[(10, 1.0), (20, 5.0), (300, 0.0), (301, 7.0), (310, f64::NAN)]);
        let rolled = Rolled::of(Kind::Gauge, &all, SPAN);
        assert_eq!(seen(&rolled, Aspect::Average), [(300, 2.0), (600, 7.0)]);
        assert_eq!(seen(&rolled, Aspect::Least), [(300, 0.0), (600, 7.0)]);
        assert_eq!(seen(&rolled, Aspect::Greatest), [(300, 5.0), (600, 7.0)]);
        assert_eq!(seen(&rolled, Aspect::Count), [(300, 3.0), (600, 1.0)]);
        let finer: Vec<i64> = rolled.seen(Aspect::Average, SPAN, 100_000).times;
        assert_eq!(finer, [100_000, 200_000, 300_000, 400_000, 500_000, 600_000]);
    }

    #[test]
    fn a_counter_grows_by_what_it_grew_by() {
        let all = points(&[(10, 5.0), (20, 50.0), (30, 2.0), (290, 4.0), (301, 6.0), (590, 9.0)]);
        let rolled = Rolled::of(Kind::Counter, &all, SPAN);
        let kept = [(10, 5.0), (20, 50.0), (30, 2.0), (290, 4.0), (590, 9.0)];
        assert_eq!(seen(&rolled, Aspect::Average), kept);
        let finer = rolled.seen(Aspect::Average, SPAN, 100_000);
        let seconds: Vec<i64> = finer.times.iter().map(|time| time / 1000).collect();
        assert_eq!(seconds, [10, 20, 30, 100, 200, 290, 300, 400, 500, 590]);
        assert!(finer.values[2..].is_sorted(), "{finer:?}");
    }

    fn grown(points: &Points) -> f64 {
        let grown = |pair: &[f64]| if pair[1] < pair[0] { pair[1] } else { pair[1] - pair[0] };
        points.values.windows(2).map(grown).sum()
    }

    proptest! {
        #[test]
        fn parts_are_the_same_however_points_come(
            all in prop::collection::btree_map(0_i64..2_000, -1000_i32..1000, 1..100),
            split in any::<u64>(),
        ) {
            let all: Vec<(i64, f64)> = all.into_iter().map(|(at, v)| (at, v.into())).collect();
            let chosen = |(index, _): &(usize, &(i64, f64))| split >> (index % 64) & 1 == 1;
            let pick = |wanted: bool| -> Points {
                let some = all.iter().enumerate().filter(|it| chosen(it) == wanted);
                points(&some.map(|(_, point)| *point).collect::<Vec<_>>())
            };
            let whole = Rolled::of(Kind::Gauge, &points(&all), SPAN);
            let mut united = Rolled::of(Kind::Gauge, &pick(true), SPAN);
            united.unite(&Rolled::of(Kind::Gauge, &pick(false), SPAN), SPAN);
            for aspect in [Aspect::Average, Aspect::Least, Aspect::Greatest, Aspect::Count] {
                prop_assert_eq!(seen(&united, aspect), seen(&whole, aspect));
            }
            let back = Rolled::read(&united.stored()).expect("it was stored");
            prop_assert_eq!(seen(&back, Aspect::Sum), seen(&whole, Aspect::Sum));
        }

        #[test]
        fn growth_is_kept(steps in prop::collection::vec((1_i64..100, 0_u32..20), 1..200)) {
            let (mut time, mut value, mut all) = (0, 0.0, Points::default());
            for (step, more) in steps {
                time += step * 1000;
                value = if more == 0 { 0.0 } else { value + f64::from(more) };
                all.push(time, value);
            }
            let kept = turns(&all, SPAN);
            prop_assert!((grown(&kept) - grown(&all)).abs() < 1e-9);
            let half = all.times[all.len() / 2];
            let some = |(times, values): (&[i64], &[f64])| -> Points {
                times.iter().copied().zip(values.iter().copied()).collect()
            };
            let mut united = Rolled::of(Kind::Counter, &some(all.within(0, half)), SPAN);
            let rest = Rolled::of(Kind::Counter, &some(all.within(half, i64::MAX)), SPAN);
            united.unite(&rest, SPAN);
            let Rolled::Kept(united) = united else { unreachable!() };
            prop_assert!((grown(&united) - grown(&all)).abs() < 1e-9);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Rolled::read(&[&[AGGREGATED][..], &bytes].concat());
        }
    }
}
