//! What is remembered: the contract that every store keeps.
//!
//! Methods are named after needs, not tables. A store knows nothing of policies or channels: what a
//! result means is decided by the [`Judge`] that the caller brings, inside the transaction that
//! stores it, so that a result, what it changed and the messages it owes are one commit.
//!
//! Invariants:
//! - a run is stored once per slot, however often it is reported; where a slot was run again because
//!   the clock was set back, the later run takes the place of the earlier one;
//! - a notification is handed to one claimant at a time, and comes back when its lease runs out;
//! - whoever lost a claim or a lease can change nothing by it any more;
//! - per incident and recipient, notifications are handed out in the order in which they were owed;
//! - what is gathered into a digest leaves with it or not at all, and names it once it was told;
//! - a recovery takes the place of failures that the recipient has not been sent, and says both;
//! - nobody is owed the same notice of an incident twice;
//! - a drill is handed out to a recipient that is owed nothing else, and is not counted among what is owed;
//! - of an alarm that is given up, it is decided once who is told instead ([`succession`]);
//! - no method returns part of a transaction.
//!
//! To add a need: add the method here with its promise, implement it in each backend, and add its
//! test to the contract suite, which runs on every backend.

pub mod accounts;
pub mod agents;
pub mod care;
mod claims;
pub mod copying;
pub mod drills;
pub mod errands;
mod error;
mod forgetting;
pub mod gathering;
pub mod looking;
pub mod metrics;
mod outbox;
pub mod past;
pub mod pictures;
mod plan;
pub mod postgres;
mod rows;
pub mod rules;
pub mod sessions;
pub mod sqlite;
pub mod succession;
mod version;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;

pub use error::Error;
pub use outbox::{Backlog, Claim, Delivery, Ended, Handed, NotificationRecord, Offer};
pub use plan::remember;

use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, Region, RunId};
use crate::domain::incident::{Change, CheckState, Decision, Incident, Transition};
use crate::domain::notification::{Attempt, Settlement};
use crate::domain::policy::Channel;
use crate::domain::restraint::Silence;
use crate::domain::rota::Call;
use crate::domain::run::{Failure, Outcome, Report};
use crate::domain::slot::Slot;
use crate::domain::streak::Streak;
use crate::domain::subject::Subject;

/// Decides what a result means. Called inside a transaction, perhaps again if that is retried, so
/// it must be a pure function.
pub trait Judge: Send + Sync {
    /// What `report` means at `now` for a check in `state`, while there are `silences`.
    fn judge(
        &self,
        state: &CheckState,
        report: &Report,
        silences: &[Silence],
        now: Timestamp,
    ) -> Transition;

    /// What it means at `now` that `check`, which has an open incident, is no longer watched;
    /// `None` while it still is.
    fn judge_absent(&self, check: &CheckId, open: &Incident, now: Timestamp) -> Option<Transition>;

    /// What the `states` of all checks mean together at `now`. Each subject is named once at most,
    /// and an incident that is open keeps its number.
    fn review(
        &self,
        _states: &HashMap<CheckId, CheckState>,
        _remembered: &Remembered,
        _now: Timestamp,
    ) -> Vec<Change> {
        Vec::new()
    }
}

/// What is remembered of incidents that are not about a check's failures, and of silences.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Remembered {
    /// The open ones.
    pub open: BTreeMap<Subject, Incident>,
    /// Those that were resolved lately, the last one about each subject.
    pub closed: BTreeMap<Subject, Incident>,
    /// What people asked not to be told of, as far as it may not be over.
    pub silences: Vec<Silence>,
}

/// What was resolved longer ago is not opened again.
pub const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// What became of one report.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The run.
    pub run: RunId,
    /// Whether it was new, or had been reported before.
    pub novelty: Novelty,
    /// The incident that the transition opened or changed.
    pub incident: Option<IncidentId>,
    /// What was decided.
    pub transition: Transition,
}

/// Whether a run was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// Stored now.
    New,
    /// Stored before; nothing changed.
    Repeated,
}

/// Counts how often something was handed out. Whoever holds a lower number than the present one
/// has lost what it held (a fencing token).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

