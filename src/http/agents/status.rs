//! How an agent is doing, for its own machine: what a supervisor or a probe asks on loopback.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::Timestamp;
use crate::http::access::door::{self, Door, Need};
use crate::http::problem::Problem;
use crate::http::{Hosts, guard};
use crate::link::protocol::{HubLags, SpoolState};

/// How an agent is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Its region.
    pub region: String,
    /// Its name.
    pub name: String,
    /// The version of the program.
    pub version: &'static str,
    /// The hub's address.
    pub hub: String,
    /// Whether the hub answers well, whatever it is asked for: heartbeats, what to run, reports.
    pub hub_reachable: bool,
    /// Why it does not.
    pub hub_trouble: Option<String>,
    /// When the hub last answered well.
    pub last_contact: Option<Timestamp>,
    /// Whether the hub said in its last answer that it does not keep up.
    pub hub_behind: bool,
    /// How far its own loops were behind then, as far as it says.
    pub hub_lags: Option<HubLags>,
    /// By how much this clock is ahead of the hub's, in milliseconds.
    pub skew_ms: Option<i64>,
    /// How many checks there are for the region.
    pub checks: usize,
    /// How many of them this agent runs; others are run by the region's other agents.
    pub own_checks: usize,
    /// The live agents of the region.
    pub live: Vec<String>,
    /// The revision of the assignments.
    pub revision: Option<String>,
    /// What waits to be reported, and what was lost.
    pub spool: Option<SpoolState>,
    /// Why the disk does not take reports at the moment.
    pub spool_trouble: Option<String>,
    /// Until when the token is good, where another took its place.
    pub token_good_until: Option<Timestamp>,
    /// How far the schedule is behind, in milliseconds.
    pub lag_ms: u64,
    /// How many runs are going.
    pub running: usize,
}

/// Tells how an agent is doing.
#[async_trait::async_trait]
pub trait Source: Send + Sync {
    /// How it is doing now.
    async fn status(&self) -> Status;
}

/// The schedule may be this far behind.
const MOST_LAG_MS: u64 = 60_000;

/// The one page: `GET /healthz`. It is a good answer (200) as long as the agent does what it was
/// told, also without the hub; otherwise 503.
pub fn router(source: Arc<dyn Source>, hosts: Hosts) -> Router {
    door::router([Door::at("/healthz").get(Need::Public, page)], None)
        .fallback(missing)
        .with_state(source)
        .layer(from_fn(guard::bounded_time))
        .layer(from_fn_with_state(hosts, guard::known_host))
        .layer(from_fn(guard::security_headers))
}

async fn page(State(source): State<Arc<dyn Source>>) -> Response {
    let status = source.status().await;
    let keeps = status.spool.is_some() && status.spool_trouble.is_none();
    let works = keeps && status.lag_ms <= MOST_LAG_MS && status.revision.is_some();
    let code = if works { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status)).into_response()
}

async fn missing() -> Problem {
    Problem::missing("there is only /healthz here")
}
