//! Which slots were expected of a region: what the store's watches say, as far as they were read.
//!
//! Asked about what the project in force does not explain: slots of a while ago, which an agent kept;
//! checks that another hub that shares the store has in its project already; checks that are gone.
//! What the store said of a time that is over does not change and is remembered for a while.
//!
//! Must not: take a slot for expected because somebody ran it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::Stopwatch;
use crate::domain::Timestamp;
use crate::domain::coverage::{Duty, Watch};
use crate::domain::id::{CheckId, Region};
use crate::domain::slot::Slot;
use crate::store::Error;
use crate::store::accounts::Accounts;

/// The clocks of hubs that share a store differ by less.
const MARGIN: TimeDelta = TimeDelta::seconds(10);
/// For how long after it was read a watch is believed to go on.
const TRUST: TimeDelta = TimeDelta::seconds(30);
/// For how long what was read is remembered.
const REMEMBERED: Duration = Duration::from_mins(10);
/// What is known of more checks than this is forgotten.
const MOST_CHECKS: usize = 50_000;
/// The watches of a region are not read more often.
const PAUSE: Duration = Duration::from_millis(250);

/// Whether a slot was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expected {
    /// It was not.
    Never,
    /// It was, and slots like it are no longer.
    Once,
    /// It was, and slots like it still are.
    Still,
}

/// What was expected of each region.
#[derive(Debug, Default)]
pub(super) struct Expectations(Mutex<HashMap<Region, Arc<tokio::sync::Mutex<Known>>>>);

/// What is known of one region.
#[derive(Debug, Default)]
struct Known {
    checks: HashMap<CheckId, OfCheck>,
    /// When watches were last read.
    last: Option<Stopwatch>,
}

/// What is known of one check there.
#[derive(Debug)]
struct OfCheck {
    /// All watches that were on after this are known,
    from: Timestamp,
    /// and up to this.
    until: Timestamp,
    /// When they were read first.
    first: Stopwatch,
    watches: Vec<Watch>,
}

impl Expectations {
    /// Whether each of `slots`, all of `region`, was expected, in their order.
    pub(super) async fn of(
        &self,
        region: &Region,
        slots: &[&Slot],
        accounts: &dyn Accounts,
        now: Timestamp,
    ) -> Result<Vec<Expected>, Error> {
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        let known = {
            let mut regions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(regions.entry(region.clone()).or_default())
        };
        let mut known = known.lock().await;
        known.forget();
        let open = slots.iter().filter(|slot| !known.is_settled(slot));
        let open: Vec<&Slot> = open.copied().collect();
        if !open.is_empty() {
            known.read(region, &open, accounts, now).await?;
        }
        Ok(slots.iter().map(|slot| known.expected(slot)).collect())
    }
}

impl Known {
    /// Whether `slot` is one of a watch in which somebody was to run it.
    fn expected(&self, slot: &Slot) -> Expected {
        let before = slot.at - TimeDelta::milliseconds(1);
        let is_one = |watch: &&Watch| {
            watch.duty == Duty::Run && watch.slots(before, slot.at).next() == Some(slot.at)
        };
        let known = self.checks.get(&slot.check);
        let watches = known.into_iter().flat_map(|it| &it.watches).filter(is_one);
        let stands = |watch: &Watch| {
            if watch.until.is_none() { Expected::Still } else { Expected::Once }
        };
        watches.map(stands).max().unwrap_or(Expected::Never)
    }

    /// Whether the store need not be asked about `slot`.
    fn is_settled(&self, slot: &Slot) -> bool {
        let Some(OfCheck { from, until, .. }) = self.checks.get(&slot.check) else {
            return false;
        };
        let is_over = slot.at <= *until - MARGIN;
        *from < slot.at
            && (is_over || slot.at <= *until + TRUST && self.expected(slot) != Expected::Never)
    }

    /// Forgets what is known for long, and all of it where that is much: who sends reports names what
    /// it likes.
    fn forget(&mut self) {
        self.checks.retain(|_, known| known.first.elapsed() <= REMEMBERED);
        if self.checks.len() > MOST_CHECKS {
            self.checks.clear();
        }
    }

    /// Reads the watches of the checks of `slots` since the first of these, or since what was read
    /// before.
    async fn read(
        &mut self,
        region: &Region,
        slots: &[&Slot],
        accounts: &dyn Accounts,
        now: Timestamp,
    ) -> Result<(), Error> {
        let first = slots.iter().map(|slot| slot.at).min().unwrap_or(now);
        let mut wanted = (first - TimeDelta::milliseconds(1)).min(now - MARGIN);
        let checks: BTreeSet<&CheckId> = slots.iter().map(|slot| &slot.check).collect();
        let checks: Vec<CheckId> = checks.into_iter().cloned().collect();
        for known in checks.iter().filter_map(|check| self.checks.get(check)) {
            wanted = wanted.min(known.until);
        }
        if let Some(last) = self.last {
            tokio::time::sleep(PAUSE.saturating_sub(last.elapsed())).await;
        }
        let watches = accounts.watches_of(region, &checks, (wanted, now)).await?;
        self.last = Some(Stopwatch::start());
        for check in checks {
            let fresh =
                || OfCheck { from: wanted, until: now, first: Stopwatch::start(), watches: vec![] };
            let known = self.checks.entry(check).or_insert_with(fresh);
            (known.from, known.until) = (known.from.min(wanted), now);
        }
        for watch in watches {
            if let Some(OfCheck { watches, .. }) = self.checks.get_mut(&watch.check) {
                watches.retain(|it| it.from != watch.from || it.schedule != watch.schedule);
                watches.push(watch);
            }
        }
        Ok(())
    }
}
