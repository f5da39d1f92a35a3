//! Runs slots and reports them.
//!
//! An agent serves one region. It is handed [`Assignments`], told to start slots, and delivers one
//! [`Report`] for each to its [`Hub`]. Scripts run in the sandbox and reach the outside through a
//! broker here, which owns the network, the cookies and the secrets; plain checks are made here.
//!
//! Invariants:
//! - each slot that is started ends in exactly one report, however its run ends;
//! - a check never runs twice at the same time;
//! - a run sees one snapshot of the assignments from beginning to end;
//! - no value of a secret is in a report, nor what its name calls a secret;
//! - nothing is stored, decided or announced here: that is the hub's.

mod admission;
mod assignments;
mod broker;
mod control;
mod cookies;
mod exchanges;
mod expect;
mod frame;
pub mod imports;
mod json;
mod mask;
mod recorder;
mod redact;
mod redirect;
mod request;
mod runner;
mod scripts;
mod secrets;
mod totp;
mod visitor;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::task::TaskTracker;

pub use assignments::{Assignments, Modules};
pub use scripts::{Scripts, Stage};
pub use secrets::{Missing, Secrets};
pub use totp::{Seed, SeedError};

use crate::clock::Clock;
use crate::domain::id::RunId;
use crate::domain::output::{Line, What};
use crate::domain::run::{LogLine, Measurement, Report, Request, Step};
use crate::domain::slot::Slot;
use crate::failpoint::{self, Failpoint};
use crate::net::Dialer;
use runner::{Aside, Duty, Manner, Runner};

/// What an agent needs of a hub.
#[async_trait]
pub trait Hub: Send + Sync {
    /// Takes a report into keeping. It returns when the report is safe; whatever has to be tried
    /// again or spooled is tried again or spooled by the hub. Reports of one check are handed over
    /// in the order in which its runs ended, and must be taken in that order.
    async fn deliver(&self, report: Report);
}

/// Watches a run while it happens. What it is told is masked already. It is called from within the run
/// and must not wait.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn saw(&self, happening: Happening);
}

/// What happens during a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A step began.
    StepStarted(Step),
    /// A step ended.
    StepEnded(Step),
    /// A request was sent.
    Requested(Request),
    /// A request was answered, or failed.
    Answered(Request),
    /// A line was written to the console.
    Logged(LogLine),
    /// A value was measured.
    Measured(Measurement),
}

impl Happening {
    /// What is told of it to those who watch; nothing of what a script measures.
    pub fn line(self) -> Option<Line> {
        let named = |request: &Request| format!("{} {}", request.method, request.url);
        let (at, what) = match self {
            Self::StepStarted(step) => (step.start, What::Began { step: step.name }),
            Self::StepEnded(Step { name, start, duration, error, .. }) => {
                let took = duration.unwrap_or_default();
                (start + took, What::Ended { step: name, took, error })
            }
            Self::Requested(request) => (request.start, What::Sent { request: named(&request) }),
            Self::Answered(request) => {
                let (took, named) = (request.timings.total(), named(&request));
                let said = || request.error.unwrap_or_else(|| "there was no answer".to_owned());
                let answer = request.status.ok_or_else(said);
                (request.start + took, What::Answered { request: named, took, answer })
            }
            Self::Logged(LogLine { at, level, text }) => (at, What::Logged { level, text }),
            Self::Measured(_) => return None,
        };
        Some(Line { at, what }.within_bounds())
    }
}

/// How many runs there may be at a time; each at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of scripts, each of which is a process.
    pub scripts: usize,
    /// Of plain requests, each of which is a connection.
    pub requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { scripts: 16, requests: 256 }
    }
}

/// What an agent works with.
pub struct Parts {
    /// Tells when runs start and which one-time password is valid.
    pub clock: Arc<dyn Clock>,
    /// The way to the network, with its egress policy.
    pub dialer: Arc<Dialer>,
    /// Where scripts run.
    pub scripts: Arc<dyn Scripts>,
    /// Where reports go.
    pub hub: Arc<dyn Hub>,
}

