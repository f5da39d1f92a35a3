//! Errands as they travel: what an agent is asked to run at once, and what came of it.
//!
//! An agent that takes errands names itself when it asks for assignments. Where something waits for it,
//! the hub answers that nothing has changed, with [`ERRANDS_HEADER`]; then the agent takes it. A program
//! that knows nothing of errands neither names itself nor looks at the header, so its checks are not run
//! by hand, which the hub says to whoever asks.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Item;
use crate::domain::Timestamp;

/// The header that says that errands wait to be taken.
pub const ERRANDS_HEADER: &str = "tripline-errands";
/// What it says.
pub const ERRANDS_WAIT: &str = "waiting";
/// The most errands that are handed over at once.
pub const MOST_ERRANDS: usize = 16;

/// An agent takes errands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeErrands {
    /// Its name.
    pub name: String,
    /// How many it can run now.
    pub most: usize,
}

/// What it has to run, each an [`ErrandMessage`]. It is the agent's, and is offered to nobody again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TakenErrands {
    /// In the order in which they were asked for.
    #[serde(default)]
    pub errands: Vec<Item>,
}

/// A check is to be run at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrandMessage {
    /// The errand.
    pub id: Uuid,
    /// The check.
    pub check: String,
    /// The id of the run.
    pub run: Uuid,
    /// When it was asked for; the slot of its report.
    pub asked_at: Timestamp,
}

/// What came of an errand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrandReport {
    /// The name of the agent.
    pub name: String,
    /// A [`ReportMessage`](super::ReportMessage).
    pub report: Item,
}
