//! Several statements as one command.
//!
//! Each command goes to the thread of the connection and back, which costs more than most statements
//! do; a script goes there once. Its statements are run in order, and the first that fails ends it: a
//! transaction that it began is left open then, as when its caller goes away, and must be seen to.
//!
//! Values stand where `?` does, or where `?1` and so on do, in one statement never both; they begin anew
//! with each statement. What is bound together is numbered throughout, so every place is given a value of
//! its own.

use futures::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Either, Executor as _, FromRow, Sqlite};
use uuid::Uuid;

use super::failed;
use crate::store::Error;

/// With at most so many statements, a script is of a form that comes again, and is kept prepared.
const KEPT: usize = 64;

/// What is bound to a place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Value {
    #[default]
    Null,
    Number(i64),
    Text(String),
    Id(Uuid),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Number(is.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, T::into)
    }
}

/// The values of a statement, of whatever kinds they are.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::store::sqlite::script::Value::from($value)),*] };
}
pub(super) use values;

/// What stands for one value in a statement; its own values stand where `?` does.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl<T: Into<Value>> From<T> for Term {
    fn from(value: T) -> Self {
        Self { text: "?".into(), values: vec![value.into()] }
    }
}

impl Term {
    /// What `column` is in the row of `table` that `row` is the number of.
    pub(super) fn of_row(column: &str, table: &str, row: &Self) -> Self {
        let text = format!("(SELECT {column} FROM {table} WHERE id = {})", row.text);
        Self { text, values: row.values.clone() }
    }
}

/// Statements that are run together.
#[derive(Debug, Default)]
pub(super) struct Script {
    text: String,
    values: Vec<Value>,
    statements: usize,
}

impl Script {
    /// A transaction that may write; [`Self::commit`] must follow.
    pub(super) fn begin() -> Self {
        let mut script = Self::default();
        script.add("BEGIN IMMEDIATE", []);
        script
    }

    /// A transaction that reads alone; [`Self::at_once`] ends it.
    pub(super) fn snapshot() -> Self {
        let mut script = Self::default();
        script.add("BEGIN", []);
        script
    }

    /// Ends the transaction.
    pub(super) fn commit(&mut self) {
        self.add("COMMIT", []);
    }

    /// Adds a statement; says which of the script it is.
    pub(super) fn add(&mut self, statement: &str, values: impl Into<Vec<Value>>) -> usize {
        let (mut parts, mut next, mut values) = (statement.split('?'), 0, values.into());
        self.text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let digits = part.len() - part.trim_start_matches(|it: char| it.is_ascii_digit()).len();
            let (number, rest) = part.split_at(digits);
            let value = if let Ok(number) = number.parse::<usize>() {
                values.get(number.saturating_sub(1)).cloned()
            } else {
                next += 1;
                values.get_mut(next - 1).map(std::mem::take)
            };
            self.values.push(value.unwrap_or_default());
            self.text.push('?');
            self.text.push_str(rest);
        }
        self.text.push_str(";\n");
        self.statements += 1;
        self.statements - 1
    }

    /// Runs all statements; says how many rows each changed.
    pub(super) async fn run(
        self,
        connection: &mut SqliteConnection,
        what: &'static str,
    ) -> Result<Vec<u64>, Error> {
        Ok(self.outcomes(connection, what).await?.0)
    }

    /// Runs all statements; gives what each returned.
    pub(super) async fn rows(
        self,
        connection: &mut SqliteConnection,
        what: &'static str,
    ) -> Result<Vec<Vec<SqliteRow>>, Error> {
        Ok(self.outcomes(connection, what).await?.1)
    }

    /// Runs a snapshot to its end; gives what each statement returned.
    pub(super) async fn at_once(
        self,
        reader: PoolConnection<Sqlite>,
        what: &'static str,
    ) -> Result<Vec<Vec<SqliteRow>>, Error> {
        // One more ends the snapshot.
        let mut rows = none_of(self.statements + 1);
        self.each_at_once(reader, what, kept_in(&mut rows)).await?;
        Ok(rows)
    }

    /// The same, handing over each row as it comes, as [`Self::each`] does.
    pub(super) async fn each_at_once(
        mut self,
        reader: PoolConnection<Sqlite>,
        what: &'static str,
        take: impl FnMut(usize, SqliteRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.commit();
        let mut borrowed = Borrowed(Some(reader));
        let Some(reader) = &mut borrowed.0 else { return Ok(()) };
        self.each(reader, what, take).await?;
        drop(borrowed.0.take());
        Ok(())
    }

    /// Runs all statements; says how many rows each changed, and gives what each returned.
    pub(super) async fn outcomes(
        self,
        connection: &mut SqliteConnection,
        what: &'static str,
    ) -> Result<(Vec<u64>, Vec<Vec<SqliteRow>>), Error> {
        let mut rows = none_of(self.statements);
        let changed = self.each(connection, what, kept_in(&mut rows)).await?;
        Ok((changed, rows))
    }

    /// Runs all statements; hands over each row as it comes, with the number of its statement, and says how
    /// many rows each statement changed. A row of the library's takes kilobytes, so of many, what they mean
    /// is to be kept instead.
    pub(super) async fn each(
        self,
        connection: &mut SqliteConnection,
        what: &'static str,
        mut take: impl FnMut(usize, SqliteRow) -> Result<(), Error>,
    ) -> Result<Vec<u64>, Error> {
        let mut arguments = SqliteArguments::default();
        for value in self.values {
            let added = match value {
                Value::Null => arguments.add(None::<i64>),
                Value::Number(number) => arguments.add(number),
                Value::Text(text) => arguments.add(text),
                Value::Id(id) => arguments.add(id),
            };
            added.map_err(|error| failed(what)(sqlx::Error::Encode(error)))?;
        }
        let is_kept = self.statements <= KEPT;
        let query = sqlx::query_with(AssertSqlSafe(self.text), arguments).persistent(is_kept);
        let mut changed = Vec::with_capacity(self.statements);
        let mut steps = connection.fetch_many(query);
        // That nothing follows the last one is told later, which is not waited for.
        while changed.len() < self.statements
            && let Some(step) = steps.try_next().await.map_err(failed(what))?
        {
            match step {
                Either::Right(row) => take(changed.len(), row)?,
                Either::Left(done) => changed.push(done.rows_affected()),
            }
        }
        Ok(changed)
    }
}

