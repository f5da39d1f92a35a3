//! Recording: the checks are locked, their results judged on what is stored, and all of it written
//! in one transaction.
//!
//! Two hubs that record results of the same check do so one after the other, and the second sees
//! what the first decided. Checks are locked in the order of their names, so nobody waits in a
//! circle.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use sqlx::postgres::{PgConnection, PgPool};

use super::attempts::{Attempts, Cause, cause};
use super::days::{Day, Days};
use super::incidents::{self, About};
use super::session::{Transaction, begin, commit};
use super::states::{self, States};
use super::{care, expectations, failed, gathering, hours, notifications, runs};
use crate::domain::Timestamp;
use crate::domain::edition::Rank;
use crate::domain::id::{CheckId, IncidentId, RunId};
use crate::domain::incident::Transition;
use crate::domain::run::Report;
use crate::domain::subject::Subject;
use crate::failpoint::{self, Failpoint};
use crate::store::plan::{Known, Plan, may_be_stored};
use crate::store::rows::accounts::Late;
use crate::store::{Error, Judge, Recorded, rows};

/// What the streaks are believed about which runs are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// A slot later than the last of its streak was not stored.
    Streaks,
    /// The runs themselves are asked about each.
    Nothing,
}

/// The days that are made ahead. Also the age from which on a run is looked for among those that
/// were kept when their day was forgotten, which nothing else keeps from being stored twice.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// Stores results with what they mean.
pub(super) async fn record(
    pool: &PgPool,
    days: &Days,
    reports: &[Report],
    judge: &dyn Judge,
    now: Timestamp,
) -> Result<Vec<Recorded>, Error> {
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    let now = rows::whole_millis(now);
    let (mut attempts, mut trust) = (Attempts::default(), Trust::Streaks);
    loop {
        let result = match ensure_days(pool, days, reports, now).await {
            Ok(()) => try_record(pool, reports, judge, now, trust).await,
            Err(error) => Err(error),
        };
        if attempts.are_over(&result) {
            return result;
        }
        match result.as_ref().map_err(cause) {
            Err(Cause::NoPartition) => days.doubt(),
            // Runs may be stored that left no streak, such as those of a check that was taken out;
            // and after a loss, those that this very batch has stored.
            Err(Cause::Repetition | Cause::Loss) => trust = Trust::Nothing,
            _ => {}
        }
    }
}

async fn ensure_days(
    pool: &PgPool,
    days: &Days,
    reports: &[Report],
    now: Timestamp,
) -> Result<(), Error> {
    let mut wanted: BTreeSet<Day> =
        reports.iter().map(|report| Day::of(report.slot.run_id())).collect();
    wanted.extend([Day::at(now), Day::at(now + AHEAD)]);
    days.ensure(pool, &wanted).await
}

async fn try_record(
    pool: &PgPool,
    reports: &[Report],
    judge: &dyn Judge,
    now: Timestamp,
    trust: Trust,
) -> Result<Vec<Recorded>, Error> {
    let checks: BTreeSet<&str> = reports.iter().map(|report| report.slot.check.as_str()).collect();
    let checks: Vec<&str> = checks.into_iter().collect();
    let mut transaction = begin_on(pool, &checks).await?;
    let states = states::of(&mut transaction, &checks, now).await?;
    let silences = care::silences(&mut transaction, now).await?;
    let in_doubt = |report: &&Report| {
        trust == Trust::Nothing
            || may_be_stored(&states, &report.slot)
            || report.slot.at < now - AHEAD
    };
    let in_doubt: Vec<RunId> =
        reports.iter().filter(in_doubt).map(|report| report.slot.run_id()).collect();
    let stored = runs::known(&mut transaction, &in_doubt).await?;
    let known = Known { states: &states, stored: &stored, silences: &silences };
    let plan = draw(&mut transaction, reports, known, judge, now).await?;
    if !plan.runs.is_empty() {
        write(&plan, &mut transaction, reports, now).await?;
    }
    if !plan.decided.is_empty() {
        failpoint::reach(Failpoint::Written);
    }
    commit(pool, transaction).await?;
    Ok(plan.recorded)
}

/// Begins a transaction that holds `checks`, sorted.
pub(super) async fn begin_on(pool: &PgPool, checks: &[&str]) -> Result<Transaction, Error> {
    let mut transaction = begin(pool).await?;
    if states::lock(&mut transaction, checks).await? {
        return Ok(transaction);
    }
    transaction.rollback().await.map_err(failed("begin a transaction"))?;
    states::enroll(pool, checks).await?;
    let mut transaction = begin(pool).await?;
    states::lock(&mut transaction, checks).await?;
    Ok(transaction)
}

