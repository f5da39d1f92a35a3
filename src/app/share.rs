//! This agent's share of its region's checks, and the metronome that runs it.
//!
//! The region's live agents divide its checks by rendezvous hashing; each knows the names of all and
//! so which checks are its own. A slot that two run while the names change is stored once.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use chrono::TimeDelta;

use super::metronome::Metronome;
use crate::agent::Agent;
use crate::clock::{Clock, Pulse};
use crate::domain::check::Check;
use crate::domain::coverage::{Duty, Watch};
use crate::domain::id::Region;
use crate::domain::rendezvous::owner;
use crate::domain::slot::Slot;
use crate::scheduler::{Scheduler, Tick};
use crate::store::accounts::Place;

/// What the latest edition of the project has run, by check and region, where this process has an
/// earlier one; of its slots only those are run. Nothing, where it has the latest.
pub(super) type Expected = Arc<ArcSwapOption<HashMap<Place, Watch>>>;

/// The checks of a region, and which of them are this agent's.
pub(super) struct Share {
    inner: Mutex<Inner>,
}

struct Inner {
    name: String,
    metronome: Metronome,
    region: Region,
    checks: Vec<Arc<Check>>,
    live: Vec<String>,
}

/// How large a share is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Size {
    /// The region's checks.
    pub(super) all: usize,
    /// This agent's.
    pub(super) own: usize,
    /// The names of the live agents.
    pub(super) live: Vec<String>,
}

impl Share {
    /// Starts to hand slots of `checks` in `region` to `agent`; all of them, until it is known who
    /// else is there.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(super) fn start(
        name: String,
        region: Region,
        checks: Vec<Arc<Check>>,
        clock: &Arc<dyn Clock>,
        to: (Agent, Arc<Pulse>, Expected),
    ) -> std::io::Result<Self> {
        let scheduler = Scheduler::new(region.clone(), &checks, clock.now());
        let metronome = Metronome::start(scheduler, Arc::clone(clock), dispatch(to))?;
        let live = vec![name.clone()];
        let checks = here(checks, &region);
        let inner = Inner { name, metronome, region, checks, live };
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Runs its share of those of these checks that run in `region` from now on; in another region
    /// than before all of them, until it is known who else is there.
    pub(super) fn replace_in(&self, region: Region, checks: Vec<Arc<Check>>) {
        let mut inner = self.inner();
        if inner.region != region {
            inner.live = vec![inner.name.clone()];
        }
        inner.checks = here(checks, &region);
        inner.region = region;
        Self::apply(&inner);
    }

    /// Shares the checks with these agents of `region`, and itself, from now on.
    pub(super) fn replace_live(&self, region: &Region, live: Vec<String>) {
        let mut inner = self.inner();
        // Who else was in the region that is not served any more is of no interest.
        if inner.region == *region && inner.live != live {
            if !live.is_empty() {
                tracing::info!(agents = live.join(", "), "the checks are shared by these agents");
            }
            inner.live = live;
            Self::apply(&inner);
        }
    }

    /// Has another name from now on.
    pub(super) fn rename(&self, name: &str) {
        name.clone_into(&mut self.inner().name);
    }

    /// The name by which it takes part.
    pub(super) fn name(&self) -> String {
        self.inner().name.clone()
    }

    /// The region that is served.
    pub(super) fn region(&self) -> Region {
        self.inner().region.clone()
    }

    /// How large it is.
    pub(super) fn size(&self) -> Size {
        let inner = self.inner();
        let (all, own) = (inner.checks.len(), own(&inner).len());
        Size { all, own, live: inner.live.clone() }
    }

    /// Hands no slot over any more.
    pub(super) fn stop(&self) {
        self.inner().metronome.stop();
    }

    fn apply(inner: &Inner) {
        inner.metronome.replace(inner.region.clone(), own(inner));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The checks that are this agent's, by its name and those of the others.
fn own(inner: &Inner) -> Vec<Arc<Check>> {
    let (name, live) = (inner.name.as_str(), inner.live.iter().map(String::as_str));
    let everybody = live.filter(|other| *other != name).chain([name]);
    let is_own = |check: &&Arc<Check>| owner(&check.id, everybody.clone()) == Some(name);
    inner.checks.iter().filter(is_own).cloned().collect()
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("region", &self.region()).finish_non_exhaustive()
    }
}

fn here(mut checks: Vec<Arc<Check>>, region: &Region) -> Vec<Arc<Check>> {
    checks.retain(|check| check.regions.contains(region));
    checks
}

/// Whether a slot is to be run while only those of `expected` are, or all.
fn is_expected(expected: Option<&HashMap<Place, Watch>>, slot: &Slot) -> bool {
    let moment = TimeDelta::milliseconds(1);
    expected.is_none_or(|watches| {
        let watch = watches.get(&(slot.check.clone(), slot.region.clone()));
        watch.is_some_and(|it| it.duty == Duty::Run && it.count(slot.at - moment, slot.at) > 0)
    })
}

/// Hands slots to the agent, from the metronome's thread.
fn dispatch(
    (agent, pulse, expected): (Agent, Arc<Pulse>, Expected),
) -> impl Fn(Tick) + Send + 'static {
    let runtime = tokio::runtime::Handle::current();
    move |tick| {
        let _guard = runtime.enter();
        for due in tick.due {
            if due.missed > 0 {
                tracing::warn!(
                    check = %due.check.id,
                    slots = due.missed,
                    "slots went by unasked: this machine slept or its clock jumped"
                );
            }
            if is_expected(expected.load().as_deref(), &due.slot) {
                agent.start(due.slot);
            }
        }
        pulse.expect(tick.wake_at);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::id::CheckId;
    use crate::domain::schedule::{Interval, Schedule};

    #[test]
    fn of_slots_only_those_are_run_that_are_expected() {
        let region = Region::new("eu").expect("a good name");
        let check = |name| CheckId::new(name).expect("a good name");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let every = |seconds| {
            Schedule::Every(Interval::new(Duration::from_secs(seconds)).expect("in range"))
        };
        let watch = |name, duty| {
            let (check, region) = (check(name), region.clone());
            let watch =
                Watch { check, region, schedule: every(60), duty, from: start, until: None };
            ((watch.check.clone(), watch.region.clone()), watch)
        };
        let expected: HashMap<Place, Watch> =
            [watch("kept", Duty::Run), watch("off", Duty::Paused)].into();
        let slot = |name, seconds| {
            let (check, region) = (check(name), region.clone());
            let at = every(seconds).next_after(start, &check, &region).expect("there is one");
            Slot { check, region, at }
        };
        let runs = |slot: &Slot| is_expected(Some(&expected), slot);
        assert!(runs(&slot("kept", 60)));
        let other = Slot { at: slot("kept", 60).at + Duration::from_secs(1), ..slot("kept", 60) };
        assert!(!runs(&other), "a slot of another schedule");
        assert!(!runs(&slot("off", 60)) && !runs(&slot("gone", 60)));
        assert!(is_expected(None, &slot("gone", 60)), "all are run by the latest edition");
    }
}
