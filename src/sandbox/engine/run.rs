//! One run, from its job to how it ended; and the loop that waits.

use std::time::Duration;

use boa_engine::builtins::promise::PromiseState;
use boa_engine::object::builtins::JsPromise;
use boa_engine::{JsResult, JsValue, Module, js_string};

use super::errors::{self, Failure};
use super::host::{Mode, Stop};
use super::{Engine, Port, exports, timers, web};
use crate::sandbox::protocol::{Ending, FromChild, Job, Source, ToChild};

impl Engine {
    /// Runs a script and says how it ended.
    pub(super) fn run(mut self, port: Box<dyn Port>, job: Job) -> std::io::Result<()> {
        self.host.begin(port, Mode::Running, Some(job.timeout));
        *self.host.run_context.borrow_mut() = Some(job.context);
        let ended = self.play(job.source);
        let ending = match ended {
            Ok(()) => Ending::Finished,
            Err(Failure::Stopped(Stop::Gone(error))) => return Err(error),
            Err(Failure::Stopped(Stop::TimedOut)) => {
                let (mut waiting_for, step) = self.host.waiting_for();
                if self.host.has_returned.get() {
                    waiting_for.push_str(", which the script did not await,");
                }
                Ending::TimedOut { waiting_for, step }
            }
            Err(failure) => {
                let mut error = errors::script_error(&failure, &self.host, &mut self.context);
                if self.host.has_returned.get() && matches!(failure, Failure::Threw(_)) {
                    error.message.push_str("\n(nothing awaited this; is an await missing?)");
                }
                Ending::Threw(error)
            }
        };
        let told = self.host.send(&FromChild::Ended(ending));
        self.parted(told)
    }

    /// The end of a conversation: an error means that the parent is gone.
    pub(super) fn parted(&self, told: JsResult<()>) -> std::io::Result<()> {
        match (told, self.host.take_stop()) {
            (Err(_), Some(Stop::Gone(error))) => Err(error),
            _ => Ok(()),
        }
    }

    fn play(&mut self, source: Source) -> Result<(), Failure> {
        let module = self.load(source)?;
        let exported = module.get_value(js_string!("default"), &mut self.context);
        let exported = exported.map_err(|error| self.failure(error))?;
        let Some(function) = exported.as_function() else {
            return Err(self.no_function(&exported));
        };
        let result = function.call(&JsValue::undefined(), &[], &mut self.context);
        let result = result.and_then(|value| JsPromise::resolve(value, &mut self.context));
        let promise = result.map_err(|error| self.failure(error))?;
        self.settle(&promise)?;
        self.check_nothing_is_open()?;
        self.outlast()
    }

    /// Lets what the script began and did not await come to its end: a request without an answer
    /// may be refused yet, and what would follow upon it may fail, so to pass before that would be
    /// to pass whatever happens.
    ///
    /// Nobody waits for the timers that are left, though: the guard of a `Promise.race` that was
    /// won would make each run last as long as the guard. They come at once.
    fn outlast(&mut self) -> Result<(), Failure> {
        self.host.has_returned.set(true);
        let mut are_hastened = false;
        loop {
            self.drain()?;
            self.check_nothing_is_rejected()?;
            self.check_nothing_is_open()?;
            if !self.host.awaits_answers() && !are_hastened {
                self.host.timers.hasten();
                are_hastened = true;
            }
            if !self.host.awaits_answers() && !self.host.timers.are_awaited() {
                return Ok(());
            }
            let turned = self.turn();
            turned.map_err(|error| self.failure(error))??;
        }
    }

    /// Loads, links and evaluates the entry module.
    pub(super) fn load(&mut self, source: Source) -> Result<Module, Failure> {
        let entry = source.entry.clone();
        *self.host.sources.borrow_mut() = source.modules;
        if !super::modules::has_source(&entry, &self.context) {
            return Err(self.unloadable(&format!("there is no file {entry}")));
        }
        let module = self.modules.load(&entry, &mut self.context);
        let module = module.map_err(|error| unloadable(self.failure(error)))?;
        let loading = module.load(&mut self.context);
        self.settle(&loading).map_err(unloadable)?;
        let linked = module.link(&mut self.context);
        linked.map_err(|error| {
            let error = exports::explain(error, &mut self.context);
            unloadable(self.failure(error))
        })?;
        let evaluating = module.evaluate(&mut self.context);
        let evaluating = evaluating.map_err(|error| self.failure(error))?;
        self.settle(&evaluating)?;
        Ok(module)
    }