/// How long a lease holds on something that one hub does at a time.
pub const LEASE: Duration = Duration::from_secs(9);
/// How often whoever holds one renews it, and the others look whether it does.
pub const RENEWAL: Duration = Duration::from_secs(5);
// So soon is a hub replaced that was stopped, killed or frozen, whatever it was doing.
const _: () = assert!(LEASE.as_secs() + RENEWAL.as_secs() < 15);

/// What one hub does at a time, in the hands of the hub that may do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it does.
    pub part: String,
    /// Tells the hub from others, and from itself before a restart.
    pub holder: String,
    /// Tells this lease from earlier and later ones on the same.
    pub epoch: Epoch,
}

/// Whether a claim was still held when something was to be changed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// It was, or this very attempt was recorded before.
    Held,
    /// It had run out and the notification was handed out again or has ended otherwise.
    Lost,
}

/// A run without its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// What was to be done.
    pub slot: Slot,
    /// When it really started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass.
    pub failure: Option<Failure>,
}

/// Which runs to list; the latest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only of this check.
    pub check: Option<CheckId>,
    /// Only from this region.
    pub region: Option<Region>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only with slots before this.
    pub before: Option<Timestamp>,
    /// At most this many; the caller bounds it.
    pub limit: u32,
}

/// Which incidents to list; the latest first.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter {
    /// Only of this check: its failures and its coverage.
    pub check: Option<CheckId>,
    /// Only open ones.
    pub open_only: bool,
    /// Only those with smaller numbers.
    pub before: Option<IncidentId>,
    /// At most this many; the caller bounds it.
    pub limit: u32,
}

/// An incident with what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentRecord {
    /// Its number.
    pub id: IncidentId,
    /// What it is about.
    pub subject: Subject,
    /// The incident.
    pub incident: Incident,
}

/// What was decided, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRecord {
    /// What it is about.
    pub subject: Subject,
    /// The incident, where there is one.
    pub incident: Option<IncidentId>,
    /// The run that led to it; none when something else did.
    pub run: Option<RunId>,
    /// When.
    pub at: Timestamp,
    /// What, and why.
    pub decision: Decision,
}

/// Everything known of one incident.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentHistory {
    /// The incident.
    pub record: IncidentRecord,
    /// What was decided, oldest first.
    pub decisions: Vec<(Timestamp, Decision)>,
    /// Whom it told, in the order owed.
    pub notifications: Vec<NotificationRecord>,
}

/// Before which times what is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizons {
    /// What runs that passed said; those runs are listed and counted as before.
    pub details: Timestamp,
    /// Runs that passed.
    pub passed: Timestamp,
    /// Runs that failed or ended unknown.
    pub failed: Timestamp,
    /// Incidents that ended, with whom they told; `None` keeps them for ever.
    pub incidents: Option<Timestamp>,
}

impl Horizons {
    /// The same for all runs, and no incidents.
    pub fn of_runs(before: Timestamp) -> Self {
        Self { details: before, passed: before, failed: before, incidents: None }
    }

    /// Before which all runs are forgotten.
    pub fn oldest(&self) -> Timestamp {
        self.passed.min(self.failed)
    }

    /// Before which some runs are forgotten.
    pub fn latest(&self) -> Timestamp {
        self.passed.max(self.failed)
    }

    /// The same, but for runs from `bound` on, which are left alone.
    #[must_use]
    pub fn up_to(self, bound: Timestamp) -> Self {
        let Self { details, passed, failed, incidents } = self;
        Self { details, passed: passed.min(bound), failed: failed.min(bound), incidents }
    }
}

/// Everything that a backend keeps: results and what follows from them, the accounts of slots,
/// metrics, and how far rules are evaluated.
pub trait Ledger:
    Store
    + accounts::Accounts
    + agents::Agents
    + care::Care
    + drills::Drills
    + errands::Errands
    + looking::Looking
    + metrics::Metrics
    + metrics::Keeping
    + pictures::Pictures
    + rules::Rules
    + sessions::Sessions
    + succession::Following
{
}

impl<T> Ledger for T where
    T: Store
        + accounts::Accounts
        + agents::Agents
        + care::Care
        + drills::Drills
        + errands::Errands
        + looking::Looking
        + metrics::Metrics
        + metrics::Keeping
        + pictures::Pictures
        + rules::Rules
        + sessions::Sessions
        + succession::Following
{
}

