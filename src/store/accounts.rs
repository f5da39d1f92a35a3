//! The part of the contract that accounts for slots: which were expected, who was there to run them,
//! and why some were not.
//!
//! Runs are not told here: they are what [`super::Store::record`] stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;

use super::{Error, Standing};
use crate::domain::Timestamp;
use crate::domain::coverage::{Duty, Gap, Presence, Tally, Watch};
use crate::domain::id::{CheckId, Region};
use crate::domain::schedule::Schedule;

/// A check in a region whose slots are expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The check.
    pub check: CheckId,
    /// The region.
    pub region: Region,
    /// When its slots are.
    pub schedule: Schedule,
    /// Whether anybody is to run them.
    pub duty: Duty,
}

/// A process that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Tells this process from all others, and from itself before a restart.
    pub id: String,
    /// The region that it serves as an agent; `None` for a hub.
    pub region: Option<Region>,
}

/// The check and region that a result belongs to.
pub type Place = (CheckId, Region);

/// Slots that were run, by check and region.
pub type Ran = HashMap<Place, BTreeSet<Timestamp>>;

/// Accounts for slots. A period is after its first moment and up to its second.
#[async_trait]
pub trait Accounts: Send + Sync + std::fmt::Debug {
    /// From `now` on the slots of `expected` are expected, and no others. A watch that stays as it
    /// is goes on, also over a time in which nobody ran.
    async fn expect(&self, expected: &[Expected], now: Timestamp) -> Result<(), Error>;

    /// The watches that were on during some of `period`: all, or those of `check`.
    async fn watches(
        &self,
        check: Option<&CheckId>,
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error>;

    /// Notes that `process` is alive at `now`.
    async fn seen(&self, process: &Process, now: Timestamp) -> Result<(), Error>;

    /// Who was there during some of `period`, by region. The hub's lives are in all of them; `None`
    /// stands for regions that no agent was ever seen of.
    async fn presence(
        &self,
        period: (Timestamp, Timestamp),
    ) -> Result<HashMap<Option<Region>, Presence>, Error>;

    /// Up to when every slot is accounted for; `None` when none ever was.
    async fn accounted_until(&self) -> Result<Option<Timestamp>, Error>;

    /// The slots within `period` that have runs.
    async fn ran(&self, period: (Timestamp, Timestamp)) -> Result<Ran, Error>;

    /// The latest gap of each of `places` that has one.
    async fn latest_gaps(&self, places: &[Place]) -> Result<HashMap<Place, Gap>, Error>;

    /// Stores `gaps` and that all slots up to `until` are accounted for. A gap that begins like one
    /// that is stored takes its place. Nothing changes where slots are not accounted for up to
    /// `after` any more, because another hub went on from there.
    async fn account(
        &self,
        gaps: &[Gap],
        after: Option<Timestamp>,
        until: Timestamp,
    ) -> Result<Standing, Error>;

    /// The gaps that have slots within `period`, of one check or of all, the latest first, at most
    /// `limit`.
    async fn gaps(
        &self,
        check: Option<&CheckId>,
        period: (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Gap>, Error>;

    /// How the runs of slots within `period` ended, of one check or of all. What was expected is
    /// not counted here.
    async fn tallies(
        &self,
        check: Option<&CheckId>,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error>;

    /// The same of all checks without how late runs were and how long they took, at a smaller price.
    async fn outcomes(
        &self,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        self.tallies(None, period).await
    }

    /// The slot of the earliest run that no incident refers to.
    async fn first_ran(&self) -> Result<Option<Timestamp>, Error>;

    /// Between which times every hour is counted; the same twice while the first one is, and `None`
    /// before that.
    async fn tallied(&self) -> Result<Option<(Timestamp, Timestamp)>, Error>;

    /// Counts the runs of `hour`, stores how its slots came out, `expected` being those that were,
    /// and that all up to its end are counted. From now on a run of it that is stored, or takes the
    /// place of another, changes the count in the same transaction. Nobody who stores runs waits
    /// longer than it takes to count a few checks.
    ///
    /// Nothing changes if hours are counted, but not just up to the beginning of this one: an hour
    /// that is counted stays so, because some of its runs may be forgotten by now.
    async fn tally(
        &self,
        hour: (Timestamp, Timestamp),
        expected: &BTreeMap<Place, u64>,
    ) -> Result<Standing, Error>;

    /// The sum of what was stored for the hours that begin within `period`, from its first moment on
    /// and before its second, of one check or of all.
    async fn tallied_hours(
        &self,
        check: Option<&CheckId>,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error>;

    /// Forgets counted hours, gaps, watches and lives that ended before `before`.
    async fn forget_accounts(&self, before: Timestamp) -> Result<(), Error>;
}
