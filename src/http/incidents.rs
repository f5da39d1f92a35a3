//! What was wrong, what was decided about it, and who was told.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};

use super::parameters::Parameters;
use super::problem::{Problem, shortened};
use super::{Api, dto};
use crate::domain::id::IncidentId;
use crate::store::{IncidentFilter, IncidentHistory};

/// Incidents
///
/// Incidents, the latest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(
    ("check" = Option<String>, Query, description = "Only of this check: its failures and its coverage."),
    ("open_only" = Option<bool>, Query, description = "Only those that are not over."),
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
) -> Result<Json<dto::Incidents>, Problem> {
    let parameters = Parameters::parse(query.as_deref(), &["check", "open_only", "limit"])?;
    let filter = IncidentFilter {
        check: parameters.check()?,
        open_only: parameters.open_only()?,
        limit: parameters.limit()?,
    };
    let records = api.store.incidents(&filter).await?;
    Ok(Json(dto::Incidents { incidents: records.iter().map(dto::Incident::from).collect() }))
}

/// One incident
///
/// The incident with the state of its regions, every decision and its reason, and every
/// notification with its deliveries.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents", params(
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
) -> Result<Json<dto::IncidentDetail>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let text = id.map(|Path(id)| id).unwrap_or_default();
    let id: i64 = text.parse().map_err(|_| {
        let quoted = shortened(&text);
        Problem::parameter("id", format!("the id of an incident is a number, not `{quoted}`"))
    })?;
    let history = api.store.incident(IncidentId(id)).await?;
    let missing = || Problem::missing(format!("there is no incident {id}"));
    let history = history.ok_or_else(missing)?;
    let regions = regions_now(&api, &history).await?;
    Ok(Json(dto::IncidentDetail::new(&history, regions)))
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
    let states = api.store.check_states().await?;
    Ok(dto::RegionState::all(check, states.get(&check.id), api.clock.now()))
}
