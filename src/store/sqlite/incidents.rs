//! Incidents and the decisions about them.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite};

use super::{failed, notifications};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, RunId};
use crate::domain::incident::{Decision, Incident};
use crate::domain::subject::Subject;
use crate::store::rows;
use crate::store::rows::incident::{DecisionRow, IncidentRow};
use crate::store::{DecisionRecord, Error, IncidentFilter, IncidentHistory, IncidentRecord};

const COLUMNS: &str = "SELECT id, subject, opened_at, since, resolved_at, tiers, told, \
     cause_region, cause_step, cause_error FROM incidents";

/// All open incidents.
pub(super) async fn open(connection: &mut SqliteConnection) -> Result<Vec<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" WHERE resolved_at IS NULL");
    fetch(connection, query).await
}

/// The open incidents that are not about a check's failures, of which there are few.
pub(super) async fn open_otherwise(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<Subject, Incident>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" WHERE resolved_at IS NULL AND subject NOT GLOB 'check:*'");
    let records = fetch(connection, query).await?.into_iter();
    Ok(records.map(|record| (record.subject, record.incident)).collect())
}

/// Lists incidents, the latest first.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &IncidentFilter,
) -> Result<Vec<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" WHERE true");
    if let Some(check) = &filter.check {
        let [failing, coverage] = Subject::of_check(check).map(|it| it.to_string());
        query.push(" AND subject IN (").push_bind(failing);
        query.push(", ").push_bind(coverage).push(")");
    }
    if filter.open_only {
        query.push(" AND resolved_at IS NULL");
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(filter.limit);
    fetch(connection, query).await
}

async fn fetch(
    connection: &mut SqliteConnection,
    mut query: QueryBuilder<Sqlite>,
) -> Result<Vec<IncidentRecord>, Error> {
    let found: Vec<IncidentRow> =
        query.build_query_as().fetch_all(connection).await.map_err(failed("list incidents"))?;
    found.into_iter().map(IncidentRow::read).collect()
}

/// Everything known of one incident. The caller brings a transaction.
pub(super) async fn history(
    connection: &mut SqliteConnection,
    id: IncidentId,
) -> Result<Option<IncidentHistory>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" WHERE id = ").push_bind(id.0);
    let Some(record) = fetch(&mut *connection, query).await?.pop() else {
        return Ok(None);
    };
    let found: Vec<DecisionRow> = sqlx::query_as(
        "SELECT subject, incident_id, run_id, at, kind, reason FROM decisions \
         WHERE incident_id = ? ORDER BY id",
    )
    .bind(id.0)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read the decisions about an incident"))?;
    let decisions: Vec<DecisionRecord> =
        found.into_iter().map(DecisionRow::read).collect::<Result<_, _>>()?;
    Ok(Some(IncidentHistory {
        record,
        decisions: decisions.into_iter().map(|record| (record.at, record.decision)).collect(),
        notifications: notifications::of_incident(connection, id).await?,
    }))
}

/// What was last decided about a check.
pub(super) async fn decisions(
    connection: &mut SqliteConnection,
    check: &CheckId,
    limit: u32,
) -> Result<Vec<DecisionRecord>, Error> {
    let [failing, coverage] = Subject::of_check(check).map(|it| it.to_string());
    let found: Vec<DecisionRow> = sqlx::query_as(
        "SELECT subject, incident_id, run_id, at, kind, reason FROM decisions \
         WHERE subject IN (?, ?) ORDER BY id DESC LIMIT ?",
    )
    .bind(failing)
    .bind(coverage)
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(failed("read the decisions about a check"))?;
    found.into_iter().map(DecisionRow::read).collect()
}

/// Writes an incident that was opened or changed.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    id: IncidentId,
    subject: &Subject,
    incident: &Incident,
) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET resolved_at = excluded.resolved_at, \
         tiers = excluded.tiers, told = excluded.told, cause_region = excluded.cause_region, \
         cause_step = excluded.cause_step, cause_error = excluded.cause_error",
    )
    .bind(id.0)
    .bind(subject.to_string())
    .bind(rows::millis(incident.opened_at))
    .bind(rows::millis(incident.since))
    .bind(incident.resolved_at.map(rows::millis))
    .bind(rows::tiers_text(&incident.tiers))
    .bind(rows::told_text(&incident.told))
    .bind(incident.cause.region.as_str())
    .bind(incident.cause.step.as_deref())
    .bind(incident.cause.error.as_str());
    query.execute(connection).await.map_err(failed("write an incident")).map(|_| ())
}

/// What a decision is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) subject: &'a Subject,
    pub(super) incident: Option<IncidentId>,
    pub(super) run: Option<RunId>,
}

/// Writes down a decision.
pub(super) async fn write_decision(
    connection: &mut SqliteConnection,
    about: About<'_>,
    decision: &Decision,
    now: Timestamp,
) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO decisions (subject, incident_id, run_id, at, kind, reason) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(about.subject.to_string())
    .bind(about.incident.map(|id| id.0))
    .bind(about.run.map(|id| id.0))
    .bind(rows::millis(now))
    .bind(decision.kind.as_str())
    .bind(decision.reason.as_str());
    query.execute(connection).await.map_err(failed("write a decision")).map(|_| ())
}
