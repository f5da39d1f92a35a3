//! The part of the contract that takes care of open incidents: what time alone means for them, what
//! people do about them, and what they asked not to be told of.
//!
//! Invariants:
//! - what is decided about an incident, be it by a result, by time or by a person, is decided one after
//!   the other, on what is stored;
//! - an act, what it changed and the messages it owes are one transaction that survives a power cut, so
//!   any hub may take it, and none takes it halfway;
//! - a silence that is stored counts in every decision from then on, and whatever incidents are open are
//!   looked at again when one begins or ends.

use async_trait::async_trait;

use super::Error;
use super::gathering::Answered;
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::incident::acting::{Act, Refused};
use crate::domain::incident::{Change, CheckState, Incident, Transition};
use crate::domain::restraint::{Actor, Scope, Silence, SilenceId};
use crate::domain::subject::Subject;

/// What became of an act that is done once for all that come with the same key.
#[derive(Debug, Clone, PartialEq)]
pub enum ActedOnce {
    /// What became of the act.
    Acted(Acted),
    /// It came before; nothing was done.
    Repeated,
}

/// An open incident, with what is remembered beside it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What it is about.
    pub subject: &'a Subject,
    /// The incident.
    pub open: &'a Incident,
    /// What is known of its check, where it is about one that fails.
    pub state: Option<&'a CheckState>,
    /// What people asked not to be told of, as far as it may not be over.
    pub silences: &'a [Silence],
}

/// Decides what happens to open incidents. Called inside a transaction, perhaps again if that is
/// retried, so it must be a pure function.
pub trait Caretaker: Send + Sync {
    /// What `now` means for one.
    fn tend(&self, case: Case<'_>, now: Timestamp) -> Transition;

    /// What it means that somebody does something about one.
    ///
    /// # Errors
    ///
    /// [`Refused`] where it means nothing.
    fn act(
        &self,
        case: Case<'_>,
        act: &Act,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Transition, Refused>;

    /// Whether a scope covers one.
    fn covers(&self, scope: &Scope, case: Case<'_>) -> bool;
}

/// What became of an act.
#[derive(Debug, Clone, PartialEq)]
pub enum Acted {
    /// It was done; what it changed.
    Done(Box<Change>),
    /// It means nothing.
    Refused(Refused),
    /// There is no such incident.
    Unknown,
}

/// A silence that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSilence {
    /// Of what.
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub by: Actor,
    /// Until when; it begins at once.
    pub until: Timestamp,
}

/// Takes care of open incidents.
#[async_trait]
pub trait Care: Send + Sync + std::fmt::Debug {
    /// Stores what `judge` decides about the open incidents that are due at `now`, at most `limit`;
    /// says what was decided or changed.
    async fn tend(
        &self,
        judge: &dyn Caretaker,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error>;

    /// When the next open incident is due.
    async fn next_tending(&self) -> Result<Option<Timestamp>, Error>;

    /// Makes all open incidents due at `now`, because the rules for them have changed.
    async fn reconsider(&self, now: Timestamp) -> Result<(), Error>;

    /// Stores what `judge` makes of an act.
    async fn act(
        &self,
        incident: IncidentId,
        (act, actor): (&Act, &Actor),
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<Acted, Error>;

    /// Stores what `judge` makes of an act, once for all that are asked for with the same `key`.
    async fn act_once(
        &self,
        key: &str,
        incident: IncidentId,
        by: (&Act, &Actor),
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<ActedOnce, Error>;

    /// The messages about `incident` that were accepted before it was acknowledged at `now`, by the act
    /// that was stored then.
    async fn answered(&self, incident: IncidentId, now: Timestamp) -> Result<Vec<Answered>, Error>;

    /// Stores a silence, and tells of it about the open incidents that it covers.
    async fn silence(
        &self,
        wanted: &NewSilence,
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<Silence, Error>;

    /// Ends a silence at `now`; `None` where there is no such one that is not over.
    async fn end_silence(&self, id: SilenceId, now: Timestamp) -> Result<Option<Silence>, Error>;

    /// The silences that are not over at `now`, by number.
    async fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, Error>;
}
