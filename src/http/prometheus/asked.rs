//! The parameters of a question, from the query and from a form; read as Prometheus reads them.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;

use super::super::guard::LONGEST_BODY;
use super::reply::{Fault, FaultKind};
use crate::query::{self, Limits, Matcher};

/// The earliest and the latest time that clients of Prometheus write for "from the beginning" and
/// "to the end".
const EDGES: [(&str, i64); 2] =
    [("-292273086-05-16T16:47:06Z", EARLIEST), ("292277025-08-18T07:12:54.999999999Z", LATEST)];

/// Before all times that a calendar knows; milliseconds since 1970.
pub(super) const EARLIEST: i64 = -9_000_000_000_000_000;

/// After all times that a calendar knows; milliseconds since 1970.
pub(super) const LATEST: i64 = 9_000_000_000_000_000;

/// What was asked: names and values, as they came.
pub(in crate::http) struct Asked(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &S) -> Result<Self, Fault> {
        let bytes =
            |text: &str| url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let mut named: Vec<(String, String)> = request.uri().query().map(bytes).unwrap_or_default();
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let body = to_bytes(request.into_body(), LONGEST_BODY).await;
            let body =
                body.map_err(|_| Fault::bad(format!("a form has at most {LONGEST_BODY} bytes")))?;
            // What stands in the form comes first, as with Go's `FormValue`.
            named.splice(0..0, url::form_urlencoded::parse(&body).into_owned());
        }
        Ok(Self(named))
    }
}

impl Asked {
    /// The value of `name`; an empty one is none, as in Prometheus.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of `name`.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// A time in milliseconds since 1970.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, Fault> {
        self.read(name, |text| time(text).ok_or_else(|| cannot(text, "timestamp")))
    }

    /// A time that must be there.
    pub(super) fn some_time(&self, name: &str) -> Result<i64, Fault> {
        let missing = || Fault::parameter(name, cannot("", "timestamp"));
        self.time(name)?.ok_or_else(missing)
    }

    /// A duration in milliseconds.
    pub(super) fn duration(&self, name: &str) -> Result<Option<i64>, Fault> {
        self.read(name, |text| duration(text).ok_or_else(|| cannot(text, "duration")))
    }

    /// How many results at most; none where 0 or nothing is said.
    pub(super) fn limit(&self) -> Result<Option<usize>, Fault> {
        let limit = self.read("limit", |text| {
            text.parse().map_err(|_| "limit must be a number, 0 or more".to_owned())
        })?;
        Ok(limit.filter(|limit| *limit > 0))
    }

    /// The selectors under `match[]`.
    pub(super) fn matchers(&self) -> Result<Vec<Vec<Matcher>>, Fault> {
        let limits = Limits::default();
        let parsed = self.values("match[]").into_iter().map(|text| {
            let matchers = query::parse_selector(text, &limits);
            let matchers = matchers.map_err(|error| Fault::parameter("match[]", error))?;
            Ok(matchers.to_vec())
        });
        parsed.collect()
    }

    fn read<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Fault> {
        let read = self.value(name).map(parse).transpose();
        read.map_err(|message| Fault::parameter(name, message))
    }
}

impl Fault {
    /// A parameter that is wrong.
    pub(super) fn parameter(name: &str, message: impl std::fmt::Display) -> Self {
        Self::bad(format!("invalid parameter {name:?}: {message}"))
    }

    /// A question that makes no sense.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(FaultKind::BadData, message)
    }
}

fn cannot(text: &str, what: &str) -> String {
    let text = super::super::problem::shortened(text);
    format!("cannot parse {text:?} to a valid {what}")
}

/// Seconds since 1970, or RFC 3339.
fn time(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return milliseconds(seconds);
    }
    let edge = EDGES.iter().find(|(edge, _)| *edge == text).map(|(_, time)| *time);
    let moment = || chrono::DateTime::parse_from_rfc3339(text).ok();
    edge.or_else(|| moment().map(|moment| moment.timestamp_millis()))
}

/// Seconds, or a duration as in an expression.
fn duration(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return milliseconds(seconds);
    }
    query::parse_duration(text).ok()
}

fn milliseconds(seconds: f64) -> Option<i64> {
    let milliseconds = (seconds * 1000.0).round();
    // Both edges are written in seconds, too, and not exactly.
    let is_known = milliseconds.abs() <= 9.3e18;
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the line above, and clamped")]
    is_known.then_some((milliseconds as i64).clamp(EARLIEST, LATEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_read_as_prometheus_reads_them() {
        assert_eq!(time("1435781451.781"), Some(1_435_781_451_781));
        assert_eq!(time("2015-07-01T20:10:51.781+02:00"), Some(1_435_774_251_781));
        assert_eq!(time("-292273086-05-16T16:47:06Z"), Some(EARLIEST));
        assert_eq!(time("-9223372036854775"), Some(EARLIEST));
        for text in ["", "NaN", "Inf", "tomorrow", "1e300"] {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(duration("1.5"), Some(1500));
        assert_eq!(duration("1h30m"), Some(5_400_000));
        assert_eq!(duration("5 m"), None);
    }
}
