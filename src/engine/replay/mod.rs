//! Replay: what a project would have told people of the past.
//!
//! The results of a time are read from the store a page at a time and judged in the order in which they
//! were, by the same rulebook that judges what comes in; what only time changes is decided in between, and
//! so is what people really did. Nothing is stored and nobody is told.
//!
//! It is about checks that fail. What is told of regions, of coverage and of rules depends on who was
//! there and what was measured, not on what a policy says of failures.

mod compared;
mod deeds;
mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use chrono::TimeDelta;

pub use self::compared::{Row, Side, Stood, merged, rows};
pub use self::deeds::Deeds;
pub use self::world::{Cares, Message, World};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, RunId};
use crate::domain::run::{Report, Trace};
use crate::store::past::{Past, PastResult};
use crate::store::{Error, RunSummary};

/// So long before the time that is asked for it begins to judge, so that what was going on is known: an
/// incident that ended longer ago is not opened again.
pub const LEAD: TimeDelta = TimeDelta::days(1);

/// How many results are read at once.
const PAGE: u32 = 10_000;

/// A result is not stored earlier than so long before its slot: agents' clocks are not quite ours.
const EARLY: TimeDelta = TimeDelta::minutes(1);

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// How many results were judged, those of the time before not counted.
    pub results: u64,
    /// The checks that had any.
    pub checks: BTreeSet<CheckId>,
    /// How many results there are of checks that no project has; they were not judged.
    pub strangers: BTreeMap<CheckId, u64>,
}

/// A result that waits for those that were stored before it.
#[derive(Debug)]
struct Waiting(PastResult);

impl Waiting {
    fn place(&self) -> (Timestamp, i64) {
        (self.0.recorded_at, self.0.number)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

/// Has all `worlds` live through what was stored from `start` until `end`. Of the checks, those that are
/// `chosen`, or all where none is. `passed` is told how far it has come.
///
/// # Errors
///
/// [`Error`] when the store cannot be read.
pub async fn replay(
    store: &dyn Past,
    worlds: &mut [World<'_>],
    (start, end): (Timestamp, Timestamp),
    chosen: &BTreeSet<CheckId>,
    passed: &mut (dyn FnMut(Timestamp) + Send),
) -> Result<Read, Error> {
    let mut read = Read::default();
    let mut waiting: BinaryHeap<Reverse<Waiting>> = BinaryHeap::new();
    let mut after: Option<RunId> = None;
    loop {
        let page = store.past_results((start, end), after, PAGE).await?;
        let last = page.last().map(|last| (last.run.id, last.run.slot.at));
        let is_chosen = |it: &PastResult| chosen.is_empty() || chosen.contains(&it.run.slot.check);
        waiting.extend(page.into_iter().filter(is_chosen).map(|it| Reverse(Waiting(it))));
        // What is still to be read was stored later than this.
        let settled = last.map_or(end, |(_, slot)| (slot - EARLY).min(end));
        while waiting.peek().is_some_and(|Reverse(next)| next.0.recorded_at < settled) {
            let Some(Reverse(Waiting(next))) = waiting.pop() else { break };
            judge(worlds, next, &mut read);
        }
        passed(settled);
        let Some((run, _)) = last else { break };
        after = Some(run);
    }
    for world in worlds {
        world.pass(end);
    }
    Ok(read)
}

fn judge(worlds: &mut [World<'_>], past: PastResult, read: &mut Read) {
    let at = past.recorded_at;
    let check = &past.run.slot.check;
    if !worlds.iter().any(|world| world.has(check)) {
        *read.strangers.entry(check.clone()).or_default() += 1;
        return;
    }
    if worlds.iter().any(|world| world.counts(at)) {
        read.results += 1;
        if !read.checks.contains(check) {
            read.checks.insert(check.clone());
        }
    }
    let report = report(past.run);
    for world in worlds {
        world.result(&report, at);
    }
}

/// The report as far as it is judged.
fn report(run: RunSummary) -> Report {
    let RunSummary { slot, started_at, duration, failure, .. } = run;
    let (trace, clock_ahead) = (Trace::default(), TimeDelta::zero());
    Report { slot, started_at, duration, failure, trace, clock_ahead }
}

#[cfg(test)]
mod tests;
