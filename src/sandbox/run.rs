//! A run, from the parent's side: hand over the job, serve the questions, pass on what happens,
//! end it in time.
//!
//! One task, which never waits for the child alone: reading, writing, requests and the deadline go
//! on side by side, so neither a full pipe nor a silent child can hold it up. Nothing that the child
//! says is believed beyond its own report.

use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::Host;
use super::caps::{Ledger, Verdict};
use super::end::{End, Limits, bounded, bounded_error};
use super::frame::{self, BadFrame};
use super::outbox::Outbox;
use super::pool::{Error, Lease, Pool};
use super::processor::{self, Usage};
use super::protocol::{
    Description, Event, FetchError, FetchRequest, FetchResponse, FromChild, Job,
    MAX_FRAME_FROM_CHILD, Question, ScriptError, Source, ToChild,
};
use super::questions::Questions;
use crate::clock::Stopwatch;
use crate::domain::run::{Failure, FailureKind};

/// How long after its deadline a child that has not given up by itself is killed.
const GRACE: Duration = Duration::from_millis(100);
/// A child that uses this much of the processor during [`GRACE`] is computing.
const BUSY: Duration = Duration::from_millis(30);
/// How long to look for last messages of a child that was killed.
const LAST_MESSAGES: Duration = Duration::from_millis(250);
/// How long a script may take to be read and to tell its options.
const DESCRIBE_WITHIN: Duration = Duration::from_secs(2);
/// How much is read at a time, in bytes.
const CHUNK: usize = 16 << 10;

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// How long it waited for a child. This is our delay, not the target's.
    pub queued: Duration,
    /// How long it took from the moment the child had the job.
    pub duration: Duration,
    /// How it ended.
    pub end: End,
    /// The limits it was under.
    pub limits: Limits,
}

impl Ran {
    /// Why the run did not pass; `None` when it passed. The name of the step and the lines of the
    /// script are for the caller to fill in, see [`End::step`].
    pub fn failure(&self) -> Option<Failure> {
        self.end.failure(self.limits)
    }
}

/// Runs a script in a child of the pool. Dropping the future kills the child.
pub async fn run(pool: &Pool, job: Job, host: &dyn Host) -> Ran {
    let waiting = Stopwatch::start();
    let limits = Limits { timeout: job.timeout, processor_seconds: pool.processor_seconds() };
    match pool.lease().await {
        Ok(lease) => Ran { queued: waiting.elapsed(), ..run_in(lease, job, host).await },
        Err(error) => Ran {
            queued: waiting.elapsed(),
            duration: Duration::ZERO,
            end: End::Unstarted(with_cause(&error)),
            limits,
        },
    }
}

/// Runs a script in a child that is at hand. Dropping the future kills the child.
pub async fn run_in(lease: Lease, job: Job, host: &dyn Host) -> Ran {
    let limits = Limits { timeout: job.timeout, processor_seconds: lease.processor_seconds };
    let running = Stopwatch::start();
    let last = converse(lease, &ToChild::Run(job), limits.timeout, host).await;
    let end = match last {
        Ok(FromChild::Ended(ending)) => End::Said(ending),
        Ok(_) => End::Broke("an answer to what was not asked".to_owned()),
        Err(end) => end,
    };
    Ran { queued: Duration::ZERO, duration: running.elapsed(), end, limits }
}

/// Reads a script's options without running it, in a child of the pool. The outer error says that
/// the script could not be looked at: it ran into a limit, or there was no child.
pub async fn describe(
    pool: &Pool,
    source: Source,
) -> Result<Result<Description, ScriptError>, Failure> {
    let limits = Limits { timeout: DESCRIBE_WITHIN, processor_seconds: pool.processor_seconds() };
    let failed = |end: End| {
        let unknown = || Failure::new(FailureKind::Crashed, "the script was not described");
        end.failure(limits).unwrap_or_else(unknown)
    };
    let lease = pool.lease().await.map_err(|error| failed(End::Unstarted(with_cause(&error))))?;
    match converse(lease, &ToChild::Describe(source), DESCRIBE_WITHIN, &Nobody).await {
        Ok(FromChild::Described(described)) => Ok(described),
        Ok(_) => Err(failed(End::Broke("an answer to what was not asked".to_owned()))),
        Err(end) => Err(failed(end)),
    }
}

fn with_cause(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What the child broke off with.
enum Breach {
    Said(String),
    Flooded,
}

impl From<&'static str> for Breach {
    fn from(what: &'static str) -> Self {
        Self::Said(what.to_owned())
    }
}

impl From<BadFrame> for Breach {
    fn from(frame: BadFrame) -> Self {
        Self::Said(frame.to_string())
    }
}

impl From<Breach> for End {
    fn from(breach: Breach) -> Self {
        match breach {
            Breach::Said(what) => Self::Broke(what),
            Breach::Flooded => Self::Flooded,
        }
    }
}

/// What a conversation has come to.
struct Conversation<'a> {
    host: &'a dyn Host,
    started: Stopwatch,
    ledger: Ledger,
    questions: Questions<'a>,
    outbox: Outbox,
}

/// Says `first`, and goes on until the child has said its last or is over.
async fn converse(
    mut lease: Lease,
    first: &ToChild,
    limit: Duration,
    host: &dyn Host,
) -> Result<FromChild, End> {
    let outbox = Outbox::new(first).map_err(|error| End::TooLong(error.to_string()))?;
    let started = Stopwatch::start();
    let questions = Questions::new(host);
    let mut talk = Conversation { host, started, ledger: Ledger::default(), questions, outbox };
    let result = talk.hold(&mut lease, limit).await;
    let result = match result {
        Err(Stop::Breach(breach)) => Err(breach.into()),
        Err(Stop::Deadline { computing }) => {
            lease.kill();
            talk.last_message(&mut lease).await?.ok_or(End::Deadline { computing })
        }
        Err(Stop::Died) => Err(End::Died(lease.end().await)),
        Ok(last) => Ok(last),
    };
    for what in talk.ledger.left_out() {
        host.event(talk.started.elapsed(), Event::Dropped { what });
    }
    result.map(|last| talk.bounded(last))
}

