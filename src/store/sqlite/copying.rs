//! Copying from and to a file.
//!
//! A new file is made under another name and moved to its place when it is whole and on disk, and
//! never over something that is there. A file that is there is filled in one transaction.

use std::fs::File;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, Sqlite};
use tempfile::{NamedTempFile, TempPath};
use uuid::Uuid;

use super::hold::{Hold, Holder};
use super::rows_of::RowsOf;
use super::{failed, open};
use crate::store::Error;
use crate::store::copying::{Cell, Column, Read, Row, Table, Write, refuse_unless_empty};

/// A snapshot of the store in a file.
pub(in crate::store) struct Reader {
    connection: SqliteConnection,
    /// Removed when nothing reads it any more.
    _scratch: Option<TempPath>,
    /// Ends last.
    _hold: Option<Hold>,
}

impl Reader {
    /// Begins to read the store at `path`.
    pub(in crate::store) async fn open(path: &Path) -> Result<Self, Error> {
        open::prepare_reading(path).await?;
        Self::begin(path, None).await
    }

    /// Begins to read the backup at `path`, or, where it is of an earlier version, a copy of it that
    /// is brought up to date in `scratch`.
    pub(in crate::store) async fn open_backup(path: &Path, scratch: &Path) -> Result<Self, Error> {
        match open::prepare_reading(path).await {
            Ok(()) => return Self::begin(path, None).await,
            Err(Error::TooOld) => {}
            Err(error) => return Err(error),
        }
        let broken = failed("bring a copy of the backup up to date");
        let copy = temporary(scratch).map_err(|error| broken(error.into()))?.into_temp_path();
        let mut connection = open::connect(path, &open::options(path).read_only(true)).await?;
        let text = copy
            .to_str()
            .ok_or_else(|| broken(sqlx::Error::Io(std::io::ErrorKind::InvalidFilename.into())))?;
        let vacuum = sqlx::query("VACUUM INTO ?").bind(text);
        vacuum.execute(&mut connection).await.map_err(&broken)?;
        connection.close().await.map_err(&broken)?;
        open::prepare(&copy).await?;
        let path = copy.to_path_buf();
        Self::begin(&path, Some(copy)).await
    }

    /// Begins to read the store at `path`, which nobody else may use meanwhile.
    pub(in crate::store) async fn hold(path: &Path, holder: &Holder) -> Result<Self, Error> {
        let hold = Hold::take_for_reading(path, holder)?;
        Ok(Self { _hold: hold, ..Self::open(path).await? })
    }

    async fn begin(path: &Path, scratch: Option<TempPath>) -> Result<Self, Error> {
        let mut connection = open::connect(path, &open::options(path).read_only(true)).await?;
        // The first statement that reads takes the snapshot.
        let begun = sqlx::raw_sql("BEGIN; SELECT count(*) FROM _sqlx_migrations");
        begun.execute(&mut connection).await.map_err(failed("read the store"))?;
        Ok(Self { connection, _scratch: scratch, _hold: None })
    }
}

#[async_trait]
impl Read for Reader {
    async fn tables(&mut self) -> Result<Vec<Table>, Error> {
        tables(&mut self.connection).await
    }

    async fn count(&mut self, table: &Table) -> Result<u64, Error> {
        count(&mut self.connection, table).await
    }

    async fn oldest(&mut self) -> Result<Option<Uuid>, Error> {
        let oldest = sqlx::query_scalar(
            "SELECT id FROM runs WHERE NOT EXISTS (SELECT 1 FROM decisions \
             WHERE run_id = runs.id AND incident_id IS NOT NULL) ORDER BY id LIMIT 1",
        );
        oldest.fetch_optional(&mut self.connection).await.map_err(failed("look for the oldest run"))
    }

    fn rows<'a>(&'a mut self, table: &'a Table) -> BoxStream<'a, Result<Row, Error>> {
        let text = AssertSqlSafe(format!("SELECT {} FROM \"{}\"", table.list(), table.name));
        let rows = sqlx::query(text).fetch(&mut self.connection);
        rows.map_err(failed("read the store"))
            .map(|row| row.and_then(|row| read(table, &row)))
            .boxed()
    }
}

