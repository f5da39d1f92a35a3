//! The hub's side of the link to the agents of other regions, under `/agent/v1/`.
//!
//! Every request shows a token, is read by `Peer`, and can do what its region may, no more.
//! An agent is a peer, not a friend: bodies are bounded, every message is decoded into values before
//! anything is done with it, and a report counts only where its slot was expected of its region. A report is
//! acknowledged when it is committed, not before.
//!
//! Browsers have no business here, so the guard of host names does not apply: it is the token that
//! says who asks.

mod assignments;
mod beats;
mod errands;
mod expected;
mod heard;
mod peer;
mod reports;
mod room;
pub mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use self::expected::Expectations;
use self::heard::Heard;
use self::room::Rooms;
use super::access::door::{self, Door, Need, Way};
use super::problem::Problem;
use super::{Loops, guard};
use crate::clock::{Clock, Halt};
use crate::config::settings::Retention;
use crate::domain::id::Region;
use crate::domain::run::Report;
use crate::engine::errands::Errands;
use crate::link::protocol::{LONGEST_BATCH, LONGEST_BEAT, LONGEST_OUTPUT};
use crate::link::publication::Publication;
use crate::store::accounts::Accounts;
use crate::store::agents::Agents;

/// How long a request may take, the reading of its body and an open question included.
const LONGEST_REQUEST: Duration = Duration::from_secs(75);

/// Reports cannot be taken now; whoever has them must keep them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Takes reports that came over the link.
#[async_trait]
pub trait Inlet: Send + Sync {
    /// Takes reports in order; returns when all are committed.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when some are not; taking all of them again later is safe.
    async fn take(&self, reports: Vec<Report>) -> Result<(), Unavailable>;
}

/// What the link needs.
pub struct Parts {
    /// Who may be an agent, and who is.
    pub agents: Arc<dyn Agents>,
    /// Who was there, and what was expected of them.
    pub accounts: Arc<dyn Accounts>,
    /// Where reports go.
    pub inlet: Arc<dyn Inlet>,
    /// How long what they say is kept.
    pub retention: Retention,
    /// What people ask to be run at once.
    pub errands: Arc<Errands>,
    /// What the regions are to run.
    pub publication: watch::Receiver<Arc<Publication>>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The version of the program.
    pub version: &'static str,
    /// Whether the hub's own loops keep up.
    pub loops: Loops,
    /// Ends questions that are left open.
    pub closing: Halt,
}

/// The hub's end of the link.
#[derive(Clone)]
pub struct Link {
    parts: Arc<Parts>,
    /// Whose clocks are known to be wrong, so that it is told once.
    skewed: Arc<Mutex<BTreeSet<(Region, String)>>>,
    heard: Arc<Heard>,
    expectations: Arc<Expectations>,
    rooms: Arc<Rooms>,
}

impl Link {
    /// A link that works with these.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            skewed: Arc::default(),
            heard: Arc::default(),
            expectations: Arc::default(),
            rooms: Arc::default(),
        }
    }
}

impl std::ops::Deref for Link {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// What agents ask, and bring little by: their token is what they need.
fn short() -> Vec<Door<Link>> {
    vec![
        Door::at("/agent/v1/hello").post(Need::Own, beats::hello),
        Door::at("/agent/v1/heartbeat").post(Need::Own, beats::heartbeat),
        Door::at("/agent/v1/goodbye").post(Need::Own, beats::goodbye),
        Door::at("/agent/v1/assignments").get(Need::Own, assignments::assignments),
        Door::at("/agent/v1/modules/{sha256}").get(Need::Own, assignments::module),
        Door::at("/agent/v1/errands").post(Need::Own, errands::take),
    ]
}

/// What agents bring runs by, and tell of them while they go on.
fn long() -> Vec<Door<Link>> {
    vec![
        Door::at("/agent/v1/reports").post(Need::Own, reports::reports),
        Door::at("/agent/v1/errands/{id}").post(Need::Own, errands::bring),
        Door::at("/agent/v1/errands/{id}/output")
            .post(Need::Own, errands::output)
            .within(LONGEST_OUTPUT),
    ]
}

/// The ways in of the link.
pub(super) fn ways() -> Vec<Way> {
    short().iter().chain(&long()).flat_map(Door::ways).collect()
}

/// All routes of the link.
pub fn router(link: Link) -> Router {
    let short = door::router(short(), None).layer(DefaultBodyLimit::max(LONGEST_BEAT));
    let long = door::router(long(), None).layer(DefaultBodyLimit::max(LONGEST_BATCH));
    short
        .merge(long)
        .method_not_allowed_fallback(wrong_method)
        .with_state(link)
        .layer(from_fn(bounded_time))
        .layer(from_fn(guard::security_headers))
}

/// The link where there is nothing else.
pub fn router_alone(link: Link) -> Router {
    router(link).fallback(missing).layer(from_fn(guard::security_headers))
}

async fn missing() -> Problem {
    Problem::missing("there is only the link of agents here, and not this")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this is not how an agent asks here")
}

async fn bounded_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(LONGEST_REQUEST, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let detail = format!("no answer within {} s; try again", LONGEST_REQUEST.as_secs());
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
    })
}

/// Decodes a body.
fn decoded<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Problem> {
    let body = body.map_err(|rejection| {
        let detail = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "the body is too long; send less at a time",
            _ => "the body did not arrive whole",
        };
        Problem::new(rejection.status(), detail)
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not understood: {error}"))
    })
}
