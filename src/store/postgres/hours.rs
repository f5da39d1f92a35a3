//! Hours that are counted when all their slots are accounted for, and kept counted.
//!
//! Checks are counted some at a time under their locks, which whoever records runs of them holds as
//! well: a run is either counted, or stored after that and added by whoever stores it. While an hour
//! is being counted, all who record add theirs to it; what they added of a check before its turn came
//! is overwritten by its whole count.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};

use super::attempts::Attempts;
use super::session::{begin, commit};
use super::{accounts, failed, states};
use crate::domain::Timestamp;
use crate::domain::coverage::Tally;
use crate::domain::id::CheckId;
use crate::store::accounts::Place;
use crate::store::forgetting::{self, ALONE};
use crate::store::rows::accounts::{self as stored, HourRow, Hours, Late, TallyRow};
use crate::store::{Error, Standing, rows};

type Period = (Timestamp, Timestamp);

/// How many checks are counted, and kept from being recorded of, at a time.
const CHECKS_AT_ONCE: usize = 50;

/// The slot of the first run that is not kept for an incident's sake.
pub(super) async fn first_ran(connection: &mut PgConnection) -> Result<Option<Timestamp>, Error> {
    first_of(connection, ALONE).await
}

/// The slot of the first run.
pub(super) async fn first(connection: &mut PgConnection) -> Result<Option<Timestamp>, Error> {
    first_of(connection, "true").await
}

async fn first_of(connection: &mut PgConnection, which: &str) -> Result<Option<Timestamp>, Error> {
    let text = format!("SELECT slot_at FROM runs WHERE {which} ORDER BY id LIMIT 1");
    let found: Option<i64> = sqlx::query_scalar(AssertSqlSafe(text))
        .fetch_optional(connection)
        .await
        .map_err(failed("look for the first run"))?;
    found.map(rows::timestamp).transpose()
}

/// Before which slots runs were forgotten, where `first` is [`first_ran`].
pub(super) async fn forgotten_until(
    connection: &mut PgConnection,
    first: Option<Timestamp>,
) -> Result<Option<Timestamp>, Error> {
    let noted: Vec<(String, i64)> = sqlx::query_as(forgetting::FORGOTTEN)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("look what was forgotten"))?;
    forgetting::forgotten_until(&noted, first, tallied(connection).await?)
}

pub(super) async fn tallied(connection: &mut PgConnection) -> Result<Option<Period>, Error> {
    read_period(connection, "SELECT from_at, until_at FROM tallied").await
}

/// The hours to whose counts late runs are added.
async fn closed(connection: &mut PgConnection) -> Result<Option<Period>, Error> {
    let text = "SELECT from_at, greatest(until_at, closing_at) FROM tallied";
    read_period(connection, text).await
}

async fn read_period(
    connection: &mut PgConnection,
    text: &'static str,
) -> Result<Option<Period>, Error> {
    let found: Option<(i64, i64)> = sqlx::query_as(text)
        .fetch_optional(connection)
        .await
        .map_err(failed("read which hours are counted"))?;
    let read = |(from, until)| Ok((rows::timestamp(from)?, rows::timestamp(until)?));
    found.map(read).transpose()
}

/// Counts an hour.
pub(super) async fn tally(
    pool: &PgPool,
    hour: Period,
    expected: &BTreeMap<Place, u64>,
) -> Result<Standing, Error> {
    if let Standing::Lost = close(pool, hour).await? {
        return Ok(Standing::Lost);
    }
    // From now on all runs of the hour are added by those who record them, so that a check which
    // comes after this is counted as well.
    let checks = checks(pool, expected).await?;
    let checks: Vec<&str> = checks.iter().map(String::as_str).collect();
    for some in checks.chunks(CHECKS_AT_ONCE) {
        let mut attempts = Attempts::default();
        let standing = loop {
            let result = tally_some(pool, hour, some, expected).await;
            if attempts.are_over(&result) {
                break result?;
            }
        };
        if let Standing::Lost = standing {
            return Ok(Standing::Lost);
        }
    }
    finish(pool, hour).await
}

/// From now on, runs of the hour are added to its count by whoever stores them.
async fn close(pool: &PgPool, (start, end): Period) -> Result<Standing, Error> {
    let text = "INSERT INTO tallied (one, from_at, until_at, closing_at) VALUES (1, $1, $1, $2) \
         ON CONFLICT (one) DO UPDATE SET closing_at = excluded.closing_at \
         WHERE tallied.until_at = $1";
    note(pool, text, (start, end)).await
}

/// All of the hour is counted.
async fn finish(pool: &PgPool, (start, end): Period) -> Result<Standing, Error> {
    let text = "UPDATE tallied SET until_at = $2, closing_at = NULL \
         WHERE until_at = $1 AND closing_at = $2";
    note(pool, text, (start, end)).await
}

async fn note(pool: &PgPool, text: &'static str, hour: Period) -> Result<Standing, Error> {
    let mut transaction = begin(pool).await?;
    let noted = sqlx::query(text)
        .bind(rows::millis(hour.0))
        .bind(rows::millis(hour.1))
        .execute(&mut *transaction)
        .await
        .map_err(failed("note which hours are counted"))?;
    commit(pool, transaction).await?;
    Ok(if noted.rows_affected() > 0 { Standing::Held } else { Standing::Lost })
}

