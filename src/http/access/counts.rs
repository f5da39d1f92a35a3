//! What came of signing in and of asking, counted since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that grows.
#[derive(Debug, Default)]
pub(in crate::http) struct Count(AtomicU64);

impl Count {
    /// One more.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub(in crate::http) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted.
#[derive(Debug, Default)]
pub(in crate::http) struct Counts {
    /// People who signed in.
    pub(in crate::http) signed_in: Count,
    /// Attempts with a wrong name or password.
    pub(in crate::http) wrong: Count,
    /// Attempts that were not made because there were too many before.
    pub(in crate::http) too_many: Count,
    /// Requests that needed somebody and showed nobody, or a session that is over.
    pub(in crate::http) unknown: Count,
    /// Requests with a token that nobody has.
    pub(in crate::http) wrong_token: Count,
    /// Requests of users whose role is not enough.
    pub(in crate::http) not_allowed: Count,
    /// Requests that a page of another site made.
    pub(in crate::http) foreign: Count,
}
