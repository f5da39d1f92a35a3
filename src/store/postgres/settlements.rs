//! Settling: what came of an attempt, by whoever still holds the claim.

use sqlx::postgres::{PgConnection, PgPool};

use super::session::{begin, commit};
use super::{failed, gathering, storable, succession};
use crate::domain::Timestamp;
use crate::domain::notification::{Attempt, Settlement};
use crate::domain::proof::{self, Status};
use crate::store::claims::Effect;
use crate::store::gathering::Shared;
use crate::store::rows;
use crate::store::rows::notification::PresentRow;
use crate::store::{Claim, Error, Standing};

/// Records an attempt and what follows.
pub(super) async fn settle(
    pool: &PgPool,
    claim: &Claim,
    times: (Timestamp, Timestamp),
    attempt: &Attempt,
    (settlement, shared): (&Settlement, &[Shared]),
) -> Result<Standing, Error> {
    let mut transaction = begin(pool).await?;
    let locked = sqlx::query("SELECT 1 FROM notifications WHERE id = $1 FOR NO KEY UPDATE")
        .bind(claim.notification.id.0)
        .execute(&mut *transaction);
    locked.await.map_err(failed("look at a claim"))?;
    // By a statement of its own, which sees what was committed while the lock was waited for.
    let present: Option<PresentRow> = sqlx::query_as(
        "SELECT state, epoch, lease_until IS NOT NULL AS leased, EXISTS (SELECT 1 FROM deliveries \
         WHERE notification_id = $1 AND deliveries.epoch = $2 AND started_at = $3 \
         AND outcome = $4) AS recorded FROM notifications WHERE id = $1",
    )
    .bind(claim.notification.id.0)
    .bind(claim.epoch.0)
    .bind(rows::millis(times.0))
    .bind(attempt.as_str())
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed("look at a claim"))?;
    let present = present.map(PresentRow::read).transpose()?;
    let effect = present
        .map_or(Effect::Nothing(Standing::Lost), |present| Effect::of(present, claim, attempt));
    match effect {
        Effect::Settle => {
            write_delivery(&mut transaction, claim, times, attempt).await?;
            write_settlement(&mut transaction, claim, times.1, settlement).await?;
        }
        Effect::Accept => {
            write_delivery(&mut transaction, claim, times, attempt).await?;
            write_acceptance(&mut transaction, claim, times.1, settlement).await?;
        }
        Effect::Nothing(_) => {}
    }
    gathering::settle(&mut transaction, claim, times, effect, (settlement, shared)).await?;
    commit(pool, transaction).await?;
    Ok(effect.standing())
}

/// Notes that a repeat is about to leave.
pub(super) async fn note_departure(pool: &PgPool, claim: &Claim) -> Result<Standing, Error> {
    let mut transaction = begin(pool).await?;
    let noted = sqlx::query(
        "UPDATE notifications SET begun = true \
         WHERE id = $1 AND state = 'owed' AND lease_until IS NOT NULL AND epoch = $2",
    )
    .bind(claim.notification.id.0)
    .bind(claim.epoch.0)
    .execute(&mut *transaction)
    .await
    .map_err(failed("note a departure"))?;
    commit(pool, transaction).await?;
    Ok(if noted.rows_affected() > 0 { Standing::Held } else { Standing::Lost })
}

async fn write_delivery(
    connection: &mut PgConnection,
    claim: &Claim,
    (started_at, ended_at): (Timestamp, Timestamp),
    attempt: &Attempt,
) -> Result<(), Error> {
    let recipient = &claim.notification.recipient;
    let mut ask_at = None;
    if let Attempt::Accepted { receipt } = attempt {
        ask_at = proof::first_asked(recipient, receipt, ended_at);
        succession::mend(&mut *connection, recipient).await?;
    }
    let query = sqlx::query(
        "INSERT INTO deliveries (notification_id, epoch, started_at, ended_at, outcome, detail, \
         status, status_at, ask_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $7 IS NULL THEN NULL ELSE $4 END, $8)",
    )
    .bind(claim.notification.id.0)
    .bind(claim.epoch.0)
    .bind(rows::millis(started_at))
    .bind(rows::millis(ended_at))
    .bind(attempt.as_str())
    .bind(storable(attempt.detail()))
    .bind(ask_at.map(|_| Status::Queued.as_str()))
    .bind(ask_at.map(rows::millis));
    query.execute(connection).await.map_err(failed("record a delivery")).map(|_| ())
}

async fn write_settlement(
    connection: &mut PgConnection,
    claim: &Claim,
    ended_at: Timestamp,
    settlement: &Settlement,
) -> Result<(), Error> {
    let query = sqlx::query(
        "UPDATE notifications SET state = $2, due_at = $3, failures = $4, possible_repeat = $5, \
         reason = $6, leased_at = NULL, lease_until = NULL, begun = false, \
         settled_at = CASE WHEN $2 = 'owed' THEN NULL ELSE $7 END WHERE id = $1",
    )
    .bind(claim.notification.id.0)
    .bind(settlement.state.as_str())
    .bind(rows::millis(settlement.due_at))
    .bind(i64::from(settlement.failures))
    .bind(settlement.possible_repeat)
    .bind(storable(&settlement.reason))
    .bind(rows::millis(ended_at));
    query.execute(connection).await.map_err(failed("settle a notification")).map(|_| ())
}

/// The recipient has the message, by a claim that is no longer held.
async fn write_acceptance(
    connection: &mut PgConnection,
    claim: &Claim,
    ended_at: Timestamp,
    settlement: &Settlement,
) -> Result<(), Error> {
    let query = sqlx::query(
        "UPDATE notifications SET state = 'sent', reason = $2, leased_at = NULL, \
         lease_until = NULL, begun = false, settled_at = $3 WHERE id = $1 AND state <> 'sent'",
    )
    .bind(claim.notification.id.0)
    .bind(storable(&settlement.reason))
    .bind(rows::millis(ended_at));
    query.execute(connection).await.map_err(failed("settle a notification")).map(|_| ())
}
