//! Answers and errors in the format of Prometheus.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::ser::{SerializeMap as _, SerializeTuple as _};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::engine::queries::Refusal;
use crate::query::{self, EvaluationError, Labels, Notes};
use crate::store;

/// An answer to a question that was understood.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Reply<T> {
    #[schema(pattern = "^success$")]
    status: &'static str,
    data: T,
    /// Why the answer may be wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    /// Why the expression may be wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    infos: Vec<String>,
}

impl<T> Reply<T> {
    pub(super) fn of(data: T) -> Self {
        Self { status: "success", data, warnings: Vec::new(), infos: Vec::new() }
    }

    pub(super) fn with_notes(mut self, notes: &Notes) -> Self {
        self.warnings.extend(notes.warnings().map(str::to_owned));
        self.infos.extend(notes.infos().map(str::to_owned));
        self
    }

    /// The same, and says whether something was left out.
    pub(super) fn truncated(mut self, truncated: bool) -> Self {
        if truncated {
            self.warnings.push("results truncated due to limit".to_owned());
        }
        self
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// Prometheus' kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum FaultKind {
    /// The question makes no sense.
    BadData,
    /// It has no answer.
    Execution,
    /// It took too long.
    Timeout,
    /// There is an error inside.
    Internal,
}

/// An error in the format of Prometheus.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Fault {
    #[schema(pattern = "^error$")]
    status: &'static str,
    error_type: FaultKind,
    /// What is wrong, in words.
    error: String,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { status: "error", error_type: kind, error: message.into() }
    }
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let cause = cause.unwrap_or_default();
        tracing::error!(event.action = "api-series-failed", %error, cause, "a query failed");
        Self::new(FaultKind::Internal, "the store did not answer; the log of the daemon says why")
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Parse(_) => Self::parameter("query", message),
            Refusal::Evaluation(EvaluationError::Invalid(_)) => Self::bad(message),
            Refusal::Evaluation(_) | Refusal::TooMuch(_) => {
                Self::new(FaultKind::Execution, message)
            }
            Refusal::Crowded | Refusal::TooLong => Self::new(FaultKind::Timeout, message),
            Refusal::Store(error) => error.into(),
            Refusal::Broken => {
                tracing::error!(event.action = "api-query-broke-off", "a query broke off");
                Self::new(FaultKind::Internal, message)
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = match self.error_type {
            FaultKind::BadData => StatusCode::BAD_REQUEST,
            FaultKind::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            FaultKind::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            FaultKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self)).into_response()
    }
}

/// Labels as an object.
#[derive(Debug, Clone)]
pub(in crate::http) struct Named(pub(super) Labels);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for label in &self.0 {
            map.serialize_entry(&*label.name, &*label.value)?;
        }
        map.end()
    }
}

/// A point: seconds since 1970, and the value as a text, since JSON has no infinity.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Point {
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) value: f64,
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pair(self.time, &query::number(self.value), serializer)
    }
}

/// A text at a time.
#[derive(Debug, Clone)]
pub(in crate::http) struct TextPoint {
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) text: String,
}

impl Serialize for TextPoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pair(self.time, &self.text, serializer)
    }
}

fn pair<S: Serializer>(time: i64, text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let mut pair = serializer.serialize_tuple(2)?;
    if time % 1000 == 0 {
        pair.serialize_element(&(time / 1000))?;
    } else {
        #[expect(clippy::cast_precision_loss, reason = "times of a calendar are exact")]
        pair.serialize_element(&(time as f64 / 1000.0))?;
    }
    pair.serialize_element(text)?;
    pair.end()
}
