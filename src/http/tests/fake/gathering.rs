//! It owes nothing that could be gathered.

use async_trait::async_trait;

use super::{Remembered, broken};
use crate::domain::Timestamp;
use crate::domain::id::NotificationId;
use crate::domain::policy::Recipient;
use crate::domain::storm::Crowd;
use crate::store::gathering::{Gathered, Gathering};
use crate::store::{Claim, Error, Standing};

#[async_trait]
impl Gathering for Remembered {
    async fn crowd(&self, _: &Recipient, _: Timestamp) -> Result<Crowd, Error> {
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
