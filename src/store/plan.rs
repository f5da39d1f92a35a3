//! What a batch of results leads to, drawn up before anything is written.
//!
//! The same for all backends: each brings what it remembers and knows to be stored, and writes the
//! plan in its own words. Nothing here talks to a database.

use std::collections::{BTreeSet, HashMap};

use super::{Judge, Novelty, Recorded, rows};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, Region, RunId};
use crate::domain::incident::{CheckState, Incident, Transition};
use crate::domain::restraint::Silence;
use crate::domain::run::Report;
use crate::domain::slot::Slot;
use crate::domain::streak::Streak;

/// One streak to be written.
pub(super) type Written<'a> = (&'a CheckId, &'a Region, &'a Streak);

/// What is known before a plan is drawn.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The state of the checks; one that is missing has none.
    pub(super) states: &'a HashMap<CheckId, CheckState>,
    /// Which of the runs are stored already, and when those started.
    pub(super) stored: &'a HashMap<RunId, Timestamp>,
    /// What people asked not to be told of.
    pub(super) silences: &'a [Silence],
}

/// Whether a run is to be stored and counted.
#[derive(Clone, Copy)]
enum Counts {
    Yes,
    No,
}

fn repeated(run: RunId) -> Recorded {
    let novelty = Novelty::Repeated;
    Recorded { run, novelty, incident: None, transition: Transition::default() }
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    /// The new runs.
    pub(super) runs: Vec<(RunId, &'a Report)>,
    /// Stored runs whose slots were run again; some of `runs` take their place.
    pub(super) replaced: Vec<RunId>,
    /// The new states of the checks concerned.
    pub(super) states: HashMap<CheckId, CheckState>,
    streaks: BTreeSet<(&'a CheckId, &'a Region)>,
    /// Which results something was decided or is owed about, and the incident meant.
    pub(super) decided: Vec<(usize, Option<IncidentId>)>,
    /// What became of each report, in their order.
    pub(super) recorded: Vec<Recorded>,
}

impl<'a> Plan<'a> {
    /// Judges `reports` one after the other. `number` numbers the incidents that are opened.
    pub(super) fn draw(
        reports: &'a [Report],
        known: Known<'_>,
        judge: &dyn Judge,
        now: Timestamp,
        mut number: impl FnMut() -> IncidentId,
    ) -> Self {
        let mut plan = Self { recorded: Vec::with_capacity(reports.len()), ..Self::default() };
        let mut stored = known.stored.clone();
        for report in reports {
            let run = report.slot.run_id();
            let started_at = rows::whole_millis(report.started_at);
            let counts = match stored.get(&run) {
                None => Counts::Yes,
                Some(before) if *before == started_at => Counts::No,
                Some(_) => plan.make_way(known, (run, report), judge, now),
            };
            let recorded = match counts {
                Counts::Yes => plan.add(known, (run, report), judge, now, &mut number),
                Counts::No => repeated(run),
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
        known: Known<'_>,
        (run, report): (RunId, &Report),
        judge: &dyn Judge,
        now: Timestamp,
    ) -> Counts {
        let check = &report.slot.check;
        let unknown = CheckState::default();
        let state = self.states.get(check).or_else(|| known.states.get(check));
        let transition = judge.judge(state.unwrap_or(&unknown), report, known.silences, now);
        if transition.streak.is_none() {
            return Counts::No;
        }
        self.runs.retain(|(planned, _)| *planned != run);
        self.replaced.push(run);
        Counts::Yes
    }

    fn add(
        &mut self,
        known: Known<'_>,
        (run, report): (RunId, &'a Report),
        judge: &dyn Judge,
        now: Timestamp,
        number: &mut impl FnMut() -> IncidentId,
    ) -> Recorded {
        let Slot { check, region, .. } = &report.slot;
        let remembered = || known.states.get(check).cloned().unwrap_or_default();
        let state = self.states.entry(check.clone()).or_insert_with(remembered);
        let mut transition = judge.judge(state, report, known.silences, now);
        if let Some(streak) = &transition.streak {
            state.streaks.insert(region.clone(), streak.clone());
            self.streaks.insert((check, region));
        }
        let open = state.incident.as_ref().and_then(|incident| incident.id);
        let changed = transition.incident.as_mut().map(|incident| {
            let id = incident.id.or(open).unwrap_or_else(&mut *number);
            incident.id = Some(id);
            remember(state, incident);
            id
        });
        if changed.is_some() || !transition.decisions.is_empty() || !transition.owed.is_empty() {
            self.decided.push((self.recorded.len(), changed.or(open)));
        }
        self.runs.push((run, report));
        Recorded { run, novelty: Novelty::New, incident: changed, transition }
    }

    /// The streaks as they are after all reports, in the order of their checks and regions.
    pub(super) fn streaks(&self) -> Vec<Written<'_>> {
        let written = self.streaks.iter().filter_map(|(check, region)| {
            let streak = self.states.get(*check)?.streaks.get(*region)?;
            Some((*check, *region, streak))
        });
        written.collect()
    }
}

/// Remembers an incident about a check's failures as it is now. One that was over before another began is
/// no longer what is known of the check, whatever is said of it.
pub fn remember(state: &mut CheckState, incident: &Incident) {
    let (open, closed) = (&mut state.incident, &mut state.closed);
    let known = [open.as_deref(), closed.as_deref()];
    if known.into_iter().flatten().any(|it| it.id > incident.id) {
        return;
    }
    if incident.resolved_at.is_none() {
        (*open, *closed) = (Some(Box::new(incident.clone())), None);
    } else {
        (*open, *closed) = (None, Some(Box::new(incident.clone())));
    }
}

/// Whether the run of `slot` may be stored, as far as `states` tell: a slot later than the last of
/// its streak was not, but for runs that left no streak.
pub(super) fn may_be_stored(states: &HashMap<CheckId, CheckState>, slot: &Slot) -> bool {
    let state = states.get(&slot.check);
    let streak = state.and_then(|state| state.streaks.get(&slot.region));
    streak.is_none_or(|streak| !streak.is_latest(slot.at))
}
