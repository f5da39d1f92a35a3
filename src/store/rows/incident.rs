//! Incidents and the decisions about them, as rows.

use sqlx::{Database, Encode, QueryBuilder, Type};
use uuid::Uuid;

use super::{decision_kind, failed_request, region, story, subject, tiers, timestamp, told};
use crate::domain::id::{IncidentId, RunId};
use crate::domain::incident::{Cause, Decision, Incident};
use crate::store::looking::{IncidentSearch, Side};
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

/// What follows the columns of incidents where some are looked for.
pub(in crate::store) fn find<DB>(query: &mut QueryBuilder<DB>, search: &IncidentSearch)
where
    DB: Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    query.push(" WHERE subject <> 'drill:paths' AND resolved_at IS ");
    query.push(match search.side {
        Side::Open => "NULL",
        Side::Resolved => "NOT NULL",
    });
    if let Some(kind) = search.kind {
        query.push(" AND subject LIKE ").push_bind(format!("{kind}:%"));
    }
    if !search.text.is_empty() {
        let pattern = format!("%{}%", literally(&search.text));
        query.push(" AND (lower(subject) LIKE ").push_bind(pattern.clone());
        query.push(" ESCAPE '!' OR lower(cause_error) LIKE ").push_bind(pattern);
        query.push(" ESCAPE '!'");
        for subject in &search.named {
            query.push(" OR subject = ").push_bind(subject.to_string());
        }
        query.push(")");
    }
    if let Some(before) = search.before {
        query.push(" AND id < ").push_bind(before.0);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(search.limit));
}

/// A text that stands for itself in a pattern.
fn literally(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

/// What follows the number of results in a glance.
pub(in crate::store) fn glance<DB>(query: &mut QueryBuilder<DB>, now: i64)
where
    DB: Database,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let last = |name: &str, column: &str, table: &str| {
        format!(", COALESCE((SELECT max({column}) FROM {table}), 0) AS {name}")
    };
    query.push(last("decision", "id", "decisions"));
    query.push(last("notification", "id", "notifications"));
    query.push(last("delivery", "id", "deliveries"));
    query.push(last("silence", "id", "silences"));
    query.push(last("errand", "asked_at", "errands"));
    query.push(", (SELECT count(*) FROM errand_legs WHERE state IN ('asked', 'taken')) AS errands");
    query.push(", (SELECT count(*) FROM silences WHERE until_at > ").push_bind(now);
    query.push(") AS silences");
}
