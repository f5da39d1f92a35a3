//! Writes down what a run does and sees, masked and within limits, while it happens.
//!
//! Everything that reaches the trace passes through here, so no secret does. What was written down
//! survives the run, however it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use url::{Origin, Url};

use super::assignments::Assignments;
use super::exchanges::Exchanges;
use super::mask::{Beginnings, STARS};
use super::{Happening, Observer};
use crate::clock::Stopwatch;
use crate::domain::exchange::Bodies;
use crate::domain::run::{Failure, FailureKind, LogLine, Measurement, Request, Step, Trace};
use crate::net::{Answer, Seen};
use crate::sandbox::protocol;

/// How many requests are written down; more are counted.
const MOST_REQUESTS: usize = 500;

/// How many servers with a fault of ours before them are remembered; one is enough.
const MOST_FAULTS: usize = 32;

/// The longest URL that is written down, in characters.
const LONGEST_URL: usize = 2000;

/// Writes down one run.
pub(super) struct Recorder {
    assignments: Arc<Assignments>,
    observer: Option<Arc<dyn Observer>>,
    state: Mutex<State>,
}

struct State {
    started: Stopwatch,
    /// How much later than ours the child's clock started, told by its first event. Without it a
    /// request, which is timed here, could seem to begin before its step.
    behind: Option<Duration>,
    trace: Trace,
    exchanges: Exchanges,
    unwritten_requests: usize,
    /// Where requests came to nothing through our own fault, and what that was.
    faults: Vec<(Origin, String)>,
    /// One-time passwords that the run was given: secrets of its own.
    passwords: Vec<String>,
}

/// The number of a request in the trace; `None` when there was no room for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry(Option<usize>);

impl Recorder {
    /// An empty record; its clock starts now.
    pub(super) fn new(
        assignments: Arc<Assignments>,
        observer: Option<Arc<dyn Observer>>,
        bodies: Bodies,
    ) -> Self {
        let state = State {
            started: Stopwatch::start(),
            behind: None,
            trace: Trace::default(),
            exchanges: Exchanges::new(bodies),
            unwritten_requests: 0,
            faults: Vec::new(),
            passwords: Vec::new(),
        };
        Self { assignments, observer, state: Mutex::new(state) }
    }

    /// Starts its clock anew: what came before was waiting for our own resources.
    pub(super) fn restart(&self) {
        self.state().started = Stopwatch::start();
    }

    /// The time since the start of the run.
    pub(super) fn elapsed(&self) -> Duration {
        self.state().started.elapsed()
    }

    /// What was written down, complete with what could not be; of a run that ended with a `failure`, with
    /// what its requests carried.
    pub(super) fn finish(&self, failure: Option<&Failure>) -> Trace {
        let mut guard = self.state();
        let state = &mut *guard;
        let mut trace = std::mem::take(&mut state.trace);
        if failure.is_some() {
            let mask = |text: &str| self.mask_with(text, &state.passwords);
            for (request, exchange) in state.exchanges.redacted(mask) {
                if let Some(request) = trace.requests.get_mut(request) {
                    request.exchange = Some(Box::new(exchange));
                }
            }
        }
        if state.unwritten_requests > 0 {
            trace.dropped.push(format!("{} more requests", state.unwritten_requests));
        }
        trace
    }

    /// The name of a step.
    pub(super) fn step_name(&self, step: u32) -> Option<String> {
        let state = self.state();
        state.trace.steps.get(usize::try_from(step).ok()?).map(|step| step.name.clone())
    }

    /// The name of the innermost step that is open.
    pub(super) fn open_step_name(&self) -> Option<String> {
        let state = self.state();
        let open = state.trace.steps.iter().rfind(|step| step.duration.is_none());
        open.map(|step| step.name.clone())
    }

