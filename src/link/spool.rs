//! Reports on disk, in order, until the hub has them.
//!
//! An SQLite file, so it survives a killed process. It has a bound: when there is no room, the
//! oldest reports of passed runs go first, since they say the least, then the oldest of the others;
//! both are counted, for ever. What is here holds no value of a secret: reports are masked when they
//! are made.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use super::protocol::{ReportMessage, SpoolState};
use crate::domain::run::{Outcome, Report};

/// The version of the file's form.
const FORM: i64 = 1;

/// What a report needs on disk besides its text, in bytes.
pub const OVERHEAD: u64 = 64;

/// When there is no room, this part of the bound is made free at once: one in so many.
const SLACK: u64 = 50;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS reports (
        number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        passed INTEGER NOT NULL,
        size   INTEGER NOT NULL,
        report TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS reports_by_outcome ON reports (passed, number);
    CREATE TABLE IF NOT EXISTS counts (
        passed INTEGER NOT NULL PRIMARY KEY,
        gone   INTEGER NOT NULL
    ) STRICT;
    -- Reports that the hub wants later. Not on disk: the next process asks it anew.
    PRAGMA temp_store = MEMORY;
    CREATE TEMP TABLE later (number INTEGER NOT NULL PRIMARY KEY) STRICT;
";

/// Why the spool could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is that of a later version.
    #[error(
        "the spool {0} was written by a later version of Tripline; use that version or a later one"
    )]
    TooNew(String),
    /// The database refused or failed.
    #[error("the spool failed to {what}")]
    Database {
        /// What was to be done.
        what: &'static str,
        /// What the database says.
        #[source]
        source: sqlx::Error,
    },
}

/// Reports on disk.
#[derive(Debug)]
pub struct Spool {
    inner: Mutex<Inner>,
    limit: u64,
}

#[derive(Debug)]
struct Inner {
    connection: SqliteConnection,
    /// None after an error, when what is on disk is not known for sure.
    state: Option<SpoolState>,
    /// What was last known to be on disk.
    last: SpoolState,
    /// What could not be kept and is not counted on disk yet.
    unkept: Unkept,
}

/// A report as it is kept and handed over: a [`ReportMessage`] as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    text: String,
    passed: bool,
}

impl From<&Report> for Written {
    fn from(report: &Report) -> Self {
        let text = serde_json::to_string(&ReportMessage::from(report));
        let text = text.expect("a report has text keys and finite numbers");
        Self { text, passed: report.outcome() == Outcome::Passed }
    }
}

impl Written {
    /// The JSON.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the run passed.
    pub fn passed(&self) -> bool {
        self.passed
    }

    /// Its beginning, which names check, region and time.
    pub fn shown(&self) -> String {
        self.text.chars().take(160).collect()
    }

    /// A report that says `text`.
    #[cfg(test)]
    pub(crate) fn example(text: &str, passed: bool) -> Self {
        Self { text: text.to_owned(), passed }
    }
}

/// How many reports could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Unkept {
    passed: u64,
    others: u64,
}

/// Some of the oldest reports, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Oldest {
    /// The reports as JSON.
    pub reports: Vec<String>,
    /// Their numbers.
    numbers: Vec<i64>,
}

fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database { what, source }
}

impl Spool {
    /// Opens the spool in `path`, which holds at most `limit` bytes of reports. A file that is
    /// damaged is put aside and begun anew: what is to come matters more than what was.
    ///
    /// # Errors
    ///
    /// [`Error`] when there can be none, or the file is that of a later version.
    pub async fn open(path: &Path, limit: u64) -> Result<Self, Error> {
        let connection = match connect(path).await {
            Err(Error::Database { source, .. }) if is_damaged(&source) => {
                put_aside(path)?;
                connect(path).await?
            }
            other => other?,
        };
        let spool = Self { inner: Mutex::new(Inner::new(connection)), limit };
        spool.state().await?;
        Ok(spool)
    }

    /// Puts a report at the end; when this returns, it survives the process.
    ///
    /// # Errors
    ///
    /// [`Error::Database`]; the report is not kept.
    pub async fn push(&self, report: &Written) -> Result<(), Error> {
        let size = report.text.len() as u64 + OVERHEAD;
        let mut inner = self.inner.lock().await;
        let (mut state, unkept) = (inner.known().await?, inner.unkept);
        inner.state = None;
        let mut transaction =
            inner.connection.begin().await.map_err(failed("begin a transaction"))?;
        if state.bytes + size > self.limit {
            let target = self.limit.saturating_sub(size + self.limit / SLACK);
            make_room(&mut transaction, &mut state, target).await?;
        }
        sqlx::query("INSERT INTO reports (passed, size, report) VALUES (?, ?, ?)")
            .bind(report.passed)
            .bind(signed(size))
            .bind(&report.text)
            .execute(&mut *transaction)
            .await
            .map_err(failed("keep a report"))?;
        count_unkept(&mut transaction, &mut state, unkept).await?;
        transaction.commit().await.map_err(failed("keep a report"))?;
        state.reports += 1;
        state.bytes += size;
        inner.know(state);
        inner.unkept = Unkept::default();
        Ok(())
    }

