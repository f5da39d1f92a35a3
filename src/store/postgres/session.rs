//! Transactions whose end is always known.
//!
//! A connection that breaks while it commits leaves open whether it did. PostgreSQL remembers the
//! fate of every transaction by its number, so the next connection asks for it.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::postgres::PgPool;

use super::attempts::is_loss;
use super::failed;
use crate::store::Error;

/// A transaction that may write.
pub(super) type Transaction = sqlx::Transaction<'static, Postgres>;

/// How often and how far apart it is asked whether a transaction has ended whose connection is gone.
const ASKED: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Begins a transaction that may write.
pub(super) async fn begin(pool: &PgPool) -> Result<Transaction, Error> {
    pool.begin().await.map_err(failed("begin a transaction"))
}

/// Ends a transaction; an error means that it is not known to have changed anything, and after
/// [`Cause::Loss`](super::attempts::Cause::Loss) usually that it has not.
pub(super) async fn commit(pool: &PgPool, mut transaction: Transaction) -> Result<(), Error> {
    let number: Option<String> =
        sqlx::query_scalar("SELECT pg_current_xact_id_if_assigned()::text")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("number a transaction"))?;
    let Err(error) = transaction.commit().await else {
        return Ok(());
    };
    if let Some(number) = number.filter(|_| is_loss(&error))
        && has_committed(pool, &number).await
    {
        tracing::info!("the connection was lost in a commit, which took place all the same");
        return Ok(());
    }
    Err(failed("commit a transaction")(error))
}

/// Whether the transaction `number` took place; waits while its session has not noticed its end.
async fn has_committed(pool: &PgPool, number: &str) -> bool {
    for _ in 0..ASKED {
        let status: Result<Option<String>, sqlx::Error> =
            sqlx::query_scalar("SELECT pg_xact_status($1::xid8)")
                .bind(number)
                .fetch_one(pool)
                .await;
        match status {
            Ok(Some(status)) if status == "in progress" => {}
            Ok(status) => return status.as_deref() == Some("committed"),
            Err(error) => {
                tracing::warn!(%error, "it is not known whether a transaction took place");
                return false;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    false
}
