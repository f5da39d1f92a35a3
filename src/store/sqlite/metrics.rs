//! Metrics in SQLite: the writer for what changes them, a snapshot for what reads them.

use async_trait::async_trait;

use super::SqliteStore;
use super::backing::SqliteBacking;
use super::writer::Durability;
use crate::domain::Timestamp;
use crate::query::{Labels, Matcher, Selection, Series};
use crate::store::Error;
use crate::store::metrics::{
    Bounds, Census, Done, Found, Inspected, Keeping, Metrics, Rules, Stored, Task, inspecting,
    listing, reading,
};

impl SqliteStore {
    async fn write_metrics(&self, task: Task<'_>, now: Timestamp) -> Result<Done, Error> {
        let (mut head, rules) = (self.metrics.head().await, self.metrics.rules());
        if head.is_new() {
            // It has much to read, and need not keep results from being written meanwhile.
            head.follow(&mut SqliteBacking(&mut *self.snapshot().await?)).await?;
        }
        let mut writer = self.writer().await?;
        let attempt = async {
            let mut backing = SqliteBacking(writer.begin(Durability::Process).await?);
            let done = task.write(&mut head, &mut backing, &rules, now).await?;
            writer.commit().await?;
            Ok(done)
        };
        let attempt = attempt.await;
        Ok(writer.finish(attempt).await?.enter(&mut head))
    }
}

#[async_trait]
impl Metrics for SqliteStore {
    async fn append(&self, series: &[Series], now: Timestamp) -> Result<Stored, Error> {
        Ok(self.write_metrics(Task::Append(series), now).await?.stored())
    }

    async fn select(&self, selections: &[Selection], bounds: Bounds) -> Result<Found, Error> {
        let mut head = self.metrics.head().await;
        let mut snapshot = self.snapshot().await?;
        let mut backing = SqliteBacking(&mut snapshot);
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
        let mut backing = SqliteBacking(&mut snapshot);
        head.follow(&mut backing).await?;
        let listing = listing::ask(&head, matchers, (after, until));
        drop(head);
        listing::answer(&mut backing, listing, limit).await
    }
}

#[async_trait]
impl Keeping for SqliteStore {
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
        inspecting::inspect(&mut head, &mut SqliteBacking(&mut snapshot)).await
    }

    async fn census(&self) -> Result<Census, Error> {
        let mut head = self.metrics.head().await;
        let mut snapshot = self.snapshot().await?;
        head.follow(&mut SqliteBacking(&mut snapshot)).await?;
        Ok(inspecting::census(&head))
    }
}