/// All checks of which there may be runs or slots, enrolled and by name.
async fn checks(pool: &PgPool, expected: &BTreeMap<Place, u64>) -> Result<BTreeSet<String>, Error> {
    let known: Vec<String> = sqlx::query_scalar("SELECT check_id FROM checks")
        .fetch_all(pool)
        .await
        .map_err(failed("list the checks"))?;
    let mut checks: BTreeSet<String> = known.into_iter().collect();
    let new: BTreeSet<&str> = expected
        .keys()
        .map(|(check, _)| check.as_str())
        .filter(|it| !checks.contains(*it))
        .collect();
    if !new.is_empty() {
        states::enroll(pool, &new.iter().copied().collect::<Vec<_>>()).await?;
        let new: Vec<String> = new.into_iter().map(str::to_owned).collect();
        checks.extend(new);
    }
    Ok(checks)
}

/// Counts some checks, while nobody records runs of them.
async fn tally_some(
    pool: &PgPool,
    (start, end): Period,
    checks: &[&str],
    expected: &BTreeMap<Place, u64>,
) -> Result<Standing, Error> {
    let mut transaction = begin(pool).await?;
    // Nobody can call the hour counted, and forget runs of it, before this is over.
    let held: Option<i32> = sqlx::query_scalar(
        "SELECT one FROM tallied WHERE until_at = $1 AND closing_at = $2 FOR SHARE",
    )
    .bind(rows::millis(start))
    .bind(rows::millis(end))
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed("note which hours are counted"))?;
    if held.is_none() {
        return Ok(Standing::Lost);
    }
    states::lock(&mut transaction, checks).await?;
    let mut tallies = accounts::count(&mut transaction, Some(checks), (start, end)).await?;
    for ((check, region), slots) in expected {
        if checks.binary_search(&check.as_str()).is_ok() {
            tallies.entry((check.clone(), region.clone())).or_default().expected += slots;
        }
    }
    sqlx::query("DELETE FROM tallies WHERE check_id = ANY($1::text[]) AND hour_at = $2")
        .bind(checks)
        .bind(rows::millis(start))
        .execute(&mut *transaction)
        .await
        .map_err(failed("count an hour"))?;
    write(&mut transaction, tallies.into_iter().map(|(place, it)| ((place, start), it))).await?;
    commit(pool, transaction).await?;
    Ok(Standing::Held)
}

/// Changes the counts of hours that are counted, or are being counted. The checks are locked.
pub(super) async fn add(connection: &mut PgConnection, mut late: Late) -> Result<(), Error> {
    let Some(closed) = closed(&mut *connection).await? else { return Ok(()) };
    late.retain(closed);
    let hours = late.hours();
    if hours.is_empty() {
        return Ok(());
    }
    let text = format!(
        "SELECT hour_at, {} FROM tallies WHERE (check_id, region, hour_at) IN \
         (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]))",
        TallyRow::COLUMNS
    );
    let found: Vec<HourRow> = sqlx::query_as(AssertSqlSafe(text))
        .bind(hours.iter().map(|((check, _), _)| check.as_str()).collect::<Vec<_>>())
        .bind(hours.iter().map(|((_, region), _)| region.as_str()).collect::<Vec<_>>())
        .bind(hours.iter().map(|(_, hour)| rows::millis(*hour)).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read how an hour came out"))?;
    let before: Hours = found.into_iter().map(HourRow::read).collect::<Result<_, _>>()?;
    write(connection, late.applied(before).into_iter()).await
}

async fn write(
    connection: &mut PgConnection,
    hours: impl Iterator<Item = ((Place, Timestamp), Tally)>,
) -> Result<(), Error> {
    let hours: Vec<((Place, Timestamp), Tally)> = hours.collect();
    if hours.is_empty() {
        return Ok(());
    }
    let numbers = |index: usize| -> Vec<i64> {
        hours.iter().map(|(_, tally)| stored::numbers(tally)[index]).collect()
    };
    let [lateness, durations] = [0, 1].map(|index| -> Vec<String> {
        let of = |tally| stored::distributions(tally).into_iter().nth(index).unwrap_or_default();
        hours.iter().map(|(_, tally)| of(tally)).collect()
    });
    let text = format!(
        "INSERT INTO tallies (hour_at, {}) SELECT * FROM unnest($1::bigint[], $2::text[], \
         $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], \
         $9::text[]) {}",
        TallyRow::COLUMNS,
        TallyRow::CONFLICT
    );
    let query = sqlx::query(AssertSqlSafe(text))
        .bind(hours.iter().map(|((_, hour), _)| rows::millis(*hour)).collect::<Vec<_>>())
        .bind(hours.iter().map(|(((check, _), _), _)| check.as_str()).collect::<Vec<_>>())
        .bind(hours.iter().map(|(((_, region), _), _)| region.as_str()).collect::<Vec<_>>())
        .bind(numbers(0))
        .bind(numbers(1))
        .bind(numbers(2))
        .bind(numbers(3))
        .bind(lateness)
        .bind(durations);
    query.execute(connection).await.map_err(failed("write how an hour came out")).map(|_| ())
}

pub(super) async fn tallied_hours(
    connection: &mut PgConnection,
    checks: Option<&[CheckId]>,
    (start, end): Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    query.push(TallyRow::COLUMNS).push(" FROM tallies WHERE hour_at >= ");
    query.push_bind(rows::millis(start)).push(" AND hour_at < ").push_bind(rows::millis(end));
    if let Some(checks) = checks {
        let names: Vec<&str> = checks.iter().map(CheckId::as_str).collect();
        query.push(" AND check_id = ANY(").push_bind(names).push(")");
    }
    let mut tallies = BTreeMap::new();
    // Planned for these hours: a plan for any number of them reads all.
    let mut found = query.build_query_as::<TallyRow>().persistent(false).fetch(connection);
    while let Some(row) = found.try_next().await.map_err(failed("count hours"))? {
        row.add(&mut tallies)?;
    }
    Ok(tallies)
}
