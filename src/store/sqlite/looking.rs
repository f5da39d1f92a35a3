//! Incidents that people look for, and a glance at all that is stored.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Sqlite};

use super::incidents::{COLUMNS, fetch};
use super::{SqliteStore, failed};
use crate::domain::Timestamp;
use crate::store::looking::{Glance, IncidentSearch, Looking};
use crate::store::rows::{self, incident};
use crate::store::{Error, IncidentRecord};

#[async_trait]
impl Looking for SqliteStore {
    async fn find_incidents(&self, search: &IncidentSearch) -> Result<Vec<IncidentRecord>, Error> {
        let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
        incident::find(&mut query, search);
        fetch(&mut *self.reader().await?, query).await
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
