//! A report as it travels from an agent to the hub, and as it waits in the spool.
//!
//! Offsets and durations are microseconds.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::exchange::ExchangeMessage;
use super::{Malformed, bounds, micros};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, Region};
use crate::domain::run::{
    Comparison, Failure, FailureKind, LogLevel, LogLine, Measurement, Outcome, Position, Report,
    Request, Step, Timings, Trace,
};
use crate::domain::slot::Slot;

/// No run is longer, and nothing within one is farther from its start.
const LONGEST_RUN: Duration = Duration::from_hours(24);

/// How far ahead of the reader's clock a report may be; agents' clocks differ.
const AHEAD: TimeDelta = TimeDelta::minutes(15);

/// How old a report may be. Nothing waits in a spool for longer.
const BEHIND: TimeDelta = TimeDelta::days(366);

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportMessage {
    check: String,
    region: String,
    slot_at: Timestamp,
    started_at: Timestamp,
    duration_us: u64,
    /// Says how to take a failure of a kind that is not known yet.
    outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<FailureMessage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepMessage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<RequestMessage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    logs: Vec<LogMessage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    measurements: Vec<MeasurementMessage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FailureMessage {
    kind: String,
    message: String,
    #[serde(default)]
    step: Option<String>,
    #[serde(default)]
    expected: Option<String>,
    #[serde(default)]
    received: Option<String>,
    /// File, line and column.
    #[serde(default)]
    position: Option<(String, u32, u32)>,
    #[serde(default)]
    frame: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StepMessage {
    name: String,
    #[serde(default)]
    parent: Option<u32>,
    start_us: u64,
    #[serde(default)]
    duration_us: Option<u64>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RequestMessage {
    #[serde(default)]
    step: Option<u32>,
    start_us: u64,
    method: String,
    url: String,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    remote: Option<String>,
    #[serde(default)]
    sent: u64,
    #[serde(default)]
    received: u64,
    #[serde(default)]
    timings: TimingsMessage,
    /// Later than the first versions, which neither say nor expect it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate_until: Option<Timestamp>,
    #[serde(default)]
    error: Option<String>,
    /// Later than the first versions, which neither say nor expect it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exchange: Option<Box<ExchangeMessage>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the wire's names carry the unit")]
struct TimingsMessage {
    dns_us: Option<u64>,
    connect_us: Option<u64>,
    tls_us: Option<u64>,
    wait_us: Option<u64>,
    download_us: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LogMessage {
    at_us: u64,
    level: String,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct MeasurementMessage {
    name: String,
    value: f64,
    #[serde(default)]
    tags: Vec<(String, String)>,
}

impl From<&Report> for ReportMessage {
    fn from(report: &Report) -> Self {
        let Trace { steps, requests, logs, measurements, dropped } = &report.trace;
        Self {
            check: report.slot.check.to_string(),
            region: report.slot.region.to_string(),
            slot_at: report.slot.at,
            started_at: report.started_at,
            duration_us: micros(report.duration),
            outcome: report.outcome().as_str().to_owned(),
            failure: report.failure.as_ref().map(FailureMessage::from),
            steps: steps.iter().map(StepMessage::from).collect(),
            requests: requests.iter().map(RequestMessage::from).collect(),
            logs: logs.iter().map(LogMessage::from).collect(),
            // JSON has no other values, and scripts cannot measure them.
            measurements: measurements
                .iter()
                .filter(|it| it.value.is_finite())
                .map(MeasurementMessage::from)
                .collect(),
            dropped: dropped.clone(),
        }
    }
}

impl ReportMessage {
    /// How far its times are ahead of `now`, where that is further than clocks may differ.
    pub fn ahead(&self, now: Timestamp) -> Option<TimeDelta> {
        let ahead = self.slot_at.max(self.started_at).signed_duration_since(now);
        (ahead > AHEAD).then_some(ahead)
    }

    /// The report, if it can be one at `now`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] says what is wrong with it.
    pub fn read(self, now: Timestamp) -> Result<Report, Malformed> {
        let check = CheckId::new(bounds::name("the check", &self.check)?)
            .map_err(|error| Malformed::new("the check", error))?;
        let region = Region::new(bounds::name("the region", &self.region)?)
            .map_err(|error| Malformed::new("the region", error))?;
        for at in [self.slot_at, self.started_at] {
            in_reach(at, now)?;
        }
        let trace = Trace {
            steps: self.steps.into_iter().map(StepMessage::read).collect::<Result<_, _>>()?,
            requests: self
                .requests
                .into_iter()
                .map(RequestMessage::read)
                .collect::<Result<_, _>>()?,
            logs: self.logs.into_iter().map(LogMessage::read).collect::<Result<_, _>>()?,
            measurements: self.measurements.into_iter().map(Measurement::from).collect(),
            dropped: self.dropped,
        };
        check_indexes(&trace)?;
        let trace = bounds::trace(trace);
        let failure = self.failure.map(|failure| bounds::failure(failure.read(&self.outcome)));
        if failure.is_none() && self.outcome != Outcome::Passed.as_str() {
            let outcome = bounds::name("its outcome", &self.outcome)?;
            return Err(Malformed(format!("it ended as `{outcome}` without a failure")));
        }
        Ok(Report {
            slot: Slot { check, region, at: self.slot_at },
            started_at: self.started_at,
            duration: duration(self.duration_us)?,
            failure,
            trace,
            clock_ahead: chrono::TimeDelta::zero(),
        })
    }
}

fn in_reach(at: Timestamp, now: Timestamp) -> Result<(), Malformed> {
    let ahead = at.signed_duration_since(now);
    if ahead > AHEAD {
        return Err(Malformed(format!("it is of a time {} s to come", ahead.num_seconds())));
    }
    if -BEHIND > ahead {
        return Err(Malformed(format!("it is of {at}, too long ago")));
    }
    Ok(())
}

fn duration(micros: u64) -> Result<Duration, Malformed> {
    let duration = Duration::from_micros(micros);
    if duration <= LONGEST_RUN {
        return Ok(duration);
    }
    Err(Malformed(format!("no run takes {} s", duration.as_secs())))
}

fn optional(micros: Option<u64>) -> Result<Option<Duration>, Malformed> {
    micros.map(duration).transpose()
}

/// A step is within an earlier one, a request within one that there is.
fn check_indexes(trace: &Trace) -> Result<(), Malformed> {
    let before = |index: u32, end: usize| usize::try_from(index).is_ok_and(|index| index < end);
    let nested = trace.steps.iter().enumerate();
    let good = nested.clone().all(|(at, step)| step.parent.is_none_or(|it| before(it, at)))
        && trace.requests.iter().all(|it| it.step.is_none_or(|at| before(at, trace.steps.len())));
    if good { Ok(()) } else { Err(Malformed("it names a step that there is not".into())) }
}

impl From<&Failure> for FailureMessage {
    fn from(failure: &Failure) -> Self {
        let comparison = failure.comparison.as_ref();
        Self {
            kind: failure.kind.as_str().to_owned(),
            message: failure.message.clone(),
            step: failure.step.clone(),
            expected: comparison.map(|it| it.expected.clone()),
            received: comparison.map(|it| it.received.clone()),
            position: failure.position.as_ref().map(|it| (it.file.clone(), it.line, it.column)),
            frame: failure.frame.clone(),
        }
    }
}

impl FailureMessage {
    fn read(self, outcome: &str) -> Failure {
        let known = FailureKind::ALL.into_iter().find(|kind| kind.as_str() == self.kind);
        // A kind of a later version: only whether it was the target's fault matters.
        let unknown = if outcome == Outcome::Failed.as_str() {
            FailureKind::Exception
        } else {
            FailureKind::Crashed
        };
        let comparison = self.expected.zip(self.received);
        Failure {
            kind: known.unwrap_or(unknown),
            message: self.message,
            step: self.step,
            comparison: comparison.map(|(expected, received)| Comparison { expected, received }),
            position: self.position.map(|(file, line, column)| Position { file, line, column }),
            frame: self.frame,
            // The hub finds that out itself.
            overtaken: false,
        }
    }
}

impl From<&Step> for StepMessage {
    fn from(step: &Step) -> Self {
        Self {
            name: step.name.clone(),
            parent: step.parent,
            start_us: micros(step.start),
            duration_us: step.duration.map(micros),
            error: step.error.clone(),
        }
    }
}

impl StepMessage {
    fn read(self) -> Result<Step, Malformed> {
        Ok(Step {
            name: self.name,
            parent: self.parent,
            start: duration(self.start_us)?,
            duration: optional(self.duration_us)?,
            error: self.error,
        })
    }
}

impl From<&Request> for RequestMessage {
    fn from(request: &Request) -> Self {
        let Timings { dns, connect, tls, wait, download } = request.timings;
        Self {
            step: request.step,
            start_us: micros(request.start),
            method: request.method.clone(),
            url: request.url.clone(),
            status: request.status,
            remote: request.remote.clone(),
            sent: request.sent,
            received: request.received,
            timings: TimingsMessage {
                dns_us: dns.map(micros),
                connect_us: connect.map(micros),
                tls_us: tls.map(micros),
                wait_us: wait.map(micros),
                download_us: download.map(micros),
            },
            certificate_until: request.certificate_until,
            error: request.error.clone(),
            exchange: request.exchange.as_deref().map(|it| Box::new(it.into())),
        }
    }
}

impl RequestMessage {
    fn read(self) -> Result<Request, Malformed> {
        Ok(Request {
            step: self.step,
            start: duration(self.start_us)?,
            method: self.method,
            url: self.url,
            status: self.status,
            remote: self.remote,
            sent: self.sent,
            received: self.received,
            timings: Timings {
                dns: optional(self.timings.dns_us)?,
                connect: optional(self.timings.connect_us)?,
                tls: optional(self.timings.tls_us)?,
                wait: optional(self.timings.wait_us)?,
                download: optional(self.timings.download_us)?,
            },
            certificate_until: self.certificate_until,
            error: self.error,
            exchange: self.exchange.map(|it| Box::new((*it).into())),
        })
    }
}

impl From<&LogLine> for LogMessage {
    fn from(line: &LogLine) -> Self {
        let level = line.level.as_str().to_owned();
        Self { at_us: micros(line.at), level, text: line.text.clone() }
    }
}

impl LogMessage {
    fn read(self) -> Result<LogLine, Malformed> {
        let level = LogLevel::named(&self.level).unwrap_or(LogLevel::Info);
        Ok(LogLine { at: duration(self.at_us)?, level, text: self.text })
    }
}

impl From<&Measurement> for MeasurementMessage {
    fn from(measurement: &Measurement) -> Self {
        let Measurement { name, value, tags } = measurement;
        Self { name: name.clone(), value: *value, tags: tags.clone() }
    }
}

impl From<MeasurementMessage> for Measurement {
    fn from(message: MeasurementMessage) -> Self {
        let MeasurementMessage { name, value, tags } = message;
        Self { name, value, tags }
    }
}
