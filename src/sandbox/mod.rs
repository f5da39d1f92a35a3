//! One script in one sealed child process.
//!
//! A run of a script is a conversation: the parent (the agent) sends a [`protocol::Job`], the child
//! answers with a stream of events and requests, and the parent carries out the requests through a
//! [`Host`]. The child has no network, no files, no environment and no other processes; whatever it
//! sends may be hostile, so nothing it says is trusted beyond its own report.
//!
//! The parent's side: a [`Pool`] keeps children ready (`demand` says how many, `spawner` starts them,
//! `process` ends them), [`run()`] takes one and holds a `conversation` with it, in which `caps`
//! bounds what it may say and `questions` what it may ask; [`End`] says what came of it. The child's
//! side: [`child`] puts up the `seal` and hands its `port` to the [`engine`].
//!
//! To let scripts ask for something new: a variant of [`protocol::Question`] and its answer, a
//! method of [`Host`], a line in `questions`, and the function in the engine.
//!
//! Invariants:
//! - script text is parsed and run in a child only, never in this process;
//! - a child runs one script and ends; it is never used again. Only the options of scripts are read
//!   several to a child, each in an engine of its own: that has no effect and knows no secret;
//! - the child is killed from outside at the deadline, whatever it does;
//! - everything that the child said before it ended is kept;
//! - this module opens no connection and knows no secret: the [`Host`] does.

mod bounded;
mod caps;
pub mod child;
mod conversation;
mod demand;
pub mod end;
pub mod engine;
mod frame;
pub mod json;
mod outbox;
pub mod pool;
mod port;
mod probe;
mod process;
mod processor;
pub mod protocol;
mod questions;
pub mod run;
mod seal;
mod spawner;

pub use end::{End, Limits};
pub use pool::{Lease, Options, Pool, Seal};
pub use process::Remains;
pub use run::{Describer, Ran, run, run_in};

use std::time::Duration;

use async_trait::async_trait;

/// What a running script may ask of the outside. The agent implements it; tests bring their own.
///
/// `at` is the time since the start of the run.
#[async_trait]
pub trait Host: Send + Sync {
    /// Makes a request. Dropping the future abandons it.
    async fn fetch(
        &self,
        request: protocol::FetchRequest,
    ) -> Result<protocol::FetchResponse, protocol::FetchError>;

    /// The value of a secret, or why there is none.
    fn secret(&self, name: &str) -> Result<String, String>;

    /// The present one-time password (RFC 6238) of a stored seed, or why there is none.
    fn totp(&self, name: &str) -> Result<String, String>;

    /// Something the script did or said: a step, a log line, a measurement.
    fn event(&self, at: Duration, event: protocol::Event);
}
