//! Which slots were expected of a region: what the store's watches say, as far as they were read.
//!
//! The store has the last word, because hubs that share it may have different projects for a while,
//! and a check that is gone was expected once. What it said about a time that is over does not change
//! and is remembered, and so is a watch that agrees with the project in force; so a usual report asks
//! nothing of the store.
//!
//! Must not: take a slot for expected because somebody ran it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::Stopwatch;
use crate::domain::Timestamp;
use crate::domain::coverage::Watch;
use crate::domain::id::{CheckId, Region};
use crate::domain::slot::Slot;
use crate::link::publication::{Publication, Published};
use crate::store::Error;
use crate::store::accounts::Accounts;

/// The clocks of hubs that share a store differ by less.
const MARGIN: TimeDelta = TimeDelta::seconds(10);
/// For how long after it was read a watch is believed that the project here does not know.
const TRUST: TimeDelta = TimeDelta::seconds(30);
/// The watches of a region are not read more often.
const PAUSE: Duration = Duration::from_millis(250);

/// What was expected of each region.
#[derive(Debug, Default)]
pub(super) struct Expectations(Mutex<HashMap<Region, Arc<tokio::sync::Mutex<Known>>>>);

/// What is known of one region.
#[derive(Debug, Default)]
struct Known {
    /// Under which publication it was read.
    publication: Weak<Publication>,
    /// The time of which all watches were read, and when that was.
    read: Option<((Timestamp, Timestamp), Stopwatch)>,
    watches: HashMap<CheckId, Vec<Watch>>,
}

impl Expectations {
    /// Which of `slots`, all of `region`, were expected, in their order.
    pub(super) async fn of(
        &self,
        region: &Region,
        slots: &[&Slot],
        publication: &Arc<Publication>,
        accounts: &dyn Accounts,
        now: Timestamp,
    ) -> Result<Vec<bool>, Error> {
        let known = {
            let mut regions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(regions.entry(region.clone()).or_default())
        };
        let mut known = known.lock().await;
        known.keep_to(publication);
        let published = publication.of(region);
        let is_open = |slot: &&&Slot| !known.is_settled(slot, &published);
        if let Some(first) = slots.iter().filter(is_open).map(|slot| slot.at).min() {
            known.read(region, first, accounts, now).await?;
        }
        Ok(slots.iter().map(|slot| known.covers(slot).is_some()).collect())
    }
}

impl Known {
    /// What a project in force says may differ from what the one before it said.
    fn keep_to(&mut self, publication: &Arc<Publication>) {
        let current = Arc::downgrade(publication);
        if !self.publication.ptr_eq(&current) {
            *self = Self { publication: current, ..Self::default() };
        }
    }

    /// The watch of which `slot` is one.
    fn covers(&self, slot: &Slot) -> Option<&Watch> {
        let before = slot.at - TimeDelta::milliseconds(1);
        let is_one = |watch: &&Watch| watch.slots(before, slot.at).next() == Some(slot.at);
        self.watches.get(&slot.check)?.iter().find(is_one)
    }

    /// Whether the store need not be asked about `slot`.
    fn is_settled(&self, slot: &Slot, published: &Published) -> bool {
        let Some(((from, until), _)) = self.read else { return false };
        if from < slot.at && slot.at <= until - MARGIN {
            return true;
        }
        self.covers(slot).is_some_and(|watch| {
            let is_ours = published.schedule_of(&slot.check) == Some(&watch.schedule);
            watch.until.is_some() || is_ours || slot.at <= until + TRUST
        })
    }

    /// Reads the watches since `first`, or since what was read before.
    async fn read(
        &mut self,
        region: &Region,
        first: Timestamp,
        accounts: &dyn Accounts,
        now: Timestamp,
    ) -> Result<(), Error> {
        if let Some((_, since)) = &self.read {
            tokio::time::sleep(PAUSE.saturating_sub(since.elapsed())).await;
        }
        let before = first - TimeDelta::milliseconds(1);
        let wanted = self.read.as_ref().map_or(before, |((_, until), _)| before.min(*until));
        let wanted = wanted.min(now - MARGIN);
        for watch in accounts.watches(None, (wanted, now)).await? {
            if watch.region == *region {
                let known = self.watches.entry(watch.check.clone()).or_default();
                known.retain(|it| it.from != watch.from || it.schedule != watch.schedule);
                known.push(watch);
            }
        }
        let from = self.read.as_ref().map_or(wanted, |((from, _), _)| wanted.min(*from));
        self.read = Some(((from, now), Stopwatch::start()));
        Ok(())
    }
}
