//! How points are kept: how finely, for how long, and of how many series.

use std::time::Duration;

use super::levels::{Level, floor};

const DAY: Duration = Duration::from_hours(24);

/// How points are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A series has one point in each part of time that is as long; a part of an hour.
    pub resolution: Duration,
    /// How long after the end of an hour its points are waited for. Later ones are stored, too, at
    /// the price of their chunk.
    pub late: Duration,
    /// How long points are kept as they came.
    pub keep: Duration,
    /// How long roll-ups of five minutes are kept; no shorter than the points.
    pub keep_short: Duration,
    /// How long roll-ups of an hour are kept; no shorter than those of five minutes.
    pub keep_long: Duration,
    /// How many series there may be that had points lately: within the last four days. Of others
    /// there may be [`Rules::QUIET`] times as many.
    pub max_series: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            resolution: Duration::from_millis(1),
            late: Duration::from_mins(5),
            keep: DAY * 15,
            keep_short: DAY * 90,
            keep_long: DAY * 400,
            max_series: 200_000,
        }
    }
}

impl Rules {
    /// How many times [`Rules::max_series`] there may be of series in all.
    pub const QUIET: usize = 10;

    pub(super) fn resolution_millis(&self) -> i64 {
        millis(self.resolution).max(1)
    }

    pub(super) fn late_millis(&self) -> i64 {
        millis(self.late)
    }

    /// Until when each level is forgotten at `now`, the finest first.
    pub(super) fn horizons(&self, now: i64) -> [i64; 3] {
        let late = now.saturating_sub(self.late_millis());
        let mut finer = late;
        let mut horizon = |level: Level, kept: Duration| {
            finer = floor(now.saturating_sub(millis(kept)).min(finer), level.period());
            finer
        };
        [
            horizon(Level::Points, self.keep),
            horizon(Level::Short, self.keep_short),
            horizon(Level::Long, self.keep_long),
        ]
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
