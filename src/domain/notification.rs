//! A notification: a message owed to one recipient; and its deliveries, the attempts to send it.
//!
//! | state | attempt | next |
//! |---|---|---|
//! | owed | accepted | sent |
//! | owed | failed, may work later | owed, due after a wait; given up after [`PATIENCE`], and what is neither an alarm nor a drill after [`LONG_PATIENCE`] |
//! | owed | no answer after the message left | owed once more, marked as a possible repeat |
//! | owed, possible repeat | its sender was killed before it left | owed, as before |
//! | owed, possible repeat | its sender was killed after it left | given up, as without an answer |
//! | owed, possible repeat | no answer again | given up: two may have arrived, more would not help |
//! | owed | refused for good | given up |
//! | owed | the channel itself is broken | given up; what is no alarm is owed, as after a failure |
//! | sent | the provider says later that it did not arrive ([`proof`](super::proof)) | given up |
//! | owed | not made, because its claim was about to end | owed, due at once; no failure |
//! | owed | a recovery is decided first | superseded: the recovery says both |
//! | owed, of what fails | that is to be told once more first | superseded: the later one says both |
//!
//! | owed to a rota | | handed on: the same is owed to those who are called in its place |
//! | gathered into a digest ([`storm`](super::storm)) | the digest is accepted | in a digest |
//!
//! Given up, superseded, handed on and in a digest are final, and so is sent, but for what its provider
//! says later. What an attempt at a digest means for each that is gathered in it,
//! [`storm::share`](super::storm::share) says. Of what is given up, [`succession`](super::succession) decides
//! who is told instead; where nobody can be, the message is owed again.

use std::time::Duration;

use super::Timestamp;
use super::backoff::Backoff;
use super::id::{IncidentId, NotificationId};
use super::notice::{Notice, NoticeKind};
use super::policy::Recipient;

/// A message owed to one recipient.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Its number.
    pub id: NotificationId,
    /// What it is about.
    pub incident: IncidentId,
    /// Who gets it.
    pub recipient: Recipient,
    /// What it says.
    pub notice: Notice,
    /// Whether the recipient heard of the incident before; a recovery that is the first word says
    /// both in one message.
    pub first_word: bool,
    /// When it was owed.
    pub owed_at: Timestamp,
    /// Failed attempts so far.
    pub failures: u32,
    /// Whether an earlier attempt may have arrived.
    pub possible_repeat: bool,
}

/// Where a notification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationState {
    /// Still to be sent.
    Owed,
    /// Accepted by the channel's provider, or printed where there are no credentials.
    Sent,
    /// It did not arrive as far as is known, and is not tried again.
    GivenUp,
    /// A later message says it too.
    Superseded,
    /// It was owed to a rota, and is owed to people in its place.
    HandedOn,
    /// Told in a digest, which was the message of another notification and was accepted.
    InDigest,
}

impl NotificationState {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Owed, Self::Sent, Self::GivenUp, Self::Superseded, Self::HandedOn, Self::InDigest];

    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Sent => "sent",
            Self::GivenUp => "given_up",
            Self::Superseded => "superseded",
            Self::HandedOn => "handed_on",
            Self::InDigest => "in_digest",
        }
    }
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The provider took it; its receipt, such as a message id.
    Accepted {
        /// The provider's name for the message, or "printed".
        receipt: String,
    },
    /// It did not leave or was refused for now.
    Retry {
        /// Why.
        reason: String,
        /// The provider's own wish (`Retry-After`).
        after: Option<Duration>,
    },
    /// It may have arrived: it left, and no answer came.
    Ambiguous {
        /// Why we do not know.
        reason: String,
    },
    /// It will not work however often it is tried.
    GiveUp {
        /// Why.
        reason: String,
    },
    /// Nothing works by this channel until somebody sets it right: the account is not ours any more.
    Broken {
        /// Why.
        reason: String,
    },
}

impl Attempt {
    /// The word for one that the provider took.
    pub const ACCEPTED: &str = "accepted";
    /// The receipt of a message to a channel of Slack that has a webhook: it says nothing of the bot.
    pub const BY_WEBHOOK: &str = "webhook";
    /// The word for one that failed and may work later.
    pub const RETRY: &str = "retry";
    /// The word for one that found the channel broken.
    pub const BROKEN: &str = "broken";

    /// The word used in the store and in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => Self::ACCEPTED,
            Self::Retry { .. } => Self::RETRY,
            Self::Ambiguous { .. } => "ambiguous",
            Self::GiveUp { .. } => "given_up",
            Self::Broken { .. } => Self::BROKEN,
        }
    }

    /// The receipt or the reason.
    pub fn detail(&self) -> &str {
        match self {
            Self::Accepted { receipt } => receipt,
            Self::Retry { reason, .. }
            | Self::Ambiguous { reason }
            | Self::GiveUp { reason }
            | Self::Broken { reason } => reason,
        }
    }
}

