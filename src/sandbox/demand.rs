//! How many children to keep waiting: as many as were lately wanted at once.
//!
//! Pure; it is told the time, as the duration since some start.

use std::time::Duration;

/// Wishes that come within this time of each other count as at once: about as long as it takes to
/// put new children in the place of those taken.
const AT_ONCE: Duration = Duration::from_millis(100);

/// After this time without a like burst, half of it is forgotten.
const HALF_LIFE: Duration = Duration::from_secs(30);

/// The recent demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Demand {
    least: usize,
    most: usize,
    /// The wishes of the present burst, and when it began.
    burst: (usize, Duration),
    /// The largest burst remembered, and when it was seen or last halved.
    peak: (usize, Duration),
}

impl Demand {
    /// No demand yet; the target stays between `least` and `most`.
    pub(super) fn new(least: usize, most: usize) -> Self {
        let most = most.max(least);
        Self { least, most, burst: (0, Duration::ZERO), peak: (0, Duration::ZERO) }
    }

    /// A child was wanted.
    pub(super) fn record(&mut self, now: Duration) {
        if now.saturating_sub(self.burst.1) >= AT_ONCE {
            self.burst = (0, now);
        }
        self.burst.0 += 1;
        self.forget(now);
        if self.burst.0 >= self.peak.0 {
            self.peak = (self.burst.0, now);
        }
    }

    /// How many children should be waiting.
    pub(super) fn target(&mut self, now: Duration) -> usize {
        self.forget(now);
        self.peak.0.clamp(self.least, self.most)
    }

    fn forget(&mut self, now: Duration) {
        while self.peak.0 > 0 && now.saturating_sub(self.peak.1) >= HALF_LIFE {
            self.peak = (self.peak.0 / 2, self.peak.1 + HALF_LIFE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_burst_is_expected_again_and_forgotten_by_halves() {
        let mut demand = Demand::new(2, 32);
        assert_eq!(demand.target(at(0.0)), 2);
        for wish in 0..20 {
            demand.record(at(10.0) + Duration::from_millis(wish));
        }
        assert_eq!(demand.target(at(11.0)), 20);
        assert_eq!(demand.target(at(41.0)), 10);
        assert_eq!(demand.target(at(71.0)), 5);
        assert_eq!(demand.target(at(1000.0)), 2);
    }

    #[test]
    fn a_steady_trickle_needs_no_more_than_the_least() {
        let mut demand = Demand::new(2, 32);
        for second in 0..100 {
            demand.record(at(f64::from(second)));
        }
        assert_eq!(demand.target(at(100.0)), 2);
    }

    #[test]
    fn the_target_is_bounded() {
        let mut demand = Demand::new(2, 8);
        (0..1000).for_each(|_| demand.record(at(1.0)));
        assert_eq!(demand.target(at(1.0)), 8);
        assert_eq!(Demand::new(4, 1).target(at(0.0)), 4);
    }
}
