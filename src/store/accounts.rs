//! The part of the contract that accounts for slots: which were expected, who was there to run them,
//! and why some were not.
//!
//! Runs are not told here: they are what [`super::Store::record`] stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};

use super::{Error, Standing};
use crate::domain::Timestamp;
use crate::domain::coverage::{Duty, Gap, Presence, Tally, Watch};
use crate::domain::edition::{Edition, Origin, Rank};
use crate::domain::id::{CheckId, Region};
use crate::domain::rule::Rule;
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

/// The slots that are expected by an edition of the project.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Which.
    pub edition: Edition,
    /// What it has expected.
    pub expected: Vec<Expected>,
    /// Since when it is in force.
    pub since: Timestamp,
}

impl Expectation {
    /// What is expected by an edition without rules that is in force since `since`.
    pub fn new(
        expected: Vec<Expected>,
        edited_at: Timestamp,
        origin: Origin,
        since: Timestamp,
    ) -> Self {
        let digest = digest_of(&expected, &[]);
        let edition = Edition { digest, edited_at: edited_at.min(since), origin };
        Self { edition, expected, since }
    }

    /// The same with `rules`.
    #[must_use]
    pub fn with_rules(mut self, rules: &[Arc<Rule>]) -> Self {
        self.edition.digest = digest_of(&self.expected, rules);
        self
    }
}

/// Tells one set of expected slots and rules from others, whatever their order.
fn digest_of(expected: &[Expected], rules: &[Arc<Rule>]) -> String {
    let line = |it: &Expected| {
        let (schedule, paused) = super::rows::accounts::terms(it);
        format!("{}\t{}\t{schedule}\t{paused}\n", it.check, it.region)
    };
    let rules = rules.iter().map(|rule| format!("{rule:?}\n"));
    let lines: BTreeSet<String> = expected.iter().map(line).chain(rules).collect();
    let mut context = Context::new(&SHA256);
    for line in lines {
        context.update(line.as_bytes());
    }
    HEXLOWER.encode(&context.finish().as_ref()[..16])
}

/// Up to where slots are accounted for, and how far what is expected was known then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// Up to when every slot is accounted for; `None` when none ever was.
    pub until: Option<Timestamp>,
    /// The number of the watch that began last.
    pub watches: i64,
    /// How many watches go on: fewer where one has ended.
    pub open: i64,
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
    /// Since the time that `expectation` says, its slots are expected and no others, if its edition is
    /// the latest one at `now`; else nothing changes. A watch that stays as it is goes on, also over
    /// a time in which nobody ran.
    ///
    /// What is accounted for stays as it was expected: where that goes further, watches begin and end
    /// there. Nothing can be accounted for beyond `now`; where it was, because a clock was ahead, that
    /// is taken back, with the hours that were counted.
    async fn expect(&self, expectation: &Expectation, now: Timestamp) -> Result<Rank, Error>;

    /// Notes that a hub has the edition with this digest at `now`, if it is the latest one; says
    /// whether it is.
    async fn hold_edition(&self, digest: &str, now: Timestamp) -> Result<Rank, Error>;

    /// Whether a hub that has the edition with this digest may do at `now` what one hub does at a
    /// time by its project ([`Latest::leaves_it_to`](crate::domain::edition::Latest::leaves_it_to)).
    async fn may_lead(&self, digest: &str, now: Timestamp) -> Result<bool, Error>;

    /// The watches that were on during some of `period`: all, or those of `checks`.
    async fn watches(
        &self,
        checks: Option<&[CheckId]>,
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error>;

    /// The checks that were watched during some of `period`, in order: the first `limit` of those that come
    /// after `after`.
    async fn watched(
        &self,
        after: Option<&CheckId>,
        limit: u32,
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<CheckId>, Error> {
        let watches = self.watches(None, period).await?;
        let all: BTreeSet<CheckId> = watches.into_iter().map(|watch| watch.check).collect();
        let rest = all.into_iter().filter(|it| after.is_none_or(|after| it > after));
        Ok(rest.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
    }

    /// The same of `checks` in one region.
    async fn watches_of(
        &self,
        region: &Region,
        checks: &[CheckId],
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error> {
        let mut watches = self.watches(None, period).await?;
        watches.retain(|watch| watch.region == *region && checks.contains(&watch.check));
        Ok(watches)
    }

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

    /// The same, and how far what is expected is known; to be asked before the watches are read.
    async fn known(&self) -> Result<Known, Error>;

    /// The slots within `period` that have runs.
    async fn ran(&self, period: (Timestamp, Timestamp)) -> Result<Ran, Error>;

    /// The latest gap of each of `places` that has one.
    async fn latest_gaps(&self, places: &[Place]) -> Result<HashMap<Place, Gap>, Error>;

    /// Stores `gaps` and that all slots up to `until` are accounted for. A gap that begins like one
    /// that is stored takes its place. Nothing changes where what was `known` is not so any more,
    /// because another hub went on from there, or a watch has begun or ended.
    async fn account(
        &self,
        gaps: &[Gap],
        known: Known,
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

    /// How the runs of slots within `period` ended, of some checks or of all. What was expected is
    /// not counted here.
    async fn tallies(
        &self,
        checks: Option<&[CheckId]>,
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

    /// Before which slots runs were forgotten, however long runs are kept now; `None` while none were.
    async fn forgotten_until(&self) -> Result<Option<Timestamp>, Error>;

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
    /// and before its second, of some checks or of all.
    async fn tallied_hours(
        &self,
        checks: Option<&[CheckId]>,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error>;

    /// Forgets counted hours, gaps, watches and lives that ended before `before`.
    async fn forget_accounts(&self, before: Timestamp) -> Result<(), Error>;
}
