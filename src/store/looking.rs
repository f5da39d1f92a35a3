//! The part of the contract by which people look: incidents found by what is said of them, messages by how they
//! stand, and a glance that tells whether anything has changed.
//!
//! Invariants:
//! - what is found is what [`Store::incidents`](super::Store::incidents) lists, and what those owed: no rounds of
//!   drills;
//! - a glance costs the same however much is stored, so that it can be taken every second.

use async_trait::async_trait;

use super::{Error, IncidentRecord, NotificationRecord};
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::notification::NotificationState;
use crate::domain::subject::Subject;

/// Which incidents somebody looks for; the latest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentSearch {
    /// Those that are over, or those that are not.
    pub side: Side,
    /// Only about this: a word of [`Subject::KINDS`].
    pub kind: Option<&'static str>,
    /// Only those in whose subject or error this stands, in small letters; or that are about one of
    /// `named`. All where it is empty.
    pub text: String,
    /// What else `text` means, such as a check that people call by another name.
    pub named: Vec<Subject>,
    /// Only those with smaller numbers.
    pub before: Option<IncidentId>,
    /// At most this many; the caller bounds it.
    pub limit: u32,
}

/// Which messages somebody looks for; the latest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageSearch {
    /// Only those that stand so.
    pub state: Option<NotificationState>,
    /// At most this many; the caller bounds it.
    pub limit: u32,
}

/// Whether incidents are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// They are not.
    Open,
    /// They are.
    Resolved,
}

/// What a store looked like at a moment; two that are equal mean that nothing has changed that people are
/// shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, sqlx::FromRow)]
pub struct Glance {
    /// How far results have come.
    pub results: i64,
    /// The last decision.
    pub decision: i64,
    /// The last message that was owed.
    pub notification: i64,
    /// The last attempt to send one.
    pub delivery: i64,
    /// The last silence.
    pub silence: i64,
    /// How many silences are not over.
    pub silences: i64,
    /// When somebody last asked for a run.
    pub errand: i64,
    /// In how many regions such runs are going.
    pub errands: i64,
}

impl Glance {
    /// The same without results, which come all the time.
    #[must_use]
    pub fn without_results(self) -> Self {
        Self { results: 0, ..self }
    }
}

/// Lets people look.
#[async_trait]
pub trait Looking: Send + Sync + std::fmt::Debug {
    /// Lists the incidents that somebody looks for.
    async fn find_incidents(&self, search: &IncidentSearch) -> Result<Vec<IncidentRecord>, Error>;

    /// Lists the messages that somebody looks for, of whatever incidents, each with its attempts.
    async fn find_messages(&self, search: MessageSearch) -> Result<Vec<NotificationRecord>, Error>;

    /// Takes a glance at `now`. What is not committed yet may be seen already, and what is committed late
    /// may not be.
    async fn glance(&self, now: Timestamp) -> Result<Glance, Error>;
}
