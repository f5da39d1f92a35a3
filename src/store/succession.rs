//! The part of the contract that follows messages after they left: what their providers say later, who
//! is told instead where one did not arrive, and what people answer.
//!
//! Invariants:
//! - what is given up of an alarm waits, whoever gave it up and why, until it is decided once who is told
//!   instead; that decision, its sentence and the messages that it owes are one transaction. Where it is
//!   that the message is tried on, it is owed again;
//! - what is told of an incident's end is told to those, too, who were told in place of the recipient;
//! - a message of a person is acted upon once, however often and to whichever hub it comes ([`Care::act_once`]).
//!
//! [`Care::act_once`]: super::care::Care::act_once

use async_trait::async_trait;

use super::{Error, IncidentRecord, rows};
use crate::domain::Timestamp;
use crate::domain::id::PersonId;
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::Notification;
use crate::domain::path::Breakage;
use crate::domain::proof::{Status, Word};
use crate::domain::succession::{Case, Heirs, Standing};

/// Decides who is told instead. Called inside a transaction, perhaps again if that is retried, so it must
/// be a pure function.
pub trait Chooser: Send + Sync {
    /// Who is told instead of the recipient of `case` at `now`.
    fn choose(&self, case: &Case<'_>, now: Timestamp) -> Heirs;
}

/// What was decided of a message that did not arrive.
#[derive(Debug, Clone, PartialEq)]
pub struct Succeeded {
    /// The message.
    pub notification: Notification,
    /// Who is told instead.
    pub heirs: Heirs,
    /// Whether it is the one that found its channel broken.
    pub finds_it_broken: bool,
    /// Whether the same was not decided of it before.
    pub is_news: bool,
}

/// When and why somebody was told instead, or nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// When it was decided.
    pub at: Timestamp,
    /// Who is told instead, and why: a sentence without a full stop.
    pub sentence: String,
}

/// How a message stands with its provider, after it took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// What the provider said last.
    pub word: Word,
    /// When it said so.
    pub at: Timestamp,
}

/// A message whose provider is to be asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// The provider's name for the message.
    pub receipt: String,
    /// When the provider took it.
    pub taken_at: Timestamp,
    /// What it said last.
    pub last: Option<Status>,
}

/// What became of a provider's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// No message of ours has this receipt.
    Unknown,
    /// It was known, or something later was.
    Known,
    /// It was noted.
    Noted,
    /// It was noted, and the message is given up.
    GivenUp,
}

/// Follows messages after they left.
#[async_trait]
pub trait Following: Send + Sync + std::fmt::Debug {
    /// Has `chooser` decide who is told instead of each alarm that was given up, at most `limit`, oldest
    /// first, each in a transaction of its own that survives a power cut; says what was decided.
    async fn succeed(
        &self,
        chooser: &dyn Chooser,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Succeeded>, Error>;

    /// Hands out messages whose providers are to be asked at `now`, and that were taken at
    /// `taken_before` or earlier, at most `limit`; none of them is handed out again until `again_at`.
    async fn claim_unproven(
        &self,
        now: Timestamp,
        taken_before: Timestamp,
        again_at: Timestamp,
        limit: u32,
    ) -> Result<Vec<Unproven>, Error>;

    /// Notes what the provider says of the message with `receipt` at `now`. One that did not arrive is
    /// given up, unless it was taken a second time.
    async fn hear(&self, receipt: &str, word: Word, now: Timestamp) -> Result<Heard, Error>;

    /// Notes that the provider of the message with `receipt` is to be asked next at `ask_at`, or not any
    /// more.
    async fn ask_next(&self, receipt: &str, ask_at: Option<Timestamp>) -> Result<(), Error>;

    /// The open incidents of which `person` was told by SMS, or is to be, the latest first.
    async fn open_for(&self, person: &PersonId) -> Result<Vec<IncidentRecord>, Error>;

    /// The paths that were found broken and by which nothing was sent since.
    async fn broken(&self) -> Result<Vec<Breakage>, Error>;
}

/// How long a message of a person is remembered, so that it does not count again.
pub(super) const REMEMBERED: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// A message of a person that asks for an act, while it is acted upon.
#[derive(Debug)]
pub(super) struct Once<'a> {
    /// Its provider's name for it.
    pub(super) message: &'a str,
    /// Whether it turned out to have come before.
    pub(super) is_repeated: bool,
}

impl<'a> Once<'a> {
    pub(super) fn of(message: &'a str) -> Self {
        Self { message, is_repeated: false }
    }
}

/// How the incident of a message stands at `now`; one that is gone is over.
pub(super) fn standing(record: Option<&IncidentRecord>, now: Timestamp) -> Standing {
    let Some(incident) = record.map(|it| &it.incident).filter(|it| it.resolved_at.is_none()) else {
        return Standing::Over;
    };
    match &incident.story.acknowledged {
        Some(it) if now < it.until => Standing::Acknowledged(it.by.clone()),
        _ => Standing::Open,
    }
}

/// What those are told who are told instead.
pub(super) fn notice_to_heirs(notice: &Notice, note: &str) -> Notice {
    let note = match &notice.note {
        Some(before) => format!("{before}; {note}"),
        None => note.to_owned(),
    };
    Notice { note: Some(note), ..notice.clone() }
}

/// Why a message is owed to somebody.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Origin<'a> {
    /// The message in whose place it is owed.
    pub(super) in_place_of: Option<i64>,
    /// The rota in whose place its first recipient was told.
    pub(super) instead_of: Option<&'a str>,
    /// When the answer came that a failure tells of.
    pub(super) failed_at: Option<Timestamp>,
}

impl Origin<'_> {
    /// When the answer came that a message of `kind` tells of.
    pub(super) fn failed_at(&self, kind: NoticeKind) -> Option<i64> {
        let tells = matches!(kind, NoticeKind::Failing { .. });
        self.failed_at.filter(|_| tells).map(rows::millis)
    }
}
