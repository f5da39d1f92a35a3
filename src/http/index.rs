//! Where to go from here.

use axum::extract::{RawQuery, State};

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{Api, dto};

/// Links
///
/// The routes without a parameter in their path: where to begin.
#[utoipa::path(get, path = "/api/v1", tag = "meta", operation_id = "list_links", responses(
    (status = 200, description = "The links.", body = dto::Index),
))]
pub(super) async fn index(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Index>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    Ok(Pretty(links(api.version)))
}

fn links(version: &str) -> dto::Index {
    let links = [
        ("/api/v1/checks", "what is watched and how it is doing"),
        ("/api/v1/runs", "what was run and what came of it"),
        ("/api/v1/incidents", "what was wrong and who was told"),
        ("/api/v1/incidents?open_only=true", "what is wrong now"),
        ("/api/v1/silences", "of what nobody is told for a while"),
        ("/api/v1/uptime", "how the checks did, and whether anybody was watching"),
        ("/api/v1/gaps", "when nobody was watching, and why"),
        ("/api/v1/agents", "who runs checks, and from where"),
        ("/api/v1/drills", "whether messages would arrive, and by what that was shown"),
        ("/api/v1/notifications/backlog", "what is still to be told"),
        ("/healthz", "whether Tripline itself works"),
        ("/api/v1/openapi.json", "the description of all this"),
    ];
    let links = links.map(|(path, about)| dto::Link { path, about });
    dto::Index { name: "tripline", version: version.to_owned(), links: links.into() }
}
