//! Beside which messages a picture was shown.

use async_trait::async_trait;

use super::writer::{Durability, Writer};
use super::{SqliteStore, failed};
use crate::domain::Timestamp;
use crate::store::Error;
use crate::store::pictures::{Pictures, Unillustrated};
use crate::store::rows;
use crate::store::rows::picture::{self as sql, WantedRow};

#[async_trait]
impl Pictures for SqliteStore {
    async fn claim_pictures(
        &self,
        since: Timestamp,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Unillustrated>, Error> {
        let wanted: Vec<WantedRow> = sqlx::query_as(sql::WANTED)
            .bind(rows::millis(since))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("look for messages without a picture"))?;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut writer = self.writer().await?;
        let result = claim(&mut writer, wanted, now).await;
        writer.finish(result).await
    }

    async fn forget_pictures(&self, before: Timestamp) -> Result<u64, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let forgotten = sqlx::query(sql::FORGET)
                .bind(rows::millis(before))
                .execute(writer.begin(Durability::Process).await?)
                .await
                .map_err(failed("forget pictures"))?;
            writer.commit().await?;
            Ok(forgotten.rows_affected())
        };
        let result = result.await;
        writer.finish(result).await
    }
}

async fn claim(
    writer: &mut Writer,
    wanted: Vec<WantedRow>,
    now: Timestamp,
) -> Result<Vec<Unillustrated>, Error> {
    let connection = writer.begin(Durability::Process).await?;
    let mut claimed = Vec::new();
    for row in wanted {
        let taken = sqlx::query(sql::CLAIM)
            .bind(row.0)
            .bind(&row.1)
            .bind(rows::millis(now))
            .execute(&mut *connection)
            .await
            .map_err(failed("take a picture in hand"))?;
        if taken.rows_affected() == 1 {
            claimed.push(sql::read(row));
        }
    }
    writer.commit().await?;
    Ok(claimed)
}
