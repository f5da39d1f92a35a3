//! Errands: somebody asks that a check be run at once, and agents take that up.
//!
//! What an errand means is said in [`crate::domain::errand`]. It lives in the store, so any hub may take the
//! wish, and any hub may hand it to an agent; what is handed out here is what [`Rounds`] found there a
//! moment ago, and the store gives each leg away once.
//!
//! Must not: run anything, know how an agent is reached, or let anything follow from what came of an
//! errand but that it is told.

mod rounds;

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use uuid::Uuid;

pub use self::rounds::Rounds;
use super::judge::ProjectJudge;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::domain::errand::{
    Errand, ErrandId, MOST_OF_ALL, MOST_OF_CHECK, PATIENCE, WHILE, may_take, report_by,
};
use crate::domain::id::{CheckId, IncidentId, Region, RunId};
use crate::domain::output::Numbered;
use crate::domain::restraint::Actor;
use crate::domain::run::Report;
use crate::domain::{after, slot};
use crate::store::errands::{self, Asked, Bounds, Hand, NewErrand};
use crate::store::{Error, IncidentFilter, Standing, Store};

/// What somebody wants to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Which check.
    pub check: CheckId,
    /// Where; in all of its regions if not given.
    pub region: Option<Region>,
    /// The incident at which they ask; the open one about the check if not given.
    pub incident: Option<IncidentId>,
}

/// Why nothing is run.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no such check.
    #[error("there is no check `{0}` in the project, or it is switched off")]
    UnknownCheck(CheckId),
    /// It does not run there.
    #[error("the check `{check}` does not run in {region}; it runs in {}", listed(regions))]
    NotThere {
        /// The check.
        check: CheckId,
        /// Where it was to be run.
        region: Region,
        /// Where it runs.
        regions: Vec<Region>,
    },
    /// It is being run already.
    #[error("`{check}` is being run by hand in {region} already; wait until that has ended")]
    Going {
        /// The check.
        check: CheckId,
        /// Where.
        region: Region,
    },
    /// Too many asked lately.
    #[error(
        "{what} may be run by hand {most} times a minute, which is used up; try again in a minute"
    )]
    TooMany {
        /// One check, or all.
        what: String,
        /// How often.
        most: u32,
    },
    /// It was not stored.
    #[error(transparent)]
    Store(#[from] Error),
}

fn listed(regions: &[Region]) -> String {
    regions.iter().map(Region::as_str).collect::<Vec<_>>().join(", ")
}

/// A leg that waits for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The errand.
    pub errand: ErrandId,
    /// What is to be run.
    pub check: CheckId,
    /// Where.
    pub region: Region,
    /// The id of the run.
    pub run: RunId,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// The agent that runs the check by the schedule, as far as is known.
    pub owner: Option<String>,
}

impl Waiting {
    /// What an agent runs for it.
    pub fn slot(&self) -> slot::Slot {
        let Self { check, region, asked_at: at, .. } = self.clone();
        slot::Slot { check, region, at }
    }
}

/// What errands are kept with.
pub struct Parts {
    /// Where they are.
    pub store: Arc<dyn errands::Errands>,
    /// Where incidents are.
    pub incidents: Arc<dyn Store>,
    /// Which checks there are.
    pub judge: Arc<ProjectJudge>,
    /// When they are asked for.
    pub clock: Arc<dyn Clock>,
}

/// Takes wishes, and hands them to agents.
pub struct Errands {
    parts: Parts,
    waiting: watch::Sender<Arc<Vec<Waiting>>>,
    /// Something was asked for, taken or brought here.
    moved: Notify,
    /// How often a run was heard of here.
    heard: watch::Sender<u64>,
}

impl std::fmt::Debug for Errands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errands").finish_non_exhaustive()
    }
}

