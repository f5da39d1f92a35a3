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

    /// The other clock showed `shown`, asked when the own one showed `asked` and heard when that showed
    /// `heard`; the answer took `took`. Whether it says anything: not where the own clock was set
    /// meanwhile, or the machine slept.
    pub fn heed(
        &self,
        shown: Timestamp,
        (asked, heard): (Timestamp, Timestamp),
        took: Duration,
    ) -> bool {
        let passed = TimeDelta::from_std(took).unwrap_or(TimeDelta::MAX);
        let tolerance = TimeDelta::from_std(TOLERANCE).unwrap_or_default();
        let jump = heard.signed_duration_since(asked).checked_sub(&passed);
        if jump.is_none_or(|jump| jump.abs() > tolerance) {
            return false;
        }
        let on_the_way = TimeDelta::from_std(took / 2).unwrap_or_default();
        let ahead = shown - (asked + on_the_way);
        let change = (ahead - self.correction()).abs();
        // A slow answer says less.
        let doubt = TimeDelta::from_std(TOLERANCE + took / 2).unwrap_or(TimeDelta::MAX);
        if change > doubt {
            let micros = ahead.num_microseconds().unwrap_or_default();
            self.correction.store(micros, Ordering::Relaxed);
        }
        true
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
            let (asked, took) = (own.now(), Duration::from_millis(took));
            assert!(clock.heed(shown, (asked, asked + took), took));
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

    #[test]
    fn an_answer_during_which_the_own_clock_jumped_says_nothing() {
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let own = Arc::new(Manual::new(start));
        let clock = Guided::new(Arc::clone(&own) as Arc<dyn Clock>);
        let took = Duration::from_millis(20);
        for jump in [TimeDelta::minutes(10), TimeDelta::seconds(-1)] {
            // Both clocks are right when it is asked, and the own one is not when it hears.
            let (asked, shown) = (own.now(), own.now() + TimeDelta::milliseconds(10));
            own.set(asked + took + jump);
            assert!(!clock.heed(shown, (asked, own.now()), took), "{jump}");
            assert_eq!(clock.correction(), TimeDelta::zero(), "{jump}");
            // The next answer knows better.
            let (asked, shown) = (own.now(), own.now() - jump);
            assert!(clock.heed(shown, (asked, asked), Duration::ZERO));
            assert_eq!(clock.correction(), -jump);
            own.set(start);
            assert!(clock.heed(start, (start, start), Duration::ZERO));
        }
        assert!(!clock.heed(start, (Timestamp::MIN_UTC, Timestamp::MAX_UTC), took));
    }
}
