//! Tokens and agents in PostgreSQL: the daemon's side.

use sqlx::postgres::{PgConnection, PgPool};
use uuid::Uuid;

use super::session::{begin, commit};
use super::{failed, storable};
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::store::agents::{AgentRecord, Claim, Claimed, Presence, Supersedes, TokenRecord};
use crate::store::rows::agents::{AGENT, AgentRow, CLAIM, TOKENS, TokenRow, signed, stalled};
use crate::store::{Error, rows};

pub(super) async fn tokens(connection: &mut PgConnection) -> Result<Vec<TokenRecord>, Error> {
    let found: Vec<TokenRow> =
        sqlx::query_as(TOKENS).fetch_all(connection).await.map_err(failed("read the tokens"))?;
    TokenRow::read_all(found)
}

/// Claims a name. One statement decides, under the lock of the name's row; of several who claim it at
/// once, those who come later see what the first has made of it.
pub(super) async fn claim(pool: &PgPool, claim: &Claim) -> Result<Claimed, Error> {
    let mut transaction = begin(pool).await?;
    let claimed = if take(&mut transaction, claim).await? {
        Claimed::Granted(live(&mut transaction, claim).await?)
    } else {
        Claimed::Taken(taken_until(&mut transaction, claim).await?)
    };
    commit(pool, transaction).await?;
    Ok(claimed)
}

/// Whether the name is the claimant's now.
async fn take(connection: &mut PgConnection, claim: &Claim) -> Result<bool, Error> {
    let it: &Presence = &claim.presence;
    let (anybody, instance) = match claim.supersedes {
        Supersedes::Nobody => (false, None),
        Supersedes::Instance(instance) => (false, Some(instance)),
        Supersedes::Anybody => (true, None),
    };
    let done = sqlx::query(CLAIM)
        .bind(it.region.as_str())
        .bind(storable(&it.name))
        .bind(it.instance)
        .bind(storable(&it.version))
        .bind(rows::millis(claim.now))
        .bind(rows::millis(claim.lease_until))
        .bind(it.skew_us)
        .bind(signed(it.lag_ms))
        .bind(signed(it.spool_reports))
        .bind(signed(it.spool_bytes))
        .bind(signed(it.thinned))
        .bind(signed(it.lost))
        .bind(it.revision.as_deref().map(storable))
        .bind(anybody)
        .bind(instance)
        .execute(connection)
        .await
        .map_err(failed("note an agent"))?;
    Ok(done.rows_affected() > 0)
}

/// Until when another has the name; not any more where it was forgotten meanwhile.
async fn taken_until(connection: &mut PgConnection, claim: &Claim) -> Result<Timestamp, Error> {
    let until: Option<i64> =
        sqlx::query_scalar("SELECT lease_until FROM agents WHERE region = $1 AND name = $2")
            .bind(claim.presence.region.as_str())
            .bind(storable(&claim.presence.name))
            .fetch_optional(connection)
            .await
            .map_err(failed("note an agent"))?;
    until.map_or(Ok(claim.now), rows::timestamp)
}

/// The names of the region's live agents that know what to run.
async fn live(connection: &mut PgConnection, claim: &Claim) -> Result<Vec<String>, Error> {
    sqlx::query_scalar(
        "SELECT name FROM agents WHERE region = $1 AND lease_until > $2 AND left_at IS NULL \
         AND revision IS NOT NULL AND lag < $3 ORDER BY name",
    )
    .bind(claim.presence.region.as_str())
    .bind(rows::millis(claim.now))
    .bind(stalled())
    .fetch_all(connection)
    .await
    .map_err(failed("list the live agents"))
}

pub(super) async fn release(
    pool: &PgPool,
    (region, name): (&Region, &str),
    instance: Uuid,
    now: Timestamp,
) -> Result<bool, Error> {
    let mut transaction = begin(pool).await?;
    let done = sqlx::query(
        "UPDATE agents SET left_at = $1, lease_until = least(lease_until, $1) \
         WHERE region = $2 AND name = $3 AND instance = $4",
    )
    .bind(rows::millis(now))
    .bind(region.as_str())
    .bind(storable(name))
    .bind(instance)
    .execute(&mut *transaction)
    .await
    .map_err(failed("let an agent go"))?;
    commit(pool, transaction).await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn one(
    connection: &mut PgConnection,
    (region, name): (&Region, &str),
) -> Result<Option<AgentRecord>, Error> {
    let found: Option<AgentRow> = sqlx::query_as(AGENT)
        .bind(region.as_str())
        .bind(storable(name))
        .fetch_optional(connection)
        .await
        .map_err(failed("read an agent"))?;
    found.map(AgentRow::read).transpose()
}

pub(super) async fn list(connection: &mut PgConnection) -> Result<Vec<AgentRecord>, Error> {
    let found: Vec<AgentRow> = sqlx::query_as("SELECT * FROM agents ORDER BY region, name")
        .fetch_all(connection)
        .await
        .map_err(failed("list the agents"))?;
    found.into_iter().map(AgentRow::read).collect()
}

pub(super) async fn forget(pool: &PgPool, before: Timestamp) -> Result<u64, Error> {
    let mut transaction = begin(pool).await?;
    let done = sqlx::query("DELETE FROM agents WHERE last_seen < $1")
        .bind(rows::millis(before))
        .execute(&mut *transaction)
        .await
        .map_err(failed("forget agents"))?;
    commit(pool, transaction).await?;
    Ok(done.rows_affected())
}
