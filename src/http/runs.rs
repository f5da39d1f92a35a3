//! What was run and what came of it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use chrono::TimeDelta;

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::{Problem, shortened};
use super::{Api, dto};
use crate::domain::Timestamp;
use crate::domain::id::RunId;
use crate::store::{RunFilter, RunSummary, Store};

/// The most runs of one moment that are listed together.
const LARGEST_MOMENT: u32 = 10_000;

/// Runs
///
/// Runs, the latest first, as far as they have not been forgotten. Runs of the same moment are never
/// torn apart: to go on, pass `next_before` as `before`. An answer may hold more than `limit` runs
/// only where more than `limit` have the same moment.
#[utoipa::path(get, path = "/api/v1/runs", operation_id = "list_runs", tag = "runs", params(
    ("check" = Option<String>, Query, description = "Only of this check."),
    ("region" = Option<String>, Query, description = "Only from this region."),
    ("outcome" = Option<dto::Outcome>, Query, description = "Only with this outcome."),
    ("before" = Option<dto::Time>, Query, description = "Only with slots before this moment."),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500,
        description = "At most this many; 100 if not given."),
), responses(
    (status = 200, description = "The runs.", body = dto::Runs),
    (status = 400, description = "A parameter is wrong.", body = dto::Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Runs>, Problem> {
    let known = ["check", "region", "outcome", "before", "limit"];
    let parameters = Parameters::parse(query.as_deref(), &known)?;
    let filter = RunFilter {
        check: parameters.check()?,
        region: parameters.region()?,
        outcome: parameters.outcome()?,
        before: parameters.before()?,
        limit: parameters.limit()?,
    };
    let (runs, next_before) = latest(api.store.as_ref(), &filter).await?;
    let runs = runs.iter().map(dto::RunSummary::from).collect();
    Ok(Pretty(dto::Runs { runs, next_before: next_before.map(dto::Time) }))
}

/// The runs that `filter` lists, cut where a moment begins, and that moment if more follow: the
/// store goes on by moments, and many runs can share one.
pub(super) async fn latest(
    store: &dyn Store,
    filter: &RunFilter,
) -> Result<(Vec<RunSummary>, Option<Timestamp>), Problem> {
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let one_more = RunFilter { limit: filter.limit + 1, ..filter.clone() };
    let mut runs = store.runs(&one_more).await?;
    let Some(cut) = runs.get(limit).map(|run| run.slot.at) else { return Ok((runs, None)) };
    let kept = runs.iter().take_while(|run| run.slot.at > cut).count();
    if kept > 0 {
        runs.truncate(kept);
    } else {
        let before = Some(cut + TimeDelta::milliseconds(1));
        let moment = RunFilter { before, limit: LARGEST_MOMENT, ..filter.clone() };
        runs = store.runs(&moment).await?;
        runs.retain(|run| run.slot.at == cut);
    }
    let next = runs.last().map(|run| run.slot.at);
    Ok((runs, next))
}

/// One run
///
/// A run with its steps, requests, console output and measurements; also one that somebody asked for,
/// as soon as it has ended.
#[utoipa::path(get, path = "/api/v1/runs/{id}", operation_id = "show_run", tag = "runs", params(
    ("id" = String, Path, description = "The id of the run, a UUID."),
), responses(
    (status = 200, description = "The run.", body = dto::Run),
    (status = 400, description = "The id is no UUID.", body = dto::Problem,
        content_type = "application/problem+json"),
    (status = 404, description = "There is no such run, or it was forgotten.",
        body = dto::Problem, content_type = "application/problem+json"),
))]
pub(super) async fn one(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Run>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let text = id.map(|Path(id)| id).unwrap_or_default();
    let id = uuid::Uuid::parse_str(&text).map_err(|_| {
        Problem::parameter("id", format!("the id of a run is a UUID, not `{}`", shortened(&text)))
    })?;
    let run = RunId(id);
    if let Some(report) = api.store.run(run).await? {
        return Ok(Pretty(dto::Run::from(&report)));
    }
    let asked_for = api.errands.run(run).await?;
    let missing = || Problem::missing(format!("there is no run {id}; old runs are forgotten"));
    Ok(Pretty(dto::Run::asked_for(run, &asked_for.ok_or_else(missing)?)))
}
