//! The outbox: notifications owed and handed out.

use std::collections::{HashMap, HashSet};

use sqlx::sqlite::SqliteConnection;

use super::writer::{Durability, Writer};
use super::{failed, gathering, succession};
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::incident::Owed;
use crate::domain::policy::Channel;
use crate::store::claims;
use crate::store::rows::notification::{DeliveryRow, NotificationRow, gather};
use crate::store::rows::{self, notice, to_json};
use crate::store::succession::Origin;
use crate::store::{Backlog, Claim, Delivery, Error, NotificationRecord, Standing};

/// Owes one message. It takes the place of earlier ones that nobody can have seen, where it says what
/// they do: an end of all, and what goes on of what did before. An end goes to those, too, who were told
/// in place of its recipient.
pub(super) async fn owe(
    connection: &mut SqliteConnection,
    incident: IncidentId,
    owed: &Owed,
    now: Timestamp,
) -> Result<(), Error> {
    if !insert(&mut *connection, incident, owed, Origin::default(), now).await? {
        let (recipient, kind) = (&owed.recipient, owed.notice.kind.as_str());
        tracing::warn!(%incident, %recipient, kind, "this was owed before and is not owed again");
    }
    if owed.notice.kind.is_end() {
        for recipient in succession::heirs(&mut *connection, incident, &owed.recipient).await? {
            let owed = Owed { recipient, ..owed.clone() };
            insert(&mut *connection, incident, &owed, Origin::default(), now).await?;
        }
    }
    Ok(())
}

/// Owes one message, and nobody else the same; whether that was new.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    incident: IncidentId,
    owed: &Owed,
    origin: Origin<'_>,
    now: Timestamp,
) -> Result<bool, Error> {
    let Owed { recipient, notice: said, telling } = owed;
    supersede(&mut *connection, incident, owed, now).await?;
    // The recipient has heard of the incident if an earlier notice was sent, may have been, or
    // still will be.
    let query = sqlx::query(
        "INSERT INTO notifications (incident_id, channel, address, kind, tier, notice, \
         first_word, state, owed_at, due_at, failures, possible_repeat, telling, in_place_of, \
         instead_of) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, NOT EXISTS (SELECT 1 FROM notifications \
         WHERE incident_id = ?1 AND channel = ?2 AND address = ?3 \
         AND (state IN ('sent', 'in_digest', 'owed') OR possible_repeat)), 'owed', ?7, ?7, 0, 0, ?8, \
         ?9, ?10 \
         WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(incident.0)
    .bind(recipient.channel().as_str())
    .bind(recipient.address())
    .bind(said.kind.as_str())
    .bind(notice::tier(said.kind))
    .bind(notice::notice_text(said))
    .bind(rows::millis(now))
    .bind(i64::from(*telling))
    .bind(origin.in_place_of)
    .bind(origin.instead_of);
    let inserted = query.execute(connection).await.map_err(failed("owe a notification"))?;
    Ok(inserted.rows_affected() > 0)
}

async fn supersede(
    connection: &mut SqliteConnection,
    incident: IncidentId,
    owed: &Owed,
    now: Timestamp,
) -> Result<(), Error> {
    let Owed { recipient, notice: said, telling } = owed;
    let Some(reason) = claims::supersedes(said.kind) else { return Ok(()) };
    // What is handed on in place of a rota may be older than what a person is owed already.
    // What is told in place of another says what became of that, which no later message does.
    let query = sqlx::query(
        "UPDATE notifications SET state = 'superseded', settled_at = ?4, reason = ?5 \
         WHERE incident_id = ?1 AND channel = ?2 AND address = ?3 AND telling < ?6 \
         AND (?7 OR kind IN ('failing', 'blind') AND in_place_of IS NULL) \
         AND state = 'owed' AND lease_until IS NULL AND NOT possible_repeat",
    )
    .bind(incident.0)
    .bind(recipient.channel().as_str())
    .bind(recipient.address())
    .bind(rows::millis(now))
    .bind(reason)
    .bind(i64::from(*telling))
    .bind(said.kind.is_end());
    query.execute(connection).await.map_err(failed("supersede a notification")).map(|_| ())
}

/// A notification that is owed while no earlier one of its incident to its recipient is, and that is in no
/// digest that is owed but its own; a drill only where nothing else is owed to its recipient. Left to
/// itself, SQLite looks for the earlier one among all that are owed, which is slow when many are.
macro_rules! next_in_line {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " FROM notifications AS mine WHERE state = 'owed' AND channel = ?1 \
             AND (digest IS NULL OR digest = id OR NOT EXISTS (SELECT 1 FROM notifications AS head \
             WHERE head.id = mine.digest AND head.state = 'owed')) AND NOT EXISTS \
             (SELECT 1 FROM notifications AS earlier INDEXED BY notifications_once \
             WHERE earlier.incident_id = mine.incident_id \
             AND earlier.channel = mine.channel AND earlier.address = mine.address \
             AND earlier.state = 'owed' AND earlier.id < mine.id) \
             AND (kind <> 'drill' OR NOT EXISTS (SELECT 1 FROM notifications AS other \
             WHERE other.state = 'owed' AND other.channel = mine.channel \
             AND other.address = mine.address AND other.kind <> 'drill')) ",
            $rest
        )
    };
}

