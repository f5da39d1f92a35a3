//! Forgetting: whole days are dropped, which costs the same however much is in them.
//!
//! Runs that led to a decision about an incident move to `kept_runs` first. A table that is in use
//! is left for the next time: everybody who records waits while one who drops does.

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgPool};
use uuid::Uuid;

use super::days::{self, Day, Days};
use super::failed;
use super::session::{begin, commit};
use crate::domain::Timestamp;
use crate::failpoint::{self, Failpoint};
use crate::store::forgetting::{INCIDENTS_AT_ONCE, OLD_INCIDENTS, Part, Span, WHOLE};
use crate::store::rows::run::first_id_at;
use crate::store::{Error, Horizons, rows};

/// Forgets some of what lies before `before`.
pub(super) async fn forget(
    pool: &PgPool,
    known: &Days,
    before: &Horizons,
    limit: u32,
) -> Result<u64, Error> {
    let mut forgotten = 0;
    if let Some(incidents) = before.incidents {
        forgotten += forget_incidents(pool, incidents).await?;
    }
    forgotten += forget_kept(pool, before.oldest(), limit).await?;
    forget_decisions(pool, before.oldest(), limit).await?;
    let mut dropped = 0;
    for day in known.known(pool).await? {
        if day >= Day::at(before.oldest()) || dropped >= u64::from(limit) {
            break;
        }
        match drop_day(pool, day).await {
            Ok(runs) => dropped += runs,
            Err(error) if is_busy(&error) => {
                tracing::info!(%day, "the runs of a day are in use; they are forgotten later");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    forgotten += dropped;
    for part in Part::ALL {
        forgotten += forget_part(pool, part, before, limit).await?;
    }
    Ok(forgotten)
}

/// Forgets some of a part, and notes how far.
async fn forget_part(
    pool: &PgPool,
    part: Part,
    before: &Horizons,
    limit: u32,
) -> Result<u64, Error> {
    let what = failed("forget some runs");
    let mut transaction = begin(pool).await?;
    let mark: Option<i64> = sqlx::query_scalar("SELECT until_at FROM forgotten WHERE part = $1")
        .bind(part.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(&what)?;
    let mark = mark.map(rows::timestamp).transpose()?;
    let Some(span) = Span::of(part, before, mark) else { return Ok(0) };
    // Planned for these days each time: a plan for any days would lock all of them.
    let last: Option<Uuid> = sqlx::query_scalar(AssertSqlSafe(part.last()))
        .bind(span.start)
        .bind(span.end)
        .bind(i64::from(limit.saturating_sub(1)))
        .persistent(false)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(&what)?;
    let some = span.up_to(last);
    let forgotten = sqlx::query(AssertSqlSafe(part.forget()))
        .bind(some.start)
        .bind(some.end)
        .persistent(false)
        .execute(&mut *transaction)
        .await
        .map_err(&what)?;
    note(&mut transaction, part.as_str(), some.mark()).await?;
    commit(pool, transaction).await?;
    Ok(forgotten.rows_affected())
}

/// Notes before which slots a part is forgotten.
async fn note(connection: &mut PgConnection, part: &str, until: i64) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO forgotten VALUES ($1, $2) ON CONFLICT (part) \
         DO UPDATE SET until_at = greatest(forgotten.until_at, excluded.until_at)",
    );
    let noted = query.bind(part).bind(until).execute(connection).await;
    noted.map_err(failed("note what is forgotten")).map(|_| ())
}

/// Forgets incidents that ended, with all that belongs to them.
async fn forget_incidents(pool: &PgPool, before: Timestamp) -> Result<u64, Error> {
    let what = failed("forget incidents");
    let mut transaction = begin(pool).await?;
    let old: Vec<i64> = sqlx::query_scalar(OLD_INCIDENTS)
        .bind(rows::millis(before))
        .bind(INCIDENTS_AT_ONCE)
        .fetch_all(&mut *transaction)
        .await
        .map_err(&what)?;
    for text in [
        "DELETE FROM deliveries WHERE notification_id IN \
         (SELECT id FROM notifications WHERE incident_id = ANY($1))",
        "DELETE FROM notifications WHERE incident_id = ANY($1)",
        "DELETE FROM decisions WHERE incident_id = ANY($1)",
        "DELETE FROM incidents WHERE id = ANY($1)",
    ] {
        sqlx::query(text).bind(&old).execute(&mut *transaction).await.map_err(&what)?;
    }
    commit(pool, transaction).await?;
    Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
}

/// Forgets runs that were kept for incidents that are forgotten themselves.
async fn forget_kept(pool: &PgPool, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let query = sqlx::query(
        "DELETE FROM kept_runs WHERE id IN (SELECT id FROM kept_runs WHERE id < $1 \
         AND NOT EXISTS (SELECT 1 FROM decisions WHERE run_id = kept_runs.id \
         AND incident_id IS NOT NULL) ORDER BY id LIMIT $2)",
    )
    .bind(first_id_at(before))
    .bind(i64::from(limit));
    let forgotten = query.execute(pool).await.map_err(failed("forget runs"))?;
    Ok(forgotten.rows_affected())
}

/// Whether somebody held a table for longer than is waited.
fn is_busy(error: &Error) -> bool {
    let Error::Database { source, .. } = error else { return false };
    let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.as_deref() == Some("55P03")
}

/// Drops the partition of a day; says how many runs went with it.
async fn drop_day(pool: &PgPool, day: Day) -> Result<u64, Error> {
    let what = "forget the runs of a day";
    let mut transaction = begin(pool).await?;
    days::hold(&mut transaction).await?;
    if !days::list(&mut transaction).await?.contains(&day) {
        return Ok(0);
    }
    // Before the lock, because it takes long; a report that comes in between is not counted.
    let count = AssertSqlSafe(format!("SELECT count(*) FROM {day}"));
    let runs: i64 =
        sqlx::query_scalar(count).fetch_one(&mut *transaction).await.map_err(failed(what))?;
    // In the order in which those who record take them.
    let lock = AssertSqlSafe(format!(
        "SET LOCAL lock_timeout = '2s'; LOCK TABLE ONLY runs IN ACCESS EXCLUSIVE MODE; \
         LOCK TABLE {day} IN ACCESS EXCLUSIVE MODE"
    ));
    sqlx::raw_sql(lock).execute(&mut *transaction).await.map_err(failed(what))?;
    let keep = AssertSqlSafe(format!(
        "INSERT INTO kept_runs SELECT * FROM {day} WHERE id IN (SELECT run_id FROM decisions \
         WHERE incident_id IS NOT NULL AND run_id IS NOT NULL AND run_id >= $1 AND run_id < $2) \
         ON CONFLICT DO NOTHING"
    ));
    let kept = sqlx::query(keep)
        .bind(day.first_id())
        .bind(day.next().first_id())
        .execute(&mut *transaction)
        .await
        .map_err(failed(what))?;
    let drop = AssertSqlSafe(format!("DROP TABLE {day}"));
    sqlx::raw_sql(drop).execute(&mut *transaction).await.map_err(failed(what))?;
    note(&mut transaction, WHOLE, day.next().begin()).await?;
    failpoint::reach(Failpoint::Forgotten);
    commit(pool, transaction).await?;
    Ok(runs.unsigned_abs().saturating_sub(kept.rows_affected()))
}

async fn forget_decisions(pool: &PgPool, before: Timestamp, limit: u32) -> Result<(), Error> {
    let query = sqlx::query(
        "DELETE FROM decisions WHERE id IN (SELECT id FROM decisions \
         WHERE incident_id IS NULL AND at < $1 ORDER BY at LIMIT $2)",
    )
    .bind(rows::millis(before))
    .bind(i64::from(limit));
    query.execute(pool).await.map_err(failed("forget decisions")).map(|_| ())
}
