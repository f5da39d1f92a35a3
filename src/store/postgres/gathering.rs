//! Digests: what is owed to one recipient, gathered under one claim.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};

use super::attempts::Attempts;
use super::session::{begin, commit};
use super::{PostgresStore, care, failed, incidents, settlements, storable};
use crate::domain::Timestamp;
use crate::domain::id::{IncidentId, NotificationId};
use crate::domain::incident::{DecisionKind, Transition};
use crate::domain::notification::{NotificationState, Settlement};
use crate::domain::policy::Recipient;
use crate::domain::storm::Crowd;
use crate::domain::subject::Subject;
use crate::store::claims::{self, Effect};
use crate::store::gathering::{
    Answered, Asked, Background, Gathered, Gathering, MOST, MOST_TOLD, alike,
};
use crate::store::rows;
use crate::store::rows::notification::{DownRow, NotificationRow, ToldRow, WaitingRow, gather};
use crate::store::{Claim, Ended, Error, Standing};

#[async_trait]
impl Gathering for PostgresStore {
    async fn background(&self, asked: &Asked<'_>) -> Result<Background, Error> {
        let mut background = Background::default();
        if asked == &Asked::default() {
            return Ok(background);
        }
        let mut snapshot = self.snapshot().await?;
        if let Some((recipient, since)) = asked.crowd {
            background.crowd = Some(crowd(&mut snapshot, recipient, since).await?);
        }
        if let Some((incident, subject)) = asked.story
            && let Some(history) = incidents::history(&mut snapshot, incident).await?
        {
            background.story = Some(DownRow::tell(history, &down(&mut snapshot, subject).await?)?);
        }
        if let Some(now) = asked.silences {
            background.silences = care::silences(&mut snapshot, now).await?;
        }
        Ok(background)
    }

    async fn gather(
        &self,
        claim: &Claim,
        others: &[NotificationId],
    ) -> Result<Option<Gathered>, Error> {
        let mut attempts = Attempts::default();
        let mut gathered = loop {
            let result = into_digest(self.writers()?, claim, others).await;
            if attempts.are_over(&result) {
                break result?;
            }
        };
        if let Some(Gathered { claim: Claim { until, gathered: Some(all), .. }, .. }) =
            &mut gathered
        {
            // They are held as long as the claim, by whichever clock that is told.
            for it in all {
                it.until = *until;
            }
        }
        Ok(gathered)
    }

    async fn hold(
        &self,
        claim: &Claim,
        others: &[NotificationId],
        until: Timestamp,
        reason: &str,
    ) -> Result<Standing, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = hold(self.writers()?, claim, others, (until, reason)).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }
}

async fn crowd(
    connection: &mut PgConnection,
    recipient: &Recipient,
    since: Timestamp,
) -> Result<Crowd, Error> {
    let waiting: Vec<WaitingRow> = sqlx::query_as(
        "SELECT id, incident_id, due_at, \
         (possible_repeat OR digest IS NOT NULL OR lease_until IS NOT NULL) AS is_bound, \
         EXISTS (SELECT 1 FROM notifications AS own WHERE own.incident_id = mine.incident_id \
         AND own.channel = mine.channel AND own.address = mine.address \
         AND own.state = 'sent' AND own.digest IS NULL) AS is_known \
         FROM notifications AS mine WHERE state = 'owed' AND channel = $1 AND address = $2 \
         AND kind <> 'drill' ORDER BY id LIMIT $3",
    )
    .bind(recipient.channel().as_str())
    .bind(recipient.address())
    .bind(i64::from(MOST))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read what is owed to one recipient"))?;
    let told: Vec<ToldRow> = sqlx::query_as(
        "SELECT id, incident_id, settled_at, digest FROM notifications \
         WHERE channel = $1 AND address = $2 AND state = 'sent' \
         AND kind <> 'drill' AND settled_at > $3 ORDER BY settled_at DESC LIMIT $4",
    )
    .bind(recipient.channel().as_str())
    .bind(recipient.address())
    .bind(rows::millis(since))
    .bind(i64::from(MOST_TOLD))
    .fetch_all(connection)
    .await
    .map_err(failed("read what one recipient was sent"))?;
    Ok(Crowd {
        waiting: waiting.into_iter().map(WaitingRow::read).collect::<Result<_, _>>()?,
        told: told.into_iter().map(ToldRow::read).collect::<Result<_, _>>()?,
    })
}

/// Where a check is down, and when it last passed there.
async fn down(connection: &mut PgConnection, subject: &Subject) -> Result<Vec<DownRow>, Error> {
    let Subject::Check(check) = subject else { return Ok(Vec::new()) };
    sqlx::query_as(
        "SELECT region, last_success FROM streaks WHERE check_id = $1 AND down ORDER BY region",
    )
    .bind(check.as_str())
    .fetch_all(connection)
    .await
    .map_err(failed("read where a check is down"))
}

