//! It gathers nothing, and nobody looks for anything in it.

use async_trait::async_trait;

use super::Shelf;
use crate::domain::Timestamp;
use crate::domain::id::NotificationId;
use crate::domain::storm::Crowd;
use crate::store::gathering::{Asked, Background, Gathered, Gathering};
use crate::store::looking::{Glance, IncidentSearch, Looking, MessageSearch};
use crate::store::{Claim, Error, IncidentRecord, NotificationRecord, Standing};

#[async_trait]
impl Gathering for Shelf {
    async fn background(&self, asked: &Asked<'_>) -> Result<Background, Error> {
        self.answer().await;
        Ok(Background { crowd: asked.crowd.map(|_| Crowd::default()), ..Background::default() })
    }

    async fn gather(&self, _: &Claim, _: &[NotificationId]) -> Result<Option<Gathered>, Error> {
        unreachable!("few messages are owed")
    }

    async fn hold(
        &self,
        _: &Claim,
        _: &[NotificationId],
        _: Timestamp,
        _: &str,
    ) -> Result<Standing, Error> {
        unreachable!("few messages are owed")
    }
}

#[async_trait]
impl Looking for Shelf {
    async fn find_incidents(&self, _: &IncidentSearch) -> Result<Vec<IncidentRecord>, Error> {
        unreachable!("nobody looks")
    }

    async fn find_messages(&self, _: MessageSearch) -> Result<Vec<NotificationRecord>, Error> {
        unreachable!("nobody looks")
    }

    async fn glance(&self, _: Timestamp) -> Result<Glance, Error> {
        unreachable!("no page is open")
    }
}
