//! The outbox: what is owed.

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::script::{Script, Term, values};
use super::writer::{Durability, Writer};
use super::{failed, script, succession};
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::incident::Owed;
use crate::store::claims;
use crate::store::rows::notification::{DeliveryRow, NotificationRow, whole};
use crate::store::rows::{self, notice};
use crate::store::succession::Origin;
use crate::store::{Backlog, Claim, Error, NotificationRecord, Standing};

/// Owes one message; says by which statement. It takes the place of earlier ones that nobody can have
/// seen, where it says what they do: an end of all, and what goes on of what did before. An end goes to
/// those, too, who were told in place of its recipient.
pub(super) async fn owe(
    connection: &mut SqliteConnection,
    script: &mut Script,
    (incident, owed): (IncidentId, &Owed),
    failed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<usize, Error> {
    let origin = Origin { failed_at, ..Origin::default() };
    let itself = insert(script, incident, owed, origin, now);
    if owed.notice.kind.is_end() {
        for recipient in succession::heirs(connection, incident, &owed.recipient).await? {
            let owed = Owed { recipient, ..owed.clone() };
            insert(script, incident, &owed, Origin::default(), now);
        }
    }
    Ok(itself)
}

/// Owes one message, unless it was owed before, and nobody else the same; says by which statement.
pub(super) fn insert(
    script: &mut Script,
    incident: IncidentId,
    owed: &Owed,
    origin: Origin<'_>,
    now: Timestamp,
) -> usize {
    let Owed { recipient, notice: said, telling } = owed;
    supersede(script, incident, owed, now);
    // The recipient has heard of the incident if an earlier notice was sent, may have been, or
    // still will be.
    script.add(
        "INSERT INTO notifications (incident_id, channel, address, kind, tier, notice, \
         first_word, state, owed_at, due_at, failures, possible_repeat, telling, in_place_of, \
         instead_of, failed_at) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, NOT EXISTS (SELECT 1 FROM notifications \
         WHERE incident_id = ?1 AND channel = ?2 AND address = ?3 \
         AND (state IN ('sent', 'in_digest', 'owed') OR possible_repeat)), 'owed', ?7, ?7, 0, 0, ?8, \
         ?9, ?10, ?11 \
         WHERE true ON CONFLICT DO NOTHING",
        values![
            incident.0,
            recipient.channel().as_str(),
            recipient.address(),
            said.kind.as_str(),
            notice::tier(said.kind),
            notice::notice_text(said),
            rows::millis(now),
            *telling,
            origin.in_place_of,
            origin.instead_of,
            origin.failed_at(said.kind),
        ],
    )
}

fn supersede(script: &mut Script, incident: IncidentId, owed: &Owed, now: Timestamp) {
    let Owed { recipient, notice: said, telling } = owed;
    let Some(reason) = claims::supersedes(said.kind) else { return };
    // What is handed on in place of a rota may be older than what a person is owed already.
    // What is told in place of another says what became of that, which no later message does.
    script.add(
        concat!(
            "UPDATE notifications SET state = 'superseded', settled_at = ?4, reason = ?5 \
             WHERE incident_id = ?1 AND channel = ?2 AND address = ?3 AND telling < ?6 \
             AND (?7 OR kind IN ",
            claims::alarms!(),
            " AND in_place_of IS NULL) \
             AND state = 'owed' AND lease_until IS NULL AND NOT possible_repeat"
        ),
        values![
            incident.0,
            recipient.channel().as_str(),
            recipient.address(),
            rows::millis(now),
            reason,
            *telling,
            said.kind.is_end(),
        ],
    );
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

/// What is owed and what was given up.
pub(super) async fn backlog(
    connection: &mut SqliteConnection,
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

/// Asks for the notifications of one incident and their deliveries.
pub(super) fn ask_of_incident(script: &mut Script, incident: &Term) -> [usize; 2] {
    let Term { text, values } = incident;
    [
        script.add(
            &format!("SELECT * FROM notifications WHERE incident_id = {text} ORDER BY id"),
            values.clone(),
        ),
        script.add(
            &format!(
                "SELECT deliveries.* FROM deliveries JOIN notifications \
                 ON notifications.id = notification_id WHERE incident_id = {text} \
                 ORDER BY deliveries.id"
            ),
            values.clone(),
        ),
    ]
}

/// Reads the notifications with their deliveries.
pub(super) fn read_of_incident(
    found: &[Vec<SqliteRow>],
    [notifications, attempts]: [usize; 2],
) -> Result<Vec<NotificationRecord>, Error> {
    let notifications: Vec<NotificationRow> =
        script::read(&found[notifications], "read notifications")?;
    let attempts: Vec<DeliveryRow> = script::read(&found[attempts], "read deliveries")?;
    whole(notifications, attempts)
}
