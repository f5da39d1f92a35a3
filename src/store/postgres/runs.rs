//! Runs: written in bulk, listed without their traces.

use std::collections::HashMap;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};
use uuid::Uuid;

use super::days::{self, Day};
use super::failed;
use crate::domain::Timestamp;
use crate::domain::id::RunId;
use crate::domain::run::{Outcome, Report};
use crate::store::rows::accounts::RemovedRow;
use crate::store::rows::run::{RunRow, SummaryRow, first_id_at};
use crate::store::rows::{self, trace};
use crate::store::{Error, RunFilter, RunSummary};

/// Writes runs that are not there yet.
pub(super) async fn write(
    connection: &mut PgConnection,
    runs: &[(RunId, &Report)],
    now: Timestamp,
) -> Result<(), Error> {
    let reports = || runs.iter().map(|(_, report)| *report);
    let millis = |of: fn(&Report) -> Timestamp| -> Vec<i64> {
        reports().map(|report| rows::millis(of(report))).collect()
    };
    let failures = reports().map(|report| report.failure.as_ref().map(trace::failure_text));
    let query = sqlx::query(
        "INSERT INTO runs (id, check_id, region, slot_at, started_at, recorded_at, duration, \
         outcome, failure, trace) SELECT id, check_id, region, slot_at, started_at, $10, \
         duration, outcome, failure, trace FROM unnest($1::uuid[], $2::text[], $3::text[], \
         $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[]) \
         AS new (id, check_id, region, slot_at, started_at, duration, outcome, failure, trace)",
    )
    .bind(runs.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
    .bind(reports().map(|report| report.slot.check.as_str()).collect::<Vec<_>>())
    .bind(reports().map(|report| report.slot.region.as_str()).collect::<Vec<_>>())
    .bind(millis(|report| report.slot.at))
    .bind(millis(|report| report.started_at))
    .bind(reports().map(|report| rows::micros(report.duration)).collect::<Vec<_>>())
    .bind(reports().map(|report| report.outcome().as_str()).collect::<Vec<_>>())
    .bind(failures.collect::<Vec<_>>())
    .bind(reports().map(|report| trace::trace_text(&report.trace)).collect::<Vec<_>>())
    .bind(rows::millis(now));
    query.execute(connection).await.map_err(failed("write the runs")).map(|_| ())
}

/// Removes runs in whose place others are written, and says what they were.
pub(super) async fn remove(
    connection: &mut PgConnection,
    ids: &[RunId],
) -> Result<Vec<RemovedRow>, Error> {
    let mut removed = Vec::new();
    if ids.is_empty() {
        return Ok(removed);
    }
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    for table in ["runs", "kept_runs"] {
        let columns = RemovedRow::COLUMNS;
        let text = format!("DELETE FROM {table} WHERE id = ANY($1) RETURNING {columns}");
        let query = sqlx::query_as(AssertSqlSafe(text)).bind(&ids);
        let some = query.fetch_all(&mut *connection).await.map_err(failed("replace a run"))?;
        removed.extend(some);
    }
    Ok(removed)
}

/// Which of `ids` are stored, and when those runs started.
pub(super) async fn known(
    connection: &mut PgConnection,
    ids: &[RunId],
) -> Result<HashMap<RunId, Timestamp>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let found: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT id, started_at FROM runs WHERE id = ANY($1) UNION ALL \
         SELECT id, started_at FROM kept_runs WHERE id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await
    .map_err(failed("look for runs"))?;
    let known = found.into_iter();
    known.map(|(id, started_at)| Ok((RunId(id), rows::timestamp(started_at)?))).collect()
}

/// How many days are looked at in one statement: all that a store with the usual retention has.
/// Each statement is planned over its days alone, however many there are.
const DAYS_AT_ONCE: usize = 35;

/// Lists runs, the latest first. The caller brings a snapshot.
pub(super) async fn list(
    connection: &mut PgConnection,
    filter: &RunFilter,
) -> Result<Vec<RunSummary>, Error> {
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let days: Vec<Day> = days::list(connection).await?.into_iter().rev().collect();
    let top = filter.before.map_or(Uuid::max(), first_id_at);
    let mut found: Vec<RunSummary> = Vec::new();
    let mut end = top;
    let mut windows = days.chunks(DAYS_AT_ONCE).peekable();
    loop {
        let window = windows.next();
        // What was kept from days that are gone lies below the last.
        let below = window.filter(|_| windows.peek().is_some()).and_then(<[Day]>::last);
        let start = below.map_or(Uuid::nil(), |day| day.first_id());
        if start < end {
            let rest = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
            found.extend(between(connection, filter, (start, end), rest).await?);
            end = start;
        }
        if found.len() >= limit || windows.peek().is_none() {
            return Ok(found);
        }
    }
}

/// Lists the runs whose ids are from the first on and below the second of `ids`.
async fn between(
    connection: &mut PgConnection,
    filter: &RunFilter,
    ids: (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<RunSummary>, Error> {
    let mut query = QueryBuilder::<Postgres>::new("");
    for (word, table) in [("", "runs"), (" UNION ALL ", "kept_runs")] {
        query.push(word).push(
            "(SELECT id, check_id, region, slot_at, started_at, duration, outcome, failure FROM ",
        );
        query.push(table);
        select(&mut query, filter, ids);
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit).push(")");
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    let found: Vec<SummaryRow> = query
        .build_query_as()
        // Planned for these days each time: a plan for any days would lock all of them.
        .persistent(false)
        .fetch_all(connection)
        .await
        .map_err(failed("list runs"))?;
    found.into_iter().map(SummaryRow::read).collect()
}

fn select(query: &mut QueryBuilder<Postgres>, filter: &RunFilter, (start, end): (Uuid, Uuid)) {
    query.push(" WHERE id >= ").push_bind(start).push(" AND id < ").push_bind(end);
    if let Some(check) = &filter.check {
        query.push(" AND check_id = ").push_bind(check.as_str().to_owned());
    }
    if let Some(region) = &filter.region {
        query.push(" AND region = ").push_bind(region.as_str().to_owned());
    }
    if let Some(outcome) = filter.outcome {
        if outcome != Outcome::Passed {
            // Says the same again in the words of the index over the few that did not pass.
            query.push(" AND outcome <> 'passed'");
        }
        query.push(" AND outcome = ").push_bind(outcome.as_str());
    }
}

/// One run with its trace.
pub(super) async fn one(connection: &mut PgConnection, id: RunId) -> Result<Option<Report>, Error> {
    let found: Option<RunRow> = sqlx::query_as(
        "SELECT id, check_id, region, slot_at, started_at, duration, outcome, failure, trace \
         FROM runs WHERE id = $1 UNION ALL \
         SELECT id, check_id, region, slot_at, started_at, duration, outcome, failure, trace \
         FROM kept_runs WHERE id = $1",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await
    .map_err(failed("read a run"))?;
    found.map(RunRow::read).transpose()
}
