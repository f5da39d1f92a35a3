//! Incidents and the decisions about them.

use std::collections::BTreeMap;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Sqlite};

use super::script::{Script, Term, Value, values};
use super::{failed, notifications, script};
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

/// The open incidents.
pub(super) async fn open(connection: &mut SqliteConnection) -> Result<Vec<IncidentRecord>, Error> {
    let mut script = Script::default();
    let open = ask_open(&mut script, None);
    read(&script.rows(connection, "list incidents").await?[open])
}

/// Asks for the open incidents: all of them, or those of some checks alone.
pub(super) fn ask_open(script: &mut Script, checks: Option<&[CheckId]>) -> usize {
    let (about, values) = about(checks);
    script.add(&format!("{COLUMNS} WHERE resolved_at IS NULL{about}"), values)
}

/// Of incidents that `checks` fail, and no others.
fn about(checks: Option<&[CheckId]>) -> (&'static str, Vec<Value>) {
    let Some(checks) = checks else { return ("", Vec::new()) };
    let subject = |check: &CheckId| Subject::Check(check.clone()).to_string();
    let subjects: Vec<String> = checks.iter().map(subject).collect();
    (" AND subject IN (SELECT value FROM json_each(?))", values![to_json(&subjects)].into())
}

/// Reads incidents.
pub(super) fn read(rows: &[SqliteRow]) -> Result<Vec<IncidentRecord>, Error> {
    let found: Vec<IncidentRow> = script::read(rows, "list incidents")?;
    found.into_iter().map(IncidentRow::read).collect()
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

/// Asks for the incidents that were resolved lately, by the latest of them, the last ones at the end: all
/// of them, or those of some checks alone.
pub(super) fn ask_closed(script: &mut Script, checks: Option<&[CheckId]>) -> usize {
    let (about, checks) = about(checks);
    let mut values = vec![Value::from(REMEMBERED.num_milliseconds())];
    values.extend(checks);
    let text = format!(
        "{COLUMNS} WHERE resolved_at >= (SELECT max(resolved_at) FROM incidents \
         WHERE resolved_at IS NOT NULL) - ?{about} ORDER BY id"
    );
    script.add(&text, values)
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
    query.push(" ORDER BY due_at LIMIT +").push_bind(limit);
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
    if let Some(before) = filter.before {
        query.push(" AND id < ").push_bind(before.0);
    }
    query.push(" ORDER BY id DESC LIMIT +").push_bind(filter.limit);
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

/// Everything known of one incident.
pub(super) async fn history(
    reader: PoolConnection<Sqlite>,
    id: IncidentId,
) -> Result<Option<IncidentHistory>, Error> {
    let mut script = Script::snapshot();
    let asked = ask_history(&mut script, &id.0.into());
    read_history(&script.at_once(reader, HISTORY).await?, asked)
}

/// What fails when an incident cannot be read.
const HISTORY: &str = "read an incident";

/// By which statements an incident, its decisions, its notifications and their deliveries are asked for.
pub(super) type AskedHistory = (usize, usize, [usize; 2]);

/// Asks for everything known of one incident.
pub(super) fn ask_history(script: &mut Script, id: &Term) -> AskedHistory {
    let Term { text, values } = id;
    let incident = script.add(&format!("{COLUMNS} WHERE id = {text}"), values.clone());
    let decisions = script.add(
        &format!(
            "SELECT subject, incident_id, run_id, at, kind, reason FROM decisions \
             WHERE incident_id = {text} ORDER BY id"
        ),
        values.clone(),
    );
    (incident, decisions, notifications::ask_of_incident(script, id))
}

/// Reads it.
pub(super) fn read_history(
    found: &[Vec<SqliteRow>],
    (incident, decisions, notifications): AskedHistory,
) -> Result<Option<IncidentHistory>, Error> {
    let Some(record) = read(&found[incident])?.pop() else {
        return Ok(None);
    };
    let decided: Vec<DecisionRow> = script::read(&found[decisions], HISTORY)?;
    let decisions: Vec<DecisionRecord> =
        decided.into_iter().map(DecisionRow::read).collect::<Result<_, _>>()?;
    Ok(Some(IncidentHistory {
        record,
        decisions: decisions.into_iter().map(|record| (record.at, record.decision)).collect(),
        notifications: notifications::read_of_incident(found, notifications)?,
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
         WHERE subject IN (?, ?) ORDER BY id DESC LIMIT +?",
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
pub(super) fn write(script: &mut Script, id: IncidentId, subject: &Subject, incident: &Incident) {
    script.add(
        "INSERT INTO incidents (id, subject, opened_at, since, resolved_at, tiers, told, \
         cause_region, cause_step, cause_request, cause_error, due_at, story) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET since = excluded.since, \
         resolved_at = excluded.resolved_at, tiers = excluded.tiers, told = excluded.told, \
         cause_region = excluded.cause_region, cause_step = excluded.cause_step, \
         cause_request = excluded.cause_request, cause_error = excluded.cause_error, \
         due_at = excluded.due_at, story = excluded.story",
        values![
            id.0,
            subject.to_string(),
            rows::millis(incident.opened_at),
            rows::millis(incident.since),
            incident.resolved_at.map(rows::millis),
            rows::tiers_text(&incident.tiers),
            rows::told_text(&incident.told),
            incident.cause.region.as_str(),
            incident.cause.step.as_deref(),
            incident.cause.request.as_ref().map(rows::failed_request::text),
            incident.cause.error.as_str(),
            incident.due_at.map(rows::millis),
            rows::story::text(&incident.story),
        ],
    );
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
pub(super) fn write_decision(
    script: &mut Script,
    about: About<'_>,
    decision: &Decision,
    now: Timestamp,
) {
    script.add(
        "INSERT INTO decisions (subject, incident_id, run_id, at, kind, reason) \
         VALUES (?, ?, ?, ?, ?, ?)",
        values![
            about.subject.to_string(),
            about.incident.map(|id| id.0),
            about.run.map(|id| id.0),
            rows::millis(now),
            decision.kind.as_str(),
            decision.reason.as_str(),
        ],
    );
}
