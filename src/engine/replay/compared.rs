//! What would have been told beside what was.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::world::{Message, World};
use crate::domain::Timestamp;
use crate::domain::id::CheckId;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::NotificationState;
use crate::domain::policy::Recipient;
use crate::domain::subject::Subject;
use crate::store::past::Told;

/// How many messages to one recipient were really decided, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stood {
    /// Those that were told, alone or in a digest.
    pub told: u64,
    /// Those of them that were told instead of somebody who was not reached.
    pub instead: u64,
    /// Those in whose place a later message went.
    pub superseded: u64,
    /// Those that were given up.
    pub given_up: u64,
    /// Those that are still owed.
    pub owed: u64,
}

impl Stood {
    /// The same with more of them.
    pub fn add(&mut self, other: Self) {
        self.told += other.told;
        self.instead += other.instead;
        self.superseded += other.superseded;
        self.given_up += other.given_up;
        self.owed += other.owed;
    }

    fn count(&mut self, told: &Told) {
        let count = match told.state {
            NotificationState::Sent | NotificationState::InDigest => &mut self.told,
            NotificationState::Superseded => &mut self.superseded,
            NotificationState::GivenUp => &mut self.given_up,
            NotificationState::Owed => &mut self.owed,
            // It was owed to people in its place, who are counted.
            NotificationState::HandedOn => return,
        };
        *count += told.count;
        if told.instead
            && matches!(told.state, NotificationState::Sent | NotificationState::InDigest)
        {
            self.instead += told.count;
        }
    }
}

/// Messages to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whom they go to.
    pub recipient: Recipient,
    /// What was really decided.
    pub stood: Stood,
    /// How many each world has.
    pub replayed: Vec<u64>,
}

/// Counts the messages about checks that fail, of those that are `chosen` where any are, for each
/// recipient.
pub fn rows(told: &[Told], chosen: &BTreeSet<CheckId>, worlds: &[World<'_>]) -> Vec<Row> {
    let mut stood: BTreeMap<Recipient, Stood> = BTreeMap::new();
    for told in told {
        let is_meant = match &told.subject {
            Subject::Check(check) => chosen.is_empty() || chosen.contains(check),
            _ => false,
        };
        if is_meant && told.state != NotificationState::HandedOn {
            stood.entry(told.recipient.clone()).or_default().count(told);
        }
    }
    let counted = worlds.iter().flat_map(|world| world.counts.keys());
    let recipients: BTreeSet<&Recipient> = stood.keys().chain(counted).collect();
    let row = |recipient: &Recipient| Row {
        recipient: recipient.clone(),
        stood: stood.get(recipient).copied().unwrap_or_default(),
        replayed: worlds
            .iter()
            .map(|world| world.counts.get(recipient).copied().unwrap_or_default())
            .collect(),
    };
    recipients.into_iter().map(row).collect()
}

/// In which of two worlds a message goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// In both.
    Both,
    /// In the first alone.
    First,
    /// In the second alone.
    Second,
}

/// The messages of two worlds in one list, the first `limit` of them. Each world brings as many, or all
/// that it has.
pub fn merged(first: &[Message], second: &[Message], limit: usize) -> Vec<(Side, Message)> {
    type Key<'m> = (Timestamp, &'m Recipient, &'m CheckId, NoticeKind);
    fn key(it: &Message) -> Key<'_> {
        (it.at, &it.recipient, &it.check, it.kind)
    }
    let known: HashSet<Key<'_>> = first.iter().map(key).collect();
    let kept: HashSet<Key<'_>> = second.iter().map(key).collect();
    let side = |it: &Message| if known.contains(&key(it)) { Side::Both } else { Side::Second };
    let gone = first.iter().filter(|it| !kept.contains(&key(it)));
    let mut all: Vec<(Side, Message)> = gone
        .map(|it| (Side::First, it.clone()))
        .chain(second.iter().map(|it| (side(it), it.clone())))
        .collect();
    all.sort_by_key(|(_, it)| it.at);
    all.truncate(limit);
    all
}
