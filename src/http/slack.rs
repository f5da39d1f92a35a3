//! Where Slack brings clicks: `POST /api/v1/slack/interactivity`.
//!
//! The one route that is meant to be reached from the internet. Nothing of a request is read before
//! its signature is found right, and Slack is answered within its three seconds, whatever the store
//! does meanwhile.
//! Source: <https://docs.slack.dev/interactivity/handling-user-interaction>.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::Value;

use super::access::door::{self, Door, Need};
use super::guard;
use super::problem::Problem;
use crate::engine::clicks::{Clicks, Desk, Refused, Reply, wrong};
use crate::notify::slack::clicks::Foreign;

/// Where it is.
pub const PATH: &str = "/api/v1/slack/interactivity";

/// The longest body, in bytes: a click brings the whole message.
const LONGEST_BODY: usize = 1 << 20;

/// Slack waits for three seconds; what takes longer goes on after the answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// The route: its signature is what a request needs.
pub(super) fn doors() -> Vec<Door<Arc<Clicks>>> {
    vec![Door::at(PATH).post(Need::Own, interactivity)]
}

/// The route, for a server.
pub fn router(clicks: Arc<Clicks>) -> Router {
    door::router(doors(), None)
        .method_not_allowed_fallback(super::problem::method_not_allowed)
        .with_state(clicks)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn(guard::bounded_time))
        .layer(from_fn(guard::security_headers))
}

async fn interactivity(
    State(clicks): State<Arc<Clicks>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body =
        body.map_err(|rejection| Problem::new(rejection.status(), "the body cannot be read"))?;
    let Some(desk) = clicks.desk() else { return Err(not_set_up()) };
    let Some(secret) = desk.signing_secret.as_deref() else { return Err(not_set_up()) };
    let header = |name: &str| {
        let mut all = headers.get_all(name).iter();
        let one = all.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
        if all.next().is_none() { one } else { "" }
    };
    let signed = (header("x-slack-request-timestamp"), header("x-slack-signature"));
    clicks.verify(secret, signed, &body).map_err(|refused| {
        tracing::warn!(event.action = "slack-click-refused", reason = %refused, "a click was refused");
        refusal(refused)
    })?;
    let payload = payload(&body).ok_or_else(foreign)?;
    answer(clicks, desk, payload).await
}

/// Does what is asked for, at most so long before the answer.
async fn answer(clicks: Arc<Clicks>, desk: Arc<Desk>, payload: Value) -> Result<Response, Problem> {
    let taking = tokio::spawn(async move { clicks.take(&desk.slack, &payload).await });
    match tokio::time::timeout(ANSWERED_WITHIN, taking).await {
        Ok(Ok(Ok(Reply::Wrong(part, sentence)))) => {
            Ok(Json(wrong(part, &sentence)).into_response())
        }
        Ok(Ok(Err(Foreign))) => Err(foreign()),
        // What takes longer goes on, and what came of it is seen in the channel.
        Ok(Ok(Ok(Reply::Taken))) | Err(_) => Ok(StatusCode::OK.into_response()),
        Ok(Err(_)) => {
            let detail = "the click was not taken; the log of the daemon says why";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail))
        }
    }
}

/// The payload is JSON in a field of a form.
fn payload(body: &[u8]) -> Option<Value> {
    let (_, payload) = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    serde_json::from_str(&payload).ok()
}

fn not_set_up() -> Problem {
    Problem::missing("clicks are taken here once `signing_secret` in [slack] is set")
}

fn foreign() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, Foreign.to_string())
}

fn refusal(refused: Refused) -> Problem {
    let status = match refused {
        Refused::Signature(_) => StatusCode::UNAUTHORIZED,
        Refused::Replayed => StatusCode::CONFLICT,
        Refused::TooMany => StatusCode::TOO_MANY_REQUESTS,
    };
    Problem::new(status, refused.to_string())
}
