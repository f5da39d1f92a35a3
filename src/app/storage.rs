//! Which backend keeps what the settings say.

use std::sync::Arc;

use crate::config::settings::Place;
use crate::domain::Timestamp;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::{Holder, SqliteStore};
use crate::store::{Error, Store};

/// Opens the store at `place`. `command` and `since` tell others who holds a file.
pub(super) async fn open(
    place: &Place,
    command: &str,
    since: Timestamp,
) -> Result<Arc<dyn Store>, Error> {
    Ok(match place {
        Place::File(path) => {
            let holder = Holder { command: command.to_owned(), since };
            Arc::new(SqliteStore::open(path, &holder).await?)
        }
        Place::Postgres { url, .. } => Arc::new(PostgresStore::open(url.expose()).await?),
    })
}
