//! What a run did and why it failed, as JSON. Offsets and times are microseconds.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exchange::ExchangeRow;
use super::{micros, named, to_json, unreadable};
use crate::domain::Timestamp;
use crate::domain::run::{
    Comparison, Failure, FailureKind, LogLevel, LogLine, Measurement, Position, Request, Step,
    Timings, Trace,
};
use crate::store::Error;

type Text<'a> = Cow<'a, str>;

#[derive(Serialize, Deserialize)]
struct FailureRow<'a> {
    kind: Text<'a>,
    message: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<(Text<'a>, u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frame: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overtaken: bool,
}

/// The JSON of a failure.
pub(in crate::store) fn failure_text(failure: &Failure) -> String {
    let comparison = failure.comparison.as_ref();
    to_json(&FailureRow {
        kind: failure.kind.as_str().into(),
        message: text(&failure.message),
        step: optional(failure.step.as_ref()),
        expected: comparison.map(|comparison| text(&comparison.expected)),
        received: comparison.map(|comparison| text(&comparison.received)),
        position: failure.position.as_ref().map(|at| (text(&at.file), at.line, at.column)),
        frame: optional(failure.frame.as_ref()),
        overtaken: failure.overtaken,
    })
}

/// Reads the JSON of a failure.
pub(in crate::store) fn failure(json: &str) -> Result<Failure, Error> {
    let row: FailureRow =
        serde_json::from_str(json).map_err(|error| unreadable("failure", error))?;
    let comparison = row.expected.zip(row.received).map(|(expected, received)| Comparison {
        expected: expected.into_owned(),
        received: received.into_owned(),
    });
    Ok(Failure {
        kind: named("failure", &FailureKind::ALL, FailureKind::as_str, &row.kind)?,
        message: row.message.into_owned(),
        step: row.step.map(Cow::into_owned),
        comparison,
        position: row.position.map(|(file, line, column)| Position {
            file: file.into_owned(),
            line,
            column,
        }),
        frame: row.frame.map(Cow::into_owned),
        overtaken: row.overtaken,
    })
}

#[derive(Serialize, Deserialize)]
struct TraceRow<'a> {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepRow<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<RequestRow<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    logs: Vec<(u64, Text<'a>, Text<'a>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    measurements: Vec<MeasurementRow<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StepRow<'a> {
    name: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
    start: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
struct RequestRow<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<u32>,
    start: u64,
    method: Text<'a>,
    url: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote: Option<Text<'a>>,
    sent: u64,
    received: u64,
    /// DNS, connect, TLS, wait, download.
    timings: [Option<u64>; 5],
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exchange: Option<ExchangeRow>,
}

#[derive(Serialize, Deserialize)]
struct MeasurementRow<'a> {
    name: Text<'a>,
    /// JSON has no infinity and no "not a number"; they are `null`.
    value: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(Text<'a>, Text<'a>)>,
}

/// The JSON of a trace; `None` when there is nothing in it.
pub(in crate::store) fn trace_text(trace: &Trace) -> Option<String> {
    let Trace { steps, requests, logs, measurements, dropped } = trace;
    let empty = steps.is_empty()
        && requests.is_empty()
        && logs.is_empty()
        && measurements.is_empty()
        && dropped.is_empty();
    if empty {
        return None;
    }
    Some(to_json(&TraceRow {
        steps: steps.iter().map(StepRow::from).collect(),
        requests: requests.iter().map(RequestRow::from).collect(),
        logs: logs
            .iter()
            .map(|line| (offset(line.at), line.level.as_str().into(), text(&line.text)))
            .collect(),
        measurements: measurements.iter().map(MeasurementRow::from).collect(),
        dropped: dropped.iter().map(|note| text(note)).collect(),
    }))
}

/// Reads the JSON of a trace.
pub(in crate::store) fn trace(json: Option<&str>) -> Result<Trace, Error> {
    let Some(json) = json else {
        return Ok(Trace::default());
    };
    let row: TraceRow = serde_json::from_str(json).map_err(|error| unreadable("trace", error))?;
    Ok(Trace {
        steps: row.steps.into_iter().map(Step::from).collect(),
        requests: row.requests.into_iter().map(Request::from).collect(),
        logs: row.logs.into_iter().map(log_line).collect::<Result<_, _>>()?,
        measurements: row.measurements.into_iter().map(Measurement::from).collect(),
        dropped: row.dropped.into_iter().map(Cow::into_owned).collect(),
    })
}

impl<'a> From<&'a Step> for StepRow<'a> {
    fn from(step: &'a Step) -> Self {
        Self {
            name: text(&step.name),
            parent: step.parent,
            start: offset(step.start),
            duration: step.duration.map(offset),
            error: optional(step.error.as_ref()),
        }
    }
}

impl From<StepRow<'_>> for Step {
    fn from(row: StepRow<'_>) -> Self {
        Self {
            name: row.name.into_owned(),
            parent: row.parent,
            start: Duration::from_micros(row.start),
            duration: row.duration.map(Duration::from_micros),
            error: row.error.map(Cow::into_owned),
        }
    }
}

impl<'a> From<&'a Request> for RequestRow<'a> {
    fn from(request: &'a Request) -> Self {
        let Timings { dns, connect, tls, wait, download } = request.timings;
        Self {
            step: request.step,
            start: offset(request.start),
            method: text(&request.method),
            url: text(&request.url),
            status: request.status,
            remote: optional(request.remote.as_ref()),
            sent: request.sent,
            received: request.received,
            timings: [dns, connect, tls, wait, download].map(|phase| phase.map(offset)),
            certificate: request.certificate_until.map(|until| until.timestamp()),
            error: optional(request.error.as_ref()),
            exchange: request.exchange.as_deref().map(ExchangeRow::from),
        }
    }
}

