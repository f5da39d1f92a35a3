//! What a request carried and what came back, as JSON.

use serde::{Deserialize, Serialize};

use crate::domain::exchange::{Exchange, Message};

#[derive(Serialize, Deserialize)]
pub(super) struct ExchangeRow {
    sent: MessageRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received: Option<MessageRow>,
}

#[derive(Serialize, Deserialize)]
struct MessageRow {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    length: u64,
}

impl From<&Exchange> for ExchangeRow {
    fn from(Exchange { sent, received }: &Exchange) -> Self {
        Self { sent: sent.into(), received: received.as_ref().map(MessageRow::from) }
    }
}

impl From<ExchangeRow> for Exchange {
    fn from(ExchangeRow { sent, received }: ExchangeRow) -> Self {
        Self { sent: sent.into(), received: received.map(Message::from) }
    }
}

impl From<&Message> for MessageRow {
    fn from(message: &Message) -> Self {
        let Message { headers, body, length } = message.clone();
        Self { headers, body, length }
    }
}

impl From<MessageRow> for Message {
    fn from(MessageRow { headers, body, length }: MessageRow) -> Self {
        Self { headers, body, length }
    }
}
