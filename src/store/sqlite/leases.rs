//! What one hub does at a time. A file has one process, so its leases are only ever its own; they
//! are kept all the same, so that epochs go on from where they were.

use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::writer::{Durability, Writer};
use crate::domain::Timestamp;
use crate::store::{Epoch, Error, Lease, rows};

/// Makes sure that a lease is still its holder's.
pub(super) async fn hold(connection: &mut SqliteConnection, lease: &Lease) -> Result<(), Error> {
    let held: Option<i64> = sqlx::query_scalar(
        "SELECT epoch FROM leases WHERE part = ?1 AND holder = ?2 AND epoch = ?3",
    )
    .bind(&lease.part)
    .bind(&lease.holder)
    .bind(lease.epoch.0)
    .fetch_optional(connection)
    .await
    .map_err(failed("look at a lease"))?;
    held.map(|_| ()).ok_or_else(|| Error::LeaseLost { part: lease.part.clone() })
}

/// Takes or renews a lease.
pub(super) async fn take(
    writer: &mut Writer,
    part: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Epoch>, Error> {
    let connection = writer.begin(Durability::Process).await?;
    let epoch: Option<i64> = sqlx::query_scalar(
        "INSERT INTO leases (part, holder, epoch, lease_until) VALUES (?1, ?2, 1, ?4) \
         ON CONFLICT (part) DO UPDATE SET holder = excluded.holder, \
         lease_until = excluded.lease_until, epoch = leases.epoch + \
         CASE WHEN leases.holder = ?2 AND leases.lease_until > ?3 THEN 0 ELSE 1 END \
         WHERE leases.holder = ?2 OR leases.lease_until <= ?3 RETURNING epoch",
    )
    .bind(part)
    .bind(holder)
    .bind(rows::millis(now))
    .bind(rows::millis(until))
    .fetch_optional(connection)
    .await
    .map_err(failed("take a lease"))?;
    writer.commit().await?;
    Ok(epoch.map(Epoch))
}