    /// Notes that a request to `url` came to nothing through our own fault, or, without one, that
    /// it was answered, which makes good what went before.
    pub(super) fn note_fault(&self, url: &Url, fault: Option<String>) {
        let (mut state, origin) = (self.state(), url.origin());
        state.faults.retain(|(other, _)| *other != origin);
        if state.faults.len() < MOST_FAULTS {
            state.faults.extend(fault.map(|fault| (origin, fault)));
        }
    }

    /// `failure` as our own where a fault of ours may be its cause: whether the script let the
    /// error of that request through, or caught it and then missed what was not answered.
    pub(super) fn attributed(&self, failure: Failure) -> Failure {
        let may_follow = failure.kind.may_be_on_the_way();
        let state = self.state();
        let Some((_, fault)) = state.faults.first().filter(|_| may_follow) else { return failure };
        let message = if failure.message.contains(fault.as_str()) {
            failure.message.clone()
        } else {
            format!("{fault}; after that: {}", failure.message)
        };
        Failure { kind: FailureKind::Agent, message, ..failure }
    }

    /// `failure` without secrets.
    pub(super) fn masked_failure(&self, mut failure: Failure) -> Failure {
        let state = self.state();
        let mask = |text: &mut String| *text = self.mask_with(text, &state.passwords);
        mask(&mut failure.message);
        failure.frame.iter_mut().for_each(mask);
        if let Some(comparison) = &mut failure.comparison {
            mask(&mut comparison.expected);
            mask(&mut comparison.received);
        }
        if let Some(position) = &mut failure.position {
            mask(&mut position.file);
        }
        failure
    }

    /// Keeps a one-time password out of all that is written from now on.
    pub(super) fn conceal(&self, password: &str) {
        let mut state = self.state();
        if !state.passwords.iter().any(|known| known == password) {
            state.passwords.push(password.to_owned());
        }
    }

    /// Writes down what a script did or said, `at` by its own clock. A time to come is none.
    pub(super) fn note(&self, at: Duration, event: protocol::Event) {
        let mut state = self.state();
        let now = state.started.elapsed();
        let behind = *state.behind.get_or_insert(now.saturating_sub(at));
        let at = at.saturating_add(behind).min(now);
        let State { trace, passwords, .. } = &mut *state;
        let masked = |text: &str| self.mask_with(text, passwords);
        let watched = self.observer.is_some();
        let happening = match event {
            protocol::Event::StepStarted { name, parent } => {
                let parent = parent.filter(|parent| (*parent as usize) < trace.steps.len());
                let name = masked(&name);
                trace.steps.push(Step { name, parent, start: at, duration: None, error: None });
                trace.steps.last().filter(|_| watched).cloned().map(Happening::StepStarted)
            }
            protocol::Event::StepEnded { step, error } => {
                let step = trace.steps.get_mut(step as usize).filter(|it| it.duration.is_none());
                step.and_then(|step| {
                    step.duration = Some(at.saturating_sub(step.start));
                    step.error = error.as_deref().map(masked);
                    watched.then(|| Happening::StepEnded(step.clone()))
                })
            }
            protocol::Event::Log { level, text } => {
                let line = LogLine { at, level: level_of(level), text: masked(&text) };
                trace.logs.push(line);
                trace.logs.last().filter(|_| watched).cloned().map(Happening::Logged)
            }
            protocol::Event::Metric { name, value, tags } => {
                let tags = tags.iter().map(|(key, value)| (masked(key), masked(value))).collect();
                let measurement = Measurement { name: masked(&name), value, tags };
                trace.measurements.push(measurement);
                trace.measurements.last().filter(|_| watched).cloned().map(Happening::Measured)
            }
            protocol::Event::Dropped { what } => {
                trace.dropped.push(masked(&what));
                None
            }
        };
        drop(state);
        self.tell(happening);
    }

