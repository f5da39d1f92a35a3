//! Runs: what was to be done, what happened, and why it did not pass.

use serde::Serialize;
use utoipa::ToSchema;

use super::{FailureKind, LogLevel, Outcome, Time, millis};
use crate::domain::id::RunId;
use crate::domain::{exchange, run};
use crate::store;

/// Runs, the latest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Runs {
    /// The runs.
    pub runs: Vec<RunSummary>,
    /// What to pass as `before` for those that follow; `null` when there are no more.
    pub next_before: Option<Time>,
}

/// A run without what was done and seen in it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunSummary {
    /// Its id, a UUID; the same slot always has the same.
    pub id: String,
    /// The id of the check.
    pub check: String,
    /// Where it ran.
    pub region: String,
    /// When it was to start.
    pub slot_at: Time,
    /// When it really started.
    pub started_at: Time,
    /// How long it took.
    pub duration_ms: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass.
    pub failure: Option<Failure>,
}

impl From<&store::RunSummary> for RunSummary {
    fn from(run: &store::RunSummary) -> Self {
        Self {
            id: run.id.to_string(),
            check: run.slot.check.to_string(),
            region: run.slot.region.to_string(),
            slot_at: Time(run.slot.at),
            started_at: Time(run.started_at),
            duration_ms: millis(run.duration),
            outcome: run.outcome.into(),
            failure: run.failure.as_ref().map(Failure::from),
        }
    }
}

/// A run with everything that was reported. Keys that end in `start_ms` or `at_ms` count from the
/// start of the run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Run {
    /// Its id, a UUID; the same slot always has the same.
    pub id: String,
    /// The id of the check.
    pub check: String,
    /// Where it ran.
    pub region: String,
    /// When it was to start.
    pub slot_at: Time,
    /// When it really started.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Time,
    /// How late it started.
    pub late_ms: f64,
    /// How long it took.
    pub duration_ms: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass.
    pub failure: Option<Failure>,
    /// The steps in the order in which they started.
    pub steps: Vec<Step>,
    /// The requests in the order in which they started.
    pub requests: Vec<Request>,
    /// The console.
    pub logs: Vec<LogLine>,
    /// Values measured by the script.
    pub measurements: Vec<Measurement>,
    /// What was left out to keep the report within its limits, in words.
    pub dropped: Vec<String>,
}

impl Run {
    /// A run that somebody asked for. It was to start when they did, and is late by no schedule.
    pub fn asked_for(id: RunId, report: &run::Report) -> Self {
        Self { id: id.to_string(), late_ms: 0.0, ..Self::from(report) }
    }
}

impl From<&run::Report> for Run {
    fn from(report: &run::Report) -> Self {
        let trace = &report.trace;
        Self {
            id: report.slot.run_id().to_string(),
            check: report.slot.check.to_string(),
            region: report.slot.region.to_string(),
            slot_at: Time(report.slot.at),
            started_at: Time(report.started_at),
            ended_at: Time(report.finished_at()),
            late_ms: millis(report.lateness()),
            duration_ms: millis(report.duration),
            outcome: report.outcome().into(),
            failure: report.failure.as_ref().map(Failure::from),
            steps: trace.steps.iter().map(Step::from).collect(),
            requests: trace.requests.iter().map(Request::from).collect(),
            logs: trace.logs.iter().map(LogLine::from).collect(),
            measurements: trace.measurements.iter().map(Measurement::from).collect(),
            dropped: trace.dropped.clone(),
        }
    }
}

/// Why a run did not pass.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Failure {
    /// What sort of failure.
    pub kind: FailureKind,
    /// What happened, in words; the first line can stand alone.
    pub message: String,
    /// The name of the innermost step that was open, or failed first.
    pub step: Option<String>,
    /// What was expected and received, where an expectation failed.
    pub comparison: Option<Comparison>,
    /// Where in the script.
    pub position: Option<Position>,
    /// The lines of the script around the position, with a caret.
    pub frame: Option<String>,
}

impl From<&run::Failure> for Failure {
    fn from(failure: &run::Failure) -> Self {
        let comparison = |comparison: &run::Comparison| Comparison {
            expected: comparison.expected.clone(),
            received: comparison.received.clone(),
        };
        let position = |position: &run::Position| Position {
            file: position.file.clone(),
            line: position.line,
            column: position.column,
        };
        Self {
            kind: failure.kind.into(),
            message: failure.message.clone(),
            step: failure.step.clone(),
            comparison: failure.comparison.as_ref().map(comparison),
            position: failure.position.as_ref().map(position),
            frame: failure.frame.clone(),
        }
    }
}

/// What was expected and what came instead, as the script would write the values.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Comparison {
    /// What the author expected.
    pub expected: String,
    /// What came.
    pub received: String,
}

