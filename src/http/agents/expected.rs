//! Which slots were expected of a region: what the store's watches say, as far as they were read.
//!
//! Asked about what the project in force does not explain: slots of a while ago, which an agent kept;
//! checks that another hub that shares the store has in its project already; checks that are gone.
//! What the store said of a time that is over does not change and is remembered for a while.
//!
//! Must not: take a slot for expected because somebody ran it.

use std::collections::HashMap;
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
    read: Option<Read>,
    watches: HashMap<CheckId, Vec<Watch>>,
}

/// What was read.
#[derive(Debug)]
struct Read {
    /// All watches that were on after this,
    from: Timestamp,
    /// and up to this.
    until: Timestamp,
    /// When that was done first, and last.
    first: Stopwatch,
    last: Stopwatch,
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
        if known.read.as_ref().is_some_and(|read| read.first.elapsed() > REMEMBERED) {
            *known = Known::default();
        }
        let is_open = |slot: &&&Slot| !known.is_settled(slot);
        if let Some(first) = slots.iter().filter(is_open).map(|slot| slot.at).min() {
            known.read(region, first, accounts, now).await?;
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
        let watches = self.watches.get(&slot.check).into_iter().flatten().filter(is_one);
        let stands = |watch: &Watch| {
            if watch.until.is_none() { Expected::Still } else { Expected::Once }
        };
        watches.map(stands).max().unwrap_or(Expected::Never)
    }

    /// Whether the store need not be asked about `slot`.
    fn is_settled(&self, slot: &Slot) -> bool {
        let Some(Read { from, until, .. }) = &self.read else { return false };
        let is_over = slot.at <= *until - MARGIN;
        *from < slot.at
            && (is_over || slot.at <= *until + TRUST && self.expected(slot) != Expected::Never)
    }

    /// Reads the watches since `first`, or since what was read before.
    async fn read(
        &mut self,
        region: &Region,
        first: Timestamp,
        accounts: &dyn Accounts,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut wanted = (first - TimeDelta::milliseconds(1)).min(now - MARGIN);
        if let Some(read) = &self.read {
            tokio::time::sleep(PAUSE.saturating_sub(read.last.elapsed())).await;
            wanted = wanted.min(read.until);
        }
        for watch in accounts.watches(None, (wanted, now)).await? {
            if watch.region == *region {
                let known = self.watches.entry(watch.check.clone()).or_default();
                known.retain(|it| it.from != watch.from || it.schedule != watch.schedule);
                known.push(watch);
            }
        }
        let last = Stopwatch::start();
        self.read = Some(match self.read.take() {
            Some(read) => Read { from: wanted.min(read.from), until: now, last, ..read },
            None => Read { from: wanted, until: now, first: Stopwatch::start(), last },
        });
        Ok(())
    }
}