    /// Counts a report that could not be kept and is gone for good. It is counted on disk as soon as
    /// that takes something again, and until then here.
    pub async fn note_unkept(&self, report: &Written) {
        let unkept = &mut self.inner.lock().await.unkept;
        *(if report.passed { &mut unkept.passed } else { &mut unkept.others }) += 1;
    }

    /// Counts a report that is to be removed though nobody will ever take it; on disk with the next that
    /// comes, and until then here.
    pub async fn note_dropped(&self) {
        self.inner.lock().await.unkept.others += 1;
    }

    /// The oldest reports, at most `most` and, unless the first alone is larger, at most `bytes`;
    /// without those that are wanted later.
    ///
    /// # Errors
    ///
    /// [`Error::Database`].
    pub async fn oldest(&self, most: usize, bytes: usize) -> Result<Oldest, Error> {
        let mut inner = self.inner.lock().await;
        let found: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT number, size FROM reports \
             WHERE number NOT IN (SELECT number FROM later) ORDER BY number LIMIT ?",
        )
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch_all(&mut inner.connection)
        .await
        .map_err(failed("read reports"))?;
        let (mut numbers, mut sum) = (Vec::new(), 0);
        for (number, size) in found {
            sum += size.unsigned_abs();
            if !numbers.is_empty() && sum > bytes as u64 {
                break;
            }
            numbers.push(number);
        }
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
            return Ok(Oldest::default());
        };
        let reports = sqlx::query_scalar(
            "SELECT report FROM reports WHERE number BETWEEN ? AND ? \
             AND number NOT IN (SELECT number FROM later) ORDER BY number",
        )
        .bind(first)
        .bind(last)
        .fetch_all(&mut inner.connection)
        .await
        .map_err(failed("read reports"))?;
        Ok(Oldest { reports, numbers })
    }

    /// Removes what [`Self::oldest`] gave, because the hub has it or never will; but for those at
    /// the indexes `later`, which stay and are not given again before [`Self::offer_again`].
    ///
    /// # Errors
    ///
    /// [`Error::Database`]; it is given again.
    pub async fn remove(&self, oldest: &Oldest, later: &[usize]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (oldest.numbers.first(), oldest.numbers.last()) else {
            return Ok(());
        };
        let mut inner = self.inner.lock().await;
        inner.state = None;
        for number in later.iter().filter_map(|index| oldest.numbers.get(*index)) {
            sqlx::query("INSERT OR IGNORE INTO later VALUES (?)")
                .bind(number)
                .execute(&mut inner.connection)
                .await
                .map_err(failed("put reports aside"))?;
        }
        sqlx::query(
            "DELETE FROM reports WHERE number BETWEEN ? AND ? \
             AND number NOT IN (SELECT number FROM later)",
        )
        .bind(first)
        .bind(last)
        .execute(&mut inner.connection)
        .await
        .map_err(failed("remove reports"))?;
        if inner.known().await?.reports == 0 {
            // Gives the disk back what a long absence of the hub took.
            let vacuum = sqlx::raw_sql("PRAGMA incremental_vacuum").execute(&mut inner.connection);
            vacuum.await.map_err(failed("give back disk space"))?;
        }
        Ok(())
    }

    /// Lets [`Self::oldest`] give what was put aside. Returns how many reports that are.
    ///
    /// # Errors
    ///
    /// [`Error::Database`].
    pub async fn offer_again(&self) -> Result<u64, Error> {
        let mut inner = self.inner.lock().await;
        let offered = sqlx::query("DELETE FROM later")
            .execute(&mut inner.connection)
            .await
            .map_err(failed("offer reports again"))?;
        Ok(offered.rows_affected())
    }

    /// What waits here and what was lost.
    ///
    /// # Errors
    ///
    /// [`Error::Database`].
    pub async fn state(&self) -> Result<SpoolState, Error> {
        let mut inner = self.inner.lock().await;
        let known = inner.known().await?;
        Ok(inner.with_unkept(known))
    }

    /// The same, or what was last known of it while the database fails.
    pub async fn last_state(&self) -> SpoolState {
        let mut inner = self.inner.lock().await;
        let known = inner.known().await.unwrap_or(inner.last);
        inner.with_unkept(known)
    }
}

impl Inner {
    fn new(connection: SqliteConnection) -> Self {
        let (last, unkept) = (SpoolState::default(), Unkept::default());
        Self { connection, state: None, last, unkept }
    }

    fn know(&mut self, state: SpoolState) {
        self.state = Some(state);
        self.last = state;
    }

    fn with_unkept(&self, mut state: SpoolState) -> SpoolState {
        state.thinned += self.unkept.passed;
        state.lost += self.unkept.others;
        state
    }

