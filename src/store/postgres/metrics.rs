//! Metrics in PostgreSQL: a transaction that holds the state for what changes them, a snapshot for what
//! reads them.

use async_trait::async_trait;

use super::attempts::Attempts;
use super::backing::PostgresBacking;
use super::session::{begin, commit};
use super::{Access, PostgresStore};
use crate::domain::Timestamp;
use crate::query::{Labels, Matcher, Selection, Series};
use crate::store::Error;
use crate::store::metrics::{
    Bounds, Census, Done, Found, Head, Inspected, Keeping, Metrics, Rules, Stored, Task,
    inspecting, listing, reading,
};

impl PostgresStore {
    async fn write_metrics(&self, task: Task<'_>, now: Timestamp) -> Result<Done, Error> {
        let (mut head, rules) = (self.metrics.head().await, self.metrics.rules());
        if head.is_new() {
            // It has much to read, and need not keep other hubs from writing meanwhile.
            let connection = &mut *self.snapshot().await?;
            head.follow(&mut PostgresBacking { connection, access: Access::Reading }).await?;
        }
        let mut attempts = Attempts::default();
        loop {
            let result = self.try_to_write(&mut head, &rules, task, now).await;
            if attempts.are_over(&result) {
                return Ok(result?.enter(&mut head));
            }
        }
    }

    async fn try_to_write(
        &self,
        head: &mut Head,
        rules: &Rules,
        task: Task<'_>,
        now: Timestamp,
    ) -> Result<Done, Error> {
        let pool = self.writers()?;
        let mut transaction = begin(pool).await?;
        let mut backing = PostgresBacking { connection: &mut transaction, access: Access::Full };
        let done = task.write(head, &mut backing, rules, now).await?;
        commit(pool, transaction).await?;
        Ok(done)
    }
}

#[async_trait]
impl Metrics for PostgresStore {
    async fn append(&self, series: &[Series], now: Timestamp) -> Result<Stored, Error> {
        Ok(self.write_metrics(Task::Append(series), now).await?.stored())
    }

    async fn select(&self, selections: &[Selection], bounds: Bounds) -> Result<Found, Error> {
        let mut head = self.metrics.head().await;
        let mut snapshot = self.snapshot().await?;
        let mut backing = PostgresBacking { connection: &mut snapshot, access: Access::Reading };
        head.follow(&mut backing).await?;
        let question = reading::ask(&head, selections, bounds);
        drop(head);
        reading::answer(&mut backing, question, bounds).await
    }

    async fn labels(
        &self,
        matchers: &[Vec<Matcher>],
        after: i64,
        until: i64,
        limit: usize,
    ) -> Result<Vec<Labels>, Error> {
        let mut head = self.metrics.head().await;
        let mut snapshot = self.snapshot().await?;
        let mut backing = PostgresBacking { connection: &mut snapshot, access: Access::Reading };
        head.follow(&mut backing).await?;
        let listing = listing::ask(&head, matchers, (after, until));
        drop(head);
        listing::answer(&mut backing, listing, limit).await
    }
}

#[async_trait]
impl Keeping for PostgresStore {
    fn keep_by(&self, rules: Rules) {
        self.metrics.keep_by(rules);
    }

    async fn compact(&self, now: Timestamp) -> Result<bool, Error> {
        Ok(self.write_metrics(Task::Compact, now).await?.count() > 0)
    }

    async fn forget_points(&self, now: Timestamp, limit: u32) -> Result<u64, Error> {
        Ok(self.write_metrics(Task::Forget(limit), now).await?.count())
    }

    async fn inspect(&self) -> Result<Inspected, Error> {
        let mut head = self.metrics.head().await;
        let mut snapshot = self.snapshot().await?;
        let mut backing = PostgresBacking { connection: &mut snapshot, access: Access::Reading };
        inspecting::inspect(&mut head, &mut backing).await
    }

    async fn census(&self) -> Result<Census, Error> {
        let mut head = self.metrics.head().await;
        let mut snapshot = self.snapshot().await?;
        let mut backing = PostgresBacking { connection: &mut snapshot, access: Access::Reading };
        head.follow(&mut backing).await?;
        Ok(inspecting::census(&head))
    }
}
