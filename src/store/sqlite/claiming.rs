//! Handing out: what is due goes to one sender at a time, under a lease.
//!
//! What was never handed out is looked for beside whoever writes, and leased in one command, if it is still
//! as it was seen. What a lease was lost on, or the clock put out of time, is dealt with by the writer alone.

use std::collections::HashSet;

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::gathering::{self, AskedBackground};
use super::script::{Script, Term, Value, values};
use super::writer::{Durability, Writer};
use super::{failed, script};
use crate::domain::Timestamp;
use crate::domain::policy::Channel;
use crate::store::gathering::Sought;
use crate::store::rows::notification::{NotificationRow, gather};
use crate::store::rows::{self, to_json};
use crate::store::{Claim, Error, Handed, Offer, claims};

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

/// What may be handed out: at most one per recipient, or as many as the channel takes abreast.
#[derive(Debug, Default)]
pub(super) struct Due {
    ids: Vec<i64>,
    /// Some may have been handed out before, alone or with others.
    is_again: bool,
    /// Something lies so far in the future only because the clock was set back.
    is_out_of_time: bool,
}

impl Due {
    pub(super) fn is_nothing(&self) -> bool {
        self.ids.is_empty() && !self.is_out_of_time
    }

    /// Whether nobody was handed any of it before.
    fn is_fresh(&self) -> bool {
        !self.is_again && !self.is_out_of_time
    }
}

/// What is due by `?2` on channel `?1`, at most one for each recipient and `?3` in all.
macro_rules! due_one_each {
    () => {
        next_in_line!(
            "SELECT min(id) AS id, max(lease_until IS NOT NULL OR digest IS NOT NULL) AS is_again",
            "AND max(due_at, coalesce(lease_until, due_at)) <= ?2 AND address NOT IN \
             (SELECT busy.address FROM notifications AS busy INDEXED BY notifications_leased \
             WHERE busy.channel = ?1 AND busy.state = 'owed' AND busy.lease_until > ?2) \
             GROUP BY address ORDER BY min(kind = 'drill'), min(id) LIMIT +?3"
        )
    };
}

/// The same where `?4` may be on their way to each recipient.
macro_rules! due_abreast {
    () => {
        next_in_line!(
            "SELECT id, lease_until IS NOT NULL OR digest IS NOT NULL AS is_again",
            "AND max(due_at, coalesce(lease_until, due_at)) <= ?2 AND address NOT IN \
             (SELECT busy.address FROM notifications AS busy INDEXED BY notifications_leased \
             WHERE busy.channel = ?1 AND busy.state = 'owed' AND busy.lease_until > ?2 \
             GROUP BY busy.address HAVING count(*) >= ?4) ORDER BY id LIMIT +?3"
        )
    };
}

/// Whether something on channel `?1` lies so far in the future only because the clock was set back: leased
/// beyond `?5`, when a lease of now ends, or last touched after `?6`, the latest moment that can be the past.
/// By indices that hold what is leased and what is due later: much else may be owed.
macro_rules! is_out_of_time {
    () => {
        "(EXISTS (SELECT 1 FROM notifications INDEXED BY notifications_leased \
         WHERE state = 'owed' AND channel = ?1 AND lease_until > ?5) \
         OR EXISTS (SELECT 1 FROM notifications AS mine INDEXED BY notifications_due \
         WHERE mine.state = 'owed' AND mine.channel = ?1 AND mine.due_at > ?2 \
         AND coalesce((SELECT ended_at FROM deliveries WHERE notification_id = mine.id \
         ORDER BY id DESC LIMIT 1), mine.owed_at) > ?6))"
    };
}

/// Leases all that is due until `?5`, if nobody was handed any of it before.
macro_rules! lease_due {
    ($due:ident) => {
        concat!(
            "WITH due AS MATERIALIZED (",
            $due!(),
            ") UPDATE notifications AS mine SET leased_at = ?2, lease_until = ?5, \
             epoch = epoch + 1, begun = 0, ",
            claims::is_first_word!(),
            " WHERE id IN (SELECT id FROM due) AND NOT EXISTS (SELECT 1 FROM due WHERE is_again) \
             AND NOT ",
            is_out_of_time!(),
            " RETURNING *"
        )
    };
}

