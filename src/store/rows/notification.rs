//! Notifications and their deliveries, as rows.

use std::collections::HashMap;

use sqlx::{Database, Encode, QueryBuilder, Type};

use super::notice::notice;
use super::{count, named, notification_state, recipient, region, timestamp};
use crate::domain::id::{IncidentId, NotificationId};
use crate::domain::notification::{Notification, NotificationState};
use crate::domain::policy::{Channel, Recipient};
use crate::domain::proof::{Status, Word};
use crate::domain::restraint::HELD_BACK;
use crate::domain::storm::{Told, Waiting};
use crate::store::claims::Present;
use crate::store::gathering::{Stamps, Story};
use crate::store::looking::MessageSearch;
use crate::store::succession::{Proof, Succession, Unproven};
use crate::store::{Backlog, Claim, Delivery, Epoch, Error, IncidentHistory, NotificationRecord};

/// The columns of `notifications` that are shown.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct NotificationRow {
    /// Its number.
    pub(in crate::store) id: i64,
    incident_id: i64,
    channel: String,
    address: String,
    notice: String,
    first_word: bool,
    state: String,
    owed_at: i64,
    due_at: i64,
    failures: i64,
    possible_repeat: bool,
    reason: Option<String>,
    epoch: i64,
    lease_until: Option<i64>,
    digest: Option<i64>,
    failed_at: Option<i64>,
    sent_at: Option<i64>,
    accepted_at: Option<i64>,
    acknowledged_at: Option<i64>,
    succeeded_at: Option<i64>,
    succession: Option<String>,
}

impl NotificationRow {
    /// Whether it is the one by whose message a digest is told.
    pub(in crate::store) fn is_digest(&self) -> bool {
        self.digest == Some(self.id)
    }

    /// Reads it as what was just leased.
    pub(in crate::store) fn read_claim(self) -> Result<Claim, Error> {
        let epoch = Epoch(self.epoch);
        let until = timestamp(self.lease_until.unwrap_or(self.due_at))?;
        let gathered = self.is_digest().then(Vec::new);
        let NotificationRecord { notification, stamps, .. } = self.read()?;
        Ok(Claim { notification, epoch, until, failed_at: stamps.failed, gathered })
    }

    /// Reads all but the deliveries.
    pub(in crate::store) fn read(self) -> Result<NotificationRecord, Error> {
        let state: NotificationState = notification_state(&self.state)?;
        Ok(NotificationRecord {
            notification: Notification {
                id: NotificationId(self.id),
                incident: IncidentId(self.incident_id),
                recipient: recipient(&self.channel, self.address)?,
                notice: notice(&self.notice)?,
                first_word: self.first_word,
                owed_at: timestamp(self.owed_at)?,
                failures: count(self.failures)?,
                possible_repeat: self.possible_repeat,
            },
            state,
            due_at: timestamp(self.due_at)?,
            reason: self.reason,
            deliveries: Vec::new(),
            digest: self.digest.map(NotificationId),
            stamps: Stamps {
                failed: self.failed_at.map(timestamp).transpose()?,
                sent: self.sent_at.map(timestamp).transpose()?,
                accepted: self.accepted_at.map(timestamp).transpose()?,
                acknowledged: self.acknowledged_at.map(timestamp).transpose()?,
            },
            succession: match (self.succeeded_at, self.succession) {
                (Some(at), Some(sentence)) => Some(Succession { at: timestamp(at)?, sentence }),
                _ => None,
            },
        })
    }
}

/// The columns of `deliveries` that are shown.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct DeliveryRow {
    /// Which notification it was of.
    pub(in crate::store) notification_id: i64,
    started_at: i64,
    ended_at: i64,
    outcome: String,
    detail: String,
    status: Option<String>,
    status_code: Option<i64>,
    status_at: Option<i64>,
}

