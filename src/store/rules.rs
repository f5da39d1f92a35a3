//! The part of the contract that keeps what is known of rules.
//!
//! Invariants:
//! - the times of the grid are passed one after the other, each by one hub: what an evaluation found,
//!   the incidents it opened or ended and the messages it owes are one transaction, which takes place
//!   only if nobody else has passed that time meanwhile;
//! - a store knows nothing of expressions: what follows from an evaluation is decided by the
//!   [`RuleJudge`] that the caller brings.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{Error, Remembered};
use crate::domain::Timestamp;
use crate::domain::incident::Change;
use crate::domain::rule::RuleName;
use crate::domain::rule::state::RuleState;

/// Decides what evaluations mean. Called inside a transaction, perhaps again if that is retried, so
/// it must be a pure function.
pub trait RuleJudge: Send + Sync {
    /// What they mean with what is remembered.
    fn judge(&self, remembered: &Remembered) -> Judged;

    /// By which edition of the project it judges, where hubs can have different ones.
    fn edition(&self) -> Option<&str> {
        None
    }

    /// What else follows where that edition is the latest: rules that it does not have are gone. By an
    /// earlier one, they are another hub's.
    fn withdraw(&self, _remembered: &Remembered) -> Judged {
        Judged::default()
    }
}

/// What evaluations of one time of the grid lead to; stored as one unit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judged {
    /// The states that are to be remembered; others stay as they are.
    pub states: BTreeMap<RuleName, RuleState>,
    /// The rules that are to be forgotten.
    pub gone: BTreeSet<RuleName>,
    /// What is decided; each subject once at most, and an incident that is open keeps its number.
    pub changes: Vec<Change>,
}

impl Judged {
    /// Both.
    pub(in crate::store) fn and(mut self, other: Self) -> Self {
        self.states.extend(other.states);
        self.gone.extend(other.gone);
        self.changes.extend(other.changes);
        self
    }
}

/// What is known of all rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleRecords {
    /// Up to which time of the grid they are evaluated; `None` when none ever was.
    pub until: Option<Timestamp>,
    /// What is remembered of each; the times of the last evaluation and of the last data are those
    /// at which something else changed.
    pub states: BTreeMap<RuleName, RuleState>,
}

/// Keeps what is known of rules.
#[async_trait]
pub trait Rules: Send + Sync + std::fmt::Debug {
    /// What is known of all rules.
    async fn rule_records(&self) -> Result<RuleRecords, Error>;

    /// Passes from the time `from` of the grid to `until`: stores what `judge` decides, in one
    /// transaction that survives a power cut where anything was decided; says what was decided, with
    /// the numbers of the incidents. `None`, and nothing is changed, where the rules are not at
    /// `from` any more.
    async fn pass(
        &self,
        from: Option<Timestamp>,
        until: Timestamp,
        judge: &dyn RuleJudge,
        now: Timestamp,
    ) -> Result<Option<Vec<Change>>, Error>;
}
