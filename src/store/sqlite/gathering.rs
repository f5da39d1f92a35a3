//! Digests: what is owed to one recipient, gathered under one claim.

use async_trait::async_trait;
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::incidents::AskedHistory;
use super::script::{Script, Term, Value, values};
use super::writer::{Durability, Writer};
use super::{SqliteStore, care, failed, incidents, script, settlements};
use crate::domain::Timestamp;
use crate::domain::id::{IncidentId, NotificationId};
use crate::domain::incident::{DecisionKind, Transition};
use crate::domain::notification::{NotificationState, Settlement};
use crate::domain::policy::Channel;
use crate::domain::storm::Crowd;
use crate::domain::subject::Subject;
use crate::store::claims::{self, Effect};
use crate::store::gathering::{
    Answered, Asked, Background, Gathered, Gathering, MOST, MOST_TOLD, Sought, alike,
};
use crate::store::rows::notification::{DownRow, NotificationRow, ToldRow, WaitingRow, gather};
use crate::store::rows::silence::SilenceRow;
use crate::store::rows::{self, to_json};
use crate::store::{Claim, Ended, Error, Standing};

#[async_trait]
impl Gathering for SqliteStore {
    async fn background(&self, asked: &Asked<'_>) -> Result<Background, Error> {
        background(self.reader().await?, asked).await
    }

    async fn gather(
        &self,
        claim: &Claim,
        others: &[NotificationId],
    ) -> Result<Option<Gathered>, Error> {
        let mut writer = self.writer().await?;
        let result = into_digest(&mut writer, claim, others).await;
        writer.finish(result).await
    }

    async fn hold(
        &self,
        claim: &Claim,
        others: &[NotificationId],
        until: Timestamp,
        reason: &str,
    ) -> Result<Standing, Error> {
        let mut writer = self.writer().await?;
        let result = hold(&mut writer, claim, others, (until, reason)).await;
        writer.finish(result).await
    }
}

async fn background(
    reader: PoolConnection<Sqlite>,
    asked: &Asked<'_>,
) -> Result<Background, Error> {
    let mut script = Script::snapshot();
    let crowd = asked.crowd.map(|(recipient, since)| {
        ask_crowd(&mut script, recipient.channel(), &recipient.address().into(), since)
    });
    let story = asked.story.map(|(incident, subject)| {
        let check = if let Subject::Check(check) = subject { Some(check.as_str()) } else { None };
        ask_story(&mut script, &incident.0.into(), &check.into())
    });
    let silences = asked.silences.map(|now| (script.add(care::ALL, values![]), now));
    let found = script.at_once(reader, BACKGROUND).await?;
    let mut background = read_background(&found, AskedBackground { crowd, story })?;
    if let Some((asked, now)) = silences {
        let all: Vec<SilenceRow> = script::read(&found[asked], BACKGROUND)?;
        let all = all.into_iter().map(SilenceRow::read);
        background.silences = all.collect::<Result<_, _>>()?;
        background.silences.retain(|silence| now < silence.until);
    }
    Ok(background)
}

/// What fails when that cannot be read.
const BACKGROUND: &str = "read what there is to know before a message leaves";

/// By which statements what there is to know is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedBackground {
    crowd: Option<[usize; 2]>,
    story: Option<(AskedHistory, usize)>,
}

/// Asks for what there is to know before the notification leaves that `id` stands for, of which nothing
/// else is known yet.
pub(super) fn ask_background(
    script: &mut Script,
    (channel, id): (Channel, &Term),
    sought: &Sought,
) -> AskedBackground {
    let address = Term::of_row("address", "notifications", id);
    let crowd = sought.crowd_since.map(|since| ask_crowd(script, channel, &address, since));
    let story = sought.story.then(|| {
        let incident = Term::of_row("incident_id", "notifications", id);
        // It is null for what is no check.
        let subject = "CASE WHEN subject GLOB 'check:*' THEN substr(subject, 7) END";
        ask_story(script, &incident, &Term::of_row(subject, "incidents", &incident))
    });
    AskedBackground { crowd, story }
}

