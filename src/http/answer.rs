//! Answers as JSON that a person can read as well: the links in messages lead here.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A value as JSON with a line for each key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pretty<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Pretty<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec_pretty(&self.0) {
            Ok(mut text) => {
                text.push(b'\n');
                let kind = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, kind)], text).into_response()
            }
            // Answers with the same error, in the way that the framework does.
            Err(_) => Json(self.0).into_response(),
        }
    }
}
