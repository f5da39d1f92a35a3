//! Recording: results are judged against what is remembered, then written in one transaction.
//!
//! The plan is drawn in memory first, so the database is only written to, and a run that changes
//! nothing costs one insertion and one update. The plan becomes memory after the commit.

use std::collections::BTreeSet;

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::claiming::{self, AskedLease};
use super::incidents::{self, About};
use super::memory;
use super::script::Script;
use super::writer::{Durability, Writer};
use super::{expectations, gathering, hours, notifications, runs};
use crate::domain::Timestamp;
use crate::domain::edition::Rank;
use crate::domain::id::{CheckId, IncidentId, RunId};
use crate::domain::incident::{Owed, Transition};
use crate::domain::policy::Channel;
use crate::domain::run::Report;
use crate::domain::subject::Subject;
use crate::failpoint::{self, Failpoint};
use crate::store::plan::{Known, Plan, Written, may_be_stored};
use crate::store::rows::accounts::Late;
use crate::store::{Error, Handed, Judge, Offer, Recorded, rows};

/// What fails when what was decided cannot be written.
const DECIDED: &str = "write what was decided";
/// What fails when a run cannot be written.
const WRITE: &str = "write a run";

/// What memory is believed about which runs are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// A slot later than the last of its streak was not stored.
    Memory,
    /// The database is asked about each.
    Nothing,
}

/// Stores results with what they mean, and hands out what that made owed to those who offer to take it.
pub(super) async fn record(
    writer: &mut Writer,
    (reports, judge): (&[Report], &dyn Judge),
    now: Timestamp,
    offers: &[Offer],
) -> Result<(Vec<Recorded>, Vec<Handed>), Error> {
    let now = rows::whole_millis(now);
    let given = Given { reports, judge, offers, now };
    let attempt = try_record(writer, given, Trust::Memory).await;
    match writer.finish(attempt).await {
        // Runs may be stored that left no streak, such as those of a check that was taken out.
        Err(Error::Database { source, .. }) if is_repetition(&source) => {
            try_record(writer, given, Trust::Nothing).await
        }
        result => result,
    }
}

fn is_repetition(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// What is to be stored, and how.
#[derive(Clone, Copy)]
struct Given<'a> {
    reports: &'a [Report],
    judge: &'a dyn Judge,
    offers: &'a [Offer],
    now: Timestamp,
}

async fn try_record(
    writer: &mut Writer,
    given: Given<'_>,
    trust: Trust,
) -> Result<(Vec<Recorded>, Vec<Handed>), Error> {
    let Given { reports, judge, now, .. } = given;
    let memory = writer.memory().await?;
    let in_doubt =
        |report: &&Report| trust == Trust::Nothing || may_be_stored(&memory.states, &report.slot);
    let in_doubt: Vec<RunId> =
        reports.iter().filter(in_doubt).map(|report| report.slot.run_id()).collect();
    let stored = runs::known(writer.connection().await?, &in_doubt).await?;
    let memory = writer.memory().await?;
    let mut next_incident = memory.next_incident;
    let known = Known { states: &memory.states, stored: &stored, silences: &memory.silences };
    let plan = Plan::draw(reports, known, judge, now, || {
        let id = IncidentId(next_incident);
        next_incident += 1;
        id
    });
    let handed = write(&plan, writer, given).await?;
    let memory = writer.memory().await?;
    memory.states.extend(plan.states);
    memory.next_incident = next_incident;
    Ok((plan.recorded, handed))
}