    /// Writes down that a request begins. `step` is the step in which it is made.
    pub(super) fn open_request(&self, step: Option<u32>, method: &str, url: &url::Url) -> Entry {
        let mut state = self.state();
        if state.trace.requests.len() >= MOST_REQUESTS {
            state.unwritten_requests += 1;
            return Entry(None);
        }
        let url = self.mask_with(&without_userinfo(url), &state.passwords);
        let request = Request {
            step: step.filter(|step| (*step as usize) < state.trace.steps.len()),
            start: state.started.elapsed(),
            method: method.to_owned(),
            url: clipped(url, LONGEST_URL),
            status: None,
            remote: None,
            sent: 0,
            received: 0,
            timings: crate::domain::run::Timings::default(),
            certificate_until: None,
            error: None,
            exchange: None,
        };
        let happening = self.observer.is_some().then(|| Happening::Requested(request.clone()));
        state.trace.requests.push(request);
        let entry = Entry(Some(state.trace.requests.len() - 1));
        drop(state);
        self.tell(happening);
        entry
    }

    /// Keeps what a request sends, for the case that the run does not pass.
    pub(super) fn note_sent(&self, entry: Entry, headers: &HeaderMap, body: &[u8]) {
        if let Some(request) = entry.0 {
            self.state().exchanges.sent(request, headers, body);
        }
    }

    /// Keeps what came back, for the case that the run does not pass.
    pub(super) fn note_received(&self, entry: Entry, answer: &Answer) {
        if let Some(request) = entry.0 {
            self.state().exchanges.received(request, &answer.headers, &answer.body);
        }
    }

    /// Writes down how a request ended: with a status, or with an error.
    pub(super) fn close_request(&self, entry: Entry, seen: &Seen, ended: Result<u16, &str>) {
        let Some(index) = entry.0 else { return };
        let mut state = self.state();
        let error = ended.err().map(|error| self.mask_with(error, &state.passwords));
        let Some(request) = state.trace.requests.get_mut(index) else { return };
        request.status = ended.ok();
        request.remote = seen.remote.map(|remote| remote.to_string());
        request.sent = seen.sent;
        request.received = seen.received;
        request.timings = seen.timings;
        request.certificate_until = seen.certificate_until;
        request.error = error;
        let happening = self.observer.is_some().then(|| Happening::Answered(request.clone()));
        drop(state);
        self.tell(happening);
    }

    fn mask_with(&self, text: &str, passwords: &[String]) -> String {
        let mut masked = self.assignments.secrets().mask(text).into_owned();
        for password in passwords.iter().filter(|password| !password.is_empty()) {
            if masked.contains(password.as_str()) {
                masked = masked.replace(password.as_str(), STARS);
            }
        }
        if passwords.is_empty() {
            return masked;
        }
        Beginnings::new(passwords.iter().cloned()).mask_in(masked)
    }

