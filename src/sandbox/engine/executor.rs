//! The queue of jobs: microtasks in order, everything else right behind them.
//!
//! It never waits; waiting is the run's business.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use boa_engine::job::{Job, JobExecutor, NativeAsyncJob, PromiseJob};
use boa_engine::{Context, JsResult, JsValue};
use futures::FutureExt;

use super::host::Host;

/// After so many microtasks in a row the deadline is looked at.
const JOBS_BETWEEN_LOOKS: usize = 64;

/// The jobs of one engine.
#[derive(Default)]
pub(super) struct Queue {
    microtasks: RefCell<VecDeque<PromiseJob>>,
    others: RefCell<VecDeque<Job>>,
}

impl Queue {
    fn next_microtask(&self) -> Option<PromiseJob> {
        self.microtasks.borrow_mut().pop_front()
    }

    fn next_other(&self) -> Option<Job> {
        self.others.borrow_mut().pop_front()
    }

    /// Runs all jobs, and those that they add, until none is left, the run is stopped, or a job
    /// ends with an error that no script can catch.
    pub(super) fn drain(&self, host: &Host, context: &mut Context) -> JsResult<()> {
        let mut count = 0;
        loop {
            let done = if let Some(job) = self.next_microtask() {
                job.call(context)
            } else if let Some(job) = self.next_other() {
                run_other(job, context)
            } else {
                break;
            };
            done?;
            count += 1;
            if host.is_stopped() || (count % JOBS_BETWEEN_LOOKS == 0 && host.check_deadline()) {
                break;
            }
        }
        context.clear_kept_objects();
        Ok(())
    }
}

fn run_other(job: Job, context: &mut Context) -> JsResult<JsValue> {
    match job {
        Job::AsyncJob(job) => run_at_once(job, context),
        Job::GenericJob(job) => job.call(context),
        // Nothing here makes the engine's own timers, and what a finaliser would do at some time
        // is not needed in a process that ends with its script.
        _ => Ok(JsValue::undefined()),
    }
}

/// Module loading is the only asynchronous job, and its text is at hand already.
fn run_at_once(job: NativeAsyncJob, context: &mut Context) -> JsResult<JsValue> {
    let context = RefCell::new(context);
    job.call(&context).now_or_never().unwrap_or_else(|| Ok(JsValue::undefined()))
}

impl JobExecutor for Queue {
    fn enqueue_job(self: Rc<Self>, job: Job, _: &mut Context) {
        match job {
            Job::PromiseJob(job) => self.microtasks.borrow_mut().push_back(job),
            other => self.others.borrow_mut().push_back(other),
        }
    }

    fn run_jobs(self: Rc<Self>, context: &mut Context) -> JsResult<()> {
        let host = Host::of(context);
        self.drain(&host, context)
    }
}
