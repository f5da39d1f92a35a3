//! Reviewing: what the states of all checks mean together.
//!
//! Hubs review one after the other, and each sees what the one before decided. The states are read
//! without the locks of their checks: a result that is recorded meanwhile is seen the next time.

use std::collections::BTreeMap;

use sqlx::postgres::{PgConnection, PgPool};

use super::incidents::{self, About};
use super::record::write_decided;
use super::session::{begin, commit};
use super::{failed, leases, lock_number, states};
use crate::domain::Timestamp;
use crate::domain::incident::{Change, Incident};
use crate::domain::subject::Subject;
use crate::store::{Error, Judge, Lease, rows};

/// Held while what a review is about is read, decided and written.
const REVIEWING: i64 = lock_number(3);

/// Stores what `judge` makes of all checks together.
pub(super) async fn review(
    pool: &PgPool,
    judge: &dyn Judge,
    lease: &Lease,
    now: Timestamp,
) -> Result<Vec<Change>, Error> {
    let now = rows::whole_millis(now);
    let mut transaction = begin(pool).await?;
    lock(&mut transaction).await?;
    // Whoever stood still since it took its turn would decide by what was so then.
    leases::hold(&mut transaction, lease).await?;
    let states = states::all(&mut transaction).await?;
    let remembered = incidents::remembered(&mut transaction, now).await?;
    let mut changes = judge.review(&states, &remembered, now);
    if changes.is_empty() {
        transaction.rollback().await.map_err(failed("end a review"))?;
        return Ok(changes);
    }
    write_changes(&mut transaction, (&mut changes, &remembered.open), now).await?;
    commit(pool, transaction).await?;
    Ok(changes)
}

/// Locks what is decided about incidents that are not about a check's failures, until the transaction
/// ends.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), Error> {
    let query = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(REVIEWING);
    query.execute(connection).await.map_err(failed("lock the review")).map(|_| ())
}

/// Writes what was decided: an incident that is among the `open` ones or has a number keeps it.
pub(super) async fn write_changes(
    connection: &mut PgConnection,
    (changes, open): (&mut [Change], &BTreeMap<Subject, Incident>),
    now: Timestamp,
) -> Result<(), Error> {
    let known = |change: &Change| open.get(&change.subject).and_then(|incident| incident.id);
    let opened = changes
        .iter()
        .filter(|change| {
            let incident = change.transition.incident.as_ref();
            incident.is_some_and(|it| it.id.is_none()) && known(change).is_none()
        })
        .count();
    let mut numbers = incidents::numbers(&mut *connection, opened).await?.into_iter();
    for change in &mut *changes {
        let known = known(change);
        if let Some(incident) = &mut change.transition.incident {
            incident.id = known.or(incident.id).or_else(|| numbers.next());
        }
    }
    for Change { subject, transition } in changes {
        let incident = transition.incident.as_ref().and_then(|incident| incident.id);
        let about = About::of(subject, incident);
        write_decided(&mut *connection, about, transition, now).await?;
    }
    Ok(())
}
