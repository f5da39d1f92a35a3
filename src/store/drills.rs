//! The part of the contract that keeps what is known of paths, and owes drills.
//!
//! Invariants:
//! - a round of drills, with the messages it owes and the mark that says that it took place, is one
//!   transaction, so that none takes place twice;
//! - a store knows nothing of what a proof is worth: that is decided by the [`Examiner`] that the caller
//!   brings.

use async_trait::async_trait;

use super::{Error, Lease, Remembered};
use crate::domain::Timestamp;
use crate::domain::drill::{Decided, Known};
use crate::domain::incident::Change;

/// Decides what follows from what is known of paths. Called inside a transaction, perhaps again if that is
/// retried, so it must be a pure function.
pub trait Examiner: Send + Sync {
    /// What follows. Each subject is named once at most.
    fn examine(&self, known: &Known, remembered: &Remembered, now: Timestamp) -> Decided;
}

/// Keeps what is known of paths.
#[async_trait]
pub trait Drills: Send + Sync + std::fmt::Debug {
    /// What is known of all paths at `now`. The proof of each is the last message that arrived, be it a drill or any
    /// other: one that was taken, and of channels whose provider says so later, delivered. What was only
    /// printed proves nothing, nor what arrived by a clock that was ahead of `now`.
    async fn known_paths(&self, now: Timestamp) -> Result<Known, Error>;

    /// Stores what `examiner` decides, in one transaction that survives a power cut where anything is
    /// owed; says what was decided, with the numbers of the incidents. Where there is a `lease` and it is
    /// another's by then, that is [`Error::LeaseLost`], and nothing is stored.
    async fn examine(
        &self,
        examiner: &dyn Examiner,
        lease: Option<&Lease>,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error>;
}
