//! Which backend keeps what the settings say.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::clock::Clock;
use crate::config::settings::Place;
use crate::store::agents::Tokens;
use crate::store::postgres::{PostgresStore, PostgresTokens};
use crate::store::sqlite::{Holder, SqliteStore, SqliteTokens};
use crate::store::{Error, Ledger};

/// How far clocks may differ. Claims on messages hold for 20 seconds by the clock of whoever asks,
/// so that with clocks that differ by more than a little one hub would take over what another is
/// sending.
const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// Opens the store at `place` for reading, beside the hubs that use it.
///
/// # Errors
///
/// As the backends say.
pub async fn open_read_only(place: &Place) -> Result<Arc<dyn Ledger>, Error> {
    Ok(match place {
        Place::File(path) => Arc::new(SqliteStore::open_read_only(path).await?),
        Place::Postgres { url, .. } => Arc::new(PostgresStore::open_read_only(url.expose()).await?),
    })
}

/// Opens the tokens of agents in the store at `place`, beside the hubs that use it.
///
/// # Errors
///
/// As the backends say.
pub(super) async fn open_tokens(place: &Place) -> Result<Arc<dyn Tokens>, Error> {
    Ok(match place {
        Place::File(path) => Arc::new(SqliteTokens::open(path).await?),
        Place::Postgres { url, .. } => Arc::new(PostgresTokens::open(url.expose()).await?),
    })
}

/// Opens the store at `place`. `command` tells others who holds a file.
pub(super) async fn open(
    place: &Place,
    command: &str,
    clock: &dyn Clock,
) -> Result<Arc<dyn Ledger>, Error> {
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
