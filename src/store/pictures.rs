//! The part of the contract that remembers beside which messages a picture was shown.
//!
//! Invariant: of an incident, an address is shown one picture at most; who was handed it and did not come to
//! show it is not asked again. A picture is worth less than a second one beside it costs.

use async_trait::async_trait;

use super::Error;
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;

/// A message that a picture may stand beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unillustrated {
    /// What it tells of.
    pub incident: IncidentId,
    /// The provider's name for it.
    pub receipt: String,
}

/// Remembers it.
#[async_trait]
pub trait Pictures: Send + Sync + std::fmt::Debug {
    /// Hands out messages that Slack took since `since` as the first about their incidents, and beside which no
    /// picture was shown, at most `limit`. None of them is handed out again.
    async fn claim_pictures(
        &self,
        since: Timestamp,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Unillustrated>, Error>;

    /// Forgets what was handed out before `before`; says how many.
    async fn forget_pictures(&self, before: Timestamp) -> Result<u64, Error>;
}