/// Why a conversation stopped before the child's last message.
enum Stop {
    Breach(Breach),
    Deadline { computing: bool },
    Died,
}

impl<E: Into<Breach>> From<E> for Stop {
    fn from(breach: E) -> Self {
        Self::Breach(breach.into())
    }
}

impl Conversation<'_> {
    async fn hold(&mut self, lease: &mut Lease, limit: Duration) -> Result<FromChild, Stop> {
        let process = lease.process_id();
        let look = || process.and_then(processor::usage);
        let (mut reader, mut writer) = lease.socket.split();
        // Beyond what the clock can say there is no deadline.
        let far = Duration::from_hours(24 * 365);
        let mut alarm = std::pin::pin!(sleep(limit.min(far)));
        let mut at_deadline = None;
        loop {
            if let Some(last) = self.heed_all(&mut lease.read)? {
                return Ok(last);
            }
            lease.read.reserve(CHUNK);
            tokio::select! {
                biased;
                () = &mut alarm => match at_deadline {
                    None => {
                        at_deadline = Some(look());
                        let then = alarm.deadline() + GRACE;
                        alarm.as_mut().reset(then);
                    }
                    Some(before) => {
                        return Err(Stop::Deadline { computing: is_computing(before, look()) });
                    }
                },
                read = reader.read_buf(&mut lease.read) => match read {
                    Ok(0) | Err(_) => return Err(Stop::Died),
                    Ok(_) => {}
                },
                wrote = writer.write(self.outbox.next()), if !self.outbox.next().is_empty() => {
                    match wrote {
                        Ok(count) => self.outbox.advance(count),
                        // It may have left messages that are still to be read.
                        Err(_) => self.outbox.close(),
                    }
                    self.questions.start(&self.outbox);
                },
                answered = self.questions.next(), if self.questions.any_under_way() => {
                    if let Some((id, answer)) = answered {
                        self.outbox.push(id, answer)?;
                    }
                    self.questions.start(&self.outbox);
                },
            }
        }
    }

    /// Heeds the whole messages at the front of `bytes`, up to the last one of the run.
    fn heed_all(&mut self, bytes: &mut bytes::BytesMut) -> Result<Option<FromChild>, Breach> {
        while let Some((message, length)) = frame::take(bytes, MAX_FRAME_FROM_CHILD)? {
            if !self.ledger.count(&message, length) {
                return Err(Breach::Flooded);
            }
            if let Some(last) = self.heed(message)? {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    fn heed(&mut self, message: FromChild) -> Result<Option<FromChild>, Breach> {
        match message {
            FromChild::Event { at, event } => match self.ledger.judge(event) {
                // A moment to come is none.
                Verdict::Keep(event) => self.host.event(at.min(self.started.elapsed()), event),
                Verdict::Drop => {}
                Verdict::Refuse(what) => return Err(what.into()),
            },
            FromChild::Ask(id, mut question) => {
                if let Question::Fetch(request) = &mut question {
                    request.step = self.ledger.known_step(request.step);
                }
                self.questions.ask(id, question, &mut self.outbox)?;
            }
            FromChild::Abandon(id) => self.questions.abandon(id),
            FromChild::Ready { .. } => return Err("ready a second time".into()),
            last @ (FromChild::Ended(_) | FromChild::Described(_)) => return Ok(Some(last)),
        }
        Ok(None)
    }

    /// Reads what a killed child has left in the socket, so that all it said is kept.
    async fn last_message(&mut self, lease: &mut Lease) -> Result<Option<FromChild>, End> {
        let mut read_on = async || -> Result<Option<FromChild>, Breach> {
            loop {
                if let Some(last) = self.heed_all(&mut lease.read)? {
                    return Ok(Some(last));
                }
                match lease.socket.read_buf(&mut lease.read).await {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Ok(None),
                }
            }
        };
        timeout(LAST_MESSAGES, read_on()).await.unwrap_or(Ok(None)).map_err(End::from)
    }

    fn bounded(&self, last: FromChild) -> FromChild {
        match last {
            FromChild::Ended(ending) => FromChild::Ended(bounded(ending, &self.ledger)),
            FromChild::Described(Err(error)) => {
                FromChild::Described(Err(bounded_error(error, &self.ledger)))
            }
            other => other,
        }
    }
}

/// Whether a child that is past its deadline computes, rather than waits.
fn is_computing(before: Option<Usage>, after: Option<Usage>) -> bool {
    let used = |usage: Option<Usage>| usage.map_or(Duration::ZERO, |usage| usage.used);
    after.is_some_and(|usage| usage.runnable) || used(after).saturating_sub(used(before)) >= BUSY
}

/// The host of a script that is only described: it may ask for nothing.
struct Nobody;

const ONLY_DESCRIBED: &str = "not while the options are read: move it into the default function";

#[async_trait]
impl Host for Nobody {
    async fn fetch(&self, _: FetchRequest) -> Result<FetchResponse, FetchError> {
        Err(FetchError { message: ONLY_DESCRIBED.to_owned() })
    }

    fn secret(&self, _: &str) -> Result<String, String> {
        Err(ONLY_DESCRIBED.to_owned())
    }

    fn totp(&self, _: &str) -> Result<String, String> {
        Err(ONLY_DESCRIBED.to_owned())
    }

    fn event(&self, _: Duration, _: Event) {}
}
