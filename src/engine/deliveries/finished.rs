//! An attempt that ended, and what follows from it for all that it was to tell.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::id::{NotificationId, stable_hash};
use crate::domain::notification::{
    Attempt, Notification, NotificationState, Settlement, Trials, put_off, settle,
};
use crate::domain::storm;
use crate::engine::stamps::Stamps;
use crate::store::gathering::Shared;
use crate::store::{Claim, Ended};

/// What follows from an attempt for all that it was to tell.
#[derive(Debug)]
pub(super) struct Follows {
    /// For the notification by whose message it was.
    pub(super) settlement: Settlement,
    /// For each that was gathered with it.
    shared: Vec<Shared>,
}

/// An attempt that ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) claim: Claim,
    pub(super) attempt: Attempt,
    /// How long it is put off, where there was no attempt after all.
    put_off: Option<Duration>,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    /// Since when attempts to send something have been failing, if this one failed and was not the first.
    since: HashMap<NotificationId, Timestamp>,
}

impl Finished {
    pub(super) fn new(
        claim: Claim,
        (attempt, put_off): (Attempt, Option<Duration>),
        (started_at, ended_at): (Timestamp, Timestamp),
    ) -> Self {
        Self { claim, attempt, put_off, started_at, ended_at, since: HashMap::new() }
    }

    /// The same by the claim as it is `held` now: the store may have handed it out again meanwhile.
    pub(super) fn by(mut self, held: Option<Claim>) -> Self {
        if let Some(held) = held {
            (self.claim.epoch, self.claim.until) = (held.epoch, held.until);
            self.claim.notification = held.notification;
        }
        self
    }

    /// Whether there was no attempt after all.
    pub(super) fn is_put_off(&self) -> bool {
        self.put_off.is_some()
    }

    /// All that it was to tell, first that by whose message it was.
    fn told(&self) -> impl Iterator<Item = &Claim> {
        std::iter::once(&self.claim).chain(self.claim.gathered.iter().flatten())
    }

    /// Counts it among the attempts `before`, which it takes away.
    pub(super) fn count(&mut self, before: &mut HashMap<NotificationId, Trials>) {
        let since = |claim: &Claim| {
            let id = claim.notification.id;
            (id, Trials::since(before.remove(&id), self.started_at, self.ended_at))
        };
        self.since = self.told().map(since).collect();
    }

    /// What follows for each that it was to tell, and since when attempts to do so have been failing.
    pub(super) fn settlements(&self) -> Vec<(NotificationId, Timestamp, Settlement)> {
        let Follows { settlement, shared } = self.follows();
        let all = std::iter::once((self.claim.notification.id, settlement)).chain(shared);
        all.map(|(id, settlement)| (id, self.since(id), settlement)).collect()
    }

    /// What follows, as it is recorded.
    pub(super) fn follows(&self) -> Follows {
        let (head, settlement) = (self.claim.notification.id, self.settlement());
        let shared = self.claim.gathered.iter().flatten().map(|it| {
            let own = self.settlement_of(&it.notification);
            (it.notification.id, storm::share((head, &settlement), own))
        });
        Follows { shared: shared.collect(), settlement }
    }

    /// The same in the words of the store.
    pub(super) fn ended<'a>(&'a self, follows: &'a Follows) -> Ended<'a> {
        Ended {
            claim: &self.claim,
            started_at: self.started_at,
            ended_at: self.ended_at,
            attempt: &self.attempt,
            settlement: &follows.settlement,
            shared: &follows.shared,
        }
    }

    /// What follows for the notification by whose message it was.
    pub(super) fn settlement(&self) -> Settlement {
        let settlement = self.settlement_of(&self.claim.notification);
        match self.claim.gathered.as_ref().map(Vec::len) {
            Some(others @ 1..) => {
                let reason = format!("{} (a digest with {others} others)", settlement.reason);
                Settlement { reason, ..settlement }
            }
            _ => settlement,
        }
    }

    fn settlement_of(&self, notification: &Notification) -> Settlement {
        if let Some(wait) = self.put_off {
            return put_off(notification, self.ended_at + wait, self.attempt.detail());
        }
        let jitter = jitter(&self.claim.notification);
        settle(notification, &self.attempt, self.since(notification.id), self.ended_at, jitter)
    }

    fn since(&self, id: NotificationId) -> Timestamp {
        self.since.get(&id).copied().unwrap_or(self.ended_at)
    }

    /// Measures how long what was accepted took.
    pub(super) fn measure(&self, stamps: &Stamps) {
        if self.settlement().state != NotificationState::Sent {
            return;
        }
        for claim in self.told() {
            stamps.sent(claim, self.started_at, self.ended_at);
        }
    }
}

/// Spreads the retries of many notifications: from the notification's number and its failures, so
/// that the same history always leads to the same waits.
fn jitter(notification: &Notification) -> f64 {
    let hash = stable_hash(&[&notification.id.to_string(), &notification.failures.to_string()]);
    f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