/// Reads it.
pub(super) fn read_background(
    found: &[Vec<SqliteRow>],
    asked: AskedBackground,
) -> Result<Background, Error> {
    let crowd = asked.crowd.map(|asked| read_crowd(found, asked)).transpose()?;
    let mut background = Background { crowd, ..Background::default() };
    if let Some((history, down)) = asked.story
        && let Some(history) = incidents::read_history(found, history)?
    {
        let down: Vec<DownRow> = script::read(&found[down], BACKGROUND)?;
        background.story = Some(DownRow::tell(history, &down)?);
    }
    Ok(background)
}

/// Asks for what is owed to a recipient, and for what it was sent.
fn ask_crowd(
    script: &mut Script,
    channel: Channel,
    address: &Term,
    since: Timestamp,
) -> [usize; 2] {
    let with = |rest: &[Value]| [&values![channel.as_str()], &address.values[..], rest].concat();
    let waiting = script.add(
        &format!(
            "SELECT id, incident_id, due_at, \
             (possible_repeat OR digest IS NOT NULL OR lease_until IS NOT NULL) AS is_bound, \
             EXISTS (SELECT 1 FROM notifications AS own WHERE own.incident_id = mine.incident_id \
             AND own.channel = mine.channel AND own.address = mine.address \
             AND own.state = 'sent' AND own.digest IS NULL) AS is_known \
             FROM notifications AS mine WHERE state = 'owed' AND channel = ? AND address = {} \
             AND kind <> 'drill' ORDER BY id LIMIT +?",
            address.text
        ),
        with(&values![MOST]),
    );
    let told = script.add(
        &format!(
            "SELECT id, incident_id, settled_at, digest FROM notifications \
             WHERE channel = ? AND address = {} AND state = 'sent' \
             AND kind <> 'drill' AND settled_at > ? ORDER BY settled_at DESC LIMIT +?",
            address.text
        ),
        with(&values![rows::millis(since), MOST_TOLD]),
    );
    [waiting, told]
}

fn read_crowd(found: &[Vec<SqliteRow>], [waiting, told]: [usize; 2]) -> Result<Crowd, Error> {
    let waiting: Vec<WaitingRow> = script::read(&found[waiting], BACKGROUND)?;
    let told: Vec<ToldRow> = script::read(&found[told], BACKGROUND)?;
    Ok(Crowd {
        waiting: waiting.into_iter().map(WaitingRow::read).collect::<Result<_, _>>()?,
        told: told.into_iter().map(ToldRow::read).collect::<Result<_, _>>()?,
    })
}

/// Asks what happened to an incident, and where `check`, which it is about, is down.
fn ask_story(script: &mut Script, incident: &Term, check: &Term) -> (AskedHistory, usize) {
    let history = incidents::ask_history(script, incident);
    let down = script.add(
        &format!(
            "SELECT region, last_success FROM streaks WHERE check_id = {} AND down ORDER BY region",
            check.text
        ),
        check.values.clone(),
    );
    (history, down)
}

/// Whether a claim is held; the caller brings the transaction.
async fn is_held(connection: &mut SqliteConnection, claim: &Claim) -> Result<bool, Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM notifications \
         WHERE id = ?1 AND state = 'owed' AND lease_until IS NOT NULL AND epoch = ?2)",
    )
    .bind(claim.notification.id.0)
    .bind(claim.epoch.0)
    .fetch_one(connection)
    .await
    .map_err(failed("look at a claim"))
}

