//! Following messages after they left: who is told instead, what providers say later, what people answer.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::script::Script;
use super::writer::{Durability, Writer};
use super::{SqliteStore, failed, incidents, notifications};
use crate::domain::id::{IncidentId, PersonId};
use crate::domain::incident::Owed;
use crate::domain::notification::{Attempt, NotificationState};
use crate::domain::path::{Breakage, Path};
use crate::domain::policy::{Channel, Recipient};
use crate::domain::proof::Word;
use crate::domain::succession::{Case, Heirs, TRIED_ON_AFTER};
use crate::domain::{Timestamp, after};
use crate::store::rows::notification::{NotificationRow, UnprovenRow, owed_to, status};
use crate::store::succession::{
    Chooser, Following, Heard, Origin, REMEMBERED, Succeeded, Unproven, notice_to_heirs, standing,
};
use crate::store::{Error, IncidentRecord, NotificationRecord, rows};

/// So many open incidents of a person are looked at.
const OPEN_FOR: i64 = 50;

#[async_trait]
impl Following for SqliteStore {
    async fn succeed(
        &self,
        chooser: &dyn Chooser,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Succeeded>, Error> {
        let now = rows::whole_millis(now);
        let mut writer = self.writer().await?;
        let result = succeed(&mut writer, chooser, limit, now).await;
        writer.finish(result).await
    }

    async fn claim_unproven(
        &self,
        now: Timestamp,
        taken_before: Timestamp,
        again_at: Timestamp,
        limit: u32,
    ) -> Result<Vec<Unproven>, Error> {
        let mut writer = self.writer().await?;
        let result = claim(&mut writer, (now, taken_before, again_at), limit).await;
        writer.finish(result).await
    }

    async fn hear(&self, receipt: &str, word: Word, now: Timestamp) -> Result<Heard, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let heard =
                note_word(writer.begin(Durability::Power).await?, receipt, word, now).await?;
            writer.commit().await?;
            Ok(heard)
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn ask_next(&self, receipt: &str, ask_at: Option<Timestamp>) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = async {
            sqlx::query(
                "UPDATE deliveries SET ask_at = ?2 WHERE detail = ?1 AND status IS NOT NULL",
            )
            .bind(receipt)
            .bind(ask_at.map(rows::millis))
            .execute(writer.begin(Durability::Process).await?)
            .await
            .map_err(failed("note when a provider is asked"))?;
            writer.commit().await
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn open_for(&self, person: &PersonId) -> Result<Vec<IncidentRecord>, Error> {
        let mut connection = self.reader().await?;
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT incidents.id FROM incidents JOIN notifications \
             ON incident_id = incidents.id WHERE resolved_at IS NULL AND channel = ?1 \
             AND address = ?2 AND state IN ('sent', 'in_digest', 'owed') ORDER BY incidents.id DESC LIMIT +?3",
        )
        .bind(Channel::Sms.as_str())
        .bind(person.as_str())
        .bind(OPEN_FOR)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("find the incidents of a person"))?;
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            records.extend(incidents::one(&mut connection, IncidentId(id)).await?);
        }
        Ok(records)
    }

    async fn broken(&self) -> Result<Vec<Breakage>, Error> {
        let mut connection = self.reader().await?;
        broken(&mut connection).await
    }
}

async fn succeed(
    writer: &mut Writer,
    chooser: &dyn Chooser,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Succeeded>, Error> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM notifications WHERE state = 'given_up' AND succeeded_at IS NULL \
         AND kind IN ('failing', 'blind', 'drill') ORDER BY id LIMIT +?",
    )
    .bind(limit)
    .fetch_all(writer.connection().await?)
    .await
    .map_err(failed("look for what was given up"))?;
    let mut succeeded = Vec::with_capacity(ids.len());
    for id in ids {
        let connection = writer.begin(Durability::Power).await?;
        let decided = succeed_one(connection, id, chooser, now).await?;
        writer.commit().await?;
        succeeded.extend(decided);
    }
    Ok(succeeded)
}

async fn claim(
    writer: &mut Writer,
    (now, taken_before, again_at): (Timestamp, Timestamp, Timestamp),
    limit: u32,
) -> Result<Vec<Unproven>, Error> {
    let due: Vec<(i64,)> = sqlx::query_as(
        "SELECT id FROM deliveries WHERE ask_at <= ?1 AND ended_at <= ?2 ORDER BY ask_at LIMIT +?3",
    )
    .bind(rows::millis(now))
    .bind(rows::millis(taken_before))
    .bind(limit)
    .fetch_all(writer.connection().await?)
    .await
    .map_err(failed("find unproven messages"))?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let connection = writer.begin(Durability::Process).await?;
    let mut claimed = Vec::with_capacity(due.len());
    for (id,) in due {
        let row: UnprovenRow = sqlx::query_as(
            "UPDATE deliveries SET ask_at = ?2 WHERE id = ?1 RETURNING detail, ended_at, status",
        )
        .bind(id)
        .bind(rows::millis(again_at))
        .fetch_one(&mut *connection)
        .await
        .map_err(failed("claim unproven messages"))?;
        claimed.push(row.read()?);
    }
    writer.commit().await?;
    Ok(claimed)
}

