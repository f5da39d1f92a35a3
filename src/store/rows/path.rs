//! What is known of paths, as rows, and the statements about them that both databases understand.

use std::collections::BTreeMap;

use super::notification::status;
use super::{named, notification_state, recipient, timestamp, unreadable};
use crate::domain::Timestamp;
use crate::domain::drill::{Evidence, Proven, Record, Trial};
use crate::domain::id::IncidentId;
use crate::domain::path::{Breakage, PathError};
use crate::domain::policy::Recipient;
use crate::store::Error;

/// Every path with its last drill.
pub(in crate::store) const PATHS: &str = "SELECT p.channel, p.address, p.since, p.drilled_since, p.proven_at, p.evidence, p.receipt, n.incident_id, \
     n.owed_at, n.state, n.settled_at, n.reason, d.status FROM paths AS p \
     LEFT JOIN notifications AS n ON n.id = p.drill \
     LEFT JOIN deliveries AS d ON d.id = \
     (SELECT max(id) FROM deliveries WHERE notification_id = p.drill)";

/// What arrived last by each path, where that is later than what is noted less `$1`; a receipt `$2` says
/// nothing, nor does what is to come after `$3`: a clock was ahead.
pub(in crate::store) const PROOFS: &str = "SELECT p.channel, p.address, coalesce(d.status_at, d.ended_at) AS at, d.detail AS receipt \
     FROM paths AS p JOIN deliveries AS d ON d.id = \
     (SELECT arrived.id FROM notifications AS n \
     JOIN deliveries AS arrived ON arrived.notification_id = n.id \
     WHERE n.channel = p.channel AND n.address = p.address AND n.state = 'sent' \
     AND n.settled_at > CASE WHEN p.proven_at <= $3 THEN p.proven_at ELSE 0 END - $1 \
     AND n.settled_at <= $3 \
     AND arrived.outcome = 'accepted' AND arrived.detail <> $2 \
     AND (p.channel <> 'sms' OR arrived.status = 'delivered') \
     ORDER BY n.settled_at DESC LIMIT 1) \
     UNION ALL SELECT p.channel, p.address, d.status_at, d.detail FROM paths AS p \
     JOIN deliveries AS d ON d.notification_id = p.drill AND d.status = 'delivered' \
     AND d.status_at <= $3";

/// Up to when paths were drilled.
pub(in crate::store) const MARK: &str = "SELECT until_at FROM drill_mark";

/// Notes that paths were drilled up to `$1`.
pub(in crate::store) const MOVE_MARK: &str = "INSERT INTO drill_mark (one, until_at) VALUES (1, $1) \
     ON CONFLICT (one) DO UPDATE SET until_at = excluded.until_at";

/// Begins the path by channel `$1` to `$2` at `$3`.
pub(in crate::store) const BEGIN: &str = "INSERT INTO paths (channel, address, since) \
     VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// Notes since when the path by channel `$1` to `$2` is drilled.
pub(in crate::store) const DRILL_SINCE: &str = "UPDATE paths SET drilled_since = $3 \
     WHERE channel = $1 AND address = $2";

/// Takes away the path by channel `$1` to `$2`.
pub(in crate::store) const END: &str = "DELETE FROM paths WHERE channel = $1 AND address = $2";

/// Notes the messages of round `$1` as the last drills of their paths.
pub(in crate::store) const DRILL: &str = "UPDATE paths SET drill = n.id FROM notifications AS n \
     WHERE n.incident_id = $1 AND n.channel = paths.channel AND n.address = paths.address";

/// Notes the last proof of a path: when, how, and its receipt.
pub(in crate::store) const PROVE: &str = "UPDATE paths SET proven_at = $3, evidence = $4, \
     receipt = $5 WHERE channel = $1 AND address = $2";

/// A path with its last drill.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct PathRow {
    channel: String,
    address: String,
    since: i64,
    drilled_since: Option<i64>,
    proven_at: Option<i64>,
    evidence: Option<String>,
    receipt: Option<String>,
    incident_id: Option<i64>,
    owed_at: Option<i64>,
    state: Option<String>,
    settled_at: Option<i64>,
    reason: Option<String>,
    status: Option<String>,
}

/// A message that arrived.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct ProofRow {
    channel: String,
    address: String,
    at: i64,
    receipt: String,
}

/// Reads what is noted of all paths, and brings it up to date by what arrived since.
pub(in crate::store) fn records(
    paths: Vec<PathRow>,
    proofs: Vec<ProofRow>,
    now: Timestamp,
) -> Result<BTreeMap<Recipient, Record>, Error> {
    let mut records = BTreeMap::new();
    for row in paths {
        let (recipient, record) = row.read(now)?;
        records.insert(recipient, record);
    }
    for row in proofs {
        let recipient = recipient(&row.channel, row.address)?;
        let at = timestamp(row.at)?;
        let Some(record) = records.get_mut(&recipient) else { continue };
        if record.proof.as_ref().is_none_or(|proof| proof.at < at) {
            let by = Evidence::of(recipient.channel());
            record.proof = Some(Proven { at, by, receipt: row.receipt });
        }
    }
    Ok(records)
}

impl PathRow {
    fn read(self, now: Timestamp) -> Result<(Recipient, Record), Error> {
        let proof = match (self.proven_at, self.evidence, self.receipt) {
            (Some(at), Some(word), Some(receipt)) => Some(Proven {
                at: timestamp(at)?,
                by: named("evidence", &Evidence::ALL, Evidence::as_str, &word)?,
                receipt,
            }),
            _ => None,
        };
        let trial = match (self.incident_id, self.owed_at, self.state) {
            (Some(incident), Some(owed_at), Some(state)) => Some(Trial {
                incident: IncidentId(incident),
                owed_at: timestamp(owed_at)?,
                state: notification_state(&state)?,
                ended_at: self.settled_at.map(timestamp).transpose()?,
                status: self.status.as_deref().map(status).transpose()?,
                reason: self.reason,
            }),
            _ => None,
        };
        let proof = proof.filter(|proof| proof.at <= now);
        let noted = proof.as_ref().map(|proof| proof.at);
        let (since, drilled_since) =
            (timestamp(self.since)?, self.drilled_since.map(timestamp).transpose()?);
        let record = Record { since, drilled_since, proof, noted, trial };
        Ok((recipient(&self.channel, self.address)?, record))
    }
}

/// Reads what is known of a broken path.
pub(in crate::store) fn breakage(
    (path, since, reason): (String, i64, String),
) -> Result<Breakage, Error> {
    let path = path.parse();
    let path = path.map_err(|error: PathError| unreadable("path", error.to_string()))?;
    Ok(Breakage { path, since: timestamp(since)?, reason })
}
