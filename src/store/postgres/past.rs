//! The past, told once more.

use async_trait::async_trait;
use sqlx::AssertSqlSafe;

use super::{PostgresStore, failed, hours};
use crate::domain::Timestamp;
use crate::domain::id::RunId;
use crate::domain::restraint::Silence;
use crate::store::past::{Past, PastResult, Told};
use crate::store::rows::incident::DecisionRow;
use crate::store::rows::past::{PastRow, ToldRow};
use crate::store::rows::run::first_id_at;
use crate::store::rows::silence::SilenceRow;
use crate::store::{DecisionRecord, Error, rows};

#[async_trait]
impl Past for PostgresStore {
    async fn whole_since(&self) -> Result<Option<Timestamp>, Error> {
        let mut snapshot = self.snapshot().await?;
        let Some(first) = hours::first(&mut snapshot).await? else { return Ok(None) };
        let left = hours::first_ran(&mut snapshot).await?;
        // Those before it that led to decisions are kept for that, be all others forgotten.
        let forgotten = hours::forgotten_until(&mut snapshot, left).await?;
        Ok(Some(forgotten.map_or(first, |forgotten| forgotten.max(left.unwrap_or(first)))))
    }

    async fn past_results(
        &self,
        (from, until): (Timestamp, Timestamp),
        after: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<PastResult>, Error> {
        let some = |table| {
            let columns = PastRow::COLUMNS;
            format!(
                "(SELECT {columns} FROM {table} WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3)"
            )
        };
        // Runs that incidents refer to are kept beside the days.
        let text = format!("{} UNION ALL {} ORDER BY id LIMIT $3", some("runs"), some("kept_runs"));
        let found: Vec<PastRow> = sqlx::query_as(AssertSqlSafe(text))
            // Planned for these days each time: a plan for any days would lock all of them.
            .persistent(false)
            .bind(after.map_or_else(|| first_id_at(from), |run| run.0))
            .bind(first_id_at(until))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read the results of a time"))?;
        found.into_iter().map(PastRow::read).collect()
    }

    async fn past_acts(
        &self,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Vec<DecisionRecord>, Error> {
        let found: Vec<DecisionRow> = sqlx::query_as(rows::past::ACTS)
            .bind(rows::millis(from))
            .bind(rows::millis(until))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read what people did"))?;
        found.into_iter().map(DecisionRow::read).collect()
    }

    async fn past_silences(
        &self,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Vec<Silence>, Error> {
        let found: Vec<SilenceRow> = sqlx::query_as(rows::past::SILENCES)
            .bind(rows::millis(from))
            .bind(rows::millis(until))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read the silences"))?;
        found.into_iter().map(SilenceRow::read).collect()
    }

    async fn past_told(&self, (from, until): (Timestamp, Timestamp)) -> Result<Vec<Told>, Error> {
        let found: Vec<ToldRow> = sqlx::query_as(ToldRow::QUERY)
            .bind(rows::millis(from))
            .bind(rows::millis(until))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("count the messages of a time"))?;
        found.into_iter().map(ToldRow::read).collect()
    }
}
