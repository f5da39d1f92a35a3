//! The state of every check: how it is read, how it is written.

use std::collections::{BTreeMap, HashMap};

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{QueryBuilder, Sqlite};

use super::rows_of::RowsOf;
use super::{care, failed, hours, incidents};
use crate::domain::Timestamp;
use crate::domain::id::CheckId;
use crate::domain::incident::CheckState;
use crate::domain::restraint::Silence;
use crate::domain::run::Outcome;
use crate::domain::subject::Subject;
use crate::store::plan::{self, Written};
use crate::store::rows::streak::StreakRow;
use crate::store::{Error, rows};

/// The state of all checks, the number of the next incident, and which hours are counted.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) states: HashMap<CheckId, CheckState>,
    pub(super) next_incident: i64,
    /// The hours to whose counts late runs are added.
    pub(super) closed: Option<(Timestamp, Timestamp)>,
    /// What people asked not to be told of, as far as it may not be over.
    pub(super) silences: Vec<Silence>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { states: HashMap::new(), next_incident: 1, closed: None, silences: Vec::new() }
    }
}

impl Memory {
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, Error> {
        let states = states(connection, None).await?.into_iter().collect();
        let next_incident = sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM incidents")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed("number incidents"))?;
        let closed = hours::closed(&mut *connection).await?;
        let silences = care::all(connection).await?;
        Ok(Self { states, next_incident, closed, silences })
    }
}

/// Reads the state of every check that has run or has an open incident, or of those of `checks`. The
/// caller brings a transaction, or is the only writer.
pub(super) async fn states(
    connection: &mut SqliteConnection,
    checks: Option<&[CheckId]>,
) -> Result<BTreeMap<CheckId, CheckState>, Error> {
    let mut states: BTreeMap<CheckId, CheckState> = BTreeMap::new();
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT check_id, region, failures, passes, down, failing_since, last_success, last_slot, \
         last_outcome, answering_since, unknowns, unknown_since, unknown_reason, \
         last_counted, recent FROM streaks",
    );
    if let Some(checks) = checks {
        query.push(" WHERE check_id IN (");
        let mut list = query.separated(", ");
        for check in checks {
            list.push_bind(check.as_str().to_owned());
        }
        query.push(")");
    }
    let streaks: Vec<StreakRow> = query
        .build_query_as()
        .persistent(checks.is_none())
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read the streaks"))?;
    for row in streaks {
        let (check, region, streak) = row.read()?;
        states.entry(check).or_default().streaks.insert(region, streak);
    }
    for record in incidents::closed(&mut *connection, checks).await? {
        // Of a check that has no streak, nothing goes on.
        if let Subject::Check(check) = record.subject
            && let Some(state) = states.get_mut(&check)
        {
            state.closed = Some(record.incident);
        }
    }
    for record in incidents::open(connection, checks).await? {
        if let Subject::Check(check) = record.subject {
            plan::remember(states.entry(check).or_default(), &record.incident);
        }
    }
    Ok(states)
}

/// The beginning of every statement that writes streaks.
pub(super) const INSERT: &str = "INSERT INTO streaks (check_id, region, failures, passes, down, \
     failing_since, last_success, last_slot, last_outcome, answering_since, unknowns, \
     unknown_since, unknown_reason, last_counted, recent) VALUES";

/// The end of every statement that writes streaks.
pub(super) const CONFLICT: &str = "ON CONFLICT (check_id, region) DO UPDATE SET \
     failures = excluded.failures, passes = excluded.passes, down = excluded.down, \
     failing_since = excluded.failing_since, last_success = excluded.last_success, \
     last_slot = excluded.last_slot, last_outcome = excluded.last_outcome, \
     answering_since = excluded.answering_since, unknowns = excluded.unknowns, \
     unknown_since = excluded.unknown_since, unknown_reason = excluded.unknown_reason, \
     last_counted = excluded.last_counted, recent = excluded.recent";

/// The columns of a streak, in the order of [`bind`].
pub(super) const COLUMNS: usize = 15;

static WRITE: std::sync::LazyLock<RowsOf> =
    std::sync::LazyLock::new(|| RowsOf::new(INSERT, COLUMNS, CONFLICT));

/// Binds the columns of one streak.
pub(super) fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    (check, region, streak): Written<'_>,
) -> Query<'q, Sqlite, SqliteArguments> {
    let unknowns = streak.unknowns.as_ref();
    query
        .bind(check.as_str())
        .bind(region.as_str())
        .bind(streak.failures)
        .bind(streak.passes)
        .bind(streak.down)
        .bind(streak.failing_since.map(rows::millis))
        .bind(streak.last_success.map(rows::millis))
        .bind(streak.last_slot.map(rows::millis))
        .bind(streak.last_outcome.map(Outcome::as_str))
        .bind(streak.answering_since.map(rows::millis))
        .bind(unknowns.map_or(0, |unknowns| unknowns.count))
        .bind(unknowns.map(|unknowns| rows::millis(unknowns.since)))
        .bind(unknowns.map(|unknowns| unknowns.reason.clone()))
        .bind(streak.last_counted.map(rows::millis))
        .bind(rows::streak::recent_text(&streak.recent))
}

/// Writes streaks.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    mut streaks: &[Written<'_>],
) -> Result<(), Error> {
    while !streaks.is_empty() {
        let (some, rest, text) = WRITE.split(streaks);
        let query = some.iter().copied().fold(sqlx::query(text), bind);
        query.execute(&mut *connection).await.map_err(failed("write the streaks"))?;
        streaks = rest;
    }
    Ok(())
}

/// Forgets the streaks of a check.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    check: &CheckId,
) -> Result<(), Error> {
    let query = sqlx::query("DELETE FROM streaks WHERE check_id = ?").bind(check.as_str());
    query.execute(connection).await.map_err(failed("forget streaks")).map(|_| ())
}
