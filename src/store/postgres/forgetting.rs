//! Forgetting: whole days are dropped, which costs the same however much is in them.
//!
//! Runs that led to a decision about an incident move to `kept_runs` first. A table that is in use
//! is left for the next time: everybody who records waits while one who drops does.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;

use super::days::{self, Day, Days};
use super::failed;
use super::session::{begin, commit};
use crate::domain::Timestamp;
use crate::store::{Error, rows};

/// Forgets old runs that no incident refers to, and old decisions about no incident.
pub(super) async fn forget(
    pool: &PgPool,
    known: &Days,
    before: Timestamp,
    limit: u32,
) -> Result<u64, Error> {
    forget_decisions(pool, before, limit).await?;
    let mut forgotten = 0;
    for day in known.known(pool).await? {
        if day >= Day::at(before) || forgotten >= u64::from(limit) {
            break;
        }
        match drop_day(pool, day).await {
            Ok(runs) => forgotten += runs,
            Err(error) if is_busy(&error) => {
                tracing::info!(%day, "the runs of a day are in use; they are forgotten later");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(forgotten)
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
