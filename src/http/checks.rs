//! Which checks there are and how they are doing.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::{Problem, shortened};
use super::{Api, dto};
use crate::domain::check::Check;
use crate::domain::id::CheckId;

/// Checks
///
/// The checks of the project, in the order of their ids, each with its state in each of its regions
/// and its open incident. To go on, pass `next_after` as `after`, until it is null.
#[utoipa::path(get, path = "/api/v1/checks", operation_id = "list_checks", tag = "checks", params(
    ("after" = Option<String>, Query, description = "Only checks whose ids come after this one."),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500,
        description = "At most this many; 100 if not given."),
), responses(
    (status = 200, description = "The checks, in the order of their ids.", body = dto::Checks),
    (status = 400, description = "A parameter is wrong.", body = dto::Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Checks>, Problem> {
    let parameters = Parameters::parse(query.as_deref(), &["after", "limit"])?;
    let (after, limit) = (parameters.after()?, parameters.limit()?);
    let all = api.checks.load_full();
    let is_listed = |check: &&Arc<Check>| after.as_ref().is_none_or(|after| check.id > *after);
    let mut listed: Vec<&Arc<Check>> = all.iter().filter(is_listed).collect();
    listed.sort_by(|a, b| a.id.cmp(&b.id));
    let (mut next_after, limit) = (None, usize::try_from(limit).unwrap_or(usize::MAX));
    if listed.len() > limit {
        listed.truncate(limit);
        next_after = listed.last().map(|check| check.id.to_string());
    }
    let ids: Vec<CheckId> = listed.iter().map(|check| check.id.clone()).collect();
    let states = api.store.states_of(&ids).await?;
    let now = api.clock.now();
    let shown = |check: &&Arc<Check>| dto::Check::new(check, states.get(&check.id), now);
    Ok(Pretty(dto::Checks { checks: listed.iter().map(shown).collect(), next_after }))
}

/// One check
///
/// The check with its state in each of its regions and its open incident.
#[utoipa::path(get, path = "/api/v1/checks/{id}", operation_id = "show_check", tag = "checks", params(
    ("id" = String, Path, description = "The id of the check; a `/` in it is written `%2F`.",
        example = "shop%2Flogin"),
), responses(
    (status = 200, description = "The check.", body = dto::Check),
    (status = 404, description = "There is no such check.", body = dto::Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn one(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Check>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let id = named(id)?;
    let checks = api.checks.load_full();
    let check = checks.iter().find(|check| check.id == id);
    let check = check.ok_or_else(|| missing(id.as_str()))?;
    let states = api.store.states_of(std::slice::from_ref(&check.id)).await?;
    Ok(Pretty(dto::Check::new(check, states.get(&check.id), api.clock.now())))
}

/// The check that a path names.
pub(super) fn named(id: Result<Path<String>, PathRejection>) -> Result<CheckId, Problem> {
    let Path(id) = id.map_err(|_| Problem::parameter("id", "the id is no valid text"))?;
    CheckId::new(&id).map_err(|_| missing(&id))
}

fn missing(id: &str) -> Problem {
    Problem::missing(format!("there is no check `{}` in the project", shortened(id)))
}
