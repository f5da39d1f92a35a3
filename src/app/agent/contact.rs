//! What is known of the way to the hub.

use std::time::Duration;

use crate::domain::Timestamp;

/// What is known of the way to the hub.
#[derive(Debug, Default)]
pub(super) struct Contact {
    /// When the hub last answered well.
    pub(super) last: Option<Timestamp>,
    /// Why it did not since.
    pub(super) trouble: Option<String>,
    /// By how much our clock is ahead, in microseconds.
    pub(super) skew_us: Option<i64>,
    /// How long the last heartbeat took, there and back.
    pub(super) round_trip: Duration,
}

impl Contact {
    /// The hub answered well.
    pub(super) fn succeeded(&mut self, now: Timestamp) {
        if self.trouble.take().is_some() {
            tracing::info!("the hub answers again");
        }
        self.last = Some(now);
    }

    /// It did not.
    pub(super) fn failed(&mut self, why: &str) {
        if self.trouble.is_none() {
            tracing::warn!(
                reason = why,
                "no good answer from the hub; checks go on, and their reports are kept"
            );
        }
        self.trouble = Some(why.to_owned());
    }
}
