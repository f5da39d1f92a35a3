//! Hours that are counted when all their slots are accounted for, and kept counted.
//!
//! Checks are counted some at a time, so that nobody who records waits for more than that. While an
//! hour is being counted, runs of it that are recorded are added to it at once; what was added of a
//! check before its turn came is overwritten by its whole count.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use sqlx::query::Query;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

use super::writer::{Durability, Writer};
use super::{accounts, failed};
use crate::domain::Timestamp;
use crate::domain::coverage::Tally;
use crate::domain::id::CheckId;
use crate::store::accounts::Place;
use crate::store::forgetting::{self, ALONE};
use crate::store::rows::accounts::{self as stored, HourRow, Hours, Late, TallyRow};
use crate::store::{Error, Standing, rows};

pub(super) type Period = (Timestamp, Timestamp);

/// How many checks are counted at a time.
pub(super) const CHECKS_AT_ONCE: usize = 50;

/// The slot of the first run that is not kept for an incident's sake.
pub(super) async fn first_ran(
    connection: &mut SqliteConnection,
) -> Result<Option<Timestamp>, Error> {
    first_of(connection, ALONE).await
}

/// The slot of the first run.
pub(super) async fn first(connection: &mut SqliteConnection) -> Result<Option<Timestamp>, Error> {
    first_of(connection, "true").await
}

async fn first_of(
    connection: &mut SqliteConnection,
    which: &str,
) -> Result<Option<Timestamp>, Error> {
    let text = format!("SELECT slot_at FROM runs WHERE {which} ORDER BY id LIMIT 1");
    let found: Option<i64> = sqlx::query_scalar(AssertSqlSafe(text))
        .fetch_optional(connection)
        .await
        .map_err(failed("look for the first run"))?;
    found.map(rows::timestamp).transpose()
}

/// Before which slots runs were forgotten, where `first` is [`first_ran`].
pub(super) async fn forgotten_until(
    connection: &mut SqliteConnection,
    first: Option<Timestamp>,
) -> Result<Option<Timestamp>, Error> {
    let noted: Vec<(String, i64)> = sqlx::query_as(forgetting::FORGOTTEN)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("look what was forgotten"))?;
    forgetting::forgotten_until(&noted, first, tallied(connection).await?)
}

pub(super) async fn tallied(connection: &mut SqliteConnection) -> Result<Option<Period>, Error> {
    read_period(connection, "SELECT from_at, until_at FROM tallied").await
}

/// The hours to whose counts late runs are added.
pub(super) async fn closed(connection: &mut SqliteConnection) -> Result<Option<Period>, Error> {
    let text = "SELECT from_at, max(until_at, coalesce(closing_at, until_at)) FROM tallied";
    read_period(connection, text).await
}

async fn read_period(
    connection: &mut SqliteConnection,
    text: &'static str,
) -> Result<Option<Period>, Error> {
    let found: Option<(i64, i64)> = sqlx::query_as(text)
        .fetch_optional(connection)
        .await
        .map_err(failed("read which hours are counted"))?;
    let read = |(from, until)| Ok((rows::timestamp(from)?, rows::timestamp(until)?));
    found.map(read).transpose()
}

/// From now on, runs of the hour are added to its count as they are recorded.
pub(super) async fn close(writer: &mut Writer, (start, end): Period) -> Result<Standing, Error> {
    let text = "INSERT INTO tallied (one, from_at, until_at, closing_at) VALUES (1, ?1, ?1, ?2) \
         ON CONFLICT (one) DO UPDATE SET closing_at = excluded.closing_at \
         WHERE tallied.until_at = ?1";
    note(writer, text, (start, end)).await
}

/// All of the hour is counted.
pub(super) async fn finish(writer: &mut Writer, (start, end): Period) -> Result<Standing, Error> {
    let text = "UPDATE tallied SET until_at = ?2, closing_at = NULL \
         WHERE until_at = ?1 AND closing_at = ?2";
    note(writer, text, (start, end)).await
}

async fn note(writer: &mut Writer, text: &'static str, hour: Period) -> Result<Standing, Error> {
    let connection = writer.begin(Durability::Power).await?;
    let noted = sqlx::query(text)
        .bind(rows::millis(hour.0))
        .bind(rows::millis(hour.1))
        .execute(&mut *connection)
        .await
        .map_err(failed("note which hours are counted"))?;
    let closed = closed(connection).await?;
    writer.commit().await?;
    writer.memory().await?.closed = closed;
    Ok(if noted.rows_affected() > 0 { Standing::Held } else { Standing::Lost })
}

