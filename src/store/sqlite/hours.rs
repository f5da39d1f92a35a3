//! Hours that are counted before runs of them are forgotten.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use sqlx::query::Query;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

use super::failed;
use super::writer::{Durability, Writer};
use crate::domain::Timestamp;
use crate::domain::coverage::Tally;
use crate::domain::id::CheckId;
use crate::store::accounts::Place;
use crate::store::forgetting::ALONE;
use crate::store::rows::accounts::{self as stored, TallyRow};
use crate::store::{Error, rows};

type Period = (Timestamp, Timestamp);

pub(super) async fn first_ran(
    connection: &mut SqliteConnection,
) -> Result<Option<Timestamp>, Error> {
    let text = format!("SELECT slot_at FROM runs WHERE {ALONE} ORDER BY id LIMIT 1");
    let found: Option<i64> = sqlx::query_scalar(AssertSqlSafe(text))
        .fetch_optional(connection)
        .await
        .map_err(failed("look for the first run"))?;
    found.map(rows::timestamp).transpose()
}

pub(super) async fn tallied(connection: &mut SqliteConnection) -> Result<Option<Period>, Error> {
    let found: Option<(i64, i64)> = sqlx::query_as("SELECT from_at, until_at FROM tallied")
        .fetch_optional(connection)
        .await
        .map_err(failed("read which hours are counted"))?;
    let read = |(from, until)| Ok((rows::timestamp(from)?, rows::timestamp(until)?));
    found.map(read).transpose()
}

pub(super) async fn tally(
    writer: &mut Writer,
    (start, end): Period,
    tallies: &BTreeMap<Place, Tally>,
) -> Result<(), Error> {
    let what = failed("write how an hour came out");
    let connection = writer.begin(Durability::Power).await?;
    let noted = sqlx::query(
        "INSERT INTO tallied VALUES (1, $1, $2) ON CONFLICT (one) \
         DO UPDATE SET until_at = excluded.until_at WHERE tallied.until_at < excluded.until_at",
    )
    .bind(rows::millis(start))
    .bind(rows::millis(end))
    .execute(&mut *connection)
    .await
    .map_err(&what)?;
    let is_new = noted.rows_affected() > 0;
    for ((check, region), tally) in tallies.iter().filter(|_| is_new) {
        let text = format!(
            "INSERT INTO tallies (hour_at, {}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            TallyRow::COLUMNS
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(rows::millis(start));
        let query = query.bind(check.as_str()).bind(region.as_str());
        let query = stored::numbers(tally).into_iter().fold(query, Query::bind);
        let query = stored::distributions(tally).into_iter().fold(query, Query::bind);
        query.execute(&mut *connection).await.map_err(&what)?;
    }
    writer.commit().await
}

pub(super) async fn tallied_hours(
    connection: &mut SqliteConnection,
    check: Option<&CheckId>,
    (start, end): Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query.push(TallyRow::COLUMNS).push(" FROM tallies WHERE hour_at >= ");
    query.push_bind(rows::millis(start)).push(" AND hour_at < ").push_bind(rows::millis(end));
    if let Some(check) = check {
        query.push(" AND check_id = ").push_bind(check.as_str().to_owned());
    }
    let mut tallies = BTreeMap::new();
    let mut found = query.build_query_as::<TallyRow>().fetch(connection);
    while let Some(row) = found.try_next().await.map_err(failed("count hours"))? {
        row.add(&mut tallies)?;
    }
    Ok(tallies)
}
