//! Drills: whether messages would arrive, and by what that was shown.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;

use super::acts::Sent;
use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::{Problem, shortened};
use super::{Api, dto};
use crate::engine::drills::Drilled;

/// Where they are.
pub(super) const PATH: &str = "/api/v1/drills";

/// Paths and their proofs
///
/// All paths by which people are told, how each stands, when something was last shown to arrive by it and
/// by what, and what became of its last drill.
#[utoipa::path(get, path = "/api/v1/drills", operation_id = "list_drills", tag = "notifications",
    responses((status = 200, description = "The paths.", body = dto::Drills)))]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Drills>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let (in_force, known) = api.drills.known().await?;
    Ok(Pretty(dto::Drills::new(&in_force.terms, &known, api.clock.now())))
}

/// Drill
///
/// Sends a message that says that it is a drill by the paths that are named, or by all of them, as messages
/// are sent when something is wrong. What comes of it is shown as above.
#[utoipa::path(post, path = "/api/v1/drills", operation_id = "begin_drill", tag = "notifications",
    request_body(content = dto::SentDrill, content_type = "application/json"),
    responses(
        (status = 202, description = "The round; its messages are on their way.", body = dto::Drill),
        (status = 403, description = "Acts are not taken from there.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "There is no path, or it is only printed what would \
            be sent, or to all of them a drill is on its way.",
            body = dto::Problem, content_type = "application/problem+json"),
        (status = 415, description = "The content type is another.", body = dto::Problem,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn begin(
    State(api): State<Api>,
    Sent(sent): Sent<dto::SentDrill>,
) -> Result<(StatusCode, Pretty<dto::Drill>), Problem> {
    match api.drills.drill(&sent.paths).await? {
        Drilled::Begun(round) => {
            Ok((StatusCode::ACCEPTED, Pretty(dto::Drill { incident: round.0 })))
        }
        Drilled::Printed(why) => {
            let detail = format!("nothing was sent: messages are only printed to {why}");
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Drilled::Unknown(name, known) => {
            let known = known.join(", ");
            let detail = format!("there is no path `{}`; there are: {known}", shortened(&name));
            Err(Problem::parameter("paths", detail))
        }
        Drilled::Nothing => {
            let detail = "there is no path, or to all of them a drill is on its way";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}