fn read(table: &Table, row: &SqliteRow) -> Result<Row, Error> {
    let unclear = failed("read a row");
    let cell = |(index, column): (usize, &Column)| match &*column.kind {
        "integer" => of(row.try_get(index).map_err(&unclear)?, Cell::Integer),
        "real" => of(row.try_get(index).map_err(&unclear)?, Cell::Real),
        "text" => of(row.try_get(index).map_err(&unclear)?, Cell::Text),
        "blob" => of(row.try_get(index).map_err(&unclear)?, Cell::Bytes),
        _ => Err(table.unheard_of(column)),
    };
    table.columns.iter().enumerate().map(cell).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it ends the arms of a match of results")]
fn of<T>(value: Option<T>, cell: fn(T) -> Cell) -> Result<Cell, Error> {
    Ok(value.map_or(Cell::Null, cell))
}

/// A file that is filled.
pub(in crate::store) struct Writer {
    connection: SqliteConnection,
    place: Place,
    /// The statement of the table that is being filled.
    filling: Option<(String, RowsOf)>,
    /// Ends last.
    _hold: Option<Hold>,
}

enum Place {
    /// The store that is there.
    Store,
    /// Where a new file belongs, and where it is until it is whole.
    New(PathBuf, NamedTempFile),
}

impl Writer {
    /// A new file for `path`.
    pub(in crate::store) async fn new_file(path: &Path) -> Result<Self, Error> {
        Self::make(path, None).await
    }

    /// The store at `path`, or a new one.
    pub(in crate::store) async fn store(path: &Path, holder: &Holder) -> Result<Self, Error> {
        let hold = Hold::take(path, holder)?;
        if !std::fs::exists(path).map_err(|error| failed("open the store")(error.into()))? {
            return Self::make(path, Some(hold)).await;
        }
        open::prepare(path).await?;
        let options = open::options(path)
            .foreign_keys(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let connection = open::connect(path, &options).await?;
        let place = Place::Store;
        let mut writer = Self { connection, place, filling: None, _hold: Some(hold) };
        writer.begin_writing().await?;
        refuse_unless_empty(&mut writer, &path.display().to_string()).await?;
        Ok(writer)
    }

    async fn make(path: &Path, hold: Option<Hold>) -> Result<Self, Error> {
        if path.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: path.display().to_string() });
        }
        open::refuse_log_alone(path)?;
        let fresh = temporary(&folder(path)).map_err(|error| Error::Unwritable {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
        // Nothing has to be kept in order on the way: the file counts when it is whole.
        let options = open::options(fresh.path())
            .foreign_keys(false)
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off);
        let mut connection = open::connect(fresh.path(), &options).await?;
        open::lay_out(&mut connection, fresh.path()).await?;
        let place = Place::New(path.to_owned(), fresh);
        let mut writer = Self { connection, place, filling: None, _hold: hold };
        writer.begin_writing().await?;
        Ok(writer)
    }

    async fn begin_writing(&mut self) -> Result<(), Error> {
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await;
        begun.map_err(failed("begin a transaction")).map(|_| ())
    }
}

#[async_trait]
impl Write for Writer {
    async fn tables(&mut self) -> Result<Vec<Table>, Error> {
        tables(&mut self.connection).await
    }

    async fn count(&mut self, table: &Table) -> Result<u64, Error> {
        count(&mut self.connection, table).await
    }

    fn begin(&mut self, _: Option<Uuid>) {}

    async fn write(&mut self, table: &Table, mut rows: &[Row]) -> Result<(), Error> {
        let is_other = self.filling.as_ref().is_none_or(|(name, _)| *name != table.name);
        if is_other {
            let head = format!("INSERT INTO \"{}\" ({}) VALUES", table.name, table.list());
            self.filling = Some((table.name.clone(), RowsOf::new(&head, table.columns.len(), "")));
        }
        let Some((_, statement)) = &self.filling else { return Ok(()) };
        while !rows.is_empty() {
            let (some, rest, text) = statement.split(rows);
            let query = sqlx::query(AssertSqlSafe(text.to_owned()));
            let query = some.iter().flatten().fold(query, bind);
            query.execute(&mut self.connection).await.map_err(failed("write rows"))?;
            rows = rest;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), Error> {
        let unfinished = failed("finish the copy");
        let loose = sqlx::query("PRAGMA foreign_key_check").fetch_optional(&mut self.connection);
        if loose.await.map_err(&unfinished)?.is_some() {
            let reason = "a row refers to one that is not there".to_owned();
            return Err(Error::Differ { reason });
        }
        sqlx::query("COMMIT").execute(&mut self.connection).await.map_err(&unfinished)?;
        self.connection.close().await.map_err(&unfinished)?;
        match self.place {
            Place::Store => Ok(()),
            Place::New(path, fresh) => put(fresh, &path),
        }
    }
}

/// Moves a whole file to its place.
fn put(fresh: NamedTempFile, path: &Path) -> Result<(), Error> {
    let broken = |error: std::io::Error| failed("put the new file in its place")(error.into());
    fresh.as_file().sync_all().map_err(broken)?;
    fresh.persist_noclobber(path).map_err(|refused| match refused.error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists { path: path.display().to_string() },
        _ => broken(refused.error),
    })?;
    File::open(folder(path)).and_then(|folder| folder.sync_all()).map_err(broken)
}

fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// A file that only its owner can read, gone when it is dropped.
fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".tripline-").suffix(".unfinished").tempfile_in(folder)
}

fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    cell: &Cell,
) -> Query<'q, Sqlite, SqliteArguments> {
    match cell {
        Cell::Null => query.bind(None::<i64>),
        Cell::Integer(number) => query.bind(*number),
        Cell::Real(number) => query.bind(*number),
        Cell::Text(text) => query.bind(text.clone()),
        Cell::Bytes(bytes) => query.bind(bytes.clone()),
    }
}

async fn tables(connection: &mut SqliteConnection) -> Result<Vec<Table>, Error> {
    let found = sqlx::query_as(
        "SELECT it.name, field.name, field.type FROM sqlite_schema AS it \
         JOIN pragma_table_info(it.name) AS field WHERE it.type = 'table' \
         AND it.name NOT LIKE 'sqlite^_%' ESCAPE '^' AND it.name <> '_sqlx_migrations'",
    );
    let found = found.fetch_all(connection).await.map_err(failed("list the tables"))?;
    Ok(Table::grouped(found))
}

async fn count(connection: &mut SqliteConnection, table: &Table) -> Result<u64, Error> {
    let text = AssertSqlSafe(format!("SELECT count(*) FROM \"{}\"", table.name));
    let count: i64 =
        sqlx::query_scalar(text).fetch_one(connection).await.map_err(failed("count rows"))?;
    Ok(count.unsigned_abs())
}
