//! Drills: looks again and again whether paths are to be drilled, and whether any of them is broken or
//! unproven.
//!
//! What follows is decided by [`drill`](crate::domain::drill) alone, in the store's transaction, so that a
//! round takes place once whatever becomes of this hub. Of hubs that share a store, the one that holds the
//! lease on it looks; a drill by hand needs no lease. The messages leave by the lanes, as all others.
//!
//! Must not: decide anything, or send anything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::timeout;

use super::judge::{ProjectJudge, Rulebook};
use super::review::Observer;
use super::turns::Turns;
use crate::clock::{Clock, Halt};
use crate::domain::Timestamp;
use crate::domain::drill::{Decided, Known, Terms, decide, round};
use crate::domain::id::{IncidentId, Region};
use crate::domain::policy::Recipient;
use crate::domain::subject::Subject;
use crate::store::drills::{Drills as Paths, Examiner};
use crate::store::{Error, Ledger, Remembered};

/// How often one looks; a look is cheap where nothing follows.
pub const PAUSE: Duration = Duration::from_secs(1);
/// The name of the lease.
const PART: &str = "drills";

/// By what a project decides about paths.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Which paths there are, and when they are drilled.
    pub terms: Terms,
    /// The hub's own region.
    pub region: Region,
}

/// What looking works with.
#[derive(Clone)]
pub struct Parts {
    /// Where paths and incidents are.
    pub store: Arc<dyn Ledger>,
    /// By what it is decided.
    pub in_force: Arc<ArcSwap<InForce>>,
    /// What keeps people from being told.
    pub judge: Arc<ProjectJudge>,
    /// When it is decided.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// Decides what is due.
struct Look<'a> {
    in_force: &'a InForce,
    rulebook: &'a Rulebook,
}

impl Examiner for Look<'_> {
    fn examine(&self, known: &Known, remembered: &Remembered, now: Timestamp) -> Decided {
        let InForce { terms, region } = self.in_force;
        let mut decided = decide(terms, known, region, now);
        let finished = decided.changes.into_iter().map(|change| match change.subject {
            Subject::Drill => change,
            _ => self.rulebook.finish(change, remembered, now),
        });
        decided.changes = finished.collect();
        decided
    }
}

/// Begins a round by hand.
struct ByHand<'a> {
    in_force: &'a InForce,
    paths: &'a BTreeSet<Recipient>,
}

impl Examiner for ByHand<'_> {
    fn examine(&self, known: &Known, _: &Remembered, now: Timestamp) -> Decided {
        let paths = self.paths.iter().cloned();
        let round = round(paths, known, &self.in_force.region, "manual", now);
        let Some(round) = round else { return Decided::default() };
        let begun = self.paths.iter().filter(|path| !known.records.contains_key(*path)).cloned();
        Decided { begun: begun.collect(), changes: vec![round], ..Decided::default() }
    }
}

/// What became of a drill by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drilled {
    /// A round began.
    Begun(IncidentId),
    /// To all that are meant, messages are only printed: the first of them, and why.
    Printed(String),
    /// There is no such path; all that there are.
    Unknown(String, Vec<String>),
    /// There is none, or to all of them a drill is on its way.
    Nothing,
}

/// Who is asked about paths, and drills them by hand.
#[derive(Clone)]
pub struct Drills {
    /// Where paths are.
    pub store: Arc<dyn Paths>,
    /// By what it is decided.
    pub in_force: Arc<ArcSwap<InForce>>,
    /// When it is decided.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Drills {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drills").finish_non_exhaustive()
    }
}

impl Drills {
    /// What is known of all paths, and by what it is judged.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store cannot be read.
    pub async fn known(&self) -> Result<(Arc<InForce>, Known), Error> {
        let known = self.store.known_paths(self.clock.now()).await?;
        Ok((self.in_force.load_full(), known))
    }

    /// Drills the paths called `names` now, or all where none is named.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; nothing is sent then.
    pub async fn drill(&self, names: &[String]) -> Result<Drilled, Error> {
        let in_force = self.in_force.load_full();
        let (all, printed) = (&in_force.terms.paths, &in_force.terms.printed);
        let mut paths = BTreeSet::new();
        for name in names {
            if printed.keys().any(|it| it.to_string() == *name) {
                continue;
            }
            let Some(path) = all.iter().find(|it| it.to_string() == *name) else {
                let known = all.iter().map(Recipient::to_string).collect();
                return Ok(Drilled::Unknown(name.clone(), known));
            };
            paths.insert(path.clone());
        }
        let paths = if names.is_empty() { all } else { &paths };
        let is_meant = |it: &Recipient| names.is_empty() || names.contains(&it.to_string());
        if paths.is_empty()
            && let Some((path, lack)) = printed.iter().find(|(it, _)| is_meant(it))
        {
            return Ok(Drilled::Printed(format!("{path}: {lack}")));
        }
        let by_hand = ByHand { in_force: &in_force, paths };
        let changes = self.store.examine(&by_hand, None, self.clock.now()).await?;
        let round = changes.iter().find_map(|it| it.transition.incident.as_ref()?.id);
        if !changes.is_empty() {
            self.observer.on_reviewed(&changes);
        }
        Ok(round.map_or(Drilled::Nothing, Drilled::Begun))
    }
}

/// Looks again and again.
#[derive(Debug)]
pub struct Lookout {
    parts: Parts,
    turns: Turns,
}

impl Lookout {
    /// Looks when it is this hub's turn.
    pub fn new(parts: Parts) -> Self {
        let turns = Turns::new((&parts.store, &parts.clock), PART);
        Self { parts, turns }
    }

    /// Looks once, at `now`, if it is this hub's turn.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; nothing was decided then.
    pub async fn tick(&mut self, now: Timestamp) -> Result<(), Error> {
        let rulebook = self.parts.judge.current();
        let turn = self.turns.go_on_leading(rulebook.edition(), now).await?;
        let Some(lease) = turn else { return Ok(()) };
        let in_force = self.parts.in_force.load_full();
        let known = self.parts.store.known_paths(now).await?;
        if decide(&in_force.terms, &known, &in_force.region, now).is_empty() {
            return Ok(());
        }
        let look = Look { in_force: &in_force, rulebook: &rulebook };
        match self.parts.store.examine(&look, Some(&lease), now).await {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => self.parts.observer.on_reviewed(&changes),
            Err(Error::LeaseLost { part }) => {
                self.turns.doubt();
                tracing::info!(part, "this hub stood still, and another goes on with it");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Looks until `halt` is asked for, then leaves it to others.
    pub async fn run(mut self, halt: Halt) {
        let mut failing = false;
        while timeout(PAUSE, halt.asked()).await.is_err() {
            match self.tick(self.parts.clock.now()).await {
                Ok(()) => failing = false,
                // Said once; whoever stores results says why.
                Err(error) => {
                    self.turns.doubt();
                    if !std::mem::replace(&mut failing, true) {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "paths were not looked at; tried again");
                    }
                }
            }
        }
        self.turns.leave().await;
    }
}
