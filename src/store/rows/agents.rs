//! The stored form of tokens and agents.

use uuid::Uuid;

use crate::domain::attendance::STALLED_AFTER;
use crate::store::Error;
use crate::store::agents::{AgentRecord, Presence, TokenId, TokenRecord};

/// All tokens by number, to every database.
pub(in crate::store) const TOKENS: &str = "SELECT id, region, name, digest, previous, created_at, \
     rotated_at, revoked_at FROM agent_tokens ORDER BY id";

/// Takes or keeps the name if it is free, the claimant's own, or that of someone it supersedes; to
/// every database.
pub(in crate::store) const CLAIM: &str = "INSERT INTO agents (region, name, instance, version, first_seen, last_seen, \
     lease_until, left_at, skew, lag, spool_reports, spool_bytes, thinned, lost, revision) \
     VALUES ($1, $2, $3, $4, $5, $5, $6, NULL, $7, $8, $9, $10, $11, $12, $13) \
     ON CONFLICT (region, name) DO UPDATE SET \
     instance = excluded.instance, version = excluded.version, last_seen = excluded.last_seen, \
     lease_until = excluded.lease_until, left_at = NULL, skew = excluded.skew, \
     lag = excluded.lag, spool_reports = excluded.spool_reports, \
     spool_bytes = excluded.spool_bytes, thinned = excluded.thinned, lost = excluded.lost, \
     revision = excluded.revision \
     WHERE agents.instance = excluded.instance OR agents.lease_until <= excluded.last_seen \
     OR agents.left_at IS NOT NULL OR $14 OR agents.instance = $15";

#[derive(sqlx::FromRow)]
pub(in crate::store) struct TokenRow {
    id: i64,
    region: String,
    name: String,
    digest: Vec<u8>,
    previous: Option<Vec<u8>>,
    created_at: i64,
    rotated_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TokenRow {
    pub(in crate::store) fn read(self) -> Result<TokenRecord, Error> {
        let digest = |bytes: Vec<u8>| {
            let wrong = |_| super::unreadable("token", "its digest has another length");
            bytes.try_into().map_err(wrong)
        };
        let time = |millis: Option<i64>| millis.map(super::timestamp).transpose();
        Ok(TokenRecord {
            id: TokenId(self.id),
            region: super::region(&self.region)?,
            name: self.name,
            digest: digest(self.digest)?,
            previous: self.previous.map(digest).transpose()?,
            created_at: super::timestamp(self.created_at)?,
            rotated_at: time(self.rotated_at)?,
            revoked_at: time(self.revoked_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct AgentRow {
    region: String,
    name: String,
    instance: Uuid,
    version: String,
    first_seen: i64,
    last_seen: i64,
    lease_until: i64,
    left_at: Option<i64>,
    skew: i64,
    lag: i64,
    spool_reports: i64,
    spool_bytes: i64,
    thinned: i64,
    lost: i64,
    revision: Option<String>,
}

impl AgentRow {
    pub(in crate::store) fn read(self) -> Result<AgentRecord, Error> {
        Ok(AgentRecord {
            presence: Presence {
                region: super::region(&self.region)?,
                name: self.name,
                instance: self.instance,
                version: self.version,
                skew_us: self.skew,
                lag_ms: self.lag.unsigned_abs(),
                spool_reports: self.spool_reports.unsigned_abs(),
                spool_bytes: self.spool_bytes.unsigned_abs(),
                thinned: self.thinned.unsigned_abs(),
                lost: self.lost.unsigned_abs(),
                revision: self.revision,
            },
            first_seen: super::timestamp(self.first_seen)?,
            last_seen: super::timestamp(self.last_seen)?,
            lease_until: super::timestamp(self.lease_until)?,
            left_at: self.left_at.map(super::timestamp).transpose()?,
        })
    }
}

/// A lag with which an agent is as good as lost.
pub(in crate::store) fn stalled() -> i64 {
    i64::try_from(STALLED_AFTER.as_millis()).unwrap_or(i64::MAX)
}

/// A number that a peer said, as far as it can be stored.
pub(in crate::store) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
