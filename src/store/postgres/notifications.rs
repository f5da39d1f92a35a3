//! The outbox: notifications owed, handed out, counted.
//!
//! Handing out is done by one hub at a time for each channel, because whether a recipient is being
//! sent something is a question about many rows. It takes a few milliseconds and waits for nobody:
//! a row that is being settled or superseded at that moment is passed over.

use sqlx::postgres::{PgConnection, PgPool};

use super::lock_number;
use super::session::{begin, commit};
use super::{failed, gathering, settlements, succession};
use crate::domain::Timestamp;
use crate::domain::id::{IncidentId, stable_hash};
use crate::domain::incident::Owed;
use crate::domain::policy::Channel;
use crate::store::claims;
use crate::store::rows::notification::{DeliveryRow, NotificationRow, gather, whole};
use crate::store::rows::{self, notice};
use crate::store::succession::Origin;
use crate::store::{Backlog, Claim, Error, NotificationRecord};

/// Owes one message. It takes the place of earlier ones that nobody can have seen, where it says what
/// they do: an end of all, and what goes on of what did before. An end goes to those, too, who were told
/// in place of its recipient.
pub(super) async fn owe(
    connection: &mut PgConnection,
    incident: IncidentId,
    owed: &Owed,
    failed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Error> {
    let origin = Origin { failed_at, ..Origin::default() };
    if !insert(&mut *connection, incident, owed, origin, now).await? {
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
    connection: &mut PgConnection,
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
         instead_of, failed_at) \
         SELECT $1, $2, $3, $4, $5, $6, NOT EXISTS (SELECT 1 FROM notifications \
         WHERE incident_id = $1 AND channel = $2 AND address = $3 \
         AND (state IN ('sent', 'in_digest', 'owed') OR possible_repeat)), 'owed', $7, $7, 0, false, $8, \
         $9, $10, $11 \
         ON CONFLICT DO NOTHING",
    )
    .bind(incident.0)
    .bind(recipient.channel().as_str())
    .bind(recipient.address())
    .bind(said.kind.as_str())
    .bind(i64::from(notice::tier(said.kind)))
    .bind(notice::notice_text(said))
    .bind(rows::millis(now))
    .bind(i64::from(*telling))
    .bind(origin.in_place_of)
    .bind(origin.instead_of)
    .bind(origin.failed_at(said.kind));
    let inserted = query.execute(connection).await.map_err(failed("owe a notification"))?;
    Ok(inserted.rows_affected() > 0)
}

