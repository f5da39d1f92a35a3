//! The store of these tests keeps no metrics.

use async_trait::async_trait;

use super::Shelf;
use crate::domain::Timestamp;
use crate::query::{Labels, Matcher, Selection, Series};
use crate::store::Error;
use crate::store::metrics::{Bounds, Census, Found, Inspected, Keeping, Metrics, Rules, Stored};

#[async_trait]
impl Metrics for Shelf {
    async fn append(&self, _: &[Series], _: Timestamp) -> Result<Stored, Error> {
        Err(Error::Closed)
    }

    async fn select(&self, _: &[Selection], _: Bounds) -> Result<Found, Error> {
        Err(Error::Closed)
    }

    async fn measures(
        &self,
    ) -> Result<std::collections::BTreeMap<String, crate::query::Measure>, Error> {
        Err(Error::Closed)
    }

    async fn labels(
        &self,
        _: &[Vec<Matcher>],
        _: i64,
        _: i64,
        _: usize,
    ) -> Result<Vec<Labels>, Error> {
        Err(Error::Closed)
    }
}

#[async_trait]
impl Keeping for Shelf {
    fn keep_by(&self, _: Rules) {}

    async fn compact(&self, _: Timestamp) -> Result<bool, Error> {
        Err(Error::Closed)
    }

    async fn forget_points(&self, _: Timestamp, _: u32) -> Result<u64, Error> {
        Err(Error::Closed)
    }

    async fn inspect(&self) -> Result<Inspected, Error> {
        Err(Error::Closed)
    }

    async fn census(&self) -> Result<Census, Error> {
        Err(Error::Closed)
    }
}
