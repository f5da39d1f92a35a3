//! The JavaScript engine inside the child, and the script API.

use std::time::Duration;

use super::protocol::{FromChild, ToChild};

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

/// An engine with realm and script API loaded, waiting for its one script.
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// Builds the realm and the script API.
    pub fn prepare() -> Self {
        Self
    }

    /// Waits for one [`ToChild::Run`] or [`ToChild::Describe`], does it, sends how it ended, and
    /// returns. An error means that the parent is gone.
    pub fn serve(self, mut port: Box<dyn Port>) -> std::io::Result<()> {
        port.receive(None).map(|_| ())
    }
}