/// What an attempt leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The state after the attempt.
    pub state: NotificationState,
    /// When to try again, while still owed.
    pub due_at: Timestamp,
    /// Failed attempts so far.
    pub failures: u32,
    /// Whether an attempt may have arrived.
    pub possible_repeat: bool,
    /// Why, in a sentence.
    pub reason: String,
}

/// Waits between attempts.
pub const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(30) };

/// How long a notification is tried before it is given up, counted from the first attempt that
/// failed; what was owed while nobody tried takes nothing from it.
pub const PATIENCE: Duration = Duration::from_mins(15);

/// How long a notification is tried that is no alarm: nobody is told instead of it, so nothing is won by
/// giving it up.
pub const LONG_PATIENCE: Duration = Duration::from_hours(24);

/// An attempt that starts so much later than it was due comes after a pause of ours: we were down,
/// the machine slept, or its clock was set forward.
pub const PAUSE: Duration = Duration::from_mins(1);

/// Attempts that failed one after the other, with no pause of ours between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trials {
    /// When the first of them ended.
    pub since: Timestamp,
    /// When the next one is due.
    pub due_at: Timestamp,
}

impl Trials {
    /// Since when attempts are failing if one from `started_at` to `ended_at` failed after those
    /// `before`: since its own end where it is the first, or the first after a pause.
    pub fn since(before: Option<Self>, started_at: Timestamp, ended_at: Timestamp) -> Timestamp {
        match before {
            Some(Self { since, due_at }) if since <= started_at && started_at <= due_at + PAUSE => {
                since
            }
            _ => ended_at,
        }
    }
}

/// Decides what follows from an attempt that ended at `now`, where attempts have been failing since
/// `since` (see [`Trials::since`]). `jitter` is in `0.0..=1.0`.
pub fn settle(
    notification: &Notification,
    attempt: &Attempt,
    since: Timestamp,
    now: Timestamp,
    jitter: f64,
) -> Settlement {
    let failures = notification.failures + 1;
    let ended = |state, failures, reason: String| Settlement {
        state,
        due_at: now,
        failures,
        possible_repeat: notification.possible_repeat,
        reason,
    };
    let kind = notification.notice.kind;
    match attempt {
        Attempt::Accepted { receipt } => {
            let reason = format!("accepted: {receipt}");
            ended(NotificationState::Sent, notification.failures, reason)
        }
        Attempt::GiveUp { reason } => {
            ended(NotificationState::GivenUp, failures, format!("refused for good: {reason}"))
        }
        Attempt::Broken { reason } => {
            let reason = format!("the channel is broken: {reason}");
            let due_at = now + BACKOFF.cap;
            if is_patient(kind) && due_at <= since + LONG_PATIENCE {
                return Settlement { due_at, ..ended(NotificationState::Owed, failures, reason) };
            }
            ended(NotificationState::GivenUp, failures, reason)
        }
        Attempt::Ambiguous { reason } if notification.possible_repeat => {
            let reason = format!("no answer a second time ({reason}); it may have arrived");
            ended(NotificationState::GivenUp, failures, reason)
        }
        Attempt::Ambiguous { reason } => Settlement {
            due_at: now + BACKOFF.after(1, jitter),
            possible_repeat: true,
            ..ended(
                NotificationState::Owed,
                failures,
                format!("no answer ({reason}); once more, marked as a possible repeat"),
            )
        },
        Attempt::Retry { reason, after } => {
            // Not so long that there would be only one attempt.
            let wished = after.unwrap_or_default().min(PATIENCE);
            let wait = wished.max(BACKOFF.after(failures, jitter));
            let due_at = now + wait;
            let patience = if is_patient(kind) { LONG_PATIENCE } else { PATIENCE };
            if due_at > since + patience {
                let tried = format!("not delivered within {}", in_words(patience));
                return ended(NotificationState::GivenUp, failures, format!("{tried}: {reason}"));
            }
            let seconds = wait.as_secs_f64();
            let reason = format!("{reason}; again in {seconds:.1} s");
            Settlement { due_at, ..ended(NotificationState::Owed, failures, reason) }
        }
    }
}

/// Whether nobody is told instead, and it is worth telling later.
fn is_patient(kind: NoticeKind) -> bool {
    !kind.is_alarm() && kind != NoticeKind::Drill
}

/// What follows when no attempt was made after all: it is owed as before, however long it has been.
pub fn put_off(notification: &Notification, now: Timestamp, reason: &str) -> Settlement {
    Settlement {
        state: NotificationState::Owed,
        due_at: now,
        failures: notification.failures,
        possible_repeat: notification.possible_repeat,
        reason: reason.to_owned(),
    }
}

