//! What is particular to PostgreSQL: several hubs on one database, days that come and go, and
//! connections that break.

use tripline::store::Store;
use tripline::store::postgres::PostgresStore;

use crate::support::postgres::Database;

/// A new store in a database of its own.
pub(super) struct Fresh {
    pub(super) store: PostgresStore,
    database: Database,
}

impl Fresh {
    pub(super) async fn new() -> Self {
        let database = Database::with_store().await;
        let store = PostgresStore::open(database.url()).await.expect("a new store");
        Self { store, database }
    }

    /// Another hub on the same database.
    async fn another(&self) -> PostgresStore {
        PostgresStore::open(self.database.url()).await.expect("opened beside the first")
    }

    pub(super) async fn close(self) {
        self.store.close().await;
        self.database.discard().await;
    }
}
