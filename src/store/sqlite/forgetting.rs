//! Forgetting: row by row, some at a time.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::failed;
use super::writer::{Durability, Writer};
use crate::domain::Timestamp;
use crate::failpoint::{self, Failpoint};
use crate::store::forgetting::{ALONE, INCIDENTS_AT_ONCE, OLD_INCIDENTS, Part, Span, WHOLE};
use crate::store::rows::run::first_id_at;
use crate::store::{Error, Horizons, rows};

/// Forgets some of what lies before `before`.
pub(super) async fn forget(
    writer: &mut Writer,
    before: &Horizons,
    limit: u32,
) -> Result<u64, Error> {
    let mut forgotten = 0;
    if let Some(incidents) = before.incidents {
        let connection = writer.begin(Durability::Process).await?;
        forgotten += forget_incidents(connection, incidents).await?;
        writer.commit().await?;
    }
    let connection = writer.begin(Durability::Process).await?;
    forgotten += forget_whole(connection, before.oldest(), limit).await?;
    writer.commit().await?;
    for part in Part::ALL {
        let connection = writer.begin(Durability::Process).await?;
        forgotten += forget_part(connection, part, before, limit).await?;
        if forgotten > 0 {
            failpoint::reach(Failpoint::Forgotten);
        }
        writer.commit().await?;
    }
    Ok(forgotten)
}

/// Forgets runs of all kinds, and decisions about no incident.
async fn forget_whole(
    connection: &mut SqliteConnection,
    before: Timestamp,
    limit: u32,
) -> Result<u64, Error> {
    let text = format!(
        "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE id < ?1 AND {ALONE} \
         ORDER BY id LIMIT +?2) RETURNING slot_at"
    );
    let slots: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(text))
        .bind(first_id_at(before))
        .bind(limit)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("forget runs"))?;
    if let Some(last) = slots.iter().max() {
        note(connection, WHOLE, last + 1).await?;
    }
    sqlx::query(
        "DELETE FROM decisions WHERE id IN (SELECT id FROM decisions \
         WHERE incident_id IS NULL AND at < ?1 ORDER BY at LIMIT +?2)",
    )
    .bind(rows::millis(before))
    .bind(limit)
    .execute(connection)
    .await
    .map_err(failed("forget decisions"))?;
    Ok(u64::try_from(slots.len()).unwrap_or(u64::MAX))
}

/// Forgets some of a part, and notes how far.
async fn forget_part(
    connection: &mut SqliteConnection,
    part: Part,
    before: &Horizons,
    limit: u32,
) -> Result<u64, Error> {
    let what = failed("forget some runs");
    let mark: Option<i64> = sqlx::query_scalar("SELECT until_at FROM forgotten WHERE part = ?1")
        .bind(part.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(&what)?;
    let mark = mark.map(rows::timestamp).transpose()?;
    let Some(span) = Span::of(part, before, mark) else { return Ok(0) };
    let last: Option<Uuid> = sqlx::query_scalar(AssertSqlSafe(part.last()))
        .bind(span.start)
        .bind(span.end)
        .bind(i64::from(limit.saturating_sub(1)))
        .fetch_optional(&mut *connection)
        .await
        .map_err(&what)?;
    let some = span.up_to(last);
    let forgotten = sqlx::query(AssertSqlSafe(part.forget()))
        .bind(some.start)
        .bind(some.end)
        .execute(&mut *connection)
        .await
        .map_err(&what)?;
    note(connection, part.as_str(), some.mark()).await?;
    Ok(forgotten.rows_affected())
}

/// Notes before which slots a part is forgotten.
async fn note(connection: &mut SqliteConnection, part: &str, until: i64) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO forgotten VALUES (?1, ?2) ON CONFLICT (part) \
         DO UPDATE SET until_at = max(until_at, excluded.until_at)",
    );
    let noted = query.bind(part).bind(until).execute(connection).await;
    noted.map_err(failed("note what is forgotten")).map(|_| ())
}

/// Forgets incidents that ended, with all that belongs to them.
async fn forget_incidents(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<u64, Error> {
    let what = failed("forget incidents");
    let old: Vec<i64> = sqlx::query_scalar(OLD_INCIDENTS)
        .bind(rows::millis(before))
        .bind(INCIDENTS_AT_ONCE)
        .fetch_all(&mut *connection)
        .await
        .map_err(&what)?;
    for id in &old {
        for text in [
            "DELETE FROM deliveries WHERE notification_id IN \
             (SELECT id FROM notifications WHERE incident_id = ?1)",
            "DELETE FROM notifications WHERE incident_id = ?1",
            "DELETE FROM decisions WHERE incident_id = ?1",
            "DELETE FROM incidents WHERE id = ?1",
        ] {
            sqlx::query(text).bind(id).execute(&mut *connection).await.map_err(&what)?;
        }
    }
    Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
}