/// Draws the plan. Incidents are numbered by the database, so if any are opened, it is drawn again
/// with their numbers.
async fn draw<'a>(
    connection: &mut PgConnection,
    reports: &'a [Report],
    known: Known<'_>,
    judge: &dyn Judge,
    now: Timestamp,
) -> Result<Plan<'a>, Error> {
    let mut opened = 0;
    let plan = Plan::draw(reports, known, judge, now, || {
        opened += 1;
        IncidentId(0)
    });
    if opened == 0 {
        return Ok(plan);
    }
    let mut numbers = incidents::numbers(connection, opened).await?.into_iter();
    Ok(Plan::draw(reports, known, judge, now, || {
        numbers.next().expect("a pure judge opens the same incidents again")
    }))
}

async fn write(
    plan: &Plan<'_>,
    connection: &mut PgConnection,
    reports: &[Report],
    now: Timestamp,
) -> Result<(), Error> {
    let mut late = Late::default();
    for run in runs::remove(&mut *connection, &plan.replaced).await? {
        late.remove(&run)?;
    }
    runs::write(&mut *connection, &plan.runs, now).await?;
    for (_, report) in &plan.runs {
        late.add(report);
    }
    hours::add(&mut *connection, late).await?;
    states::write(&mut *connection, &plan.streaks()).await?;
    for (index, incident) in &plan.decided {
        let recorded = &plan.recorded[*index];
        let subject = Subject::Check(reports[*index].slot.check.clone());
        let failed_at = Some(reports[*index].finished_by(now));
        let run = Some(recorded.run);
        let about = About { subject: &subject, incident: *incident, run, failed_at };
        write_decided(&mut *connection, about, &recorded.transition, now).await?;
    }
    Ok(())
}

pub(super) async fn write_decided(
    connection: &mut PgConnection,
    about: About<'_>,
    transition: &Transition,
    now: Timestamp,
) -> Result<(), Error> {
    if let (Some(id), Some(incident)) = (about.incident, &transition.incident) {
        incidents::write(&mut *connection, id, about.subject, incident).await?;
    }
    for decision in &transition.decisions {
        incidents::write_decision(&mut *connection, about, decision, now).await?;
    }
    for owed in &transition.owed {
        if let Some(incident) = about.incident {
            notifications::owe(&mut *connection, incident, owed, about.failed_at, now).await?;
        } else {
            tracing::error!(subject = %about.subject, "owed about no incident; not stored");
        }
    }
    if let Some(incident) = about.incident {
        gathering::stamp(&mut *connection, incident, transition, now).await?;
    }
    Ok(())
}

/// Closes the incidents of checks that are gone.
pub(super) async fn close_absent(
    pool: &PgPool,
    judge: &dyn Judge,
    edition: &str,
    now: Timestamp,
) -> Result<Option<Vec<IncidentId>>, Error> {
    let now = rows::whole_millis(now);
    let mut connection = pool.acquire().await.map_err(failed("look for open incidents"))?;
    let open = incidents::open(&mut connection).await?;
    drop(connection);
    // What else an incident may be about is reviewed.
    let gone = open.iter().filter_map(|record| match &record.subject {
        Subject::Check(check) => {
            judge.judge_absent(check, &record.incident, now).map(|_| check.as_str())
        }
        _ => None,
    });
    let gone: BTreeSet<&str> = gone.collect();
    if gone.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let gone: Vec<&str> = gone.into_iter().collect();
    let mut transaction = begin_on(pool, &gone).await?;
    if let Rank::Earlier = expectations::rank(&mut transaction, edition).await? {
        return Ok(None);
    }
    // Only what is seen under the lock counts: another hub may have closed some by now.
    let states = states::of(&mut transaction, &gone, now).await?;
    let closed = absent(&states, judge, now);
    for (id, (check, transition)) in &closed {
        let subject = Subject::Check((*check).clone());
        let about = About::of(&subject, Some(*id));
        write_decided(&mut transaction, about, transition, now).await?;
        states::forget(&mut transaction, check).await?;
    }
    commit(pool, transaction).await?;
    Ok(Some(closed.into_keys().collect()))
}

/// The open incidents whose check is gone, and what that means.
fn absent<'s>(
    states: &'s States,
    judge: &dyn Judge,
    now: Timestamp,
) -> BTreeMap<IncidentId, (&'s CheckId, Transition)> {
    let closing = states.iter().filter_map(|(check, state)| {
        let open = state.incident.as_ref()?;
        Some((open.id?, (check, judge.judge_absent(check, open, now)?)))
    });
    closing.collect()
}
