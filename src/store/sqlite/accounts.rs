//! Watches, lives and gaps.

use std::collections::{BTreeMap, HashMap};

use futures::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, Sqlite};

use super::failed;
use super::writer::{Durability, Writer};
use crate::domain::Timestamp;
use crate::domain::coverage::{Gap, Presence, Tally, Watch};
use crate::domain::id::{CheckId, Region};
use crate::store::accounts::{Known, Place, Process, Ran};
use crate::store::rows::accounts::{self as stored, FORGET_EDITIONS, GapRow, KNOWN, WatchRow};
use crate::store::rows::run::first_id_at;
use crate::store::{Error, Standing, rows};

type Period = (Timestamp, Timestamp);

pub(super) async fn watches(
    connection: &mut SqliteConnection,
    checks: Option<&[CheckId]>,
    (after, until): Period,
) -> Result<Vec<Watch>, Error> {
    let those = if checks.is_some() { WATCHES_OF } else { WATCHES };
    let text = format!("SELECT {} FROM watches {those}", WatchRow::COLUMNS);
    let query = sqlx::query_as(AssertSqlSafe(text)).bind(rows::millis(after));
    let mut query = query.bind(rows::millis(until));
    if let Some(checks) = checks {
        query = query.bind(names(checks));
    }
    let found: Vec<WatchRow> =
        query.fetch_all(connection).await.map_err(failed("read the watches"))?;
    found.into_iter().map(WatchRow::read).collect()
}

pub(super) async fn watched(
    connection: &mut SqliteConnection,
    (after, limit): (Option<&CheckId>, u32),
    (from, until): Period,
) -> Result<Vec<CheckId>, Error> {
    let found: Vec<String> = sqlx::query_scalar(WATCHED)
        .bind(rows::millis(from))
        .bind(rows::millis(until))
        .bind(after.map_or("", CheckId::as_str))
        .bind(limit)
        .fetch_all(connection)
        .await
        .map_err(failed("list the checks that are watched"))?;
    found.iter().map(|check| rows::check_id(check)).collect()
}

/// Those from `?1` to `?2`.
const WATCHES: &str = "WHERE (until_at IS NULL OR until_at > ?1) AND from_at < ?2 \
     ORDER BY check_id, region, from_at";

/// The same of the checks in `?3`.
pub(super) const WATCHES_OF: &str = "INDEXED BY watches_of_check \
     WHERE check_id IN (SELECT value FROM json_each(?3)) \
     AND (until_at IS NULL OR until_at > ?1) AND from_at < ?2 ORDER BY check_id, region, from_at";

/// The checks after `?3` that were watched from `?1` to `?2`, no more than `?4`.
pub(super) const WATCHED: &str = "SELECT DISTINCT check_id FROM watches INDEXED BY watches_of_check \
     WHERE check_id > ?3 AND (until_at IS NULL OR until_at > ?1) AND from_at < ?2 \
     ORDER BY check_id LIMIT +?4";

/// The names of `checks`, as a list in JSON.
fn names(checks: &[CheckId]) -> String {
    rows::to_json(&checks.iter().map(CheckId::as_str).collect::<Vec<&str>>())
}

pub(super) async fn watches_of(
    connection: &mut SqliteConnection,
    region: &Region,
    checks: &[CheckId],
    (after, until): Period,
) -> Result<Vec<Watch>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query.push(WatchRow::COLUMNS).push(" FROM watches WHERE region = ");
    query.push_bind(region.as_str().to_owned()).push(" AND (until_at IS NULL OR until_at > ");
    query.push_bind(rows::millis(after)).push(") AND from_at < ").push_bind(rows::millis(until));
    let mut list = query.push(" AND check_id IN (").separated(", ");
    for check in checks {
        list.push_bind(check.as_str().to_owned());
    }
    query.push(") ORDER BY check_id, from_at");
    let found: Vec<WatchRow> =
        query.build_query_as().fetch_all(connection).await.map_err(failed("read the watches"))?;
    found.into_iter().map(WatchRow::read).collect()
}

pub(super) async fn seen(
    writer: &mut Writer,
    process: &Process,
    now: Timestamp,
) -> Result<(), Error> {
    let connection = writer.begin(Durability::Process).await?;
    sqlx::query(
        "INSERT INTO lives VALUES (?1, ?2, ?3, ?3) ON CONFLICT (process, region) \
         DO UPDATE SET until_at = max(until_at, excluded.until_at)",
    )
    .bind(&process.id)
    .bind(process.region.as_ref().map_or("", Region::as_str))
    .bind(rows::millis(now))
    .execute(connection)
    .await
    .map_err(failed("note who is alive"))?;
    writer.commit().await
}