/// Holds the notification of a claim, and those of `others` that nobody else holds; whether the claim is
/// still held. The caller brings the transaction.
async fn lock(
    connection: &mut PgConnection,
    claim: &Claim,
    others: &[NotificationId],
) -> Result<Option<Vec<i64>>, Error> {
    let held: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM notifications WHERE id = $1 AND state || '' = 'owed' \
         AND lease_until IS NOT NULL AND epoch = $2 FOR NO KEY UPDATE",
    )
    .bind(claim.notification.id.0)
    .bind(claim.epoch.0)
    .fetch_optional(&mut *connection)
    .await
    .map_err(failed("look at a claim"))?;
    if held.is_none() {
        return Ok(None);
    }
    let others: Vec<i64> = others.iter().map(|id| id.0).collect();
    sqlx::query_scalar(
        "SELECT id FROM notifications WHERE id = ANY($1) AND id <> $2 AND state || '' = 'owed' \
         AND lease_until IS NULL AND digest IS NULL ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
    )
    .bind(others)
    .bind(claim.notification.id.0)
    .fetch_all(connection)
    .await
    .map(Some)
    .map_err(failed("hold notifications"))
}

async fn into_digest(
    pool: &PgPool,
    claim: &Claim,
    others: &[NotificationId],
) -> Result<Option<Gathered>, Error> {
    let mut transaction = begin(pool).await?;
    let Some(others) = lock(&mut transaction, claim, others).await? else {
        commit(pool, transaction).await?;
        return Ok(None);
    };
    let notification = &claim.notification;
    let joined: Vec<NotificationRow> = sqlx::query_as(concat!(
        "UPDATE notifications AS mine SET digest = $1, epoch = epoch + 1, begun = false, \
         leased_at = (SELECT head.leased_at FROM notifications AS head WHERE head.id = $1), \
         lease_until = (SELECT head.lease_until FROM notifications AS head WHERE head.id = $1), ",
        claims::is_first_word!(),
        " WHERE id = ANY($2) AND channel = $3 AND address = $4 AND NOT possible_repeat RETURNING ",
        rows::notification::shown!()
    ))
    .bind(notification.id.0)
    .bind(others)
    .bind(notification.recipient.channel().as_str())
    .bind(notification.recipient.address())
    .fetch_all(&mut *transaction)
    .await
    .map_err(failed("gather notifications"))?;
    sqlx::query("UPDATE notifications SET digest = id WHERE id = $1")
        .bind(notification.id.0)
        .execute(&mut *transaction)
        .await
        .map_err(failed("gather notifications"))?;
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM incidents WHERE resolved_at IS NULL")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed("count the open incidents"))?;
    commit(pool, transaction).await?;
    let mut claim = [claim.clone()];
    claim[0].gathered.get_or_insert_default();
    gather(&mut claim, joined)?;
    let [claim] = claim;
    Ok(Some(Gathered { claim, open: open.unsigned_abs() }))
}

async fn hold(
    pool: &PgPool,
    claim: &Claim,
    others: &[NotificationId],
    (until, reason): (Timestamp, &str),
) -> Result<Standing, Error> {
    let mut transaction = begin(pool).await?;
    let Some(mut all) = lock(&mut transaction, claim, others).await? else {
        commit(pool, transaction).await?;
        return Ok(Standing::Lost);
    };
    all.push(claim.notification.id.0);
    sqlx::query(
        "UPDATE notifications SET due_at = greatest(due_at, $2), reason = $3, leased_at = NULL, \
         lease_until = NULL, begun = false WHERE id = ANY($1)",
    )
    .bind(all)
    .bind(rows::millis(until))
    .bind(reason)
    .execute(&mut *transaction)
    .await
    .map_err(failed("hold notifications"))?;
    settlements::supersede_stayed(&mut transaction, vec![claim.notification.id.0]).await?;
    commit(pool, transaction).await?;
    Ok(Standing::Held)
}

/// Leases what is in `digests`, which were just leased, and gives up what is in those that have `ended`.
/// What was leased before may have arrived with its digest.
pub(super) async fn lease_again(
    connection: &mut PgConnection,
    digests: &[i64],
    ended: &[i64],
) -> Result<Vec<NotificationRow>, Error> {
    if !ended.is_empty() {
        sqlx::query(
            "UPDATE notifications AS mine SET state = head.state, settled_at = head.settled_at, \
             reason = head.reason, failures = mine.failures + 1, begun = false, \
             leased_at = NULL, lease_until = NULL FROM notifications AS head \
             WHERE mine.digest = ANY($1) AND head.id = mine.digest AND mine.id <> head.id \
             AND mine.state = 'owed'",
        )
        .bind(ended)
        .execute(&mut *connection)
        .await
        .map_err(failed("note a lost lease"))?;
    }
    if digests.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as(concat!(
        "UPDATE notifications AS mine SET epoch = epoch + 1, begun = false, \
         leased_at = (SELECT head.leased_at FROM notifications AS head WHERE head.id = mine.digest), \
         lease_until = \
         (SELECT head.lease_until FROM notifications AS head WHERE head.id = mine.digest), \
         possible_repeat = possible_repeat OR lease_until IS NOT NULL, failures = failures + \
         CASE WHEN lease_until IS NULL OR possible_repeat THEN 0 ELSE 1 END \
         WHERE digest = ANY($1) AND id <> digest AND state || '' = 'owed' RETURNING ",
        rows::notification::shown!()
    ))
    .bind(digests)
    .fetch_all(connection)
    .await
    .map_err(failed("lease a digest"))
}