/// Runs the slots of one region. Clones are the same agent.
#[derive(Clone)]
pub struct Agent {
    runner: Arc<Runner>,
    hub: Arc<dyn Hub>,
    tasks: TaskTracker,
}

impl Agent {
    /// An agent without assignments.
    pub fn new(parts: Parts, limits: Limits) -> Self {
        let Parts { clock, dialer, scripts, hub } = parts;
        let runner = Arc::new(Runner::new(clock, dialer, scripts, limits));
        Self { runner, hub, tasks: TaskTracker::new() }
    }

    /// Replaces the assignments. Runs that are going keep those that they started with.
    pub fn assign(&self, assignments: Arc<Assignments>) {
        let dialer = Arc::clone(&self.runner.duty.load().dialer);
        self.assign_over(dialer, assignments);
    }

    /// Replaces the assignments and the way to the network, as one. Runs that are going keep those
    /// that they started with.
    pub fn assign_over(&self, dialer: Arc<Dialer>, assignments: Arc<Assignments>) {
        self.runner.duty.store(Arc::new(Duty { assignments, dialer }));
    }

    /// The present assignments.
    pub fn assignments(&self) -> Arc<Assignments> {
        Arc::clone(&self.runner.duty.load().assignments)
    }

    /// How many runs are going, or wait for room.
    pub fn running(&self) -> usize {
        self.runner.running()
    }

    /// Starts a slot and returns at once; the report goes to the hub when the run is over. To be
    /// called within a tokio runtime.
    pub fn start(&self, slot: Slot) {
        let (runner, hub) = (Arc::clone(&self.runner), Arc::clone(&self.hub));
        // Decided here, so that slots are let in in the order of the calls.
        let entrance = runner.admit(&slot);
        failpoint::reach(Failpoint::Due);
        self.tasks.spawn(async move {
            let report = match runner.enter(entrance).await {
                // Dropped with the run, before the hub takes its time.
                Ok(_admission) => runner.attend(slot, Manner::default()).await,
                Err(refused) => runner.refuse(slot, refused),
            };
            failpoint::reach(Failpoint::Ran);
            hub.deliver(report).await;
        });
    }

    /// Runs a slot and hands the report to the caller alone. It takes part in the limits and in the
    /// rule that a check never runs twice at the same time.
    pub async fn run_now(&self, slot: Slot, observer: Option<Arc<dyn Observer>>) -> Report {
        // Stopping waits for it as for any other.
        let _token = self.tasks.token();
        match self.runner.enter(self.runner.admit(&slot)).await {
            Ok(_admission) => self.runner.attend(slot, Manner { observer, aside: None }).await,
            Err(refused) => self.runner.refuse(slot, refused),
        }
    }

    /// Runs a check at once for somebody who asked for that, as `run`, and hands the report to the
    /// caller alone. It takes part in the limits; it waits for the run of a slot that is going, and
    /// gives way to that of the slot that comes next.
    pub async fn run_aside(
        &self,
        slot: Slot,
        run: RunId,
        observer: Option<Arc<dyn Observer>>,
    ) -> Report {
        let _token = self.tasks.token();
        let aside = Aside::of(run);
        match self.runner.enter_aside(&slot, &aside).await {
            Ok(_admission) => {
                let manner = Manner { observer, aside: Some(aside) };
                self.runner.attend(slot, manner).await
            }
            Err(refused) => self.runner.refuse(slot, refused),
        }
    }

    /// Ends all runs that are going now, and those that are started later; each is reported as
    /// interrupted.
    pub fn interrupt(&self) {
        self.runner.closing.cancel();
        self.runner.interruption.cancel();
    }

    /// Lets the runs that are going finish within `grace`, then cuts off the rest and waits for
    /// their reports to be delivered, for `last` at most. Slots that wait for room, or are started
    /// from now on, are reported as interrupted.
    pub async fn stop(&self, grace: Duration, last: Duration) {
        self.runner.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_ok() {
            return;
        }
        self.runner.interruption.cancel();
        if tokio::time::timeout(last, self.tasks.wait()).await.is_err() {
            tracing::error!(
                undelivered = self.tasks.len(),
                "the hub does not take the last reports"
            );
        }
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("running", &self.running()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
