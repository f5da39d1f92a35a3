//! What is known of paths, as rows.

use std::collections::BTreeMap;

use super::notification::status;
use super::{named, notification_state, recipient, timestamp, unreadable};
use crate::domain::drill::{Evidence, Proven, Record, Trial};
use crate::domain::id::IncidentId;
use crate::domain::path::{Breakage, PathError};
use crate::domain::policy::Recipient;
use crate::store::Error;

/// A path with its last drill.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct PathRow {
    channel: String,
    address: String,
    since: i64,
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
) -> Result<BTreeMap<Recipient, Record>, Error> {
    let mut records = BTreeMap::new();
    for row in paths {
        let (recipient, record) = row.read()?;
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
    fn read(self) -> Result<(Recipient, Record), Error> {
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
        let noted = proof.as_ref().map(|proof| proof.at);
        let record = Record { since: timestamp(self.since)?, proof, noted, trial };
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
