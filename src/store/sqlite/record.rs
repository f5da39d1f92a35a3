//! Recording: results are judged against what is remembered, then written in one transaction.
//!
//! The plan is drawn in memory first, so the database is only written to, and a run that changes
//! nothing costs one insertion and one update. The plan becomes memory after the commit.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use sqlx::sqlite::SqliteConnection;

use super::incidents::{self, Subject};
use super::memory::{self, Memory, Written};
use super::writer::{Durability, Writer};
use super::{failed, notifications, runs};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, Region, RunId};
use crate::domain::incident::{CheckState, Transition};
use crate::domain::run::Report;
use crate::domain::slot::Slot;
use crate::store::{Error, Judge, Novelty, Recorded, rows};

/// What memory is believed about which runs are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// A slot later than the last of its streak was not stored.
    Memory,
    /// The database is asked about each.
    Nothing,
}

/// Stores results with what they mean.
pub(super) async fn record(
    writer: &mut Writer,
    reports: &[Report],
    judge: &dyn Judge,
    now: Timestamp,
) -> Result<Vec<Recorded>, Error> {
    let now = rows::whole_millis(now);
    let attempt = try_record(writer, reports, judge, now, Trust::Memory).await;
    match writer.finish(attempt).await {
        // Runs may be stored that left no streak, such as those of a check that was taken out.
        Err(Error::Database { source, .. }) if is_repetition(&source) => {
            try_record(writer, reports, judge, now, Trust::Nothing).await
        }
        result => result,
    }
}

