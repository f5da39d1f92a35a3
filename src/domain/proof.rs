//! Proof: what a provider says of a message later, after it took it.
//!
//! | the provider said last | then |
//! |---|---|
//! | nothing, queued or sending, lately | it is asked again |
//! | nothing, for [`FOLLOWED`] | it is not asked any more; the message counts as sent |
//! | queued or sending, longer than [`OVERDUE`] after it took the message | it did not arrive |
//! | sent | it has arrived as far as is known; asked again for [`SETTLED`] |
//! | delivered | it has arrived |
//! | undelivered or failed | it did not arrive |
//!
//! What is said may come twice and in any order: a word counts only if it is later in this table than
//! the one before it. What did not arrive is given up, and others are told instead
//! ([`succession`](super::succession)); if it arrives after all, that is noted and changes nothing.

use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;

use super::policy::{Channel, Recipient};
use super::{Timestamp, after};

/// How a message stands with its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It waits at the provider.
    Queued,
    /// It is on its way out of the provider.
    Sending,
    /// It has been queued or sending for too long; our word, not the provider's.
    Overdue,
    /// The next network has it.
    Sent,
    /// The next network did not deliver it.
    Undelivered,
    /// The provider did not send it.
    Failed,
    /// It is there.
    Delivered,
}

impl Status {
    /// All of them, as they follow one another.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sending,
        Self::Overdue,
        Self::Sent,
        Self::Undelivered,
        Self::Failed,
        Self::Delivered,
    ];

    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Overdue => "overdue",
            Self::Sent => "sent",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
        }
    }

    /// Whether the message did not arrive, as far as is known.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Overdue | Self::Undelivered | Self::Failed)
    }

    /// Whether nothing more is to be expected.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Undelivered | Self::Failed | Self::Delivered)
    }

    /// Whether it is news after `before`: later, and not after the end.
    pub fn is_news_after(self, before: Option<Self>) -> bool {
        before.is_none_or(|before| !before.is_final() && before < self)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a provider says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// How it stands.
    pub status: Status,
    /// The provider's number for why, where it gives one.
    pub code: Option<u32>,
}

impl Word {
    /// Why the message counts as given up, where it did not arrive.
    pub fn reason(self) -> Option<String> {
        let why = match self.status {
            Status::Overdue => {
                format!("still not sent on {} minutes after it was taken", OVERDUE.as_secs() / 60)
            }
            status if status.is_loss() => status.as_str().to_owned(),
            _ => return None,
        };
        Some(match self.code {
            Some(code) => format!("not delivered: {why}, {code}"),
            None => format!("not delivered: {why}"),
        })
    }
}

/// How soon after a message was taken its provider is asked first; the waits grow from then on.
pub const FIRST: Duration = Duration::from_secs(2);
/// The longest wait between two questions.
pub const LONGEST: Duration = Duration::from_mins(1);
/// A message that has not left its provider for so long is told to others.
pub const OVERDUE: Duration = Duration::from_mins(5);
/// So long after it was taken, one that is sent is not asked about any more.
pub const SETTLED: Duration = Duration::from_mins(15);
/// So long after it was taken, no message is asked about any more.
pub const FOLLOWED: Duration = Duration::from_hours(4);

/// What stands for a receipt where a message was shown and not sent.
pub const PRINTED: &str = "printed";

/// When the provider is asked first about a message to `recipient` that it took at `taken_at`; `None`
/// where it says nothing later.
pub fn first_asked(recipient: &Recipient, receipt: &str, taken_at: Timestamp) -> Option<Timestamp> {
    let is_followed = recipient.channel() == Channel::Sms && receipt != PRINTED;
    is_followed.then(|| after(taken_at, FIRST))
}

/// When the provider is asked again at `now` about a message that it took at `taken_at` and said `last`
/// of; `None` where it is not.
pub fn asked_again(last: Option<Status>, taken_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let age = (now - taken_at).to_std().unwrap_or_default();
    let followed = match last {
        Some(status) if status.is_final() => return None,
        Some(Status::Sent) => SETTLED,
        _ => FOLLOWED,
    };
    (age < followed).then(|| after(now, age.clamp(FIRST, LONGEST)))
}

/// What `word` means at `now` of a message that was taken at `taken_at`: what waits too long at its
/// provider is overdue.
pub fn judged(word: Word, taken_at: Timestamp, now: Timestamp) -> Word {
    let is_waiting = matches!(word.status, Status::Queued | Status::Sending);
    let overdue = TimeDelta::from_std(OVERDUE).unwrap_or_default();
    if is_waiting && now - taken_at > overdue {
        return Word { status: Status::Overdue, ..word };
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::PersonId;

    fn at(second: u64) -> Timestamp {
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        start + Duration::from_secs(second)
    }

    #[test]
    fn words_in_any_order_end_in_the_same() {
        use Status::{Delivered, Failed, Overdue, Queued, Sending, Sent, Undelivered};
        for said in [
            &[Queued, Sending, Sent, Delivered][..],
            &[Delivered, Sent, Queued],
            &[Overdue, Delivered, Undelivered],
        ] {
            let fold = |last: Option<Status>, word: &Status| {
                if word.is_news_after(last) { Some(*word) } else { last }
            };
            assert_eq!(said.iter().fold(None, fold), Some(Delivered), "{said:?}");
        }
        assert!(!Delivered.is_news_after(Some(Failed)), "the end is the end");
        assert!(Undelivered.is_news_after(Some(Sent)));
        assert!(!Sent.is_news_after(Some(Sent)));
    }

    #[test]
    fn only_what_was_really_sent_by_sms_is_followed() {
        let ana = Recipient::Sms(PersonId::new("ana").expect("a name"));
        assert_eq!(first_asked(&ana, "SM1", at(0)), Some(at(2)));
        assert_eq!(first_asked(&ana, crate::notify::printed::RECEIPT, at(0)), None);
        assert_eq!(first_asked(&Recipient::Slack("#p1".into()), "C1/2", at(0)), None);
    }

    #[test]
    fn questions_become_rarer_and_end() {
        assert_eq!(asked_again(None, at(0), at(1)), Some(at(3)));
        assert_eq!(asked_again(Some(Status::Queued), at(0), at(16)), Some(at(32)));
        assert_eq!(asked_again(None, at(0), at(600)), Some(at(660)));
        assert_eq!(asked_again(None, at(0), at(4 * 3600)), None);
        assert_eq!(asked_again(Some(Status::Sent), at(0), at(899)), Some(at(959)));
        assert_eq!(asked_again(Some(Status::Sent), at(0), at(900)), None);
        assert_eq!(asked_again(Some(Status::Delivered), at(0), at(3)), None);
    }

    #[test]
    fn what_waits_too_long_did_not_arrive() {
        let queued = Word { status: Status::Queued, code: None };
        assert_eq!(judged(queued, at(0), at(300)), queued);
        let overdue = judged(queued, at(0), at(301));
        assert_eq!(overdue.status, Status::Overdue);
        let why = "not delivered: still not sent on 5 minutes after it was taken";
        assert_eq!(overdue.reason().as_deref(), Some(why));
        let sent = Word { status: Status::Sent, code: None };
        assert_eq!(judged(sent, at(0), at(9999)), sent);
        let lost = Word { status: Status::Undelivered, code: Some(30003) };
        assert_eq!(lost.reason().as_deref(), Some("not delivered: undelivered, 30003"));
        assert_eq!(sent.reason(), None);
    }
}
