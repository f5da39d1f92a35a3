//! A store that remembers what a test gave it, fails and hangs when told, and writes nothing.

mod accounts;
mod care;
mod drills;
pub(in crate::http) mod errands;
mod gathering;
mod looking;
mod metrics;
pub(super) mod rules;
mod scene;
mod sessions;
mod shaping;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock};

use async_trait::async_trait;
use chrono::TimeDelta;

use self::scene::place;
pub(in crate::http) use self::scene::{a_publication, a_world};
use crate::domain::Timestamp;
use crate::domain::errand::Errand;
use crate::domain::id::{CheckId, IncidentId, RunId};
use crate::domain::incident::{Change, CheckState, Incident};
use crate::domain::output::Numbered;
use crate::domain::policy::Channel;
use crate::domain::restraint::Silence;
use crate::domain::run::Report;
use crate::domain::subject::Subject;
use crate::query::Series;
use crate::store::{
    Backlog, DecisionRecord, Error, Horizons, IncidentFilter, IncidentHistory, IncidentRecord,
    Judge, Lease, Recorded, RunFilter, RunSummary, Store,
};

const WORKS: u8 = 0;
const FAILS: u8 = 1;
const HANGS: u8 = 2;

#[derive(Debug)]
pub(in crate::http) struct Remembered {
    states: BTreeMap<CheckId, CheckState>,
    /// The latest first.
    reports: Vec<Report>,
    history: IncidentHistory,
    mood: AtomicU8,
    /// Whether messages were given up a moment ago, rather than hours ago.
    given_up_lately: AtomicBool,
    /// Whether the agents have wrong clocks and do not keep their schedules.
    pub(super) agents_upset: AtomicBool,
    /// Why no rule can be evaluated.
    pub(super) rules_fail: OnceLock<&'static str>,
    /// The incident as people left it.
    pub(super) acted: Mutex<Option<Incident>>,
    /// The silences.
    pub(super) silences: Mutex<Vec<Silence>>,
    /// The runs that people asked for, and those of them that ended.
    errands: Mutex<Vec<Errand>>,
    errand_runs: Mutex<BTreeMap<RunId, Report>>,
    output: Mutex<BTreeMap<RunId, Vec<Numbered>>>,
    /// The series that came, in the order in which they came.
    pub(super) series: Mutex<Vec<Series>>,
    /// Who is signed in, and how often that was tried.
    sessions: Mutex<sessions::Kept>,
}

impl Remembered {
    pub(super) fn fail(&self) {
        self.mood.store(FAILS, Ordering::Relaxed);
    }

    pub(super) fn hang(&self) {
        self.mood.store(HANGS, Ordering::Relaxed);
    }

    pub(super) fn give_up(&self) {
        self.given_up_lately.store(true, Ordering::Relaxed);
    }

    pub(super) fn upset_agents(&self) {
        self.agents_upset.store(true, Ordering::Relaxed);
    }

    pub(super) fn fail_rules(&self, error: &'static str) {
        self.rules_fail.set(error).expect("set once");
    }

