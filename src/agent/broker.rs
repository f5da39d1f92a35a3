//! The outside of one run: carries out what a script asks for, and keeps the record.
//!
//! It owns the run's cookies and connections, and what is written down goes through the secrets'
//! mask. A request that is cut off stands in the record with how far it came.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

use super::Parts;
use super::jar::Jar;
use super::redirect::{Hop, MOST_HOPS};
use super::secrets::Secrets;
use crate::clock::{Clock, Stopwatch};
use crate::domain::run::{LogLevel, LogLine, Measurement, Request, Step, Trace};
use crate::net::{Answer, Client, Limits, Outgoing, Seen};
use crate::sandbox::Host;
use crate::sandbox::protocol::{
    Credentials, Event, FetchError, FetchRequest, FetchResponse, Level, Redirect,
};

/// More requests than this are made but not recorded.
const MOST_REQUESTS: usize = 500;

const USER_AGENT: &str = concat!("Tripline/", env!("CARGO_PKG_VERSION"));

/// The outside of one run.
#[derive(Debug)]
pub(super) struct Broker {
    client: Client,
    jar: Jar,
    secrets: Arc<Secrets>,
    clock: Arc<dyn Clock>,
    /// No request takes longer than the run may.
    within: Duration,
    started: Stopwatch,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    trace: Trace,
    unrecorded_requests: u64,
}

impl Broker {
    /// The outside of a run that starts now and may take `within`.
    pub(super) fn new(parts: &Parts, secrets: Arc<Secrets>, within: Duration) -> Self {
        Self {
            client: Client::new(Arc::clone(&parts.network), Limits::default()),
            jar: Jar::default(),
            secrets,
            clock: Arc::clone(&parts.clock),
            within,
            started: Stopwatch::start(),
            record: Mutex::default(),
        }
    }

    /// What was done and seen, with all secrets masked.
    pub(super) fn finish(&self) -> Trace {
        let Record { mut trace, unrecorded_requests } = std::mem::take(&mut *self.record());
        if unrecorded_requests > 0 {
            trace.dropped.push(format!("{unrecorded_requests} requests"));
        }
        let mask = |text: &mut String| *text = self.secrets.redact(text);
        for step in &mut trace.steps {
            mask(&mut step.name);
            step.error.iter_mut().for_each(mask);
        }
        for request in &mut trace.requests {
            mask(&mut request.url);
            request.error.iter_mut().for_each(mask);
        }
        trace.logs.iter_mut().for_each(|line| mask(&mut line.text));
        for measurement in &mut trace.measurements {
            measurement.tags.iter_mut().for_each(|(_, value)| mask(value));
        }
        trace
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request without following it.
    async fn exchange(
        &self,
        hop: &Hop,
        step: Option<u32>,
        credentials: Credentials,
    ) -> Result<Answer, String> {
        let mut headers = hop.headers.clone();
        if credentials == Credentials::Include
            && let Some(cookies) = self.jar.header(&hop.url)
            && let Ok(value) = HeaderValue::from_str(&cookies)
        {
            headers.entry(header::COOKIE).or_insert(value);
        }
        let outgoing = Outgoing {
            method: hop.method.clone(),
            url: &hop.url,
            headers,
            body: hop.body.clone(),
            within: self.within,
        };
        let mut line = Line::begin(self, hop, step);
        let answer = self.client.exchange(outgoing, &mut line.seen).await;
        line.end(answer.as_ref().map(|answer| answer.status.as_u16()).map_err(ToString::to_string));
        let answer = answer.map_err(|error| error.to_string())?;
        if credentials == Credentials::Include {
            let cookies = answer.headers.get_all(header::SET_COOKIE).iter();
            self.jar.keep(cookies.filter_map(|value| value.to_str().ok()), &hop.url);
        }
        Ok(answer)
    }
}

#[async_trait]
impl Host for Broker {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let FetchRequest { step, redirect, credentials, .. } = request;
        let failed = |message: String| FetchError { message: self.secrets.redact(&message) };
        let mut hop = first_hop(request).map_err(failed)?;
        for hops in 0..=MOST_HOPS {
            let answer = self.exchange(&hop, step, credentials).await.map_err(failed)?;
            let next = match redirect {
                Redirect::Manual => None,
                Redirect::Follow | Redirect::Error => {
                    hop.next(answer.status, &answer.headers).map_err(failed)?
                }
            };
            match next {
                None => return Ok(response(hop.url, hops > 0, answer)),
                Some(next) if redirect == Redirect::Error => {
                    let message = format!("{} redirects to {}", hop.url, next.url);
                    return Err(failed(message));
                }
                Some(next) => hop = next,
            }
        }
        Err(failed(format!("more than {MOST_HOPS} redirects; the last one leads to {}", hop.url)))
    }