/// A place in a script.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Position {
    /// The file, relative to the project folder.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// A named part of a script, timed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Step {
    /// The author's name for it.
    pub name: String,
    /// The index of the step around it.
    pub parent: Option<u32>,
    /// When it started.
    pub start_ms: f64,
    /// How long it took; `null` when the run ended first.
    pub duration_ms: Option<f64>,
    /// The first line of the error it ended with.
    pub error: Option<String>,
}

impl From<&run::Step> for Step {
    fn from(step: &run::Step) -> Self {
        Self {
            name: step.name.clone(),
            parent: step.parent,
            start_ms: millis(step.start),
            duration_ms: step.duration.map(millis),
            error: step.error.clone(),
        }
    }
}

/// One request that a run made; secrets are masked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Request {
    /// The index of the step in which it was made.
    pub step: Option<u32>,
    /// When it started.
    pub start_ms: f64,
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The address that was dialled, as `ip:port`.
    pub remote: Option<String>,
    /// Bytes of the body sent.
    pub sent_bytes: u64,
    /// Bytes of the body received, as they came over the wire.
    pub received_bytes: u64,
    /// Where the time went.
    pub timings: Timings,
    /// Until when the server's certificate is valid; `null` without TLS.
    pub certificate_until: Option<Time>,
    /// Why there is no answer.
    pub error: Option<String>,
    /// What it carried and what came back, without what is secret. It is kept of runs that did not pass, of the last
    /// requests, as much as fits; `null` elsewhere.
    pub exchange: Option<Exchange>,
}

/// What a request carried and what came back.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Exchange {
    /// What was sent.
    pub sent: Message,
    /// What was received, if there was an answer.
    pub received: Option<Message>,
}

/// A head and a body. What is secret, or is called so, is `***`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Message {
    /// The headers in their order.
    pub headers: Vec<Header>,
    /// The beginning of the body; what was cut ends in `…`. `null` where there is none, or it is no text.
    pub body: Option<String>,
    /// How long the body is, decompressed.
    pub body_bytes: u64,
}

/// One header.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Header {
    /// The name, in lower case.
    pub name: String,
    /// The value.
    pub value: String,
}

impl From<&exchange::Exchange> for Exchange {
    fn from(exchange: &exchange::Exchange) -> Self {
        let received = exchange.received.as_ref().map(Message::from);
        Self { sent: (&exchange.sent).into(), received }
    }
}

impl From<&exchange::Message> for Message {
    fn from(message: &exchange::Message) -> Self {
        let headers = message.headers.iter();
        let header =
            |(name, value): &(String, String)| Header { name: name.clone(), value: value.clone() };
        Self {
            headers: headers.map(header).collect(),
            body: message.body.clone(),
            body_bytes: message.length,
        }
    }
}

impl From<&run::Request> for Request {
    fn from(request: &run::Request) -> Self {
        Self {
            step: request.step,
            start_ms: millis(request.start),
            method: request.method.clone(),
            url: request.url.clone(),
            status: request.status,
            remote: request.remote.clone(),
            sent_bytes: request.sent,
            received_bytes: request.received,
            timings: request.timings.into(),
            certificate_until: request.certificate_until.map(Time),
            error: request.error.clone(),
            exchange: request.exchange.as_deref().map(Exchange::from),
        }
    }
}

/// Where the time of a request went; a phase that did not happen is `null`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Timings {
    /// Resolving the name.
    pub dns_ms: Option<f64>,
    /// Opening the connection.
    pub connect_ms: Option<f64>,
    /// The TLS handshake.
    pub tls_ms: Option<f64>,
    /// From the request's first byte to the answer's first byte.
    pub wait_ms: Option<f64>,
    /// Reading the body.
    pub download_ms: Option<f64>,
}

impl From<run::Timings> for Timings {
    fn from(timings: run::Timings) -> Self {
        Self {
            dns_ms: timings.dns.map(millis),
            connect_ms: timings.connect.map(millis),
            tls_ms: timings.tls.map(millis),
            wait_ms: timings.wait.map(millis),
            download_ms: timings.download.map(millis),
        }
    }
}

/// A line that a script wrote to its console; secrets are masked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogLine {
    /// When.
    pub at_ms: f64,
    /// How grave.
    pub level: LogLevel,
    /// What.
    pub text: String,
}

impl From<&run::LogLine> for LogLine {
    fn from(line: &run::LogLine) -> Self {
        Self { at_ms: millis(line.at), level: line.level.into(), text: line.text.clone() }
    }
}

/// A value that a script measured with `metric()`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Measurement {
    /// The name of the metric.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its tags in order.
    pub tags: Vec<Tag>,
}

/// One tag of a measurement.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl From<&run::Measurement> for Measurement {
    fn from(measurement: &run::Measurement) -> Self {
        let tag = |(key, value): &(String, String)| Tag { key: key.clone(), value: value.clone() };
        Self {
            name: measurement.name.clone(),
            value: measurement.value,
            tags: measurement.tags.iter().map(tag).collect(),
        }
    }
}