async fn supersede(
    connection: &mut PgConnection,
    incident: IncidentId,
    owed: &Owed,
    now: Timestamp,
) -> Result<(), Error> {
    let Owed { recipient, notice: said, telling } = owed;
    let Some(reason) = claims::supersedes(said.kind) else { return Ok(()) };
    // What is handed on in place of a rota may be older than what a person is owed already.
    // What is told in place of another says what became of that, which no later message does.
    let query = sqlx::query(concat!(
        "UPDATE notifications SET state = 'superseded', settled_at = $4, reason = $5 \
         WHERE incident_id = $1 AND channel = $2 AND address = $3 AND telling < $6 \
         AND ($7 OR kind IN ",
        claims::alarms!(),
        " AND in_place_of IS NULL) \
         AND state || '' = 'owed' AND lease_until IS NULL AND NOT possible_repeat"
    ))
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
/// digest that is owed but its own; a drill only where nothing else is owed to its recipient.
///
/// The server does not know how many are owed when many are all at once, and would look for the earlier
/// one among all of them: `state || ''` keeps the indices of what is owed out of that, here and wherever
/// something is looked for by its incident or its number.
macro_rules! next_in_line {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " FROM notifications AS mine WHERE state = 'owed' AND channel = $1 \
             AND (digest IS NULL OR digest = id OR NOT EXISTS (SELECT 1 FROM notifications AS head \
             WHERE head.id = mine.digest AND head.state = 'owed')) AND id = \
             (SELECT min(earlier.id) FROM notifications AS earlier \
             WHERE earlier.incident_id = mine.incident_id \
             AND earlier.channel = mine.channel AND earlier.address = mine.address \
             AND earlier.state || '' = 'owed') \
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
    connection: &mut PgConnection,
    channel: Channel,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<i64>, Error> {
    let due = match channel.abreast() {
        None => sqlx::query_scalar(next_in_line!(
            "SELECT min(id)",
            "AND greatest(due_at, lease_until) <= $2 AND NOT EXISTS \
             (SELECT 1 FROM notifications AS busy WHERE busy.channel = mine.channel \
             AND busy.address = mine.address AND busy.state = 'owed' AND busy.lease_until > $2) \
             GROUP BY address ORDER BY bool_and(kind = 'drill'), min(id) LIMIT $3"
        ))
        .bind(channel.as_str())
        .bind(rows::millis(now))
        .bind(i64::from(limit)),
        Some(most) => sqlx::query_scalar(next_in_line!(
            "SELECT id",
            "AND greatest(due_at, lease_until) <= $2 AND address NOT IN \
             (SELECT busy.address FROM (SELECT address FROM notifications WHERE channel = $1 \
             AND state = 'owed' AND lease_until > $2 OFFSET 0) AS busy \
             GROUP BY busy.address HAVING count(*) >= $4) ORDER BY id LIMIT $3"
        ))
        .bind(channel.as_str())
        .bind(rows::millis(now))
        .bind(i64::from(limit.min(most)))
        .bind(i64::from(most)),
    };
    due.fetch_all(connection).await.map_err(failed("look for what is due"))
}

/// Whether something is due.
pub(super) async fn is_something_due(
    connection: &mut PgConnection,
    channel: Channel,
    now: Timestamp,
) -> Result<bool, Error> {
    Ok(!due(connection, channel, now, 1).await?.is_empty())
}

/// Hands out what is due, after what the clock put out of time was brought back, where there was such.
pub(super) async fn claim(
    pool: &PgPool,
    channel: Channel,
    (now, lease_until): (Timestamp, Timestamp),
    limit: u32,
    is_out_of_time: bool,
) -> Result<Vec<Claim>, Error> {
    let mut transaction = begin(pool).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(lane_lock(channel))
        .execute(&mut *transaction)
        .await
        .map_err(failed("hold a channel"))?;
    if is_out_of_time {
        heed_clock(&mut transaction, channel, now, lease_until).await?;
    }
    let due = due(&mut transaction, channel, now, limit).await?;
    if due.is_empty() {
        commit(pool, transaction).await?;
        return Ok(Vec::new());
    }
    let (held, lost) = hold(&mut transaction, due, now).await?;
    let ended = if lost.is_empty() {
        Vec::new()
    } else {
        note_lost_leases(&mut transaction, &lost, now).await?;
        end_repeats(&mut transaction, &lost, now).await?
    };
    let leased = lease(&mut transaction, &held, now, lease_until).await?;
    let digests: Vec<i64> = leased.iter().filter(|it| it.is_digest()).map(|it| it.id).collect();
    let members = gathering::lease_again(&mut transaction, &digests, &ended).await?;
    // Read first: what cannot be is not leased to anybody.
    let claims: Result<Vec<Claim>, Error> =
        leased.into_iter().map(NotificationRow::read_claim).collect();
    let mut claims = claims?;
    gather(&mut claims, members)?;
    commit(pool, transaction).await?;
    for id in ended {
        tracing::error!(notification = id, "no answer a second time; given up");
    }
    Ok(claims)
}

/// Holds those of `ids` that nobody else is about to change, and says of which of them a lease was lost.
/// Those that stayed before may be superseded by what came at that moment.
async fn hold(
    connection: &mut PgConnection,
    ids: Vec<i64>,
    now: Timestamp,
) -> Result<(Vec<i64>, Vec<i64>), Error> {
    let held: Vec<(i64, bool, bool)> = sqlx::query_as(
        "SELECT id, lease_until IS NOT NULL, epoch > 0 FROM notifications WHERE id = ANY($1) \
         AND state || '' = 'owed' AND greatest(due_at, lease_until) <= $2 ORDER BY id \
         FOR NO KEY UPDATE SKIP LOCKED",
    )
    .bind(ids)
    .bind(rows::millis(now))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("hold notifications"))?;
    let again = held.iter().filter(|(_, is_leased, is_again)| *is_again && !is_leased);
    let again = again.map(|(id, ..)| *id).collect();
    settlements::supersede_stayed(connection, again).await?;
    let lost = held.iter().filter(|(_, is_leased, _)| *is_leased).map(|(id, ..)| *id).collect();
    Ok((held.into_iter().map(|(id, ..)| id).collect(), lost))
}

/// Leases those of `ids` that are still owed. What was leased before becomes a possible repeat.
async fn lease(
    connection: &mut PgConnection,
    ids: &[i64],
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Vec<NotificationRow>, Error> {
    let mut leased: Vec<NotificationRow> = sqlx::query_as(concat!(
        "UPDATE notifications AS mine SET leased_at = $2, lease_until = $3, epoch = epoch + 1, \
         begun = false, digest = CASE WHEN digest = id THEN id END, \
         possible_repeat = possible_repeat OR lease_until IS NOT NULL, \
         failures = failures + \
         CASE WHEN lease_until IS NULL OR possible_repeat THEN 0 ELSE 1 END, ",
        claims::is_first_word!(),
        " WHERE id = ANY($1) AND state || '' = 'owed' RETURNING ",
        rows::notification::shown!()
    ))
    .bind(ids)
    .bind(rows::millis(now))
    .bind(rows::millis(lease_until))
    .fetch_all(connection)
    .await
    .map_err(failed("lease notifications"))?;
    leased.sort_by_key(|row| row.id);
    Ok(leased)
}

/// The advisory lock of a channel: the same in all versions, whatever channels they know.
fn lane_lock(channel: Channel) -> i64 {
    let hash = stable_hash(&["lane", channel.as_str()]);
    lock_number(u32::try_from(hash >> 32).unwrap_or(0) | 0x8000_0000)
}

/// Whoever held a lease that ran out may have sent the message; a repeat only if it had left.
async fn note_lost_leases(
    connection: &mut PgConnection,
    ids: &[i64],
    now: Timestamp,
) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO deliveries (notification_id, started_at, ended_at, outcome, detail) \
         SELECT id, leased_at, $2, \
         CASE WHEN possible_repeat AND NOT begun THEN 'retry' ELSE 'ambiguous' END, \
         CASE WHEN possible_repeat AND NOT begun THEN $3 ELSE $4 END \
         FROM notifications WHERE id = ANY($1) AND lease_until IS NOT NULL ORDER BY id",
    )
    .bind(ids)
    .bind(rows::millis(now))
    .bind(claims::STOPPED_BEFORE)
    .bind(claims::STOPPED_MEANWHILE);
    query.execute(connection).await.map_err(failed("note a lost lease")).map(|_| ())
}

