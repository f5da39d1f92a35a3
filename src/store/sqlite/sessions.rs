//! Who is signed in, and how often signing in was tried.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::writer::{Durability, Writer};
use super::{SqliteStore, failed};
use crate::domain::Timestamp;
use crate::store::agents::Digest;
use crate::store::rows::session::{self as sql, SessionRow};
use crate::store::sessions::{Admission, Bound, Horizons, Session, Sessions};
use crate::store::{Error, rows};

#[async_trait]
impl Sessions for SqliteStore {
    async fn begin_session(&self, key: &Digest, session: &Session) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = begin(&mut writer, key, session).await;
        writer.finish(result).await
    }

    async fn session(&self, key: &Digest) -> Result<Option<Session>, Error> {
        let found: Option<SessionRow> = sqlx::query_as(sql::ONE)
            .bind(key.as_slice())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("look for a session"))?;
        found.map(SessionRow::read).transpose()
    }

    async fn note_seen(&self, key: &Digest, now: Timestamp) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = async {
            sqlx::query(sql::SEEN)
                .bind(key.as_slice())
                .bind(rows::millis(now))
                .execute(writer.begin(Durability::Process).await?)
                .await
                .map_err(failed("note that a session was used"))?;
            writer.commit().await
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn end_session(&self, key: &Digest) -> Result<bool, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let ended = sqlx::query(sql::END)
                .bind(key.as_slice())
                .execute(writer.begin(Durability::Power).await?)
                .await
                .map_err(failed("end a session"))?;
            writer.commit().await?;
            Ok(ended.rows_affected() > 0)
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn admit_attempt(
        &self,
        attempt: Uuid,
        bounds: &[Bound],
        now: Timestamp,
    ) -> Result<Admission, Error> {
        let mut writer = self.writer().await?;
        let result = admit(&mut writer, attempt, bounds, now).await;
        writer.finish(result).await
    }

    async fn forgive_attempt(&self, attempt: Uuid) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = async {
            sqlx::query(sql::FORGIVE)
                .bind(attempt)
                .execute(writer.begin(Durability::Process).await?)
                .await
                .map_err(failed("take an attempt to sign in back"))?;
            writer.commit().await
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn forget_sessions(&self, horizons: &Horizons) -> Result<u64, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let forgotten = forget(writer.begin(Durability::Process).await?, horizons).await?;
            writer.commit().await?;
            Ok(forgotten)
        };
        let result = result.await;
        writer.finish(result).await
    }
}

async fn begin(writer: &mut Writer, key: &Digest, session: &Session) -> Result<(), Error> {
    sqlx::query(sql::BEGIN)
        .bind(key.as_slice())
        .bind(&session.user)
        .bind(session.stamp.as_slice())
        .bind(rows::millis(session.begun_at))
        .bind(rows::millis(session.seen_at))
        .execute(writer.begin(Durability::Process).await?)
        .await
        .map_err(failed("keep a session"))?;
    writer.commit().await
}

/// Nobody else writes meanwhile, so what is counted is so until the attempt is noted.
async fn admit(
    writer: &mut Writer,
    attempt: Uuid,
    bounds: &[Bound],
    now: Timestamp,
) -> Result<Admission, Error> {
    let connection = writer.begin(Durability::Process).await?;
    for (index, bound) in bounds.iter().enumerate() {
        let tried: i64 = sqlx::query_scalar(sql::TRIED)
            .bind(bound.subject.as_slice())
            .bind(rows::millis(bound.since))
            .fetch_one(&mut *connection)
            .await
            .map_err(failed("count attempts to sign in"))?;
        if tried >= i64::from(bound.most) {
            writer.commit().await?;
            return Ok(Admission::Beyond(index));
        }
    }
    for bound in bounds {
        sqlx::query(sql::TRY)
            .bind(attempt)
            .bind(bound.subject.as_slice())
            .bind(rows::millis(now))
            .execute(&mut *connection)
            .await
            .map_err(failed("note an attempt to sign in"))?;
    }
    writer.commit().await?;
    Ok(Admission::Granted)
}

async fn forget(connection: &mut SqliteConnection, horizons: &Horizons) -> Result<u64, Error> {
    let what = failed("forget sessions");
    let forgotten = sqlx::query(sql::FORGET)
        .bind(rows::millis(horizons.begun))
        .bind(rows::millis(horizons.seen))
        .execute(&mut *connection)
        .await
        .map_err(&what)?;
    sqlx::query(sql::FORGET_TRIED)
        .bind(rows::millis(horizons.tried))
        .execute(connection)
        .await
        .map_err(&what)?;
    Ok(forgotten.rows_affected())
}