const AT_ONCE: &str = lease_due!(due_one_each);
const AT_ONCE_ABREAST: &str = lease_due!(due_abreast);

/// Looks for what may be handed out.
pub(super) async fn due(
    connection: &mut SqliteConnection,
    channel: Channel,
    (now, lease_until): (Timestamp, Timestamp),
    limit: u32,
) -> Result<Due, Error> {
    let mut script = Script::default();
    let out_of_time = script.add(
        concat!("SELECT 1 WHERE ", is_out_of_time!()),
        values![
            channel.as_str(),
            rows::millis(now),
            Value::Null,
            Value::Null,
            rows::millis(lease_until),
            rows::millis(now + claims::CORRECTION),
        ],
    );
    let due = match channel.abreast() {
        None => script.add(due_one_each!(), values![channel.as_str(), rows::millis(now), limit]),
        Some(most) => script.add(
            due_abreast!(),
            values![channel.as_str(), rows::millis(now), limit.min(most), most],
        ),
    };
    let mut found = script.rows(connection, "look for what is due").await?;
    let mut handed = Due { is_out_of_time: !found[out_of_time].is_empty(), ..Due::default() };
    let due: Vec<(i64, bool)> = script::read(&found.swap_remove(due), "look for what is due")?;
    for (id, is_again) in due {
        handed.ids.push(id);
        handed.is_again |= is_again;
    }
    Ok(handed)
}

/// Leases what is due, if it still is where that was seen by somebody else.
const LEASE: &str = concat!(
    "UPDATE notifications AS mine SET leased_at = ?2, lease_until = ?3, \
     epoch = epoch + 1, begun = 0, digest = CASE WHEN digest = id THEN id END, ",
    claims::is_first_word!(),
    " WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'owed' \
     AND (?4 OR lease_until IS NULL AND digest IS NULL AND NOT EXISTS \
     (SELECT 1 FROM notifications AS earlier INDEXED BY notifications_once \
     WHERE earlier.incident_id = mine.incident_id AND earlier.channel = mine.channel \
     AND earlier.address = mine.address AND earlier.state = 'owed' AND earlier.id < mine.id)) \
     RETURNING *"
);

/// Hands out what is due; `seen` is what was due a moment ago, where somebody looked.
pub(super) async fn claim(
    writer: &mut Writer,
    channel: Channel,
    times: (Timestamp, Timestamp),
    limit: u32,
    seen: Option<Due>,
) -> Result<Vec<Claim>, Error> {
    let found = match seen {
        Some(seen) if seen.is_fresh() => seen,
        _ => due_by_now(writer, channel, times, limit).await?,
    };
    match found {
        Due { ids, .. } if ids.is_empty() => Ok(Vec::new()),
        Due { ids, is_again: true, .. } => claim_again(writer, ids, times).await,
        Due { ids, .. } => claim_fresh(writer, &ids, times).await,
    }
}

/// By which statements of a script something is leased.
pub(super) struct AskedLease {
    channel: Channel,
    leased: usize,
    /// The first of it, and what there is to know before that leaves.
    first: Option<(usize, AskedBackground)>,
}

/// Leases what is due and nobody was handed before, where that is all that is due, and asks for what is
/// sought of the first of it.
pub(super) fn ask_to_lease(script: &mut Script, offer: &Offer, now: Timestamp) -> AskedLease {
    let Offer { channel, limit, sought, .. } = *offer;
    let [at, until] = [now, offer.lease_until].map(rows::millis);
    let (text, limit, most) = match channel.abreast() {
        None => (AT_ONCE, limit, 0),
        Some(most) => (AT_ONCE_ABREAST, limit.min(most), most),
    };
    let latest = rows::millis(now + claims::CORRECTION);
    let leased = script.add(text, values![channel.as_str(), at, limit, most, until, latest]);
    let first = (sought != Sought::default()).then(|| {
        let first = Term {
            text: "(SELECT min(id) FROM notifications INDEXED BY notifications_leased \
                   WHERE state = 'owed' AND channel = ? AND lease_until = ? AND leased_at = ?)"
                .into(),
            values: values![channel.as_str(), until, at].into(),
        };
        let id = script.add(&format!("SELECT {}", first.text), first.values.clone());
        (id, gathering::ask_background(script, (channel, &first), &sought))
    });
    AskedLease { channel, leased, first }
}