    fn secret(&self, name: &str) -> Result<String, String> {
        self.secrets.value(name).map(str::to_owned)
    }

    fn totp(&self, name: &str) -> Result<String, String> {
        self.secrets.totp(name, self.clock.now())
    }

    fn event(&self, at: Duration, event: Event) {
        let trace = &mut self.record().trace;
        match event {
            Event::StepStarted { name, parent } => {
                trace.steps.push(Step { name, parent, start: at, duration: None, error: None });
            }
            Event::StepEnded { step, error } => {
                let step = usize::try_from(step).ok().and_then(|step| trace.steps.get_mut(step));
                if let Some(step) = step {
                    step.duration = Some(at.saturating_sub(step.start));
                    step.error = error;
                }
            }
            Event::Log { level, text } => {
                trace.logs.push(LogLine { at, level: log_level(level), text });
            }
            Event::Metric { name, value, tags } => {
                trace.measurements.push(Measurement { name, value, tags });
            }
            Event::Dropped { what } => trace.dropped.push(what),
        }
    }
}

fn log_level(level: Level) -> LogLevel {
    match level {
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}

fn first_hop(request: FetchRequest) -> Result<Hop, String> {
    let url = Url::parse(&request.url)
        .map_err(|error| format!("`{}` is no URL: {error}", request.url))?;
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| format!("`{}` is no method", request.method))?;
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 3);
    for (name, value) in request.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let parsed = parsed.map_err(|_| format!("`{name}` is no name of a header"))?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("the value of the header `{name}` has control characters"))?;
        headers.append(parsed, value);
    }
    let defaults = [
        (header::USER_AGENT, USER_AGENT),
        (header::ACCEPT, "*/*"),
        (header::ACCEPT_ENCODING, "gzip, deflate, br"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    Ok(Hop { method, url, headers, body: Bytes::from(request.body) })
}

fn response(url: Url, redirected: bool, answer: Answer) -> FetchResponse {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let pair = |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().to_owned(), text(value));
    FetchResponse {
        url: url.into(),
        redirected,
        status: answer.status.as_u16(),
        status_text: answer.reason,
        headers: answer.headers.iter().map(pair).collect(),
        body: answer.body.into(),
    }
}

/// A request's line in the record. When it is dropped before it ended, the line says so.
struct Line<'b> {
    broker: &'b Broker,
    /// None when there are too many.
    index: Option<usize>,
    seen: Seen,
    outcome: Option<Result<u16, String>>,
}

impl<'b> Line<'b> {
    fn begin(broker: &'b Broker, hop: &Hop, step: Option<u32>) -> Self {
        let mut record = broker.record();
        let index = record.trace.requests.len();
        let index = if index < MOST_REQUESTS {
            record.trace.requests.push(Request {
                step,
                start: broker.started.elapsed(),
                method: hop.method.to_string(),
                url: hop.url.to_string(),
                status: None,
                remote: None,
                sent: 0,
                received: 0,
                timings: crate::domain::run::Timings::default(),
                error: None,
            });
            Some(index)
        } else {
            record.unrecorded_requests += 1;
            None
        };
        drop(record);
        Self { broker, index, seen: Seen::default(), outcome: None }
    }

    fn end(mut self, outcome: Result<u16, String>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let phase = self.seen.leave();
        let mut record = self.broker.record();
        let line = self.index.and_then(|index| record.trace.requests.get_mut(index));
        let Some(line) = line else { return };
        line.remote = self.seen.remote.map(|remote| remote.to_string());
        (line.sent, line.received) = (self.seen.sent, self.seen.received);
        line.timings = self.seen.timings;
        match self.outcome.take() {
            Some(Ok(status)) => line.status = Some(status),
            Some(Err(error)) => line.error = Some(error),
            None => {
                let phase = phase.map(|phase| format!(" while {phase}")).unwrap_or_default();
                line.error = Some(format!("cut off{phase}"));
            }
        }
    }
}
