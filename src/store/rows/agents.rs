//! The stored form of tokens and agents.

use uuid::Uuid;

use crate::domain::attendance::STALLED_AFTER;
use crate::store::Error;
use crate::store::agents::{AgentRecord, Digest, Former, Presence, TokenId, TokenRecord};

/// All tokens by number, each once for every token that it took the place of; to every database.
pub(in crate::store) const TOKENS: &str = "SELECT agent_tokens.id, region, name, agent_tokens.digest, \
     created_at, rotated_at, revoked_at, former_tokens.digest AS former, good_until \
     FROM agent_tokens LEFT JOIN former_tokens ON former_tokens.token = agent_tokens.id \
     ORDER BY agent_tokens.id, good_until, former_tokens.digest";

/// Keeps token `$1` as one that is good until `$2`, before it is replaced; to every database.
pub(in crate::store) const KEEP_FORMER: &str = "INSERT INTO former_tokens (digest, token, good_until) \
     SELECT digest, id, $2 FROM agent_tokens WHERE id = $1 AND revoked_at IS NULL";

/// The number of no token.
pub(in crate::store) const NO_TOKEN: i64 = 0;

/// Forgets the tokens that were replaced and are good no longer at `$1`, and those of token `$2`; to
/// every database.
pub(in crate::store) const FORGET_FORMER: &str =
    "DELETE FROM former_tokens WHERE good_until <= $1 OR token = $2";

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
    former: Option<Vec<u8>>,
    good_until: Option<i64>,
    created_at: i64,
    rotated_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TokenRow {
    /// The tokens that rows of [`TOKENS`] tell of.
    pub(in crate::store) fn read_all(rows: Vec<Self>) -> Result<Vec<TokenRecord>, Error> {
        let mut tokens: Vec<TokenRecord> = Vec::new();
        for row in rows {
            let former = row.former()?;
            if let Some(token) = tokens.last_mut().filter(|token| token.id.0 == row.id) {
                token.former.extend(former);
            } else {
                let token = row.read()?;
                tokens.push(TokenRecord { former: former.into_iter().collect(), ..token });
            }
        }
        Ok(tokens)
    }

    fn former(&self) -> Result<Option<Former>, Error> {
        let Some((bytes, until)) = self.former.as_ref().zip(self.good_until) else {
            return Ok(None);
        };
        let digest = digest(bytes.clone())?;
        Ok(Some(Former { digest, good_until: super::timestamp(until)? }))
    }

    fn read(self) -> Result<TokenRecord, Error> {
        let time = |millis: Option<i64>| millis.map(super::timestamp).transpose();
        Ok(TokenRecord {
            id: TokenId(self.id),
            region: super::region(&self.region)?,
            name: self.name,
            digest: digest(self.digest)?,
            former: Vec::new(),
            created_at: super::timestamp(self.created_at)?,
            rotated_at: time(self.rotated_at)?,
            revoked_at: time(self.revoked_at)?,
        })
    }
}

fn digest(bytes: Vec<u8>) -> Result<Digest, Error> {
    bytes.try_into().map_err(|_| super::unreadable("token", "its digest has another length"))
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

/// The agent of region `$1` and name `$2`; to every database.
pub(in crate::store) const AGENT: &str = "SELECT * FROM agents WHERE region = $1 AND name = $2";

/// A lag with which an agent is as good as lost.
pub(in crate::store) fn stalled() -> i64 {
    i64::try_from(STALLED_AFTER.as_millis()).unwrap_or(i64::MAX)
}

/// A number that a peer said, as far as it can be stored.
pub(in crate::store) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
