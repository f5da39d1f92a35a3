//! A channel without credentials: messages are shown instead of sent, and count as sent.
//!
//! Nothing is dropped: what would have been sent is handed to whoever shows it, and kept.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Digest, Outbound, Transport, render};
use crate::domain::id::IncidentId;
use crate::domain::notification::Attempt;
use crate::domain::policy::{Channel, Recipient};

/// The receipt of every printed message.
pub const RECEIPT: &str = "printed";

/// A message that would have been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintedMessage {
    /// Who would have got it.
    pub recipient: Recipient,
    /// The recipient's telephone number, where it would have needed one and there is one.
    pub phone: Option<String>,
    /// The incident it is about.
    pub incident: IncidentId,
    /// What it says: the SMS itself, the e-mail with its subject, or any other message as lines of
    /// text.
    pub text: String,
}

impl PrintedMessage {
    /// Writes what would have been sent.
    pub fn of(message: &Outbound<'_>) -> Self {
        let notification = message.notification;
        let text = match notification.recipient.channel() {
            Channel::Slack | Channel::Webhook | Channel::Pagerduty => render::plain(message),
            Channel::Sms | Channel::Rota => render::sms(message),
            Channel::Email | Channel::EmailRota => {
                let mail = render::mail(message);
                format!("{}\n{}", mail.subject, mail.text)
            }
        };
        Self {
            recipient: notification.recipient.clone(),
            phone: message.phone.map(str::to_owned),
            incident: notification.incident,
            text,
        }
    }
}

impl PrintedMessage {
    /// Writes the digest that would have been sent.
    pub fn of_digest(digest: &Digest<'_>) -> Self {
        let text = match digest.head.recipient.channel() {
            Channel::Sms => render::sms_digest(digest, false),
            _ => render::plain_digest(digest),
        };
        Self {
            recipient: digest.head.recipient.clone(),
            phone: digest.phone.map(str::to_owned),
            incident: digest.head.incident,
            text,
        }
    }
}

/// Shows messages instead of sending them.
#[derive(Clone)]
pub struct Printed {
    show: Arc<dyn Fn(&PrintedMessage) + Send + Sync>,
}

impl fmt::Debug for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printed").finish_non_exhaustive()
    }
}

impl Printed {
    /// Hands every message to `show`, which must not block for long.
    pub fn new(show: impl Fn(&PrintedMessage) + Send + Sync + 'static) -> Self {
        Self { show: Arc::new(show) }
    }
}

#[async_trait]
impl Transport for Printed {
    async fn send(&self, message: Outbound<'_>) -> Attempt {
        let printed = PrintedMessage::of(&message);
        (self.show)(&printed);
        Attempt::Accepted { receipt: RECEIPT.into() }
    }

    async fn send_digest(&self, digest: &Digest<'_>) -> Attempt {
        (self.show)(&PrintedMessage::of_digest(digest));
        Attempt::Accepted { receipt: RECEIPT.into() }
    }
}