    async fn known(&mut self) -> Result<SpoolState, Error> {
        if let Some(state) = self.state {
            return Ok(state);
        }
        let (reports, bytes): (i64, i64) =
            sqlx::query_as("SELECT count(*), coalesce(sum(size), 0) FROM reports")
                .fetch_one(&mut self.connection)
                .await
                .map_err(failed("count reports"))?;
        let gone: Vec<(bool, i64)> = sqlx::query_as("SELECT passed, gone FROM counts")
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed("count reports"))?;
        let of = |wanted: bool| {
            gone.iter()
                .filter(|(passed, _)| *passed == wanted)
                .map(|(_, gone)| gone.unsigned_abs())
                .sum()
        };
        let (reports, bytes) = (reports.unsigned_abs(), bytes.unsigned_abs());
        let state = SpoolState { reports, bytes, thinned: of(true), lost: of(false) };
        self.know(state);
        Ok(state)
    }
}

/// Removes the oldest passed runs, then the oldest of the others, until `target` bytes are left.
async fn make_room(
    connection: &mut SqliteConnection,
    state: &mut SpoolState,
    target: u64,
) -> Result<(), Error> {
    const SOME: i64 = 64;
    for passed in [true, false] {
        while state.bytes > target {
            let some: Vec<(i64, i64)> = sqlx::query_as(
                "SELECT number, size FROM reports WHERE passed = ? ORDER BY number LIMIT ?",
            )
            .bind(passed)
            .bind(SOME)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed("make room"))?;
            let (mut last, mut gone) = (None, 0);
            for (number, size) in some {
                if state.bytes <= target {
                    break;
                }
                state.bytes = state.bytes.saturating_sub(size.unsigned_abs());
                (last, gone) = (Some(number), gone + 1);
            }
            let Some(last) = last else { break };
            drop_until(connection, passed, last, gone).await?;
            state.reports = state.reports.saturating_sub(gone);
            *(if passed { &mut state.thinned } else { &mut state.lost }) += gone;
        }
    }
    Ok(())
}

async fn drop_until(
    connection: &mut SqliteConnection,
    passed: bool,
    last: i64,
    gone: u64,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM reports WHERE passed = ? AND number <= ?")
        .bind(passed)
        .bind(last)
        .execute(&mut *connection)
        .await
        .map_err(failed("make room"))?;
    count(connection, passed, gone).await
}

/// Counts on disk what could not be kept.
async fn count_unkept(
    connection: &mut SqliteConnection,
    state: &mut SpoolState,
    unkept: Unkept,
) -> Result<(), Error> {
    for (passed, gone) in [(true, unkept.passed), (false, unkept.others)] {
        if gone > 0 {
            count(&mut *connection, passed, gone).await?;
            *(if passed { &mut state.thinned } else { &mut state.lost }) += gone;
        }
    }
    Ok(())
}

async fn count(connection: &mut SqliteConnection, passed: bool, gone: u64) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO counts VALUES (?, ?) ON CONFLICT (passed) DO UPDATE SET gone = gone + excluded.gone",
    )
    .bind(passed)
    .bind(signed(gone))
    .execute(connection)
    .await
    .map_err(failed("count what is gone"))
    .map(|_| ())
}

async fn connect(path: &Path) -> Result<SqliteConnection, Error> {
    // Made here, so that only its owner may read it; SQLite makes its log like it.
    let mut file = std::fs::OpenOptions::new();
    let made = file.append(true).create(true).mode(0o600).open(path);
    made.map_err(|error| failed("open")(error.into()))?;
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5))
        .pragma("journal_size_limit", "4194304")
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed("open"))?;
    let form: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut connection)
        .await
        .map_err(failed("open"))?;
    if form > FORM {
        return Err(Error::TooNew(path.display().to_string()));
    }
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut connection)
        .await
        .map_err(failed("open"))?;
    if found != "ok" {
        return Err(Error::Database { what: "open", source: sqlx::Error::Decode(found.into()) });
    }
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(failed("open"))?;
    sqlx::raw_sql("PRAGMA user_version = 1")
        .execute(&mut connection)
        .await
        .map_err(failed("open"))?;
    Ok(connection)
}

/// SQLite: "the file is malformed" and "the file is not a database"; or its check said so.
fn is_damaged(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    matches!(error, sqlx::Error::Decode(_))
        || code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

fn put_aside(path: &Path) -> Result<(), Error> {
    let aside = beside(path, ".damaged");
    std::fs::rename(path, &aside)
        .map_err(|error| failed("put a damaged file aside")(error.into()))?;
    for ending in ["-wal", "-shm"] {
        // They belong to the file that is gone; often there are none.
        let _ = std::fs::remove_file(beside(path, ending));
    }
    let aside = aside.display();
    tracing::error!(%aside, "the spool was damaged; reports that waited in it are put aside");
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(path);
    name.push(ending);
    name.into()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
