//! Storms: what is told of many incidents at once is gathered into digests, so that whoever reads it at
//! night reads few messages, and each of them is true.
//!
//! | what was told lately, and what waits | the next message |
//! |---|---|
//! | it may be a repeat | alone, as before |
//! | as many messages as may go to a person | held until one may go again |
//! | one less | a digest of all that waits, which says that it is the last |
//! | its incident was told alone lately, or has a message of its own that can be kept true | alone: it goes on there |
//! | few incidents | alone |
//! | many, and the last digest was just now | held |
//! | many, and others wait | a digest of all that waits |
//! | many, and nothing else waits | alone |
//!
//! Under strain (the provider asked for quiet) more than [`UNDER_STRAIN`] that wait are enough for a digest.
//!
//! What is held stays owed, and what is gathered names the digest that tells it ([`share`]), so nothing is
//! dropped unseen. What is decided depends on what is stored alone, so that any hub decides the same.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Timestamp;
use super::id::{IncidentId, NotificationId};
use super::notification::{Notification, NotificationState, Settlement};
use super::policy::Channel;

/// What is gathered, and how many messages people are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// So many incidents are told one by one to one recipient within [`Self::within`].
    pub incidents: u32,
    /// See [`Self::incidents`].
    pub within: Duration,
    /// So many SMS are sent to one person within [`Self::sms_within`]; at least 2.
    pub sms: u32,
    /// See [`Self::sms`].
    pub sms_within: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            incidents: 5,
            within: Duration::from_mins(1),
            sms: 10,
            sms_within: Duration::from_mins(10),
        }
    }
}

impl Bounds {
    /// What holds for messages by `channel`; `None` where nothing is gathered, as where machines read.
    pub fn of(&self, channel: Channel) -> Option<Limit> {
        let Self { incidents, within, sms, sms_within } = *self;
        let limit =
            |pause, is_living, cap| Some(Limit { incidents, within, pause, is_living, cap });
        match channel {
            Channel::Slack => limit(within / 6, true, None),
            Channel::Sms => limit(within, false, Some(Cap { messages: sms, within: sms_within })),
            Channel::Email => limit(within, false, None),
            Channel::Rota | Channel::EmailRota | Channel::Webhook | Channel::Pagerduty => None,
        }
    }
}

/// What holds for the messages to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// So many incidents are told one by one.
    pub incidents: u32,
    /// Within so long.
    pub within: Duration,
    /// How far apart digests are.
    pub pause: Duration,
    /// Whether a message of its own is kept true, so that what is told of its incident goes on in it.
    pub is_living: bool,
    /// How many messages there may be in all.
    pub cap: Option<Cap>,
}

impl Limit {
    /// How long what was told matters.
    pub fn memory(&self) -> Duration {
        self.cap.map_or(self.within, |cap| self.within.max(cap.within))
    }
}

/// So many messages within so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// How many.
    pub messages: u32,
    /// Within so long.
    pub within: Duration,
}

/// Something that is owed to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub id: NotificationId,
    /// What it is about.
    pub incident: IncidentId,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// Whether it cannot be gathered: it may have arrived, somebody has it, or it is in a digest.
    pub is_bound: bool,
    /// Whether something about its incident was told alone at any time, so that there is a message of its own.
    pub is_known: bool,
}

/// A message that a recipient was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The notification whose message it was.
    pub id: NotificationId,
    /// What that was about.
    pub incident: IncidentId,
    /// When it was accepted.
    pub at: Timestamp,
    /// Whether it told of others as well.
    pub is_digest: bool,
}

/// What there is for one recipient, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crowd {
    /// What is owed, in the order owed.
    pub waiting: Vec<Waiting>,
    /// Which messages were sent lately.
    pub told: Vec<Told>,
}

/// How a provider takes our messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strain {
    /// As they come.
    None,
    /// It asked for quiet lately.
    Limited,
}

/// How a message leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// By itself.
    Alone,
    /// Not now, and neither do these.
    Hold {
        /// The others.
        others: Vec<NotificationId>,
        /// Until when.
        until: Timestamp,
        /// Why, in a sentence.
        reason: String,
    },
    /// In a digest, with these.
    Gather {
        /// The others.
        others: Vec<NotificationId>,
        /// Where it is the last message for a while: until when.
        last: Option<Timestamp>,
    },
}

/// So many incidents may wait under strain and still be told one by one.
pub const UNDER_STRAIN: usize = 2;

/// So long the first message of a digest waits for company.
pub const COMPANY: Duration = Duration::from_secs(2);