/// The contract. All times are brought by the caller; a store reads no clock.
#[async_trait]
pub trait Store: gathering::Gathering + Send + Sync + std::fmt::Debug {
    /// Stores `reports` in order, each with what `judge` makes of it, in one transaction. When it
    /// returns, all of it is on disk: safe from a killed process, and, where anything was decided
    /// or owed, from a power cut. Times are kept to the millisecond; slots are whole ones.
    ///
    /// A report of a stored slot that started when the stored run did is the same one, and changes
    /// nothing. One that started at another time is of another run: if `judge` counts it (there is
    /// a new streak), it takes the place of the stored run and is as new; else it changes nothing.
    async fn record(
        &self,
        reports: &[Report],
        judge: &dyn Judge,
        now: Timestamp,
    ) -> Result<Vec<Recorded>, Error>;

    /// As [`Self::record`], and hands out what that made owed to those who offer to take it, as by
    /// [`Self::claim_to_send`] and in the same transaction: what is handed out can leave as soon as what it
    /// tells of is safe. Where a store saves nothing by that, it hands out nothing, and lanes ask for it.
    async fn record_to_send(
        &self,
        reports: &[Report],
        judge: &dyn Judge,
        now: Timestamp,
        _offers: &[Offer],
    ) -> Result<(Vec<Recorded>, Vec<Handed>), Error> {
        Ok((self.record(reports, judge, now).await?, Vec::new()))
    }