/// Gives up those of `ids` that left a second time by a lease that ran out, and names them.
async fn end_repeats(
    connection: &mut PgConnection,
    ids: &[i64],
    now: Timestamp,
) -> Result<Vec<i64>, Error> {
    sqlx::query_scalar(
        "UPDATE notifications SET state = 'given_up', settled_at = $2, begun = false, \
         failures = failures + 1, leased_at = NULL, lease_until = NULL, \
         reason = 'no answer a second time (' || $3 || '); it may have arrived' \
         WHERE id = ANY($1) AND lease_until IS NOT NULL AND possible_repeat AND begun \
         RETURNING id",
    )
    .bind(ids)
    .bind(rows::millis(now))
    .bind(claims::STOPPED_MEANWHILE)
    .fetch_all(connection)
    .await
    .map_err(failed("note a lost lease"))
}

/// What is due or leased by a clock that was set back since: `$2` is now, `$3` when a lease of now
/// ends, `$4` the latest moment that can be the past.
macro_rules! out_of_time {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            " FROM notifications AS mine WHERE mine.state = 'owed' AND mine.channel = $1 \
             AND (mine.lease_until > $3 OR mine.due_at > $2 AND coalesce((SELECT ended_at \
             FROM deliveries WHERE notification_id = mine.id ORDER BY id DESC LIMIT 1), \
             mine.owed_at) > $4)",
            $tail
        )
    };
}

