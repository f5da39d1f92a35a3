//! Copying from and to a database.
//!
//! What is read is one repeatable-read snapshot. No day is dropped while it is read: tables that are
//! dropped are gone from older snapshots, too. What is filled is one transaction that holds all
//! tables, so that nobody else has a part in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, Postgres, Row as _};
use uuid::Uuid;

use super::days::{self, Day};
use super::{failed, open, storable};
use crate::domain::id::RunId;
use crate::store::Error;
use crate::store::copying::{Cell, Column, Read, Row, Table, Write, refuse_unless_empty};

/// The table of runs, and the one of those whose days are gone; elsewhere they are one.
const RUNS: &str = "runs";
const KEPT: &str = "kept_runs";
/// What there is only here: rows to be held, which are made when they are needed.
const CHECKS: &str = "checks";

/// How often and how far apart it is asked whether those who used a database are gone.
const ASKED: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// A snapshot of the store in a database.
pub(in crate::store) struct Reader {
    connection: PgConnection,
}

impl Reader {
    /// Begins to read the store at `url`.
    pub(in crate::store) async fn open(url: &str) -> Result<Self, Error> {
        let place = open::Place::of(url)?;
        place.prepare_reading().await?;
        let mut connection = place.patient().await?;
        let names = table_names(&mut connection).await?;
        // The locks come before the snapshot, which is taken by the first statement that reads.
        let begin = AssertSqlSafe(format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             LOCK TABLE {names} IN ACCESS SHARE MODE; SELECT count(*) FROM _sqlx_migrations"
        ));
        let snapshot = sqlx::raw_sql(begin).execute(&mut connection).await;
        snapshot.map_err(failed("read the store"))?;
        Ok(Self { connection })
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
        let mut text = format!("SELECT {} FROM \"{}\"", table.list(), table.name);
        if table.name == RUNS {
            let _ = write!(text, " UNION ALL SELECT {} FROM {KEPT}", table.list());
        }
        let rows = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch(&mut self.connection);
        rows.map_err(failed("read the store"))
            .map(|row| row.and_then(|row| read(table, &row)))
            .boxed()
    }
}

fn read(table: &Table, row: &PgRow) -> Result<Row, Error> {
    let unclear = failed("read a row");
    let mut cells = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate() {
        let cell = match &*column.kind {
            "bigint" => row.try_get::<Option<i64>, _>(index).map(|it| it.map(Cell::Integer)),
            "integer" => row
                .try_get::<Option<i32>, _>(index)
                .map(|it| it.map(|number| Cell::Integer(number.into()))),
            "boolean" => row
                .try_get::<Option<bool>, _>(index)
                .map(|it| it.map(|yes| Cell::Integer(yes.into()))),
            "double precision" => row.try_get::<Option<f64>, _>(index).map(|it| it.map(Cell::Real)),
            "text" => row.try_get::<Option<String>, _>(index).map(|it| it.map(Cell::Text)),
            "bytea" => row.try_get::<Option<Vec<u8>>, _>(index).map(|it| it.map(Cell::Bytes)),
            "uuid" => row
                .try_get::<Option<Uuid>, _>(index)
                .map(|it| it.map(|id| Cell::Bytes(id.into_bytes().into()))),
            _ => return Err(table.unheard_of(column)),
        };
        cells.push(cell.map_err(&unclear)?.unwrap_or(Cell::Null));
    }
    Ok(cells)
}

/// A database that is filled.
pub(in crate::store) struct Writer {
    connection: PgConnection,
    /// The days that there are.
    days: BTreeSet<Day>,
    /// Runs of days before this one are those that incidents refer to.
    first: Option<Day>,
}

impl Writer {
    /// The store at `url`, or a new one.
    pub(in crate::store) async fn open(url: &str) -> Result<Self, Error> {
        let place = open::Place::of(url)?;
        place.prepare().await?;
        let mut connection = place.patient().await?;
        refuse_if_used(&mut connection, place.shown()).await?;
        // Whoever opens the store from now on waits for what is written here.
        open::Place::hold(&mut connection).await?;
        let names = table_names(&mut connection).await?;
        let begin = AssertSqlSafe(format!("BEGIN; LOCK TABLE {names} IN EXCLUSIVE MODE"));
        let held = sqlx::raw_sql(begin).execute(&mut connection).await;
        held.map_err(failed("begin a transaction"))?;
        let days = days::list(&mut connection).await?;
        let mut writer = Self { connection, days, first: None };
        refuse_unless_empty(&mut writer, place.shown()).await?;
        Ok(writer)
    }