impl From<RequestRow<'_>> for Request {
    fn from(row: RequestRow<'_>) -> Self {
        let [dns, connect, tls, wait, download] =
            row.timings.map(|phase| phase.map(Duration::from_micros));
        Self {
            step: row.step,
            start: Duration::from_micros(row.start),
            method: row.method.into_owned(),
            url: row.url.into_owned(),
            status: row.status,
            remote: row.remote.map(Cow::into_owned),
            sent: row.sent,
            received: row.received,
            timings: Timings { dns, connect, tls, wait, download },
            certificate_until: row.certificate.and_then(|at| Timestamp::from_timestamp(at, 0)),
            error: row.error.map(Cow::into_owned),
            exchange: row.exchange.map(|it| Box::new(it.into())),
        }
    }
}

impl<'a> From<&'a Measurement> for MeasurementRow<'a> {
    fn from(measurement: &'a Measurement) -> Self {
        let tags = measurement.tags.iter();
        Self {
            name: text(&measurement.name),
            value: Some(measurement.value).filter(|value| value.is_finite()),
            tags: tags.map(|(key, value)| (text(key), text(value))).collect(),
        }
    }
}

impl From<MeasurementRow<'_>> for Measurement {
    fn from(row: MeasurementRow<'_>) -> Self {
        let tags = row.tags.into_iter();
        Self {
            name: row.name.into_owned(),
            value: row.value.unwrap_or(f64::NAN),
            tags: tags.map(|(key, value)| (key.into_owned(), value.into_owned())).collect(),
        }
    }
}

fn log_line((at, level, text): (u64, Text<'_>, Text<'_>)) -> Result<LogLine, Error> {
    Ok(LogLine {
        at: Duration::from_micros(at),
        level: named("log level", &LogLevel::ALL, LogLevel::as_str, &level)?,
        text: text.into_owned(),
    })
}

fn text(text: &str) -> Text<'_> {
    Cow::Borrowed(text)
}

fn optional(value: Option<&String>) -> Option<Text<'_>> {
    value.map(|value| text(value))
}

fn offset(duration: Duration) -> u64 {
    micros(duration).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exchange::{Exchange, Message};

    #[test]
    fn an_empty_trace_is_nothing() {
        assert_eq!(trace_text(&Trace::default()), None);
        assert_eq!(trace(None).expect("nothing is a trace"), Trace::default());
    }

    #[test]
    fn a_trace_comes_back_as_it_went() {
        let whole = Trace {
            steps: vec![Step {
                name: "sign \"in\"\n".into(),
                parent: Some(0),
                start: Duration::from_micros(17),
                duration: None,
                error: Some("lost".into()),
            }],
            requests: vec![Request {
                step: None,
                start: Duration::from_millis(3),
                method: "GET".into(),
                url: "https://example.com/?q=ü".into(),
                status: Some(204),
                remote: Some("[::1]:443".into()),
                sent: 0,
                received: u64::MAX,
                timings: Timings { wait: Some(Duration::from_micros(5)), ..Timings::default() },
                certificate_until: Timestamp::from_timestamp(1_801_439_999, 0),
                error: None,
                exchange: Some(Box::new(Exchange {
                    sent: Message {
                        headers: vec![("accept".into(), "*/*".into())],
                        body: Some("a=\"1\"".into()),
                        length: 5,
                    },
                    received: Some(Message { length: u64::MAX, ..Message::default() }),
                })),
            }],
            logs: vec![LogLine {
                at: Duration::ZERO,
                level: LogLevel::Warn,
                text: "\u{0}\u{1f600}".into(),
            }],
            measurements: vec![Measurement {
                name: "balance".into(),
                value: 0.1 + 0.2,
                tags: vec![("currency".into(), "eur".into())],
            }],
            dropped: vec!["3 log lines".into()],
        };
        let json = trace_text(&whole).expect("not empty");
        assert_eq!(trace(Some(&json)).expect("readable"), whole);
    }

    #[test]
    fn a_value_that_json_cannot_hold_does_not_make_the_run_unreadable() {
        let odd = Measurement { name: "odd".into(), value: f64::INFINITY, tags: vec![] };
        let json = trace_text(&Trace { measurements: vec![odd], ..Trace::default() });
        let back = trace(json.as_deref()).expect("readable");
        assert!(back.measurements[0].value.is_nan());
    }

    #[test]
    fn a_failure_comes_back_as_it_went() {
        let whole = Failure {
            step: Some("sign in".into()),
            comparison: Some(Comparison { expected: "200".into(), received: "503".into() }),
            position: Some(Position { file: "checks/login.js".into(), line: 3, column: 9 }),
            frame: Some("  | expect(\n  | ^".into()),
            overtaken: true,
            ..Failure::new(FailureKind::Expectation, "expected 200\nreceived 503")
        };
        assert_eq!(failure(&failure_text(&whole)).expect("readable"), whole);
        let bare = Failure::new(FailureKind::Timeout, "");
        assert_eq!(failure(&failure_text(&bare)).expect("readable"), bare);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = failure(r#"{"kind":"odd","message":""}"#).expect_err("no such kind");
        assert_eq!(
            error.to_string(),
            "the store holds a failure that cannot be read: `odd` is not known"
        );
    }
}