async fn incident(
    connection: &mut SqliteConnection,
    id: IncidentId,
) -> Result<Option<IncidentRecord>, Error> {
    incidents::one(connection, id).await
}

/// Decides about one message, if nobody did.
async fn succeed_one(
    connection: &mut SqliteConnection,
    id: i64,
    chooser: &dyn Chooser,
    now: Timestamp,
) -> Result<Option<Succeeded>, Error> {
    let row: Option<NotificationRow> = sqlx::query_as(
        "SELECT * FROM notifications WHERE id = ?1 AND state = 'given_up' AND succeeded_at IS NULL",
    )
    .bind(id)
    .fetch_optional(&mut *connection)
    .await
    .map_err(failed("read what was given up"))?;
    let Some(row) = row else { return Ok(None) };
    let NotificationRecord { notification, reason, .. } = row.read()?;
    let (telling, rota, before): (i64, Option<String>, Option<String>) =
        sqlx::query_as("SELECT telling, instead_of, succession FROM notifications WHERE id = ?1")
            .bind(id)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed("read what was given up"))?;
    let path = Path::of_credentials(&notification.recipient);
    let reason = reason.unwrap_or_default();
    let last = last_attempt(&mut *connection, id).await?;
    let is_broken = last.as_deref() == Some(Attempt::BROKEN);
    let finds_it_broken = is_broken
        && !is_mended(&mut *connection, id, &path).await?
        && found_broken(&mut *connection, &path, (&reason, now)).await?;
    let broken = broken(&mut *connection).await?.into_iter().map(|it| it.path).collect();
    let incident = incident(&mut *connection, notification.incident).await?;
    let case = Case {
        notification: &notification,
        reason: &reason,
        rota: rota.as_deref(),
        others: &others(&mut *connection, id, (notification.incident, telling)).await?,
        broken: &broken,
        finds_it_broken,
        may_still_leave: is_broken || last.as_deref() == Some(Attempt::RETRY),
        standing: &standing(incident.as_ref(), now),
    };
    let heirs = chooser.choose(&case, now);
    let origin = Origin { in_place_of: Some(id), instead_of: rota.as_deref(), ..Origin::default() };
    let mut script = Script::default();
    for recipient in &heirs.recipients {
        let owed = Owed {
            recipient: recipient.clone(),
            notice: notice_to_heirs(&notification.notice, &heirs.note),
            telling: u32::try_from(telling).map_err(|error| rows::unreadable("telling", error))?,
        };
        notifications::insert(&mut script, notification.incident, &owed, origin, now);
    }
    script.run(&mut *connection, "owe to others instead").await?;
    note(&mut *connection, id, &heirs, now).await?;
    let is_news = before.as_ref() != Some(&heirs.sentence);
    Ok(Some(Succeeded { notification, heirs, finds_it_broken, is_news }))
}

/// Notes what was decided of a message that was given up; where it is tried on, it is owed again.
async fn note(
    connection: &mut SqliteConnection,
    id: i64,
    heirs: &Heirs,
    now: Timestamp,
) -> Result<(), Error> {
    let query = if heirs.is_tried_on {
        let due = after(now, TRIED_ON_AFTER);
        sqlx::query(rows::succession::TRY_ON).bind(id).bind(rows::millis(due))
    } else {
        sqlx::query(rows::succession::SUCCEED).bind(id).bind(rows::millis(now))
    };
    let query = query.bind(heirs.sentence.as_str());
    query.execute(connection).await.map_err(failed("note who is told instead")).map(|_| ())
}

/// How the last attempt at a message ended, be it the one at its digest.
async fn last_attempt(connection: &mut SqliteConnection, id: i64) -> Result<Option<String>, Error> {
    sqlx::query_scalar(rows::succession::LAST_ATTEMPT)
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(failed("read the last attempt"))
}

/// Whether something was sent by `path` since the last attempt at a message, so that what it says of the
/// path is over.
async fn is_mended(connection: &mut SqliteConnection, id: i64, path: &Path) -> Result<bool, Error> {
    let accepted = sqlx::query_as(rows::succession::ACCEPTED_SINCE)
        .bind(id)
        .bind(path.channel().as_str())
        .fetch_all(connection)
        .await
        .map_err(failed("read what was sent since"))?;
    rows::succession::is_mended(path, accepted)
}

/// Notes that a path is broken; whether that is news.
pub(super) async fn found_broken(
    connection: &mut SqliteConnection,
    path: &Path,
    (reason, now): (&str, Timestamp),
) -> Result<bool, Error> {
    let noted = sqlx::query(rows::succession::BREAK)
        .bind(path.as_str())
        .bind(rows::millis(now))
        .bind(reason)
        .execute(connection)
        .await
        .map_err(failed("note a broken path"))?;
    Ok(noted.rows_affected() > 0)
}

