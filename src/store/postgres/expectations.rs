//! What is expected, by the latest edition of the project.
//!
//! Whoever changes it holds the lock on the watches against all others who do, and against whoever
//! accounts for slots.

use std::collections::HashMap;

use sqlx::postgres::{PgConnection, PgPool};

use super::failed;
use super::session::{begin, commit};
use crate::domain::Timestamp;
use crate::domain::coverage::{Watch, hour_of};
use crate::domain::edition::{Latest, Novelty, Rank};
use crate::store::accounts::{Expectation, Expected};
use crate::store::rows::accounts::{self as stored, GapRow, LatestRow, WatchRow, terms};
use crate::store::{Error, rows};

pub(super) async fn expect(
    pool: &PgPool,
    expectation: &Expectation,
    now: Timestamp,
) -> Result<Rank, Error> {
    let mut transaction = begin(pool).await?;
    sqlx::query("LOCK TABLE watches IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await
        .map_err(failed("lock the watches"))?;
    let latest = latest(&mut transaction).await?;
    let edition = &expectation.edition;
    let novelty = novelty(&mut transaction, &edition.digest).await?;
    if let Rank::Earlier = edition.rank(latest.as_ref(), novelty, expectation.since, now) {
        return Ok(Rank::Earlier);
    }
    let taken = stored::taken(expectation, latest.as_ref(), now);
    sqlx::query(LatestRow::TAKE)
        .bind(&taken.digest)
        .bind(rows::millis(taken.edited_at))
        .bind(rows::millis(taken.taken_at))
        .bind(rows::millis(taken.seen_at))
        .execute(&mut *transaction)
        .await
        .map_err(failed("note the latest edition"))?;
    let accounted = not_beyond(&mut transaction, now).await?;
    let since = accounted.map_or(expectation.since, |it| it.max(expectation.since));
    change(&mut transaction, &expectation.expected, (rows::millis(since), rows::millis(now)))
        .await?;
    commit(pool, transaction).await?;
    Ok(Rank::Latest)
}

pub(super) async fn hold(pool: &PgPool, digest: &str, now: Timestamp) -> Result<Rank, Error> {
    let mut transaction = begin(pool).await?;
    let held = sqlx::query(
        "UPDATE editions SET seen_at = greatest(seen_at, $2) WHERE digest = $1 \
         AND taken_at = (SELECT max(taken_at) FROM editions)",
    )
    .bind(digest)
    .bind(rows::millis(now))
    .execute(&mut *transaction)
    .await
    .map_err(failed("hold an edition"))?;
    commit(pool, transaction).await?;
    Ok(Rank::latest_if(held.rows_affected() > 0))
}

/// Whether the edition with this digest is the latest, and stays so until the transaction ends.
pub(super) async fn rank(connection: &mut PgConnection, digest: &str) -> Result<Rank, Error> {
    sqlx::query("LOCK TABLE watches IN SHARE MODE")
        .execute(&mut *connection)
        .await
        .map_err(failed("lock the watches"))?;
    let latest = latest(connection).await?;
    Ok(Rank::latest_if(latest.is_none_or(|latest| latest.digest == digest)))
}

/// Whether whoever has the edition with this digest may do what one hub does at a time.
pub(super) async fn may_lead(
    connection: &mut PgConnection,
    digest: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let latest = latest(connection).await?;
    Ok(latest.is_none_or(|latest| latest.leaves_it_to(digest, now)))
}

async fn latest(connection: &mut PgConnection) -> Result<Option<Latest>, Error> {
    let found: Option<LatestRow> = sqlx::query_as(LatestRow::SELECT)
        .fetch_optional(connection)
        .await
        .map_err(failed("read the latest edition"))?;
    found.map(LatestRow::read).transpose()
}

async fn novelty(connection: &mut PgConnection, digest: &str) -> Result<Novelty, Error> {
    let found: Option<i64> = sqlx::query_scalar("SELECT seen_at FROM editions WHERE digest = $1")
        .bind(digest)
        .fetch_optional(connection)
        .await
        .map_err(failed("look for an edition"))?;
    Ok(found.map_or(Novelty::New, |_| Novelty::Former))
}

/// Takes back what is accounted for beyond `now`; up to when slots are accounted for.
async fn not_beyond(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let until: Option<i64> = sqlx::query_scalar("SELECT until_at FROM accounted FOR UPDATE")
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("read what is accounted for"))?;
    let Some(until) = until.map(rows::timestamp).transpose()?.filter(|until| *until > now) else {
        return until.map(rows::timestamp).transpose();
    };
    let cut: Vec<GapRow> = sqlx::query_as(
        "DELETE FROM gaps WHERE last_at > $1 RETURNING check_id, region, first_at, last_at, \
         slots, reason",
    )
    .bind(rows::millis(now))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("take back gaps"))?;
    let watches: Vec<WatchRow> = sqlx::query_as(
        "SELECT check_id, region, schedule, paused, from_at, until_at FROM watches \
         WHERE until_at IS NULL OR until_at > $1",
    )
    .bind(rows::millis(now))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read the watches"))?;
    let watches: Vec<Watch> = watches.into_iter().map(WatchRow::read).collect::<Result<_, _>>()?;
    let gaps = stored::gaps_up_to(cut, &watches, now)?;
    super::accounts::write_gaps(&mut *connection, &gaps).await?;
    let hour = rows::millis(hour_of(now));
    for (text, time) in [
        ("DELETE FROM tallied WHERE from_at > $1", hour),
        ("UPDATE tallied SET until_at = least(until_at, $1), closing_at = NULL", hour),
        ("DELETE FROM tallies WHERE hour_at >= $1", hour),
        ("UPDATE accounted SET until_at = $1", rows::millis(now)),
    ] {
        let query = sqlx::query(text).bind(time);
        query.execute(&mut *connection).await.map_err(failed("take accounts back"))?;
    }
    tracing::warn!(%until, %now, "the clock was set back; slots are accounted for again from now on");
    Ok(Some(now))
}

