//! Faces over HTTP: the JSON API, its OpenAPI description, the health page, and the [`pages`] for people.
//!
//! The JSON API reads what the store remembers and which checks there are; it takes metrics, and what
//! people do about incidents (`acts`, `silences`). Nothing here decides, or keeps state of its own;
//! [`agents`], the hub's side of the link to other regions, hands what it is given to those who do. No
//! request, however wrong, ends in a panic or in an answer that is not a sentence: every error is a
//! [`problem::Problem`]. The API has no accounts yet, so it
//! belongs on loopback or behind a proxy that knows who is asking: whoever reaches it may act, under
//! any name ([`Acting`] says from where); [`guard::Hosts`] keeps web pages
//! from reaching it through a browser.
//!
//! To add a route: a function with `#[utoipa::path]` in the file of its subject, a line in
//! [`openapi::Document`], a line in [`router`]; a test fails while these differ.

mod acts;
pub mod agents;
pub mod dto;
pub mod guard;
pub mod health;
pub mod live;
pub mod openapi;
pub mod problem;
pub mod serve;
pub mod slack;
pub mod spans;
pub mod tls;
pub mod twilio;
pub mod vitals;

mod agent_list;
mod answer;
mod checks;
mod coverage;
mod drills;
mod errands;
mod exposition;
mod groups;
mod incidents;
mod index;
mod loops;
mod metrics;
mod pages;
mod parameters;
mod prometheus;
mod runs;
mod silences;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, post};

pub use self::guard::{Acting, Hosts};
pub use self::health::Intake;
pub use self::live::Live;
pub use self::loops::{Lags, Loops};
pub use self::prometheus::{Rules, value_of};
pub use self::serve::serve;
pub use self::tls::Tls;
use crate::clock::{Clock, Pulse};
use crate::domain::check::Check;
use crate::domain::heartbeat::Record;
use crate::engine::acts::Acts;
use crate::engine::drills::Drills;
use crate::engine::errands::Errands;
use crate::engine::queries::Queries;
use crate::engine::stamps::Stamps;
use crate::store::Store;
use crate::store::accounts::Accounts;
use crate::store::agents::Agents;
use crate::store::looking::Looking;
use crate::store::metrics::Metrics;

/// The checks of the project as they are now; whoever reads the project again swaps them.
pub type CheckSnapshot = Arc<ArcSwap<Vec<Arc<Check>>>>;

/// What the API needs.
#[derive(Debug, Clone)]
pub struct Api {
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// The same, as people look for it.
    pub looking: Arc<dyn Looking>,
    /// What was expected, and why some of it was not done.
    pub accounts: Arc<dyn Accounts>,
    /// Who runs checks.
    pub agents: Arc<dyn Agents>,
    /// Where expressions are asked.
    pub queries: Queries,
    /// Which rules there are, and how they stand.
    pub rules: Rules,
    /// What is remembered of metrics.
    pub metrics: Arc<dyn Metrics>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Which checks there are.
    pub checks: CheckSnapshot,
    /// The version of the program.
    pub version: &'static str,
    /// Whether the scheduler keeps up.
    pub pulse: Arc<Pulse>,
    /// Whether the hub's own loops keep up.
    pub loops: Loops,
    /// Whether results reach the store.
    pub intake: Intake,
    /// By which names the API may be addressed.
    pub hosts: Hosts,
    /// Takes what people do about incidents.
    pub acts: Arc<Acts>,
    /// Takes what people ask to be run at once.
    pub errands: Arc<Errands>,
    /// Whose acts are taken.
    pub acting: Acting,
    /// How long messages take.
    pub stamps: Arc<Stamps>,
    /// How many requests with metrics were refused since the start.
    pub refused: Arc<AtomicU64>,
    /// Tells open pages of changes.
    pub live: Arc<Live>,
    /// Who is asked about paths.
    pub drills: Drills,
    /// What became of the heartbeat; `None` where nobody is told.
    pub heartbeat: Arc<ArcSwap<Option<Record>>>,
}

/// All routes but the pages: paths as in the OpenAPI description.
fn routes() -> [(&'static str, MethodRouter<Api>); 34] {
    [
        ("/api/v1", get(index::index)),
        ("/api/v1/checks", get(checks::list)),
        ("/api/v1/checks/{id}", get(checks::one)),
        ("/api/v1/checks/{id}/errands", get(errands::of_check).post(errands::ask)),
        ("/api/v1/errands/{id}", get(errands::one)),
        ("/api/v1/runs", get(runs::list)),
        ("/api/v1/runs/{id}", get(runs::one)),
        ("/api/v1/incidents", get(incidents::list)),
        ("/api/v1/incidents/{id}", get(incidents::one)),
        (drills::PATH, get(drills::list).post(drills::begin)),
        ("/api/v1/incidents/{id}/acknowledge", post(acts::acknowledge)),
        ("/api/v1/incidents/{id}/unacknowledge", post(acts::unacknowledge)),
        ("/api/v1/incidents/{id}/resolve", post(acts::resolve)),
        ("/api/v1/incidents/{id}/note", post(acts::note)),
        (silences::PATH, get(silences::list).post(silences::begin)),
        ("/api/v1/silences/{id}", delete(silences::end)),
        ("/api/v1/uptime", get(coverage::uptime)),
        ("/api/v1/gaps", get(coverage::gaps)),
        ("/api/v1/agents", get(agent_list::list)),
        ("/api/v1/notifications/backlog", get(health::backlog)),
        ("/api/v1/query", get(prometheus::query).post(prometheus::query)),
        ("/api/v1/query_range", get(prometheus::query_range).post(prometheus::query_range)),
        ("/api/v1/series", get(prometheus::series).post(prometheus::series)),
        ("/api/v1/labels", get(prometheus::labels).post(prometheus::labels)),
        ("/api/v1/label/{name}/values", get(prometheus::label_values)),
        ("/api/v1/metadata", get(prometheus::metadata)),
        ("/api/v1/rules", get(prometheus::rules)),
        ("/api/v1/alerts", get(prometheus::alerts)),
        ("/api/v1/status/buildinfo", get(prometheus::buildinfo)),
        (metrics::PATH, metrics::routes()),
        ("/api/v1/openapi.json", get(openapi::document)),
        ("/metrics", get(exposition::metrics)),
        ("/healthz", get(health::health)),
        ("/health/{group}", get(groups::group)),
    ]
}

/// The whole face: every route, and the guards around all of them.
pub fn router(api: Api) -> Router {
    let mut router = Router::new();
    for (path, methods) in routes().into_iter().chain(pages::routes()) {
        router = router.route(path, methods);
    }
    let hosts = api.hosts.clone();
    // The last layer is the outermost: even a refusal carries the security headers.
    router
        .fallback(problem::unknown_route)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(api)
        .layer(DefaultBodyLimit::max(guard::LONGEST_BODY))
        .layer(from_fn(guard::bounded_time))
        .layer(from_fn(guard::bounded_body))
        .layer(from_fn_with_state(hosts, guard::known_host))
        .layer(from_fn(pages::as_page))
        .layer(from_fn(guard::security_headers))
}