/// Writes what is planned, and leases what that makes owed.
async fn write(
    plan: &Plan<'_>,
    writer: &mut Writer,
    given: Given<'_>,
) -> Result<Vec<Handed>, Error> {
    let now = given.now;
    let streaks = plan.streaks();
    if plan.runs.is_empty() {
        return Ok(Vec::new());
    }
    let nothing = (Timestamp::MIN_UTC, Timestamp::MIN_UTC);
    let closed = writer.memory().await?.closed.unwrap_or(nothing);
    let mut late = Late::default();
    for (_, report) in &plan.runs {
        late.add(report);
    }
    late.retain(closed);
    let durability = if plan.decided.is_empty() { Durability::Process } else { Durability::Power };
    let is_alone = plan.replaced.is_empty() && late.hours().is_empty();
    if let ([run], [streak], true) = (&plan.runs[..], &streaks[..], is_alone) {
        let connection = writer.unsettled(durability).await?;
        let handed = write_one(plan, connection, (*run, *streak), given).await?;
        writer.settled();
        return Ok(handed);
    }
    let connection = writer.begin(durability).await?;
    for run in runs::remove(&mut *connection, &plan.replaced).await? {
        late.remove(&run)?;
    }
    late.retain(closed);
    hours::add(&mut *connection, late).await?;
    runs::write(&mut *connection, &plan.runs, now).await?;
    memory::write(&mut *connection, &streaks).await?;
    for decided in &plan.decided {
        let mut script = Script::default();
        let owed = add_planned(&mut *connection, &mut script, (plan, *decided), given).await?;
        owed.heed(&script.run(&mut *connection, DECIDED).await?);
    }
    let mut script = Script::default();
    let leases = add_leases(&mut script, plan, given);
    let mut handed = Vec::new();
    if !leases.is_empty() {
        handed = read_leases(&script.rows(&mut *connection, DECIDED).await?, &leases);
    }
    if !plan.decided.is_empty() {
        failpoint::reach(Failpoint::Written);
    }
    writer.commit().await?;
    Ok(handed)
}

/// Writes one run and what was decided about it: the most frequent case, in one command.
async fn write_one(
    plan: &Plan<'_>,
    connection: &mut SqliteConnection,
    (run, streak): ((RunId, &Report), Written<'_>),
    given: Given<'_>,
) -> Result<Vec<Handed>, Error> {
    let mut script = Script::begin();
    runs::add(&mut script, run, given.now);
    memory::add(&mut script, streak);
    let mut all = Vec::with_capacity(plan.decided.len());
    for decided in &plan.decided {
        all.push(add_planned(connection, &mut script, (plan, *decided), given).await?);
    }
    let leases = add_leases(&mut script, plan, given);
    if !plan.decided.is_empty() && failpoint::is_asked_for(Failpoint::Written) {
        script.run(connection, WRITE).await?;
        failpoint::reach(Failpoint::Written);
        return Ok(Vec::new());
    }
    script.commit();
    let (changed, found) = script.outcomes(connection, WRITE).await?;
    for owed in all {
        owed.heed(&changed);
    }
    Ok(read_leases(&found, &leases))
}

/// Adds the leasing of what is planned to be owed, where somebody offers to take it.
fn add_leases(script: &mut Script, plan: &Plan<'_>, given: Given<'_>) -> Vec<AskedLease> {
    let decided = plan.decided.iter().map(|(index, _)| &plan.recorded[*index].transition);
    let channels: BTreeSet<Channel> =
        decided.flat_map(|it| &it.owed).map(|owed| owed.recipient.channel()).collect();
    let offers = given.offers.iter().filter(|it| channels.contains(&it.channel));
    offers.map(|offer| claiming::ask_to_lease(script, offer, given.now)).collect()
}

/// What was leased. What cannot be read must not keep results from being stored: it is handed out again when
/// its lease has ended.
fn read_leases(found: &[Vec<SqliteRow>], leases: &[AskedLease]) -> Vec<Handed> {
    let mut handed = Vec::with_capacity(leases.len());
    for asked in leases {
        match claiming::read_lease(found, asked) {
            Ok(given) if given.claims.is_empty() => {}
            Ok(given) => handed.push(given),
            Err(error) => tracing::error!(%error, "what was leased cannot be read"),
        }
    }
    handed
}

async fn add_planned<'p>(
    connection: &mut SqliteConnection,
    script: &mut Script,
    (plan, (index, incident)): (&'p Plan<'_>, (usize, Option<IncidentId>)),
    Given { reports, now, .. }: Given<'_>,
) -> Result<Owing<'p>, Error> {
    let recorded = &plan.recorded[index];
    let subject = Subject::Check(reports[index].slot.check.clone());
    let failed_at = Some(reports[index].finished_by(now));
    let about = About { subject: &subject, incident, run: Some(recorded.run), failed_at };
    add_decided(connection, script, about, &recorded.transition, now).await
}