/// The numbers of what may be handed out: at most one per recipient, or as many as the channel takes
/// abreast.
async fn due(
    connection: &mut SqliteConnection,
    channel: Channel,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<i64>, Error> {
    let due = match channel.abreast() {
        None => sqlx::query_scalar(next_in_line!(
            "SELECT min(id)",
            "AND max(due_at, coalesce(lease_until, due_at)) <= ?2 AND address NOT IN \
             (SELECT busy.address FROM notifications AS busy INDEXED BY notifications_leased \
             WHERE busy.channel = ?1 AND busy.state = 'owed' AND busy.lease_until > ?2) \
             GROUP BY address ORDER BY min(kind = 'drill'), min(id) LIMIT ?3"
        ))
        .bind(channel.as_str())
        .bind(rows::millis(now))
        .bind(limit),
        Some(most) => sqlx::query_scalar(next_in_line!(
            "SELECT id",
            "AND max(due_at, coalesce(lease_until, due_at)) <= ?2 AND address NOT IN \
             (SELECT busy.address FROM notifications AS busy INDEXED BY notifications_leased \
             WHERE busy.channel = ?1 AND busy.state = 'owed' AND busy.lease_until > ?2 \
             GROUP BY busy.address HAVING count(*) >= ?4) ORDER BY id LIMIT ?3"
        ))
        .bind(channel.as_str())
        .bind(rows::millis(now))
        .bind(limit.min(most))
        .bind(most),
    };
    due.fetch_all(connection).await.map_err(failed("look for what is due"))
}

/// Whether anything is owed on `channel`.
pub(super) async fn is_owed(
    connection: &mut SqliteConnection,
    channel: Channel,
) -> Result<bool, Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM notifications WHERE channel = ?1 AND state = 'owed')",
    )
    .bind(channel.as_str())
    .fetch_one(connection)
    .await
    .map_err(failed("look for what is owed"))
}

/// Hands out what is due.
pub(super) async fn claim(
    writer: &mut Writer,
    channel: Channel,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<Claim>, Error> {
    heed_clock(writer, channel, now, lease_until).await?;
    // Nobody else writes between this and the transaction, and most of the time nothing is due.
    let due = due(writer.connection().await?, channel, now, limit).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let connection = writer.begin(Durability::Power).await?;
    let handed = without_ended(&mut *connection, due, now).await?;
    let mut rows: Vec<NotificationRow> = sqlx::query_as(
        "UPDATE notifications AS mine SET leased_at = ?2, lease_until = ?3, epoch = epoch + 1, \
         begun = 0, digest = CASE WHEN digest = id THEN id END, \
         first_word = NOT EXISTS (SELECT 1 FROM notifications AS earlier \
         WHERE earlier.incident_id = mine.incident_id AND earlier.channel = mine.channel \
         AND earlier.address = mine.address AND earlier.id < mine.id \
         AND (earlier.state IN ('sent', 'in_digest') OR earlier.possible_repeat)) \
         WHERE id IN (SELECT value FROM json_each(?1)) RETURNING *",
    )
    .bind(to_json(&handed))
    .bind(rows::millis(now))
    .bind(rows::millis(lease_until))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("lease notifications"))?;
    rows.sort_by_key(|row| row.id);
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let mut claim = [row.read_claim()?];
        if claim[0].gathered.is_some() {
            let members = gathering::lease_again(&mut *connection, &claim[0]).await?;
            gather(&mut claim, members)?;
        }
        claimed.extend(claim);
    }
    writer.commit().await?;
    Ok(claimed)
}