/// All checks of which there may be runs or slots, by name.
pub(super) async fn checks(
    connection: &mut SqliteConnection,
    expected: &BTreeMap<Place, u64>,
) -> Result<BTreeSet<String>, Error> {
    // From one name to the next in the index of runs by check, without reading all of it.
    let known: Vec<String> = sqlx::query_scalar(
        "WITH RECURSIVE named (check_id) AS (SELECT min(check_id) FROM runs UNION ALL \
         SELECT (SELECT min(check_id) FROM runs WHERE check_id > named.check_id) FROM named \
         WHERE named.check_id IS NOT NULL) SELECT check_id FROM named WHERE check_id IS NOT NULL",
    )
    .fetch_all(connection)
    .await
    .map_err(failed("list the checks"))?;
    let expected = expected.keys().map(|(check, _)| check.as_str().to_owned());
    Ok(known.into_iter().chain(expected).collect())
}

/// Counts some checks.
pub(super) async fn tally_some(
    writer: &mut Writer,
    (start, end): Period,
    checks: &[&str],
    expected: &BTreeMap<Place, u64>,
) -> Result<Standing, Error> {
    let connection = writer.begin(Durability::Process).await?;
    let held: Option<i64> =
        sqlx::query_scalar("SELECT one FROM tallied WHERE until_at = ?1 AND closing_at = ?2")
            .bind(rows::millis(start))
            .bind(rows::millis(end))
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("note which hours are counted"))?;
    if held.is_none() {
        writer.commit().await?;
        return Ok(Standing::Lost);
    }
    let mut tallies = accounts::count(&mut *connection, Some(checks), (start, end)).await?;
    for ((check, region), slots) in expected {
        if checks.binary_search(&check.as_str()).is_ok() {
            tallies.entry((check.clone(), region.clone())).or_default().expected += slots;
        }
    }
    for check in checks {
        sqlx::query("DELETE FROM tallies WHERE check_id = ?1 AND hour_at = ?2")
            .bind(*check)
            .bind(rows::millis(start))
            .execute(&mut *connection)
            .await
            .map_err(failed("count an hour"))?;
    }
    write(&mut *connection, tallies.into_iter().map(|(place, it)| ((place, start), it))).await?;
    writer.commit().await?;
    Ok(Standing::Held)
}

/// Changes the counts of hours that are counted, or are being counted.
pub(super) async fn add(connection: &mut SqliteConnection, late: Late) -> Result<(), Error> {
    let mut before = Hours::new();
    for ((check, region), hour) in late.hours() {
        let text = format!(
            "SELECT hour_at, {} FROM tallies WHERE check_id = ?1 AND region = ?2 AND hour_at = ?3",
            TallyRow::COLUMNS
        );
        let found: Option<HourRow> = sqlx::query_as(AssertSqlSafe(text))
            .bind(check.as_str())
            .bind(region.as_str())
            .bind(rows::millis(hour))
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("read how an hour came out"))?;
        before.extend(found.map(HourRow::read).transpose()?);
    }
    write(connection, late.applied(before).into_iter()).await
}

async fn write(
    connection: &mut SqliteConnection,
    hours: impl Iterator<Item = ((Place, Timestamp), Tally)>,
) -> Result<(), Error> {
    for (((check, region), hour), tally) in hours {
        let text = format!(
            "INSERT INTO tallies (hour_at, {}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) {}",
            TallyRow::COLUMNS,
            TallyRow::CONFLICT
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(rows::millis(hour));
        let query = query.bind(check.as_str().to_owned()).bind(region.as_str().to_owned());
        let query = stored::numbers(&tally).into_iter().fold(query, Query::bind);
        let query = stored::distributions(&tally).into_iter().fold(query, Query::bind);
        query.execute(&mut *connection).await.map_err(failed("write how an hour came out"))?;
    }
    Ok(())
}

pub(super) async fn tallied_hours(
    connection: &mut SqliteConnection,
    checks: Option<&[CheckId]>,
    (start, end): Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query.push(TallyRow::COLUMNS).push(" FROM tallies WHERE hour_at >= ");
    query.push_bind(rows::millis(start)).push(" AND hour_at < ").push_bind(rows::millis(end));
    if let Some(checks) = checks {
        let mut list = query.push(" AND check_id IN (").separated(", ");
        for check in checks {
            list.push_bind(check.as_str());
        }
        query.push(")");
    }
    let mut tallies = BTreeMap::new();
    let mut found = query.build_query_as::<TallyRow>().fetch(connection);
    while let Some(row) = found.try_next().await.map_err(failed("count hours"))? {
        row.add(&mut tallies)?;
    }
    Ok(tallies)
}
