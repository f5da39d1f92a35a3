//! The part of the contract that tells the past once more: the results of a time in the order in which
//! they came, what people did about them, and whom that led to tell. It only reads.

use async_trait::async_trait;

use super::{DecisionRecord, Error, RunSummary};
use crate::domain::Timestamp;
use crate::domain::id::RunId;
use crate::domain::notification::NotificationState;
use crate::domain::policy::Recipient;
use crate::domain::restraint::Silence;
use crate::domain::subject::Subject;

/// A result with when it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct PastResult {
    /// Its place in the order in which results were stored; what was decided, was decided in it.
    pub number: i64,
    /// When it was stored, which is when it was judged.
    pub recorded_at: Timestamp,
    /// The run.
    pub run: RunSummary,
}

/// Messages of a time that are alike in all that is asked of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What they are about.
    pub subject: Subject,
    /// Whom they were owed to.
    pub recipient: Recipient,
    /// How they stand.
    pub state: NotificationState,
    /// Whether they are told instead of one that did not reach its recipient.
    pub instead: bool,
    /// How many.
    pub count: u64,
}

/// Tells what was.
#[async_trait]
pub trait Past: Send + Sync + std::fmt::Debug {
    /// The slot of the first result from which on none was forgotten; `None` where there is none.
    async fn whole_since(&self) -> Result<Option<Timestamp>, Error>;

    /// The results with slots from the first moment of `period` on and before the second, after the run
    /// `after` where one is named; in the order of their ids, which is that of their slots, and at most
    /// `limit`.
    async fn past_results(
        &self,
        period: (Timestamp, Timestamp),
        after: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<PastResult>, Error>;

    /// What people did about the incidents of `period`, and how those ended, in the order in which it
    /// was decided: decisions that somebody acknowledged, that nobody takes care any more, that
    /// something was said, that it was resolved.
    async fn past_acts(&self, period: (Timestamp, Timestamp))
    -> Result<Vec<DecisionRecord>, Error>;

    /// The silences that were in force at some time of `period`, by number.
    async fn past_silences(&self, period: (Timestamp, Timestamp)) -> Result<Vec<Silence>, Error>;

    /// How many messages were owed in `period`.
    async fn past_told(&self, period: (Timestamp, Timestamp)) -> Result<Vec<Told>, Error>;
}