/// Those of `due` that are still to be handed out when it is noted which leases were lost.
async fn without_ended(
    connection: &mut SqliteConnection,
    due: Vec<i64>,
    now: Timestamp,
) -> Result<Vec<i64>, Error> {
    let lost: HashSet<i64> = sqlx::query_scalar(
        "SELECT id FROM notifications WHERE id IN (SELECT value FROM json_each(?1)) \
         AND lease_until IS NOT NULL",
    )
    .bind(to_json(&due))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("look for lost leases"))?
    .into_iter()
    .collect();
    let mut handed = Vec::with_capacity(due.len());
    for id in due {
        if !lost.contains(&id) || note_lost_lease(&mut *connection, id, now).await? == Lost::Owed {
            handed.push(id);
        }
    }
    Ok(handed)
}

/// What becomes of a notification that is to be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// It is sent.
    Owed,
    /// It may have arrived twice already, and is given up.
    Ended,
}

/// Whoever held a lease that ran out may have sent the message; a repeat only if it had left.
async fn note_lost_lease(
    connection: &mut SqliteConnection,
    id: i64,
    now: Timestamp,
) -> Result<Lost, Error> {
    let (repeat, begun): (bool, bool) =
        sqlx::query_as("SELECT possible_repeat, begun FROM notifications WHERE id = ?")
            .bind(id)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed("look at a lost lease"))?;
    let (outcome, detail) = if repeat && !begun {
        ("retry", claims::STOPPED_BEFORE)
    } else {
        ("ambiguous", claims::STOPPED_MEANWHILE)
    };
    sqlx::query(
        "INSERT INTO deliveries (notification_id, started_at, ended_at, outcome, detail) \
         SELECT id, leased_at, ?2, ?3, ?4 FROM notifications WHERE id = ?1",
    )
    .bind(id)
    .bind(rows::millis(now))
    .bind(outcome)
    .bind(detail)
    .execute(&mut *connection)
    .await
    .map_err(failed("note a lost lease"))?;
    let changed = match (repeat, begun) {
        (true, false) => return Ok(Lost::Owed),
        (false, _) => sqlx::query(
            "UPDATE notifications SET possible_repeat = 1, failures = failures + 1 WHERE id = ?1",
        )
        .bind(id),
        (true, true) => {
            tracing::error!(notification = id, "no answer a second time; given up");
            sqlx::query(
                "UPDATE notifications SET state = 'given_up', settled_at = ?2, begun = 0, \
                 failures = failures + 1, leased_at = NULL, lease_until = NULL, \
                 reason = 'no answer a second time (' || ?3 || '); it may have arrived' \
                 WHERE id = ?1",
            )
            .bind(id)
            .bind(rows::millis(now))
            .bind(detail)
        }
    };
    changed.execute(&mut *connection).await.map_err(failed("note a lost lease"))?;
    gathering::note_lost_lease(connection, id, now).await?;
    Ok(if repeat { Lost::Ended } else { Lost::Owed })
}

/// Notes that a repeat is about to leave.
pub(super) async fn note_departure(writer: &mut Writer, claim: &Claim) -> Result<Standing, Error> {
    let connection = writer.begin(Durability::Power).await?;
    let noted = sqlx::query(
        "UPDATE notifications SET begun = 1 \
         WHERE id = ? AND state = 'owed' AND lease_until IS NOT NULL AND epoch = ?",
    )
    .bind(claim.notification.id.0)
    .bind(claim.epoch.0)
    .execute(&mut *connection)
    .await
    .map_err(failed("note a departure"))?;
    writer.commit().await?;
    Ok(if noted.rows_affected() > 0 { Standing::Held } else { Standing::Lost })
}

/// What is due or leased by a clock that was set back since: `?2` is now, `?3` when a lease of now
/// ends, `?4` the latest moment that can be the past.
macro_rules! out_of_time {
    ($head:literal) => {
        concat!(
            $head,
            " FROM notifications AS mine WHERE mine.state = 'owed' AND mine.channel = ?1 \
             AND (mine.lease_until > ?3 OR mine.due_at > ?2 AND coalesce((SELECT ended_at \
             FROM deliveries WHERE notification_id = mine.id ORDER BY id DESC LIMIT 1), \
             mine.owed_at) > ?4)"
        )
    };
}

