//! Which backend keeps what the settings say.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::clock::Clock;
use crate::config::settings::Place;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::{Holder, SqliteStore};
use crate::store::{Error, Store};

/// How far clocks may differ. Claims on messages hold for 20 seconds by the clock of whoever asks,
/// so that with clocks that differ by more than a little one hub would take over what another is
/// sending.
const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// Opens the store at `place`. `command` tells others who holds a file.
pub(super) async fn open(
    place: &Place,
    command: &str,
    clock: &dyn Clock,
) -> Result<Arc<dyn Store>, Error> {
    match place {
        Place::File(path) => {
            let holder = Holder { command: command.to_owned(), since: clock.now() };
            Ok(Arc::new(SqliteStore::open(path, &holder).await?))
        }
        Place::Postgres { url, .. } => {
            let store = PostgresStore::open(url.expose()).await?;
            let ahead = clock.now() - store.time().await?;
            if ahead.abs() > TOLERANCE {
                tracing::warn!(
                    ahead_ms = ahead.num_milliseconds(),
                    "this machine's clock differs from the database's; let both be set by NTP, or \
                     hubs that share the store may send messages twice, marked as such"
                );
            }
            Ok(Arc::new(store))
        }
    }
}
