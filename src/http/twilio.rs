//! Where Twilio brings what people answer by SMS, and how messages fare: `POST /api/v1/twilio/inbound` and
//! `POST /api/v1/twilio/status`.
//!
//! Meant to be reached from the internet, as [`super::slack`] is. Nothing of a request is used before its
//! signature is found right.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};

use super::access::door::{self, Door, Need};
use super::guard;
use super::problem::Problem;
use crate::engine::answers::{Answers, Refused};
use crate::notify::twilio::signature::Form;
use crate::notify::twilio::{answer, status};

/// The routes: their signature is what a request needs.
pub(super) fn doors() -> Vec<Door<Arc<Answers>>> {
    vec![
        Door::at(answer::PATH).post(Need::Own, inbound),
        Door::at(status::PATH).post(Need::Own, told),
    ]
}

/// The routes, for a server.
pub fn router(answers: Arc<Answers>) -> Router {
    door::router(doors(), None)
        .method_not_allowed_fallback(super::problem::method_not_allowed)
        .with_state(answers)
        .layer(DefaultBodyLimit::max(guard::LONGEST_BODY))
        .layer(from_fn(guard::bounded_time))
        .layer(from_fn(guard::security_headers))
}

async fn inbound(
    State(answers): State<Arc<Answers>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let form = verified(&answers, answer::PATH, &headers, body)?;
    // It goes on should Twilio hang up meanwhile.
    let taking = tokio::spawn(async move { answers.take(&form).await });
    let said = taking.await.map_err(|_| not_taken())?;
    let xml = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
    Ok((xml, answer::twiml(said.as_deref())).into_response())
}

async fn told(
    State(answers): State<Arc<Answers>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let form = verified(&answers, status::PATH, &headers, body)?;
    match answers.hear(&form).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        // The provider is asked later, as if it had not said it.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "what Twilio tells of a message was not stored");
            Err(not_taken())
        }
    }
}

fn verified(
    answers: &Answers,
    path: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Form, Problem> {
    let body =
        body.map_err(|rejection| Problem::new(rejection.status(), "the body cannot be read"))?;
    let mut all = headers.get_all("x-twilio-signature").iter();
    let one = all.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signature = if all.next().is_none() { one } else { "" };
    answers.verify(path, signature, &body).map_err(|refused| {
        tracing::warn!(
            event.action = "twilio-request-refused",
            path,
            reason = %refused,
            "a request was refused"
        );
        let status = match refused {
            Refused::NotSetUp => return Problem::missing(refused.to_string()),
            Refused::Signature(_) => StatusCode::FORBIDDEN,
        };
        Problem::new(status, refused.to_string())
    })
}

fn not_taken() -> Problem {
    let detail = "it was not taken; the log of the daemon says why";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
}