async fn into_digest(
    writer: &mut Writer,
    claim: &Claim,
    others: &[NotificationId],
) -> Result<Option<Gathered>, Error> {
    let connection = writer.begin(Durability::Power).await?;
    if !is_held(&mut *connection, claim).await? {
        writer.commit().await?;
        return Ok(None);
    }
    let notification = &claim.notification;
    let joined: Vec<NotificationRow> = sqlx::query_as(concat!(
        "UPDATE notifications AS mine SET digest = ?1, epoch = epoch + 1, begun = 0, \
         leased_at = (SELECT head.leased_at FROM notifications AS head WHERE head.id = ?1), \
         lease_until = (SELECT head.lease_until FROM notifications AS head WHERE head.id = ?1), ",
        claims::is_first_word!(),
        " WHERE id IN (SELECT value FROM json_each(?2)) AND id <> ?1 AND state = 'owed' \
         AND channel = ?3 AND address = ?4 AND lease_until IS NULL AND digest IS NULL \
         AND NOT possible_repeat RETURNING *"
    ))
    .bind(notification.id.0)
    .bind(numbers(others))
    .bind(notification.recipient.channel().as_str())
    .bind(notification.recipient.address())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("gather notifications"))?;
    sqlx::query("UPDATE notifications SET digest = id WHERE id = ?")
        .bind(notification.id.0)
        .execute(&mut *connection)
        .await
        .map_err(failed("gather notifications"))?;
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM incidents WHERE resolved_at IS NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed("count the open incidents"))?;
    writer.commit().await?;
    let mut claim = [claim.clone()];
    claim[0].gathered.get_or_insert_default();
    gather(&mut claim, joined)?;
    let [claim] = claim;
    Ok(Some(Gathered { claim, open: open.unsigned_abs() }))
}

async fn hold(
    writer: &mut Writer,
    claim: &Claim,
    others: &[NotificationId],
    (until, reason): (Timestamp, &str),
) -> Result<Standing, Error> {
    let connection = writer.begin(Durability::Power).await?;
    if !is_held(&mut *connection, claim).await? {
        writer.commit().await?;
        return Ok(Standing::Lost);
    }
    sqlx::query(
        "UPDATE notifications SET due_at = max(due_at, ?2), reason = ?3, leased_at = NULL, \
         lease_until = NULL, begun = 0 WHERE id = ?1",
    )
    .bind(claim.notification.id.0)
    .bind(rows::millis(until))
    .bind(reason)
    .execute(&mut *connection)
    .await
    .map_err(failed("hold a notification"))?;
    sqlx::query(
        "UPDATE notifications SET due_at = max(due_at, ?2), reason = ?3 \
         WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'owed' \
         AND lease_until IS NULL AND digest IS NULL",
    )
    .bind(numbers(others))
    .bind(rows::millis(until))
    .bind(reason)
    .execute(&mut *connection)
    .await
    .map_err(failed("hold notifications"))?;
    settlements::supersede_stayed(&mut *connection, vec![claim.notification.id.0]).await?;
    writer.commit().await?;
    Ok(Standing::Held)
}

/// Leases what is in the digest of a claim that was made again.
pub(super) async fn lease_again(
    connection: &mut SqliteConnection,
    claim: &Claim,
) -> Result<Vec<NotificationRow>, Error> {
    sqlx::query_as(
        "UPDATE notifications SET epoch = epoch + 1, begun = 0, \
         leased_at = (SELECT head.leased_at FROM notifications AS head WHERE head.id = ?1), \
         lease_until = (SELECT head.lease_until FROM notifications AS head WHERE head.id = ?1) \
         WHERE digest = ?1 AND id <> ?1 AND state = 'owed' RETURNING *",
    )
    .bind(claim.notification.id.0)
    .fetch_all(connection)
    .await
    .map_err(failed("lease a digest"))
}

/// Whatever is in a digest whose lease ran out may have arrived with it, or has twice.
pub(super) async fn note_lost_lease(
    connection: &mut SqliteConnection,
    digest: i64,
    now: Timestamp,
) -> Result<(), Error> {
    let query = sqlx::query(
        "UPDATE notifications AS mine SET possible_repeat = 1, failures = mine.failures + 1, \
         state = head.state, settled_at = CASE WHEN head.state = 'owed' THEN NULL ELSE ?2 END, \
         leased_at = head.leased_at, lease_until = head.lease_until, begun = 0, \
         reason = CASE WHEN head.state = 'owed' THEN mine.reason ELSE head.reason END \
         FROM notifications AS head WHERE head.id = ?1 AND mine.digest = ?1 AND mine.id <> ?1 \
         AND mine.state = 'owed'",
    )
    .bind(digest)
    .bind(rows::millis(now));
    query.execute(connection).await.map_err(failed("note a lost lease")).map(|_| ())
}

