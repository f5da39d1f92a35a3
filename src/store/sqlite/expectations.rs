//! What is expected, by the latest edition of the project.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::writer::{Durability, Writer};
use super::{accounts, failed, hours};
use crate::domain::Timestamp;
use crate::domain::coverage::{Watch, hour_of};
use crate::domain::edition::{Latest, Novelty, Rank};
use crate::store::accounts::{Expectation, Expected};
use crate::store::rows::accounts::{self as stored, GapRow, LatestRow, WatchRow, terms};
use crate::store::{Error, rows};

pub(super) async fn expect(
    writer: &mut Writer,
    expectation: &Expectation,
    now: Timestamp,
) -> Result<Rank, Error> {
    let connection = writer.begin(Durability::Process).await?;
    let latest = latest(&mut *connection).await?;
    let edition = &expectation.edition;
    let novelty = novelty(&mut *connection, &edition.digest).await?;
    if let Rank::Earlier = edition.rank(latest.as_ref(), novelty, expectation.since, now) {
        writer.commit().await?;
        return Ok(Rank::Earlier);
    }
    let taken = stored::taken(expectation, latest.as_ref(), now);
    sqlx::query(LatestRow::TAKE)
        .bind(&taken.digest)
        .bind(rows::millis(taken.edited_at))
        .bind(rows::millis(taken.taken_at))
        .bind(rows::millis(taken.seen_at))
        .execute(&mut *connection)
        .await
        .map_err(failed("note the latest edition"))?;
    let accounted = not_beyond(&mut *connection, now).await?;
    let since = accounted.map_or(expectation.since, |it| it.max(expectation.since));
    change(&mut *connection, &expectation.expected, (rows::millis(since), rows::millis(now)))
        .await?;
    let closed = hours::closed(&mut *connection).await?;
    writer.commit().await?;
    writer.memory().await?.closed = closed;
    Ok(Rank::Latest)
}

pub(super) async fn hold(writer: &mut Writer, digest: &str, now: Timestamp) -> Result<Rank, Error> {
    let connection = writer.begin(Durability::Process).await?;
    let held = sqlx::query(
        "UPDATE editions SET seen_at = max(seen_at, $2) WHERE digest = $1 \
         AND taken_at = (SELECT max(taken_at) FROM editions)",
    )
    .bind(digest)
    .bind(rows::millis(now))
    .execute(connection)
    .await
    .map_err(failed("hold an edition"))?;
    writer.commit().await?;
    Ok(Rank::latest_if(held.rows_affected() > 0))
}

/// Whoever held the latest edition before this process is dead: a file has one process at a time.
pub(super) async fn release(connection: &mut SqliteConnection) -> Result<(), Error> {
    let query = sqlx::query("UPDATE editions SET seen_at = 0");
    query.execute(connection).await.map_err(failed("release the editions")).map(|_| ())
}

/// Whether the edition with this digest is the latest.
pub(super) async fn rank(connection: &mut SqliteConnection, digest: &str) -> Result<Rank, Error> {
    let latest = latest(connection).await?;
    Ok(Rank::latest_if(latest.is_none_or(|latest| latest.digest == digest)))
}

/// Whether whoever has the edition with this digest may do what one hub does at a time.
pub(super) async fn may_lead(
    connection: &mut SqliteConnection,
    digest: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let latest = latest(connection).await?;
    Ok(latest.is_none_or(|latest| latest.leaves_it_to(digest, now)))
}

async fn latest(connection: &mut SqliteConnection) -> Result<Option<Latest>, Error> {
    let found: Option<LatestRow> = sqlx::query_as(LatestRow::SELECT)
        .fetch_optional(connection)
        .await
        .map_err(failed("read the latest edition"))?;
    found.map(LatestRow::read).transpose()
}

async fn novelty(connection: &mut SqliteConnection, digest: &str) -> Result<Novelty, Error> {
    let found: Option<i64> = sqlx::query_scalar("SELECT seen_at FROM editions WHERE digest = $1")
        .bind(digest)
        .fetch_optional(connection)
        .await
        .map_err(failed("look for an edition"))?;
    Ok(found.map_or(Novelty::New, |_| Novelty::Former))
}

/// Takes back what is accounted for beyond `now`; up to when slots are accounted for.
async fn not_beyond(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let until: Option<i64> = sqlx::query_scalar("SELECT until_at FROM accounted")
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
    accounts::write_gaps(&mut *connection, &gaps).await?;
    let hour = rows::millis(hour_of(now));
    for (text, time) in [
        ("DELETE FROM tallied WHERE from_at > $1", hour),
        ("UPDATE tallied SET until_at = min(until_at, $1), closing_at = NULL", hour),
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
    connection: &mut SqliteConnection,
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
    for (id, check, region, schedule, paused) in &open {
        let place = (check.as_str(), region.as_str());
        if wanted.get(&place).is_some_and(|(same, duty)| same == schedule && duty == paused) {
            wanted.remove(&place);
            continue;
        }
        end(&mut *connection, "id = $2", since, *id).await?;
    }
    // Those that ended at a time to come were ended by a clock that was ahead.
    end(&mut *connection, "until_at > $2", since, now).await?;
    let begun = sqlx::query(stored::BEGUN_AHEAD).bind(now).execute(&mut *connection).await;
    begun.map_err(failed("begin watches"))?;
    for ((check, region), (schedule, paused)) in wanted {
        sqlx::query(
            "INSERT INTO watches (check_id, region, schedule, paused, from_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(check)
        .bind(region)
        .bind(schedule)
        .bind(paused)
        .bind(since)
        .execute(&mut *connection)
        .await
        .map_err(failed("begin a watch"))?;
    }
    Ok(())
}

async fn end(
    connection: &mut SqliteConnection,
    which: &'static str,
    since: i64,
    value: i64,
) -> Result<(), Error> {
    let text = format!("UPDATE watches SET until_at = max(from_at, $1) WHERE {which}");
    let query = sqlx::query(AssertSqlSafe(text)).bind(since).bind(value);
    query.execute(connection).await.map_err(failed("end a watch")).map(|_| ())
}