/// A patience, which is whole minutes or whole hours.
fn in_words(patience: Duration) -> String {
    match patience.as_secs() / 60 {
        minutes if minutes.is_multiple_of(60) => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::id::{CheckId, Region};
    use crate::domain::subject::Subject;

    fn owed(failures: u32, possible_repeat: bool) -> Notification {
        let at: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        Notification {
            id: NotificationId(1),
            incident: IncidentId(1),
            recipient: Recipient::Slack("#p2".into()),
            notice: Notice {
                check_name: "Login".into(),
                error: "no".into(),
                failures_in_a_row: 1,
                ..Notice::new(
                    NoticeKind::Failing { tier: 1 },
                    Subject::Check(CheckId::new("login").expect("good")),
                    Region::new("eu").expect("good"),
                    at,
                )
            },
            first_word: true,
            owed_at: at,
            failures,
            possible_repeat,
        }
    }

    fn retry(after: Option<u64>) -> Attempt {
        Attempt::Retry { reason: "429".into(), after: after.map(Duration::from_secs) }
    }

    #[test]
    fn waits_grow_and_honour_the_provider() {
        let (n, now) = (owed(0, false), owed(0, false).owed_at);
        assert_eq!(settle(&n, &retry(None), now, now, 0.0).due_at, now + TimeDelta::seconds(1));
        assert_eq!(
            settle(&n, &retry(Some(30)), now, now, 0.0).due_at,
            now + TimeDelta::seconds(30)
        );
        let third = settle(&owed(2, false), &retry(Some(1)), now, now, 0.0);
        assert_eq!((third.due_at, third.failures), (now + TimeDelta::seconds(4), 3));
    }

    #[test]
    fn patience_ends() {
        let n = owed(40, false);
        let since = n.owed_at + TimeDelta::hours(1);
        let late = since + TimeDelta::minutes(15);
        assert_eq!(settle(&n, &retry(None), late, late, 0.0).state, NotificationState::Owed);
        let asked = settle(&n, &retry(Some(7200)), since, since, 0.0);
        assert_eq!((asked.state, asked.due_at), (NotificationState::Owed, late));
        let end = settle(&n, &retry(None), since, late, 0.0);
        assert_eq!(end.state, NotificationState::GivenUp);
        assert!(end.reason.contains("not delivered within 15 minutes: 429"));
        // Nobody is told instead of a recovery.
        let mut over = n;
        over.notice.kind = NoticeKind::Recovered;
        assert_eq!(settle(&over, &retry(None), since, late, 0.0).state, NotificationState::Owed);
        let next_day = since + TimeDelta::hours(24);
        let broken = Attempt::Broken { reason: "401".into() };
        assert_eq!(settle(&over, &broken, since, late, 0.0).state, NotificationState::Owed);
        assert_eq!(settle(&over, &broken, since, next_day, 0.0).state, NotificationState::GivenUp);
        let end = settle(&over, &retry(None), since, next_day, 0.0);
        assert!(end.reason.contains("not delivered within 24 hours: 429"), "{end:?}");
    }

    #[test]
    fn a_pause_of_ours_starts_the_patience_afresh() {
        let at = |second| owed(0, false).owed_at + TimeDelta::seconds(second);
        let before = Some(Trials { since: at(100), due_at: at(130) });
        for (before, started, since) in [
            (None, 5000, 5001),
            (before, 131, 100),
            (before, 190, 100),
            (before, 191, 192),
            // The clock was set back.
            (before, 99, 100),
        ] {
            assert_eq!(Trials::since(before, at(started), at(started + 1)), at(since), "{started}");
        }
    }

    #[test]
    fn an_ambiguous_attempt_is_repeated_once_and_says_so() {
        let now = owed(0, false).owed_at;
        let lost = Attempt::Ambiguous { reason: "timed out".into() };
        let first = settle(&owed(0, false), &lost, now, now, 0.0);
        assert_eq!((first.state, first.possible_repeat), (NotificationState::Owed, true));
        let second = settle(&owed(1, true), &lost, now, now, 0.0);
        assert_eq!(second.state, NotificationState::GivenUp);
        // A refusal after an ambiguous attempt is still retried: the repeat never left.
        let refused = settle(&owed(1, true), &retry(None), now, now, 0.0);
        assert_eq!((refused.state, refused.possible_repeat), (NotificationState::Owed, true));
    }

    #[test]
    fn final_is_final() {
        let now = owed(0, false).owed_at;
        let accepted = Attempt::Accepted { receipt: "C1/17".into() };
        let sent = settle(&owed(0, false), &accepted, now, now, 0.0);
        assert_eq!(sent.state, NotificationState::Sent);
        let refused = Attempt::GiveUp { reason: "channel_not_found".into() };
        let ended = settle(&owed(0, false), &refused, now, now, 0.0);
        assert_eq!(ended.state, NotificationState::GivenUp);
        let broken = Attempt::Broken { reason: "401".into() };
        let ended = settle(&owed(0, false), &broken, now, now, 0.0);
        assert_eq!(
            (ended.state, ended.reason.as_str()),
            (NotificationState::GivenUp, "the channel is broken: 401")
        );
    }
}
