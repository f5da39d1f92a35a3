//! What an agent is to run: answered as soon as it is something else than the agent has.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Link;
use super::peer::Peer;
use crate::clock::Stopwatch;
use crate::http::problem::Problem;
use crate::link::protocol::{ERRANDS_HEADER, ERRANDS_WAIT, LONGEST_WAIT};

/// How often an open question looks whether its token is still good.
const GLANCE: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    /// What the agent has.
    #[serde(default)]
    revision: Option<String>,
    /// How long it waits for something else.
    #[serde(default)]
    wait_ms: u64,
    /// The name of the agent, where it could run what people ask for.
    #[serde(default)]
    errands: Option<String>,
}

pub(super) async fn assignments(
    peer: Peer,
    State(link): State<Link>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) =
        wanted.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let mut publication = link.publication.clone();
    let mut errands = link.errands.waiting();
    let wait = Duration::from_millis(wanted.wait_ms).min(LONGEST_WAIT);
    let since = Stopwatch::start();
    loop {
        let published = Arc::clone(&publication.borrow_and_update()).of(&peer.region);
        if wanted.revision.as_deref() != Some(published.revision.as_str()) {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            return Ok((kind, Body::from(published.body.clone())).into_response());
        }
        errands.mark_unchanged();
        if wanted.errands.as_deref().is_some_and(|name| link.errands.has_for(&peer.region, name)) {
            return Ok((StatusCode::NO_CONTENT, [(ERRANDS_HEADER, ERRANDS_WAIT)]).into_response());
        }
        let left = wait.saturating_sub(since.elapsed());
        if left.is_zero() || link.closing.is_asked() {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        tokio::select! {
            changed = publication.changed() => if changed.is_err() {
                // Whoever published is gone: the hub is stopping.
                return Ok(StatusCode::NO_CONTENT.into_response());
            },
            // Where it is gone, so is the hub.
            _ = errands.changed(), if wanted.errands.is_some() => {}
            () = link.closing.asked() => {}
            () = tokio::time::sleep(left.min(GLANCE)) => {}
        }
        peer.is_welcome(&link).await?;
    }
}

pub(super) async fn module(
    peer: Peer,
    State(link): State<Link>,
    sha256: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let missing = || Problem::missing("no script of the region needs a module with this hash");
    let Path(sha256) = sha256.map_err(|_| missing())?;
    let published = link.publication.borrow().of(&peer.region);
    let text = published.module(&sha256).ok_or_else(missing)?;
    Ok(([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text).into_response())
}
