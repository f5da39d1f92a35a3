//! The part of the contract that gathers what is owed to one recipient into digests.
//!
//! Invariants:
//! - what is gathered is held by the claim on the digest's own notification, all of it or nothing;
//! - a digest that may have arrived is repeated as it was, with the same in it;
//! - whatever is in a digest that was accepted names it, and is never sent by itself.

use async_trait::async_trait;

use super::{Claim, Error, IncidentHistory, Standing};
use crate::domain::Timestamp;
use crate::domain::id::{IncidentId, NotificationId, Region};
use crate::domain::notification::Settlement;
use crate::domain::policy::{Channel, Recipient};
use crate::domain::restraint::Silence;
use crate::domain::storm::Crowd;
use crate::domain::subject::Subject;

/// What an attempt at a digest means for one that is gathered in it.
pub type Shared = (NotificationId, Settlement);

/// When what happened to a notification, as far as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamps {
    /// The answer came that it tells of.
    pub failed: Option<Timestamp>,
    /// The request left that was accepted; that of the digest, where it was told in one.
    pub sent: Option<Timestamp>,
    /// The answer to that came.
    pub accepted: Option<Timestamp>,
    /// Somebody acknowledged the incident.
    pub acknowledged: Option<Timestamp>,
}

/// A claim with all that leaves with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered {
    /// The claim; what it holds stands in [`Claim::gathered`].
    pub claim: Claim,
    /// How many incidents are open.
    pub open: u64,
}

/// A message whose incident was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The way.
    pub channel: Channel,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When the incident was acknowledged.
    pub acknowledged_at: Timestamp,
}

/// What is asked of the store when a message is about to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked<'a> {
    /// What else there is for a recipient, and what it was sent since.
    pub crowd: Option<(&'a Recipient, Timestamp)>,
    /// What happened to an incident, and what that is about.
    pub story: Option<(IncidentId, &'a Subject)>,
    /// The silences that are not over at this time.
    pub silences: Option<Timestamp>,
}

/// What is sought with the first of what is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sought {
    /// The crowd of its recipient, by what that was sent since.
    pub crowd_since: Option<Timestamp>,
    /// The story of its incident.
    pub story: bool,
}

/// What the store knows when a message is about to leave, as far as that was asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Background {
    /// What is owed to the recipient, no more than [`MOST`] and the earliest first, and which messages it
    /// was sent, no more than [`MOST_TOLD`] and the latest.
    pub crowd: Option<Crowd>,
    /// `None`, too, where there is no such incident.
    pub story: Option<Story>,
    /// The silences that are not over.
    pub silences: Vec<Silence>,
}

/// What happened to an incident until now.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// All that is stored of it.
    pub history: IncidentHistory,
    /// When its check last passed wherever it is down now: the earliest of these moments. `None` for all
    /// that is no check, too.
    pub last_success: Option<Timestamp>,
    /// Where its check is down now, in order.
    pub down: Vec<Region>,
}

/// Gathers what is owed to one recipient.
#[async_trait]
pub trait Gathering: Send + Sync + std::fmt::Debug {
    /// What there is to know before a message leaves.
    async fn background(&self, asked: &Asked<'_>) -> Result<Background, Error>;

    /// Makes a digest of the notification of `claim` and of `others`, as far as those can still be
    /// gathered: owed to the same recipient, in nobody's hands, and not possibly arrived. What the claim
    /// holds already stays in it. `None`, and nothing changes, where the claim is not held.
    async fn gather(
        &self,
        claim: &Claim,
        others: &[NotificationId],
    ) -> Result<Option<Gathered>, Error>;

    /// Lets the notification of `claim` go until `until`, unsent and as it was, and makes `others`, which
    /// nobody has, due no earlier. By a claim that is not held, nothing changes.
    async fn hold(
        &self,
        claim: &Claim,
        others: &[NotificationId],
        until: Timestamp,
        reason: &str,
    ) -> Result<Standing, Error>;
}

/// At most so much that is owed is looked at, and gathered, at once.
pub const MOST: u32 = 2_000;
/// At most so many messages that were sent are looked at.
pub const MOST_TOLD: u32 = 5_000;

/// Those of `shared` for which an attempt means the same, together.
pub(super) fn alike(shared: &[Shared]) -> Vec<(&Settlement, Vec<i64>)> {
    let mut all: Vec<(&Settlement, Vec<i64>)> = Vec::new();
    for (id, settlement) in shared {
        match all.iter_mut().find(|(same, _)| *same == settlement) {
            Some((_, ids)) => ids.push(id.0),
            None => all.push((settlement, vec![id.0])),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notification::NotificationState;

    #[test]
    fn what_is_alike_is_written_at_once() {
        let settlement = |failures| Settlement {
            state: NotificationState::Owed,
            due_at: Timestamp::UNIX_EPOCH,
            failures,
            possible_repeat: false,
            reason: "429".into(),
        };
        let shared: Vec<Shared> = [(1, 1), (2, 2), (3, 1)]
            .map(|(id, failures)| (NotificationId(id), settlement(failures)))
            .into();
        let ids: Vec<Vec<i64>> = alike(&shared).into_iter().map(|(_, ids)| ids).collect();
        assert_eq!(ids, [vec![1, 3], vec![2]]);
    }
}