    fn tell(&self, happening: Option<Happening>) {
        if let (Some(observer), Some(happening)) = (&self.observer, happening) {
            observer.saw(happening);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn level_of(level: protocol::Level) -> crate::domain::run::LogLevel {
    use crate::domain::run::LogLevel;
    match level {
        protocol::Level::Debug => LogLevel::Debug,
        protocol::Level::Info => LogLevel::Info,
        protocol::Level::Warn => LogLevel::Warn,
        protocol::Level::Error => LogLevel::Error,
    }
}

fn without_userinfo(url: &url::Url) -> String {
    if url.username().is_empty() && url.password().is_none() {
        return url.as_str().to_owned();
    }
    let mut bare = url.clone();
    // Both fail only for URLs without a host, which have no user either.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.into()
}

fn clipped(mut text: String, most: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Secrets;
    use super::*;

    fn recorder() -> Recorder {
        let secrets = Secrets::new([("PASSWORD".to_owned(), "hunter2!".to_owned())]);
        Recorder::new(Arc::new(Assignments::new(Vec::new(), secrets)), None, Bodies::Kept)
    }

    fn url(text: &str) -> url::Url {
        url::Url::parse(text).expect("a URL")
    }

    #[test]
    fn no_secret_is_written_down() {
        let recorder = recorder();
        recorder.conceal("123456");
        let said = || "hunter2! and 123456".to_owned();
        recorder.note(Duration::ZERO, protocol::Event::StepStarted { name: said(), parent: None });
        let error = Some(said());
        recorder.note(Duration::ZERO, protocol::Event::StepEnded { step: 0, error });
        let level = protocol::Level::Warn;
        recorder.note(Duration::ZERO, protocol::Event::Log { level, text: said() });
        let tags = vec![(said(), said())];
        let metric = protocol::Event::Metric { name: said(), value: 1.0, tags };
        recorder.note(Duration::ZERO, metric);
        recorder.note(Duration::ZERO, protocol::Event::Dropped { what: said() });
        let place = url("http://ana:hunter2!@shop.example/hunter2!?code=123456");
        let entry = recorder.open_request(Some(0), "GET", &place);
        recorder.note_sent(entry, &HeaderMap::new(), said().as_bytes());
        recorder.close_request(entry, &Seen::default(), Err(&said()));
        let failure = Failure {
            frame: Some(said()),
            ..Failure::new(crate::domain::run::FailureKind::Network, said())
        };
        let failure = recorder.masked_failure(failure);
        let trace = recorder.finish(Some(&failure));
        let all = format!("{trace:?}{failure:?}");
        assert!(!all.contains("hunter2") && !all.contains("123456") && !all.contains("ana"));
        assert_eq!(trace.requests[0].url, "http://shop.example/***?code=***");
        assert_eq!(trace.logs[0].text, "*** and ***");
        let exchange = trace.requests[0].exchange.as_ref().expect("the run did not pass");
        assert_eq!(exchange.sent.body.as_deref(), Some("*** and ***"));
    }

    #[test]
    fn no_secret_is_written_down_where_it_was_cut() {
        let recorder = recorder();
        recorder.conceal("123456");
        for said in ["xhunter2… (1 bytes more)", "say hunt…", "12345…", "123456…"] {
            let level = protocol::Level::Info;
            let text = said.to_owned();
            recorder.note(Duration::ZERO, protocol::Event::Log { level, text });
        }
        let logs = recorder.finish(None).logs;
        let lines: Vec<&str> = logs.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["x***… (1 bytes more)", "say ***…", "***…", "***…"]);
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        let recorder = recorder();
        let day = Duration::from_hours(24);
        let step = |parent| protocol::Event::StepStarted { name: "a".to_owned(), parent };
        recorder.note(day, step(Some(0)));
        recorder.note(day, step(Some(0)));
        recorder.note(Duration::ZERO, protocol::Event::StepEnded { step: 1, error: None });
        recorder.note(day, protocol::Event::StepEnded { step: 1, error: Some("x".to_owned()) });
        recorder.note(day, protocol::Event::StepEnded { step: 9, error: None });
        let entry = recorder.open_request(Some(9), "GET", &url("http://a/"));
        recorder.close_request(entry, &Seen::default(), Ok(200));
        let trace = recorder.finish(None);
        assert_eq!((trace.steps[0].parent, trace.steps[1].parent), (None, Some(0)));
        assert!(trace.steps.iter().all(|step| step.start < day));
        assert_eq!(trace.steps[1].duration, Some(Duration::ZERO));
        assert_eq!((trace.steps[1].error.as_deref(), trace.requests[0].step), (None, None));
    }

    #[test]
    fn requests_are_bounded() {
        let recorder = recorder();
        let long = url(&format!("http://a/{}", "x".repeat(5000)));
        for _ in 0..MOST_REQUESTS + 3 {
            recorder.open_request(None, "GET", &long);
        }
        let trace = recorder.finish(None);
        assert_eq!(trace.requests.len(), MOST_REQUESTS);
        assert_eq!(trace.requests[0].url.chars().count(), LONGEST_URL + 1);
        assert_eq!(trace.dropped, ["3 more requests"]);
    }
}
