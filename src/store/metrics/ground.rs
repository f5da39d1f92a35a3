//! What every backend does alike with metrics, over what it has of its own: a snapshot, and a
//! transaction that writes.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::parts::parts;
use super::{
    Backing, Bounds, Census, Done, Found, Head, Inspected, Keeping, Memory, Metrics, Rules, Stored,
    Task, inspecting, listing, reading,
};
use crate::domain::Timestamp;
use crate::query::{Labels, Matcher, Measure, Selection, Series};
use crate::store::Error;

/// A backend, as far as metrics are concerned.
#[async_trait]
pub(in crate::store) trait Ground: Send + Sync + std::fmt::Debug {
    /// The head and the rules.
    fn memory(&self) -> &Memory;

    /// Everything as it is at one moment.
    async fn looking(&self) -> Result<Box<dyn Backing + '_>, Error>;

    /// Does `task` in a transaction, as often as that is worth trying, and commits it. The head has not
    /// taken over what was done.
    async fn writing(
        &self,
        head: &mut Head,
        rules: &Rules,
        task: Task<'_>,
        now: Timestamp,
    ) -> Result<Done, Error>;
}

async fn write(ground: &dyn Ground, task: Task<'_>, now: Timestamp) -> Result<Done, Error> {
    let (mut head, rules) = (ground.memory().head().await, ground.memory().rules());
    if head.is_new() {
        // It has much to read, and need not keep others from writing meanwhile.
        head.follow(&mut *ground.looking().await?).await?;
    }
    Ok(ground.writing(&mut head, &rules, task, now).await?.enter(&mut head))
}

#[async_trait]
impl<G: Ground> Metrics for G {
    async fn append(&self, series: &[Series], now: Timestamp) -> Result<Stored, Error> {
        let mut stored = Stored::default();
        for part in parts(series) {
            stored.add(write(self, Task::Append(&part), now).await?.stored());
        }
        Ok(stored)
    }

    async fn select(&self, selections: &[Selection], bounds: Bounds) -> Result<Found, Error> {
        let mut head = self.memory().head().await;
        let mut snapshot = self.looking().await?;
        head.follow(&mut *snapshot).await?;
        let question = reading::ask(&head, selections, bounds);
        drop(head);
        reading::answer(&mut *snapshot, question, bounds).await
    }

    async fn labels(
        &self,
        matchers: &[Vec<Matcher>],
        after: i64,
        until: i64,
        limit: usize,
    ) -> Result<Vec<Labels>, Error> {
        let mut head = self.memory().head().await;
        let mut snapshot = self.looking().await?;
        head.follow(&mut *snapshot).await?;
        let listing = listing::ask(&head, matchers, (after, until));
        drop(head);
        listing::answer(&mut *snapshot, listing, limit).await
    }

    async fn measures(&self) -> Result<BTreeMap<String, Measure>, Error> {
        let mut head = self.memory().head().await;
        head.follow(&mut *self.looking().await?).await?;
        let kinds = head.index.kinds();
        drop(head);
        Ok(kinds.into_iter().map(|(name, kind)| (name, kind.into())).collect())
    }
}

#[async_trait]
impl<G: Ground> Keeping for G {
    fn keep_by(&self, rules: Rules) {
        self.memory().keep_by(rules);
    }

    async fn compact(&self, now: Timestamp) -> Result<bool, Error> {
        Ok(write(self, Task::Compact, now).await?.count() > 0)
    }

    async fn forget_points(&self, now: Timestamp, limit: u32) -> Result<u64, Error> {
        Ok(write(self, Task::Forget(limit), now).await?.count())
    }

    async fn inspect(&self) -> Result<Inspected, Error> {
        let mut head = self.memory().head().await;
        inspecting::inspect(&mut head, &mut *self.looking().await?).await
    }

    async fn census(&self) -> Result<Census, Error> {
        let mut head = self.memory().head().await;
        head.follow(&mut *self.looking().await?).await?;
        Ok(inspecting::census(&head))
    }
}