pub(super) async fn presence(
    connection: &mut SqliteConnection,
    (after, until): Period,
) -> Result<HashMap<Option<Region>, Presence>, Error> {
    let found: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT region, from_at, until_at FROM lives WHERE until_at > ?1 AND from_at < ?2 \
         ORDER BY from_at",
    )
    .bind(rows::millis(after))
    .bind(rows::millis(until))
    .fetch_all(connection)
    .await
    .map_err(failed("read who was there"))?;
    stored::presence(found)
}

pub(super) async fn accounted_until(
    connection: &mut SqliteConnection,
) -> Result<Option<Timestamp>, Error> {
    let found: Option<i64> = sqlx::query_scalar("SELECT until_at FROM accounted")
        .fetch_optional(connection)
        .await
        .map_err(failed("read what is accounted for"))?;
    found.map(rows::timestamp).transpose()
}

pub(super) async fn ran(
    connection: &mut SqliteConnection,
    (after, until): Period,
) -> Result<Ran, Error> {
    let found: Vec<(String, String, i64)> = sqlx::query_as(RAN)
        .bind(first_id_at(after))
        .bind(first_id_at(until + chrono::TimeDelta::milliseconds(1)))
        .fetch_all(connection)
        .await
        .map_err(failed("read which slots were run"))?;
    stored::ran(found)
}

/// The slots whose runs have ids from `?1` on and below `?2`.
pub(super) const RAN: &str = "SELECT check_id, region, slot_at FROM runs \
     INDEXED BY sqlite_autoindex_runs_1 WHERE id >= ?1 AND id < ?2";

pub(super) async fn latest_gaps(
    connection: &mut SqliteConnection,
    places: &[Place],
) -> Result<HashMap<Place, Gap>, Error> {
    let mut latest = HashMap::new();
    for (check, region) in places {
        let found: Option<GapRow> = sqlx::query_as(LATEST_GAP)
            .bind(check.as_str())
            .bind(region.as_str())
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("read the latest gaps"))?;
        if let Some(row) = found {
            latest.insert((check.clone(), region.clone()), row.read()?);
        }
    }
    Ok(latest)
}

/// The latest gap of a check in a region.
pub(super) const LATEST_GAP: &str = "SELECT check_id, region, first_at, last_at, slots, reason \
     FROM gaps WHERE check_id = ?1 AND region = ?2 ORDER BY last_at DESC LIMIT 1";

/// Writes a gap in the place of one that begins alike.
pub(super) const WRITE_GAP: &str = "INSERT INTO gaps (check_id, region, first_at, last_at, slots, \
     reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (check_id, region, first_at) \
     DO UPDATE SET last_at = excluded.last_at, slots = excluded.slots, reason = excluded.reason";

pub(super) async fn known(connection: &mut SqliteConnection) -> Result<Known, Error> {
    let (until, watches, open): (Option<i64>, i64, i64) = sqlx::query_as(KNOWN)
        .fetch_one(connection)
        .await
        .map_err(failed("read what is accounted for"))?;
    Ok(Known { until: until.map(rows::timestamp).transpose()?, watches, open })
}

pub(super) async fn account(
    writer: &mut Writer,
    gaps: &[Gap],
    known: Known,
    until: Timestamp,
) -> Result<Standing, Error> {
    let connection = writer.begin(Durability::Process).await?;
    let now = self::known(&mut *connection).await?;
    if (now.watches, now.open) != (known.watches, known.open) {
        writer.commit().await?;
        return Ok(Standing::Lost);
    }
    let noted = match known.until {
        Some(after) => sqlx::query("UPDATE accounted SET until_at = ?1 WHERE until_at = ?2")
            .bind(rows::millis(until))
            .bind(rows::millis(after)),
        None => sqlx::query("INSERT INTO accounted VALUES (1, ?1) ON CONFLICT DO NOTHING")
            .bind(rows::millis(until)),
    };
    let noted =
        noted.execute(&mut *connection).await.map_err(failed("note what is accounted for"))?;
    if noted.rows_affected() == 0 {
        writer.commit().await?;
        return Ok(Standing::Lost);
    }
    write_gaps(connection, gaps).await?;
    writer.commit().await?;
    Ok(Standing::Held)
}

pub(super) async fn write_gaps(
    connection: &mut SqliteConnection,
    gaps: &[Gap],
) -> Result<(), Error> {
    for gap in gaps {
        sqlx::query(WRITE_GAP)
            .bind(gap.check.as_str())
            .bind(gap.region.as_str())
            .bind(rows::millis(gap.first))
            .bind(rows::millis(gap.last))
            .bind(i64::try_from(gap.slots).unwrap_or(i64::MAX))
            .bind(gap.reason.as_str())
            .execute(&mut *connection)
            .await
            .map_err(failed("write a gap"))?;
    }
    Ok(())
}

