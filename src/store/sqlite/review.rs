//! Reviewing: what the states of all checks mean together.
//!
//! States are those in memory, open incidents are read; the database is only written to where
//! something was decided.

use super::incidents::{self, About};
use super::leases;
use super::record::write_decided;
use super::writer::{Durability, Writer};
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::incident::Change;
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
    let open = incidents::open_otherwise(writer.connection().await?).await?;
    let memory = writer.memory().await?;
    let mut next = memory.next_incident;
    let mut changes = judge.review(&memory.states, &open, now);
    if changes.is_empty() {
        return Ok(changes);
    }
    for change in &mut changes {
        let known = open.get(&change.subject).and_then(|incident| incident.id);
        if let Some(incident) = &mut change.transition.incident {
            let id = known.unwrap_or(IncidentId(next));
            next = next.max(id.0 + 1);
            incident.id = Some(id);
        }
    }
    let connection = writer.begin(Durability::Power).await?;
    for Change { subject, transition } in &changes {
        let incident = transition.incident.as_ref().and_then(|incident| incident.id);
        let about = About { subject, incident, run: None };
        write_decided(&mut *connection, about, transition, now).await?;
    }
    writer.commit().await?;
    writer.memory().await?.next_incident = next;
    Ok(changes)
}