    fn failure(&mut self, error: boa_engine::JsError) -> Failure {
        Failure::of(error, &self.host, &mut self.context)
    }

    fn unloadable(&mut self, message: &str) -> Failure {
        let error = boa_engine::JsNativeError::error().with_message(message.to_owned());
        Failure::Unloadable(error.into_opaque(&mut self.context).into())
    }

    fn no_function(&mut self, exported: &JsValue) -> Failure {
        let message = if exported.is_undefined() {
            "the module has no default export; a check is `export default async function () { .. }`"
        } else {
            "the default export is no function; a check is `export default async function () { .. }`"
        };
        self.unloadable(message)
    }

    /// A script that forgot an `await` would pass whatever happens, so it fails.
    fn check_nothing_is_open(&self) -> Result<(), Failure> {
        if let Some(step) = self.host.innermost_open_step() {
            let name = self.host.steps.borrow()[step as usize].name.clone();
            return Err(Failure::Unfinished(format!(
                "the script ended while its step {name:?} was still open; is an await missing?"
            )));
        }
        if self.host.open_expectations.get() > 0 {
            return Err(Failure::Unfinished(
                "the script ended before an expect(..).resolves or .rejects was decided; \
                 is an await missing?"
                    .to_owned(),
            ));
        }
        if let Some((_, position)) = self.host.unjudged.borrow().first_key_value() {
            let place =
                position.as_ref().map(|(file, line, column)| format!(" at {file}:{line}:{column}"));
            return Err(Failure::Unfinished(format!(
                "expect(..){} was called without a matcher and checks nothing; \
                 add one, such as .toBe(200), or see what threw before it",
                place.unwrap_or_default()
            )));
        }
        Ok(())
    }

    /// Runs jobs, timers and answers until the promise settles.
    pub(super) fn settle(&mut self, promise: &JsPromise) -> Result<(), Failure> {
        loop {
            self.drain()?;
            match promise.state() {
                PromiseState::Fulfilled(_) => return Ok(()),
                PromiseState::Rejected(reason) => return Err(Failure::Threw(reason)),
                PromiseState::Pending => {}
            }
            self.check_nothing_is_rejected()?;
            let turned = self.turn();
            turned.map_err(|error| self.failure(error))??;
        }
    }

    /// Runs the jobs that are due.
    fn drain(&mut self) -> Result<(), Failure> {
        let drained = self.queue.drain(&self.host, &mut self.context);
        drained.map_err(|error| self.failure(error))?;
        self.host.take_stop().map_or(Ok(()), |stop| Err(Failure::Stopped(stop)))
    }

    /// A rejected promise that nobody handles is an error that nobody caught.
    fn check_nothing_is_rejected(&self) -> Result<(), Failure> {
        // The first is the cause; those behind it follow from it.
        let unhandled = self.host.unhandled.borrow().first().cloned();
        unhandled.map_or(Ok(()), |(_, reason)| Err(Failure::Threw(reason)))
    }

    /// One timer or one message, waiting for it if need be.
    fn turn(&mut self) -> JsResult<Result<(), Failure>> {
        if self.host.check_deadline() {
            return Ok(Ok(()));
        }
        if timers::run_due(&self.host, &mut self.context)? {
            return Ok(Ok(()));
        }
        let next_timer = self.host.timers.next_due();
        if next_timer.is_none() && !self.host.awaits_answers() {
            return Ok(Err(Failure::Unfinished(
                "the script never finished: it awaits something that can no longer happen, \
                 or the engine stopped it after an await (endless recursion?)"
                    .to_owned(),
            )));
        }
        let until_timer = next_timer.map(|due| due.saturating_sub(self.host.elapsed()));
        let wait = shortest(until_timer, self.host.time_left());
        if let Some(ToChild::Answer(number, answer)) = self.host.next_message(wait)? {
            web::answered(number, answer, &self.host, &mut self.context)?;
        }
        Ok(Ok(()))
    }
}

fn shortest(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// What fails before the script's own code runs is a fault of the script as such.
fn unloadable(failure: Failure) -> Failure {
    match failure {
        Failure::Threw(value) => Failure::Unloadable(value),
        other => other,
    }
}
