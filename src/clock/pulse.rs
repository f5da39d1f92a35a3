//! Whether a loop keeps up.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::Timestamp;

/// The moment that stands for "nothing is due".
const NEVER: i64 = i64::MAX;

/// Whether a loop keeps up: it says after each turn when it wants the next one, and is behind
/// by however much later it is now. A loop that hangs is found out without its help.
#[derive(Debug)]
pub struct Pulse(AtomicI64);

impl Default for Pulse {
    fn default() -> Self {
        Self(AtomicI64::new(NEVER))
    }
}

impl Pulse {
    /// Notes when the loop wants to run next; `None` when there is nothing to run.
    pub fn expect(&self, next: Option<Timestamp>) {
        self.0.store(next.map_or(NEVER, |next| next.timestamp_millis()), Ordering::Relaxed);
    }

    /// How far the loop is behind at `now`.
    pub fn lag(&self, now: Timestamp) -> Duration {
        let behind = now.timestamp_millis().saturating_sub(self.0.load(Ordering::Relaxed));
        Duration::from_millis(u64::try_from(behind).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_loop_is_behind_by_the_turn_it_missed() {
        let now: Timestamp = "2026-11-21T04:00:00Z".parse().expect("a time");
        let pulse = Pulse::default();
        assert_eq!(pulse.lag(now), Duration::ZERO);
        pulse.expect(Some(now + TimeDelta::seconds(5)));
        assert_eq!(pulse.lag(now), Duration::ZERO);
        assert_eq!(pulse.lag(now + TimeDelta::seconds(7)), Duration::from_secs(2));
        pulse.expect(None);
        assert_eq!(pulse.lag(now + TimeDelta::days(1)), Duration::ZERO);
    }
}