/// Reads what a statement returned.
pub(super) fn read<T>(rows: &[SqliteRow], what: &'static str) -> Result<Vec<T>, Error>
where
    T: for<'r> FromRow<'r, SqliteRow>,
{
    rows.iter().map(|row| T::from_row(row).map_err(failed(what))).collect()
}

/// A connection of the pool that goes back only when its transaction has ended.
struct Borrowed(Option<PoolConnection<Sqlite>>);

impl Drop for Borrowed {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

/// No rows yet of so many statements.
fn none_of(statements: usize) -> Vec<Vec<SqliteRow>> {
    std::iter::repeat_with(Vec::new).take(statements).collect()
}

/// Keeps each row with the others of its statement.
fn kept_in(
    rows: &mut [Vec<SqliteRow>],
) -> impl FnMut(usize, SqliteRow) -> Result<(), Error> + Send {
    |statement, row| {
        rows[statement].push(row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;

    async fn connection() -> SqliteConnection {
        SqliteConnection::connect("sqlite::memory:").await.expect("opened")
    }

    #[tokio::test]
    async fn each_statement_has_its_own_values() {
        let mut connection = connection().await;
        let mut script = Script::begin();
        script.add("CREATE TABLE t (a INTEGER, b TEXT)", []);
        let first = script.add("INSERT INTO t VALUES (?, ?)", values![1_i64, "one"]);
        let second = script
            .add("INSERT INTO t SELECT ?2, ?1 WHERE ?2 > 0 AND ?1 <> ''", values!["two", 2_i64]);
        let nothing = script.add("UPDATE t SET b = ?1 WHERE a = ?2", values![None::<i64>, 7_u32]);
        let read = script.add("SELECT a, b FROM t WHERE a >= ? ORDER BY a", values![1_i64]);
        script.commit();
        assert_eq!((first, second, nothing, read), (2, 3, 4, 5));
        let rows = script.rows(&mut connection, "try").await.expect("run");
        let read: Vec<(i64, String)> = super::read(&rows[read], "try").expect("read");
        assert_eq!(read, [(1, "one".to_owned()), (2, "two".to_owned())]);
        let mut script = Script::default();
        script.add("DELETE FROM t WHERE a > ?1", values![0_i64]);
        script.add("INSERT INTO t VALUES (?1, ?1)", values![3_i64]);
        assert_eq!(script.run(&mut connection, "try").await.expect("run"), [2, 1]);
    }

    #[tokio::test]
    async fn the_first_that_fails_ends_it() {
        let mut connection = connection().await;
        let mut script = Script::default();
        script.add("CREATE TABLE t (a)", []);
        script.add("INSERT INTO nowhere VALUES (1)", []);
        script.add("INSERT INTO t VALUES (1)", []);
        let error = script.run(&mut connection, "try").await.expect_err("no such table");
        assert!(std::error::Error::source(&error).expect("caused").to_string().contains("nowhere"));
        let mut script = Script::default();
        let count = script.add("SELECT count(*) FROM t", []);
        let rows = script.rows(&mut connection, "try").await.expect("run");
        assert_eq!(read::<(i64,)>(&rows[count], "try").expect("read"), [(0,)]);
    }
}