fn is_repetition(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

async fn try_record(
    writer: &mut Writer,
    reports: &[Report],
    judge: &dyn Judge,
    now: Timestamp,
    trust: Trust,
) -> Result<Vec<Recorded>, Error> {
    let memory = writer.memory().await?;
    let in_doubt =
        |report: &&Report| trust == Trust::Nothing || may_be_stored(memory, &report.slot);
    let in_doubt: Vec<RunId> =
        reports.iter().filter(in_doubt).map(|report| report.slot.run_id()).collect();
    let stored = runs::known(writer.connection().await?, &in_doubt).await?;
    let plan = Plan::draw(writer.memory().await?, reports, stored, judge, now);
    plan.write(writer, reports, now).await?;
    let memory = writer.memory().await?;
    memory.states.extend(plan.states);
    memory.next_incident = plan.next_incident;
    Ok(plan.recorded)
}

fn may_be_stored(memory: &Memory, slot: &Slot) -> bool {
    let state = memory.states.get(&slot.check);
    let streak = state.and_then(|state| state.streaks.get(&slot.region));
    streak.is_none_or(|streak| !streak.is_latest(slot.at))
}

/// Whether a run of a slot that was run before is to be counted.
enum Counts {
    Yes,
    No,
}

fn repeated(run: RunId) -> Recorded {
    let novelty = Novelty::Repeated;
    Recorded { run, novelty, incident: None, transition: Transition::default() }
}

/// What is to be written.
struct Plan<'a> {
    runs: Vec<(RunId, &'a Report)>,
    /// Stored runs whose slots were run again; some of `runs` take their place.
    replaced: Vec<RunId>,
    /// The new states of the checks concerned.
    states: HashMap<CheckId, CheckState>,
    streaks: BTreeSet<(&'a CheckId, &'a Region)>,
    /// Which results something was decided or is owed about, and the incident meant.
    decided: Vec<(usize, Option<IncidentId>)>,
    next_incident: i64,
    recorded: Vec<Recorded>,
}

impl<'a> Plan<'a> {
    fn draw(
        memory: &Memory,
        reports: &'a [Report],
        mut stored: HashMap<RunId, Timestamp>,
        judge: &dyn Judge,
        now: Timestamp,
    ) -> Self {
        let mut plan = Self {
            runs: Vec::with_capacity(reports.len()),
            replaced: Vec::new(),
            states: HashMap::new(),
            streaks: BTreeSet::new(),
            decided: Vec::new(),
            next_incident: memory.next_incident,
            recorded: Vec::with_capacity(reports.len()),
        };
        for report in reports {
            let run = report.slot.run_id();
            let started_at = rows::whole_millis(report.started_at);
            let recorded = match stored.get(&run) {
                None => plan.add(memory, run, report, judge, now),
                Some(before) if *before == started_at => repeated(run),
                Some(_) => match plan.make_way(memory, run, report, judge, now) {
                    Counts::Yes => plan.add(memory, run, report, judge, now),
                    Counts::No => repeated(run),
                },
            };
            if recorded.novelty == Novelty::New {
                stored.insert(run, started_at);
            }
            plan.recorded.push(recorded);
        }
        plan
    }

    /// Takes out the run that is there for a slot that was run again, because the clock was set
    /// back, if the judge counts the new one.
    fn make_way(
        &mut self,
        memory: &Memory,
        run: RunId,
        report: &Report,
        judge: &dyn Judge,
        now: Timestamp,
    ) -> Counts {
        let check = &report.slot.check;
        let unknown = CheckState::default();
        let state = self.states.get(check).or_else(|| memory.states.get(check));
        if judge.judge(state.unwrap_or(&unknown), report, now).streak.is_none() {
            return Counts::No;
        }
        self.runs.retain(|(planned, _)| *planned != run);
        self.replaced.push(run);
        Counts::Yes
    }

    fn add(
        &mut self,
        memory: &Memory,
        run: RunId,
        report: &'a Report,
        judge: &dyn Judge,
        now: Timestamp,
    ) -> Recorded {
        let Slot { check, region, .. } = &report.slot;
        let remembered = || memory.states.get(check).cloned().unwrap_or_default();
        let state = self.states.entry(check.clone()).or_insert_with(remembered);
        let mut transition = judge.judge(state, report, now);
        if let Some(streak) = &transition.streak {
            state.streaks.insert(region.clone(), streak.clone());
            self.streaks.insert((check, region));
        }
        let open = state.incident.as_ref().and_then(|incident| incident.id);
        let changed = transition.incident.as_mut().map(|incident| {
            let id = incident.id.or(open).unwrap_or(IncidentId(self.next_incident));
            self.next_incident = self.next_incident.max(id.0 + 1);
            incident.id = Some(id);
            state.incident = incident.resolved_at.is_none().then(|| incident.clone());
            id
        });
        if changed.is_some() || !transition.decisions.is_empty() || !transition.owed.is_empty() {
            self.decided.push((self.recorded.len(), changed.or(open)));
        }
        self.runs.push((run, report));
        Recorded { run, novelty: Novelty::New, incident: changed, transition }
    }

    async fn write(
        &self,
        writer: &mut Writer,
        reports: &[Report],
        now: Timestamp,
    ) -> Result<(), Error> {
        let streaks: Vec<Written<'_>> = self
            .streaks
            .iter()
            .filter_map(|(check, region)| {
                let streak = self.states.get(*check)?.streaks.get(*region)?;
                Some((*check, *region, streak))
            })
            .collect();
        match (&self.runs[..], &streaks[..], &self.decided[..]) {
            ([], ..) => return Ok(()),
            ([run], [streak], []) if self.replaced.is_empty() => {
                return write_calm(writer, *run, *streak, now).await;
            }
            _ => {}
        }
        let durability =
            if self.decided.is_empty() { Durability::Process } else { Durability::Power };
        let connection = writer.begin(durability).await?;
        runs::remove(&mut *connection, &self.replaced).await?;
        runs::write(&mut *connection, &self.runs, now).await?;
        memory::write(&mut *connection, &streaks).await?;
        for (index, incident) in &self.decided {
            let recorded = &self.recorded[*index];
            let check = &reports[*index].slot.check;
            let subject = Subject { check, incident: *incident, run: Some(recorded.run) };
            write_decided(&mut *connection, subject, &recorded.transition, now).await?;
        }
        writer.commit().await
    }
}

static CALM: LazyLock<String> = LazyLock::new(|| {
    let values = |columns: usize| vec!["?"; columns].join(", ");
    format!(
        "BEGIN IMMEDIATE; {} ({}); {} ({}) {}; COMMIT",
        runs::INSERT,
        values(runs::COLUMNS),
        memory::INSERT,
        values(memory::COLUMNS),
        memory::CONFLICT
    )
});

/// Writes one run about which nothing was decided: the most frequent case, in one command, because
/// each command goes to the thread of the connection and back.
async fn write_calm(
    writer: &mut Writer,
    run: (RunId, &Report),
    streak: Written<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let connection = writer.unsettled(Durability::Process).await?;
    let query = memory::bind(runs::bind(sqlx::query(CALM.as_str()), run, now), streak);
    query.execute(connection).await.map_err(failed("write a run"))?;
    writer.settled();
    Ok(())
}

async fn write_decided(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    transition: &Transition,
    now: Timestamp,
) -> Result<(), Error> {
    if let (Some(id), Some(incident)) = (subject.incident, &transition.incident) {
        incidents::write(&mut *connection, id, subject.check, incident).await?;
    }
    for decision in &transition.decisions {
        incidents::write_decision(&mut *connection, subject, decision, now).await?;
    }
    for owed in &transition.owed {
        if let Some(incident) = subject.incident {
            notifications::owe(&mut *connection, incident, owed, now).await?;
        } else {
            tracing::error!(check = %subject.check, "owed about no incident; not stored");
        }
    }
    Ok(())
}

/// Closes the incidents of checks that are gone.
pub(super) async fn close_absent(
    writer: &mut Writer,
    judge: &dyn Judge,
    now: Timestamp,
) -> Result<Vec<IncidentId>, Error> {
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
        return Ok(Vec::new());
    }
    closed.sort_by_key(|(id, ..)| *id);
    let connection = writer.begin(Durability::Power).await?;
    for (id, check, transition) in &closed {
        let subject = Subject { check, incident: Some(*id), run: None };
        write_decided(&mut *connection, subject, transition, now).await?;
        memory::forget(&mut *connection, check).await?;
    }
    writer.commit().await?;
    let memory = writer.memory().await?;
    for (_, check, _) in &closed {
        memory.states.remove(check);
    }
    Ok(closed.into_iter().map(|(id, ..)| id).collect())
}
