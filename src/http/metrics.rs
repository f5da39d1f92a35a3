//! Takes what others measured, as OpenMetrics text or as JSON.
//!
//! A request is stored as a whole or not at all, as far as reading goes: a mistake anywhere in it is
//! told with its line and column, and nothing of it is kept.

use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::{Problem, shortened};
use super::{Api, dto};
use crate::exposition::{self, Batch, Mistake, Reader, Sample};

/// Where they are taken.
pub(super) const PATH: &str = "/api/v1/metrics";

/// The longest body that is taken, in bytes.
pub(super) const LONGEST_BODY: usize = 4 << 20;

/// Store metrics
///
/// Stores points of series. What has no time is of now; points may come late and in any order. As
/// `application/openmetrics-text`, histograms and summaries become the classic series that their
/// lines name, and exemplars are passed over. With a mistake anywhere, nothing is stored.
#[utoipa::path(post, path = "/api/v1/metrics", operation_id = "store_metrics", tag = "metrics",
    request_body(
        description = "At most 4 MiB.",
        content((dto::SentMetrics = "application/json"), (String = "application/openmetrics-text")),
    ),
    responses(
        (status = 200, description = "What became of the points.", body = dto::StoredMetrics),
        (status = 400, description = "Something in it is wrong; the detail says where.",
            body = dto::Problem, content_type = "application/problem+json"),
        (status = 403, description = "A web page of another site asks.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The content type is another.", body = dto::Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn store(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Pretty<dto::StoredMetrics>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let (samples, exemplars) = taken(&headers, body).inspect_err(|_| {
        api.refused.fetch_add(1, Ordering::Relaxed);
    })?;
    let now = api.clock.now();
    let mut batch = Batch::default();
    for sample in samples {
        batch.push(sample, now.timestamp_millis());
    }
    let (series, repeated) = batch.take();
    let stored = api.metrics.append(&series, now).await?;
    Ok(Pretty(dto::StoredMetrics {
        new: stored.new,
        repeated: stored.repeated + repeated,
        too_old: stored.too_old,
        over_limit: stored.over_limit,
        ahead: stored.ahead,
        exemplars_ignored: exemplars,
    }))
}

/// What is in a request, and how many exemplars were passed over.
fn taken(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Vec<Sample>, u64), Problem> {
    let form = form(headers)?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("a body has at most {LONGEST_BODY} bytes; send it in parts");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        }
        status => Problem::new(status, "the body could not be read"),
    })?;
    match form {
        Form::Json => Ok((exposition::read_json(&body).map_err(wrong)?, 0)),
        Form::OpenMetrics => open_metrics(&body),
    }
}

enum Form {
    Json,
    OpenMetrics,
}

/// The form of the body. A form that a web page could send to another site without being asked for
/// leave is none of them.
fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let said =
        headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => Ok(Form::Json),
        exposition::OPENMETRICS => Ok(Form::OpenMetrics),
        _ => {
            let detail = format!(
                "the content type is `{}`; send `{}` or `application/json`",
                shortened(said),
                exposition::OPENMETRICS
            );
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

fn open_metrics(body: &[u8]) -> Result<(Vec<Sample>, u64), Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let before = body[..error.valid_up_to()].split(|byte| *byte == b'\n');
        let line = before.count();
        Problem::new(StatusCode::BAD_REQUEST, format!("line {line}: it is not UTF-8"))
    })?;
    let mut reader = Reader::default();
    let mut samples = Vec::new();
    for line in text.lines() {
        samples.extend(reader.line(line).map_err(wrong)?);
    }
    reader.finish().map_err(wrong)?;
    Ok((samples, reader.exemplars()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn wrong(mistake: Mistake) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, mistake.to_string())
}