impl Errands {
    /// Keeps them with these.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            waiting: watch::Sender::default(),
            moved: Notify::new(),
            heard: watch::Sender::default(),
        }
    }

    /// Asks that a check be run at once.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing is run then.
    pub async fn ask(&self, wish: Wish, by: Actor) -> Result<Errand, Refused> {
        let Parts { store, judge, clock, .. } = &self.parts;
        let rulebook = judge.current();
        let Some(check) = rulebook.check(&wish.check) else {
            return Err(Refused::UnknownCheck(wish.check));
        };
        let regions = match wish.region {
            Some(region) if !check.regions.contains(&region) => {
                let (check, regions) = (wish.check, check.regions.clone());
                return Err(Refused::NotThere { check, region, regions });
            }
            Some(region) => vec![region],
            None => check.regions.clone(),
        };
        let incident = match wish.incident {
            Some(incident) => Some(incident),
            None => self.open_incident(&wish.check).await?,
        };
        let now = clock.now();
        let wanted = NewErrand {
            id: ErrandId(Uuid::new_v4()),
            check: wish.check,
            regions,
            incident,
            by,
            until: after(now, PATIENCE),
        };
        let bounds = Bounds { since: now - WHILE, of_check: MOST_OF_CHECK, of_all: MOST_OF_ALL };
        let too_many = |what: String, most| Err(Refused::TooMany { what, most });
        match store.ask(&wanted, bounds, now).await? {
            Asked::Granted(errand) => {
                let (check, by) = (errand.check.as_str(), &errand.by);
                tracing::info!(
                    event.action = "errand-asked",
                    errand = %errand.id,
                    check,
                    regions = errand.legs.len(),
                    %by,
                    "somebody asked that a check be run at once"
                );
                self.moved.notify_one();
                Ok(errand)
            }
            Asked::Going(region) => Err(Refused::Going { check: wanted.check, region }),
            Asked::TooManyOfCheck => too_many(format!("`{}`", wanted.check), MOST_OF_CHECK),
            Asked::TooManyOfAll => too_many("all checks together".to_owned(), MOST_OF_ALL),
        }
    }

    /// The open incident about a check; about its failures rather than about its coverage.
    async fn open_incident(&self, check: &CheckId) -> Result<Option<IncidentId>, Error> {
        let check = Some(check.clone());
        let filter = IncidentFilter { check, open_only: true, limit: 2 };
        let open = self.parts.incidents.incidents(&filter).await?;
        let rank = |record: &&crate::store::IncidentRecord| {
            !matches!(record.subject, crate::domain::subject::Subject::Check(_))
        };
        Ok(open.iter().min_by_key(rank).map(|record| record.id))
    }

    /// What waits for agents, as it changes.
    pub fn waiting(&self) -> watch::Receiver<Arc<Vec<Waiting>>> {
        self.waiting.subscribe()
    }

    /// Whether something waits that `agent` of `region` may take now.
    pub fn has_for(&self, region: &Region, agent: &str) -> bool {
        let now = self.parts.clock.now();
        self.waiting.borrow().iter().any(|it| it.is_for(region, agent, now))
    }

    /// Gives an agent what waits for it, at most `most`.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; what was given away before that is lost, and is said to be.
    pub async fn take(
        &self,
        region: &Region,
        agent: &str,
        most: usize,
    ) -> Result<Vec<Waiting>, Error> {
        let waiting = Arc::clone(&self.waiting.borrow());
        let rulebook = self.parts.judge.current();
        let now = self.parts.clock.now();
        let (mut taken, mut tried) = (Vec::new(), false);
        for it in waiting.iter().filter(|it| it.is_for(region, agent, now)) {
            if taken.len() == most {
                break;
            }
            // A hub that does not have the check yet leaves it to one that has.
            let Some(check) = rulebook.check(&it.check) else { continue };
            tried = true;
            let hand = Hand { errand: it.errand, region, agent };
            if self.parts.store.take(hand, report_by(now, check.timeout), now).await? {
                taken.push(it.clone());
            }
        }
        // What was taken by others is not to be offered again either.
        if tried {
            self.moved.notify_one();
        }
        Ok(taken)
    }

    /// Stores what came of a leg that an agent took.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; bringing it again is safe.
    pub async fn bring(&self, hand: Hand<'_>, report: &Report) -> Result<Standing, Error> {
        let standing = self.parts.store.bring(hand, report).await?;
        self.moved.notify_one();
        self.heard.send_modify(|heard| *heard += 1);
        Ok(standing)
    }

    /// Keeps lines of the output of a run that an agent has in hand.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; telling them again is safe.
    pub async fn tell(&self, hand: Hand<'_>, lines: &[Numbered]) -> Result<Standing, Error> {
        let standing = self.parts.store.tell(hand, lines).await?;
        self.heard.send_modify(|heard| *heard += 1);
        Ok(standing)
    }

    /// The lines of a run's output from the number `from` on, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed.
    pub async fn output(&self, run: RunId, from: u32, limit: u32) -> Result<Vec<Numbered>, Error> {
        self.parts.store.output(run, from, limit).await
    }

    /// Changes when this hub heard of a run. What other hubs hear is in the store alone.
    pub fn heard(&self) -> watch::Receiver<u64> {
        self.heard.subscribe()
    }

    /// One errand, if it was not forgotten.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed.
    pub async fn one(&self, id: ErrandId) -> Result<Option<Errand>, Error> {
        self.parts.store.errand(id).await
    }

    /// The errands of a check, the last asked for first.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed.
    pub async fn of_check(&self, check: &CheckId, limit: u32) -> Result<Vec<Errand>, Error> {
        self.parts.store.errands_of(check, limit).await
    }

    /// A run that was asked for, if it ended.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed.
    pub async fn run(&self, run: RunId) -> Result<Option<Report>, Error> {
        self.parts.store.errand_run(run).await
    }
}

impl Waiting {
    fn is_for(&self, region: &Region, agent: &str, now: Timestamp) -> bool {
        self.region == *region && may_take(agent, self.owner.as_deref(), self.asked_at, now)
    }
}
