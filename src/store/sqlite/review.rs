//! Reviewing: what the states of all checks mean together.
//!
//! States are those in memory, open incidents are read; the database is only written to where
//! something was decided.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;

use super::incidents::{self, About};
use super::leases;
use super::record::write_decided;
use super::writer::{Durability, Writer};
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::incident::{Change, Incident};
use crate::domain::subject::Subject;
use crate::store::{Error, Judge, Lease, rows};

/// Stores what `judge` makes of all checks together.
pub(super) async fn review(
    writer: &mut Writer,
    judge: &dyn Judge,
    lease: &Lease,
    now: Timestamp,
) -> Result<Vec<Change>, Error> {
    let now = rows::whole_millis(now);
    // Nobody else writes, so it stays so until the end.
    leases::hold(writer.connection().await?, lease).await?;
    let silences = writer.memory().await?.silences.clone();
    let remembered = incidents::remembered(writer.connection().await?, &silences, now).await?;
    let memory = writer.memory().await?;
    let next = memory.next_incident;
    let mut changes = judge.review(&memory.states, &remembered, now);
    if changes.is_empty() {
        return Ok(changes);
    }
    let connection = writer.begin(Durability::Power).await?;
    let next = write_changes(connection, (&mut changes, &remembered.open), next, now).await?;
    writer.commit().await?;
    writer.memory().await?.next_incident = next;
    Ok(changes)
}

/// Writes what was decided: an incident that is among the `open` ones or has a number keeps it, others
/// are numbered from `next` on; says which number is the next one then.
pub(super) async fn write_changes(
    connection: &mut SqliteConnection,
    (changes, open): (&mut [Change], &BTreeMap<Subject, Incident>),
    mut next: i64,
    now: Timestamp,
) -> Result<i64, Error> {
    for change in &mut *changes {
        let known = open.get(&change.subject).and_then(|incident| incident.id);
        if let Some(incident) = &mut change.transition.incident {
            let id = known.or(incident.id).unwrap_or(IncidentId(next));
            next = next.max(id.0 + 1);
            incident.id = Some(id);
        }
    }
    for Change { subject, transition } in changes {
        let incident = transition.incident.as_ref().and_then(|incident| incident.id);
        let about = About::of(subject, incident);
        write_decided(&mut *connection, about, transition, now).await?;
    }
    Ok(next)
}