/// Ends the watches that are not expected any more, and begins those that are.
async fn change(
    connection: &mut PgConnection,
    expected: &[Expected],
    (since, now): (i64, i64),
) -> Result<(), Error> {
    let mut wanted: HashMap<(&str, &str), (String, bool)> =
        expected.iter().map(|it| ((it.check.as_str(), it.region.as_str()), terms(it))).collect();
    let open: Vec<(i64, String, String, String, bool)> = sqlx::query_as(
        "SELECT id, check_id, region, schedule, paused FROM watches WHERE until_at IS NULL",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read the watches"))?;
    let mut ended: Vec<i64> = Vec::new();
    for (id, check, region, schedule, paused) in &open {
        let place = (check.as_str(), region.as_str());
        if wanted.get(&place).is_some_and(|(same, duty)| same == schedule && duty == paused) {
            wanted.remove(&place);
        } else {
            ended.push(*id);
        }
    }
    // Those that ended at a time to come were ended by a clock that was ahead.
    sqlx::query(
        "UPDATE watches SET until_at = greatest(from_at, $1) WHERE id = ANY($2) OR until_at > $3",
    )
    .bind(since)
    .bind(&ended)
    .bind(now)
    .execute(&mut *connection)
    .await
    .map_err(failed("end watches"))?;
    let begun = sqlx::query(stored::BEGUN_AHEAD).bind(now).execute(&mut *connection).await;
    begun.map_err(failed("begin watches"))?;
    if wanted.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "INSERT INTO watches (check_id, region, schedule, paused, from_at) \
         SELECT check_id, region, schedule, paused, $5 FROM unnest($1::text[], $2::text[], \
         $3::text[], $4::boolean[]) AS new (check_id, region, schedule, paused)",
    )
    .bind(wanted.keys().map(|(check, _)| *check).collect::<Vec<_>>())
    .bind(wanted.keys().map(|(_, region)| *region).collect::<Vec<_>>())
    .bind(wanted.values().map(|(schedule, _)| schedule.as_str()).collect::<Vec<_>>())
    .bind(wanted.values().map(|(_, paused)| *paused).collect::<Vec<_>>())
    .bind(since);
    query.execute(connection).await.map_err(failed("begin watches")).map(|_| ())
}
