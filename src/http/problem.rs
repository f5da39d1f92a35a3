//! What went wrong with a call, in words (RFC 9457).
//!
//! The cause of a failure inside is logged, not told: it may name files, hosts or statements.

use axum::extract::OriginalUri;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::access::signing;
use super::answer::Pretty;
use super::{dto, metrics, silences};
use crate::store;

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    parameter: Option<String>,
}

impl Problem {
    /// A problem with no more to say than `detail`, a sentence without a full stop.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), parameter: None }
    }

    /// A parameter that is wrong.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let parameter = Some(name.to_owned());
        Self { parameter, ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    /// Its status.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What went wrong, a sentence without a full stop.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// A thing that is not there.
    pub fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(
            event.action = "api-store-failed",
            error = %error,
            cause = cause.as_deref().unwrap_or_default(),
            "a call to the API failed"
        );
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the store did not answer; the log of the daemon says why",
        )
    }
}

impl IntoResponse for Problem {
    /// As JSON; the problem itself goes with it, for whoever answers with a page instead.
    fn into_response(self) -> Response {
        let problem = self.clone();
        let body = dto::Problem {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
            parameter: self.parameter,
        };
        let mut response = (self.status, Pretty(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.extensions_mut().insert(problem);
        response
    }
}

/// The answer where there is no route.
pub(super) async fn unknown_route(OriginalUri(uri): OriginalUri) -> Problem {
    let path = uri.path();
    let hint = if path.starts_with("/api/v1/checks/") {
        "; a `/` in the id of a check is written `%2F`"
    } else {
        "; /api/v1 lists what there is"
    };
    Problem::missing(format!("there is nothing at {}{hint}", shortened(path)))
}

/// The answer where a route does not know the method.
pub(super) async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> Problem {
    let detail = format!(
        "{} is not possible at {}; use {}",
        shortened(method.as_str()),
        shortened(uri.path()),
        methods_of(uri.path())
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// The methods of a route, in words.
fn methods_of(path: &str) -> &'static str {
    const ACTS: [&str; 7] =
        ["/acknowledge", "/unacknowledge", "/resolve", "/note", "/silence", "/run-now", "/end"];
    if path == silences::PATH || path.ends_with("/errands") {
        "GET or POST"
    } else if path.starts_with(silences::PATH) {
        "DELETE"
    } else if path == signing::PATH {
        "GET or POST"
    } else if path == metrics::PATH
        || path == signing::SIGN_OUT
        || ACTS.iter().any(|act| path.ends_with(act))
    {
        "POST"
    } else {
        "GET"
    }
}

/// At most 100 characters of what a caller sent, to be quoted back.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
