//! Paths: there are none.

use async_trait::async_trait;

use super::{Remembered, broken};
use crate::domain::Timestamp;
use crate::domain::drill::Known;
use crate::domain::incident::Change;
use crate::store::drills::{Drills, Examiner};
use crate::store::{Error, Lease};

#[async_trait]
impl Drills for Remembered {
    async fn known_paths(&self, _: Timestamp) -> Result<Known, Error> {
        self.mood().await?;
        Ok(Known::default())
    }

    async fn examine(
        &self,
        _: &dyn Examiner,
        _: Option<&Lease>,
        _: Timestamp,
    ) -> Result<Vec<Change>, Error> {
        Err(broken())
    }
}
