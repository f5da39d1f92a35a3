//! Incidents and the decisions about them.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite};

use super::{failed, notifications};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, RunId};
use crate::domain::incident::{Decision, Incident};
use crate::domain::restraint::Silence;
use crate::domain::subject::Subject;
use crate::store::rows::incident::{DecisionRow, IncidentRow};
use crate::store::rows::{self, to_json};
use crate::store::{
    DecisionRecord, Error, IncidentFilter, IncidentHistory, IncidentRecord, REMEMBERED, Remembered,
};

pub(super) const COLUMNS: &str = "SELECT id, subject, opened_at, since, resolved_at, tiers, told, \
     cause_region, cause_step, cause_request, cause_error, due_at, story FROM incidents";

/// The open incidents: all of them, or those of some checks alone.
pub(super) async fn open(
    connection: &mut SqliteConnection,
    checks: Option<&[CheckId]>,
) -> Result<Vec<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" WHERE resolved_at IS NULL");
    about(&mut query, checks);
    fetch(connection, query).await
}

/// Asks for incidents that `checks` fail, and no others.
fn about(query: &mut QueryBuilder<Sqlite>, checks: Option<&[CheckId]>) {
    let Some(checks) = checks else { return };
    let subject = |check: &CheckId| Subject::Check(check.clone()).to_string();
    let subjects: Vec<String> = checks.iter().map(subject).collect();
    query.push(" AND subject IN (SELECT value FROM json_each(");
    query.push_bind(to_json(&subjects)).push("))");
}

/// What is remembered of incidents that are not about a check's failures, of which there are few.
pub(super) async fn remembered(
    connection: &mut SqliteConnection,
    silences: &[Silence],
    now: Timestamp,
) -> Result<Remembered, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(
        " WHERE resolved_at IS NULL AND subject NOT GLOB 'check:*' AND subject <> 'drill:paths'",
    );
    let open = fetch(&mut *connection, query).await?;
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query
        .push(" WHERE subject NOT GLOB 'check:*' AND subject <> 'drill:paths' AND resolved_at >= ");
    query.push_bind(rows::millis(now - REMEMBERED)).push(" ORDER BY id");
    let closed = fetch(connection, query).await?;
    let by_subject =
        |it: Vec<IncidentRecord>| it.into_iter().map(|it| (it.subject, it.incident)).collect();
    let silences = silences.to_vec();
    Ok(Remembered { open: by_subject(open), closed: by_subject(closed), silences })
}

/// The incidents that were resolved lately, by the latest of them, the last ones at the end: all of them,
/// or those of some checks alone.
pub(super) async fn closed(
    connection: &mut SqliteConnection,
    checks: Option<&[CheckId]>,
) -> Result<Vec<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query
        .push(" WHERE resolved_at >= (SELECT max(resolved_at) FROM incidents ")
        .push("WHERE resolved_at IS NOT NULL) - ")
        .push_bind(REMEMBERED.num_milliseconds());
    about(&mut query, checks);
    query.push(" ORDER BY id");
    fetch(connection, query).await
}

/// The open incidents about paths.
pub(super) async fn of_paths(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<Subject, Incident>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" WHERE resolved_at IS NULL AND subject GLOB 'path:*'");
    let open = fetch(connection, query).await?;
    Ok(open.into_iter().map(|it| (it.subject, it.incident)).collect())
}

/// The open incidents that are due, those that have been for longest first.
pub(super) async fn due(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" WHERE resolved_at IS NULL AND due_at <= ").push_bind(rows::millis(now));
    query.push(" ORDER BY due_at LIMIT ").push_bind(limit);
    fetch(connection, query).await
}

/// One incident.
pub(super) async fn one(
    connection: &mut SqliteConnection,
    id: IncidentId,
) -> Result<Option<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" WHERE id = ").push_bind(id.0);
    Ok(fetch(connection, query).await?.pop())
}

/// Lists incidents, the latest first.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &IncidentFilter,
) -> Result<Vec<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" WHERE subject <> 'drill:paths'");
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

pub(super) async fn fetch(
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
        "INSERT INTO incidents (id, subject, opened_at, since, resolved_at, tiers, told, \
         cause_region, cause_step, cause_request, cause_error, due_at, story) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET since = excluded.since, \
         resolved_at = excluded.resolved_at, tiers = excluded.tiers, told = excluded.told, \
         cause_region = excluded.cause_region, cause_step = excluded.cause_step, \
         cause_request = excluded.cause_request, cause_error = excluded.cause_error, \
         due_at = excluded.due_at, story = excluded.story",
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
    .bind(incident.cause.request.as_ref().map(rows::failed_request::text))
    .bind(incident.cause.error.as_str())
    .bind(incident.due_at.map(rows::millis))
    .bind(rows::story::text(&incident.story));
    query.execute(connection).await.map_err(failed("write an incident")).map(|_| ())
}

/// What a decision is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) subject: &'a Subject,
    pub(super) incident: Option<IncidentId>,
    pub(super) run: Option<RunId>,
    /// When that ended.
    pub(super) failed_at: Option<Timestamp>,
}

impl<'a> About<'a> {
    /// What follows from no run.
    pub(super) fn of(subject: &'a Subject, incident: Option<IncidentId>) -> Self {
        Self { subject, incident, run: None, failed_at: None }
    }
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
