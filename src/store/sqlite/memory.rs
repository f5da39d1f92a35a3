//! The state of every check: how it is read, how it is written.

use std::collections::{BTreeMap, HashMap};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{FromRow as _, Sqlite};

use super::rows_of::RowsOf;
use super::script::{Script, Value, values};
use super::{care, failed, hours, incidents};
use crate::domain::Timestamp;
use crate::domain::id::CheckId;
use crate::domain::incident::CheckState;
use crate::domain::restraint::Silence;
use crate::domain::run::Outcome;
use crate::domain::subject::Subject;
use crate::store::plan::{self, Written};
use crate::store::rows::streak::StreakRow;
use crate::store::rows::to_json;
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
        let states = states(connection).await?.into_iter().collect();
        let next_incident = sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM incidents")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed("number incidents"))?;
        let closed = hours::closed(&mut *connection).await?;
        let silences = care::all(connection).await?;
        Ok(Self { states, next_incident, closed, silences })
    }
}

/// Reads the state of every check that has run or has an open incident; by the only writer.
async fn states(connection: &mut SqliteConnection) -> Result<BTreeMap<CheckId, CheckState>, Error> {
    let (mut script, mut states) = (Script::default(), BTreeMap::new());
    let asked = ask(&mut script, Those::All);
    let read = |statement, row| read(&mut states, asked, (statement, &row));
    script.each(connection, STATES, read).await?;
    Ok(states)
}

/// Whose states are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Those<'a> {
    /// Of every check that has run or has an open incident.
    All,
    /// Of these.
    Of(&'a [CheckId]),
    /// As [`crate::store::Store::restless`] tells them.
    Restless,
}

/// Reads the states of `those` checks.
pub(super) async fn states_at_once(
    reader: PoolConnection<Sqlite>,
    those: Those<'_>,
) -> Result<BTreeMap<CheckId, CheckState>, Error> {
    let (mut script, mut states) = (Script::snapshot(), BTreeMap::new());
    let asked = ask(&mut script, those);
    let read = |statement, row| read(&mut states, asked, (statement, &row));
    script.each_at_once(reader, STATES, read).await?;
    Ok(states)
}

/// What fails when the states cannot be read.
const STATES: &str = "read the states of checks";

/// By which statements the streaks and the open incidents are asked for; the closed ones by another.
#[derive(Debug, Clone, Copy)]
struct Asked {
    streaks: usize,
    open: usize,
}

fn ask(script: &mut Script, those: Those<'_>) -> Asked {
    const STREAKS: &str = "SELECT check_id, region, failures, passes, down, failing_since, \
         last_success, last_slot, last_outcome, answering_since, unknowns, unknown_since, \
         unknown_reason, last_counted, recent FROM streaks";
    let checks = if let Those::Of(checks) = those { Some(checks) } else { None };
    let streaks = match those {
        Those::All => script.add(STREAKS, []),
        Those::Of(checks) => {
            let names: Vec<&str> = checks.iter().map(CheckId::as_str).collect();
            let text = format!("{STREAKS} WHERE check_id IN (SELECT value FROM json_each(?))");
            script.add(&text, values![to_json(&names)])
        }
        Those::Restless => script.add(&format!("{STREAKS} WHERE down OR failures > 0"), []),
    };
    if !matches!(those, Those::Restless) {
        incidents::ask_closed(script, checks);
    }
    Asked { streaks, open: incidents::ask_open(script, checks) }
}

/// Reads a row of what was asked for; rows come in the order in which that was.
fn read(
    states: &mut BTreeMap<CheckId, CheckState>,
    asked: Asked,
    (statement, row): (usize, &SqliteRow),
) -> Result<(), Error> {
    if statement == asked.streaks {
        let (check, region, streak) = StreakRow::from_row(row).map_err(failed(STATES))?.read()?;
        states.entry(check).or_default().streaks.insert(region, streak);
        return Ok(());
    }
    for record in incidents::read(std::slice::from_ref(row))? {
        let Subject::Check(check) = record.subject else { continue };
        if statement == asked.open {
            plan::remember(states.entry(check).or_default(), &record.incident);
        } else if let Some(state) = states.get_mut(&check) {
            // Of a check that has no streak, nothing goes on.
            state.closed = Some(Box::new(record.incident));
        }
    }
    Ok(())
}

/// The beginning of every statement that writes streaks.
const INSERT: &str = "INSERT INTO streaks (check_id, region, failures, passes, down, \
     failing_since, last_success, last_slot, last_outcome, answering_since, unknowns, \
     unknown_since, unknown_reason, last_counted, recent) VALUES";

/// The end of every statement that writes streaks.
const CONFLICT: &str = "ON CONFLICT (check_id, region) DO UPDATE SET \
     failures = excluded.failures, passes = excluded.passes, down = excluded.down, \
     failing_since = excluded.failing_since, last_success = excluded.last_success, \
     last_slot = excluded.last_slot, last_outcome = excluded.last_outcome, \
     answering_since = excluded.answering_since, unknowns = excluded.unknowns, \
     unknown_since = excluded.unknown_since, unknown_reason = excluded.unknown_reason, \
     last_counted = excluded.last_counted, recent = excluded.recent";

const COLUMNS: usize = 15;

static WRITE: std::sync::LazyLock<RowsOf> =
    std::sync::LazyLock::new(|| RowsOf::new(INSERT, COLUMNS, CONFLICT));

fn columns((check, region, streak): Written<'_>) -> [Value; COLUMNS] {
    let unknowns = streak.unknowns.as_ref();
    values![
        check.as_str(),
        region.as_str(),
        streak.failures,
        streak.passes,
        streak.down,
        streak.failing_since.map(rows::millis),
        streak.last_success.map(rows::millis),
        streak.last_slot.map(rows::millis),
        streak.last_outcome.map(Outcome::as_str),
        streak.answering_since.map(rows::millis),
        unknowns.map_or(0, |unknowns| unknowns.count),
        unknowns.map(|unknowns| rows::millis(unknowns.since)),
        unknowns.map(|unknowns| unknowns.reason.clone()),
        streak.last_counted.map(rows::millis),
        rows::streak::recent_text(&streak.recent),
    ]
}

/// Adds the writing of a streak.
pub(super) fn add(script: &mut Script, streak: Written<'_>) {
    WRITE.add(script, columns(streak));
}

/// Writes streaks.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    streaks: &[Written<'_>],
) -> Result<(), Error> {
    WRITE.write(connection, streaks, |streak| columns(*streak), "write the streaks").await
}

/// Forgets the streaks of a check.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    check: &CheckId,
) -> Result<(), Error> {
    let query = sqlx::query("DELETE FROM streaks WHERE check_id = ?").bind(check.as_str());
    query.execute(connection).await.map_err(failed("forget streaks")).map(|_| ())
}