/// Writes what an attempt at a digest means besides its delivery: what it means for all that is in it, and
/// when what happened.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
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
        sqlx::query("UPDATE notifications SET digest = NULL WHERE id = ?")
            .bind(claim.notification.id.0)
            .execute(&mut *connection)
            .await
            .map_err(failed("settle a digest"))?;
    }
    if settlement.state != NotificationState::Sent {
        return Ok(());
    }
    let query = sqlx::query(
        "UPDATE notifications SET sent_at = ?2, accepted_at = ?3 WHERE (id = ?1 OR digest = ?1) \
         AND state IN ('sent', 'in_digest') AND accepted_at IS NULL",
    )
    .bind(claim.notification.id.0)
    .bind(rows::millis(started_at))
    .bind(rows::millis(ended_at));
    query.execute(connection).await.map_err(failed("stamp a notification")).map(|_| ())
}

/// Writes what an attempt means for those of a digest for which it means the same.
async fn settle_gathered(
    connection: &mut SqliteConnection,
    claim: &Claim,
    ids: Vec<i64>,
    (settlement, stays): (&Settlement, bool),
    ended_at: Timestamp,
) -> Result<(), Error> {
    // By an acceptance, even what was given up meanwhile was told.
    let query = sqlx::query(
        "UPDATE notifications SET state = ?3, due_at = ?4, failures = ?5, possible_repeat = ?6, \
         reason = ?7, leased_at = NULL, lease_until = NULL, begun = 0, \
         settled_at = CASE WHEN ?3 = 'owed' THEN NULL ELSE ?8 END, \
         digest = CASE WHEN ?9 THEN digest END \
         WHERE digest = ?1 AND id IN (SELECT value FROM json_each(?2)) \
         AND (state = 'owed' OR ?3 = 'in_digest')",
    )
    .bind(claim.notification.id.0)
    .bind(to_json(&ids))
    .bind(settlement.state.as_str())
    .bind(rows::millis(settlement.due_at))
    .bind(settlement.failures)
    .bind(settlement.possible_repeat)
    .bind(settlement.reason.as_str())
    .bind(rows::millis(ended_at))
    .bind(stays);
    query.execute(connection).await.map_err(failed("settle what is gathered")).map(|_| ())
}

/// Stamps what people were told of an incident, where somebody acknowledged that.
pub(super) fn stamp(
    script: &mut Script,
    incident: IncidentId,
    transition: &Transition,
    now: Timestamp,
) {
    if transition.decisions.iter().any(|it| it.kind == DecisionKind::Acknowledged) {
        script.add(
            "UPDATE notifications SET acknowledged_at = ?2 \
             WHERE incident_id = ?1 AND accepted_at IS NOT NULL AND acknowledged_at IS NULL",
            values![incident.0, rows::millis(now)],
        );
    }
}

/// What was accepted about an incident before it was acknowledged at `now`.
pub(super) async fn answered(
    connection: &mut SqliteConnection,
    incident: IncidentId,
    now: Timestamp,
) -> Result<Vec<Answered>, Error> {
    let found: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT channel, accepted_at, acknowledged_at FROM notifications \
         WHERE incident_id = ?1 AND acknowledged_at = ?2 AND accepted_at IS NOT NULL ORDER BY id",
    )
    .bind(incident.0)
    .bind(rows::millis(now))
    .fetch_all(connection)
    .await
    .map_err(failed("read the stamps of notifications"))?;
    found.into_iter().map(rows::answered).collect()
}

fn numbers(ids: &[NotificationId]) -> String {
    to_json(&ids.iter().map(|id| id.0).collect::<Vec<_>>())
}
