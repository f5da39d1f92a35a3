//! Tokens and agents in SQLite: the daemon's side.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::writer::Durability;
use super::{SqliteStore, failed};
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::store::agents::{
    AgentRecord, Agents, Claim, Claimed, Presence, Supersedes, TokenId, TokenRecord,
};
use crate::store::{Error, rows};

/// All tokens by number.
pub(super) async fn tokens(connection: &mut SqliteConnection) -> Result<Vec<TokenRecord>, Error> {
    let found: Vec<TokenRow> = sqlx::query_as(
        "SELECT id, region, name, digest, previous, created_at, rotated_at, revoked_at \
         FROM agent_tokens ORDER BY id",
    )
    .fetch_all(connection)
    .await
    .map_err(failed("read the tokens"))?;
    found.into_iter().map(TokenRow::read).collect()
}

#[derive(sqlx::FromRow)]
struct TokenRow {
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
    fn read(self) -> Result<TokenRecord, Error> {
        let digest = |bytes: Vec<u8>| {
            let wrong = |_| rows::unreadable("token", "its digest has another length");
            bytes.try_into().map_err(wrong)
        };
        let time = |millis: Option<i64>| millis.map(rows::timestamp).transpose();
        Ok(TokenRecord {
            id: TokenId(self.id),
            region: rows::region(&self.region)?,
            name: self.name,
            digest: digest(self.digest)?,
            previous: self.previous.map(digest).transpose()?,
            created_at: rows::timestamp(self.created_at)?,
            rotated_at: time(self.rotated_at)?,
            revoked_at: time(self.revoked_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct AgentRow {
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
    fn read(self) -> Result<AgentRecord, Error> {
        Ok(AgentRecord {
            presence: Presence {
                region: rows::region(&self.region)?,
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
            first_seen: rows::timestamp(self.first_seen)?,
            last_seen: rows::timestamp(self.last_seen)?,
            lease_until: rows::timestamp(self.lease_until)?,
            left_at: self.left_at.map(rows::timestamp).transpose()?,
        })
    }
}

/// Takes or keeps the name if it is free, the claimant's own, or that of someone it supersedes.
const CLAIM: &str = "INSERT INTO agents (region, name, instance, version, first_seen, last_seen, \
     lease_until, left_at, skew, lag, spool_reports, spool_bytes, thinned, lost, revision) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, NULL, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
     ON CONFLICT (region, name) DO UPDATE SET \
     instance = excluded.instance, version = excluded.version, last_seen = excluded.last_seen, \
     lease_until = excluded.lease_until, left_at = NULL, skew = excluded.skew, \
     lag = excluded.lag, spool_reports = excluded.spool_reports, \
     spool_bytes = excluded.spool_bytes, thinned = excluded.thinned, lost = excluded.lost, \
     revision = excluded.revision \
     WHERE agents.instance = excluded.instance OR agents.lease_until <= excluded.last_seen \
     OR agents.left_at IS NOT NULL OR ?14 OR agents.instance = ?15";

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

async fn claim(connection: &mut SqliteConnection, claim: &Claim) -> Result<Claimed, Error> {
    let it = &claim.presence;
    let (anybody, instance) = match claim.supersedes {
        Supersedes::Nobody => (false, None),
        Supersedes::Instance(instance) => (false, Some(instance)),
        Supersedes::Anybody => (true, None),
    };
    let done = sqlx::query(CLAIM)
        .bind(it.region.as_str())
        .bind(&it.name)
        .bind(it.instance)
        .bind(&it.version)
        .bind(rows::millis(claim.now))
        .bind(rows::millis(claim.lease_until))
        .bind(it.skew_us)
        .bind(signed(it.lag_ms))
        .bind(signed(it.spool_reports))
        .bind(signed(it.spool_bytes))
        .bind(signed(it.thinned))
        .bind(signed(it.lost))
        .bind(&it.revision)
        .bind(anybody)
        .bind(instance)
        .execute(&mut *connection)
        .await
        .map_err(failed("note an agent"))?;
    if done.rows_affected() == 0 {
        let until: i64 =
            sqlx::query_scalar("SELECT lease_until FROM agents WHERE region = ? AND name = ?")
                .bind(it.region.as_str())
                .bind(&it.name)
                .fetch_one(connection)
                .await
                .map_err(failed("note an agent"))?;
        return Ok(Claimed::Taken(rows::timestamp(until)?));
    }
    let live = sqlx::query_scalar(
        "SELECT name FROM agents WHERE region = ? AND lease_until > ? AND left_at IS NULL \
         AND revision IS NOT NULL ORDER BY name",
    )
    .bind(it.region.as_str())
    .bind(rows::millis(claim.now))
    .fetch_all(connection)
    .await
    .map_err(failed("list the live agents"))?;
    Ok(Claimed::Granted(live))
}

#[async_trait]
impl Agents for SqliteStore {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Error> {
        tokens(&mut *self.reader().await?).await
    }

    async fn finish_rotation(&self, token: TokenId) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let connection = writer.begin(Durability::Process).await?;
            sqlx::query("UPDATE agent_tokens SET previous = NULL WHERE id = ?")
                .bind(token.0)
                .execute(connection)
                .await
                .map_err(failed("finish the rotation of a token"))?;
            writer.commit().await
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn claim_name(&self, wanted: &Claim) -> Result<Claimed, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let claimed = claim(writer.begin(Durability::Process).await?, wanted).await?;
            writer.commit().await?;
            Ok(claimed)
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn release_name(
        &self,
        region: &Region,
        name: &str,
        instance: Uuid,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let connection = writer.begin(Durability::Process).await?;
            sqlx::query(
                "UPDATE agents SET left_at = ?1, lease_until = min(lease_until, ?1) \
                 WHERE region = ?2 AND name = ?3 AND instance = ?4",
            )
            .bind(rows::millis(now))
            .bind(region.as_str())
            .bind(name)
            .bind(instance)
            .execute(connection)
            .await
            .map_err(failed("let an agent go"))?;
            writer.commit().await
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn agents(&self) -> Result<Vec<AgentRecord>, Error> {
        let found: Vec<AgentRow> = sqlx::query_as("SELECT * FROM agents ORDER BY region, name")
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("list the agents"))?;
        found.into_iter().map(AgentRow::read).collect()
    }

    async fn forget_agents(&self, before: Timestamp) -> Result<u64, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let connection = writer.begin(Durability::Process).await?;
            let done = sqlx::query("DELETE FROM agents WHERE last_seen < ?")
                .bind(rows::millis(before))
                .execute(connection)
                .await
                .map_err(failed("forget agents"))?;
            writer.commit().await?;
            Ok(done.rows_affected())
        };
        let result = result.await;
        writer.finish(result).await
    }
}
