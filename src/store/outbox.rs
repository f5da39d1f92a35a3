//! What is remembered of messages: whom they are for, how they stand, and what came of each attempt.

use super::Epoch;
use super::gathering::{Background, Shared, Sought, Stamps};
use super::succession::{Proof, Succession};
use crate::domain::Timestamp;
use crate::domain::id::NotificationId;
use crate::domain::notification::{Attempt, Notification, NotificationState, Settlement};
use crate::domain::policy::Channel;

/// A notification in the hands of whoever is to send it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What is to be sent.
    pub notification: Notification,
    /// Tells this claim from earlier and later ones on the same notification.
    pub epoch: Epoch,
    /// When the claim runs out; nothing may be sent by it any more from then on.
    pub until: Timestamp,
    /// When the answer came that it tells of, where one did.
    pub failed_at: Option<Timestamp>,
    /// Where it is a digest: all others that leave with it, held by this claim.
    pub gathered: Option<Vec<Claim>>,
}

/// An attempt that ended, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The claim by which it was made.
    pub claim: &'a Claim,
    /// When it started.
    pub started_at: Timestamp,
    /// When its outcome was known.
    pub ended_at: Timestamp,
    /// What came of it.
    pub attempt: &'a Attempt,
    /// What follows for the notification of the claim.
    pub settlement: &'a Settlement,
    /// What follows for each that is gathered with it; empty but for a digest.
    pub shared: &'a [Shared],
}

/// A notification and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationRecord {
    /// The notification.
    pub notification: Notification,
    /// Where it stands.
    pub state: NotificationState,
    /// When it is tried next, while owed.
    pub due_at: Timestamp,
    /// Why it stands there, in a sentence; none before the first attempt.
    pub reason: Option<String>,
    /// The attempts, oldest first; none where it is told in the digest of another.
    pub deliveries: Vec<Delivery>,
    /// The notification by whose message it is told, where that is a digest: itself, or another.
    pub digest: Option<NotificationId>,
    /// When what happened to it.
    pub stamps: Stamps,
    /// Who was told instead, where it did not arrive and that is decided.
    pub succession: Option<Succession>,
}

/// One attempt to send a notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// When it started.
    pub started_at: Timestamp,
    /// When its outcome was known.
    pub ended_at: Timestamp,
    /// `accepted`, `retry`, `ambiguous`, `given_up` or `broken`.
    pub outcome: String,
    /// The receipt or the reason.
    pub detail: String,
    /// What the provider said later, where it says something.
    pub proof: Option<Proof>,
}

/// What is still owed on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// The channel.
    pub channel: Channel,
    /// How many notifications are owed.
    pub owed: u64,
    /// When the oldest of them was owed.
    pub oldest: Option<Timestamp>,
    /// How many were given up since `since` of the question.
    pub given_up: u64,
}

/// What a lane takes at once of what is owed on its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The channel.
    pub channel: Channel,
    /// Until when what is handed out is leased.
    pub lease_until: Timestamp,
    /// How many it takes.
    pub limit: u32,
    /// What it wants to know of the first of them.
    pub sought: Sought,
}

/// What was handed out, as it was offered to take it.
#[derive(Debug, Clone, PartialEq)]
pub struct Handed {
    /// The channel.
    pub channel: Channel,
    /// What is to be sent, oldest first.
    pub claims: Vec<Claim>,
    /// What there is to know before the first of them leaves, where that was to be had for little.
    pub background: Option<Box<Background>>,
}

impl Handed {
    /// What was handed out by itself.
    pub fn alone(channel: Channel, claims: Vec<Claim>) -> Self {
        Self { channel, claims, background: None }
    }
}
