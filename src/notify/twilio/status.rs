//! What Twilio says of a message after it took it.
//! Source: <https://www.twilio.com/docs/messaging/api/message-resource#message-status-values>.

use super::signature::Form;
use crate::domain::proof::{Status, Word};

/// Where Twilio brings what it says, below the address by which it reaches the hub.
pub const PATH: &str = "/api/v1/twilio/status";

/// What Twilio says in a request; the message, and the word.
pub fn read(form: &Form) -> Option<(String, Word)> {
    let receipt = form.field("MessageSid");
    let word = word(form.field("MessageStatus"), form.field("ErrorCode").parse().ok())?;
    (!receipt.is_empty()).then(|| (receipt.to_owned(), word))
}

/// A word of Twilio's; `None` where it is not one that we know of messages that go out.
pub(super) fn word(status: &str, code: Option<u32>) -> Option<Word> {
    let status = match status {
        "accepted" | "scheduled" | "queued" => Status::Queued,
        "sending" => Status::Sending,
        "sent" => Status::Sent,
        "delivered" | "read" => Status::Delivered,
        "undelivered" => Status::Undelivered,
        "failed" | "canceled" => Status::Failed,
        _ => return None,
    };
    // Zero is no error.
    Some(Word { status, code: code.filter(|code| *code != 0) })
}
