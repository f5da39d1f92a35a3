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
}

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
            Outcome::Unknown => {}
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
        next
    }
}
