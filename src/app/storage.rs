//! Which backend keeps what the settings say, and copying from one to another.

use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::clock::{Clock, Guided};
use crate::config::settings::Place;
use crate::store::agents::Tokens;
use crate::store::copying::{self, Copied, Source, Target};
use crate::store::past::Past;
use crate::store::postgres::{PostgresStore, PostgresTokens};
use crate::store::sqlite::{Holder, SqliteStore, SqliteTokens};
use crate::store::{Error, Ledger};

/// How far this machine's clock may differ from the database's without a word.
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

/// Opens the store at `place` for telling its past once more, beside the hubs that use it.
///
/// # Errors
///
/// As the backends say.
pub async fn open_past(place: &Place) -> Result<Arc<dyn Past>, Error> {
    Ok(match place {
        Place::File(path) => Arc::new(SqliteStore::open_read_only(path).await?),
        Place::Postgres { url, .. } => Arc::new(PostgresStore::open_read_only(url.expose()).await?),
    })
}

/// Opens the tokens of agents in the store at `place`, beside the hubs that use it, and gives the
/// clock that those go by.
///
/// # Errors
///
/// As the backends say.
pub(super) async fn open_tokens(
    place: &Place,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<dyn Tokens>, Arc<dyn Clock>), Error> {
    match place {
        Place::File(path) => Ok((Arc::new(SqliteTokens::open(path).await?), clock)),
        Place::Postgres { url, .. } => {
            let guided = Arc::new(Guided::new(clock));
            let tokens = PostgresTokens::open_guiding(url.expose(), &guided).await?;
            Ok((Arc::new(tokens), guided))
        }
    }
}

/// Writes all that the store at `place` holds to the new file `file`, beside the hubs that use it.
/// The file is a store of SQLite.
///
/// # Errors
///
/// As [`Source`], [`Target::new_file`] and [`copying::copy`] say; there is no file then.
pub async fn back_up(place: &Place, file: &Path) -> Result<Copied, Error> {
    let from = source(place).await?;
    copying::copy(from, Target::new_file(file).await?).await
}

/// Fills the store at `place`, which must hold nothing, from a backup, which may be one of an earlier
/// version. `scratch` is a folder for what is needed meanwhile.
///
/// # Errors
///
/// As [`Source::backup`], [`Target`] and [`copying::copy`] say; the store is as it was then.
pub async fn restore(
    file: &Path,
    place: &Place,
    scratch: &Path,
    clock: &dyn Clock,
) -> Result<Copied, Error> {
    let from = Source::backup(file, scratch).await?;
    copying::copy(from, target(place, "tripline store restore", clock).await?).await
}

/// Copies all that the store at `from` holds to the one at `to`, which must hold nothing. Nobody may
/// use a file that is copied.
///
/// # Errors
///
/// As [`Source`], [`Target`] and [`copying::copy`] say; the store at `to` is as it was then.
pub async fn copy(from: &Place, to: &Place, clock: &dyn Clock) -> Result<Copied, Error> {
    let command = "tripline store copy";
    let from = match from {
        Place::File(path) => {
            let holder = Holder { command: command.to_owned(), since: clock.now() };
            Source::file_left(path, &holder).await?
        }
        Place::Postgres { .. } => source(from).await?,
    };
    copying::copy(from, target(to, command, clock).await?).await
}

async fn source(place: &Place) -> Result<Source, Error> {
    match place {
        Place::File(path) => Source::file(path).await,
        Place::Postgres { url, .. } => Source::database(url.expose()).await,
    }
}

async fn target(place: &Place, command: &str, clock: &dyn Clock) -> Result<Target, Error> {
    match place {
        Place::File(path) => {
            let holder = Holder { command: command.to_owned(), since: clock.now() };
            Target::file(path, &holder).await
        }
        Place::Postgres { url, .. } => Target::database(url.expose()).await,
    }
}

/// Opens the store at `place`, and gives the clock to go by: that of this machine, or where several
/// hubs may share the store, one that keeps to the database's. `command` tells others who holds a
/// file.
pub(super) async fn open(
    place: &Place,
    command: &str,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<dyn Ledger>, Arc<dyn Clock>), Error> {
    match place {
        Place::File(path) => {
            let holder = Holder { command: command.to_owned(), since: clock.now() };
            Ok((Arc::new(SqliteStore::open(path, &holder).await?), clock))
        }
        Place::Postgres { url, .. } => {
            let guided = Arc::new(Guided::new(clock));
            let store = PostgresStore::open_guiding(url.expose(), Arc::clone(&guided)).await?;
            let ahead = -guided.correction();
            if ahead.abs() > TOLERANCE {
                tracing::warn!(
                    ahead_ms = ahead.num_milliseconds(),
                    "this machine's clock differs from the database's, which this hub goes by; let \
                     both be set by NTP"
                );
            }
            Ok((Arc::new(store), guided))
        }
    }
}