/// Writes what an attempt at a digest means besides its delivery: what it means for all that is in it, and
/// when what happened.
pub(super) async fn settle(
    connection: &mut PgConnection,
    ended: &Ended<'_>,
    effect: Effect,
) -> Result<(), Error> {
    if let Effect::Nothing(_) = effect {
        return Ok(());
    }
    let Ended { claim, started_at, ended_at, settlement, shared, .. } = *ended;
    for (same, ids) in alike(shared) {
        let follows = (same, claims::stays_gathered(settlement, same));
        settle_gathered(&mut *connection, claim, ids, follows, ended_at).await?;
    }
    if effect == Effect::Settle && !claims::stays_gathered(settlement, settlement) {
        sqlx::query("UPDATE notifications SET digest = NULL WHERE id = $1")
            .bind(claim.notification.id.0)
            .execute(&mut *connection)
            .await
            .map_err(failed("settle a digest"))?;
    }
    if settlement.state != NotificationState::Sent {
        return Ok(());
    }
    let query = sqlx::query(
        "UPDATE notifications SET sent_at = $2, accepted_at = $3 WHERE (id = $1 OR digest = $1) \
         AND state IN ('sent', 'in_digest') AND accepted_at IS NULL",
    )
    .bind(claim.notification.id.0)
    .bind(rows::millis(started_at))
    .bind(rows::millis(ended_at));
    query.execute(connection).await.map_err(failed("stamp a notification")).map(|_| ())
}

/// Writes what an attempt means for those of a digest for which it means the same.
async fn settle_gathered(
    connection: &mut PgConnection,
    claim: &Claim,
    ids: Vec<i64>,
    (settlement, stays): (&Settlement, bool),
    ended_at: Timestamp,
) -> Result<(), Error> {
    // By an acceptance, even what was given up meanwhile was told.
    let query = sqlx::query(
        "UPDATE notifications SET state = $3, due_at = $4, failures = $5, possible_repeat = $6, \
         reason = $7, leased_at = NULL, lease_until = NULL, begun = false, \
         settled_at = CASE WHEN $3 = 'owed' THEN NULL ELSE $8 END, \
         digest = CASE WHEN $9 THEN digest END \
         WHERE digest = $1 AND id = ANY($2) \
         AND (state = 'owed' OR $3 = 'in_digest')",
    )
    .bind(claim.notification.id.0)
    .bind(ids)
    .bind(settlement.state.as_str())
    .bind(rows::millis(settlement.due_at))
    .bind(i64::from(settlement.failures))
    .bind(settlement.possible_repeat)
    .bind(storable(&settlement.reason))
    .bind(rows::millis(ended_at))
    .bind(stays);
    query.execute(connection).await.map_err(failed("settle what is gathered")).map(|_| ())
}

/// Stamps what people were told of an incident, where somebody acknowledged that.
pub(super) async fn stamp(
    connection: &mut PgConnection,
    incident: IncidentId,
    transition: &Transition,
    now: Timestamp,
) -> Result<(), Error> {
    if !transition.decisions.iter().any(|it| it.kind == DecisionKind::Acknowledged) {
        return Ok(());
    }
    let query = sqlx::query(
        "UPDATE notifications SET acknowledged_at = $2 \
         WHERE incident_id = $1 AND accepted_at IS NOT NULL AND acknowledged_at IS NULL",
    )
    .bind(incident.0)
    .bind(rows::millis(now));
    query.execute(connection).await.map_err(failed("stamp notifications")).map(|_| ())
}

/// What was accepted about an incident before it was acknowledged at `now`.
pub(super) async fn answered(
    connection: &mut PgConnection,
    incident: IncidentId,
    now: Timestamp,
) -> Result<Vec<Answered>, Error> {
    let found: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT channel, accepted_at, acknowledged_at FROM notifications \
         WHERE incident_id = $1 AND acknowledged_at = $2 AND accepted_at IS NOT NULL ORDER BY id",
    )
    .bind(incident.0)
    .bind(rows::millis(now))
    .fetch_all(connection)
    .await
    .map_err(failed("read the stamps of notifications"))?;
    found.into_iter().map(rows::answered).collect()
}
