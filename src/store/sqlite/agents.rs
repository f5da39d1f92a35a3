//! Tokens and agents in SQLite: the daemon's side.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::writer::Durability;
use super::{SqliteStore, failed};
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::store::agents::{AgentRecord, Agents, Claim, Claimed, Supersedes, TokenRecord};
use crate::store::rows::agents::{AGENT, AgentRow, CLAIM, TOKENS, TokenRow, signed, stalled};
use crate::store::{Error, rows};

/// All tokens by number.
pub(super) async fn tokens(connection: &mut SqliteConnection) -> Result<Vec<TokenRecord>, Error> {
    let found: Vec<TokenRow> =
        sqlx::query_as(TOKENS).fetch_all(connection).await.map_err(failed("read the tokens"))?;
    TokenRow::read_all(found)
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
         AND revision IS NOT NULL AND lag < ? ORDER BY name",
    )
    .bind(it.region.as_str())
    .bind(rows::millis(claim.now))
    .bind(stalled())
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
    ) -> Result<bool, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let connection = writer.begin(Durability::Process).await?;
            let done = sqlx::query(
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
            writer.commit().await?;
            Ok(done.rows_affected() > 0)
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn agent(&self, region: &Region, name: &str) -> Result<Option<AgentRecord>, Error> {
        let found: Option<AgentRow> = sqlx::query_as(AGENT)
            .bind(region.as_str())
            .bind(name)
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("read an agent"))?;
        found.map(AgentRow::read).transpose()
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
