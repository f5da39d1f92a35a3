//! The part of the contract that keeps errands: that a check was asked to be run at once, by whom, who
//! took it, and what came of it.
//!
//! Invariants:
//! - a leg is handed to one agent, once: who asks for it a second time, or later than it waits, does not
//!   get it, so nothing that was asked for once is run twice;
//! - of a check there is one leg at a time in a region that is not over;
//! - the output of a run is there for those who watch it, and is lost before the errand is;
//! - nothing here moves a streak, an account of slots or an incident.

use async_trait::async_trait;

use super::rows::whole_millis;
use super::{Error, Standing};
use crate::domain::Timestamp;
use crate::domain::errand::{Errand, ErrandId, Leg, Stage};
use crate::domain::id::{CheckId, IncidentId, Region, RunId};
use crate::domain::output::Numbered;
use crate::domain::restraint::Actor;
use crate::domain::run::Report;

/// An errand that somebody asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewErrand {
    /// Tells it from others.
    pub id: ErrandId,
    /// What is to be run.
    pub check: CheckId,
    /// Where; one region at least.
    pub regions: Vec<Region>,
    /// The incident whose followers are told what came of it.
    pub incident: Option<IncidentId>,
    /// Who asks.
    pub by: Actor,
    /// Until when agents may take it.
    pub until: Timestamp,
}

impl NewErrand {
    /// The errand as it is when it is asked for at `now`.
    pub fn asked_at(&self, now: Timestamp) -> Errand {
        let Self { id, check, regions, incident, by, until } = self.clone();
        let until = whole_millis(until);
        let leg = |region: Region| Leg {
            run: id.run_in(&region, now),
            region,
            stage: Stage::Asked { until },
        };
        let mut legs: Vec<Leg> = regions.into_iter().map(leg).collect();
        legs.sort_by(|one, other| one.region.cmp(&other.region));
        Errand { id, check, incident, by, asked_at: now, told_at: None, legs }
    }
}

/// How many errands there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Those are counted that were asked for after this.
    pub since: Timestamp,
    /// So many of one check.
    pub of_check: u32,
    /// So many altogether.
    pub of_all: u32,
}

/// What became of the wish.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// It waits to be taken.
    Granted(Errand),
    /// The check is being run by hand in this region already.
    Going(Region),
    /// The check was run by hand often enough lately.
    TooManyOfCheck,
    /// Checks were run by hand often enough lately.
    TooManyOfAll,
}

/// A leg in the hands of an agent: which, and the agent's name.
#[derive(Debug, Clone, Copy)]
pub struct Hand<'a> {
    /// The errand.
    pub errand: ErrandId,
    /// Where.
    pub region: &'a Region,
    /// Whose.
    pub agent: &'a str,
}

/// Keeps errands.
#[async_trait]
pub trait Errands: Send + Sync + std::fmt::Debug {
    /// Stores an errand that is asked for at `now`, unless that is too many.
    async fn ask(&self, wanted: &NewErrand, bounds: Bounds, now: Timestamp)
    -> Result<Asked, Error>;

    /// Gives a leg that waits at `now` to an agent, which is to say by `until` what came of it; whether
    /// it is the agent's now. It never was before.
    async fn take(&self, hand: Hand<'_>, until: Timestamp, now: Timestamp) -> Result<bool, Error>;

    /// Keeps lines of the output of a leg's run, while an agent has it; those of a leg that is not the
    /// agent's, or is over, are not. A line that is there stays as it is.
    async fn tell(&self, hand: Hand<'_>, lines: &[Numbered]) -> Result<Standing, Error>;

    /// The lines of a run's output from the number `from` on, at most `limit`.
    async fn output(&self, run: RunId, from: u32, limit: u32) -> Result<Vec<Numbered>, Error>;

    /// Forgets the output of the errands that were asked for before `before`; what came of them stays.
    async fn forget_output(&self, before: Timestamp) -> Result<u64, Error>;

    /// Stores what came of a leg that an agent took; by one that was lost, or is another's, nothing
    /// changes. Storing the same again changes nothing either.
    async fn bring(&self, hand: Hand<'_>, report: &Report) -> Result<Standing, Error>;

    /// Ends the legs that nobody took in time, and those of which nobody said in time what came of
    /// them; says how many.
    async fn give_up(&self, now: Timestamp) -> Result<u64, Error>;

    /// The errands of which nobody was told yet what came of them, the first asked for first.
    async fn untold(&self) -> Result<Vec<Errand>, Error>;

    /// Notes that all was told of an errand at `now`.
    async fn note_told(&self, errand: ErrandId, now: Timestamp) -> Result<(), Error>;

    /// One errand, if it was not forgotten.
    async fn errand(&self, id: ErrandId) -> Result<Option<Errand>, Error>;

    /// The errands of a check, the last asked for first, at most `limit`.
    async fn errands_of(&self, check: &CheckId, limit: u32) -> Result<Vec<Errand>, Error>;

    /// A run that was asked for, with its trace, if it ended. Its slot is the moment at which it was
    /// asked for.
    async fn errand_run(&self, run: RunId) -> Result<Option<Report>, Error>;

    /// Forgets the errands that were asked for before `before` and of which all was told; says how many.
    async fn forget_errands(&self, before: Timestamp) -> Result<u64, Error>;
}
