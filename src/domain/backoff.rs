//! How long to wait before trying again.

use std::time::Duration;

/// Exponential waits: 1 s, 2 s, 4 s, ... up to a cap, spread by a jitter that the caller brings,
/// because randomness is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// No wait is longer than this, jitter excluded.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after `failures` failed attempts (1 is the first). `jitter` in `0.0..=1.0` adds up
    /// to a quarter of the wait.
    pub fn after(self, failures: u32, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(1u32 << failures.saturating_sub(1).min(20));
        let wait = doubled.min(self.cap);
        wait + wait.mul_f64(0.25 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_cap() {
        let backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(30) };
        let waits: Vec<u64> = (1..=7).map(|n| backoff.after(n, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.after(u32::MAX, 0.0), Duration::from_secs(30));
        assert_eq!(backoff.after(3, 1.0), Duration::from_secs(5));
        assert_eq!(backoff.after(3, f64::INFINITY), Duration::from_secs(5));
    }
}
