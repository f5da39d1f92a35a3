//! The request on which a run failed, as JSON. Times are microseconds.

use serde::{Deserialize, Serialize};

use super::{duration, from_json, micros, to_json};
use crate::domain::failed_request::FailedRequest;
use crate::store::Error;

#[derive(Serialize, Deserialize)]
pub(super) struct FailedRequestRow {
    method: String,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    took: i64,
}

impl From<&FailedRequest> for FailedRequestRow {
    fn from(request: &FailedRequest) -> Self {
        Self {
            method: request.method.clone(),
            url: request.url.clone(),
            status: request.status,
            error: request.error.clone(),
            took: micros(request.took),
        }
    }
}

impl FailedRequestRow {
    /// Reads it.
    pub(super) fn read(self) -> Result<FailedRequest, Error> {
        let Self { method, url, status, error, took } = self;
        Ok(FailedRequest { method, url, status, error, took: duration(took)? })
    }
}

/// The JSON of a request.
pub(in crate::store) fn text(request: &FailedRequest) -> String {
    to_json(&FailedRequestRow::from(request))
}

/// Reads the JSON of a request.
pub(super) fn read(json: &str) -> Result<FailedRequest, Error> {
    from_json::<FailedRequestRow>("request", json)?.read()
}
