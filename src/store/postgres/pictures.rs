//! Beside which messages a picture was shown.

use async_trait::async_trait;

use super::{PostgresStore, failed};
use crate::domain::Timestamp;
use crate::store::Error;
use crate::store::pictures::{Pictures, Unillustrated};
use crate::store::rows;
use crate::store::rows::picture::{self as sql, WantedRow};

#[async_trait]
impl Pictures for PostgresStore {
    async fn claim_pictures(
        &self,
        since: Timestamp,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Unillustrated>, Error> {
        let wanted: Vec<WantedRow> = sqlx::query_as(sql::WANTED)
            .bind(rows::millis(since))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("look for messages without a picture"))?;
        let mut claimed = Vec::new();
        for row in wanted {
            // Each by itself: what is taken and lost is a picture less, and no more.
            let taken = sqlx::query(sql::CLAIM)
                .bind(row.0)
                .bind(&row.1)
                .bind(rows::millis(now))
                .execute(self.writers()?)
                .await
                .map_err(failed("take a picture in hand"))?;
            if taken.rows_affected() == 1 {
                claimed.push(sql::read(row));
            }
        }
        Ok(claimed)
    }

    async fn forget_pictures(&self, before: Timestamp) -> Result<u64, Error> {
        let forgotten = sqlx::query(sql::FORGET)
            .bind(rows::millis(before))
            .execute(self.writers()?)
            .await
            .map_err(failed("forget pictures"))?;
        Ok(forgotten.rows_affected())
    }
}
