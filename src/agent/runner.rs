//! One run: a script in the sandbox, or one request.
//!
//! Both go through the same broker, so cookies, redirects, the egress guard and masking are the same
//! for both. Nothing here waits past the check's timeout.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::broker::Broker;
use super::expectations::{self, Answer};
use super::frame::frame;
use super::secrets::{Place, Secrets};
use super::{Assignments, Parts};
use crate::clock::Stopwatch;
use crate::domain::check::{Check, RequestSpec, Work};
use crate::domain::run::{Failure, FailureKind, Trace};
use crate::domain::slot::Slot;
use crate::sandbox::protocol::{
    Credentials, FetchError, FetchRequest, FetchResponse, Job, Redirect, RunContext, Source,
};
use crate::sandbox::{self, Host};

/// Runs a slot. What was seen up to the end is in the trace, however the run ended.
pub(super) async fn run(
    parts: &Parts,
    assignments: &Assignments,
    slot: &Slot,
    check: &Check,
    interrupted: &CancellationToken,
) -> (Option<Failure>, Trace) {
    let secrets = Arc::clone(&assignments.secrets);
    let broker = Broker::new(parts, Arc::clone(&secrets), check.timeout);
    let work = async {
        match &check.work {
            Work::Script { entry } => script(parts, assignments, slot, check, entry, &broker).await,
            Work::Request(spec) => (request(spec, check, &broker, &secrets).await, None),
        }
    };
    let (failure, step) = tokio::select! {
        biased;
        ended = work => ended,
        () = interrupted.cancelled() => {
            let message = "Tripline was stopped before the run ended";
            (Some(Failure::new(FailureKind::Interrupted, message)), None)
        }
    };
    let trace = broker.finish();
    let failure = failure.map(|failure| dressed(failure, step, &trace, assignments, check));
    (failure.map(|failure| masked(failure, &secrets)), trace)
}

async fn script(
    parts: &Parts,
    assignments: &Assignments,
    slot: &Slot,
    check: &Check,
    entry: &str,
    broker: &Broker,
) -> (Option<Failure>, Option<u32>) {
    let Some(modules) = assignments.modules.get(entry) else {
        let message = format!("{entry} is not in the project any more");
        return (Some(Failure::new(FailureKind::Script, message)), None);
    };
    let job = Job {
        source: Source { entry: entry.to_owned(), modules: modules.clone() },
        context: RunContext {
            check: slot.check.to_string(),
            region: slot.region.to_string(),
            slot_millis: slot.at.timestamp_millis(),
            run: slot.run_id().to_string(),
        },
        timeout: check.timeout,
    };
    let ran = sandbox::run(&parts.pool, job, broker).await;
    (ran.failure(), ran.step)
}

async fn request(
    spec: &RequestSpec,
    check: &Check,
    broker: &Broker,
    secrets: &Secrets,
) -> Option<Failure> {
    let request = match filled(spec, secrets) {
        Ok(request) => request,
        Err(reason) => return Some(Failure::new(FailureKind::Script, reason)),
    };
    let stopwatch = Stopwatch::start();
    match tokio::time::timeout(check.timeout, broker.fetch(request)).await {
        Ok(Ok(response)) => {
            let FetchResponse { status, headers, body, .. } = &response;
            let took = stopwatch.elapsed();
            expectations::judge(&spec.expect, Answer { status: *status, headers, body, took })
        }
        Ok(Err(FetchError { message })) => Some(Failure::new(FailureKind::Network, message)),
        Err(_) => {
            let seconds = check.timeout.as_secs_f64();
            let message = format!("no answer within {seconds} s");
            Some(Failure::new(FailureKind::Timeout, message))
        }
    }
}

/// The request with its secrets in place.
fn filled(spec: &RequestSpec, secrets: &Secrets) -> Result<FetchRequest, String> {
    let header = |(name, value): &(String, String)| {
        Ok::<_, String>((name.to_ascii_lowercase(), secrets.fill(value, Place::Plain)?))
    };
    let is_json = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") && value.contains("json")
    };
    let place = if spec.headers.iter().any(is_json) { Place::Json } else { Place::Plain };
    Ok(FetchRequest {
        step: None,
        method: spec.method.clone(),
        url: secrets.fill(&spec.url, Place::Plain)?,
        headers: spec.headers.iter().map(header).collect::<Result<_, _>>()?,
        body: match &spec.body {
            Some(body) => secrets.fill(body, place)?.into_bytes(),
            None => Vec::new(),
        },
        redirect: Redirect::Follow,
        credentials: Credentials::Include,
    })
}

/// Adds what only the parent knows: the name of the step and the lines of the script.
fn dressed(
    failure: Failure,
    step: Option<u32>,
    trace: &Trace,
    assignments: &Assignments,
    check: &Check,
) -> Failure {
    let step = step.and_then(|step| trace.steps.get(usize::try_from(step).ok()?));
    let step = step.map(|step| step.name.clone());
    let frame = failure.position.as_ref().and_then(|position| {
        let Work::Script { entry } = &check.work else { return None };
        let modules = assignments.modules.get(entry)?;
        let (_, text) = modules.iter().find(|(path, _)| *path == position.file)?;
        frame(text, position)
    });
    Failure { step, frame, ..failure }
}

fn masked(failure: Failure, secrets: &Secrets) -> Failure {
    let mask = |text: &String| secrets.redact(text);
    Failure {
        kind: failure.kind,
        message: mask(&failure.message),
        step: failure.step.as_ref().map(mask),
        comparison: failure.comparison.map(|it| crate::domain::run::Comparison {
            expected: mask(&it.expected),
            received: mask(&it.received),
        }),
        position: failure.position,
        frame: failure.frame.as_ref().map(mask),
    }
}