/// Decides how `head`, which is due at `now`, leaves.
pub fn decide(
    head: &Notification,
    crowd: &Crowd,
    limit: &Limit,
    strain: Strain,
    now: Timestamp,
) -> Verdict {
    if head.possible_repeat {
        return Verdict::Alone;
    }
    let ready = ready(head, crowd, now);
    if let Some(cap) = limit.cap {
        let ids = || ready.iter().map(|it| it.id).collect();
        match cap.room(crowd, now) {
            Room::None(until) => {
                let Cap { messages, within } = cap;
                let reason = format!(
                    "held: {messages} messages within {} s are enough",
                    within.as_secs_f64()
                );
                return Verdict::Hold { others: ids(), until, reason };
            }
            Room::One(until) => return Verdict::Gather { others: ids(), last: Some(until) },
            Room::Enough => {}
        }
    }
    let recent = Recent::of(crowd, limit, now);
    let goes_on =
        |it: &Waiting| recent.alone.contains(&it.incident) || (limit.is_living && it.is_known);
    if crowd.waiting.iter().any(|it| it.incident == head.incident && goes_on(it)) {
        return Verdict::Alone;
    }
    // They have their turn.
    let others: Vec<&Waiting> = ready.into_iter().filter(|it| !goes_on(it)).collect();
    let incidents: BTreeSet<IncidentId> =
        others.iter().map(|it| it.incident).chain([head.incident]).collect();
    let is_strained = strain == Strain::Limited && incidents.len() > UNDER_STRAIN;
    if !recent.is_storm && !is_strained {
        return Verdict::Alone;
    }
    let ids = others.iter().map(|it| it.id).collect();
    let next = match recent.gathered_at {
        Some(at) => at + limit.pause,
        None if is_strained => now,
        None => head.owed_at.min(now) + COMPANY,
    };
    if now < next {
        let reason = "held: many incidents are told at once, and go out together".to_owned();
        return Verdict::Hold { others: ids, until: next, reason };
    }
    if incidents.len() > 1 { Verdict::Gather { others: ids, last: None } } else { Verdict::Alone }
}

/// Until when nothing follows the message that leaves at `now`, where it is the last for a while.
pub fn last(crowd: &Crowd, limit: &Limit, now: Timestamp) -> Option<Timestamp> {
    match limit.cap?.room(crowd, now) {
        Room::One(until) | Room::None(until) => Some(until),
        Room::Enough => None,
    }
}

/// What may leave together with `head`: nothing that waits for something earlier about its incident.
fn ready<'a>(head: &Notification, crowd: &'a Crowd, now: Timestamp) -> Vec<&'a Waiting> {
    let mut blocked = BTreeSet::new();
    let mut ready = Vec::new();
    for it in crowd.waiting.iter().filter(|it| it.id != head.id) {
        if it.is_bound || it.due_at > now {
            blocked.insert(it.incident);
        } else if !blocked.contains(&it.incident) {
            ready.push(it);
        }
    }
    ready
}

/// How many more messages may go.
enum Room {
    Enough,
    /// One; the next after it at this time.
    One(Timestamp),
    /// None until then.
    None(Timestamp),
}

impl Cap {
    fn room(&self, crowd: &Crowd, now: Timestamp) -> Room {
        // A clock that was set back holds nobody for longer.
        let times = crowd.told.iter().map(|it| it.at.min(now));
        let mut times: Vec<Timestamp> = times.filter(|at| *at + self.within > now).collect();
        times.sort_unstable();
        let most = usize::try_from(self.messages).unwrap_or(usize::MAX).max(1);
        let free = |at: Option<&Timestamp>| at.copied().unwrap_or(now) + self.within;
        match most.checked_sub(times.len()) {
            None | Some(0) => Room::None(free(times.get(times.len().saturating_sub(most)))),
            Some(1) => Room::One(free(times.first())),
            Some(_) => Room::Enough,
        }
    }
}

/// What a recipient was told lately.
struct Recent {
    /// The incidents that were told alone.
    alone: BTreeSet<IncidentId>,
    /// Whether that was many incidents, or a digest.
    is_storm: bool,
    /// When the last digest left, or the last message that might have been one.
    gathered_at: Option<Timestamp>,
}

impl Recent {
    fn of(crowd: &Crowd, limit: &Limit, now: Timestamp) -> Self {
        let mut told: Vec<Told> =
            crowd.told.iter().map(|it| Told { at: it.at.min(now), ..*it }).collect();
        told.retain(|it| it.at + limit.within > now);
        told.sort_unstable_by_key(|it| (it.at, it.id));
        let most = usize::try_from(limit.incidents).unwrap_or(usize::MAX);
        let (mut alone, mut known) = (BTreeSet::new(), BTreeSet::new());
        let mut gathered_at = None;
        for it in told {
            let is_beyond = known.len() >= most && !known.contains(&it.incident);
            if it.is_digest || is_beyond {
                gathered_at = Some(it.at);
            }
            if !it.is_digest {
                alone.insert(it.incident);
            }
            known.insert(it.incident);
        }
        let is_storm = known.len() >= most || gathered_at.is_some();
        Self { alone, is_storm, gathered_at }
    }
}

/// What an attempt at the digest of `head` means for one that is gathered in it, for which it would have
/// meant `own` by itself.
pub fn share(head: (NotificationId, &Settlement), own: Settlement) -> Settlement {
    let (digest, settlement) = head;
    match (own.state, settlement.state) {
        (NotificationState::Sent, _) => Settlement {
            state: NotificationState::InDigest,
            reason: format!("told in the digest of notification {digest}, {}", own.reason),
            ..own
        },
        // They stay together.
        (NotificationState::Owed, NotificationState::Owed) => {
            Settlement { due_at: settlement.due_at, ..own }
        }
        _ => own,
    }
}

#[cfg(test)]
mod tests;
