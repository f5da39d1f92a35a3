//! Incidents and the decisions about them, as rows.

use uuid::Uuid;

use super::{decision_kind, failed_request, region, story, subject, tiers, timestamp, told};
use crate::domain::id::{IncidentId, RunId};
use crate::domain::incident::{Cause, Decision, Incident};
use crate::store::{DecisionRecord, Error, IncidentRecord};

/// The columns of `incidents`.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct IncidentRow {
    id: i64,
    subject: String,
    opened_at: i64,
    since: i64,
    resolved_at: Option<i64>,
    tiers: String,
    told: String,
    cause_region: String,
    cause_step: Option<String>,
    cause_request: Option<String>,
    cause_error: String,
    due_at: Option<i64>,
    story: Option<String>,
}

impl IncidentRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<IncidentRecord, Error> {
        let id = IncidentId(self.id);
        let incident = Incident {
            id: Some(id),
            opened_at: timestamp(self.opened_at)?,
            since: timestamp(self.since)?,
            resolved_at: self.resolved_at.map(timestamp).transpose()?,
            tiers: tiers(&self.tiers)?,
            told: told(&self.told)?,
            cause: Cause {
                region: region(&self.cause_region)?,
                step: self.cause_step,
                request: self.cause_request.as_deref().map(failed_request::read).transpose()?,
                error: self.cause_error,
            },
            due_at: self.due_at.map(timestamp).transpose()?,
            story: self.story.as_deref().map(story::read).transpose()?.unwrap_or_default(),
        };
        Ok(IncidentRecord { id, subject: subject(&self.subject)?, incident })
    }
}

/// The columns of `decisions` but its number.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct DecisionRow {
    subject: String,
    incident_id: Option<i64>,
    run_id: Option<Uuid>,
    at: i64,
    kind: String,
    reason: String,
}

impl DecisionRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<DecisionRecord, Error> {
        Ok(DecisionRecord {
            subject: subject(&self.subject)?,
            incident: self.incident_id.map(IncidentId),
            run: self.run_id.map(RunId),
            at: timestamp(self.at)?,
            decision: Decision { kind: decision_kind(&self.kind)?, reason: self.reason },
        })
    }
}
