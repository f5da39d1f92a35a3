//! Incidents and the decisions about them.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::{Postgres, QueryBuilder};

use super::{care, failed, notifications, storable};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, RunId};
use crate::domain::incident::{Decision, Incident};
use crate::domain::subject::Subject;
use crate::store::rows;
use crate::store::rows::incident::{DecisionRow, IncidentRow};
use crate::store::{
    DecisionRecord, Error, IncidentFilter, IncidentHistory, IncidentRecord, REMEMBERED, Remembered,
};

pub(super) const COLUMNS: &str = "SELECT id, subject, opened_at, since, resolved_at, tiers, told, \
     cause_region, cause_step, cause_request, cause_error, due_at, story FROM incidents";

/// The same of the last incident about each subject.
const LAST: &str = "SELECT DISTINCT ON (subject) id, subject, opened_at, since, resolved_at, tiers, \
     told, cause_region, cause_step, cause_request, cause_error, due_at, story FROM incidents";

/// All open incidents.
pub(super) async fn open(connection: &mut PgConnection) -> Result<Vec<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE resolved_at IS NULL");
    fetch(connection, query).await
}

/// What is remembered of incidents that are not about a check's failures, of which there are few.
pub(super) async fn remembered(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Remembered, Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(
        " WHERE resolved_at IS NULL AND subject NOT LIKE 'check:%' AND subject <> 'drill:paths'",
    );
    let open = fetch(&mut *connection, query).await?;
    let mut query = QueryBuilder::<Postgres>::new(LAST);
    query
        .push(" WHERE subject NOT LIKE 'check:%' AND subject <> 'drill:paths' AND resolved_at >= ");
    query.push_bind(rows::millis(now - REMEMBERED)).push(" ORDER BY subject, id DESC");
    let closed = fetch(&mut *connection, query).await?;
    let by_subject =
        |it: Vec<IncidentRecord>| it.into_iter().map(|it| (it.subject, it.incident)).collect();
    let silences = care::silences(connection, now).await?;
    Ok(Remembered { open: by_subject(open), closed: by_subject(closed), silences })
}

/// The open incidents about the failures of some checks, or else the last that was resolved lately.
pub(super) async fn last_of(
    connection: &mut PgConnection,
    names: &[&str],
    now: Timestamp,
) -> Result<Vec<IncidentRecord>, Error> {
    let subjects: Vec<String> = names.iter().map(|name| format!("check:{name}")).collect();
    let mut query = QueryBuilder::<Postgres>::new(LAST);
    query.push(" WHERE subject = ANY(").push_bind(subjects);
    query.push(") AND (resolved_at IS NULL OR resolved_at >= ");
    query.push_bind(rows::millis(now - REMEMBERED));
    query.push(") ORDER BY subject, resolved_at IS NULL DESC, id DESC");
    fetch(connection, query).await
}

/// The open incidents about paths.
pub(super) async fn of_paths(
    connection: &mut PgConnection,
) -> Result<BTreeMap<Subject, Incident>, Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE resolved_at IS NULL AND subject LIKE 'path:%'");
    let open = fetch(connection, query).await?;
    Ok(open.into_iter().map(|it| (it.subject, it.incident)).collect())
}

/// The numbers and subjects of open incidents that are due, those that have been for longest first.
pub(super) async fn due(
    connection: &mut PgConnection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE resolved_at IS NULL AND due_at <= ").push_bind(rows::millis(now));
    query.push(" ORDER BY due_at LIMIT ").push_bind(i64::from(limit));
    fetch(connection, query).await
}

/// Some incidents, by number.
pub(super) async fn some(
    connection: &mut PgConnection,
    ids: &[IncidentId],
) -> Result<Vec<IncidentRecord>, Error> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE id = ANY(").push_bind(ids).push(") ORDER BY id");
    fetch(connection, query).await
}

/// Lists incidents, the latest first.
pub(super) async fn list(
    connection: &mut PgConnection,
    filter: &IncidentFilter,
) -> Result<Vec<IncidentRecord>, Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE subject <> 'drill:paths'");
    if let Some(check) = &filter.check {
        let subjects = Subject::of_check(check).map(|it| it.to_string());
        query.push(" AND subject = ANY(").push_bind(subjects).push(")");
    }
    if filter.open_only {
        query.push(" AND resolved_at IS NULL");
    }
    if let Some(before) = filter.before {
        query.push(" AND id < ").push_bind(before.0);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(filter.limit));
    fetch(connection, query).await
}

pub(super) async fn fetch(
    connection: &mut PgConnection,
    mut query: QueryBuilder<Postgres>,
) -> Result<Vec<IncidentRecord>, Error> {
    let found: Vec<IncidentRow> =
        query.build_query_as().fetch_all(connection).await.map_err(failed("list incidents"))?;
    found.into_iter().map(IncidentRow::read).collect()
}

/// Everything known of one incident. The caller brings a snapshot.
pub(super) async fn history(
    connection: &mut PgConnection,
    id: IncidentId,
) -> Result<Option<IncidentHistory>, Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE id = ").push_bind(id.0);
    let Some(record) = fetch(&mut *connection, query).await?.pop() else {
        return Ok(None);
    };
    let found: Vec<DecisionRow> = sqlx::query_as(
        "SELECT subject, incident_id, run_id, at, kind, reason FROM decisions \
         WHERE incident_id = $1 ORDER BY id",
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
    connection: &mut PgConnection,
    check: &CheckId,
    limit: u32,
) -> Result<Vec<DecisionRecord>, Error> {
    let found: Vec<DecisionRow> = sqlx::query_as(
        "SELECT subject, incident_id, run_id, at, kind, reason FROM decisions \
         WHERE subject = ANY($1) ORDER BY id DESC LIMIT $2",
    )
    .bind(Subject::of_check(check).map(|it| it.to_string()))
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(failed("read the decisions about a check"))?;
    found.into_iter().map(DecisionRow::read).collect()
}

/// Numbers for incidents that are about to be opened.
pub(super) async fn numbers(
    connection: &mut PgConnection,
    count: usize,
) -> Result<Vec<IncidentId>, Error> {
    let numbers: Vec<i64> =
        sqlx::query_scalar("SELECT nextval('incident_numbers') FROM generate_series(1, $1)")
            .bind(i64::try_from(count).unwrap_or(i64::MAX))
            .fetch_all(connection)
            .await
            .map_err(failed("number incidents"))?;
    Ok(numbers.into_iter().map(IncidentId).collect())
}

/// Writes an incident that was opened or changed.
pub(super) async fn write(
    connection: &mut PgConnection,
    id: IncidentId,
    subject: &Subject,
    incident: &Incident,
) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO incidents (id, subject, opened_at, since, resolved_at, tiers, told, \
         cause_region, cause_step, cause_request, cause_error, due_at, story) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
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
    .bind(incident.cause.step.as_deref().map(storable))
    .bind(incident.cause.request.as_ref().map(rows::failed_request::text))
    .bind(storable(&incident.cause.error))
    .bind(incident.due_at.map(rows::millis))
    .bind(storable(&rows::story::text(&incident.story)).into_owned());
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
    connection: &mut PgConnection,
    about: About<'_>,
    decision: &Decision,
    now: Timestamp,
) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO decisions (subject, incident_id, run_id, at, kind, reason) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(about.subject.to_string())
    .bind(about.incident.map(|id| id.0))
    .bind(about.run.map(|id| id.0))
    .bind(rows::millis(now))
    .bind(decision.kind.as_str())
    .bind(storable(&decision.reason));
    query.execute(connection).await.map_err(failed("write a decision")).map(|_| ())
}