/// By which statements of a script what is owed.
struct Owing<'t> {
    incident: Option<IncidentId>,
    statements: Vec<(usize, &'t Owed)>,
}

impl Owing<'_> {
    /// Tells of what was owed before, knowing how many rows each statement `changed`.
    fn heed(&self, changed: &[u64]) {
        for (statement, owed) in &self.statements {
            if changed.get(*statement) == Some(&0) {
                let incident = self.incident.map(|id| id.to_string());
                let (recipient, kind) = (&owed.recipient, owed.notice.kind.as_str());
                tracing::warn!(
                    incident,
                    %recipient,
                    kind,
                    "this was owed before and is not owed again"
                );
            }
        }
    }
}

/// Writes what was decided about something.
pub(super) async fn write_decided(
    connection: &mut SqliteConnection,
    about: About<'_>,
    transition: &Transition,
    now: Timestamp,
) -> Result<(), Error> {
    let mut script = Script::default();
    let owed = add_decided(&mut *connection, &mut script, about, transition, now).await?;
    owed.heed(&script.run(connection, DECIDED).await?);
    Ok(())
}

async fn add_decided<'t>(
    connection: &mut SqliteConnection,
    script: &mut Script,
    about: About<'_>,
    transition: &'t Transition,
    now: Timestamp,
) -> Result<Owing<'t>, Error> {
    if let (Some(id), Some(incident)) = (about.incident, &transition.incident) {
        incidents::write(script, id, about.subject, incident);
    }
    for decision in &transition.decisions {
        incidents::write_decision(script, about, decision, now);
    }
    let mut owing = Owing { incident: about.incident, statements: Vec::new() };
    let Some(incident) = about.incident else {
        for _ in &transition.owed {
            tracing::error!(subject = %about.subject, "owed about no incident; not stored");
        }
        return Ok(owing);
    };
    for owed in &transition.owed {
        let owes =
            notifications::owe(&mut *connection, script, (incident, owed), about.failed_at, now)
                .await?;
        owing.statements.push((owes, owed));
    }
    gathering::stamp(script, incident, transition, now);
    Ok(owing)
}

/// Closes the incidents of checks that are gone.
pub(super) async fn close_absent(
    writer: &mut Writer,
    judge: &dyn Judge,
    edition: &str,
    now: Timestamp,
) -> Result<Option<Vec<IncidentId>>, Error> {
    let now = rows::whole_millis(now);
    let memory = writer.memory().await?;
    let mut closed: Vec<(IncidentId, CheckId, Transition)> = memory
        .states
        .iter()
        .filter_map(|(check, state)| {
            let open = state.incident.as_ref()?;
            let transition = judge.judge_absent(check, open, now)?;
            Some((open.id?, check.clone(), transition))
        })
        .collect();
    if closed.is_empty() {
        return Ok(Some(Vec::new()));
    }
    closed.sort_by_key(|(id, ..)| *id);
    let connection = writer.begin(Durability::Power).await?;
    if let Rank::Earlier = expectations::rank(&mut *connection, edition).await? {
        writer.commit().await?;
        return Ok(None);
    }
    for (id, check, transition) in &closed {
        let subject = Subject::Check(check.clone());
        let about = About::of(&subject, Some(*id));
        write_decided(&mut *connection, about, transition, now).await?;
        memory::forget(&mut *connection, check).await?;
    }
    writer.commit().await?;
    let memory = writer.memory().await?;
    for (_, check, _) in &closed {
        memory.states.remove(check);
    }
    Ok(Some(closed.into_iter().map(|(id, ..)| id).collect()))
}
