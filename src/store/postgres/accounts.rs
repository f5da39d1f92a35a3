//! Watches, lives and gaps.

use std::collections::{BTreeMap, HashMap};

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Postgres, QueryBuilder, Row as _};

use super::failed;
use super::session::{begin, commit};
use crate::domain::Timestamp;
use crate::domain::coverage::{Gap, Presence, Tally, Watch};
use crate::domain::id::{CheckId, Region};
use crate::store::accounts::{Expected, Place, Process, Ran};
use crate::store::rows::accounts::{self as stored, GapRow, WatchRow};
use crate::store::rows::run::first_id_at;
use crate::store::{Error, rows};

type Period = (Timestamp, Timestamp);

pub(super) async fn expect(
    pool: &PgPool,
    expected: &[Expected],
    now: Timestamp,
) -> Result<(), Error> {
    let now = rows::millis(now);
    let mut wanted: HashMap<(&str, &str), String> = expected
        .iter()
        .map(|it| ((it.check.as_str(), it.region.as_str()), rows::schedule_text(&it.schedule)))
        .collect();
    let mut transaction = begin(pool).await?;
    sqlx::query("LOCK TABLE watches IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await
        .map_err(failed("lock the watches"))?;
    let open: Vec<(i64, String, String, String)> =
        sqlx::query_as("SELECT id, check_id, region, schedule FROM watches WHERE until_at IS NULL")
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed("read the watches"))?;
    for (id, check, region, schedule) in &open {
        let place = (check.as_str(), region.as_str());
        if wanted.get(&place) == Some(schedule) {
            wanted.remove(&place);
            continue;
        }
        sqlx::query("UPDATE watches SET until_at = greatest(from_at, $1) WHERE id = $2")
            .bind(now)
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(failed("end a watch"))?;
    }
    for ((check, region), schedule) in wanted {
        sqlx::query(
            "INSERT INTO watches (check_id, region, schedule, from_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(check)
        .bind(region)
        .bind(schedule)
        .bind(now)
        .execute(&mut *transaction)
        .await
        .map_err(failed("begin a watch"))?;
    }
    commit(pool, transaction).await
}

pub(super) async fn watches(
    connection: &mut PgConnection,
    check: Option<&CheckId>,
    (after, until): Period,
) -> Result<Vec<Watch>, Error> {
    let found: Vec<WatchRow> = sqlx::query_as(
        "SELECT check_id, region, schedule, from_at, until_at FROM watches \
         WHERE (until_at IS NULL OR until_at > $1) AND from_at < $2 \
         AND ($3::text IS NULL OR check_id = $3) ORDER BY check_id, region, from_at",
    )
    .bind(rows::millis(after))
    .bind(rows::millis(until))
    .bind(check.map(CheckId::as_str))
    .fetch_all(connection)
    .await
    .map_err(failed("read the watches"))?;
    found.into_iter().map(WatchRow::read).collect()
}

pub(super) async fn seen(pool: &PgPool, process: &Process, now: Timestamp) -> Result<(), Error> {
    let mut transaction = begin(pool).await?;
    sqlx::query(
        "INSERT INTO lives VALUES ($1, $2, $3, $3) ON CONFLICT (process, region) \
         DO UPDATE SET until_at = greatest(lives.until_at, excluded.until_at)",
    )
    .bind(&process.id)
    .bind(process.region.as_ref().map_or("", Region::as_str))
    .bind(rows::millis(now))
    .execute(&mut *transaction)
    .await
    .map_err(failed("note who is alive"))?;
    commit(pool, transaction).await
}

pub(super) async fn presence(
    connection: &mut PgConnection,
    (after, until): Period,
) -> Result<HashMap<Option<Region>, Presence>, Error> {
    let found: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT region, from_at, until_at FROM lives WHERE until_at > $1 AND from_at < $2 \
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
    connection: &mut PgConnection,
) -> Result<Option<Timestamp>, Error> {
    let found: Option<i64> = sqlx::query_scalar("SELECT until_at FROM accounted")
        .fetch_optional(connection)
        .await
        .map_err(failed("read what is accounted for"))?;
    found.map(rows::timestamp).transpose()
}

pub(super) async fn ran(
    connection: &mut PgConnection,
    (after, until): Period,
) -> Result<Ran, Error> {
    let found: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT check_id, region, slot_at FROM runs WHERE id >= $1 AND id < $2 UNION ALL \
         SELECT check_id, region, slot_at FROM kept_runs WHERE id >= $1 AND id < $2",
    )
    .bind(first_id_at(after))
    .bind(first_id_at(until + chrono::TimeDelta::milliseconds(1)))
    .fetch_all(connection)
    .await
    .map_err(failed("read which slots were run"))?;
    stored::ran(found)
}

