//! What came of an attempt, for those who watch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::notification::{Attempt, Notification, NotificationState, Settlement};

/// An attempt that ended, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub struct Attempted<'a> {
    /// What was sent, as it was handed to the channel.
    pub notification: &'a Notification,
    /// What came of it.
    pub attempt: &'a Attempt,
    /// What follows.
    pub settlement: &'a Settlement,
    /// How long it took.
    pub took: Duration,
}

/// Is told of every attempt, before it is recorded. Must not block.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// An attempt ended.
    fn on_attempt(&self, attempted: &Attempted<'_>);
}

/// Counts attempts since the start.
#[derive(Debug, Default)]
pub struct Tally {
    sent: AtomicU64,
    retried: AtomicU64,
    given_up: AtomicU64,
}

impl Tally {
    /// Messages that a provider accepted, or that were printed.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Attempts that are followed by another.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// Messages that nobody got, as far as is known.
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }
}

impl Observer for Tally {
    fn on_attempt(&self, attempted: &Attempted<'_>) {
        let count = match attempted.settlement.state {
            NotificationState::Sent => &self.sent,
            NotificationState::Owed => &self.retried,
            NotificationState::GivenUp => &self.given_up,
            NotificationState::Superseded => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
