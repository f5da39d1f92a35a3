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
use crate::store::rows::path::{PathRow, ProofRow, records};
use crate::store::{Error, Lease, rows};

const PATHS: &str = "SELECT p.channel, p.address, p.since, p.proven_at, p.evidence, p.receipt, n.incident_id, \
     n.owed_at, n.state, n.settled_at, n.reason, d.status FROM paths AS p \
     LEFT JOIN notifications AS n ON n.id = p.drill \
     LEFT JOIN deliveries AS d ON d.id = \
     (SELECT max(id) FROM deliveries WHERE notification_id = p.drill)";

const PROOFS: &str = "SELECT p.channel, p.address, coalesce(d.status_at, d.ended_at) AS at, d.detail AS receipt \
     FROM paths AS p JOIN deliveries AS d ON d.id = \
     (SELECT arrived.id FROM notifications AS n \
     JOIN deliveries AS arrived ON arrived.notification_id = n.id \
     WHERE n.channel = p.channel AND n.address = p.address AND n.state = 'sent' \
     AND n.settled_at > coalesce(p.proven_at, 0) - $1 \
     AND arrived.outcome = 'accepted' AND arrived.detail <> $2 \
     AND (p.channel <> 'sms' OR arrived.status = 'delivered') \
     ORDER BY n.settled_at DESC LIMIT 1) \
     UNION ALL SELECT p.channel, p.address, d.status_at, d.detail FROM paths AS p \
     JOIN deliveries AS d ON d.notification_id = p.drill AND d.status = 'delivered'";

#[async_trait]
impl Drills for PostgresStore {
    async fn known_paths(&self) -> Result<Known, Error> {
        known(&mut *self.snapshot().await?).await
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
    let known = known(&mut transaction).await?;
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
async fn known(connection: &mut PgConnection) -> Result<Known, Error> {
    let paths: Vec<PathRow> = sqlx::query_as(PATHS)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read what is known of paths"))?;
    // What a provider says of a message may come so long after it was taken.
    let followed = i64::try_from(proof::FOLLOWED.as_millis()).unwrap_or(i64::MAX);
    let proofs: Vec<ProofRow> = sqlx::query_as(PROOFS)
        .bind(followed)
        .bind(proof::PRINTED)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read what arrived"))?;
    let mark: Option<i64> = sqlx::query_scalar("SELECT until_at FROM drill_mark")
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("read up to when paths were drilled"))?;
    Ok(Known {
        records: records(paths, proofs)?,
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
        let query = sqlx::query(
            "INSERT INTO paths (channel, address, since) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING",
        );
        let query = query.bind(path.channel().as_str()).bind(path.address());
        query.bind(rows::millis(now)).execute(&mut *connection).await.map_err(&what)?;
    }
    for path in &decided.gone {
        let query = sqlx::query("DELETE FROM paths WHERE channel = $1 AND address = $2");
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
        let query = sqlx::query(
            "UPDATE paths SET drill = n.id FROM notifications AS n WHERE n.incident_id = $1 \
             AND n.channel = paths.channel AND n.address = paths.address",
        );
        query.bind(round.0).execute(&mut *connection).await.map_err(&what)?;
    }
    if let Some(mark) = decided.mark {
        let query = sqlx::query(
            "INSERT INTO drill_mark (one, until_at) VALUES (1, $1) \
             ON CONFLICT (one) DO UPDATE SET until_at = excluded.until_at",
        );
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
    let query = sqlx::query(
        "UPDATE paths SET proven_at = $3, evidence = $4, receipt = $5 \
         WHERE channel = $1 AND address = $2",
    );
    query
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