impl DeliveryRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<Delivery, Error> {
        Ok(Delivery {
            started_at: timestamp(self.started_at)?,
            ended_at: timestamp(self.ended_at)?,
            outcome: self.outcome,
            detail: self.detail,
            proof: match (self.status, self.status_at) {
                (Some(word), Some(at)) => {
                    let code = self.status_code.map(count).transpose()?;
                    let word = Word { status: status(&word)?, code };
                    Some(Proof { word, at: timestamp(at)? })
                }
                _ => None,
            },
        })
    }
}

/// The columns that are read, by name: a later version may add some while this one runs.
macro_rules! shown {
    () => {
        "id, incident_id, channel, address, notice, first_word, state, owed_at, due_at, failures, \
         possible_repeat, reason, epoch, lease_until, digest, failed_at, sent_at, accepted_at, \
         acknowledged_at, succeeded_at, succession"
    };
}
pub(in crate::store) use shown;

/// Asks for messages that somebody looks for.
pub(in crate::store) fn find<DB>(query: &mut QueryBuilder<DB>, search: MessageSearch)
where
    DB: Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    query.push(concat!("SELECT ", shown!(), " FROM notifications WHERE kind <> 'drill'"));
    if let Some(state) = search.state {
        query.push(" AND state = ").push_bind(state.as_str().to_owned());
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(search.limit));
}

/// Asks for the deliveries of `notifications`, of which there is one at least.
pub(in crate::store) fn deliveries_of<DB>(
    query: &mut QueryBuilder<DB>,
    notifications: &[NotificationRow],
) where
    DB: Database,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    query.push(
        "SELECT notification_id, started_at, ended_at, outcome, detail, status, status_code, status_at \
         FROM deliveries WHERE notification_id IN (",
    );
    let mut ids = query.separated(", ");
    for row in notifications {
        ids.push_bind(row.id);
    }
    query.push(") ORDER BY id");
}

/// Notifications, each with those of `attempts` that are its own.
pub(in crate::store) fn whole(
    notifications: Vec<NotificationRow>,
    attempts: Vec<DeliveryRow>,
) -> Result<Vec<NotificationRecord>, Error> {
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

/// What is owed to a recipient, as far as gathering goes.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct WaitingRow {
    id: i64,
    incident_id: i64,
    due_at: i64,
    is_bound: bool,
    is_known: bool,
}

impl WaitingRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<Waiting, Error> {
        Ok(Waiting {
            id: NotificationId(self.id),
            incident: IncidentId(self.incident_id),
            due_at: timestamp(self.due_at)?,
            is_bound: self.is_bound,
            is_known: self.is_known,
        })
    }
}

/// A message whose provider is asked about it, as a row.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct UnprovenRow {
    detail: String,
    ended_at: i64,
    status: Option<String>,
}

impl UnprovenRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<Unproven, Error> {
        Ok(Unproven {
            receipt: self.detail,
            taken_at: timestamp(self.ended_at)?,
            last: self.status.as_deref().map(status).transpose()?,
        })
    }
}

/// A message that a recipient was sent.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct ToldRow {
    id: i64,
    incident_id: i64,
    settled_at: i64,
    digest: Option<i64>,
}

impl ToldRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<Told, Error> {
        Ok(Told {
            id: NotificationId(self.id),
            incident: IncidentId(self.incident_id),
            at: timestamp(self.settled_at)?,
            is_digest: self.digest.is_some(),
        })
    }
}

/// Puts what is gathered, brought with the number of its digest, with the claims on the digests.
pub(in crate::store) fn gather(
    claims: &mut [Claim],
    rows: Vec<NotificationRow>,
) -> Result<(), Error> {
    for row in rows {
        let digest = row.digest;
        let member = row.read_claim()?;
        let claim = claims.iter_mut().find(|it| Some(it.notification.id.0) == digest);
        if let Some(claim) = claim {
            claim.gathered.get_or_insert_default().push(member);
        }
    }
    for gathered in claims.iter_mut().filter_map(|claim| claim.gathered.as_mut()) {
        gathered.sort_by_key(|it| it.notification.id);
        gathered.dedup_by_key(|it| it.notification.id);
    }
    Ok(())
}

