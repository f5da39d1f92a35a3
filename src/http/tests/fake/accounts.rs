//! The accounts of a store that remembers: one check with a gap.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;

use super::super::now;
use super::{Remembered, broken, place};
use crate::domain::Timestamp;
use crate::domain::coverage::{Duty, Gap, GapReason, Lateness, Presence, Tally, Watch};
use crate::domain::edition::Rank;
use crate::domain::id::{CheckId, Region};
use crate::domain::schedule::{Interval, Schedule};
use crate::store::accounts::{Accounts, Expectation, Known, Place, Process, Ran};
use crate::store::{Error, Standing};

#[async_trait]
impl Accounts for Remembered {
    async fn expect(&self, _: &Expectation, _: Timestamp) -> Result<Rank, Error> {
        Err(broken())
    }

    async fn hold_edition(&self, _: &str, _: Timestamp) -> Result<Rank, Error> {
        Err(broken())
    }

    async fn may_lead(&self, _: &str, _: Timestamp) -> Result<bool, Error> {
        Err(broken())
    }

    async fn known(&self) -> Result<Known, Error> {
        Err(broken())
    }

    async fn watches(
        &self,
        wanted: Option<&[CheckId]>,
        (after, _): (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error> {
        self.mood().await?;
        let minute = Interval::new(Duration::from_mins(1)).expect("in range");
        let (check, region) = place();
        if wanted.is_some_and(|wanted| !wanted.contains(&check)) {
            return Ok(Vec::new());
        }
        Ok(vec![Watch {
            check,
            region,
            schedule: Schedule::Every(minute),
            duty: Duty::Run,
            from: after,
            until: None,
        }])
    }

    async fn seen(&self, _: &Process, _: Timestamp) -> Result<(), Error> {
        Err(broken())
    }

    async fn presence(
        &self,
        _: (Timestamp, Timestamp),
    ) -> Result<HashMap<Option<Region>, Presence>, Error> {
        Err(broken())
    }

    async fn accounted_until(&self) -> Result<Option<Timestamp>, Error> {
        self.mood().await?;
        Ok(Some(now() - TimeDelta::minutes(1)))
    }

    async fn ran(&self, _: (Timestamp, Timestamp)) -> Result<Ran, Error> {
        Err(broken())
    }

    async fn latest_gaps(&self, _: &[Place]) -> Result<HashMap<Place, Gap>, Error> {
        Err(broken())
    }

    async fn account(&self, _: &[Gap], _: Known, _: Timestamp) -> Result<Standing, Error> {
        Err(broken())
    }

    async fn gaps(
        &self,
        _: Option<&CheckId>,
        (after, _): (Timestamp, Timestamp),
        _: u32,
    ) -> Result<Vec<Gap>, Error> {
        self.mood().await?;
        let (check, region) = place();
        let last = after + TimeDelta::minutes(10);
        let reason = GapReason::HubDown;
        Ok(vec![Gap { check, region, first: after, last, slots: 10, reason }])
    }

    async fn tallies(
        &self,
        _: Option<&[CheckId]>,
        _: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        self.mood().await?;
        let mut lateness = Lateness::default();
        lateness.0[1] = 30;
        let tally = Tally { passed: 24, failed: 6, lateness, ..Tally::default() };
        Ok(BTreeMap::from([(place(), tally)]))
    }

    async fn first_ran(&self) -> Result<Option<Timestamp>, Error> {
        Err(broken())
    }

    async fn forgotten_until(&self) -> Result<Option<Timestamp>, Error> {
        Err(broken())
    }

    async fn tallied(&self) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        self.mood().await?;
        Ok(None)
    }

    async fn tally(
        &self,
        _: (Timestamp, Timestamp),
        _: &BTreeMap<Place, u64>,
    ) -> Result<Standing, Error> {
        Err(broken())
    }

    async fn tallied_hours(
        &self,
        _: Option<&[CheckId]>,
        _: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        Err(broken())
    }

    async fn forget_accounts(&self, _: Timestamp) -> Result<(), Error> {
        Err(broken())
    }
}
