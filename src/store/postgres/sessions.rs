//! Who is signed in, and how often signing in was tried.

use async_trait::async_trait;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use super::session::{begin, commit};
use super::{PostgresStore, failed, storable};
use crate::domain::Timestamp;
use crate::store::agents::Digest;
use crate::store::rows::session::{self as sql, SessionRow};
use crate::store::sessions::{Admission, Bound, Horizons, Session, Sessions};
use crate::store::{Error, rows};

/// Of hubs that admit attempts at the same time, each waits for the one before: counting and noting are two
/// statements about rows that are not there yet.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(hashtext('tripline sign-in attempts'))";

#[async_trait]
impl Sessions for PostgresStore {
    async fn begin_session(&self, key: &Digest, session: &Session) -> Result<(), Error> {
        sqlx::query(sql::BEGIN)
            .bind(key.as_slice())
            .bind(storable(&session.user))
            .bind(session.stamp.as_slice())
            .bind(rows::millis(session.begun_at))
            .bind(rows::millis(session.seen_at))
            .execute(self.writers()?)
            .await
            .map_err(failed("keep a session"))
            .map(|_| ())
    }

    async fn session(&self, key: &Digest) -> Result<Option<Session>, Error> {
        let found: Option<SessionRow> = sqlx::query_as(sql::ONE)
            .bind(key.as_slice())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("look for a session"))?;
        found.map(SessionRow::read).transpose()
    }

    async fn note_seen(&self, key: &Digest, now: Timestamp) -> Result<(), Error> {
        sqlx::query(sql::SEEN)
            .bind(key.as_slice())
            .bind(rows::millis(now))
            .execute(self.writers()?)
            .await
            .map_err(failed("note that a session was used"))
            .map(|_| ())
    }

    async fn end_session(&self, key: &Digest) -> Result<bool, Error> {
        let ended = sqlx::query(sql::END)
            .bind(key.as_slice())
            .execute(self.writers()?)
            .await
            .map_err(failed("end a session"))?;
        Ok(ended.rows_affected() > 0)
    }

    async fn admit_attempt(
        &self,
        attempt: Uuid,
        bounds: &[Bound],
        now: Timestamp,
    ) -> Result<Admission, Error> {
        admit(self.writers()?, attempt, bounds, now).await
    }

    async fn forgive_attempt(&self, attempt: Uuid) -> Result<(), Error> {
        sqlx::query(sql::FORGIVE)
            .bind(attempt)
            .execute(self.writers()?)
            .await
            .map_err(failed("take an attempt to sign in back"))
            .map(|_| ())
    }

    async fn forget_sessions(&self, horizons: &Horizons) -> Result<u64, Error> {
        let (pool, what) = (self.writers()?, failed("forget sessions"));
        let forgotten = sqlx::query(sql::FORGET)
            .bind(rows::millis(horizons.begun))
            .bind(rows::millis(horizons.seen))
            .execute(pool)
            .await
            .map_err(&what)?;
        let tried = sqlx::query(sql::FORGET_TRIED).bind(rows::millis(horizons.tried));
        tried.execute(pool).await.map_err(&what)?;
        Ok(forgotten.rows_affected())
    }
}

async fn admit(
    pool: &PgPool,
    attempt: Uuid,
    bounds: &[Bound],
    now: Timestamp,
) -> Result<Admission, Error> {
    let mut transaction = begin(pool).await?;
    let locked = sqlx::query(ONE_AT_A_TIME).execute(&mut *transaction).await;
    locked.map_err(failed("wait for attempts to sign in"))?;
    for (index, bound) in bounds.iter().enumerate() {
        let tried: i64 = sqlx::query_scalar(sql::TRIED)
            .bind(bound.subject.as_slice())
            .bind(rows::millis(bound.since))
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("count attempts to sign in"))?;
        if tried >= i64::from(bound.most) {
            return Ok(Admission::Beyond(index));
        }
    }
    for bound in bounds {
        sqlx::query(sql::TRY)
            .bind(attempt)
            .bind(bound.subject.as_slice())
            .bind(rows::millis(now))
            .execute(&mut *transaction)
            .await
            .map_err(failed("note an attempt to sign in"))?;
    }
    commit(pool, transaction).await?;
    Ok(Admission::Granted)
}