    /// Divides runs into those of days that are kept and those whose day is gone, and makes room.
    async fn divide<'r>(
        &mut self,
        table: &Table,
        rows: &'r [Row],
    ) -> Result<(Vec<&'r Row>, Vec<&'r Row>), Error> {
        let id = table.columns.iter().position(|column| column.name == "id");
        let (mut present, mut kept) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let day = Day::of(RunId(run_id(id.and_then(|index| row.get(index)))?));
            if self.first.is_none_or(|first| day < first) {
                kept.push(row);
                continue;
            }
            if self.days.insert(day) {
                days::make(&mut self.connection, day).await?;
            }
            present.push(row);
        }
        Ok((present, kept))
    }

    async fn insert(&mut self, name: &str, table: &Table, rows: &[&Row]) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let places = table.columns.iter().enumerate();
        let places: Vec<String> =
            places.map(|(index, column)| format!("${}::{}[]", index + 1, column.kind)).collect();
        let text = AssertSqlSafe(format!(
            "INSERT INTO \"{name}\" ({}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest({})",
            table.list(),
            places.join(", ")
        ));
        let mut query = sqlx::query(text);
        for (index, column) in table.columns.iter().enumerate() {
            let cells = rows.iter().map(|row| row.get(index).unwrap_or(&Cell::Null));
            query = bind(query, table, column, cells)?;
        }
        query.execute(&mut self.connection).await.map_err(failed("write rows")).map(|_| ())
    }

    /// Has every sequence go on after what was copied.
    async fn advance(&mut self) -> Result<(), Error> {
        let what = failed("number what comes next");
        let numbered: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT sequence.oid::regclass::text, owner.relname::text, field.attname::text \
             FROM pg_class AS sequence \
             JOIN pg_depend AS link ON link.objid = sequence.oid AND link.deptype IN ('a', 'i') \
             AND link.classid = 'pg_class'::regclass AND link.refclassid = 'pg_class'::regclass \
             JOIN pg_class AS owner ON owner.oid = link.refobjid \
             JOIN pg_attribute AS field ON field.attrelid = owner.oid \
             AND field.attnum = link.refobjsubid \
             WHERE sequence.relkind = 'S' \
             AND sequence.relnamespace = current_schema()::text::regnamespace",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(&what)?;
        // Those that belong to no column.
        let own = [("incident_numbers", "incidents", "id"), ("run_numbers", RUNS, "number")]
            .map(|(sequence, table, column)| (sequence.into(), table.into(), column.into()));
        for (sequence, table, column) in numbered.into_iter().chain(own) {
            let mut highest = format!("SELECT max(\"{column}\") AS number FROM \"{table}\"");
            if table == RUNS {
                let _ = write!(highest, " UNION ALL SELECT max(\"{column}\") FROM {KEPT}");
            }
            let set = AssertSqlSafe(format!(
                "SELECT setval('{sequence}', max(number)) FROM ({highest}) AS highest \
                 HAVING max(number) > 0"
            ));
            sqlx::query(set).execute(&mut self.connection).await.map_err(&what)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Write for Writer {
    async fn tables(&mut self) -> Result<Vec<Table>, Error> {
        let referred: Vec<(String, String)> = sqlx::query_as(
            "SELECT own.relname::text, other.relname::text FROM pg_constraint \
             JOIN pg_class AS own ON own.oid = conrelid JOIN pg_class AS other \
             ON other.oid = confrelid WHERE contype = 'f' AND conrelid <> confrelid",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed("list the tables"))?;
        Ok(in_order(tables(&mut self.connection).await?, &referred))
    }

    async fn count(&mut self, table: &Table) -> Result<u64, Error> {
        count(&mut self.connection, table).await
    }

    fn begin(&mut self, oldest: Option<Uuid>) {
        self.first = oldest.map(|id| Day::of(RunId(id)));
    }

    async fn write(&mut self, table: &Table, rows: &[Row]) -> Result<(), Error> {
        if table.name != RUNS {
            return self.insert(&table.name, table, &rows.iter().collect::<Vec<_>>()).await;
        }
        let (present, kept) = self.divide(table, rows).await?;
        self.insert(RUNS, table, &present).await?;
        self.insert(KEPT, table, &kept).await
    }

    async fn finish(mut self: Box<Self>) -> Result<(), Error> {
        self.advance().await?;
        let unfinished = failed("finish the copy");
        sqlx::query("COMMIT").execute(&mut self.connection).await.map_err(&unfinished)?;
        // The server does so by itself, only later: until then it would plan for empty tables.
        sqlx::query("ANALYZE").execute(&mut self.connection).await.ok();
        self.connection.close().await.map_err(unfinished)
    }
}

/// Refuses a database to which others of ours are connected.
async fn refuse_if_used(connection: &mut PgConnection, address: &str) -> Result<(), Error> {
    let mut connections = 0;
    for _ in 0..ASKED {
        connections = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name = 'tripline' AND pid <> pg_backend_pid()",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(failed("see who uses the store"))?;
        if connections == 0 {
            return Ok(());
        }
        // Sessions of those that have just ended go on for a moment.
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::InUse { address: address.to_owned(), connections })
}

/// Tables after those that they refer to.
fn in_order(mut tables: Vec<Table>, referred: &[(String, String)]) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let waits = |table: &Table| {
            let others = referred.iter().filter(|(own, _)| *own == table.name);
            others.into_iter().any(|(_, other)| tables.iter().any(|it| it.name == *other))
        };
        // Tables that refer to each other in a circle come as they are; the database judges.
        let next = tables.iter().position(|table| !waits(table)).unwrap_or(0);
        ordered.push(tables.remove(next));
    }
    ordered
}

