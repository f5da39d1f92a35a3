//! A run of a script, and a look at its options: a child is taken from the pool, told what to do,
//! and what comes of it is put into words.
//!
//! What goes on meanwhile is the business of the conversation.

use std::time::Duration;

use async_trait::async_trait;

use super::Host;
use super::conversation::{Conversed, converse};
use super::end::{End, Limits};
use super::pool::{Error, Lease, Pool};
use super::protocol::{
    Description, Event, FetchError, FetchRequest, FetchResponse, FromChild, Job, ScriptError,
    Source, ToChild,
};
use crate::clock::Stopwatch;
use crate::domain::run::{Failure, FailureKind};

/// How long a script may take to be read and to tell its options.
const DESCRIBE_WITHIN: Duration = Duration::from_secs(2);
/// How many scripts one child describes, so that its limits on memory and processor time, which are
/// meant for one, are not used up.
const DESCRIBED_BY_ONE: usize = 32;

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// How long it waited for a child. This is our delay, not the target's.
    pub queued: Duration,
    /// How long it took from the moment the child had the job.
    pub duration: Duration,
    /// How it ended.
    pub end: End,
    /// The number of the step in which it ended: as the child said, or the one that was open.
    pub step: Option<u32>,
    /// The limits it was under.
    pub limits: Limits,
}

impl Ran {
    /// Why the run did not pass; `None` when it passed. The name of [`Ran::step`] and the lines of
    /// the script are for the caller to fill in.
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
            step: None,
            limits,
        },
    }
}

/// Runs a script in a child that is at hand. Dropping the future kills the child.
pub async fn run_in(lease: Lease, job: Job, host: &dyn Host) -> Ran {
    let limits = Limits { timeout: job.timeout, processor_seconds: lease.processor_seconds };
    let running = Stopwatch::start();
    let Conversed { last, step, .. } =
        converse(lease, &ToChild::Run(job), limits.timeout, host).await;
    let end = match last {
        Ok(FromChild::Ended(ending)) => End::Said(ending),
        Ok(_) => End::Broke("an answer to what was not asked".to_owned()),
        Err(end) => end,
    };
    Ran { queued: Duration::ZERO, duration: running.elapsed(), step, end, limits }
}

/// Reads the options of scripts without running them.
///
/// One child tells the options of several scripts, each in an engine of its own: they are asked for
/// no effect and told no secret, and a project of a thousand scripts is read in a fraction of the
/// time. What a child cannot do is asked of a fresh one before it is held against the script.
#[derive(Debug)]
pub struct Describer<'p> {
    pool: &'p Pool,
    child: Option<(Lease, usize)>,
}

impl<'p> Describer<'p> {
    /// A describer that takes its children from `pool`.
    pub fn new(pool: &'p Pool) -> Self {
        Self { pool, child: None }
    }

    /// Reads one script's options. The outer error says that the script could not be looked at: it
    /// ran into a limit, or there was no child.
    pub async fn describe(
        &mut self,
        source: Source,
    ) -> Result<Result<Description, ScriptError>, Failure> {
        let question = ToChild::Describe(source);
        if let Some((lease, served)) = self.child.take()
            && let Ok(described) = self.ask(lease, served, &question).await
        {
            return Ok(described);
        }
        let lease = self.pool.lease().await;
        let lease = lease.map_err(|error| self.failed(&End::Unstarted(with_cause(&error))))?;
        self.ask(lease, 0, &question).await.map_err(|end| self.failed(&end))
    }

    async fn ask(
        &mut self,
        lease: Lease,
        served: usize,
        question: &ToChild,
    ) -> Result<Result<Description, ScriptError>, End> {
        let Conversed { last, lease, .. } =
            converse(lease, question, DESCRIBE_WITHIN, &Nobody).await;
        let served = served + 1;
        self.child = lease.filter(|_| served < DESCRIBED_BY_ONE).map(|lease| (lease, served));
        match last? {
            FromChild::Described(described) => Ok(described),
            _ => Err(End::Broke("an answer to what was not asked".to_owned())),
        }
    }

    fn failed(&self, end: &End) -> Failure {
        let processor_seconds = self.pool.processor_seconds();
        let limits = Limits { timeout: DESCRIBE_WITHIN, processor_seconds };
        let unknown = || Failure::new(FailureKind::Crashed, "the script was not described");
        end.failure(limits).unwrap_or_else(unknown)
    }
}

fn with_cause(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
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
