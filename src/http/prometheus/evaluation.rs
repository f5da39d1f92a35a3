//! Expressions evaluated: at one time, or at many.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Api;
use super::asked::Asked;
use super::reply::{Fault, Named, Point, Reply, TextPoint};
use crate::engine::queries::LONGEST;
use crate::query::{Answer, Line, Outcome, Sample, Settings, When};

/// The most points that one series of an answer may have, as in Prometheus.
const MOST_STEPS: i64 = 11_000;

/// A value of an expression.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Evaluated {
    result_type: Shape,
    /// Of a `scalar` or a `string` a point, which is `[seconds since 1970, "value"]`. Of a `vector`
    /// objects of `metric`, the labels, and `value`, a point; of a `matrix` objects of `metric` and
    /// `values`, points.
    #[schema(value_type = Vec<serde_json::Value>)]
    result: Values,
}

/// The shape of a value.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Shape {
    /// A number at a time.
    Scalar,
    /// A text at a time.
    String,
    /// Series with a value each.
    Vector,
    /// Series with values over time.
    Matrix,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Values {
    Scalar(Point),
    String(TextPoint),
    Vector(Vec<WithValue>),
    Matrix(Vec<WithValues>),
}

#[derive(Debug, Serialize)]
struct WithValue {
    metric: Named,
    value: Point,
}

#[derive(Debug, Serialize)]
struct WithValues {
    metric: Named,
    values: Vec<Point>,
}

/// An expression at one time
///
/// As in Prometheus; the parameters can be sent as a form by POST as well.
#[utoipa::path(get, path = "/api/v1/query", tag = "metrics", operation_id = "query", params(
    ("query" = String, Query, description = "The expression, in PromQL.", example = "vector(1)"),
    ("time" = Option<String>, Query,
        description = "When: seconds since 1970 or RFC 3339; now if not given."),
    ("lookback_delta" = Option<String>, Query,
        description = "For how long a point is a series' value; `5m` if not given."),
    ("timeout" = Option<String>, Query,
        description = "How long it may take at most; `2m` if not given or more."),
    ("limit" = Option<usize>, Query, description = "At most this many series."),
), responses(
    (status = 200, description = "The value.", body = Reply<Evaluated>),
    (status = 400, description = "The question makes no sense.", body = Fault),
    (status = 422, description = "The expression has no value.", body = Fault),
    (status = 500, description = "The store failed.", body = Fault),
    (status = 503, description = "It took too long, or others left no room for it.", body = Fault),
))]
pub(in crate::http) async fn query(
    State(api): State<Api>,
    asked: Asked,
) -> Result<Response, Fault> {
    let time = asked.time("time")?.unwrap_or_else(|| api.clock.now().timestamp_millis());
    answer(&api, &asked, When::At(time), time).await
}

/// An expression over time
///
/// As in Prometheus; the parameters can be sent as a form by POST as well.
#[utoipa::path(get, path = "/api/v1/query_range", tag = "metrics", operation_id = "query_range", params(
    ("query" = String, Query, description = "The expression, in PromQL.", example = "vector(1)"),
    ("start" = String, Query, description = "From when: seconds since 1970 or RFC 3339.",
        example = "2026-11-21T04:00:00Z"),
    ("end" = String, Query, description = "Until when, that included.",
        example = "2026-11-21T05:00:00Z"),
    ("step" = String, Query, description = "How far apart: seconds, or `1m`.", example = "1m"),
    ("lookback_delta" = Option<String>, Query,
        description = "For how long a point is a series' value; `5m` if not given."),
    ("timeout" = Option<String>, Query,
        description = "How long it may take at most; `2m` if not given or more."),
    ("limit" = Option<usize>, Query, description = "At most this many series."),
), responses(
    (status = 200, description = "The values.", body = Reply<Evaluated>),
    (status = 400, description = "The question makes no sense.", body = Fault),
    (status = 422, description = "The expression has no value.", body = Fault),
    (status = 500, description = "The store failed.", body = Fault),
    (status = 503, description = "It took too long, or others left no room for it.", body = Fault),
))]
pub(in crate::http) async fn query_range(
    State(api): State<Api>,
    asked: Asked,
) -> Result<Response, Fault> {
    let (start, end) = (asked.some_time("start")?, asked.some_time("end")?);
    if end < start {
        return Err(Fault::parameter("end", "end timestamp must not be before start time"));
    }
    let step = asked.duration("step")?;
    let step =
        step.ok_or_else(|| Fault::parameter("step", "cannot parse \"\" to a valid duration"))?;
    if step <= 0 {
        let message = "zero or negative query resolution step widths are not accepted. Try a \
                       positive integer";
        return Err(Fault::parameter("step", message));
    }
    if (end - start) / step > MOST_STEPS - 1 {
        let message = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing \
                       the query resolution (?step=XX)";
        return Err(Fault::bad(message));
    }
    answer(&api, &asked, When::Every { start, end, step }, start).await
}

/// The answer as it is sent.
///
/// It is written on a thread that may be busy: of millions of points that takes as long as evaluating them.
async fn answer(api: &Api, asked: &Asked, when: When, time: i64) -> Result<Response, Fault> {
    let limit = asked.limit()?.unwrap_or(usize::MAX);
    let mut settings = Settings::default();
    if let Some(lookback) = asked.duration("lookback_delta")? {
        settings.lookback = lookback;
    }
    let text = asked.value("query").unwrap_or_default();
    let within = match asked.duration("timeout")? {
        Some(within) => Duration::from_millis(u64::try_from(within).unwrap_or_default()),
        None => LONGEST,
    };
    let answer = api.queries.ask(text, when, &settings, within).await?;
    let written = api.queries.aside(move || {
        let (value, truncated) = Evaluated::of(answer.outcome, time, limit);
        Reply::of(value).with_notes(&answer.notes).truncated(truncated).into_response()
    });
    Ok(written.await?)
}

/// What the API says of `answer`, without its notes.
pub fn value_of(answer: Answer, when: When) -> impl Serialize {
    let time = match when {
        When::At(time) => time,
        When::Every { start, .. } => start,
    };
    Evaluated::of(answer.outcome, time, usize::MAX).0
}

impl Evaluated {
    /// The value at `time`, of at most `limit` series; and whether there are more.
    fn of(outcome: Outcome, time: i64, limit: usize) -> (Self, bool) {
        let (result_type, result, truncated) = match outcome {
            Outcome::Scalar(value) => (Shape::Scalar, Values::Scalar(Point { time, value }), false),
            Outcome::Text(text) => (Shape::String, Values::String(TextPoint { time, text }), false),
            Outcome::Vector(mut samples) => {
                let truncated = samples.len() > limit;
                samples.truncate(limit);
                let one = |Sample { labels, value }: Sample| WithValue {
                    metric: Named(labels),
                    value: Point { time, value },
                };
                (Shape::Vector, Values::Vector(samples.into_iter().map(one).collect()), truncated)
            }
            Outcome::Matrix(mut lines) => {
                let truncated = lines.len() > limit;
                lines.truncate(limit);
                let point = |(time, value): (i64, f64)| Point { time, value };
                let one = |Line { labels, points }: Line| WithValues {
                    metric: Named(labels),
                    values: points.into_iter().map(point).collect(),
                };
                (Shape::Matrix, Values::Matrix(lines.into_iter().map(one).collect()), truncated)
            }
        };
        (Self { result_type, result }, truncated)
    }
}
