//! Tokens in SQLite: the side of the commands, which run beside a daemon that holds the store.
//!
//! A connection of its own that writes the tokens and nothing else. The daemon keeps nothing of
//! that table in memory, so it misses nothing; SQLite lets one of the two write at a time.

use std::path::Path;

use async_trait::async_trait;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::Mutex;

use super::{agents, failed, open};
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::store::agents::{Digest, TokenId, TokenRecord, Tokens};
use crate::store::rows::agents::{FORGET_FORMER, KEEP_FORMER, NO_TOKEN};
use crate::store::{Error, rows};

/// The tokens of a store in one SQLite file.
#[derive(Debug)]
pub struct SqliteTokens(Mutex<SqliteConnection>);

impl SqliteTokens {
    /// Opens the tokens of the store at `path`, whether or not a process holds it.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where there is no store; [`Error::TooOld`] where it would have to be
    /// brought up to date first.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        open::prepare_reading(path).await?;
        let mut connection = open::writer(path).await?;
        // What a person did is to survive a power cut.
        let durable = sqlx::raw_sql("PRAGMA synchronous = FULL").execute(&mut connection).await;
        durable.map_err(failed("set how durable a commit is"))?;
        Ok(Self(Mutex::new(connection)))
    }
}

#[async_trait]
impl Tokens for SqliteTokens {
    async fn list(&self) -> Result<Vec<TokenRecord>, Error> {
        agents::tokens(&mut *self.0.lock().await).await
    }

    async fn create(
        &self,
        region: &Region,
        name: &str,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<TokenId, Error> {
        sqlx::query_scalar(
            "INSERT INTO agent_tokens (region, name, digest, created_at) VALUES (?, ?, ?, ?) \
             RETURNING id",
        )
        .bind(region.as_str())
        .bind(name)
        .bind(digest.as_slice())
        .bind(rows::millis(now))
        .fetch_one(&mut *self.0.lock().await)
        .await
        .map(TokenId)
        .map_err(failed("keep a token"))
    }

    async fn revoke(&self, token: TokenId, now: Timestamp) -> Result<bool, Error> {
        let failed = failed("revoke a token");
        let (mut connection, now) = (self.0.lock().await, rows::millis(now));
        let mut transaction = connection.begin().await.map_err(&failed)?;
        let done = sqlx::query(
            "UPDATE agent_tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
        );
        let done =
            done.bind(now).bind(token.0).execute(&mut *transaction).await.map_err(&failed)?;
        let former = sqlx::query(FORGET_FORMER).bind(now).bind(token.0);
        former.execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(done.rows_affected() > 0)
    }

    async fn rotate(
        &self,
        token: TokenId,
        digest: &Digest,
        now: Timestamp,
        former_until: Timestamp,
    ) -> Result<bool, Error> {
        let failed = failed("rotate a token");
        let (mut connection, now) = (self.0.lock().await, rows::millis(now));
        let mut transaction = connection.begin().await.map_err(&failed)?;
        let former = sqlx::query(KEEP_FORMER).bind(token.0).bind(rows::millis(former_until));
        let kept = former.execute(&mut *transaction).await.map_err(&failed)?;
        let replaced =
            sqlx::query("UPDATE agent_tokens SET digest = ?, rotated_at = ? WHERE id = ?");
        if kept.rows_affected() > 0 {
            let replaced = replaced.bind(digest.as_slice()).bind(now).bind(token.0);
            replaced.execute(&mut *transaction).await.map_err(&failed)?;
        }
        let past = sqlx::query(FORGET_FORMER).bind(now).bind(NO_TOKEN);
        past.execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(kept.rows_affected() > 0)
    }
}
