//! Which checks there are and how they are doing.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::{Problem, shortened};
use super::{Api, dto};

/// All checks
///
/// Every check of the project with its state in each of its regions and its open incident.
#[utoipa::path(get, path = "/api/v1/checks", operation_id = "list_checks", tag = "checks", responses(
    (status = 200, description = "The checks, in the order of their ids.", body = dto::Checks),
))]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Checks>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let states = api.store.check_states().await?;
    let now = api.clock.now();
    let mut checks: Vec<dto::Check> = api
        .checks
        .load()
        .iter()
        .map(|check| dto::Check::new(check, states.get(&check.id), now))
        .collect();
    checks.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Pretty(dto::Checks { checks }))
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
    let Path(id) = id.map_err(|_| Problem::parameter("id", "the id is no valid text"))?;
    let checks = api.checks.load_full();
    let Some(check) = checks.iter().find(|check| check.id.as_str() == id) else {
        let id = shortened(&id);
        return Err(Problem::missing(format!("there is no check `{id}` in the project")));
    };
    let states = api.store.check_states().await?;
    Ok(Pretty(dto::Check::new(check, states.get(&check.id), api.clock.now())))
}
