//! Metrics in SQLite: the writer for what changes them, a snapshot for what reads them.

use async_trait::async_trait;

use super::SqliteStore;
use super::backing::SqliteBacking;
use super::writer::Durability;
use crate::domain::Timestamp;
use crate::store::Error;
use crate::store::metrics::{Backing, Done, Ground, Head, Memory, Rules, Task};

#[async_trait]
impl Ground for SqliteStore {
    fn memory(&self) -> &Memory {
        &self.metrics
    }

    async fn looking(&self) -> Result<Box<dyn Backing + '_>, Error> {
        Ok(Box::new(SqliteBacking(self.snapshot().await?)))
    }

    async fn writing(
        &self,
        head: &mut Head,
        rules: &Rules,
        task: Task<'_>,
        now: Timestamp,
    ) -> Result<Done, Error> {
        let mut writer = self.writer().await?;
        let attempt = async {
            let mut backing = SqliteBacking(writer.begin(Durability::Process).await?);
            let done = task.write(head, &mut backing, rules, now).await?;
            writer.commit().await?;
            Ok(done)
        };
        let attempt = attempt.await;
        writer.finish(attempt).await
    }
}
