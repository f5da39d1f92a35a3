//! Points of one series: times and values apart, in the order of the times, one at a time.
//!
//! Pure. What is there first stays: a point of a time that is taken changes nothing.

use crate::query::is_stale;

/// Points of one series.
#[derive(Debug, Clone, Default)]
pub(super) struct Points {
    pub(super) times: Vec<i64>,
    pub(super) values: Vec<f64>,
}

impl Points {
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Adds a point that is later than all others.
    pub(super) fn push(&mut self, time: i64, value: f64) {
        self.times.push(time);
        self.values.push(value);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, f64)> {
        self.times.iter().copied().zip(self.values.iter().copied())
    }

    /// Adds a point, unless its place is taken: its very time, or, where neither is the marker of an
    /// end, its part of time at `resolution` (milliseconds). Says whether it was added.
    pub(super) fn add(&mut self, time: i64, value: f64, resolution: i64) -> bool {
        let Err(at) = self.times.binary_search(&time) else { return false };
        let part = part_of(time, resolution);
        let shares = |index: &usize| part_of(self.times[*index], resolution) == part;
        // An end may share its part with a point.
        let mut around =
            (0..at).rev().take_while(shares).chain((at..self.len()).take_while(shares));
        if !is_stale(value) && around.any(|index| !is_stale(self.values[index])) {
            return false;
        }
        self.times.insert(at, time);
        self.values.insert(at, value);
        true
    }

    /// Those after `after` and until `until`.
    pub(super) fn within(&self, after: i64, until: i64) -> (&[i64], &[f64]) {
        let start = self.times.partition_point(|time| *time <= after);
        let end = self.times.partition_point(|time| *time <= until).max(start);
        (&self.times[start..end], &self.values[start..end])
    }

    /// Adds those of `others`, which are later than all, that are after `after` and until `until`.
    pub(super) fn add_within(&mut self, others: &Self, after: i64, until: i64) {
        let (times, values) = others.within(after, until);
        self.times.extend_from_slice(times);
        self.values.extend_from_slice(values);
    }

    /// Takes away those after `after` and until `until`.
    pub(super) fn cut(&mut self, after: i64, until: i64) {
        let start = self.times.partition_point(|time| *time <= after);
        let end = self.times.partition_point(|time| *time <= until).max(start);
        self.times.drain(start..end);
        self.values.drain(start..end);
    }

    /// Adds those of `others` whose very times are not taken.
    pub(super) fn unite(&mut self, others: &Self) {
        if self.times.last() < others.times.first() {
            self.times.extend_from_slice(&others.times);
            self.values.extend_from_slice(&others.values);
            return;
        }
        let mut all = Self::default();
        let (mut own, mut more) = (self.iter().peekable(), others.iter().peekable());
        loop {
            let is_own = match (own.peek(), more.peek()) {
                (Some((time, _)), Some((other, _))) if time == other => {
                    more.next();
                    continue;
                }
                (Some((time, _)), Some((other, _))) => time < other,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            let next = if is_own { own.next() } else { more.next() };
            let Some((time, value)) = next else { break };
            all.push(time, value);
        }
        drop((own, more));
        *self = all;
    }
}

impl FromIterator<(i64, f64)> for Points {
    /// Takes points in the order of their times.
    fn from_iter<I: IntoIterator<Item = (i64, f64)>>(points: I) -> Self {
        let (times, values) = points.into_iter().unzip();
        Self { times, values }
    }
}

/// Which part of time at `resolution` a moment belongs to; parts end with their last moment.
pub(super) fn part_of(time: i64, resolution: i64) -> i64 {
    (time.saturating_sub(1)).div_euclid(resolution.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::STALE;

    #[test]
    fn a_part_of_time_has_one_point_and_may_have_an_end() {
        let mut points = Points::default();
        assert!(points.add(10_000, 1.0, 10_000), "a part ends with its last moment");
        assert!(points.add(10_001, 2.0, 10_000));
        assert!(!points.add(15_000, 3.0, 10_000) && !points.add(20_000, 3.0, 10_000));
        assert!(points.add(15_000, STALE, 10_000) && !points.add(15_000, 3.0, 10_000));
        assert!(!points.add(16_000, 3.0, 10_000), "behind the end, too");
        assert!(points.add(20_001, 4.0, 10_000));
        assert!(points.add(-5, 0.0, 10_000));
        assert_eq!(points.times, [-5, 10_000, 10_001, 15_000, 20_001]);
    }

    #[test]
    fn spans_are_open_on_the_left() {
        let mut points: Points = (1..=5).map(|at| (at * 10, 0.0)).collect();
        assert_eq!(points.within(10, 30).0, [20, 30]);
        assert!(points.within(30, 10).0.is_empty());
        points.cut(10, 30);
        assert_eq!(points.times, [10, 40, 50]);
        let others: Points = [(20, 1.0), (40, 1.0), (60, 1.0)].into_iter().collect();
        points.unite(&others);
        assert_eq!(points.times, [10, 20, 40, 50, 60]);
        assert_eq!(points.values, [0.0, 1.0, 0.0, 0.0, 1.0], "what was there stays");
        points.unite(&[(5, 1.0), (60, 9.0), (70, 1.0)].into_iter().collect());
        assert_eq!(points.times, [5, 10, 20, 40, 50, 60, 70]);
        assert_eq!(points.values[5..], [1.0, 1.0]);
    }
}
