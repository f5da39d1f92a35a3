//! The state of checks: locked, read, written.

use std::collections::HashMap;

use sqlx::postgres::{PgConnection, PgPool};

use super::{failed, incidents, storable};
use crate::domain::Timestamp;
use crate::domain::id::CheckId;
use crate::domain::incident::CheckState;
use crate::domain::run::Outcome;
use crate::domain::subject::Subject;
use crate::store::plan::{self, Written};
use crate::store::rows::streak::StreakRow;
use crate::store::{Error, IncidentRecord, rows};

/// Columns are named wherever they are read, so that a later version may add some beside us.
macro_rules! streaks {
    ($rest:literal) => {
        concat!(
            "SELECT check_id, region, failures, passes, down, failing_since, last_success, \
             last_slot, last_outcome, answering_since, unknowns, unknown_since, unknown_reason, \
             last_counted, recent FROM streaks",
            $rest
        )
    };
}

/// What is known of each check.
pub(super) type States = HashMap<CheckId, CheckState>;

/// Makes sure that every check has the row by which it is locked. `names` are sorted, so that two
/// who do this at once do not wait for each other.
pub(super) async fn enroll(pool: &PgPool, names: &[&str]) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO checks (check_id) SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING",
    );
    let enrolled = query.bind(names).execute(pool).await;
    enrolled.map_err(failed("enroll checks")).map(|_| ())
}

/// Locks `names`, sorted, until the transaction ends; says whether all have a row.
pub(super) async fn lock(connection: &mut PgConnection, names: &[&str]) -> Result<bool, Error> {
    let locked: Vec<String> = sqlx::query_scalar(
        "SELECT check_id FROM checks WHERE check_id = ANY($1::text[]) ORDER BY check_id \
         FOR NO KEY UPDATE",
    )
    .bind(names)
    .fetch_all(connection)
    .await
    .map_err(failed("lock checks"))?;
    Ok(locked.len() == names.len())
}

/// Reads the state of every check that has run or has an open incident. The caller brings a
/// snapshot.
pub(super) async fn all(connection: &mut PgConnection) -> Result<States, Error> {
    let streaks: Vec<StreakRow> = sqlx::query_as(streaks!(""))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read the streaks"))?;
    gather(streaks, incidents::open(connection).await?)
}

/// Reads the state of `names` at `now`. The caller has locked them, or brings a snapshot.
pub(super) async fn of(
    connection: &mut PgConnection,
    names: &[&str],
    now: Timestamp,
) -> Result<States, Error> {
    let streaks: Vec<StreakRow> = sqlx::query_as(streaks!(" WHERE check_id = ANY($1::text[])"))
        .bind(names)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read the streaks"))?;
    gather(streaks, incidents::last_of(connection, names, now).await?)
}

fn gather(streaks: Vec<StreakRow>, last: Vec<IncidentRecord>) -> Result<States, Error> {
    let mut states = States::new();
    for row in streaks {
        let (check, region, streak) = row.read()?;
        states.entry(check).or_default().streaks.insert(region, streak);
    }
    for record in last {
        if let Subject::Check(check) = record.subject {
            // Of a check that has no streak, nothing goes on.
            if record.incident.resolved_at.is_none() {
                plan::remember(states.entry(check).or_default(), &record.incident);
            } else if let Some(state) = states.get_mut(&check) {
                plan::remember(state, &record.incident);
            }
        }
    }
    Ok(states)
}

/// Writes streaks.
pub(super) async fn write(
    connection: &mut PgConnection,
    streaks: &[Written<'_>],
) -> Result<(), Error> {
    if streaks.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Written<'_>) -> i64| streaks.iter().map(of).collect::<Vec<i64>>();
    let times = |of: fn(&Written<'_>) -> Option<i64>| streaks.iter().map(of).collect::<Vec<_>>();
    let reasons = streaks
        .iter()
        .map(|(.., it)| it.unknowns.as_ref().map(|unknowns| storable(&unknowns.reason)));
    let query = sqlx::query(
        "INSERT INTO streaks (check_id, region, failures, passes, down, failing_since, \
         last_success, last_slot, last_outcome, answering_since, unknowns, unknown_since, \
         unknown_reason, last_counted, recent) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], \
         $4::bigint[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], \
         $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[], \
         $15::text[]) ON CONFLICT (check_id, region) DO UPDATE SET failures = excluded.failures, \
         passes = excluded.passes, down = excluded.down, failing_since = excluded.failing_since, \
         last_success = excluded.last_success, last_slot = excluded.last_slot, \
         last_outcome = excluded.last_outcome, answering_since = excluded.answering_since, \
         unknowns = excluded.unknowns, unknown_since = excluded.unknown_since, \
         unknown_reason = excluded.unknown_reason, last_counted = excluded.last_counted, \
         recent = excluded.recent",
    )
    .bind(streaks.iter().map(|(check, ..)| check.as_str()).collect::<Vec<_>>())
    .bind(streaks.iter().map(|(_, region, _)| region.as_str()).collect::<Vec<_>>())
    .bind(column(|(.., streak)| i64::from(streak.failures)))
    .bind(column(|(.., streak)| i64::from(streak.passes)))
    .bind(streaks.iter().map(|(.., streak)| streak.down).collect::<Vec<_>>())
    .bind(times(|(.., streak)| streak.failing_since.map(rows::millis)))
    .bind(times(|(.., streak)| streak.last_success.map(rows::millis)))
    .bind(times(|(.., streak)| streak.last_slot.map(rows::millis)))
    .bind(streaks.iter().map(|(.., it)| it.last_outcome.map(Outcome::as_str)).collect::<Vec<_>>())
    .bind(times(|(.., streak)| streak.answering_since.map(rows::millis)))
    .bind(column(|(.., it)| it.unknowns.as_ref().map_or(0, |unknowns| unknowns.count.into())))
    .bind(times(|(.., it)| it.unknowns.as_ref().map(|unknowns| rows::millis(unknowns.since))))
    .bind(reasons.collect::<Vec<_>>())
    .bind(times(|(.., streak)| streak.last_counted.map(rows::millis)))
    .bind(streaks.iter().map(|(.., it)| rows::streak::recent_text(&it.recent)).collect::<Vec<_>>());
    query.execute(connection).await.map_err(failed("write the streaks")).map(|_| ())
}

/// Forgets the streaks of a check.
pub(super) async fn forget(connection: &mut PgConnection, check: &CheckId) -> Result<(), Error> {
    let query = sqlx::query("DELETE FROM streaks WHERE check_id = $1").bind(check.as_str());
    query.execute(connection).await.map_err(failed("forget streaks")).map(|_| ())
}
