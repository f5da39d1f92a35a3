//! Rules: evaluated on a grid of times, each time once, whichever hub does it and whenever.
//!
//! The grid of a rule are the whole multiples of its interval since 1970. A time of it is evaluated
//! when a little more has passed than points are late ([`RuleSet::settle`]), over the points as they
//! were at that time; so neither a restart nor a late point changes a verdict. What was missed while
//! no hub was there is made up for, up to [`CATCH_UP`]; what is older is passed over, and said.
//!
//! Here is who does what: [`compiled`] looks at series, `domain::rule` decides, and the store keeps
//! both in one transaction that also moves the mark, so that of several hubs one takes effect. The
//! lease only keeps the others from working for nothing.
//!
//! Must not: decide anything about a rule, or know how series are kept.

pub mod compiled;
mod gather;
pub mod replay;
mod round;
pub mod snapshot;
pub mod trial;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{SubsecRound as _, TimeDelta};
use tokio::time::timeout;

pub use self::compiled::{Compiled, RuleSet, WrongRule};
use self::round::{Round, RoundJudge};
use super::judge::ProjectJudge;
use super::turns::Turns;
use crate::clock::{Clock, Halt, Pulse, haste};
use crate::domain::Timestamp;
use crate::domain::incident::Change;
use crate::store::metrics::Metrics;
use crate::store::rules::{Judged, RuleJudge, RuleRecords};
use crate::store::{Epoch, Error, Lease, Ledger, RENEWAL, Remembered};

/// What was missed is made up for as far back as this.
pub const CATCH_UP: TimeDelta = TimeDelta::hours(1);
/// The name of the lease.
const PART: &str = "rules";
/// At least so often one looks whether something is due.
pub const PAUSE: Duration = RENEWAL;
/// How many times of the grid are evaluated before others have a turn.
const AT_ONCE: usize = 20;

/// Is told what was decided, after it is stored. Must not block.
pub trait Observer: Send + Sync {
    /// At least one thing was.
    fn on_evaluated(&self, changes: &[Change]);
}

/// What evaluating works with.
pub struct Rounds {
    /// Where states and incidents are.
    pub store: Arc<dyn Ledger>,
    /// Where series are.
    pub metrics: Arc<dyn Metrics>,
    /// The rules in force; whoever reads the project again swaps them.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// What keeps people from being told.
    pub judge: Arc<ProjectJudge>,
    /// When it is decided.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
    turns: Turns,
    /// Is told when the next look is due.
    pub pulse: Arc<Pulse>,
    known: Option<(Epoch, RuleRecords)>,
}

impl std::fmt::Debug for Rounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rounds").finish_non_exhaustive()
    }
}

/// Passes over times of the grid without a look at them.
struct Passing;

impl RuleJudge for Passing {
    fn judge(&self, _: &Remembered) -> Judged {
        Judged::default()
    }
}

impl Rounds {
    /// Evaluates `rules` over `metrics`, and keeps what follows in `store`; `holder` tells this hub from
    /// others, and from itself before a restart.
    pub fn new(
        (store, metrics): (Arc<dyn Ledger>, Arc<dyn Metrics>),
        (rules, judge): (Arc<ArcSwap<RuleSet>>, Arc<ProjectJudge>),
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        holder: String,
    ) -> Self {
        let pulse = Arc::default();
        let turns = Turns::of((&store, &clock), PART, holder);
        Self { store, metrics, rules, judge, clock, observer, turns, pulse, known: None }
    }

