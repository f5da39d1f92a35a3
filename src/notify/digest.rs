//! A digest: much that one recipient is told in one message.
//!
//! Must not: decide what is gathered; that is for [`storm`](crate::domain::storm).

use std::collections::BTreeMap;

use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::Notification;

/// One message on its way that tells of many incidents.
#[derive(Debug, Clone)]
pub struct Digest<'a> {
    /// The notification whose message it is: who gets it, and whether it may be a repeat.
    pub head: &'a Notification,
    /// All that it tells, the head among it.
    pub told: Vec<Item<'a>>,
    /// The recipient's telephone number (E.164), where the channel needs one and there is one.
    pub phone: Option<&'a str>,
    /// The recipient's e-mail address, in the same way.
    pub email: Option<&'a str>,
    /// When it leaves.
    pub at: Timestamp,
    /// How many incidents are open.
    pub open: u64,
    /// Where all incidents are listed.
    pub link: Option<&'a str>,
    /// Where it is the last message to its recipient for a while: until when.
    pub last: Option<Timestamp>,
}

/// One of those that a digest tells.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// What there is to say.
    pub notification: &'a Notification,
    /// Where its incident can be looked at.
    pub link: Option<String>,
}

/// How much of what a digest tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Incidents that something is wrong with.
    pub(super) wrong: usize,
    /// Incidents that are over.
    pub(super) over: usize,
    /// Incidents that somebody takes care of, and of which nothing else is told.
    pub(super) acknowledged: usize,
    /// Others of which there is something to say.
    pub(super) noted: usize,
}

impl Digest<'_> {
    /// The latest about each incident: what is wrong first, then what is over, each in the order owed. What
    /// somebody said of it takes the place of neither.
    pub(super) fn latest(&self) -> Vec<&Item<'_>> {
        let mut latest: BTreeMap<IncidentId, &Item<'_>> = BTreeMap::new();
        for item in &self.told {
            let known = latest.entry(item.notification.incident).or_insert(item);
            let order = |it: &Item<'_>| (says_how_it_is(it), it.notification.id);
            if order(known) < order(item) {
                *known = item;
            }
        }
        let mut latest: Vec<&Item<'_>> = latest.into_values().collect();
        latest.sort_by_key(|it| (rank(it.notification.notice.kind), it.notification.id));
        latest
    }

    /// How much of what there is.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for item in self.latest() {
            match rank(item.notification.notice.kind) {
                0 => counts.wrong += 1,
                1 => counts.over += 1,
                2 => counts.acknowledged += 1,
                _ => counts.noted += 1,
            }
        }
        counts
    }
}

/// Whether it says that something is wrong or over, and not only what somebody did about it.
pub(super) fn says_how_it_is(item: &Item<'_>) -> bool {
    rank(item.notification.notice.kind) < 2
}

fn rank(kind: NoticeKind) -> u8 {
    match (kind.is_alarm(), kind.is_end()) {
        (true, _) => 0,
        (_, true) => 1,
        _ if kind == NoticeKind::Acknowledged => 2,
        _ => 3,
    }
}
