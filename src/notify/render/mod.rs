//! What a notification looks like on each channel; pure.
//!
//! Everything in a notice may come from the system that is watched, so it is data wherever it
//! stands: no text of it becomes a link, a mention or formatting, hides itself, or makes a message
//! longer than the channel takes. Only the link to the incident and the runbook, which come from
//! the operator and the author, are links.

mod brief;
mod clean;
mod degraded;
mod digest;
mod drill;
mod gsm;
mod living;
mod mail;
mod payload;
mod plain;
mod rehearsal;
mod slack;
mod sms;
mod wording;

#[cfg(test)]
mod tests;

pub use brief::brief;
pub use degraded::degraded;
pub use digest::{plain_digest, slack_digest, sms_digest};
pub use living::{ACKNOWLEDGE, Buttons, Place, RUN, RUNBOOK, SILENCE, living, reply};
pub use mail::{Mail, mail, mail_digest, mail_of};
pub use payload::payload;
pub use plain::plain;
pub use rehearsal::rehearsal;
pub use slack::{SlackMessage, slack};
pub use sms::{SMS_LIMIT, answerable_sms, sms};

pub(super) use clean::{cut, line};
pub(super) use gsm::forced as gsm;
pub(super) use slack::prose;
pub(super) use wording::{request, web_address};
