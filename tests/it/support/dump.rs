//! What a store in SQLite holds, row by row, to compare it with another.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// Every row of every table as text, in the order of the text.
pub(crate) async fn rows(path: &Path) -> BTreeMap<String, Vec<String>> {
    let mut connection = connect(path).await;
    let mut found = BTreeMap::new();
    for (table, columns) in tables(&mut connection).await {
        let quoted: Vec<String> =
            columns.iter().map(|(name, _)| format!("quote(\"{name}\")")).collect();
        let text = format!("SELECT {} AS row FROM {table} ORDER BY 1", quoted.join(" || ' ' || "));
        let rows = sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut connection).await;
        found.insert(table, rows.expect("read"));
    }
    connection.close().await.expect("closed");
    found
}

/// Puts a row into each table that has none, with whatever fits its columns, so that no table is
/// left out of a comparison, also not one that is added later.
pub(crate) async fn fill(path: &Path) {
    let mut connection = connect(path).await;
    for (table, columns) in tables(&mut connection).await {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.expect("read");
        if rows > 0 {
            continue;
        }
        let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let values: Vec<&str> = columns
            .iter()
            .map(|(_, kind)| match kind.as_str() {
                "INTEGER" => "1",
                "REAL" => "0.5",
                "TEXT" => "'it''s \u{e9}'",
                "BLOB" => "x'000102030405060708090a0b0c0d0e0f'",
                other => panic!("a column of {table} is of the type {other}"),
            })
            .collect();
        let insert =
            format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut connection).await.expect("inserted");
    }
    connection.close().await.expect("closed");
}

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
    options.connect().await.expect("connected")
}

/// The tables, each with its columns and their types.
async fn tables(connection: &mut SqliteConnection) -> BTreeMap<String, Vec<(String, String)>> {
    let found: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT it.name, field.name, field.type FROM sqlite_schema AS it \
         JOIN pragma_table_info(it.name) AS field \
         WHERE it.type = 'table' AND it.name NOT LIKE 'sqlite^_%' ESCAPE '^' \
         AND it.name <> '_sqlx_migrations'",
    )
    .fetch_all(connection)
    .await
    .expect("read");
    let mut tables: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (table, column, kind) in found {
        tables.entry(table).or_default().push((column, kind));
    }
    tables
}
