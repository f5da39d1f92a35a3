//! What was wrong, what was decided about it, and who was told.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};

use super::answer::Pretty;
use super::parameters::{Parameters, number};
use super::problem::Problem;
use super::{Api, dto};
use crate::domain::id::{IncidentId, RunId};
use crate::domain::incident::DecisionKind;
use crate::domain::run::Outcome;
use crate::store::{
    self, DecisionRecord, IncidentFilter, IncidentHistory, IncidentRecord, RunFilter, Store,
};

/// Incidents
///
/// Incidents, the latest first.
#[utoipa::path(get, path = "/api/v1/incidents", operation_id = "list_incidents", tag = "incidents", params(
    ("check" = Option<String>, Query, description = "Only of this check: its failures and its coverage."),
    ("open_only" = Option<bool>, Query, description = "Only those that are not over."),
    ("before" = Option<i64>, Query,
        description = "Only those with smaller numbers: `next_before` of the page before."),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500,
        description = "At most this many; 100 if not given."),
), responses(
    (status = 200, description = "The incidents.", body = dto::Incidents),
    (status = 400, description = "A parameter is wrong.", body = dto::Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Incidents>, Problem> {
    let known = ["check", "open_only", "before", "limit"];
    let parameters = Parameters::parse(query.as_deref(), &known)?;
    let filter = IncidentFilter {
        check: parameters.check()?,
        open_only: parameters.open_only()?,
        before: parameters.before_incident()?,
        limit: parameters.limit()?,
    };
    let records = api.store.incidents(&filter).await?;
    let is_full = u32::try_from(records.len()).is_ok_and(|count| count == filter.limit);
    let last = records.last().filter(|_| is_full);
    Ok(Pretty(dto::Incidents {
        next_before: last.map(|record| record.id.0),
        incidents: records.iter().map(dto::Incident::from).collect(),
    }))
}

/// One incident
///
/// The incident with the state of its regions, the runs that tell of it, every decision and its
/// reason, and every notification with its deliveries.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", operation_id = "show_incident", tag = "incidents", params(
    ("id" = i64, Path, description = "The number of the incident."),
), responses(
    (status = 200, description = "The incident.", body = dto::IncidentDetail),
    (status = 400, description = "The id is no number.", body = dto::Problem,
        content_type = "application/problem+json"),
    (status = 404, description = "There is no such incident.", body = dto::Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn one(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::IncidentDetail>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let id = number("an incident", id)?;
    let Known { history, regions, runs } = known(&api, IncidentId(id)).await?;
    let (opened_by, latest) = (runs.opened_by, runs.latest_failed);
    Ok(Pretty(dto::IncidentDetail::new(&history, regions, opened_by, latest)))
}

/// Everything that is shown of one incident.
pub(super) struct Known {
    pub(super) history: IncidentHistory,
    /// How its check is doing now in each of its regions.
    pub(super) regions: Vec<dto::RegionState>,
    pub(super) runs: Runs,
}

/// Reads it.
pub(super) async fn known(api: &Api, id: IncidentId) -> Result<Known, Problem> {
    let history = api.store.incident(id).await?;
    let history = history.ok_or_else(|| Problem::missing(format!("there is no incident {id}")))?;
    let runs = Runs::of(api.store.as_ref(), &history.record).await?;
    let regions = regions_now(api, &history).await?;
    Ok(Known { history, regions, runs })
}

/// How far back the decision that opened an incident is looked for, in decisions about its check.
const DECISIONS: u32 = 1_000;

/// The runs that tell of an incident.
pub(super) struct Runs {
    pub(super) opened_by: Option<RunId>,
    pub(super) latest_failed: Option<RunId>,
}

impl Runs {
    async fn of(store: &dyn Store, record: &IncidentRecord) -> Result<Self, store::Error> {
        let Some(check) = record.subject.check() else {
            return Ok(Self { opened_by: None, latest_failed: None });
        };
        let decisions = store.decisions(check, DECISIONS).await?;
        let opened = |it: &&DecisionRecord| {
            it.incident == Some(record.id) && it.decision.kind == DecisionKind::Opened
        };
        let filter = RunFilter {
            check: Some(check.clone()),
            region: None,
            outcome: Some(Outcome::Failed),
            before: record.incident.resolved_at,
            limit: 1,
        };
        let latest = store.runs(&filter).await?.into_iter().next();
        Ok(Self {
            opened_by: decisions.iter().find(opened).and_then(|it| it.run),
            latest_failed: latest
                .filter(|run| run.slot.at >= record.incident.since)
                .map(|run| run.id),
        })
    }
}

/// How the check is doing in each of its regions, while it is in the project.
async fn regions_now(
    api: &Api,
    history: &IncidentHistory,
) -> Result<Vec<dto::RegionState>, Problem> {
    let checks = api.checks.load_full();
    let Some(check) = checks.iter().find(|check| Some(&check.id) == history.record.subject.check())
    else {
        return Ok(Vec::new());
    };
    let states = api.store.states_of(std::slice::from_ref(&check.id)).await?;
    Ok(dto::RegionState::all(check, states.get(&check.id), api.clock.now()))
}