fn run_id(cell: Option<&Cell>) -> Result<Uuid, Error> {
    let unclear = || Error::Unreadable { what: "run", reason: "its id is none".to_owned() };
    match cell {
        Some(Cell::Bytes(bytes)) => Uuid::from_slice(bytes).map_err(|_| unclear()),
        _ => Err(unclear()),
    }
}

/// Binds a column of some rows.
fn bind<'q, 'c>(
    query: Query<'q, Postgres, PgArguments>,
    table: &Table,
    column: &Column,
    cells: impl Iterator<Item = &'c Cell>,
) -> Result<Query<'q, Postgres, PgArguments>, Error> {
    /// The values of the cells; none where one is of another kind.
    fn all<'c, T>(
        cells: impl Iterator<Item = &'c Cell>,
        value: impl Fn(&Cell) -> Option<T>,
    ) -> Option<Vec<Option<T>>> {
        let one = |cell: &Cell| match cell {
            Cell::Null => Some(None),
            cell => value(cell).map(Some),
        };
        cells.map(one).collect()
    }
    let integer = |cell: &Cell| if let Cell::Integer(it) = cell { Some(*it) } else { None };
    let real = |cell: &Cell| if let Cell::Real(it) = cell { Some(*it) } else { None };
    let text = |cell: &Cell| {
        if let Cell::Text(it) = cell { Some(storable(it).into_owned()) } else { None }
    };
    let bytes = |cell: &Cell| if let Cell::Bytes(it) = cell { Some(it.clone()) } else { None };
    let bound = match &*column.kind {
        "bigint" => all(cells, integer).map(|values| query.bind(values)),
        "integer" => {
            let value = |cell: &Cell| integer(cell).and_then(|it| i32::try_from(it).ok());
            all(cells, value).map(|values| query.bind(values))
        }
        "boolean" => {
            all(cells, |cell| integer(cell).map(|it| it != 0)).map(|values| query.bind(values))
        }
        "double precision" => all(cells, real).map(|values| query.bind(values)),
        "text" => all(cells, text).map(|values| query.bind(values)),
        "bytea" => all(cells, bytes).map(|values| query.bind(values)),
        "uuid" => all(cells, |cell| run_id(Some(cell)).ok()).map(|values| query.bind(values)),
        _ => None,
    };
    bound.ok_or_else(|| table.unheard_of(column))
}

/// All tables whose rows are copied.
async fn tables(connection: &mut PgConnection) -> Result<Vec<Table>, Error> {
    let found: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT it.relname::text, field.attname::text, format_type(field.atttypid, NULL) \
         FROM pg_class AS it JOIN pg_attribute AS field ON field.attrelid = it.oid \
         WHERE it.relnamespace = current_schema()::text::regnamespace \
         AND it.relkind IN ('r', 'p') AND NOT it.relispartition \
         AND field.attnum > 0 AND NOT field.attisdropped",
    )
    .fetch_all(connection)
    .await
    .map_err(failed("list the tables"))?;
    let is_copied = |(name, ..): &(String, String, String)| {
        !["_sqlx_migrations", KEPT, CHECKS].contains(&&**name)
    };
    Ok(Table::grouped(found.into_iter().filter(is_copied).collect()))
}

/// The names of all tables as a list in SQL.
async fn table_names(connection: &mut PgConnection) -> Result<String, Error> {
    let mut names: Vec<String> =
        tables(connection).await?.into_iter().map(|table| format!("\"{}\"", table.name)).collect();
    names.extend([KEPT, CHECKS].map(str::to_owned));
    Ok(names.join(", "))
}

async fn count(connection: &mut PgConnection, table: &Table) -> Result<u64, Error> {
    let mut text = format!("SELECT (SELECT count(*) FROM \"{}\")", table.name);
    if table.name == RUNS {
        let _ = write!(text, " + (SELECT count(*) FROM {KEPT})");
    }
    let counted = sqlx::query_scalar(AssertSqlSafe(text)).persistent(false);
    let count: i64 = counted.fetch_one(connection).await.map_err(failed("count rows"))?;
    Ok(count.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_referred_to_comes_first() {
        let table = |name: &str| Table { name: name.to_owned(), columns: Vec::new() };
        let refers = |own: &str, other: &str| (own.to_owned(), other.to_owned());
        let all = ["deliveries", "incidents", "notifications"].map(table).into();
        let referred =
            [refers("deliveries", "notifications"), refers("notifications", "incidents")];
        let names: Vec<String> = in_order(all, &referred).into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["incidents", "notifications", "deliveries"]);
        let circle = [refers("a", "b"), refers("b", "a")];
        assert_eq!(in_order(["a", "b"].map(table).into(), &circle).len(), 2);
    }
}
