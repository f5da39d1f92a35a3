//! What people do about an incident: acknowledge it, take that back, resolve it, say something.
//!
//! Who acts is known from what they showed; where nobody is asked who they are ([`super::access`]), whoever may
//! act says so themselves. What is said is one line of bounded length, since it goes into messages.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::access::Visitor;
use super::answer::Pretty;
use super::parameters::{Parameters, number};
use super::problem::{Problem, shortened};
use super::{Api, dto};
use crate::config::duration;
use crate::domain::id::IncidentId;
use crate::domain::incident::acting::{Act, Refused};
use crate::domain::restraint::{Actor, Via, one_line};
use crate::store::care::Acted;

/// The longest name of whoever acts, in characters.
const LONGEST_NAME: usize = 100;
/// The longest reason or note, in characters.
pub(super) const LONGEST_TEXT: usize = 500;

/// An act that takes no parameters in its address.
pub(super) struct Leave;

impl FromRequestParts<Api> for Leave {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        Parameters::parse(parts.uri.query(), &[])?;
        Ok(Self)
    }
}

/// What whoever acts sends, as JSON.
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Api> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        Leave::from_request_parts(&mut parts, api).await?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let kind = kind.unwrap_or_default();
        // A web page may send no such type to another site without being asked for leave.
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let kind = shortened(kind);
            let detail = format!("the content type is `{kind}`; send `application/json`");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = Bytes::from_request(Request::from_parts(parts, body), api).await;
        let body = body.map_err(|rejection| {
            Problem::new(rejection.status(), "the body is too long, or could not be read")
        })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the body is wrong: {error}"))
        })
    }
}

