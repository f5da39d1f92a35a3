//! The description of the API (OpenAPI 3.1), made from the functions that answer.

use axum::extract::{RawQuery, State};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response};
use utoipa::{Modify, OpenApi as _};

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{
    Api, acts, agent_list, checks, coverage, drills, dto, errands, exposition, groups, health,
    incidents, index, metrics, prometheus, runs, silences,
};

/// The description, without the version.
#[derive(Debug, utoipa::OpenApi)]
#[openapi(
    info(
        title = "Tripline",
        description = "Checks, their runs and incidents, and who was told. Moments are RFC 3339 \
            in UTC; durations are numbers of milliseconds under keys that end in `_ms`; errors are \
            problem details (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        index::index,
        checks::list,
        checks::one,
        errands::ask,
        errands::of_check,
        errands::one,
        runs::list,
        runs::one,
        incidents::list,
        incidents::one,
        acts::acknowledge,
        acts::unacknowledge,
        acts::resolve,
        acts::note,
        drills::list,
        drills::begin,
        silences::list,
        silences::begin,
        silences::end,
        coverage::uptime,
        coverage::gaps,
        agent_list::list,
        prometheus::query,
        prometheus::query_range,
        prometheus::series,
        prometheus::labels,
        prometheus::label_values,
        prometheus::metadata,
        prometheus::rules,
        prometheus::alerts,
        prometheus::buildinfo,
        metrics::store,
        health::backlog,
        health::health,
        groups::group,
        exposition::metrics,
        document,
    ),
    components(schemas(dto::Problem)),
    tags(
        (name = "checks", description = "What is watched and how it is doing"),
        (name = "runs", description = "What was run and what came of it"),
        (name = "incidents", description = "What was wrong and who was told"),
        (name = "coverage", description = "Uptime, and whether anybody was watching"),
        (name = "notifications", description = "What is still owed, and whether it would arrive"),
        (name = "agents", description = "Who runs checks, and from where"),
        (name = "metrics", description = "Series, and expressions over them as in Prometheus"),
        (name = "health", description = "Whether Tripline itself works, and whether groups of checks are well"),
        (name = "meta", description = "Where to begin, and this description"),
    ),
    modifiers(&SharedProblems, &Tokens),
)]
pub struct Document;

impl Document {
    /// The description of this version.
    pub fn of_version(version: &str) -> OpenApi {
        let mut document = Self::openapi();
        version.clone_into(&mut document.info.version);
        document
    }
}

/// The problems that any route may answer with, described once for all of them.
struct SharedProblems;

impl Modify for SharedProblems {
    fn modify(&self, document: &mut OpenApi) {
        let shared = [
            ("400", "A parameter is wrong or not known; `parameter` names it."),
            ("413", "The body is too long."),
            ("421", "The daemon listens on loopback and is not called by this name."),
            ("500", "The store failed."),
            ("503", "No answer in time."),
        ];
        let of_access = [
            ("401", "It is not known who asks: no token, a wrong one, or a session that is over."),
            ("403", "Whoever asks may not do this."),
        ];
        for (route, path) in &mut document.paths.paths {
            let is_public = PUBLIC.contains(&route.as_str());
            let shared = shared.iter().chain(of_access.iter().filter(|_| !is_public));
            for operation in [&mut path.get, &mut path.post, &mut path.delete].into_iter().flatten()
            {
                for (status, description) in shared.clone() {
                    let responses = &mut operation.responses.responses;
                    responses
                        .entry((*status).to_owned())
                        .or_insert_with(|| RefOr::T(problem(description)));
                }
            }
        }
    }
}

/// The routes for which nobody has to be known; a test holds that they are those.
pub(super) const PUBLIC: [&str; 3] = ["/healthz", "/health/{group}", "/metrics"];

/// How whoever asks says who they are, where that is asked.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = |scheme| SecurityScheme::Http(Http::new(scheme));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", scheme(HttpAuthScheme::Bearer));
        components.add_security_scheme("name_and_token", scheme(HttpAuthScheme::Basic));
        let none: [&str; 0] = [];
        // Where the project has no users, nothing is shown.
        document.security = Some(vec![
            SecurityRequirement::new("token", none),
            SecurityRequirement::new("name_and_token", none),
            SecurityRequirement::default(),
        ]);
        for path in PUBLIC {
            let path = document.paths.paths.get_mut(path);
            if let Some(operation) = path.and_then(|path| path.get.as_mut()) {
                operation.security = Some(Vec::new());
            }
        }
    }
}

fn problem(description: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}

/// This description
///
/// The OpenAPI description of the API.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "show_description", tag = "meta", responses(
    (status = 200, description = "An OpenAPI 3.1 document.", body = Object),
))]
pub(super) async fn document(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<OpenApi>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    Ok(Pretty(Document::of_version(api.version)))
}
