//! What is known of paths, and rounds of drills.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::review::write_changes;
use super::writer::{Durability, Writer};
use super::{SqliteStore, failed, incidents, leases, succession};
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
impl Drills for SqliteStore {
    async fn known_paths(&self, now: Timestamp) -> Result<Known, Error> {
        known(&mut *self.snapshot().await?, rows::whole_millis(now)).await
    }

    async fn examine(
        &self,
        examiner: &dyn Examiner,
        lease: Option<&Lease>,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error> {
        let mut writer = self.writer().await?;
        let result = examine(&mut writer, examiner, lease, now).await;
        writer.finish(result).await
    }
}

async fn examine(
    writer: &mut Writer,
    examiner: &dyn Examiner,
    lease: Option<&Lease>,
    now: Timestamp,
) -> Result<Vec<Change>, Error> {
    let now = rows::whole_millis(now);
    // Nobody else writes, so it stays so until the end.
    if let Some(lease) = lease {
        leases::hold(writer.connection().await?, lease).await?;
    }
    let memory = writer.memory().await?;
    let (next, silences) = (memory.next_incident, memory.silences.clone());
    let remembered = incidents::remembered(writer.connection().await?, &silences, now).await?;
    let known = known(writer.connection().await?, now).await?;
    let mut decided = examiner.examine(&known, &remembered, now);
    if decided.is_empty() {
        return Ok(Vec::new());
    }
    let is_slight = decided.changes.is_empty() && decided.mark.is_none();
    let durability = if is_slight { Durability::Process } else { Durability::Power };
    let connection = writer.begin(durability).await?;
    let changes = (&mut decided.changes[..], &remembered.open);
    let next = write_changes(&mut *connection, changes, next, now).await?;
    write(&mut *connection, &known, &decided, now).await?;
    writer.commit().await?;
    writer.memory().await?.next_incident = next;
    Ok(decided.changes)
}

/// Reads what is known of all paths. The caller brings a transaction, or a snapshot.
async fn known(connection: &mut SqliteConnection, now: Timestamp) -> Result<Known, Error> {
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
    connection: &mut SqliteConnection,
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
    connection: &mut SqliteConnection,
    path: &Recipient,
    record: &Record,
) -> Result<(), Error> {
    let Some(proof) = &record.proof else { return Ok(()) };
    sqlx::query(path::PROVE)
        .bind(path.channel().as_str())
        .bind(path.address())
        .bind(rows::millis(proof.at))
        .bind(proof.by.as_str())
        .bind(&proof.receipt)
        .execute(connection)
        .await
        .map_err(failed("note what arrived"))
        .map(|_| ())
}
