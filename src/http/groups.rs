//! Whether a group of checks is well: what a load balancer or a DNS server asks.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::{Problem, shortened};
use super::{Api, dto};
use crate::engine::groups;

/// A group of checks
///
/// Whether the checks of a group are well: 200 or 503, for load balancers and DNS failover. A check
/// changes its mind only after so many results in a row, three if the project does not say.
#[utoipa::path(get, path = "/health/{group}", operation_id = "show_group", tag = "health", params(
    ("group" = String, Path, description = "The name of the group.", example = "shop"),
), responses(
    (status = 200, description = "It is well.", body = dto::GroupHealth),
    (status = 503, description = "It is not; `checks` says which are ill and where.", body = dto::GroupHealth),
    (status = 404, description = "There is no such group.", body = dto::Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn group(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let Path(name) = name.map_err(|_| Problem::parameter("group", "the name is no valid text"))?;
    let rulebook = api.acts.judge.current();
    let Some(standing) = groups::standing(api.store.as_ref(), &rulebook, &name).await? else {
        let name = shortened(&name);
        return Err(Problem::missing(format!(
            "there is no group `{name}` in the project; write one as `[health.{name}]`"
        )));
    };
    let status = if standing.is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Pretty(dto::GroupHealth::new(name, &standing))).into_response())
}
