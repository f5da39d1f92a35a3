//! What a request carried and what came back, as it travels with a report.

use serde::{Deserialize, Serialize};

use crate::domain::exchange::{Exchange, Message};

/// What was sent and what was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExchangeMessage {
    #[serde(default)]
    sent: HeadAndBody,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received: Option<HeadAndBody>,
}

/// A head and a body.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct HeadAndBody {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default)]
    length: u64,
}

impl From<&Exchange> for ExchangeMessage {
    fn from(Exchange { sent, received }: &Exchange) -> Self {
        Self { sent: sent.into(), received: received.as_ref().map(HeadAndBody::from) }
    }
}

impl From<ExchangeMessage> for Exchange {
    fn from(ExchangeMessage { sent, received }: ExchangeMessage) -> Self {
        Self { sent: sent.into(), received: received.map(Message::from) }
    }
}

impl From<&Message> for HeadAndBody {
    fn from(message: &Message) -> Self {
        let Message { headers, body, length } = message.clone();
        Self { headers, body, length }
    }
}

impl From<HeadAndBody> for Message {
    fn from(HeadAndBody { headers, body, length }: HeadAndBody) -> Self {
        Self { headers, body, length }
    }
}