pub(super) async fn gaps(
    connection: &mut SqliteConnection,
    check: Option<&CheckId>,
    (after, until): Period,
    limit: u32,
) -> Result<Vec<Gap>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT check_id, region, first_at, last_at, slots, reason FROM gaps WHERE last_at > ",
    );
    query.push_bind(rows::millis(after));
    query.push(" AND first_at <= ").push_bind(rows::millis(until));
    if let Some(check) = check {
        query.push(" AND check_id = ").push_bind(check.as_str());
    }
    query.push(" ORDER BY last_at DESC, check_id, region LIMIT +").push_bind(limit);
    let found: Vec<GapRow> =
        query.build_query_as().fetch_all(connection).await.map_err(failed("list gaps"))?;
    found.into_iter().map(GapRow::read).collect()
}

pub(super) async fn tallies(
    connection: &mut SqliteConnection,
    checks: Option<&[CheckId]>,
    period: Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let names = checks.map(|all| all.iter().map(CheckId::as_str).collect::<Vec<&str>>());
    count(connection, names.as_deref(), period).await
}

/// How the runs of some checks, or of all, ended.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    checks: Option<&[&str]>,
    period: Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT check_id, region, outcome");
    for class in stored::classes() {
        query.push(", sum(").push(class).push(")");
    }
    of_period(&mut query, checks, period);
    let mut tallies: BTreeMap<Place, Tally> = BTreeMap::new();
    // One by one: the library's rows take kilobytes each, and of all checks they are many.
    let mut found = query.build().fetch(connection);
    while let Some(row) = found.try_next().await.map_err(failed("count runs"))? {
        let text = |column: usize| row.try_get::<String, _>(column).map_err(failed("count runs"));
        let mut classes = [0; stored::CLASSES];
        for (column, class) in classes.iter_mut().enumerate() {
            *class = row.try_get(column + 3).map_err(failed("count runs"))?;
        }
        stored::add(&mut tallies, (&text(0)?, &text(1)?, &text(2)?), classes)?;
    }
    Ok(tallies)
}

pub(super) async fn outcomes(
    connection: &mut SqliteConnection,
    period: Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT check_id, region, outcome, count(*)");
    of_period(&mut query, None, period);
    let found: Vec<(String, String, String, i64)> =
        query.build_query_as().fetch_all(connection).await.map_err(failed("count runs"))?;
    let mut tallies: BTreeMap<Place, Tally> = BTreeMap::new();
    for (check, region, outcome, runs) in found {
        stored::add_plain(&mut tallies, (&check, &region, &outcome), runs)?;
    }
    Ok(tallies)
}

/// The runs that are counted.
pub(super) fn of_period(
    query: &mut QueryBuilder<Sqlite>,
    checks: Option<&[&str]>,
    (after, until): Period,
) {
    // By name: what SQLite knows of a table may be of a time when it was so small that reading all of
    // it was as good.
    let order = if checks.is_some() { "runs_of_check" } else { "sqlite_autoindex_runs_1" };
    query.push(" FROM runs INDEXED BY ").push(order).push(" WHERE slot_at > ");
    query.push_bind(rows::millis(after));
    query.push(" AND slot_at <= ").push_bind(rows::millis(until));
    if let Some(checks) = checks {
        let mut list = query.push(" AND check_id IN (").separated(", ");
        for check in checks {
            list.push_bind((*check).to_owned());
        }
        query.push(")");
    } else {
        // The same again in the words of the primary order.
        let end = until + chrono::TimeDelta::milliseconds(1);
        query.push(" AND id >= ").push_bind(first_id_at(after));
        query.push(" AND id < ").push_bind(first_id_at(end));
    }
    query.push(" GROUP BY check_id, region, outcome");
}

/// Forgets what was accounted for before `before`.
pub(super) async fn forget(writer: &mut Writer, before: Timestamp) -> Result<(), Error> {
    let connection = writer.begin(Durability::Process).await?;
    for text in [
        "DELETE FROM gaps WHERE last_at < ?1",
        "DELETE FROM watches WHERE until_at < ?1",
        "DELETE FROM lives WHERE until_at < ?1",
        "DELETE FROM tallies WHERE hour_at < ?1",
        FORGET_EDITIONS,
    ] {
        let query = sqlx::query(text).bind(rows::millis(before));
        query.execute(&mut *connection).await.map_err(failed("forget old accounts"))?;
    }
    writer.commit().await
}
