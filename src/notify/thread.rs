//! What a recipient was told of an incident before, and how it stands: what a channel that can
//! change what it said needs to keep one message true.
//!
//! Must not: read anything; whoever sends brings it.

use std::collections::BTreeMap;

use crate::domain::Timestamp;
use crate::domain::id::PersonId;
use crate::domain::incident::Incident;
use crate::domain::notification::NotificationState;
use crate::domain::policy::Recipient;

/// The story of an incident as one recipient follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Thread {
    /// What the channel gave for the last message about it that it accepted; `None` where there is
    /// none.
    pub receipt: Option<String>,
    /// The incident as it is now.
    pub incident: Incident,
    /// What people said and did about it, in sentences; the latest last.
    pub words: Vec<(Timestamp, String)>,
    /// Who was woken by it, or should have been.
    pub woken: BTreeMap<PersonId, Paging>,
    /// When the check last passed in a region that is down, where it did.
    pub last_success: Option<Timestamp>,
}

/// Where the last message to somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// There.
    Stands(NotificationState),
    /// It is printed where the hub runs, since the way is not set up: it reaches nobody.
    Printed,
}

impl Thread {
    /// Whether people were to be woken by it, or a tier beyond the first was reached.
    pub fn is_grave(&self) -> bool {
        let Incident { tiers, told, .. } = &self.incident;
        tiers.iter().any(|tier| *tier > 1) || told.iter().any(Recipient::wakes)
    }
}
