//! The store in a PostgreSQL database, shared by any number of hubs.
//!
//! Nothing is remembered between calls but which partitions there are: every decision is made on
//! what stands in the database, under the rows' locks. Whoever records results of a check holds its
//! row in `checks`; whoever claims messages of a channel holds that channel's advisory lock for the
//! moment. Locks are taken in one order (checks by name, then everything that belongs to them), and
//! a deadlock or a lost connection is tried again, which is safe: what was done twice is recognised.
//!
//! Nothing here decides anything about checks. No message holds a password.

mod accounts;
mod agents;
mod attempts;
mod backing;
mod care;
pub(super) mod copying;
mod days;
mod drills;
mod errands;
mod expectations;
mod forgetting;
mod gathering;
mod handing;
mod hours;
mod incidents;
mod leases;
mod looking;
mod metrics;
mod notifications;
mod open;
mod past;
mod pictures;
mod record;
mod review;
mod rules;
mod runs;
mod session;
mod sessions;
mod settlements;
mod states;
mod succession;
mod tokens;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use uuid::Uuid;

pub use tokens::PostgresTokens;

use self::attempts::Attempts;
use self::days::Days;
use super::agents::{AgentRecord, Agents, Claimed, TokenRecord};
use super::metrics::Memory;
use super::rows::storable;
use super::{
    Backlog, Claim, DecisionRecord, Ended, Epoch, Error, Handed, Horizons, IncidentFilter,
    IncidentHistory, IncidentRecord, Judge, Lease, Offer, Recorded, RunFilter, RunSummary,
    Standing, Store, rows,
};
use crate::clock::{Guided, Stopwatch};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, Region, RunId};
use crate::domain::incident::{Change, CheckState};
use crate::domain::policy::Channel;
use crate::domain::rota::Call;
use crate::domain::run::Report;

/// How often the server is asked for its time at the opening, should this machine's clock be set
/// meanwhile. A lease asks again soon.
const GUIDED_WITHIN: u32 = 3;

/// Whether to look, before something is claimed, if there is anything, so that nobody who claims is kept
/// waiting for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Never,
}

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    pool: PgPool,
    /// Its address without the password.
    address: String,
    access: Access,
    days: Days,
    /// The caller's clock, where it goes by the server's.
    guided: Option<Arc<Guided>>,
    metrics: Memory,
}

