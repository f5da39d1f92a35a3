//! Tokens in PostgreSQL: the side of the commands, which run beside the daemons that share the store.
//!
//! It never brings a store up to date: that is for a daemon to do.

use async_trait::async_trait;
use sqlx::postgres::PgPool;

use super::session::{begin, commit};
use super::{Access, agents, failed, open, storable};
use crate::clock::Guided;
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::store::agents::{Digest, TokenId, TokenRecord, Tokens};
use crate::store::rows::agents::{FORGET_FORMER, KEEP_FORMER, NO_TOKEN};
use crate::store::{Error, rows};

/// The tokens of a store in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresTokens(PgPool);

impl PostgresTokens {
    /// Opens the tokens of the store in the database at `url`.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where there is no store; [`Error::TooOld`] where it would have to be
    /// brought up to date first; [`Error::Unreachable`] says why the server cannot be used.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let place = open::Place::of(url)?;
        place.prepare_reading().await?;
        Ok(Self(place.pool(Access::Full)))
    }

    /// The same for whoever goes by `clock`, which keeps to the server's time from now on: hubs judge
    /// by that until when a token is good.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn open_guiding(url: &str, clock: &Guided) -> Result<Self, Error> {
        let tokens = Self::open(url).await?;
        let mut connection = tokens.0.acquire().await.map_err(failed("ask for the time"))?;
        super::guide(&mut connection, clock).await?;
        drop(connection);
        Ok(tokens)
    }
}

#[async_trait]
impl Tokens for PostgresTokens {
    async fn list(&self) -> Result<Vec<TokenRecord>, Error> {
        let mut connection = self.0.acquire().await.map_err(failed("read the tokens"))?;
        agents::tokens(&mut connection).await
    }

    async fn create(
        &self,
        region: &Region,
        name: &str,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<TokenId, Error> {
        let mut transaction = begin(&self.0).await?;
        let id = sqlx::query_scalar(
            "INSERT INTO agent_tokens (region, name, digest, created_at) VALUES ($1, $2, $3, $4) \
             RETURNING id",
        )
        .bind(region.as_str())
        .bind(storable(name))
        .bind(digest.as_slice())
        .bind(rows::millis(now))
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed("keep a token"))?;
        commit(&self.0, transaction).await?;
        Ok(TokenId(id))
    }

    async fn revoke(&self, token: TokenId, now: Timestamp) -> Result<bool, Error> {
        let mut transaction = begin(&self.0).await?;
        let done = sqlx::query(
            "UPDATE agent_tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
        )
        .bind(rows::millis(now))
        .bind(token.0)
        .execute(&mut *transaction)
        .await
        .map_err(failed("revoke a token"))?;
        let former = sqlx::query(FORGET_FORMER).bind(rows::millis(now)).bind(token.0);
        former.execute(&mut *transaction).await.map_err(failed("revoke a token"))?;
        commit(&self.0, transaction).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn rotate(
        &self,
        token: TokenId,
        digest: &Digest,
        now: Timestamp,
        former_until: Timestamp,
    ) -> Result<bool, Error> {
        let (failed, now) = (failed("rotate a token"), rows::millis(now));
        let mut transaction = begin(&self.0).await?;
        // Who rotates it at the same time waits here, and replaces the token that this makes.
        let locked = sqlx::query("SELECT 1 FROM agent_tokens WHERE id = $1 FOR UPDATE");
        locked.bind(token.0).execute(&mut *transaction).await.map_err(&failed)?;
        let former = sqlx::query(KEEP_FORMER).bind(token.0).bind(rows::millis(former_until));
        let kept = former.execute(&mut *transaction).await.map_err(&failed)?;
        let replaced =
            sqlx::query("UPDATE agent_tokens SET digest = $1, rotated_at = $2 WHERE id = $3");
        if kept.rows_affected() > 0 {
            let replaced = replaced.bind(digest.as_slice()).bind(now).bind(token.0);
            replaced.execute(&mut *transaction).await.map_err(&failed)?;
        }
        let past = sqlx::query(FORGET_FORMER).bind(now).bind(NO_TOKEN);
        past.execute(&mut *transaction).await.map_err(&failed)?;
        commit(&self.0, transaction).await?;
        Ok(kept.rows_affected() > 0)
    }
}