/// Reads how a message stands with its provider.
pub(in crate::store) fn status(word: &str) -> Result<Status, Error> {
    named("status", &Status::ALL, Status::as_str, word)
}

/// Reads to whom something is owed, and how that stands.
pub(in crate::store) fn owed_to(
    (channel, address, state): (String, String, String),
) -> Result<(Recipient, NotificationState), Error> {
    Ok((recipient(&channel, address)?, notification_state(&state)?))
}

/// What decides over a settlement.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct PresentRow {
    id: i64,
    state: String,
    epoch: i64,
    leased: bool,
    recorded: bool,
}

impl PresentRow {
    /// Reads it, with the number of its notification.
    pub(in crate::store) fn read(self) -> Result<(NotificationId, Present), Error> {
        let present = Present {
            state: notification_state(&self.state)?,
            epoch: Epoch(self.epoch),
            leased: self.leased,
            recorded: self.recorded,
        };
        Ok((NotificationId(self.id), present))
    }
}

/// Where a check is down, and when it last passed there.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct DownRow {
    region: String,
    last_success: Option<i64>,
}

impl DownRow {
    /// The story of an incident about a check that is down in all of `rows`, as one reads them.
    pub(in crate::store) fn tell(history: IncidentHistory, rows: &[Self]) -> Result<Story, Error> {
        let last = rows.iter().filter_map(|row| row.last_success).min();
        Ok(Story {
            history,
            last_success: last.map(timestamp).transpose()?,
            down: rows.iter().map(|row| region(&row.region)).collect::<Result<_, _>>()?,
        })
    }
}

/// How much is owed on each channel and since when, where `$1` is [`held_back`]. What is held back is looked
/// for once and not for each: left to themselves, databases go through all that is owed again and again.
pub(in crate::store) const OWED: &str = "WITH held AS MATERIALIZED \
     (SELECT incident_id, channel, address, min(id) AS id FROM notifications \
     WHERE state = 'owed' AND reason LIKE $1 GROUP BY incident_id, channel, address) \
     SELECT mine.channel, count(*), min(CASE WHEN held.id IS NULL THEN mine.owed_at END) \
     FROM notifications AS mine LEFT JOIN held ON held.incident_id = mine.incident_id \
     AND held.channel = mine.channel AND held.address = mine.address AND held.id <= mine.id \
     WHERE mine.state = 'owed' AND mine.kind <> 'drill' GROUP BY mine.channel";

/// How much was given up on each channel since `$1`.
pub(in crate::store) const GIVEN_UP: &str = "SELECT channel, count(*) FROM notifications \
     WHERE state = 'given_up' AND kind <> 'drill' AND settled_at > $1 GROUP BY channel";

/// What the reasons of those are like that people held back, who are not late, and neither is what waits for
/// them.
pub(in crate::store) fn held_back() -> String {
    format!("{HELD_BACK}%")
}

/// What is owed (how much, since when) and what was given up, for every channel.
pub(in crate::store) fn backlog(
    owed: &[(String, i64, Option<i64>)],
    given_up: &[(String, i64)],
) -> Result<Vec<Backlog>, Error> {
    Channel::ALL
        .into_iter()
        .map(|channel| {
            let owed = owed.iter().find(|(word, ..)| word == channel.as_str());
            let given_up = given_up.iter().find(|(word, _)| word == channel.as_str());
            let oldest = owed.and_then(|(.., oldest)| *oldest);
            Ok(Backlog {
                channel,
                owed: owed.map_or(0, |(_, count, _)| count.unsigned_abs()),
                oldest: oldest.map(timestamp).transpose()?,
                given_up: given_up.map_or(0, |(_, count)| count.unsigned_abs()),
            })
        })
        .collect()
}
