//! Nobody asks it for a run.

use async_trait::async_trait;

use super::Shelf;
use crate::domain::Timestamp;
use crate::domain::errand::{Errand, ErrandId};
use crate::domain::id::{CheckId, RunId};
use crate::domain::output::Numbered;
use crate::domain::run::Report;
use crate::store::errands::{Asked, Bounds, Errands, Hand, NewErrand};
use crate::store::{Error, Standing};

#[async_trait]
impl Errands for Shelf {
    async fn ask(&self, _: &NewErrand, _: Bounds, _: Timestamp) -> Result<Asked, Error> {
        Ok(Asked::TooManyOfAll)
    }

    async fn take(&self, _: Hand<'_>, _: Timestamp, _: Timestamp) -> Result<bool, Error> {
        Ok(false)
    }

    async fn bring(&self, _: Hand<'_>, _: &Report) -> Result<Standing, Error> {
        Ok(Standing::Lost)
    }

    async fn tell(&self, _: Hand<'_>, _: &[Numbered]) -> Result<Standing, Error> {
        Ok(Standing::Lost)
    }

    async fn output(&self, _: RunId, _: u32, _: u32) -> Result<Vec<Numbered>, Error> {
        Ok(Vec::new())
    }

    async fn forget_output(&self, _: Timestamp) -> Result<u64, Error> {
        Ok(0)
    }

    async fn give_up(&self, _: Timestamp) -> Result<u64, Error> {
        Ok(0)
    }

    async fn untold(&self) -> Result<Vec<Errand>, Error> {
        Ok(Vec::new())
    }

    async fn note_told(&self, _: ErrandId, _: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    async fn errand(&self, _: ErrandId) -> Result<Option<Errand>, Error> {
        Ok(None)
    }

    async fn errands_of(&self, _: &CheckId, _: u32) -> Result<Vec<Errand>, Error> {
        Ok(Vec::new())
    }

    async fn errand_run(&self, _: RunId) -> Result<Option<Report>, Error> {
        Ok(None)
    }

    async fn forget_errands(&self, _: Timestamp) -> Result<u64, Error> {
        Ok(0)
    }
}