pub(super) async fn latest_gaps(
    connection: &mut PgConnection,
) -> Result<HashMap<Place, Gap>, Error> {
    let found: Vec<GapRow> = sqlx::query_as(
        "SELECT DISTINCT ON (check_id, region) check_id, region, first_at, last_at, slots, reason \
         FROM gaps ORDER BY check_id, region, last_at DESC",
    )
    .fetch_all(connection)
    .await
    .map_err(failed("read the latest gaps"))?;
    let read = |row: GapRow| row.read().map(|gap| ((gap.check.clone(), gap.region.clone()), gap));
    found.into_iter().map(read).collect()
}

pub(super) async fn account(pool: &PgPool, gaps: &[Gap], until: Timestamp) -> Result<(), Error> {
    let mut transaction = begin(pool).await?;
    for gap in gaps {
        sqlx::query("DELETE FROM gaps WHERE check_id = $1 AND region = $2 AND first_at = $3")
            .bind(gap.check.as_str())
            .bind(gap.region.as_str())
            .bind(rows::millis(gap.first))
            .execute(&mut *transaction)
            .await
            .map_err(failed("replace a gap"))?;
        sqlx::query(
            "INSERT INTO gaps (check_id, region, first_at, last_at, slots, reason) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(gap.check.as_str())
        .bind(gap.region.as_str())
        .bind(rows::millis(gap.first))
        .bind(rows::millis(gap.last))
        .bind(i64::try_from(gap.slots).unwrap_or(i64::MAX))
        .bind(gap.reason.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(failed("write a gap"))?;
    }
    sqlx::query(
        "INSERT INTO accounted VALUES (1, $1) ON CONFLICT (one) \
         DO UPDATE SET until_at = greatest(accounted.until_at, excluded.until_at)",
    )
    .bind(rows::millis(until))
    .execute(&mut *transaction)
    .await
    .map_err(failed("note what is accounted for"))?;
    commit(pool, transaction).await
}

pub(super) async fn gaps(
    connection: &mut PgConnection,
    check: Option<&CheckId>,
    (after, until): Period,
    limit: u32,
) -> Result<Vec<Gap>, Error> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT check_id, region, first_at, last_at, slots, reason FROM gaps WHERE last_at > ",
    );
    query.push_bind(rows::millis(after));
    query.push(" AND first_at <= ").push_bind(rows::millis(until));
    if let Some(check) = check {
        query.push(" AND check_id = ").push_bind(check.as_str());
    }
    query.push(" ORDER BY last_at DESC, check_id, region LIMIT ").push_bind(i64::from(limit));
    let found: Vec<GapRow> =
        query.build_query_as().fetch_all(connection).await.map_err(failed("list gaps"))?;
    found.into_iter().map(GapRow::read).collect()
}

pub(super) async fn tallies(
    connection: &mut PgConnection,
    check: Option<&CheckId>,
    (after, until): Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT check_id, region, outcome");
    for class in stored::classes() {
        query.push(", count(*) FILTER (WHERE ").push(class).push(")");
    }
    // By the ids, which tell the days to look at.
    let end = until + chrono::TimeDelta::milliseconds(1);
    query.push(" FROM runs WHERE id >= ").push_bind(first_id_at(after));
    query.push(" AND id < ").push_bind(first_id_at(end));
    query.push(" AND slot_at > ").push_bind(rows::millis(after));
    if let Some(check) = check {
        query.push(" AND check_id = ").push_bind(check.as_str());
    }
    query.push(" GROUP BY check_id, region, outcome");
    let found = query.build().fetch_all(connection).await.map_err(failed("count runs"))?;
    let mut tallies: BTreeMap<Place, Tally> = BTreeMap::new();
    for row in found {
        let text = |column: usize| row.try_get::<String, _>(column).map_err(failed("count runs"));
        let mut classes = [0; stored::CLASSES];
        for (column, class) in classes.iter_mut().enumerate() {
            *class = row.try_get(column + 3).map_err(failed("count runs"))?;
        }
        stored::add(&mut tallies, (&text(0)?, &text(1)?, &text(2)?), classes)?;
    }
    Ok(tallies)
}

/// Forgets what was accounted for before `before`.
pub(super) async fn forget(pool: &PgPool, before: Timestamp) -> Result<(), Error> {
    let mut transaction = begin(pool).await?;
    for text in [
        "DELETE FROM gaps WHERE last_at < $1",
        "DELETE FROM watches WHERE until_at < $1",
        "DELETE FROM lives WHERE until_at < $1",
        "DELETE FROM tallies WHERE hour_at < $1",
    ] {
        let query = sqlx::query(text).bind(rows::millis(before));
        query.execute(&mut *transaction).await.map_err(failed("forget old accounts"))?;
    }
    commit(pool, transaction).await
}
