//! What is done with metrics from time to time, and what is said about them.

use async_trait::async_trait;

use super::{Inspected, Rules};
use crate::domain::Timestamp;
use crate::store::Error;

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Series of which there are points.
    pub series: u64,
    /// Those that had points in the last hour or two.
    pub active: u64,
    /// Rows of series and points that this hub has passed over, as they cannot be read.
    pub unreadable: u64,
}

/// What is done with metrics from time to time.
#[async_trait]
pub trait Keeping: Send + Sync + std::fmt::Debug {
    /// From now on points are kept by these rules.
    fn keep_by(&self, rules: Rules);

    /// Does a part of what is due at `now` so that points of hours that are over are found by series:
    /// some hundred series, or closing the hour. Says whether there may be more. It is safe for several
    /// hubs to do so at once, and in vain.
    async fn compact(&self, now: Timestamp) -> Result<bool, Error>;

    /// Forgets what need not be kept at `now`, at most about `limit` chunks, so that nobody waits long
    /// for it; says how many, and there may be more while that is `limit` or more.
    async fn forget_points(&self, now: Timestamp, limit: u32) -> Result<u64, Error>;

    /// Looks at every row of metrics: whether it can be read, and belongs to a series that is there.
    async fn inspect(&self) -> Result<Inspected, Error>;

    /// How much there is.
    async fn census(&self) -> Result<Census, Error>;
}
