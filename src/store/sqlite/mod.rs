//! The store in one SQLite file, held by one process.
//!
//! One connection writes, a few read; readers never wait for the writer (write-ahead log). What a
//! commit survives depends on what was decided: see [`Store::record`]. Nothing here decides
//! anything about checks, and no file is ever replaced because it cannot be read.

mod accounts;
mod agents;
mod backing;
mod care;
mod claiming;
pub(super) mod copying;
mod drills;
mod errands;
mod expectations;
mod forgetting;
mod gathering;
mod handing;
mod hold;
mod hours;
mod incidents;
mod leases;
mod looking;
mod memory;
mod metrics;
mod notifications;
mod open;
mod past;
mod pictures;
mod record;
mod review;
mod rows_of;
mod rules;
mod runs;
mod script;
mod sessions;
mod settlements;
mod succession;
mod tokens;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{Mutex, MutexGuard};

pub use hold::Holder;
pub use tokens::SqliteTokens;

use self::hold::Hold;
use self::memory::Those;
use self::writer::{Durability, Writer};
use super::accounts::{Accounts, Expectation, Known, Place, Process, Ran};
use super::metrics::Memory;
use super::{
    Backlog, Claim, DecisionRecord, Ended, Epoch, Error, Handed, Horizons, IncidentFilter,
    IncidentHistory, IncidentRecord, Judge, Lease, Offer, Recorded, RunFilter, RunSummary,
    Standing, Store,
};
use crate::domain::Timestamp;
use crate::domain::coverage::{Gap, Presence, Tally, Watch};
use crate::domain::edition::Rank;
use crate::domain::id::{CheckId, IncidentId, Region, RunId};
use crate::domain::incident::{Change, CheckState};
use crate::domain::policy::Channel;
use crate::domain::rota::Call;
use crate::domain::run::Report;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    readers: SqlitePool,
    /// None when the store was opened for reading only.
    writer: Option<Mutex<Writer>>,
    metrics: Memory,
    /// Dropped last, when nothing writes any more.
    hold: std::sync::Mutex<Option<Hold>>,
}

impl SqliteStore {
    /// Opens the store at `path` for this process alone; makes it if there is none, and brings it
    /// up to date.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] names the process that holds it; [`Error::TooNew`] and [`Error::Damaged`]
    /// refuse a file that this version cannot trust itself with.
    pub async fn open(path: &Path, holder: &Holder) -> Result<Self, Error> {
        let hold = Hold::take(path, holder)?;
        open::prepare(path).await?;
        let mut writer = Writer::connect(path.to_owned()).await?;
        let checks = writer.memory().await?.states.len();
        let released = release(&mut writer, holder.since).await;
        writer.finish(released).await?;
        tracing::info!(path = %path.display(), known_checks = checks, "the store is open");
        Ok(Self {
            readers: open::readers(path),
            writer: Some(Mutex::new(writer)),
            metrics: Memory::default(),
            hold: std::sync::Mutex::new(Some(hold)),
        })
    }

    /// Opens the store at `path` for reading, beside a process that may hold it.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where there is none; [`Error::TooOld`] where it would have to be brought
    /// up to date first; otherwise as [`Self::open`].
    pub async fn open_read_only(path: &Path) -> Result<Self, Error> {
        open::prepare_reading(path).await?;
        let (readers, metrics) = (open::readers(path), Memory::default());
        Ok(Self { readers, writer: None, metrics, hold: std::sync::Mutex::new(None) })
    }