    pub(super) async fn mood(&self) -> Result<(), Error> {
        match self.mood.load(Ordering::Relaxed) {
            FAILS => Err(broken()),
            HANGS => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

fn broken() -> Error {
    Error::Database { what: "read", source: sqlx::Error::PoolClosed }
}

#[async_trait]
impl Store for Remembered {
    async fn record(
        &self,
        _: &[Report],
        _: &dyn Judge,
        _: Timestamp,
    ) -> Result<Vec<Recorded>, Error> {
        Err(broken())
    }

    async fn review(&self, _: &dyn Judge, _: &Lease, _: Timestamp) -> Result<Vec<Change>, Error> {
        Ok(Vec::new())
    }

    async fn close_absent(
        &self,
        _: &dyn Judge,
        _: &str,
        _: Timestamp,
    ) -> Result<Option<Vec<IncidentId>>, Error> {
        Err(broken())
    }

    async fn claim_due(
        &self,
        _: Channel,
        _: Timestamp,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<crate::store::Claim>, Error> {
        Err(broken())
    }

    async fn next_due(&self, _: Channel) -> Result<Option<Timestamp>, Error> {
        Err(broken())
    }

    async fn note_departure(
        &self,
        _: &crate::store::Claim,
    ) -> Result<crate::store::Standing, Error> {
        Err(broken())
    }

    async fn hand_on(
        &self,
        _: &crate::store::Claim,
        _: &crate::domain::rota::Call,
        _: Timestamp,
    ) -> Result<crate::store::Standing, Error> {
        Err(broken())
    }

    async fn settle_all(
        &self,
        _: &[crate::store::Ended<'_>],
    ) -> Result<Vec<crate::store::Standing>, Error> {
        Err(broken())
    }

    async fn lease(
        &self,
        _: &str,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Option<crate::store::Epoch>, Error> {
        Err(broken())
    }

    async fn check_states(&self) -> Result<BTreeMap<CheckId, CheckState>, Error> {
        self.mood().await?;
        Ok(self.states.clone())
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, Error> {
        self.mood().await?;
        let wanted = |report: &&Report| {
            filter.check.as_ref().is_none_or(|check| report.slot.check == *check)
                && filter.region.as_ref().is_none_or(|region| report.slot.region == *region)
                && filter.outcome.is_none_or(|outcome| report.outcome() == outcome)
                && filter.before.is_none_or(|before| report.slot.at < before)
        };
        let limit = usize::try_from(filter.limit).expect("a small number");
        let summary = |report: &Report| RunSummary {
            id: report.slot.run_id(),
            slot: report.slot.clone(),
            started_at: report.started_at,
            duration: report.duration,
            outcome: report.outcome(),
            failure: report.failure.clone(),
        };
        Ok(self.reports.iter().filter(wanted).take(limit).map(summary).collect())
    }

    async fn run(&self, id: RunId) -> Result<Option<Report>, Error> {
        self.mood().await?;
        Ok(self.reports.iter().find(|report| report.slot.run_id() == id).cloned())
    }

    async fn incidents(&self, filter: &IncidentFilter) -> Result<Vec<IncidentRecord>, Error> {
        self.mood().await?;
        let record = &self.history.record;
        let wanted =
            filter.check.as_ref().is_none_or(|check| record.subject.check() == Some(check));
        let wanted = wanted && filter.before.is_none_or(|before| record.id < before);
        Ok(wanted.then(|| record.clone()).into_iter().collect())
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<IncidentHistory>, Error> {
        self.mood().await?;
        let mut history = self.history.clone();
        if let Some(acted) = &*self.acted.lock().expect("no test panics with it") {
            history.record.incident = acted.clone();
        }
        Ok((history.record.id == id).then_some(history))
    }

    async fn decisions(&self, check: &CheckId, _: u32) -> Result<Vec<DecisionRecord>, Error> {
        self.mood().await?;
        let opening = self.history.decisions.iter().rev().map(|(at, decision)| DecisionRecord {
            subject: Subject::Check(check.clone()),
            incident: Some(self.history.record.id),
            run: self.reports.first().map(|report| report.slot.run_id()),
            at: *at,
            decision: decision.clone(),
        });
        Ok(opening.collect())
    }

    async fn backlog(&self, since: Timestamp) -> Result<Vec<Backlog>, Error> {
        self.mood().await?;
        let oldest = Some(super::now() - TimeDelta::seconds(30));
        let lately = self.given_up_lately.load(Ordering::Relaxed);
        let is_long = since < super::now() - TimeDelta::hours(2);
        let given_up = if lately || is_long { 2 } else { 0 };
        Ok(vec![
            Backlog { channel: Channel::Slack, owed: 1, oldest, given_up },
            Backlog { channel: Channel::Sms, owed: 0, oldest: None, given_up: 0 },
        ])
    }

    async fn forget(&self, _: &Horizons, _: u32) -> Result<u64, Error> {
        Err(broken())
    }

    async fn close(&self) {}
}
