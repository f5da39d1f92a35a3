//! What is kept of a message that Slack took, so that later ones find it.

use std::fmt;

use crate::domain::notification::Attempt;
use crate::notify::exchange::said;

/// Where a message is. As text: `C1/17.2`, `C1/17.3 in 17.2` for a reply, `webhook` where Slack
/// does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Receipt {
    /// A message of a bot.
    Posted {
        /// The channel's id.
        channel: String,
        /// The message's name in it.
        ts: String,
        /// The message that it answers.
        thread: Option<String>,
    },
    /// By a webhook, which names no message.
    Webhook,
}

/// The message that the others about the same incident answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Root<'a> {
    /// The channel's id.
    pub(super) channel: &'a str,
    /// The message's name in it.
    pub(super) ts: &'a str,
}

impl Receipt {
    /// One for what was posted; somebody else's words are cut and cleaned.
    pub(super) fn posted(channel: &str, ts: &str, thread: Option<&str>) -> Self {
        Self::Posted { channel: said(channel), ts: said(ts), thread: thread.map(str::to_owned) }
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Posted { channel, ts, thread: None } => write!(f, "{channel}/{ts}"),
            Self::Posted { channel, ts, thread: Some(root) } => {
                write!(f, "{channel}/{ts} in {root}")
            }
            Self::Webhook => f.write_str(Attempt::BY_WEBHOOK),
        }
    }
}

impl<'a> Root<'a> {
    /// The root that a receipt tells of, be it of the root itself or of a reply; `None` for all
    /// other receipts.
    pub(super) fn of(receipt: &'a str) -> Option<Self> {
        let (channel, rest) = receipt.split_once('/')?;
        let ts = rest.split_once(" in ").map_or(rest, |(_, root)| root);
        let is_id = !channel.is_empty() && channel.bytes().all(|it| it.is_ascii_alphanumeric());
        let is_ts = |(whole, part): (&str, &str)| {
            let digits =
                |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
            digits(whole) && digits(part)
        };
        (is_id && ts.split_once('.').is_some_and(is_ts)).then_some(Self { channel, ts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_leads_back_to_the_root() {
        let root = Receipt::posted("C1", "17.2", None).to_string();
        let reply = Receipt::posted("C1", "18.4", Some("17.2")).to_string();
        assert_eq!((root.as_str(), reply.as_str()), ("C1/17.2", "C1/18.4 in 17.2"));
        for receipt in [root, reply] {
            assert_eq!(Root::of(&receipt), Some(Root { channel: "C1", ts: "17.2" }));
        }
        for other in ["webhook", "printed", "/17.2", "C1/", "C1/x.1", "C1/17.2 in ", "C 1/17.2"] {
            assert_eq!(Root::of(other), None, "{other}");
        }
    }
}
