//! Runs: written in bulk, listed without their traces.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};
use uuid::Uuid;

use super::failed;
use super::rows_of::RowsOf;
use super::script::{Script, Value, values};
use crate::domain::Timestamp;
use crate::domain::id::RunId;
use crate::domain::run::{Outcome, Report};
use crate::store::rows::accounts::RemovedRow;
use crate::store::rows::run::{RunRow, SummaryRow, first_id_at};
use crate::store::rows::{self, trace};
use crate::store::{Error, RunFilter, RunSummary};

const COLUMNS: usize = 10;

/// The beginning of every statement that writes runs.
const INSERT: &str = "INSERT INTO runs (id, check_id, region, slot_at, started_at, \
     recorded_at, duration, outcome, failure, trace) VALUES";

static WRITE: LazyLock<RowsOf> = LazyLock::new(|| RowsOf::new(INSERT, COLUMNS, ""));

fn columns((id, report): (RunId, &Report), now: Timestamp) -> [Value; COLUMNS] {
    values![
        id.0,
        report.slot.check.as_str(),
        report.slot.region.as_str(),
        rows::millis(report.slot.at),
        rows::millis(report.started_at),
        rows::millis(now),
        rows::micros(report.duration),
        report.outcome().as_str(),
        report.failure.as_ref().map(trace::failure_text),
        trace::trace_text(&report.trace),
    ]
}

/// Adds the writing of a run that is not there yet.
pub(super) fn add(script: &mut Script, run: (RunId, &Report), now: Timestamp) {
    WRITE.add(script, columns(run, now));
}

/// Writes runs that are not there yet.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    runs: &[(RunId, &Report)],
    now: Timestamp,
) -> Result<(), Error> {
    WRITE.write(connection, runs, |run| columns(*run, now), "write the runs").await
}

/// Removes runs in whose place others are written, and says what they were.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    ids: &[RunId],
) -> Result<Vec<RemovedRow>, Error> {
    let mut removed = Vec::new();
    for id in ids {
        let text = format!("DELETE FROM runs WHERE id = ? RETURNING {}", RemovedRow::COLUMNS);
        let query = sqlx::query_as(AssertSqlSafe(text)).bind(id.0);
        let one = query.fetch_optional(&mut *connection).await.map_err(failed("replace a run"))?;
        removed.extend(one);
    }
    Ok(removed)
}

/// Which of `ids` are stored, and when those runs started.
pub(super) async fn known(
    connection: &mut SqliteConnection,
    ids: &[RunId],
) -> Result<HashMap<RunId, Timestamp>, Error> {
    let mut known = HashMap::new();
    for some in ids.chunks(500) {
        let mut query =
            QueryBuilder::<Sqlite>::new("SELECT id, started_at FROM runs WHERE id IN (");
        let mut list = query.separated(", ");
        for id in some {
            list.push_bind(id.0);
        }
        query.push(")");
        let found: Vec<(Uuid, i64)> = query
            .build_query_as()
            .persistent(false)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed("look for runs"))?;
        for (id, started_at) in found {
            known.insert(RunId(id), rows::timestamp(started_at)?);
        }
    }
    Ok(known)
}

/// Lists runs, the latest first.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &RunFilter,
) -> Result<Vec<RunSummary>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT id, check_id, region, slot_at, started_at, duration, outcome, failure FROM runs \
         WHERE true",
    );
    if let Some(check) = &filter.check {
        query.push(" AND check_id = ").push_bind(check.as_str());
    }
    if let Some(region) = &filter.region {
        query.push(" AND region = ").push_bind(region.as_str());
    }
    if let Some(outcome) = filter.outcome {
        if outcome != Outcome::Passed {
            // Says the same again in the words of the index over the few that did not pass.
            query.push(" AND outcome <> 'passed'");
        }
        query.push(" AND outcome = ").push_bind(outcome.as_str());
    }
    if let Some(before) = filter.before {
        query.push(" AND slot_at < ").push_bind(rows::millis(before));
        // The same again in the words of the other order.
        query.push(" AND id < ").push_bind(first_id_at(before));
    }
    // Both orders are the same, since ids begin with the slot's time; naming the column of the
    // index that the filter can use saves sorting.
    let by_slot =
        filter.check.is_some() || filter.outcome.is_some_and(|outcome| outcome != Outcome::Passed);
    query.push(if by_slot { " ORDER BY slot_at DESC, id DESC" } else { " ORDER BY id DESC" });
    query.push(" LIMIT +").push_bind(filter.limit);
    let found: Vec<SummaryRow> =
        query.build_query_as().fetch_all(connection).await.map_err(failed("list runs"))?;
    found.into_iter().map(SummaryRow::read).collect()
}

/// One run with its trace.
pub(super) async fn one(
    connection: &mut SqliteConnection,
    id: RunId,
) -> Result<Option<Report>, Error> {
    let found: Option<RunRow> = sqlx::query_as("SELECT * FROM runs WHERE id = ?")
        .bind(id.0)
        .fetch_optional(connection)
        .await
        .map_err(failed("read a run"))?;
    found.map(RunRow::read).transpose()
}
