//! Runs slots and reports them.
//!
//! An agent serves one region. It is given slots with their checks, runs each, and delivers one
//! report for each to its hub, whatever happens: a run that cannot start, is cut off or breaks the
//! machinery ends as a report that says so. It knows no store, no policy and no schedule.
//!
//! Invariants:
//! - every slot that was taken ends in exactly one report;
//! - runs of one check never overlap here: the later slot is reported as such and not run;
//! - a run keeps the modules and secrets it started with, whatever is assigned meanwhile.

mod broker;
mod expectations;
mod frame;
mod jar;
mod redirect;
mod runner;
pub mod secrets;

use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures::FutureExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::secrets::Secrets;
use crate::clock::{Clock, Stopwatch};
use crate::domain::check::{Check, Work};
use crate::domain::id::CheckId;
use crate::domain::run::{Failure, FailureKind, Report, Trace};
use crate::domain::slot::Slot;
use crate::net;
use crate::sandbox::Pool;

/// What an agent needs of its hub.
#[async_trait]
pub trait Hub: Send + Sync {
    /// Takes a report. Returns when it is safe, or when the hub has made sure that it is not lost
    /// otherwise.
    async fn deliver(&self, report: Report);
}

/// What an agent works with besides its slots; replaced as a whole when the project changes.
#[derive(Debug, Default)]
pub struct Assignments {
    /// For each script, by its path: itself and every module it may import, as path and text.
    pub modules: BTreeMap<String, Vec<(String, String)>>,
    /// What scripts may ask for by name.
    pub secrets: Arc<Secrets>,
}

/// How much an agent does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Scripts, each in a process of its own.
    pub scripts: usize,
    /// Plain requests.
    pub requests: usize,
}

/// The parts an agent is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The children that run scripts.
    pub pool: Arc<Pool>,
    /// The way to the network.
    pub network: Arc<net::Dialer>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// Runs slots of one region.
#[derive(Debug)]
pub struct Agent {
    parts: Parts,
    assignments: ArcSwap<Assignments>,
    running: Mutex<HashSet<CheckId>>,
    scripts: Semaphore,
    requests: Semaphore,
    tasks: TaskTracker,
    interrupted: CancellationToken,
}

impl Agent {
    /// An agent that has nothing to do yet.
    pub fn new(parts: Parts, capacity: Capacity) -> Arc<Self> {
        Arc::new(Self {
            parts,
            assignments: ArcSwap::default(),
            running: Mutex::default(),
            scripts: Semaphore::new(capacity.scripts),
            requests: Semaphore::new(capacity.requests),
            tasks: TaskTracker::new(),
            interrupted: CancellationToken::new(),
        })
    }

    /// Replaces modules and secrets for runs that start from now on.
    pub fn assign(&self, assignments: Assignments) {
        self.assignments.store(Arc::new(assignments));
    }

    /// Takes a slot and returns at once; the report goes to `hub`. Must be called within a runtime.
    pub fn start(self: &Arc<Self>, slot: Slot, check: Arc<Check>, hub: Arc<dyn Hub>) {
        let agent = Arc::clone(self);
        self.tasks.spawn(async move {
            let report = agent.run(slot, &check).await;
            hub.deliver(report).await;
        });
    }

    /// Runs one slot here and now and returns its report.
    pub async fn run(&self, slot: Slot, check: &Check) -> Report {
        let Some(_turn) = Turn::take(&self.running, &check.id) else {
            let failure = "the previous run was still going; this one was left out";
            return self.not_run(slot, FailureKind::Overlap, failure);
        };
        let places = match check.work {
            Work::Script { .. } => &self.scripts,
            Work::Request(_) => &self.requests,
        };
        let patience = (check.timeout / 2).min(LONGEST_QUEUE);
        let Some(_place) = self.place(places, patience).await else {
            let failure = format!(
                "no capacity within {} s: too many runs at once; raise [agent] max_runs",
                patience.as_secs_f64()
            );
            return self.not_run(slot, FailureKind::Overload, failure);
        };
        let (started_at, stopwatch) = (self.parts.clock.now(), Stopwatch::start());
        let assignments = self.assignments.load_full();
        let work = runner::run(&self.parts, &assignments, &slot, check, &self.interrupted);
        let (failure, trace) = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(check = %check.id, "a run broke the agent; please report this bug");
            let failure = Failure::new(FailureKind::Crashed, "the agent failed; see its log");
            (Some(failure), Trace::default())
        });
        Report { slot, started_at, duration: stopwatch.elapsed(), failure, trace }
    }

    /// Waits for what runs, interrupts what is still going after `grace`, and returns when every
    /// report was delivered. No slot may be started afterwards.
    pub async fn stop(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.interrupt();
            self.tasks.wait().await;
        }
    }

    /// Ends all runs now; each is reported as interrupted.
    pub fn interrupt(&self) {
        self.interrupted.cancel();
    }

    /// How many slots are under way.
    pub fn under_way(&self) -> usize {
        self.tasks.len()
    }

    async fn place<'a>(
        &self,
        places: &'a Semaphore,
        patience: Duration,
    ) -> Option<SemaphorePermit<'a>> {
        if let Ok(place) = places.try_acquire() {
            return Some(place);
        }
        tokio::time::timeout(patience, places.acquire()).await.ok()?.ok()
    }

    fn not_run(&self, slot: Slot, kind: FailureKind, message: impl Into<String>) -> Report {
        Report {
            slot,
            started_at: self.parts.clock.now(),
            duration: Duration::ZERO,
            failure: Some(Failure::new(kind, message)),
            trace: Trace::default(),
        }
    }
}

/// A run does not wait longer than this for a place, whatever its check's timeout.
const LONGEST_QUEUE: Duration = Duration::from_secs(15);

/// The right to run a check, held by one run at a time.
struct Turn<'a> {
    running: &'a Mutex<HashSet<CheckId>>,
    check: CheckId,
}

impl<'a> Turn<'a> {
    fn take(running: &'a Mutex<HashSet<CheckId>>, check: &CheckId) -> Option<Self> {
        let mut checks = running.lock().unwrap_or_else(PoisonError::into_inner);
        checks.insert(check.clone()).then(|| Self { running, check: check.clone() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.check);
    }
}