/// Something was sent by `path`, so it works.
pub(super) async fn mend(connection: &mut SqliteConnection, path: &Path) -> Result<(), Error> {
    let query = sqlx::query("DELETE FROM broken_channels WHERE channel = ?1");
    let done = query.bind(path.as_str()).execute(connection).await;
    done.map_err(failed("note that a path works")).map(|_| ())
}

/// The paths by which nothing can be sent.
pub(super) async fn broken(connection: &mut SqliteConnection) -> Result<Vec<Breakage>, Error> {
    let found: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT channel, since, reason FROM broken_channels ORDER BY channel")
            .fetch_all(connection)
            .await
            .map_err(failed("read the broken paths"))?;
    found.into_iter().map(rows::path::breakage).collect()
}

/// Who else is told the same as by the message `id`.
async fn others(
    connection: &mut SqliteConnection,
    id: i64,
    (incident, telling): (IncidentId, i64),
) -> Result<Vec<(Recipient, NotificationState)>, Error> {
    let found: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT channel, address, state FROM notifications \
         WHERE incident_id = ?1 AND telling = ?2 AND id <> ?3 ORDER BY id",
    )
    .bind(incident.0)
    .bind(telling)
    .bind(id)
    .fetch_all(connection)
    .await
    .map_err(failed("read who was told"))?;
    found.into_iter().map(owed_to).collect()
}

/// Who was told of the incident in place of `recipient`, and in place of those in turn.
pub(super) async fn heirs(
    connection: &mut SqliteConnection,
    incident: IncidentId,
    recipient: &Recipient,
) -> Result<Vec<Recipient>, Error> {
    let found: Vec<(String, String)> = sqlx::query_as(
        "WITH RECURSIVE line (id, channel, address) AS (\
         SELECT id, channel, address FROM notifications \
         WHERE incident_id = ?1 AND channel = ?2 AND address = ?3 \
         UNION SELECT heir.id, heir.channel, heir.address FROM notifications AS heir \
         JOIN line ON heir.in_place_of = line.id) \
         SELECT DISTINCT channel, address FROM line \
         WHERE NOT (channel = ?2 AND address = ?3) ORDER BY channel, address",
    )
    .bind(incident.0)
    .bind(recipient.channel().as_str())
    .bind(recipient.address())
    .fetch_all(connection)
    .await
    .map_err(failed("read who was told instead"))?;
    found.into_iter().map(|(channel, address)| rows::recipient(&channel, address)).collect()
}

/// Notes what a provider says.
async fn note_word(
    connection: &mut SqliteConnection,
    receipt: &str,
    word: Word,
    now: Timestamp,
) -> Result<Heard, Error> {
    let found: Option<(i64, i64, String)> = sqlx::query_as(
        "SELECT id, notification_id, status FROM deliveries \
         WHERE detail = ?1 AND status IS NOT NULL ORDER BY id LIMIT 1",
    )
    .bind(receipt)
    .fetch_optional(&mut *connection)
    .await
    .map_err(failed("find a delivery"))?;
    let Some((delivery, notification, last)) = found else { return Ok(Heard::Unknown) };
    if !word.status.is_news_after(Some(status(&last)?)) {
        return Ok(Heard::Known);
    }
    sqlx::query(
        "UPDATE deliveries SET status = ?2, status_code = ?3, status_at = ?4, \
         ask_at = CASE WHEN ?5 THEN NULL ELSE ask_at END WHERE id = ?1",
    )
    .bind(delivery)
    .bind(word.status.as_str())
    .bind(word.code.map(i64::from))
    .bind(rows::millis(now))
    .bind(word.status.is_final())
    .execute(&mut *connection)
    .await
    .map_err(failed("note what a provider says"))?;
    let Some(reason) = word.reason() else { return Ok(Heard::Noted) };
    let given_up = sqlx::query(
        "UPDATE notifications SET state = 'given_up', reason = ?2, settled_at = ?3 \
         WHERE (id = ?1 AND state = 'sent' OR digest = ?1 AND state = 'in_digest') AND NOT EXISTS (SELECT 1 FROM deliveries \
         WHERE notification_id = ?1 AND outcome = 'accepted' AND deliveries.id <> ?4 \
         AND (status IS NULL OR status NOT IN ('undelivered', 'failed', 'overdue')))",
    )
    .bind(notification)
    .bind(reason)
    .bind(rows::millis(now))
    .bind(delivery)
    .execute(connection)
    .await
    .map_err(failed("give up a notification"))?;
    Ok(if given_up.rows_affected() > 0 { Heard::GivenUp } else { Heard::Noted })
}

/// Remembers a message of a person; whether it came for the first time.
pub(super) async fn remember(
    connection: &mut SqliteConnection,
    message: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    sqlx::query("DELETE FROM answers WHERE at < ?1")
        .bind(rows::millis(now - REMEMBERED))
        .execute(&mut *connection)
        .await
        .map_err(failed("forget old answers"))?;
    let new = sqlx::query("INSERT INTO answers (id, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
        .bind(message)
        .bind(rows::millis(now))
        .execute(connection)
        .await
        .map_err(failed("remember an answer"))?;
    Ok(new.rows_affected() > 0)
}