/// Whether something is due or leased by a clock that was set back since. To be asked by times that are not
/// older than what others lease meanwhile.
pub(super) async fn is_out_of_time(
    connection: &mut PgConnection,
    channel: Channel,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<bool, Error> {
    // By indices that hold what is leased and what is due later: much else may be owed.
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM notifications WHERE state = 'owed' AND channel = $1 \
         AND lease_until > $3) \
         OR EXISTS (SELECT 1 FROM notifications AS mine WHERE mine.state = 'owed' \
         AND mine.channel = $1 AND mine.due_at > $2 AND coalesce((SELECT ended_at \
         FROM deliveries WHERE notification_id = mine.id ORDER BY id DESC LIMIT 1), \
         mine.owed_at) > $4)",
    )
    .bind(channel.as_str())
    .bind(rows::millis(now))
    .bind(rows::millis(lease_until))
    .bind(rows::millis(now + claims::CORRECTION))
    .fetch_one(connection)
    .await
    .map_err(failed("heed the clock"))
}

/// Brings back what lies so far in the future only because the clock was set back.
async fn heed_clock(
    connection: &mut PgConnection,
    channel: Channel,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<(), Error> {
    // LEAST passes over NULL, so it would lease what is not.
    let query = sqlx::query(out_of_time!(
        "UPDATE notifications SET due_at = least(due_at, $2), \
         lease_until = CASE WHEN lease_until > $3 THEN $3 ELSE lease_until END \
         WHERE id IN (SELECT mine.id",
        " FOR NO KEY UPDATE OF mine SKIP LOCKED)"
    ))
    .bind(channel.as_str())
    .bind(rows::millis(now))
    .bind(rows::millis(lease_until))
    .bind(rows::millis(now + claims::CORRECTION));
    query.execute(connection).await.map_err(failed("heed the clock")).map(|_| ())
}

/// When something becomes due.
pub(super) async fn next_due(
    connection: &mut PgConnection,
    channel: Channel,
) -> Result<Option<Timestamp>, Error> {
    let query = match channel.abreast() {
        None => sqlx::query_scalar(next_in_line!(
            "SELECT min(greatest(due_at, (SELECT max(busy.lease_until) \
             FROM notifications AS busy WHERE busy.channel = mine.channel \
             AND busy.address = mine.address AND busy.state = 'owed' \
             AND busy.lease_until IS NOT NULL)))",
            ""
        ))
        .bind(channel.as_str()),
        // Those who have enough on their way have to wait for that to end.
        Some(most) => sqlx::query_scalar(next_in_line!(
            "SELECT min(greatest(due_at, lease_until))",
            "AND (lease_until IS NOT NULL OR address NOT IN \
             (SELECT busy.address FROM (SELECT address FROM notifications WHERE channel = $1 \
             AND state = 'owed' AND lease_until IS NOT NULL OFFSET 0) AS busy \
             GROUP BY busy.address HAVING count(*) >= $2))"
        ))
        .bind(channel.as_str())
        .bind(i64::from(most)),
    };
    let due: Option<i64> =
        query.fetch_one(connection).await.map_err(failed("look for what becomes due"))?;
    due.map(rows::timestamp).transpose()
}

/// What is owed and what was given up.
pub(super) async fn backlog(
    connection: &mut PgConnection,
    since: Timestamp,
) -> Result<Vec<Backlog>, Error> {
    let owed: Vec<(String, i64, Option<i64>)> = sqlx::query_as(rows::notification::OWED)
        .bind(rows::notification::held_back())
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("count what is owed"))?;
    let given_up: Vec<(String, i64)> = sqlx::query_as(rows::notification::GIVEN_UP)
        .bind(rows::millis(since))
        .fetch_all(connection)
        .await
        .map_err(failed("count what was given up"))?;
    rows::notification::backlog(&owed, &given_up)
}

/// The notifications of one incident with their deliveries. The caller brings a snapshot.
pub(super) async fn of_incident(
    connection: &mut PgConnection,
    incident: IncidentId,
) -> Result<Vec<NotificationRecord>, Error> {
    let notifications: Vec<NotificationRow> = sqlx::query_as(concat!(
        "SELECT ",
        rows::notification::shown!(),
        " FROM notifications WHERE incident_id = $1 ORDER BY id"
    ))
    .bind(incident.0)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read notifications"))?;
    let attempts: Vec<DeliveryRow> = sqlx::query_as(
        "SELECT notification_id, started_at, ended_at, outcome, detail, status, status_code, status_at \
         FROM deliveries \
         JOIN notifications ON notifications.id = notification_id \
         WHERE incident_id = $1 ORDER BY deliveries.id",
    )
    .bind(incident.0)
    .fetch_all(connection)
    .await
    .map_err(failed("read deliveries"))?;
    whole(notifications, attempts)
}
