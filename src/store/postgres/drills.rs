//! What is known of paths, and rounds of drills.
//!
//! Hubs examine paths one after the other, under the lock of reviews, and each sees what the one before
//! decided.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};

use super::attempts::Attempts;
use super::review::{self, write_changes};
use super::session::{begin, commit};
use super::{PostgresStore, failed, incidents, leases, storable, succession};
use crate::domain::Timestamp;
use crate::domain::drill::{Decided, Known, Record};
use crate::domain::incident::Change;
use crate::domain::policy::Recipient;
use crate::domain::proof;
use crate::domain::subject::Subject;
use crate::store::drills::{Drills, Examiner};
use crate::store::rows::path::{self, PathRow, ProofRow, records};
use crate::store::{Error, Lease, rows};

#[async_trait]
impl Drills for PostgresStore {
    async fn known_paths(&self, now: Timestamp) -> Result<Known, Error> {
        known(&mut *self.snapshot().await?, rows::whole_millis(now)).await
    }

    async fn examine(
        &self,
        examiner: &dyn Examiner,
        lease: Option<&Lease>,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = examine(self.writers()?, examiner, lease, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }
}

async fn examine(
    pool: &PgPool,
    examiner: &dyn Examiner,
    lease: Option<&Lease>,
    now: Timestamp,
) -> Result<Vec<Change>, Error> {
    let now = rows::whole_millis(now);
    let mut transaction = begin(pool).await?;
    review::lock(&mut transaction).await?;
    if let Some(lease) = lease {
        leases::hold(&mut transaction, lease).await?;
    }
    let remembered = incidents::remembered(&mut transaction, now).await?;
    let known = known(&mut transaction, now).await?;
    let mut decided = examiner.examine(&known, &remembered, now);
    if decided.is_empty() {
        transaction.rollback().await.map_err(failed("end the look at paths"))?;
        return Ok(Vec::new());
    }
    let changes = (&mut decided.changes[..], &remembered.open);
    write_changes(&mut transaction, changes, now).await?;
    write(&mut transaction, &known, &decided, now).await?;
    commit(pool, transaction).await?;
    Ok(decided.changes)
}

/// Reads what is known of all paths. The caller brings a transaction, or a snapshot.
async fn known(connection: &mut PgConnection, now: Timestamp) -> Result<Known, Error> {
    let paths: Vec<PathRow> = sqlx::query_as(path::PATHS)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read what is known of paths"))?;
    // What a provider says of a message may come so long after it was taken.
    let followed = i64::try_from(proof::FOLLOWED.as_millis()).unwrap_or(i64::MAX);
    let proofs: Vec<ProofRow> = sqlx::query_as(path::PROOFS)
        .bind(followed)
        .bind(proof::PRINTED)
        .bind(rows::millis(now))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read what arrived"))?;
    let mark: Option<i64> = sqlx::query_scalar(path::MARK)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("read up to when paths were drilled"))?;
    Ok(Known {
        records: records(paths, proofs, now)?,
        mark: mark.map(rows::timestamp).transpose()?,
        broken: succession::broken(&mut *connection).await?,
        open: incidents::of_paths(connection).await?,
    })
}

/// Writes what is to be known of paths from now on.
async fn write(
    connection: &mut PgConnection,
    known: &Known,
    decided: &Decided,
    now: Timestamp,
) -> Result<(), Error> {
    let what = failed("write what is known of paths");
    for path in &decided.begun {
        let query = sqlx::query(path::BEGIN);
        let query = query.bind(path.channel().as_str()).bind(path.address());
        query.bind(rows::millis(now)).execute(&mut *connection).await.map_err(&what)?;
    }
    for (path, is_drilled) in &decided.drilled {
        let query = sqlx::query(path::DRILL_SINCE);
        let query = query.bind(path.channel().as_str()).bind(path.address());
        let since = is_drilled.then(|| rows::millis(now));
        query.bind(since).execute(&mut *connection).await.map_err(&what)?;
    }
    for path in &decided.gone {
        let query = sqlx::query(path::END);
        let query = query.bind(path.channel().as_str()).bind(path.address());
        query.execute(&mut *connection).await.map_err(&what)?;
    }
    if decided.is_noted {
        for (path, record) in &known.records {
            note(&mut *connection, path, record).await?;
        }
    }
    for change in decided.changes.iter().filter(|it| it.subject == Subject::Drill) {
        let Some(round) = change.transition.incident.as_ref().and_then(|it| it.id) else {
            continue;
        };
        let query = sqlx::query(path::DRILL);
        query.bind(round.0).execute(&mut *connection).await.map_err(&what)?;
    }
    if let Some(mark) = decided.mark {
        let query = sqlx::query(path::MOVE_MARK);
        query.bind(rows::millis(mark)).execute(&mut *connection).await.map_err(&what)?;
    }
    Ok(())
}

/// Notes the last proof of a path, so that it outlives the message.
async fn note(
    connection: &mut PgConnection,
    path: &Recipient,
    record: &Record,
) -> Result<(), Error> {
    let Some(proof) = &record.proof else { return Ok(()) };
    sqlx::query(path::PROVE)
        .bind(path.channel().as_str())
        .bind(path.address())
        .bind(rows::millis(proof.at))
        .bind(proof.by.as_str())
        .bind(storable(&proof.receipt))
        .execute(connection)
        .await
        .map_err(failed("note what arrived"))
        .map(|_| ())
}