/// Acknowledge an incident
///
/// Somebody takes care of it: further tiers are told when that is over, if it still fails. A further
/// acknowledgement takes the place of the last one.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/acknowledge",
    operation_id = "acknowledge_incident", tag = "incidents",
    params(("id" = i64, Path, description = "The number of the incident.")),
    request_body(content = dto::Acknowledge, content_type = "application/json"),
    responses(
        (status = 200, description = "The incident as it is now.", body = dto::Incident),
        (status = 403, description = "Acts are not taken from there.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such incident.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is over already.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The content type is another.", body = dto::Problem,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn acknowledge(
    State(api): State<Api>,
    visitor: Visitor,
    id: Result<Path<String>, PathRejection>,
    Sent(sent): Sent<dto::Acknowledge>,
) -> Result<Pretty<dto::Incident>, Problem> {
    let lasts = sent.lasts.as_deref().map(|text| length("for", text)).transpose()?;
    let reason = reason(sent.reason.as_deref())?;
    let actor = actor(&visitor, sent.by.as_deref(), sent.via)?;
    act(&api, id, &Act::Acknowledge { reason, lasts }, &actor).await
}

/// Take an acknowledgement back
///
/// Nobody takes care of it any more: whoever was told is told again.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/unacknowledge",
    operation_id = "unacknowledge_incident", tag = "incidents",
    params(("id" = i64, Path, description = "The number of the incident.")),
    request_body(content = dto::Unacknowledge, content_type = "application/json"),
    responses(
        (status = 200, description = "The incident as it is now.", body = dto::Incident),
        (status = 403, description = "Acts are not taken from there.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such incident.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is over already, or nobody has acknowledged it.",
            body = dto::Problem, content_type = "application/problem+json"),
        (status = 415, description = "The content type is another.", body = dto::Problem,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn unacknowledge(
    State(api): State<Api>,
    visitor: Visitor,
    id: Result<Path<String>, PathRejection>,
    Sent(sent): Sent<dto::Unacknowledge>,
) -> Result<Pretty<dto::Incident>, Problem> {
    let actor = actor(&visitor, sent.by.as_deref(), sent.via)?;
    act(&api, id, &Act::TakeBack, &actor).await
}

/// Resolve an incident
///
/// Somebody says that it is over: all who were told are told so. What fails on opens it again.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/resolve",
    operation_id = "resolve_incident", tag = "incidents",
    params(("id" = i64, Path, description = "The number of the incident.")),
    request_body(content = dto::Resolve, content_type = "application/json"),
    responses(
        (status = 200, description = "The incident as it is now.", body = dto::Incident),
        (status = 403, description = "Acts are not taken from there.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such incident.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is over already.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The content type is another.", body = dto::Problem,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn resolve(
    State(api): State<Api>,
    visitor: Visitor,
    id: Result<Path<String>, PathRejection>,
    Sent(sent): Sent<dto::Resolve>,
) -> Result<Pretty<dto::Incident>, Problem> {
    let reason = reason(sent.reason.as_deref())?;
    let actor = actor(&visitor, sent.by.as_deref(), sent.via)?;
    act(&api, id, &Act::Resolve { reason }, &actor).await
}

/// Say something about an incident
///
/// Those who follow it are told, which wakes nobody.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/note",
    operation_id = "note_incident", tag = "incidents",
    params(("id" = i64, Path, description = "The number of the incident.")),
    request_body(content = dto::Note, content_type = "application/json"),
    responses(
        (status = 200, description = "The incident as it is now.", body = dto::Incident),
        (status = 403, description = "Acts are not taken from there.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such incident.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is over already.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The content type is another.", body = dto::Problem,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn note(
    State(api): State<Api>,
    visitor: Visitor,
    id: Result<Path<String>, PathRejection>,
    Sent(sent): Sent<dto::Note>,
) -> Result<Pretty<dto::Incident>, Problem> {
    let text = line("text", &sent.text, LONGEST_TEXT)?;
    let actor = actor(&visitor, sent.by.as_deref(), sent.via)?;
    act(&api, id, &Act::Note { text }, &actor).await
}

async fn act(
    api: &Api,
    id: Result<Path<String>, PathRejection>,
    act: &Act,
    actor: &Actor,
) -> Result<Pretty<dto::Incident>, Problem> {
    let id = IncidentId(number("an incident", id)?);
    take(api, id, act, actor).await?;
    let history = api.store.incident(id).await?.ok_or_else(|| missing(id))?;
    Ok(Pretty(dto::Incident::from(&history.record)))
}

/// Has it done, or says why not.
pub(super) async fn take(
    api: &Api,
    id: IncidentId,
    act: &Act,
    actor: &Actor,
) -> Result<(), Problem> {
    match api.acts.act(id, act, actor).await? {
        Acted::Done(_) => Ok(()),
        Acted::Refused(Refused::Length) => {
            Err(Problem::parameter("for", Refused::Length.to_string()))
        }
        Acted::Refused(refused) => Err(Problem::new(StatusCode::CONFLICT, refused.to_string())),
        Acted::Unknown => Err(missing(id)),
    }
}

fn missing(id: IncidentId) -> Problem {
    Problem::missing(format!("there is no incident {id}"))
}

/// Whoever acts: the user who signed in, whatever is said of it, or whom the caller names where nobody is asked
/// who they are.
pub(super) fn actor(
    visitor: &Visitor,
    by: Option<&str>,
    via: Option<dto::SentVia>,
) -> Result<Actor, Problem> {
    let via = visitor.via(via.map(Via::from));
    if let Some(name) = visitor.name() {
        return Ok(Actor { name: name.to_owned(), via });
    }
    let by = by.ok_or_else(|| Problem::parameter("by", "say who acts, in `by`"))?;
    Ok(Actor { name: line("by", by, LONGEST_NAME)?, via })
}

/// What is said, as one line that is not empty.
pub(super) fn line(name: &str, text: &str, longest: usize) -> Result<String, Problem> {
    let text = one_line(text);
    let length = text.chars().count();
    if length == 0 {
        return Err(Problem::parameter(name, format!("`{name}` must not be empty")));
    }
    if length > longest {
        let detail = format!("`{name}` has {length} characters; at most {longest} are possible");
        return Err(Problem::parameter(name, detail));
    }
    Ok(text)
}

/// Why, as one line; nothing where nothing is said.
pub(super) fn reason(text: Option<&str>) -> Result<Option<String>, Problem> {
    let said = text.filter(|text| !one_line(text).is_empty());
    said.map(|text| line("reason", text, LONGEST_TEXT)).transpose()
}

/// A length of time.
pub(super) fn length(name: &str, text: &str) -> Result<Duration, Problem> {
    duration::parse(text).map_err(|error| {
        let detail = format!("`{name}` is wrong: {error}; write it like `30m` or `2h`");
        Problem::parameter(name, detail)
    })
}
