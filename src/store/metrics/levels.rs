//! The levels at which points are kept, and the periods of their chunks.
//!
//! Pure. Periods are open on the left, as ranges of queries are: a period that starts at 12:00 has the
//! points after that and until its end.

/// A minute in milliseconds.
pub(super) const MINUTE: i64 = 60_000;
/// An hour in milliseconds.
pub(super) const HOUR: i64 = 60 * MINUTE;

/// How finely points are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::store) enum Level {
    /// As they came.
    Points,
    /// Parts of five minutes.
    Short,
    /// Parts of an hour.
    Long,
}

impl Level {
    /// All, the finest first.
    pub(super) const ALL: [Self; 3] = [Self::Points, Self::Short, Self::Long];
    /// Those that are rolled up.
    pub(super) const ROLLED: [Self; 2] = [Self::Short, Self::Long];

    /// The number by which it is stored.
    pub(in crate::store) fn number(self) -> i64 {
        match self {
            Self::Points => 0,
            Self::Short => 1,
            Self::Long => 2,
        }
    }

    /// Its place among all.
    pub(super) fn place(self) -> usize {
        match self {
            Self::Points => 0,
            Self::Short => 1,
            Self::Long => 2,
        }
    }

    /// How long its parts are, in milliseconds.
    pub(super) fn span(self) -> i64 {
        match self {
            Self::Points => 1,
            Self::Short => 5 * MINUTE,
            Self::Long => HOUR,
        }
    }

    /// How long the period of one of its chunks is, in milliseconds.
    pub(super) fn period(self) -> i64 {
        match self {
            Self::Points => HOUR,
            Self::Short => 12 * HOUR,
            Self::Long => 96 * HOUR,
        }
    }

    /// The start of the period with this moment.
    pub(super) fn start(self, time: i64) -> i64 {
        floor(time.saturating_sub(1), self.period())
    }

    /// The starts of the periods with moments after `after` and until `until`.
    pub(super) fn starts(self, after: i64, until: i64) -> impl Iterator<Item = i64> + use<> {
        let (first, last) = (self.start(after.saturating_add(1)), self.start(until));
        let count = if after < until { (last - first) / self.period() + 1 } else { 0 };
        (0..count).map(move |number| first + number * self.period())
    }
}

/// The last multiple of `step` that is not after `time`.
pub(super) fn floor(time: i64, step: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(step))
}

/// The first multiple of `step` that is not before `time`.
pub(super) fn ceiling(time: i64, step: i64) -> i64 {
    floor(time.saturating_add(step - 1), step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_with_its_last_moment() {
        let level = Level::Points;
        assert_eq!(level.start(HOUR), 0);
        assert_eq!(level.start(HOUR + 1), HOUR);
        assert_eq!(level.start(0), -HOUR);
        let starts = |after, until| level.starts(after, until).collect::<Vec<_>>();
        assert_eq!(starts(0, 2 * HOUR), [0, HOUR]);
        assert_eq!(starts(HOUR - 1, HOUR + 1), [0, HOUR]);
        assert_eq!(starts(HOUR, HOUR), [0; 0]);
        assert_eq!(ceiling(HOUR, HOUR), HOUR);
        assert_eq!(ceiling(HOUR + 1, HOUR), 2 * HOUR);
    }
}
