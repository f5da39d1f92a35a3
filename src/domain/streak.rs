//! A streak: failures in a row of a check in a region.

use super::Timestamp;
use super::run::Outcome;

/// What the last runs of a check in one region amount to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Streak {
    /// Failures in a row. Unknown runs neither add to it nor end it.
    pub failures: u32,
    /// Passed runs in a row since the last failure.
    pub passes: u32,
    /// Whether the region counts as down: from its first failure until it has passed often enough.
    pub down: bool,
    /// The slot of the first failure of the present stretch of being down.
    pub failing_since: Option<Timestamp>,
    /// The slot of the last passed run.
    pub last_success: Option<Timestamp>,
    /// The latest slot that was counted; older results arriving later are not.
    pub last_slot: Option<Timestamp>,
    /// The outcome of the latest slot.
    pub last_outcome: Option<Outcome>,
    /// The slot since which it has answered (passed or failed) without a longer break.
    pub answering_since: Option<Timestamp>,
    /// The unknown runs since its last answer; `None` when there are none.
    pub unknowns: Option<Unknowns>,
}

/// Unknown runs in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknowns {
    /// How many.
    pub count: u32,
    /// The slot of the first.
    pub since: Timestamp,
    /// Why the last one is unknown, in one line.
    pub reason: String,
}

/// After so many unknown runs in a row, it is not known any more how a check is doing in a region.
pub const BLIND_AFTER: u32 = 5;

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 300;

impl Streak {
    /// Whether a result for `slot` comes after what was already counted.
    pub fn is_news(&self, slot: Timestamp) -> bool {
        self.last_slot.is_none_or(|last| slot > last)
    }

    /// Counts one result. `recover_after` passed runs in a row end being down.
    #[must_use]
    pub fn counting(&self, outcome: Outcome, slot: Timestamp, recover_after: u32) -> Self {
        let mut next = self.clone();
        next.last_slot = Some(slot);
        next.last_outcome = Some(outcome);
        match outcome {
            Outcome::Unknown => {
                let unknowns = next.unknowns.get_or_insert_with(|| Unknowns {
                    count: 0,
                    since: slot,
                    reason: String::new(),
                });
                unknowns.count = unknowns.count.saturating_add(1);
                return next;
            }
            Outcome::Failed => {
                next.failures = self.failures.saturating_add(1);
                next.passes = 0;
                next.down = true;
                next.failing_since = self.failing_since.or(Some(slot));
            }
            Outcome::Passed => {
                next.failures = 0;
                next.passes = self.passes.saturating_add(1);
                next.last_success = Some(slot);
                if next.passes >= recover_after {
                    next.down = false;
                    next.failing_since = None;
                }
            }
        }
        next.unknowns = None;
        next.answering_since = self.answering_since.or(Some(slot));
        next
    }

    /// Says why the last run is unknown, if it is.
    #[must_use]
    pub fn explained(mut self, reason: &str) -> Self {
        if let Some(unknowns) = &mut self.unknowns {
            unknowns.reason = reason.chars().take(LONGEST_REASON).collect();
        }
        self
    }

    /// Says that there was a break before the answer in `slot`.
    #[must_use]
    pub fn after_a_break(mut self, slot: Timestamp) -> Self {
        self.answering_since = Some(slot);
        self
    }

    /// Until when its answers came: its latest slot, or the first of those that are unknown.
    pub fn heard_until(&self) -> Option<Timestamp> {
        self.unknowns.as_ref().map(|unknowns| unknowns.since).or(self.last_slot)
    }

    /// Whether so many runs in a row were unknown that its last answer says nothing any more.
    pub fn is_blind(&self) -> bool {
        self.unknowns.as_ref().is_some_and(|unknowns| unknowns.count >= BLIND_AFTER)
    }
}
