//! What one hub does at a time.

use sqlx::postgres::{PgConnection, PgPool};

use super::session::{begin, commit};
use super::{failed, storable};
use crate::domain::Timestamp;
use crate::store::{Epoch, Error, Lease, rows};

/// Makes sure that a lease is still its holder's, and stays so until the transaction ends.
pub(super) async fn hold(connection: &mut PgConnection, lease: &Lease) -> Result<(), Error> {
    let held: Option<i64> = sqlx::query_scalar(
        "SELECT epoch FROM leases WHERE part = $1 AND holder = $2 AND epoch = $3 FOR SHARE",
    )
    .bind(storable(&lease.part))
    .bind(storable(&lease.holder))
    .bind(lease.epoch.0)
    .fetch_optional(connection)
    .await
    .map_err(failed("look at a lease"))?;
    held.map(|_| ()).ok_or_else(|| Error::LeaseLost { part: lease.part.clone() })
}

/// Takes or renews a lease.
pub(super) async fn take(
    pool: &PgPool,
    part: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Epoch>, Error> {
    let mut transaction = begin(pool).await?;
    let epoch: Option<i64> = sqlx::query_scalar(
        "INSERT INTO leases (part, holder, epoch, lease_until) VALUES ($1, $2, 1, $4) \
         ON CONFLICT (part) DO UPDATE SET holder = excluded.holder, \
         lease_until = excluded.lease_until, epoch = leases.epoch + \
         CASE WHEN leases.holder = $2 AND leases.lease_until > $3 THEN 0 ELSE 1 END \
         WHERE leases.holder = $2 OR leases.lease_until <= $3 RETURNING epoch",
    )
    .bind(storable(part))
    .bind(storable(holder))
    .bind(rows::millis(now))
    .bind(rows::millis(until))
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed("take a lease"))?;
    commit(pool, transaction).await?;
    Ok(epoch.map(Epoch))
}