    /// Evaluates what is due at `now`, if it is this hub's turn; says whether more is due already.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; what was passed before stays passed.
    pub async fn tick(&mut self, now: Timestamp) -> Result<bool, Error> {
        let rules = self.rules.load_full();
        let turn = self.turns.lead(rules.edition.as_deref(), now).await?;
        let Some(Lease { epoch, .. }) = turn else {
            self.known = None;
            return Ok(false);
        };
        let mut records = match self.known.take() {
            Some((known, records)) if known == epoch => records,
            _ => self.store.rule_records().await?,
        };
        if rules.is_empty() && records.states.is_empty() {
            // Whatever begins later begins then.
            return Ok(false);
        }
        for _ in 0..AT_ONCE {
            // As the store keeps times: a mark that comes back another is taken for another hub's.
            let latest = (now - rules.settle).trunc_subsecs(3);
            let Some(from) = self.begin(&mut records, latest).await? else {
                return Ok(false);
            };
            let at = rules.next_after(from);
            if at > latest {
                self.known = Some((epoch, records));
                return Ok(false);
            }
            if !self.round(&rules, (from, at), &mut records, now).await? {
                return Ok(false);
            }
        }
        self.known = Some((epoch, records));
        Ok(true)
    }

    /// From which time on to go on; `None` where another hub did meanwhile.
    async fn begin(
        &self,
        records: &mut RuleRecords,
        latest: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        let start = match records.until {
            None => latest,
            Some(mark) if mark > latest + TimeDelta::minutes(1) => {
                tracing::warn!(%mark, "the clock was set back; rules go on from the present");
                latest
            }
            Some(mark) if latest - mark > CATCH_UP => {
                let start = latest - CATCH_UP;
                tracing::warn!(from = %mark, until = %start, "rules were not evaluated in this time");
                start
            }
            Some(mark) => return Ok(Some(mark)),
        };
        let passed = self.store.pass(records.until, start, &Passing, latest).await?;
        let is_ours = passed.is_some();
        records.until = Some(start);
        Ok(is_ours.then_some(start))
    }

    /// Evaluates one time of the grid; says whether this hub was the one.
    async fn round(
        &self,
        rules: &Arc<RuleSet>,
        (from, at): (Timestamp, Timestamp),
        records: &mut RuleRecords,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let gathered = gather::gather(&*self.metrics, rules, at).await?;
        let round = Round { rules: Arc::clone(rules), at, gathered };
        let states = records.states.clone();
        // Beside the runtime, whose one thread others wait for.
        let worked = tokio::task::spawn_blocking(move || round.evaluate(&states)).await;
        let Ok(stepped) = worked else {
            tracing::error!("rules were not evaluated: the thread that did ended early");
            return Ok(false);
        };
        let rulebook = self.judge.current();
        let judge = RoundJudge::new((rules, &rulebook), stepped, &records.states, (at, now));
        let Some(changes) = self.store.pass(Some(from), at, &judge, now).await? else {
            return Ok(false);
        };
        records.states = judge.into_states();
        if records.states.keys().any(|name| !rules.rules.iter().any(|it| it.rule.name == *name)) {
            // Whether they are forgotten, the store decided.
            records.states = self.store.rule_records().await?.states;
        }
        records.until = Some(at);
        if !changes.is_empty() {
            self.observer.on_evaluated(&changes);
        }
        Ok(true)
    }

    /// Evaluates again and again until `halt` is asked for, then leaves it to others.
    pub async fn run(mut self, halt: Halt) {
        let mut failing = false;
        let mut is_more = false;
        self.pulse.expect(Some(self.clock.now() + PAUSE));
        loop {
            let pause = if is_more { Duration::ZERO } else { self.pause() };
            if timeout(pause, halt.asked()).await.is_ok() {
                break;
            }
            match self.tick(self.clock.now()).await {
                Ok(more) => {
                    (failing, is_more) = (false, more);
                    self.pulse.expect(Some(self.clock.now() + PAUSE));
                }
                Err(error) => {
                    (self.known, is_more) = (None, false);
                    // Said once; whoever stores results says why.
                    if !std::mem::replace(&mut failing, true) {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "the rules were not evaluated; tried again");
                    }
                }
            }
        }
        self.turns.leave().await;
    }

    /// How long until something is due, at most [`PAUSE`].
    fn pause(&self) -> Duration {
        let rules = self.rules.load();
        let mark = self.known.as_ref().and_then(|(_, records)| records.until);
        let due = mark.map(|mark| rules.next_after(mark) + rules.settle);
        let left = due.map(|due| (due - self.clock.now()).to_std().unwrap_or_default());
        left.unwrap_or(PAUSE).min(haste::pause(PAUSE))
    }
}
