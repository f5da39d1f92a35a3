//! The agents that were heard lately: what their heartbeats said of their clocks, and how many began.
//!
//! What is here is in the store, too, or is a bound on what gets there: names and starts are a peer's
//! to choose, and each leaves a row.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::clock::Stopwatch;
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::link::protocol::{LEASE, SKEW_WARNING};
use crate::store::agents::Agents;
use crate::store::{self};

/// The most names of agents in a region within a day.
const MOST_NAMES: usize = 500;
/// The most starts of agents in a region within an hour.
const MOST_STARTS: usize = 1000;
/// The time over which starts are counted.
const STARTS_WITHIN: Duration = Duration::from_hours(1);
/// Heartbeats may go to another hub; then what is known here grows old.
const FRESH: Duration = LEASE;
/// For so long a heartbeat says how far off a clock looked before.
const COMPARED: Duration = Duration::from_mins(1);

/// The agents that were heard lately.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    agents: HashMap<(Region, String), Last>,
    starts: HashMap<Region, VecDeque<Stopwatch>>,
}

/// What an agent last said.
#[derive(Debug)]
struct Last {
    instance: Uuid,
    skew: Skew,
    since: Stopwatch,
}

/// By how much the clock of an agent is ahead, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skew {
    /// As its last heartbeat made it look.
    pub(super) seen_us: i64,
    /// As is believed after it.
    pub(super) believed_us: i64,
}

/// Why no further agent is let in, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TooMany(pub(super) String);

impl Heard {
    /// Whether one more start of the agent `name` is one too many; nothing where it is no news.
    pub(super) async fn judge(
        &self,
        (region, name): (&Region, &str),
        instance: Uuid,
        agents: &dyn Agents,
        now: Timestamp,
    ) -> Result<Result<(), TooMany>, store::Error> {
        {
            let mut state = self.state();
            let last = state.agents.get(&(region.clone(), name.to_owned()));
            if last.is_some_and(|last| last.instance == instance) {
                return Ok(Ok(()));
            }
            let starts = state.starts.entry(region.clone()).or_default();
            while starts.front().is_some_and(|it| it.elapsed() > STARTS_WITHIN) {
                starts.pop_front();
            }
            if starts.len() >= MOST_STARTS {
                return Ok(Err(TooMany(format!(
                    "agents of {region} started {MOST_STARTS} times within the hour; something \
                     starts them again and again"
                ))));
            }
        }
        let day = now - TimeDelta::days(1);
        let known = agents.agents().await?;
        let of_region = || known.iter().filter(|it| it.presence.region == *region);
        let is_new = of_region().all(|it| it.presence.name != name);
        if is_new && of_region().filter(|it| it.last_seen > day).count() >= MOST_NAMES {
            return Ok(Err(TooMany(format!(
                "there were {MOST_NAMES} names of agents in {region} within a day; give agents \
                 names that stay, with --name"
            ))));
        }
        Ok(Ok(()))
    }

    /// The agent was let in and said this of its clock.
    pub(super) fn note(&self, who: (&Region, &str), instance: Uuid, skew: Skew) {
        let mut state = self.state();
        let key = (who.0.clone(), who.1.to_owned());
        let last = Last { instance, skew, since: Stopwatch::start() };
        let before = state.agents.insert(key, last);
        if before.is_none_or(|before| before.instance != instance) {
            state.starts.entry(who.0.clone()).or_default().push_back(Stopwatch::start());
            state.agents.retain(|_, last| last.since.elapsed() <= STARTS_WITHIN);
        }
    }

    /// By how much the clock of the agent is ahead, in microseconds, as it last said to this hub or
    /// another; 0 where it never did.
    pub(super) async fn skew_of(
        &self,
        region: &Region,
        name: &str,
        agents: &dyn Agents,
    ) -> Result<i64, store::Error> {
        let key = (region.clone(), name.to_owned());
        let fresh = |last: &Last| (last.since.elapsed() <= FRESH).then_some(last.skew.believed_us);
        if let Some(skew) = self.state().agents.get(&key).and_then(fresh) {
            return Ok(skew);
        }
        let Some(found) = agents.agent(region, name).await? else { return Ok(0) };
        let (instance, skew_us) = (found.presence.instance, found.presence.skew_us);
        let skew = Skew { seen_us: skew_us, believed_us: skew_us };
        // It did not start because another hub heard of it.
        self.state().agents.insert(key, Last { instance, skew, since: Stopwatch::start() });
        Ok(skew_us)
    }

    /// By how much the clock of an agent looked ahead at its heartbeat before this one, in microseconds.
    /// Where another hub had that heartbeat, only that it looked right is known. None where there was none
    /// of the same process.
    pub(super) async fn skew_before(
        &self,
        (region, name): (&Region, &str),
        instance: Uuid,
        agents: &dyn Agents,
    ) -> Result<Option<i64>, store::Error> {
        {
            let state = self.state();
            let last = state.agents.get(&(region.clone(), name.to_owned()));
            let is_it = |it: &&Last| it.instance == instance && it.since.elapsed() <= COMPARED;
            if let Some(last) = last.filter(is_it) {
                return Ok(Some(last.skew.seen_us));
            }
        }
        let found = agents.agent(region, name).await?.map(|it| it.presence);
        let is_right = |skew: &i64| Duration::from_micros(skew.unsigned_abs()) <= SKEW_WARNING;
        let found = found.filter(|it| it.instance == instance).map(|it| it.skew_us);
        Ok(found.filter(is_right))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
