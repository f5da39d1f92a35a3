//! A clock that keeps to the time of another, which whoever asks that one tells it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;

use super::Clock;
use crate::domain::Timestamp;

/// Differences up to this are left alone, so that clocks that are set well are never moved.
const TOLERANCE: Duration = Duration::from_millis(100);

/// A machine's clock, corrected by what another clock showed: hubs that share a store go by one time,
/// whatever their machines believe.
#[derive(Debug)]
pub struct Guided {
    own: Arc<dyn Clock>,
    /// What is added, in microseconds.
    correction: AtomicI64,
}

impl Guided {
    /// A clock that shows what `own` does, until it hears of another time.
    pub fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, correction: AtomicI64::new(0) }
    }

    /// The machine's own time, uncorrected.
    pub fn own(&self) -> Timestamp {
        self.own.now()
    }

    /// By how much the other clock is ahead of the machine's, as far as that is corrected.
    pub fn correction(&self) -> TimeDelta {
        TimeDelta::microseconds(self.correction.load(Ordering::Relaxed))
    }

    /// The other clock showed `shown`, asked when the own one showed `asked`; the answer took `took`.
    pub fn heed(&self, shown: Timestamp, asked: Timestamp, took: Duration) {
        let on_the_way = TimeDelta::from_std(took / 2).unwrap_or_default();
        let ahead = shown - (asked + on_the_way);
        let change = (ahead - self.correction()).abs();
        // A slow answer says less.
        let doubt = TimeDelta::from_std(TOLERANCE + took / 2).unwrap_or(TimeDelta::MAX);
        if change > doubt {
            let micros = ahead.num_microseconds().unwrap_or_default();
            self.correction.store(micros, Ordering::Relaxed);
        }
    }
}

impl Clock for Guided {
    fn now(&self) -> Timestamp {
        let own = self.own.now();
        own.checked_add_signed(self.correction()).unwrap_or(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;

    #[test]
    fn a_wrong_clock_is_corrected_and_a_good_one_left_alone() {
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let own = Arc::new(Manual::new(start));
        let clock = Guided::new(Arc::clone(&own) as Arc<dyn Clock>);
        let heed = |ahead: i64, took: u64| {
            let shown = own.now() + TimeDelta::milliseconds(ahead);
            clock.heed(shown, own.now(), Duration::from_millis(took));
            (clock.now() - own.now()).num_milliseconds()
        };
        assert_eq!(heed(90, 0), 0);
        assert_eq!(heed(800, 2_000), 0, "the answer was on its way for as long");
        assert_eq!(heed(-3_600_000, 0), -3_600_000);
        assert_eq!(heed(-3_600_080, 20), -3_600_000);
        // Then somebody sets the machine's clock right.
        own.set(start - TimeDelta::hours(1));
        assert_eq!(heed(10, 2), 9);
    }
}
