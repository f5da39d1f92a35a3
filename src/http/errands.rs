//! Runs that people ask for, outside the schedule.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};

use super::access::Visitor;
use super::acts::{Sent, actor};
use super::answer::Pretty;
use super::checks::named;
use super::parameters::Parameters;
use super::problem::{Problem, shortened};
use super::{Api, dto};
use crate::domain::errand::{ErrandId, WHILE};
use crate::domain::id::Region;
use crate::engine::errands::{Refused, Wish};

/// Run a check at once
///
/// Somebody asks that a check be run at once, outside its schedule, by the agents of its regions. What is
/// answered is an errand, which tells of each region: `asked` until an agent takes it, `taken` while it is
/// run, `ended` with what came of it; or `untaken`, because no agent took it within half a minute, or
/// `lost`, because the one that took it did not say what came of it. It is run once at most.
///
/// Such a run counts for nothing: not as a failure or success in a row, not towards uptime or coverage; it
/// begins no incident, ends none and wakes nobody. What came of it is noted at the check's open incident.
#[utoipa::path(post, path = "/api/v1/checks/{id}/errands", operation_id = "run_check", tag = "checks",
    params(("id" = String, Path, description = "The id of the check; a `/` in it is written `%2F`.",
        example = "shop%2Flogin")),
    request_body(content = dto::SentErrand, content_type = "application/json"),
    responses(
        (status = 202, description = "It waits for agents; `Location` says where to ask what has come of it.",
            body = dto::Errand),
        (status = 400, description = "It does not run in that region, or something is said wrongly.",
            body = dto::Problem, content_type = "application/problem+json"),
        (status = 403, description = "Acts are not taken from there.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such check, or it is switched off.",
            body = dto::Problem, content_type = "application/problem+json"),
        (status = 409, description = "Somebody else has it run there at the moment.",
            body = dto::Problem, content_type = "application/problem+json"),
        (status = 415, description = "The content type is another.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "It was run by hand too often in the last minute.",
            body = dto::Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn ask(
    State(api): State<Api>,
    visitor: Visitor,
    id: Result<Path<String>, PathRejection>,
    Sent(sent): Sent<dto::SentErrand>,
) -> Result<Asked, Refusal> {
    let check = named(id)?;
    let region = sent.region.as_deref().map(region).transpose()?;
    let by = actor(&visitor, sent.by.as_deref(), sent.via)?;
    let wish = Wish { check, region, incident: None };
    let errand = api.errands.ask(wish, by).await.map_err(refused)?;
    let place = format!("/api/v1/errands/{}", errand.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Pretty(dto::Errand::from(&errand))))
}

/// An errand that was taken on.
type Asked = (StatusCode, [(HeaderName, String); 1], Pretty<dto::Errand>);

/// Why none was, and when to ask again, where that helps.
pub(super) type Refusal = (Option<[(HeaderName, String); 1]>, Problem);

/// Errands of a check
///
/// Who had the check run by hand, and what came of it; the last asked for first.
#[utoipa::path(get, path = "/api/v1/checks/{id}/errands", operation_id = "list_errands", tag = "checks",
    params(
        ("id" = String, Path, description = "The id of the check; a `/` in it is written `%2F`.",
            example = "shop%2Flogin"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500,
            description = "At most this many; 100 if not given."),
    ),
    responses(
        (status = 200, description = "The errands.", body = dto::Errands),
        (status = 404, description = "There is no such check.", body = dto::Problem,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn of_check(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Errands>, Problem> {
    let limit = Parameters::parse(query.as_deref(), &["limit"])?.limit()?;
    let errands = api.errands.of_check(&named(id)?, limit).await?;
    Ok(Pretty(dto::Errands { errands: errands.iter().map(dto::Errand::from).collect() }))
}

/// One errand
///
/// Who had a check run by hand, and what has come of it in each region so far. The steps, requests and
/// console of what has ended are at `/api/v1/runs/{id}`.
#[utoipa::path(get, path = "/api/v1/errands/{id}", operation_id = "show_errand", tag = "checks",
    params(("id" = String, Path, description = "The id of the errand, a UUID.")),
    responses(
        (status = 200, description = "The errand.", body = dto::Errand),
        (status = 404, description = "There is no such errand, or it was forgotten.",
            body = dto::Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn one(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Errand>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let id = errand_id(id)?;
    let errand = api.errands.one(id).await?;
    let missing = || Problem::missing(format!("there is no errand {id}; old ones are forgotten"));
    Ok(Pretty(dto::Errand::from(&errand.ok_or_else(missing)?)))
}

/// The errand that a path names.
pub(super) fn errand_id(id: Result<Path<String>, PathRejection>) -> Result<ErrandId, Problem> {
    let text = id.map(|Path(id)| id).unwrap_or_default();
    let quoted = shortened(&text);
    uuid::Uuid::parse_str(&text).map(ErrandId).map_err(|_| {
        Problem::parameter("id", format!("the id of an errand is a UUID, not `{quoted}`"))
    })
}

fn region(text: &str) -> Result<Region, Problem> {
    Region::new(text).map_err(|error| Problem::parameter("region", error.to_string()))
}

/// Why nothing is run, as an answer.
pub(super) fn refused(refused: Refused) -> Refusal {
    let detail = refused.to_string();
    let problem = match refused {
        Refused::UnknownCheck(_) => Problem::missing(detail),
        Refused::NotThere { .. } => Problem::parameter("region", detail),
        Refused::Going { .. } => Problem::new(StatusCode::CONFLICT, detail),
        Refused::TooMany { .. } => {
            let again = (header::RETRY_AFTER, WHILE.as_secs().to_string());
            return (Some([again]), Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        Refused::Store(error) => error.into(),
    };
    (None, problem)
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        (None, problem)
    }
}
