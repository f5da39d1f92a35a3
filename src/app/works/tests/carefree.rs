//! The part of the shelf that takes care of open incidents, which the works do not ask for.

use async_trait::async_trait;

use super::Shelf;
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::incident::Change;
use crate::domain::incident::acting::Act;
use crate::domain::restraint::{Actor, Silence, SilenceId};
use crate::store::Error;
use crate::store::care::{Acted, ActedOnce, Care, Caretaker, NewSilence};

#[async_trait]
impl Care for Shelf {
    async fn tend(&self, _: &dyn Caretaker, _: u32, _: Timestamp) -> Result<Vec<Change>, Error> {
        unreachable!("the works do not ask for it")
    }

    async fn next_tending(&self) -> Result<Option<Timestamp>, Error> {
        unreachable!("the works do not ask for it")
    }

    async fn reconsider(&self, _: Timestamp) -> Result<(), Error> {
        unreachable!("the works do not ask for it")
    }

    async fn act(
        &self,
        _: IncidentId,
        _: (&Act, &Actor),
        _: &dyn Caretaker,
        _: Timestamp,
    ) -> Result<Acted, Error> {
        unreachable!("the works do not ask for it")
    }

    async fn act_once(
        &self,
        _: &str,
        _: IncidentId,
        _: (&Act, &Actor),
        _: &dyn Caretaker,
        _: Timestamp,
    ) -> Result<ActedOnce, Error> {
        unreachable!("the works do not ask for it")
    }

    async fn answered(
        &self,
        _: IncidentId,
        _: Timestamp,
    ) -> Result<Vec<crate::store::gathering::Answered>, Error> {
        unreachable!("the works do not ask for it")
    }

    async fn silence(
        &self,
        _: &NewSilence,
        _: &dyn Caretaker,
        _: Timestamp,
    ) -> Result<Silence, Error> {
        unreachable!("the works do not ask for it")
    }

    async fn end_silence(&self, _: SilenceId, _: Timestamp) -> Result<Option<Silence>, Error> {
        unreachable!("the works do not ask for it")
    }

    async fn silences(&self, _: Timestamp) -> Result<Vec<Silence>, Error> {
        unreachable!("the works do not ask for it")
    }
}
