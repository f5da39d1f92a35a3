//! A shelf of which no message is followed.

use async_trait::async_trait;

use super::Shelf;
use crate::domain::Timestamp;
use crate::domain::id::PersonId;
use crate::domain::path::Breakage;
use crate::domain::proof::Word;
use crate::store::succession::{Chooser, Following, Heard, Succeeded, Unproven};
use crate::store::{Error, IncidentRecord};

#[async_trait]
impl Following for Shelf {
    async fn succeed(
        &self,
        _: &dyn Chooser,
        _: u32,
        _: Timestamp,
    ) -> Result<Vec<Succeeded>, Error> {
        Ok(Vec::new())
    }

    async fn claim_unproven(
        &self,
        _: Timestamp,
        _: Timestamp,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<Unproven>, Error> {
        Ok(Vec::new())
    }

    async fn hear(&self, _: &str, _: Word, _: Timestamp) -> Result<Heard, Error> {
        Ok(Heard::Unknown)
    }

    async fn ask_next(&self, _: &str, _: Option<Timestamp>) -> Result<(), Error> {
        Ok(())
    }

    async fn open_for(&self, _: &PersonId) -> Result<Vec<IncidentRecord>, Error> {
        Ok(Vec::new())
    }

    async fn broken(&self) -> Result<Vec<Breakage>, Error> {
        Ok(Vec::new())
    }
}
