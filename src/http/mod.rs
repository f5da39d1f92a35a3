//! Faces over HTTP: the JSON API, its OpenAPI description, the health page, and the `pages` for people.
//!
//! The JSON API reads what the store remembers and which checks there are; it takes metrics, and what
//! people do about incidents (`acts`, `silences`). Nothing here decides, or keeps state of its own;
//! [`agents`], the hub's side of the link to other regions, hands what it is given to those who do. No
//! request, however wrong, ends in a panic or in an answer that is not a sentence: every error is a
//! [`problem::Problem`]. Who may come in by which way is
//! decided by [`access`], before anything else is looked at; [`guard::Hosts`] keeps web pages from reaching a
//! hub on loopback through a browser.
//!
//! To add a route: a function with `#[utoipa::path]` in the file of its subject, a line in
//! [`openapi::Document`], a line in `doors` with what it needs; a test fails while these differ, and until what
//! it needs stands in the table of that test.

pub mod access;
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
mod output;
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
use tokio::sync::watch;

pub use self::access::Access;
use self::access::door::{self, Door, Need, Way};
use self::access::signing;
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
use crate::link::publication::Publication;
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
    /// Who may come in.
    pub access: Arc<Access>,
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
    /// What the agents are to run, with the text of the scripts.
    pub publication: watch::Receiver<Arc<Publication>>,
}

/// All routes but the pages: paths as in the OpenAPI description, and what each of them needs.
fn doors() -> Vec<Door<Api>> {
    vec![
        Door::at("/api/v1").get(Need::SEE, index::index),
        Door::at("/api/v1/checks").get(Need::SEE, checks::list),
        Door::at("/api/v1/checks/{id}").get(Need::SEE, checks::one),
        Door::at("/api/v1/checks/{id}/errands")
            .get(Need::SEE, errands::of_check)
            .post(Need::ACT, errands::ask),
        Door::at("/api/v1/errands/{id}").get(Need::SEE, errands::one),
        Door::at("/api/v1/runs").get(Need::SEE, runs::list),
        Door::at("/api/v1/runs/{id}").get(Need::SEE, runs::one),
        Door::at("/api/v1/incidents").get(Need::SEE, incidents::list),
        Door::at("/api/v1/incidents/{id}").get(Need::SEE, incidents::one),
        Door::at(drills::PATH).get(Need::SEE, drills::list).post(Need::ACT, drills::begin),
        Door::at("/api/v1/incidents/{id}/acknowledge").post(Need::ACT, acts::acknowledge),
        Door::at("/api/v1/incidents/{id}/unacknowledge").post(Need::ACT, acts::unacknowledge),
        Door::at("/api/v1/incidents/{id}/resolve").post(Need::ACT, acts::resolve),
        Door::at("/api/v1/incidents/{id}/note").post(Need::ACT, acts::note),
        Door::at(silences::PATH).get(Need::SEE, silences::list).post(Need::ACT, silences::begin),
        Door::at("/api/v1/silences/{id}").delete(Need::ACT, silences::end),
        Door::at("/api/v1/uptime").get(Need::SEE, coverage::uptime),
        Door::at("/api/v1/gaps").get(Need::SEE, coverage::gaps),
        Door::at("/api/v1/agents").get(Need::SEE, agent_list::list),
        Door::at("/api/v1/notifications/backlog").get(Need::SEE, health::backlog),
        Door::at("/api/v1/query")
            .get(Need::SEE, prometheus::query)
            .post(Need::SEE, prometheus::query),
        Door::at("/api/v1/query_range")
            .get(Need::SEE, prometheus::query_range)
            .post(Need::SEE, prometheus::query_range),
        Door::at("/api/v1/series")
            .get(Need::SEE, prometheus::series)
            .post(Need::SEE, prometheus::series),
        Door::at("/api/v1/labels")
            .get(Need::SEE, prometheus::labels)
            .post(Need::SEE, prometheus::labels),
        Door::at("/api/v1/label/{name}/values").get(Need::SEE, prometheus::label_values),
        Door::at("/api/v1/metadata").get(Need::SEE, prometheus::metadata),
        Door::at("/api/v1/rules").get(Need::SEE, prometheus::rules),
        Door::at("/api/v1/alerts").get(Need::SEE, prometheus::alerts),
        Door::at("/api/v1/status/buildinfo").get(Need::SEE, prometheus::buildinfo),
        Door::at(metrics::PATH).post(Need::MEASURE, metrics::store).within(metrics::LONGEST_BODY),
        Door::at("/api/v1/openapi.json").get(Need::SEE, openapi::document),
        Door::at("/metrics").get(Need::Public, exposition::metrics),
        Door::at("/healthz").get(Need::Public, health::health),
        Door::at("/health/{group}").get(Need::Public, groups::group),
    ]
}

/// All ways in that there are, whoever answers behind them, and what each of them needs.
pub fn ways() -> Vec<Way> {
    let mut ways: Vec<Way> = all_doors().iter().flat_map(Door::ways).collect();
    ways.extend(agents::ways());
    ways.extend(slack::doors().iter().flat_map(Door::ways));
    ways.extend(twilio::doors().iter().flat_map(Door::ways));
    ways
}

/// The API, the pages, and the way in.
fn all_doors() -> Vec<Door<Api>> {
    doors().into_iter().chain(pages::doors()).chain(signing::doors()).collect()
}

/// The whole face: every route, and the guards around all of them.
pub fn router(api: Api) -> Router {
    let hosts = api.hosts.clone();
    let router = door::router(all_doors(), Some(&api.access));
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