    /// Asks `judge` about every open incident and closes those whose check is gone; the streaks of
    /// such a check are forgotten, so that it starts afresh should it come back. `None`, and
    /// nothing changes, where there is one to close and `edition`, which the judge judges by, is not the
    /// latest one ([`accounts::Accounts::expect`]): another may have the check.
    async fn close_absent(
        &self,
        judge: &dyn Judge,
        edition: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<IncidentId>>, Error>;

    /// Asks `judge` what the states of all checks mean together, and stores what it decides, in one
    /// transaction that survives a power cut; says what was decided, with the numbers of the
    /// incidents. Where `lease` is another's by then, that is [`Error::LeaseLost`], and nothing is
    /// stored.
    async fn review(
        &self,
        judge: &dyn Judge,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error>;

    /// Hands out notifications of `channel` that are due at `now`, at most `limit`, each leased
    /// until `lease_until`, oldest first and at most one per recipient,
    /// but of channels that take more. A notification is not due
    /// while an earlier one of the same incident to the same recipient is still owed, nor while
    /// any other one to that recipient is leased, or as many as the channel takes abreast
    /// ([`Channel::abreast`]). One whose lease ran out may have been
    /// sent by whoever held it: that is recorded as an ambiguous delivery, and it is handed out as
    /// a possible repeat; a digest with all that is in it. So claim only what can be sent at once. A possible repeat whose lease ran
    /// out is handed out again if it had not left ([`Self::note_departure`]), and else given up.
    ///
    /// All leases on a channel are of one length. Where one is longer than this one would be, or
    /// something was last tried in the future, the clock was set back: such a lease ends with this
    /// one, and such a notification is due at once.
    async fn claim_due(
        &self,
        channel: Channel,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claim>, Error>;

    /// As [`Self::claim_due`], with what there is to know before the first of them leaves, where that comes
    /// along for less than [`background`](gathering::Gathering::background) takes.
    async fn claim_to_send(&self, offer: &Offer, now: Timestamp) -> Result<Handed, Error> {
        let Offer { channel, lease_until, limit, .. } = *offer;
        let claims = self.claim_due(channel, now, lease_until, limit).await?;
        Ok(Handed::alone(channel, claims))
    }

    /// When the next notification of `channel` becomes due or a lease on one runs out.
    async fn next_due(&self, channel: Channel) -> Result<Option<Timestamp>, Error>;

    /// Notes that a possible repeat that was handed out is about to leave, safe from a power cut, and
    /// says whether `claim` is still held; by one that is not, nothing changes, and nothing must be
    /// sent.
    async fn note_departure(&self, claim: &Claim) -> Result<Standing, Error>;

    /// Records attempts that ended and what follows from each, also for all that was gathered with it,
    /// in one transaction; says of each whether its claim was still held. By a claim that is not,
    /// nothing changes, except that an acceptance always counts: the recipient has the message.
    /// Recording the same attempt again changes nothing either.
    async fn settle_all(&self, ended: &[Ended<'_>]) -> Result<Vec<Standing>, Error>;

    /// The same of one attempt, at what is no digest.
    async fn settle(
        &self,
        claim: &Claim,
        started_at: Timestamp,
        ended_at: Timestamp,
        attempt: &Attempt,
        settlement: &Settlement,
    ) -> Result<Standing, Error> {
        let ended = Ended { claim, started_at, ended_at, attempt, settlement, shared: &[] };
        let standings = self.settle_all(&[ended]).await?;
        Ok(standings.first().copied().unwrap_or(Standing::Lost))
    }

    /// Owes the message of `claim`, which is owed to a rota, to people in its place, and notes why
    /// they are told: to those of `call`, or, of an incident's end, to those who were told of that
    /// incident in place of this rota before, where there are any. All of it is one transaction. Says
    /// whether `claim` was still held; by one that is not, nothing changes. Where nobody is called, it
    /// is given up.
    async fn hand_on(&self, claim: &Claim, call: &Call, now: Timestamp) -> Result<Standing, Error>;

    /// Takes or renews the lease on `part`, something that one hub does at a time, for `holder`
    /// until `until`; `None` while somebody else holds it. The epoch grows whenever the lease is
    /// handed out anew, and stays while it is renewed in time. A lease until `now` is given back.
    async fn lease(
        &self,
        part: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Epoch>, Error>;

    /// The state of every check that has run or has an open incident.
    async fn check_states(&self) -> Result<BTreeMap<CheckId, CheckState>, Error>;

    /// The same of `checks` alone, at the price of those. A store that remembers few does without.
    async fn states_of(&self, checks: &[CheckId]) -> Result<BTreeMap<CheckId, CheckState>, Error> {
        let mut states = self.check_states().await?;
        states.retain(|check, _| checks.contains(check));
        Ok(states)
    }

    /// The states of the checks that are down or failing somewhere or have an open incident, as far as they
    /// say that.
    async fn restless(&self) -> Result<BTreeMap<CheckId, CheckState>, Error> {
        let mut states = self.check_states().await?;
        states.retain(|_, state| {
            state.incident.is_some() || !state.streaks.values().all(Streak::is_calm)
        });
        Ok(states)
    }

    /// Lists runs.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, Error>;

    /// One run with everything that was reported.
    async fn run(&self, id: RunId) -> Result<Option<Report>, Error>;

    /// Lists incidents, without rounds of drills.
    async fn incidents(&self, filter: &IncidentFilter) -> Result<Vec<IncidentRecord>, Error>;

    /// Everything known of one incident.
    async fn incident(&self, id: IncidentId) -> Result<Option<IncidentHistory>, Error>;

    /// What was last decided about `check` and its coverage, the latest first, at most `limit`.
    async fn decisions(&self, check: &CheckId, limit: u32) -> Result<Vec<DecisionRecord>, Error>;

    /// What is still owed on each channel, and how much was given up after `since`; without drills.
    async fn backlog(&self, since: Timestamp) -> Result<Vec<Backlog>, Error>;

    /// Forgets what lies before `before`, some at a time so that nobody waits long for it; says how
    /// much, and there may be more while that is `limit` or more. Runs that led to a decision about
    /// an incident stay, with all they said, as long as it does. Decisions about no incident are
    /// forgotten with the last runs of their time. An incident that is open, or of which a message
    /// is owed, stays, and so does the latest one.
    ///
    /// A store that keeps runs by the day (UTC) forgets whole days where nothing else is left of
    /// them, so a run may stay until its day is over. A run that is reported when runs of its kind
    /// and time are forgotten already stays until all of its time are.
    async fn forget(&self, before: &Horizons, limit: u32) -> Result<u64, Error>;

    /// Waits for what is under way, writes everything to the main file and lets the store go.
    async fn close(&self);
}
