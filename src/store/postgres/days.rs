//! The partitions of the runs: one for each day (UTC) of their slots.
//!
//! They are made ahead, and on demand for reports that come late. A day is made beside the table
//! and then attached, so that nobody who reads or writes runs waits for it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Datelike, NaiveDate};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgPool};
use uuid::Uuid;

use super::session::{begin, commit};
use super::{failed, lock_number};
use crate::domain::Timestamp;
use crate::domain::id::RunId;
use crate::store::Error;
use crate::store::rows::run::first_id_at;

/// Held while days are made or dropped.
const CHANGING: i64 = lock_number(2);

/// One day, counted from the Unix epoch. It follows from the id of a run, whose first 48 bits are
/// the milliseconds of its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Day(i32);

const MILLIS: i64 = 24 * 60 * 60 * 1000;

impl Day {
    /// The day in which `run` belongs.
    pub(super) fn of(run: RunId) -> Self {
        let millis = i64::try_from(run.0.as_u128() >> 80).unwrap_or(0);
        Self(i32::try_from(millis / MILLIS).unwrap_or(0))
    }

    /// The day of a moment, as far as ids can tell.
    pub(super) fn at(at: Timestamp) -> Self {
        Self::of(RunId(first_id_at(at)))
    }

    /// The day after.
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The id with which it begins.
    pub(super) fn first_id(self) -> Uuid {
        Uuid::from_u128(u128::try_from(self.begin()).unwrap_or(0) << 80)
    }

    /// When it begins, in milliseconds.
    pub(super) fn begin(self) -> i64 {
        i64::from(self.0) * MILLIS
    }

    fn date(self) -> NaiveDate {
        let start = DateTime::from_timestamp_millis(self.begin());
        start.unwrap_or_default().date_naive()
    }

    /// Reads the name of a partition.
    fn named(table: &str) -> Option<Self> {
        let digits = table.strip_prefix("runs_")?;
        let (year, rest) = digits.split_at_checked(digits.len().checked_sub(4)?)?;
        let (month, day) = rest.split_at_checked(2)?;
        let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        let start = NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0)?.and_utc();
        i32::try_from(start.timestamp_millis() / MILLIS).ok().map(Self)
    }
}

/// The name of its partition, such as `runs_20261121`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(f, "runs_{:04}{:02}{:02}", date.year(), date.month(), date.day())
    }
}

/// The days that are known to exist; another hub may have dropped some since.
#[derive(Debug, Default)]
pub(super) struct Days(Mutex<BTreeSet<Day>>);

impl Days {
    /// Reads which there are.
    pub(super) async fn known(&self, pool: &PgPool) -> Result<BTreeSet<Day>, Error> {
        let mut connection = pool.acquire().await.map_err(failed("list the days"))?;
        let there = list(&mut connection).await?;
        self.lock().clone_from(&there);
        Ok(there)
    }

    /// Makes those of `wanted` that are not there.
    pub(super) async fn ensure(&self, pool: &PgPool, wanted: &BTreeSet<Day>) -> Result<(), Error> {
        if wanted.is_subset(&*self.lock()) {
            return Ok(());
        }
        let mut transaction = begin(pool).await?;
        hold(&mut transaction).await?;
        let mut there = list(&mut transaction).await?;
        for day in wanted.iter().filter(|day| !there.contains(*day)) {
            make(&mut transaction, *day).await?;
        }
        commit(pool, transaction).await?;
        there.extend(wanted);
        *self.lock() = there;
        Ok(())
    }

    /// Forgets what is known, because it was not so.
    pub(super) fn doubt(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Day>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a day that is not there.
pub(super) async fn make(connection: &mut PgConnection, day: Day) -> Result<(), Error> {
    let (first, end) = (day.first_id(), day.next().first_id());
    let statements = format!(
        "CREATE TABLE {day} (LIKE runs INCLUDING ALL); \
         ALTER TABLE runs ATTACH PARTITION {day} FOR VALUES FROM ('{first}') TO ('{end}')"
    );
    let made = sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await;
    made.map_err(failed("make room for the runs of a day")).map(|_| ())
}

/// Keeps others from changing which days there are, until the transaction ends.
pub(super) async fn hold(connection: &mut PgConnection) -> Result<(), Error> {
    let query = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CHANGING);
    query.execute(connection).await.map_err(failed("hold the days")).map(|_| ())
}

/// The days that there are.
pub(super) async fn list(connection: &mut PgConnection) -> Result<BTreeSet<Day>, Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
         WHERE inhparent = 'runs'::regclass",
    )
    .fetch_all(connection)
    .await
    .map_err(failed("list the days"))?;
    Ok(names.iter().filter_map(|name| Day::named(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{CheckId, Region};
    use crate::domain::slot::Slot;

    fn run_at(time: &str) -> RunId {
        let slot = Slot {
            check: CheckId::new("login").expect("a good name"),
            region: Region::new("eu").expect("a good name"),
            at: time.parse().expect("a time"),
        };
        slot.run_id()
    }

    #[test]
    fn a_day_follows_from_the_id_of_a_run() {
        for (time, name) in [
            ("2026-11-21T00:00:00.000Z", "runs_20261121"),
            ("2026-11-20T23:59:59.999Z", "runs_20261120"),
            ("1970-01-01T00:00:00Z", "runs_19700101"),
            ("1969-12-31T00:00:00Z", "runs_19700101"),
        ] {
            let run = run_at(time);
            let day = Day::of(run);
            assert_eq!(day.to_string(), name);
            assert_eq!(Day::named(name), Some(day));
            assert!(day.first_id() <= run.0 && run.0 < day.next().first_id());
        }
        assert_eq!(Day::named("runs_of_check"), None);
        assert_eq!(Day::named("runs_"), None);
    }
}
