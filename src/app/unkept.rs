//! Metrics where the store keeps none: every point is refused.

use async_trait::async_trait;

use crate::domain::Timestamp;
use crate::query::{Labels, Matcher, Selection, Series};
use crate::store::Error;
use crate::store::metrics::{Bounds, Found, Metrics, Stored};

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct Unkept;

#[async_trait]
impl Metrics for Unkept {
    async fn append(&self, _: &[Series], _: Timestamp) -> Result<Stored, Error> {
        Err(Error::ReadOnly)
    }

    async fn select(&self, _: &[Selection], _: Bounds) -> Result<Found, Error> {
        Ok(Found::Series(Vec::new()))
    }

    async fn labels(
        &self,
        _: &[Vec<Matcher>],
        _: i64,
        _: i64,
        _: usize,
    ) -> Result<Vec<Labels>, Error> {
        Ok(Vec::new())
    }
}
