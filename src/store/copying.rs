//! Copying: all that one store holds into another that holds nothing, of the same backend or not.
//!
//! Which tables and columns there are is read from the databases, so a table that a later version
//! adds is copied, too, as long as both backends have it. The source is read in one snapshot, beside
//! whoever uses it; the target has all of it in the end, or nothing. Rows pass through in batches.
//! Nothing here knows what a row means, or writes a file.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use uuid::Uuid;

use super::sqlite::Holder;
use super::{Error, postgres, sqlite};
use crate::failpoint::{self, Failpoint};

/// What may be in a field of a row, whatever the backend calls it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    /// About how much memory it takes.
    fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) => text.len(),
                Self::Bytes(bytes) => bytes.len(),
                Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            }
    }
}

/// The fields of a row in the order of its table's columns.
pub(super) type Row = Vec<Cell>;

/// A table as one of the backends has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// By name.
    pub(super) columns: Vec<Column>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its type in the words of its backend.
    pub(super) kind: String,
}

impl Table {
    /// Groups rows of table, column and type.
    pub(super) fn grouped(found: Vec<(String, String, String)>) -> Vec<Self> {
        let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for (table, name, kind) in found {
            tables.entry(table).or_default().push(Column { name, kind: kind.to_lowercase() });
        }
        let in_order = |(name, mut columns): (String, Vec<Column>)| {
            columns.sort();
            Self { name, columns }
        };
        tables.into_iter().map(in_order).collect()
    }

    /// The names of its columns as a list in SQL.
    pub(super) fn list(&self) -> String {
        let names: Vec<String> =
            self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        names.join(", ")
    }

    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// A column of a type that nobody has thought of.
    pub(super) fn unheard_of(&self, column: &Column) -> Error {
        let Column { name, kind } = column;
        let reason = format!("`{name}` of the table `{}` is of the type `{kind}`", self.name);
        Error::Unreadable { what: "column", reason }
    }
}

/// A store that is read, in one snapshot.
#[async_trait]
pub(super) trait Read: Send {
    /// All tables whose rows are to be copied, by name.
    async fn tables(&mut self) -> Result<Vec<Table>, Error>;

    /// How many rows a table has.
    async fn count(&mut self, table: &Table) -> Result<u64, Error>;

    /// The id of the oldest run that no incident refers to.
    async fn oldest(&mut self) -> Result<Option<Uuid>, Error>;

    /// All rows of a table.
    fn rows<'a>(&'a mut self, table: &'a Table) -> BoxStream<'a, Result<Row, Error>>;
}

/// A store that is filled; dropped without [`Write::finish`], it is as it was.
#[async_trait]
pub(super) trait Write: Send {
    /// All tables whose rows are to be copied, in an order in which they can be filled.
    async fn tables(&mut self) -> Result<Vec<Table>, Error>;

    /// How many rows a table has.
    async fn count(&mut self, table: &Table) -> Result<u64, Error>;

    /// Says what is the id of the oldest run that no incident refers to.
    fn begin(&mut self, oldest: Option<Uuid>);

    /// Adds some rows to a table.
    async fn write(&mut self, table: &Table, rows: &[Row]) -> Result<(), Error>;

    /// Makes it last, safe from a power cut.
    async fn finish(self: Box<Self>) -> Result<(), Error>;
}

/// What is copied from: a snapshot of a store.
pub struct Source(Box<dyn Read>);

impl Source {
    /// The store in a file, whoever uses it.
    ///
    /// # Errors
    ///
    /// As [`sqlite::SqliteStore::open_read_only`].
    pub async fn file(path: &Path) -> Result<Self, Error> {
        Ok(Self(Box::new(sqlite::copying::Reader::open(path).await?)))
    }

    /// The store in a file that is left for another: nobody uses it until all is copied, since what
    /// they record would stay behind.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] names the process that uses it; otherwise as [`Self::file`].
    pub async fn file_left(path: &Path, holder: &Holder) -> Result<Self, Error> {
        Ok(Self(Box::new(sqlite::copying::Reader::hold(path, holder).await?)))
    }

    /// A backup, also one of an earlier version: that is brought up to date in a copy beside it,
    /// in the folder `scratch`.
    ///
    /// # Errors
    ///
    /// As [`sqlite::SqliteStore::open_read_only`].
    pub async fn backup(path: &Path, scratch: &Path) -> Result<Self, Error> {
        Ok(Self(Box::new(sqlite::copying::Reader::open_backup(path, scratch).await?)))
    }

    /// The store in a database, whoever uses it.
    ///
    /// # Errors
    ///
    /// As [`postgres::PostgresStore::open_read_only`].
    pub async fn database(url: &str) -> Result<Self, Error> {
        Ok(Self(Box::new(postgres::copying::Reader::open(url).await?)))
    }
}

/// What is copied to: a store that holds nothing, and that nobody else uses meanwhile.
pub struct Target(Box<dyn Write>);

impl Target {
    /// A new file at `path` that only its owner can read. It appears there when it is whole.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] where there is something already.
    pub async fn new_file(path: &Path) -> Result<Self, Error> {
        Ok(Self(Box::new(sqlite::copying::Writer::new_file(path).await?)))
    }

