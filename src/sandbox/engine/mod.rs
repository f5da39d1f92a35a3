//! The JavaScript engine inside the sealed child, and the script API.
//!
//! An [`Engine`] is prepared ahead of need and serves one script: it reads one job from its
//! [`Port`], runs it, streams what happens, and sends how it ended. Everything the script wants from
//! the outside is a message over the port.
//!
//! To add a function to the script API: write it in `api` (or, when it is one of the Web, in
//! `web`) and put it into the list there; when it asks for something outside, give it a
//! `protocol::Question`; declare it in `checks/tripline.d.ts`, where a test looks for it; say in
//! `docs/scripts.md` what it is for.
//!
//! Invariants:
//! - this module opens no file, no socket and starts no thread: the port is its only way out;
//! - one thread, no async runtime: while a script waits, the thread waits in [`Port::receive`];
//! - nothing a script does can make a frame that says more than the script's own report;
//! - no hard limit stands here: memory, stack and time are bounded from outside the process.

#![expect(clippy::unnecessary_wraps, reason = "the functions of the script API share one type")]

mod api;
mod console;
mod date;
mod describe;
mod errors;
mod events;
mod executor;
mod expect;
mod hooks;
mod host;
mod inspect;
mod modules;
mod native;
mod page;
mod places;
mod run;
mod scan;
mod sort;
mod spans;
mod table;
#[cfg(test)]
mod tests;
mod timers;
mod web;

use std::rc::Rc;
use std::time::Duration;

use boa_engine::Context;
use boa_engine::context::ContextBuilder;

use super::protocol::{FromChild, ToChild};
use executor::Queue;
use hooks::Hooks;
use host::Host;
use modules::Modules;

/// The child's side of the conversation.
pub trait Port {
    /// Sends one message. An error means that the parent is gone; the caller gives up.
    fn send(&mut self, message: &FromChild) -> std::io::Result<()>;
    /// Waits for a message, at most `timeout`; `None` waits without end.
    fn receive(&mut self, timeout: Option<Duration>) -> std::io::Result<Received>;
}

/// What came over a [`Port`].
#[derive(Debug)]
pub enum Received {
    /// A message.
    Message(ToChild),
    /// Nothing within the time.
    TimedOut,
    /// The parent has closed its side.
    Closed,
}

/// What an engine was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// A script was described; the parent may ask for another, of another engine.
    Described,
    /// A script ran, or there is nothing more to do.
    Over,
}

/// An engine with realm and script API loaded, waiting for its one script.
pub struct Engine {
    context: Context,
    host: Rc<Host>,
    queue: Rc<Queue>,
    modules: Rc<Modules>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Builds the realm and the script API. Costs under a millisecond, and is meant to be done
    /// before a script is at hand.
    ///
    /// # Panics
    ///
    /// Only if the engine cannot build a context without special options, which it always can.
    pub fn prepare() -> Self {
        let host = Rc::new(Host::default());
        let queue = Rc::new(Queue::default());
        let modules = Rc::new(Modules::default());
        let mut context = ContextBuilder::new()
            .job_executor(queue.clone())
            .module_loader(modules.clone())
            .host_hooks(Rc::new(Hooks::new(host.clone())))
            .can_block(false)
            .build()
            .expect("a context without special options can be built");
        let limits = context.runtime_limits_mut();
        limits.set_recursion_limit(1024);
        limits.set_stack_size_limit(1 << 20);
        limits.disable_loop_iteration_limit();
        context.insert_data(host.clone());
        native::install(&mut context);
        Self { context, host, queue, modules }
    }

    /// Waits for one [`ToChild::Run`] or [`ToChild::Describe`], does it, sends how it ended, and
    /// returns. An error means that the parent is gone.
    pub fn serve(self, mut port: Box<dyn Port>) -> std::io::Result<Served> {
        loop {
            match port.receive(None)? {
                Received::Message(ToChild::Run(job)) => {
                    return self.run(port, job).map(|()| Served::Over);
                }
                Received::Message(ToChild::Describe(source)) => {
                    return self.describe(port, source).map(|()| Served::Described);
                }
                Received::Message(ToChild::Answer(..)) | Received::TimedOut => {}
                Received::Closed => return Ok(Served::Over),
            }
        }
    }
}
