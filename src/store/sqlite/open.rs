//! Opening: making a new file, recognising an old one, bringing it up to date.
//!
//! A file that is not ours or is damaged is refused and never replaced. The file itself is only
//! opened by SQLite: closing any other handle to it would drop the locks that SQLite holds.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::{beside, failed, primary_code};
use crate::store::Error;
use crate::store::version::Version;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Marks a file as a store of ours ("TRPL"), so that another program's database is not mistaken
/// for one.
const APPLICATION: i64 = 0x5452_504c;

/// Up to this size the whole file is checked at opening; of a larger one, all but the runs.
const CHECKED_WHOLE: u64 = 256 << 20;

const SMALL_TABLES: [&str; 15] = [
    "streaks",
    "incidents",
    "decisions",
    "notifications",
    "deliveries",
    "leases",
    "agent_tokens",
    "former_tokens",
    "agents",
    "broken_channels",
    "answers",
    "paths",
    "drill_mark",
    "sessions",
    "sign_in_attempts",
];

/// How long a statement waits for a lock that another program holds.
const BUSY: Duration = Duration::from_secs(5);

/// Pages in the log before they are moved to the main file; a larger log moves a page that is
/// written often less often.
const LOG_PAGES: &str = "4000";

const READERS: u32 = 4;

/// SQLite: "the file is malformed" and "the file is not a database".
const DAMAGE: [i32; 2] = [11, 26];

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .pragma("temp_store", "memory")
        .disable_statement_logging()
}

/// Makes sure that there is a store at `path` that this version can write.
pub(super) async fn prepare(path: &Path) -> Result<(), Error> {
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(path).await?,
        Err(error) => return Err(failed("open the store")(error.into())),
        Ok(file) if file.len() == 0 => return Err(damaged(path, "the file is empty")),
        Ok(_) => {}
    }
    let mut probe = connect(path, &options(path)).await?;
    let version = version(&mut probe, path).await?;
    check(&mut probe, path).await?;
    if version == Version::Earlier {
        migrate(&mut probe, path).await?;
    }
    probe.close().await.map_err(failed("open the store"))
}

/// Makes a new store beside its place and moves it there whole, so that a crash on the way leaves
/// nothing that looks like a damaged one.
async fn create(path: &Path) -> Result<(), Error> {
    refuse_log_alone(path)?;
    let broken = |error: std::io::Error| failed("make a new store")(error.into());
    let fresh = beside(path, ".new");
    for stale in [fresh.clone(), beside(&fresh, "-journal")] {
        match fs::remove_file(stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(broken(error));
            }
            _ => {}
        }
    }
    let mut connection = connect(&fresh, &options(&fresh).create_if_missing(true)).await?;
    lay_out(&mut connection, &fresh).await?;
    connection.close().await.map_err(failed("make a new store"))?;
    fs::rename(&fresh, path).map_err(broken)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(broken)?;
    folder.sync_all().map_err(broken)
}

/// A log whose store is gone may hold what is not in any backup.
pub(super) fn refuse_log_alone(path: &Path) -> Result<(), Error> {
    if fs::metadata(beside(path, "-wal")).is_ok_and(|file| file.len() > 0) {
        return Err(damaged(path, "the file is gone, but its log is still there"));
    }
    Ok(())
}

/// Makes an empty database a store.
pub(super) async fn lay_out(connection: &mut SqliteConnection, path: &Path) -> Result<(), Error> {
    let mark = AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION}"));
    sqlx::raw_sql(mark).execute(&mut *connection).await.map_err(failed("make a new store"))?;
    migrate(connection, path).await
}

/// The one connection that writes.
pub(super) async fn writer(path: &Path) -> Result<SqliteConnection, Error> {
    let options = options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("wal_autocheckpoint", LOG_PAGES)
        .pragma("cache_size", "-12000")
        .optimize_on_close(true, Some(400));
    connect(path, &options).await
}

/// The writer again, after the disk failed under it: what is there is not trusted unseen.
pub(super) async fn writer_again(path: &Path) -> Result<SqliteConnection, Error> {
    let mut connection = writer(path).await?;
    check(&mut connection, path).await?;
    Ok(connection)
}

/// The connections that read. They are made when they are needed.
pub(super) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        // It would go to the thread of the connection and back, to find a file where it was.
        .test_before_acquire(false)
        .acquire_timeout(BUSY)
        .connect_lazy_with(options(path).read_only(true))
}

/// Makes sure that the store at `path` can be read by this version as it is.
pub(super) async fn prepare_reading(path: &Path) -> Result<(), Error> {
    if !fs::exists(path).map_err(|error| failed("open the store")(error.into()))? {
        return Err(Error::Missing { path: path.display().to_string() });
    }
    let mut probe = connect(path, &options(path).read_only(true)).await?;
    let version = version(&mut probe, path).await?;
    probe.close().await.map_err(failed("open the store"))?;
    if version == Version::Earlier { Err(Error::TooOld) } else { Ok(()) }
}

pub(super) async fn connect(
    path: &Path,
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, Error> {
    let connected = SqliteConnection::connect_with(options).await;
    connected.map_err(|error| classify(error, path, "open the store"))
}

/// How the store compares with this version; refuses what is not ours or is newer.
async fn version(connection: &mut SqliteConnection, path: &Path) -> Result<Version, Error> {
    let unclear = |error| classify(error, path, "recognise the store");
    let application: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(unclear)?;
    if application != APPLICATION {
        return Err(damaged(path, "it is the database of another program"));
    }
    let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations")
        .fetch_all(&mut *connection)
        .await
        .map_err(unclear)?;
    Version::of(&MIGRATIONS, &applied)
}

async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), Error> {
    MIGRATIONS.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            classify(error, path, "bring the store up to date")
        }
        MigrateError::VersionMissing(_) => Error::TooNew,
        MigrateError::VersionMismatch(number) => {
            damaged(path, &format!("its migration {number} is not the one of this version"))
        }
        other => failed("bring the store up to date")(other.into()),
    })
}

async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), Error> {
    let size = fs::metadata(path).map_or(0, |file| file.len());
    if size <= CHECKED_WHOLE {
        return check_part(connection, path, "1").await;
    }
    for table in SMALL_TABLES {
        check_part(connection, path, table).await?;
    }
    Ok(())
}

async fn check_part(
    connection: &mut SqliteConnection,
    path: &Path,
    part: &str,
) -> Result<(), Error> {
    let pragma = AssertSqlSafe(format!("PRAGMA quick_check({part})"));
    let found: Vec<String> = sqlx::query_scalar(pragma)
        .fetch_all(connection)
        .await
        .map_err(|error| classify(error, path, "check the store"))?;
    match found.iter().find(|line| *line != "ok") {
        None => Ok(()),
        Some(line) => Err(damaged(path, line)),
    }
}

fn classify(error: sqlx::Error, path: &Path, what: &'static str) -> Error {
    if primary_code(&error).is_some_and(|code| DAMAGE.contains(&code)) {
        let reason = error.as_database_error().map(|error| error.message().to_owned());
        return damaged(path, &reason.unwrap_or_default());
    }
    Error::Database { what, source: error }
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::Damaged { path: path.display().to_string(), reason: reason.to_owned() }
}
