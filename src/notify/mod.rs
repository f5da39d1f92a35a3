//! Telling people: the contract of a channel, and the channels.
//!
//! A transport takes one notification to one recipient, once, and says what came of it. It does not
//! retry, does not decide what follows, stores nothing and reads no clock; the delivery loop does
//! all that, so each transport is only the provider's protocol. Rendering is pure and apart from
//! sending.
//!
//! What is told of many incidents at once may come as a [`Digest`].
//!
//! To add a channel: a variant of `domain::policy::{Channel, Target, Recipient}`, with which the
//! compiler names all that asks what a channel is like (whether it follows an incident, whether it
//! wakes anybody, whether much is gathered into one message, its row, its word in the API); a file here
//! that implements [`Transport`], and its form in `render`; its section in `config::settings`, with what
//! a target may name there; a line in `app::channels`; and a test against a fake that speaks the
//! provider's protocol. Nothing else knows of channels.

mod digest;
pub mod email;
mod exchange;
pub mod heartbeat;
pub mod memory;
pub mod pagerduty;
mod picture;
pub mod printed;
pub mod render;
pub mod slack;
mod thread;
pub mod twilio;
pub mod webhook;

use async_trait::async_trait;

pub use digest::{Digest, Item};
pub use exchange::SetupError;
pub use picture::{Picture, Shown};
pub use thread::{Paging, Thread};

use crate::domain::Timestamp;
use crate::domain::notification::{Attempt, Notification};
use crate::domain::proof::Word;

/// One message on its way.
#[derive(Debug, Clone, Copy)]
pub struct Outbound<'a> {
    /// What to send.
    pub notification: &'a Notification,
    /// The recipient's telephone number (E.164), where the channel needs one and there is one.
    pub phone: Option<&'a str>,
    /// The recipient's e-mail address, where the channel needs one and there is one.
    pub email: Option<&'a str>,
    /// When it leaves.
    pub at: Timestamp,
    /// Where the incident can be looked at.
    pub link: Option<&'a str>,
    /// What the recipient was told of the incident before, where it follows incidents.
    pub thread: Option<&'a Thread>,
}

/// One way to tell people.
#[async_trait]
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Tries once, within ten seconds. Whether the message may have arrived is part of the answer:
    /// an error before the first byte left is [`Attempt::Retry`], one after it
    /// [`Attempt::Ambiguous`].
    async fn send(&self, message: Outbound<'_>) -> Attempt;

    /// The same for a digest. Asked only of channels for which
    /// [`Bounds::of`](crate::domain::storm::Bounds::of) has a limit.
    async fn send_digest(&self, _digest: &Digest<'_>) -> Attempt {
        Attempt::GiveUp { reason: "this channel tells incidents one by one".to_owned() }
    }

    /// Shows a picture beside a message that was accepted, by its receipt. Nothing depends on it.
    async fn show(&self, _receipt: &str, _picture: &Picture) -> Shown {
        Shown::Never { reason: "this channel shows no pictures".to_owned() }
    }

    /// Asks the provider about a message that it took, by its receipt; changes nothing.
    async fn ask(&self, _receipt: &str) -> Inquiry {
        Inquiry::Untold("nothing is told of messages here".into())
    }
}

/// What a provider says of a message when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inquiry {
    /// How it stands.
    Told(Word),
    /// It did not say; why.
    Untold(String),
}
