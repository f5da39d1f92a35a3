//! Incidents and messages that people look for, and a glance at all that is stored.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Sqlite};

use super::incidents::{COLUMNS, fetch};
use super::{SqliteStore, failed};
use crate::domain::Timestamp;
use crate::store::looking::{Glance, IncidentSearch, Looking, MessageSearch};
use crate::store::rows::notification::NotificationRow;
use crate::store::rows::{self, incident, notification};
use crate::store::{Error, IncidentRecord, NotificationRecord};

#[async_trait]
impl Looking for SqliteStore {
    async fn find_incidents(&self, search: &IncidentSearch) -> Result<Vec<IncidentRecord>, Error> {
        let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
        incident::find(&mut query, search);
        fetch(&mut *self.reader().await?, query).await
    }

    async fn find_messages(&self, search: MessageSearch) -> Result<Vec<NotificationRecord>, Error> {
        let mut query = QueryBuilder::<Sqlite>::new("");
        notification::find(&mut query, search);
        let mut connection = self.snapshot().await?;
        let found = query.build_query_as().fetch_all(&mut *connection).await;
        let found: Vec<NotificationRow> = found.map_err(failed("look for messages"))?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Sqlite>::new("");
        notification::deliveries_of(&mut query, &found);
        let attempts = query.build_query_as().fetch_all(&mut *connection).await;
        notification::whole(found, attempts.map_err(failed("read deliveries"))?)
    }

    async fn glance(&self, now: Timestamp) -> Result<Glance, Error> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT COALESCE((SELECT max(number) FROM runs), 0) AS results",
        );
        incident::glance(&mut query, rows::millis(now));
        let found = query.build_query_as().fetch_one(&mut *self.reader().await?).await;
        found.map_err(failed("look whether anything has changed"))
    }
}