/// Brings back what lies so far in the future only because the clock was set back.
async fn heed_clock(
    writer: &mut Writer,
    channel: Channel,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<(), Error> {
    let (past, failure) = (now + claims::CORRECTION, "heed the clock");
    // By indices that hold what is leased and what is due later: much else may be owed.
    let found: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM notifications INDEXED BY notifications_leased \
         WHERE state = 'owed' AND channel = ?1 AND lease_until > ?3) \
         OR EXISTS (SELECT 1 FROM notifications AS mine INDEXED BY notifications_due \
         WHERE mine.state = 'owed' AND mine.channel = ?1 AND mine.due_at > ?2 \
         AND coalesce((SELECT ended_at FROM deliveries WHERE notification_id = mine.id \
         ORDER BY id DESC LIMIT 1), mine.owed_at) > ?4)",
    )
    .bind(channel.as_str())
    .bind(rows::millis(now))
    .bind(rows::millis(lease_until))
    .bind(rows::millis(past))
    .fetch_one(writer.connection().await?)
    .await
    .map_err(failed(failure))?;
    if !found {
        return Ok(());
    }
    let connection = writer.begin(Durability::Power).await?;
    sqlx::query(concat!(
        "UPDATE notifications SET due_at = min(due_at, ?2), \
         lease_until = CASE WHEN lease_until > ?3 THEN ?3 ELSE lease_until END WHERE id IN (",
        out_of_time!("SELECT mine.id"),
        ")"
    ))
    .bind(channel.as_str())
    .bind(rows::millis(now))
    .bind(rows::millis(lease_until))
    .bind(rows::millis(past))
    .execute(&mut *connection)
    .await
    .map_err(failed(failure))?;
    writer.commit().await
}

/// When something becomes due.
pub(super) async fn next_due(
    connection: &mut SqliteConnection,
    channel: Channel,
) -> Result<Option<Timestamp>, Error> {
    let query = match channel.abreast() {
        None => sqlx::query_scalar(next_in_line!(
            "SELECT min(max(due_at, coalesce((SELECT max(busy.lease_until) \
             FROM notifications AS busy WHERE busy.channel = mine.channel \
             AND busy.address = mine.address AND busy.state = 'owed' \
             AND busy.lease_until IS NOT NULL), due_at)))",
            ""
        ))
        .bind(channel.as_str()),
        // Those who have enough on their way have to wait for that to end.
        Some(most) => sqlx::query_scalar(next_in_line!(
            "SELECT min(max(due_at, coalesce(lease_until, due_at)))",
            "AND (lease_until IS NOT NULL OR address NOT IN \
             (SELECT busy.address FROM notifications AS busy WHERE busy.channel = ?1 \
             AND busy.state = 'owed' AND busy.lease_until IS NOT NULL \
             GROUP BY busy.address HAVING count(*) >= ?2))"
        ))
        .bind(channel.as_str())
        .bind(most),
    };
    let due: Option<i64> =
        query.fetch_one(connection).await.map_err(failed("look for what becomes due"))?;
    due.map(rows::timestamp).transpose()
}

/// What is owed and what was given up.
pub(super) async fn backlog(
    connection: &mut SqliteConnection,
    since: Timestamp,
) -> Result<Vec<Backlog>, Error> {
    let owed: Vec<(String, i64, Option<i64>)> = sqlx::query_as(
        "SELECT channel, count(*), min(owed_at) FROM notifications WHERE state = 'owed' \
         AND kind <> 'drill' GROUP BY channel",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("count what is owed"))?;
    let given_up: Vec<(String, i64)> = sqlx::query_as(
        "SELECT channel, count(*) FROM notifications WHERE state = 'given_up' \
         AND kind <> 'drill' AND settled_at > ? GROUP BY channel",
    )
    .bind(rows::millis(since))
    .fetch_all(connection)
    .await
    .map_err(failed("count what was given up"))?;
    rows::notification::backlog(&owed, &given_up)
}

/// The notifications of one incident with their deliveries. The caller brings a transaction.
pub(super) async fn of_incident(
    connection: &mut SqliteConnection,
    incident: IncidentId,
) -> Result<Vec<NotificationRecord>, Error> {
    let notifications: Vec<NotificationRow> =
        sqlx::query_as("SELECT * FROM notifications WHERE incident_id = ? ORDER BY id")
            .bind(incident.0)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed("read notifications"))?;
    let attempts: Vec<DeliveryRow> = sqlx::query_as(
        "SELECT deliveries.* FROM deliveries JOIN notifications \
         ON notifications.id = notification_id WHERE incident_id = ? ORDER BY deliveries.id",
    )
    .bind(incident.0)
    .fetch_all(connection)
    .await
    .map_err(failed("read deliveries"))?;
    let mut deliveries: HashMap<i64, Vec<Delivery>> = HashMap::new();
    for row in attempts {
        deliveries.entry(row.notification_id).or_default().push(row.read()?);
    }
    let whole = |row: NotificationRow| {
        let deliveries = deliveries.remove(&row.id).unwrap_or_default();
        Ok(NotificationRecord { deliveries, ..row.read()? })
    };
    notifications.into_iter().map(whole).collect()
}
