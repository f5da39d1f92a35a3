//! It owes nothing that could be gathered.

use async_trait::async_trait;

use super::{Remembered, broken};
use crate::domain::Timestamp;
use crate::domain::id::NotificationId;
use crate::store::gathering::{Asked, Background, Gathered, Gathering};
use crate::store::{Claim, Error, Standing};

#[async_trait]
impl Gathering for Remembered {
    async fn background(&self, _: &Asked<'_>) -> Result<Background, Error> {
        Err(broken())
    }

    async fn gather(&self, _: &Claim, _: &[NotificationId]) -> Result<Option<Gathered>, Error> {
        Err(broken())
    }

    async fn hold(
        &self,
        _: &Claim,
        _: &[NotificationId],
        _: Timestamp,
        _: &str,
    ) -> Result<Standing, Error> {
        Err(broken())
    }
}
