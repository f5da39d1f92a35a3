//! Metrics in PostgreSQL: a transaction that holds the state for what changes them, a snapshot for what
//! reads them.

use async_trait::async_trait;

use super::attempts::Attempts;
use super::backing::PostgresBacking;
use super::session::{begin, commit};
use super::{Access, PostgresStore};
use crate::domain::Timestamp;
use crate::store::Error;
use crate::store::metrics::{Backing, Done, Ground, Head, Memory, Rules, Task};

impl PostgresStore {
    async fn try_to_write(
        &self,
        head: &mut Head,
        rules: &Rules,
        task: Task<'_>,
        now: Timestamp,
    ) -> Result<Done, Error> {
        let pool = self.writers()?;
        let mut transaction = begin(pool).await?;
        let connection = &mut *transaction;
        let mut backing = PostgresBacking { connection, access: Access::Full };
        let done = task.write(head, &mut backing, rules, now).await?;
        commit(pool, transaction).await?;
        Ok(done)
    }
}

#[async_trait]
impl Ground for PostgresStore {
    fn memory(&self) -> &Memory {
        &self.metrics
    }

    async fn looking(&self) -> Result<Box<dyn Backing + '_>, Error> {
        let connection = self.snapshot().await?;
        Ok(Box::new(PostgresBacking { connection, access: Access::Reading }))
    }

    async fn writing(
        &self,
        head: &mut Head,
        rules: &Rules,
        task: Task<'_>,
        now: Timestamp,
    ) -> Result<Done, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = self.try_to_write(head, rules, task, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }
}