/// What may be done with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Full,
    Reading,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("address", &self.address)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Opens the store in the database at `url` (`postgres://user:password@host:port/database`),
    /// makes it if there is none, and brings it up to date; several may do so at once.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] says why the server or the database cannot be used and what to do;
    /// [`Error::TooNew`] and [`Error::Foreign`] refuse a database that this version cannot trust
    /// itself with.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let place = open::Place::of(url)?;
        place.prepare().await?;
        let store = Self::at(&place, Access::Full);
        let days = store.days.known(&store.pool).await?.len();
        tracing::info!(address = store.address, days, "the store is open");
        Ok(store)
    }

    /// The same for a hub that shares it with others and goes by `clock`, which keeps to the server's
    /// time from now on. Leases and claims are taken and run out by the server's clock alone,
    /// whatever time the caller names: only how long they are to hold is the caller's.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn open_guiding(url: &str, clock: Arc<Guided>) -> Result<Self, Error> {
        let mut store = Self::open(url).await?;
        for _ in 0..GUIDED_WITHIN {
            let (_, is_guided) = guide(&mut *store.reader().await?, &clock).await?;
            if is_guided {
                break;
            }
        }
        store.guided = Some(clock);
        Ok(store)
    }

    /// Opens the store in the database at `url` for reading.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where there is none; [`Error::TooOld`] where it would have to be brought
    /// up to date first; otherwise as [`Self::open`].
    pub async fn open_read_only(url: &str) -> Result<Self, Error> {
        let place = open::Place::of(url)?;
        place.prepare_reading().await?;
        Ok(Self::at(&place, Access::Reading))
    }

    fn at(place: &open::Place, access: Access) -> Self {
        let (pool, address) = (place.pool(access), place.shown().to_owned());
        let (days, metrics) = (Days::default(), Memory::default());
        Self { pool, address, access, days, guided: None, metrics }
    }

    /// From when until when something is leased that the caller would lease from `now` until `until`:
    /// by the server's clock, which the caller's is told, or as the caller says. The answer is older
    /// than whatever is compared with it, so what is held is never taken for free.
    async fn by_the_server(
        &self,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(Timestamp, Timestamp), Error> {
        let Some(clock) = &self.guided else { return Ok((now, until)) };
        let (shown, _) = guide(&mut *self.reader().await?, clock).await?;
        Ok((shown, shown + (until - now)))
    }

    async fn claim(
        &self,
        channel: Channel,
        (now, lease_until): (Timestamp, Timestamp),
        limit: u32,
        look: Look,
    ) -> Result<Vec<Claim>, Error> {
        let (pool, mut attempts) = (self.writers()?, Attempts::default());
        let mut claimed = loop {
            let attempt = async {
                let (now, until) = self.by_the_server(now, lease_until).await?;
                let mut reader = self.reader().await?;
                let is_out_of_time =
                    notifications::is_out_of_time(&mut reader, channel, now, until).await?;
                if look == Look::First
                    && !is_out_of_time
                    && !notifications::is_something_due(&mut reader, channel, now).await?
                {
                    return Ok(Vec::new());
                }
                drop(reader);
                notifications::claim(pool, channel, (now, until), limit, is_out_of_time).await
            };
            let result = attempt.await;
            if attempts.are_over(&result) {
                break result?;
            }
        };
        if self.guided.is_some() {
            // It began a little later than the caller thinks, so by the caller's clock it does not
            // end before this.
            for claim in &mut claimed {
                claim.until = lease_until;
                claim.gathered.iter_mut().flatten().for_each(|it| it.until = lease_until);
            }
        }
        Ok(claimed)
    }

    /// The connections, where something may be changed.
    fn writers(&self) -> Result<&PgPool, Error> {
        match self.access {
            Access::Full => Ok(&self.pool),
            Access::Reading => Err(Error::ReadOnly),
        }
    }

    async fn reader(&self) -> Result<PoolConnection<Postgres>, Error> {
        self.pool.acquire().await.map_err(failed("read the store"))
    }

    async fn snapshot(&self) -> Result<sqlx::Transaction<'static, Postgres>, Error> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.pool.begin_with(begin).await.map_err(failed("read the store"))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn record(
        &self,
        reports: &[Report],
        judge: &dyn Judge,
        now: Timestamp,
    ) -> Result<Vec<Recorded>, Error> {
        record::record(self.writers()?, &self.days, reports, judge, now).await
    }

    async fn close_absent(
        &self,
        judge: &dyn Judge,
        edition: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<IncidentId>>, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = record::close_absent(self.writers()?, judge, edition, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn review(
        &self,
        judge: &dyn Judge,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = review::review(self.writers()?, judge, lease, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn claim_due(
        &self,
        channel: Channel,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claim>, Error> {
        self.claim(channel, (now, lease_until), limit, Look::First).await
    }

    async fn claim_to_send(&self, offer: &Offer, now: Timestamp) -> Result<Handed, Error> {
        let Offer { channel, lease_until, limit, .. } = *offer;
        let claims = self.claim(channel, (now, lease_until), limit, Look::Never).await?;
        Ok(Handed::alone(channel, claims))
    }

    async fn next_due(&self, channel: Channel) -> Result<Option<Timestamp>, Error> {
        notifications::next_due(&mut *self.reader().await?, channel).await
    }

    async fn note_departure(&self, claim: &Claim) -> Result<Standing, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = settlements::note_departure(self.writers()?, claim).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn hand_on(&self, claim: &Claim, call: &Call, now: Timestamp) -> Result<Standing, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = handing::hand_on(self.writers()?, claim, call, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn settle_all(&self, ended: &[Ended<'_>]) -> Result<Vec<Standing>, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = settlements::settle(self.writers()?, ended).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn lease(
        &self,
        part: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Epoch>, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = match self.by_the_server(now, until).await {
                Ok((now, until)) => leases::take(self.writers()?, part, holder, now, until).await,
                Err(error) => Err(error),
            };
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn check_states(&self) -> Result<BTreeMap<CheckId, CheckState>, Error> {
        let states = states::all(&mut *self.snapshot().await?).await?;
        Ok(states.into_iter().collect())
    }

    async fn states_of(&self, checks: &[CheckId]) -> Result<BTreeMap<CheckId, CheckState>, Error> {
        let names: Vec<&str> = checks.iter().map(CheckId::as_str).collect();
        let states = states::of(&mut *self.snapshot().await?, &names, Timestamp::MAX_UTC).await?;
        Ok(states.into_iter().collect())
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, Error> {
        runs::list(&mut *self.snapshot().await?, filter).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Report>, Error> {
        runs::one(&mut *self.reader().await?, id).await
    }

    async fn incidents(&self, filter: &IncidentFilter) -> Result<Vec<IncidentRecord>, Error> {
        incidents::list(&mut *self.reader().await?, filter).await
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<IncidentHistory>, Error> {
        incidents::history(&mut *self.snapshot().await?, id).await
    }

    async fn decisions(&self, check: &CheckId, limit: u32) -> Result<Vec<DecisionRecord>, Error> {
        incidents::decisions(&mut *self.reader().await?, check, limit).await
    }

    async fn backlog(&self, since: Timestamp) -> Result<Vec<Backlog>, Error> {
        notifications::backlog(&mut *self.snapshot().await?, since).await
    }

    async fn forget(&self, before: &Horizons, limit: u32) -> Result<u64, Error> {
        forgetting::forget(self.writers()?, &self.days, before, limit).await
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Agents for PostgresStore {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Error> {
        agents::tokens(&mut *self.reader().await?).await
    }

    async fn claim_name(&self, claim: &super::agents::Claim) -> Result<Claimed, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = agents::claim(self.writers()?, claim).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn release_name(
        &self,
        region: &Region,
        name: &str,
        instance: Uuid,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = agents::release(self.writers()?, (region, name), instance, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn agent(&self, region: &Region, name: &str) -> Result<Option<AgentRecord>, Error> {
        agents::one(&mut *self.reader().await?, (region, name)).await
    }

    async fn agents(&self) -> Result<Vec<AgentRecord>, Error> {
        agents::list(&mut *self.reader().await?).await
    }

    async fn forget_agents(&self, before: Timestamp) -> Result<u64, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = agents::forget(self.writers()?, before).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }
}

/// The time that the server's clock shows, of which `clock` is told; and whether that says anything of
/// `clock`.
async fn guide(connection: &mut PgConnection, clock: &Guided) -> Result<(Timestamp, bool), Error> {
    let (asked, watch) = (clock.own(), Stopwatch::start());
    let shown = time(connection).await?;
    let (took, heard) = (watch.elapsed(), clock.own());
    Ok((shown, clock.heed(shown, (asked, heard), took)))
}

/// The time that the server's clock shows.
async fn time(connection: &mut PgConnection) -> Result<Timestamp, Error> {
    let time = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let millis: i64 =
        sqlx::query_scalar(time).fetch_one(connection).await.map_err(failed("ask for the time"))?;
    rows::timestamp(millis)
}

fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| match source {
        sqlx::Error::PoolClosed => Error::Closed,
        source => Error::Database { what, source },
    }
}

/// The number of an advisory lock ("TRPL" and which).
const fn lock_number(which: u32) -> i64 {
    0x5452_504c << 32 | which as i64
}
