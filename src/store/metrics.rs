//! What is remembered of metrics: series with their points.
//!
//! The contract beside [`Store`](super::Store) that each backend keeps as well. Series and what
//! selects them have the types of the query language, so that what is read here can be evaluated as
//! it is. All times are milliseconds since 1970.
//!
//! Invariants:
//! - of one series there is one point at a time, the first that was stored;
//! - what was refused is counted, and said why; nothing is dropped silently;
//! - a point that was stored is found by every hub that shares the store.

use std::sync::Arc;

use async_trait::async_trait;

use super::Error;
use crate::domain::Timestamp;
use crate::query::{Labels, Matcher, Selection, Series};

/// What became of points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Stored now.
    pub new: u64,
    /// There is a point of that time already.
    pub repeated: u64,
    /// Older than what is kept.
    pub too_old: u64,
    /// Of series that would have been more than may be kept.
    pub over_limit: u64,
}

/// What may be read for one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// At most this many series.
    pub series: usize,
    /// At most this many points.
    pub points: usize,
}

/// What a question got.
#[derive(Debug, Clone)]
pub enum Found {
    /// For each selection its series, each with the points of those times, sorted by their labels.
    Series(Vec<Vec<Arc<Series>>>),
    /// More than the bounds allow; a sentence says which bound and how to ask for less.
    TooMuch(String),
}

/// The contract.
#[async_trait]
pub trait Metrics: Send + Sync + std::fmt::Debug {
    /// Stores the points of `series`. Points may come late and in any order, as long as they are
    /// not older than what is kept.
    async fn append(&self, series: &[Series], now: Timestamp) -> Result<Stored, Error>;

    /// Reads what `selections` need. Where points of the finest resolution are no longer kept,
    /// those of a roll-up take their place.
    async fn select(&self, selections: &[Selection], bounds: Bounds) -> Result<Found, Error>;

    /// The labels of the series that have points after `after` and until `until` and satisfy all
    /// matchers of any of `matchers` (of all series where that is empty), sorted, at most `limit`.
    async fn labels(
        &self,
        matchers: &[Vec<Matcher>],
        after: i64,
        until: i64,
        limit: usize,
    ) -> Result<Vec<Labels>, Error>;
}
