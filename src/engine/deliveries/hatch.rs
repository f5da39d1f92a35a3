//! Where a lane that waits is handed what is owed on its channel, by whoever has just recorded it.
//!
//! What is recorded and leased in one transaction leaves sooner than what a lane must find and lease in
//! another. Nothing depends on it: what is not handed over here, a lane finds in the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedSender;

use super::Limits;
use crate::clock::Stopwatch;
use crate::domain::Timestamp;
use crate::domain::policy::Channel;
use crate::domain::storm::{Bounds, Limit};
use crate::store::gathering::Sought;
use crate::store::{Handed, Offer};

/// Where a lane is handed what is owed; cheap to clone.
#[derive(Clone)]
pub struct Hatch {
    pub(super) channel: Channel,
    pub(super) limits: Limits,
    pub(super) bounds: Arc<ArcSwap<Bounds>>,
    /// How many the lane takes now.
    pub(super) room: Arc<AtomicU32>,
    pub(super) passed: UnboundedSender<Passed>,
}

/// What a lane was handed.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) handed: Handed,
    /// When it was leased; `told` has been running since.
    pub(super) now: Timestamp,
    pub(super) told: Stopwatch,
}

impl fmt::Debug for Hatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hatch").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Hatch {
    /// What the lane takes at `now`; `None` where it takes nothing. Between this and what is passed, it may
    /// have taken as much from the store.
    pub fn offer(&self, now: Timestamp) -> Option<Offer> {
        let room = self.room.load(Ordering::Relaxed);
        (room > 0).then(|| {
            let bound = self.bounds.load().of(self.channel);
            offer(self.channel, (&self.limits, bound), room, now)
        })
    }

    /// Hands over what was leased at `now`, since when `told` has been running; gives it back where the lane
    /// takes no more.
    ///
    /// # Errors
    ///
    /// What was to be handed over: it is leased, and nobody is going to send it.
    pub fn pass(&self, handed: Handed, now: Timestamp, told: Stopwatch) -> Result<(), Handed> {
        let passed = self.passed.send(Passed { handed, now, told });
        passed.map_err(|refused| refused.0.handed)
    }

    /// The channel.
    pub fn channel(&self) -> Channel {
        self.channel
    }
}

/// What a lane takes at `now` that has `room` for so many: a batch at most.
pub(super) fn offer(
    channel: Channel,
    (limits, bound): (&Limits, Option<Limit>),
    room: u32,
    now: Timestamp,
) -> Offer {
    let limit = room.min(u32::try_from(limits.batch).unwrap_or(u32::MAX));
    let sought = Sought {
        crowd_since: bound.map(|limit| now - limit.memory()),
        story: channel.has_thread(),
    };
    Offer { channel, lease_until: now + limits.lease, limit, sought }
}
