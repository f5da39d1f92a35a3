//! Handing on: what is owed to a rota is owed to people in its place.

use sqlx::postgres::{PgConnection, PgPool};

use super::session::{begin, commit};
use super::{failed, notifications};
use crate::domain::Timestamp;
use crate::domain::id::PersonId;
use crate::domain::incident::Owed;
use crate::domain::rota::Call;
use crate::store::{Claim, Error, Standing, claims, rows};

/// Owes the message to people in place of the rota, by whoever still holds the claim.
pub(super) async fn hand_on(
    pool: &PgPool,
    claim: &Claim,
    call: &Call,
    now: Timestamp,
) -> Result<Standing, Error> {
    let notification = &claim.notification;
    let mut connection = begin(pool).await?;
    let telling: Option<i64> = sqlx::query_scalar(
        "SELECT telling FROM notifications \
         WHERE id = $1 AND state || '' = 'owed' AND lease_until IS NOT NULL AND epoch = $2 FOR NO KEY UPDATE",
    )
    .bind(notification.id.0)
    .bind(claim.epoch.0)
    .fetch_optional(&mut *connection)
    .await
    .map_err(failed("look at a claim"))?;
    let Some(telling) = telling else {
        commit(pool, connection).await?;
        return Ok(Standing::Lost);
    };
    let rota = notification.recipient.address();
    let mut before = Vec::new();
    if notification.notice.kind.is_end() {
        before = told_before(&mut connection, claim).await?;
    }
    let (state, reason) = claims::handed_on(call, !before.is_empty());
    let people = if before.is_empty() { call.people.clone() } else { before };
    for person in people {
        let owed = Owed {
            recipient: notification.recipient.handed_to(person),
            notice: notification.notice.clone(),
            telling: u32::try_from(telling).map_err(|error| rows::unreadable("telling", error))?,
        };
        notifications::owe(&mut connection, notification.incident, &owed, None, now).await?;
        sqlx::query(
            "UPDATE notifications SET instead_of = $5, failed_at = \
             (SELECT rota.failed_at FROM notifications AS rota WHERE rota.id = $6) \
             WHERE incident_id = $1 \
             AND channel = $2 AND address = $3 AND telling = $4 AND instead_of IS NULL",
        )
        .bind(notification.incident.0)
        .bind(owed.recipient.channel().as_str())
        .bind(owed.recipient.address())
        .bind(telling)
        .bind(rota)
        .bind(notification.id.0)
        .execute(&mut *connection)
        .await
        .map_err(failed("owe in place of a rota"))?;
    }
    sqlx::query(
        "UPDATE notifications SET state = $2, reason = $3, settled_at = $4, \
         leased_at = NULL, lease_until = NULL, begun = false WHERE id = $1",
    )
    .bind(notification.id.0)
    .bind(state.as_str())
    .bind(reason.as_str())
    .bind(rows::millis(now))
    .execute(&mut *connection)
    .await
    .map_err(failed("hand on a notification"))?;
    commit(pool, connection).await?;
    Ok(Standing::Held)
}

/// Who was told of the incident in place of the rota.
async fn told_before(connection: &mut PgConnection, claim: &Claim) -> Result<Vec<PersonId>, Error> {
    let notification = &claim.notification;
    let people: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT address FROM notifications \
         WHERE incident_id = $1 AND channel = $2 AND instead_of = $3 \
         AND in_place_of IS NULL ORDER BY address",
    )
    .bind(notification.incident.0)
    .bind(notification.recipient.handed_by().as_str())
    .bind(notification.recipient.address())
    .fetch_all(connection)
    .await
    .map_err(failed("look for who was told"))?;
    people.iter().map(|person| rows::person(person)).collect()
}