    async fn writer(&self) -> Result<MutexGuard<'_, Writer>, Error> {
        match &self.writer {
            Some(writer) => Ok(writer.lock().await),
            None => Err(Error::ReadOnly),
        }
    }

    async fn reader(&self) -> Result<PoolConnection<Sqlite>, Error> {
        self.readers.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolClosed => Error::Closed,
            other => failed("read the store")(other),
        })
    }

    async fn snapshot(&self) -> Result<sqlx::Transaction<'static, Sqlite>, Error> {
        self.readers.begin().await.map_err(|error| match error {
            sqlx::Error::PoolClosed => Error::Closed,
            other => failed("read the store")(other),
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn record(
        &self,
        reports: &[Report],
        judge: &dyn Judge,
        now: Timestamp,
    ) -> Result<Vec<Recorded>, Error> {
        Ok(self.record_to_send(reports, judge, now, &[]).await?.0)
    }

    async fn record_to_send(
        &self,
        reports: &[Report],
        judge: &dyn Judge,
        now: Timestamp,
        offers: &[Offer],
    ) -> Result<(Vec<Recorded>, Vec<Handed>), Error> {
        let mut writer = self.writer().await?;
        let result = record::record(&mut writer, (reports, judge), now, offers).await;
        writer.finish(result).await
    }

    async fn close_absent(
        &self,
        judge: &dyn Judge,
        edition: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<IncidentId>>, Error> {
        let mut writer = self.writer().await?;
        let result = record::close_absent(&mut writer, judge, edition, now).await;
        writer.finish(result).await
    }

    async fn review(
        &self,
        judge: &dyn Judge,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error> {
        let mut writer = self.writer().await?;
        let result = review::review(&mut writer, judge, lease, now).await;
        writer.finish(result).await
    }

    async fn claim_due(
        &self,
        channel: Channel,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claim>, Error> {
        // Nothing is due on most channels, and then whoever writes is not kept waiting. No lane waits for
        // a reader.
        let (times, mut seen) = ((now, lease_until), None);
        if let Some(mut reader) = self.readers.try_acquire() {
            let due = claiming::due(&mut reader, channel, times, limit).await?;
            if due.is_nothing() {
                return Ok(Vec::new());
            }
            seen = Some(due);
        }
        let mut writer = self.writer().await?;
        let result = claiming::claim(&mut writer, channel, times, limit, seen).await;
        writer.finish(result).await
    }

    async fn claim_to_send(&self, offer: &Offer, now: Timestamp) -> Result<Handed, Error> {
        // Nobody is kept waiting, so there is no need to look first whether anything is due.
        if let Some(Ok(mut writer)) = self.writer.as_ref().map(Mutex::try_lock) {
            let result = claiming::claim_at_once(&mut writer, offer, now).await;
            let handed = writer.finish(result).await?;
            if !handed.claims.is_empty() {
                return Ok(handed);
            }
        }
        let Offer { channel, lease_until, limit, .. } = *offer;
        let claims = self.claim_due(channel, now, lease_until, limit).await?;
        Ok(Handed::alone(channel, claims))
    }

    async fn next_due(&self, channel: Channel) -> Result<Option<Timestamp>, Error> {
        claiming::next_due(&mut *self.reader().await?, channel).await
    }

    async fn note_departure(&self, claim: &Claim) -> Result<Standing, Error> {
        let mut writer = self.writer().await?;
        let result = notifications::note_departure(&mut writer, claim).await;
        writer.finish(result).await
    }

    async fn hand_on(&self, claim: &Claim, call: &Call, now: Timestamp) -> Result<Standing, Error> {
        let mut writer = self.writer().await?;
        let result = handing::hand_on(&mut writer, claim, call, now).await;
        writer.finish(result).await
    }

    async fn settle_all(&self, ended: &[Ended<'_>]) -> Result<Vec<Standing>, Error> {
        let mut writer = self.writer().await?;
        let result = settlements::settle(&mut writer, ended).await;
        writer.finish(result).await
    }

    async fn lease(
        &self,
        part: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Epoch>, Error> {
        let mut writer = self.writer().await?;
        let result = leases::take(&mut writer, part, holder, now, until).await;
        writer.finish(result).await
    }

    async fn check_states(&self) -> Result<BTreeMap<CheckId, CheckState>, Error> {
        memory::states_at_once(self.reader().await?, Those::All).await
    }

    async fn states_of(&self, checks: &[CheckId]) -> Result<BTreeMap<CheckId, CheckState>, Error> {
        memory::states_at_once(self.reader().await?, Those::Of(checks)).await
    }

    async fn restless(&self) -> Result<BTreeMap<CheckId, CheckState>, Error> {
        memory::states_at_once(self.reader().await?, Those::Restless).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, Error> {
        runs::list(&mut *self.reader().await?, filter).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Report>, Error> {
        runs::one(&mut *self.reader().await?, id).await
    }

    async fn incidents(&self, filter: &IncidentFilter) -> Result<Vec<IncidentRecord>, Error> {
        incidents::list(&mut *self.reader().await?, filter).await
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<IncidentHistory>, Error> {
        incidents::history(self.reader().await?, id).await
    }

    async fn decisions(&self, check: &CheckId, limit: u32) -> Result<Vec<DecisionRecord>, Error> {
        incidents::decisions(&mut *self.reader().await?, check, limit).await
    }

    async fn backlog(&self, since: Timestamp) -> Result<Vec<Backlog>, Error> {
        notifications::backlog(&mut *self.snapshot().await?, since).await
    }

    async fn forget(&self, before: &Horizons, limit: u32) -> Result<u64, Error> {
        let mut writer = self.writer().await?;
        let result = forgetting::forget(&mut writer, before, limit).await;
        writer.finish(result).await
    }

    async fn close(&self) {
        // Readers first: while one is open, the log cannot be moved into the main file.
        self.readers.close().await;
        if let Some(writer) = &self.writer {
            writer.lock().await.close().await;
        }
        self.hold.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }
}

#[async_trait]
impl Accounts for SqliteStore {
    async fn expect(&self, expectation: &Expectation, now: Timestamp) -> Result<Rank, Error> {
        let mut writer = self.writer().await?;
        let result = expectations::expect(&mut writer, expectation, now).await;
        writer.finish(result).await
    }

    async fn hold_edition(&self, digest: &str, now: Timestamp) -> Result<Rank, Error> {
        let mut writer = self.writer().await?;
        let result = expectations::hold(&mut writer, digest, now).await;
        writer.finish(result).await
    }

    async fn may_lead(&self, digest: &str, now: Timestamp) -> Result<bool, Error> {
        expectations::may_lead(&mut *self.reader().await?, digest, now).await
    }

    async fn watches(
        &self,
        checks: Option<&[CheckId]>,
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error> {
        accounts::watches(&mut *self.reader().await?, checks, period).await
    }

    async fn watched(
        &self,
        after: Option<&CheckId>,
        limit: u32,
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<CheckId>, Error> {
        accounts::watched(&mut *self.reader().await?, (after, limit), period).await
    }

    async fn watches_of(
        &self,
        region: &Region,
        checks: &[CheckId],
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error> {
        accounts::watches_of(&mut *self.reader().await?, region, checks, period).await
    }

    async fn seen(&self, process: &Process, now: Timestamp) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = accounts::seen(&mut writer, process, now).await;
        writer.finish(result).await
    }

    async fn presence(
        &self,
        period: (Timestamp, Timestamp),
    ) -> Result<HashMap<Option<Region>, Presence>, Error> {
        accounts::presence(&mut *self.reader().await?, period).await
    }

    async fn accounted_until(&self) -> Result<Option<Timestamp>, Error> {
        accounts::accounted_until(&mut *self.reader().await?).await
    }

    async fn known(&self) -> Result<Known, Error> {
        accounts::known(&mut *self.reader().await?).await
    }

    async fn ran(&self, period: (Timestamp, Timestamp)) -> Result<Ran, Error> {
        accounts::ran(&mut *self.reader().await?, period).await
    }

    async fn latest_gaps(&self, places: &[Place]) -> Result<HashMap<Place, Gap>, Error> {
        accounts::latest_gaps(&mut *self.reader().await?, places).await
    }

    async fn account(
        &self,
        gaps: &[Gap],
        known: Known,
        until: Timestamp,
    ) -> Result<Standing, Error> {
        let mut writer = self.writer().await?;
        let result = accounts::account(&mut writer, gaps, known, until).await;
        writer.finish(result).await
    }

    async fn gaps(
        &self,
        check: Option<&CheckId>,
        period: (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Gap>, Error> {
        accounts::gaps(&mut *self.reader().await?, check, period, limit).await
    }

    async fn tallies(
        &self,
        checks: Option<&[CheckId]>,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        accounts::tallies(&mut *self.reader().await?, checks, period).await
    }

    async fn outcomes(
        &self,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        accounts::outcomes(&mut *self.reader().await?, period).await
    }

    async fn first_ran(&self) -> Result<Option<Timestamp>, Error> {
        hours::first_ran(&mut *self.reader().await?).await
    }

    async fn forgotten_until(&self) -> Result<Option<Timestamp>, Error> {
        let mut snapshot = self.snapshot().await?;
        let first = hours::first_ran(&mut snapshot).await?;
        hours::forgotten_until(&mut snapshot, first).await
    }

    async fn tallied(&self) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        hours::tallied(&mut *self.reader().await?).await
    }

    async fn tally(
        &self,
        hour: (Timestamp, Timestamp),
        expected: &BTreeMap<Place, u64>,
    ) -> Result<Standing, Error> {
        let mut writer = self.writer().await?;
        let result = hours::close(&mut writer, hour).await;
        if let Standing::Lost = writer.finish(result).await? {
            return Ok(Standing::Lost);
        }
        drop(writer);
        let checks = hours::checks(&mut *self.reader().await?, expected).await?;
        let checks: Vec<&str> = checks.iter().map(String::as_str).collect();
        for some in checks.chunks(hours::CHECKS_AT_ONCE) {
            // Whoever records has its turn in between.
            let mut writer = self.writer().await?;
            let result = hours::tally_some(&mut writer, hour, some, expected).await;
            if let Standing::Lost = writer.finish(result).await? {
                return Ok(Standing::Lost);
            }
        }
        let mut writer = self.writer().await?;
        let result = hours::finish(&mut writer, hour).await;
        writer.finish(result).await
    }

    async fn tallied_hours(
        &self,
        checks: Option<&[CheckId]>,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        hours::tallied_hours(&mut *self.reader().await?, checks, period).await
    }

    async fn forget_accounts(&self, before: Timestamp) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = accounts::forget(&mut writer, before).await;
        writer.finish(result).await
    }
}

/// Takes over from whoever held the store before and is dead: a file has one process at a time.
async fn release(writer: &mut Writer, now: Timestamp) -> Result<(), Error> {
    let connection = writer.begin(Durability::Process).await?;
    expectations::release(&mut *connection).await?;
    claiming::release(connection, now).await?;
    writer.commit().await
}

/// A file beside the store: its name with `ending` added.
fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(ending);
    name.into()
}

fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database { what, source }
}

/// SQLite's primary result code; the rest of an extended code only explains it.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

#[cfg(test)]
mod tests;