    /// The store in the file at `path`, which is made if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] names the process that uses it, [`Error::NotEmpty`] says what is in it;
    /// otherwise as [`sqlite::SqliteStore::open`].
    pub async fn file(path: &Path, holder: &Holder) -> Result<Self, Error> {
        Ok(Self(Box::new(sqlite::copying::Writer::store(path, holder).await?)))
    }

    /// The store in the database at `url`, which is made if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] where others use it, [`Error::NotEmpty`] says what is in it; otherwise as
    /// [`postgres::PostgresStore::open`].
    pub async fn database(url: &str) -> Result<Self, Error> {
        Ok(Self(Box::new(postgres::copying::Writer::open(url).await?)))
    }
}

/// What was copied: the tables, by name, and how many rows of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copied(pub BTreeMap<String, u64>);

/// So many rows are written at once at most.
const ROWS: usize = 256;
/// And about so much text, in bytes, unless a single row has more.
const BYTES: usize = 1 << 20;

/// Copies everything. Each table is counted on both sides before the target is made to last.
///
/// # Errors
///
/// Those of the databases; [`Error::Differ`] when not everything arrived. The target is as it was
/// then.
pub async fn copy(from: Source, to: Target) -> Result<Copied, Error> {
    let (Source(mut from), Target(mut to)) = (from, to);
    let (theirs, ours) = (from.tables().await?, to.tables().await?);
    compare(&theirs, &ours)?;
    to.begin(from.oldest().await?);
    let mut copied = Copied::default();
    for table in &ours {
        let Some(source) = theirs.iter().find(|it| it.name == table.name) else { continue };
        let there = from.count(source).await?;
        let passed = pass(&mut *from, source, &mut *to, table).await?;
        let here = to.count(table).await?;
        if there != passed || passed != here {
            let reason = format!("`{}` has {there} rows, of which {here} arrived", table.name);
            return Err(Error::Differ { reason });
        }
        copied.0.insert(table.name.clone(), here);
    }
    to.finish().await?;
    Ok(copied)
}

/// Both must have the same tables with the same columns.
fn compare(theirs: &[Table], ours: &[Table]) -> Result<(), Error> {
    let named = |tables: &[Table]| -> BTreeMap<String, Vec<String>> {
        let columns = |it: &Table| it.names().into_iter().map(str::to_owned).collect();
        tables.iter().map(|it| (it.name.clone(), columns(it))).collect()
    };
    let (theirs, ours) = (named(theirs), named(ours));
    let all = theirs.keys().chain(ours.keys());
    match all.into_iter().find(|name| theirs.get(*name) != ours.get(*name)) {
        None => Ok(()),
        Some(name) => {
            Err(Error::Differ { reason: format!("their tables `{name}` are not the same") })
        }
    }
}

/// Passes all rows of a table on; says how many.
async fn pass(
    from: &mut dyn Read,
    source: &Table,
    to: &mut dyn Write,
    target: &Table,
) -> Result<u64, Error> {
    let (mut batch, mut bytes, mut passed) = (Vec::with_capacity(ROWS), 0, 0);
    let mut rows = from.rows(source);
    while let Some(row) = rows.try_next().await? {
        bytes += row.iter().map(Cell::size).sum::<usize>();
        batch.push(row);
        passed += 1;
        if batch.len() == ROWS || bytes >= BYTES {
            to.write(target, &batch).await?;
            failpoint::reach(Failpoint::Copied);
            batch.clear();
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        to.write(target, &batch).await?;
        failpoint::reach(Failpoint::Copied);
    }
    Ok(passed)
}

/// Refuses a target in which there is something.
pub(super) async fn refuse_unless_empty(to: &mut dyn Write, place: &str) -> Result<(), Error> {
    for table in to.tables().await? {
        let rows = to.count(&table).await?;
        if rows > 0 {
            return Err(Error::NotEmpty { place: place.to_owned(), table: table.name, rows });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[&str]) -> Table {
        let column = |name: &&str| (String::new(), (*name).to_owned(), "TEXT".to_owned());
        let grouped = Table::grouped(columns.iter().map(column).collect());
        Table { name: name.to_owned(), ..grouped[0].clone() }
    }

    #[test]
    fn stores_of_other_tables_are_not_copied() {
        let (runs, gaps) = (table("runs", &["id", "at"]), table("gaps", &["id"]));
        assert_eq!(runs.list(), "\"at\", \"id\"");
        compare(&[runs.clone(), gaps.clone()], &[gaps.clone(), runs.clone()]).expect("the same");
        let other = table("gaps", &["id", "why"]);
        for (theirs, ours) in [
            (vec![runs.clone()], vec![runs.clone(), gaps.clone()]),
            (vec![runs.clone(), gaps.clone()], vec![runs.clone()]),
            (vec![gaps], vec![other]),
        ] {
            let error = compare(&theirs, &ours).expect_err("not the same").to_string();
            assert!(error.contains("`gaps`"), "{error}");
        }
    }
}