/// Reads what was leased.
pub(super) fn read_lease(found: &[Vec<SqliteRow>], asked: &AskedLease) -> Result<Handed, Error> {
    let claims = read_leased(&found[asked.leased])?;
    let mut background = None;
    if let Some((id, asked)) = asked.first
        && let Some(first) = claims.first()
    {
        let id: Vec<(Option<i64>,)> = script::read(&found[id], "lease notifications")?;
        // What another leased in the same moment is not meant.
        if id == [(Some(first.notification.id.0),)] {
            // What cannot be read must not keep the others from leaving; it is asked for again.
            background = gathering::read_background(found, asked).ok().map(Box::new);
        }
    }
    Ok(Handed { channel: asked.channel, claims, background })
}

/// Hands out what nobody was handed before, with what is sought of the first of it, all in one command.
/// Nothing where that is not all that is due: [`claim`] deals with the rest.
pub(super) async fn claim_at_once(
    writer: &mut Writer,
    offer: &Offer,
    now: Timestamp,
) -> Result<Handed, Error> {
    let mut script = Script::begin();
    let asked = ask_to_lease(&mut script, offer, now);
    script.commit();
    let connection = writer.unsettled(Durability::Power).await?;
    let found = script.rows(connection, "lease notifications").await?;
    writer.settled();
    read_lease(&found, &asked)
}

/// The first of them first.
fn read_leased(rows: &[SqliteRow]) -> Result<Vec<Claim>, Error> {
    let mut leased: Vec<NotificationRow> = script::read(rows, "lease notifications")?;
    leased.sort_by_key(|row| row.id);
    leased.into_iter().map(NotificationRow::read_claim).collect()
}

/// Looks for what is due, after what the clock put out of time was brought back.
async fn due_by_now(
    writer: &mut Writer,
    channel: Channel,
    times: (Timestamp, Timestamp),
    limit: u32,
) -> Result<Due, Error> {
    // Nobody else writes between this and the transaction.
    let found = due(writer.connection().await?, channel, times, limit).await?;
    if !found.is_out_of_time {
        return Ok(found);
    }
    heed_clock(writer, channel, times).await?;
    due(writer.connection().await?, channel, times, limit).await
}

/// Hands out what nobody was handed before.
async fn claim_fresh(
    writer: &mut Writer,
    ids: &[i64],
    (now, lease_until): (Timestamp, Timestamp),
) -> Result<Vec<Claim>, Error> {
    let connection = writer.unsettled(Durability::Power).await?;
    let mut script = Script::begin();
    let (now, lease_until) = (rows::millis(now), rows::millis(lease_until));
    let leased = script.add(LEASE, values![to_json(&ids), now, lease_until, false]);
    script.commit();
    let returned = script.rows(connection, "lease notifications").await?;
    writer.settled();
    read_leased(&returned[leased])
}

/// Hands out what is due where some of it was handed out before, and was not settled.
async fn claim_again(
    writer: &mut Writer,
    ids: Vec<i64>,
    (now, lease_until): (Timestamp, Timestamp),
) -> Result<Vec<Claim>, Error> {
    let connection = writer.begin(Durability::Power).await?;
    let handed = without_ended(&mut *connection, ids, now).await?;
    let mut rows: Vec<NotificationRow> = sqlx::query_as(LEASE)
        .bind(to_json(&handed))
        .bind(rows::millis(now))
        .bind(rows::millis(lease_until))
        .bind(true)
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

/// Ends all leases at `now`: whoever held them is dead, since a file has one process at a time.
pub(super) async fn release(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE notifications SET lease_until = ?1 WHERE state = 'owed' AND lease_until > ?1",
    )
    .bind(rows::millis(now))
    .execute(connection)
    .await
    .map_err(failed("end the leases of before"))
    .map(|_| ())
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
    (now, lease_until): (Timestamp, Timestamp),
) -> Result<(), Error> {
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
    .bind(rows::millis(now + claims::CORRECTION))
    .execute(&mut *connection)
    .await
    .map_err(failed("heed the clock"))?;
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
