//! What is remembered of metrics: series with their points.
//!
//! The contract beside [`Store`](super::Store) that each backend keeps as well. Series and what
//! selects them have the types of the query language, so that what is read here can be evaluated as
//! it is. All times are milliseconds since 1970.
//!
//! Invariants:
//! - of one series there is one point at a time, the first that was stored; at a coarser
//!   [`resolution`](Rules::resolution), one in each part of time, and beside it the marker of an end;
//! - what was refused is counted, and said why; nothing is dropped silently;
//! - a point that was stored is found by every hub that shares the store.
//!
//! # How it is kept
//!
//! Points of the present come for all series at once and are asked for by series. So they are written
//! as they come, one row for all points of one [`append`](Metrics::append) (a **frame**), and each hub
//! remembers what is in the frames, by series and packed (its **head**). Before it answers or writes,
//! the head follows: it reads the frames that came since, in the order of their numbers, so all hubs
//! remember the same. Whoever writes holds one row (the **state**), which orders frames and commits
//! alike; in SQLite that is the one writer.
//!
//! Time is cut into periods of an hour. When one is over, and [`late`](Rules::late) after that, it is
//! **closed** ([`Keeping::compact`]): the points of each series become a **chunk**, a row by series and
//! period, the frames are removed, and heads let go of it. Points that come later still, such as those
//! of an import, are put into the chunks directly, whatever their age.
//!
//! With each chunk its **roll-ups** are written in the same transaction: of five minutes and of an hour.
//! So they are there at any time, and forgetting points is nothing but a mark that moves and rows that
//! go ([`Keeping::forget_points`]). A question about a time whose points are forgotten is answered from
//! the roll-ups of five minutes, and then from those of an hour:
//!
//! - of a **counter** (whoever brought it first said so, or said nothing and its name ends in `_total`,
//!   `_count`, `_sum` or `_bucket`) the last point of each
//!   part is kept, and the points around resets. `increase()` and `rate()` over ranges that are a few
//!   parts long come out as they did. Between points an hour apart, a query sees it grow evenly.
//! - of everything else count, sum, least and greatest. A query sees the average of the part at its
//!   end, and with the matcher `__rollup__="max"` (`min`, `sum`, `count`) that instead. From roll-ups
//!   of an hour, it sees that value every five minutes, as far as it looks back for one.
//! - markers of an end and other NaNs are not rolled up.
//!
//! A process that is killed loses nothing that was acknowledged: a frame is a transaction, and frames
//! go in the transaction that closes their period. Chunks of a period that is not closed are not read,
//! and are written anew by whoever closes it.
//!
//! What a hub remembers of 100,000 series is measured by `cargo bench --bench metrics`.

mod appending;
mod aside;
mod backing;
mod bits;
mod chunk;
mod compacting;
mod forgetting;
mod frame;
mod ground;
mod head;
mod index;
mod inspecting;
mod keeping;
mod levels;
mod listing;
mod memory;
mod parts;
mod points;
mod reading;
mod rolling;
mod rollup;
mod rules;
mod varint;
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

pub(in crate::store) use self::backing::{Backing, ChunkRow, FrameRow, SeriesRow, State};
pub(in crate::store) use self::ground::Ground;
pub(in crate::store) use self::head::Head;
pub use self::inspecting::Inspected;
pub use self::keeping::{Census, Keeping};
pub(in crate::store) use self::levels::Level;
pub(in crate::store) use self::memory::Memory;
pub use self::reading::ROLLUP;
pub use self::rules::Rules;
pub(in crate::store) use self::writing::{Done, Task};
use super::Error;
use crate::domain::Timestamp;
use crate::query::{Labels, Matcher, Measure, Selection, Series};

/// What became of points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Stored now.
    pub new: u64,
    /// There is a point of that time already.
    pub repeated: u64,
    /// Older than what is kept.
    pub too_old: u64,
    /// More than an hour ahead of `now`, which no clock that is right says.
    pub ahead: u64,
    /// Of series that would have been more than may be kept.
    pub over_limit: u64,
}

impl Stored {
    /// Adds what became of other points.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.repeated += other.repeated;
        self.too_old += other.too_old;
        self.ahead += other.ahead;
        self.over_limit += other.over_limit;
    }
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
    /// not older than what is kept. Those of the last hour or so are cheapest by many at once. Much
    /// is stored in several transactions, of which each is whole: after an error, what was stored
    /// before it stays, and can be stored again without harm.
    async fn append(&self, series: &[Series], now: Timestamp) -> Result<Stored, Error>;

    /// Reads what `selections` need. Where points of the finest resolution are no longer kept,
    /// those of a roll-up take their place; series without points in that time are left out.
    async fn select(&self, selections: &[Selection], bounds: Bounds) -> Result<Found, Error>;

    /// The labels of the series that have points after `after` and until `until` and satisfy all
    /// matchers of any of `matchers` (of all series where that is empty), sorted, at most `limit`.
    /// Where points are no longer kept, the time is that of the parts of roll-ups.
    async fn labels(
        &self,
        matchers: &[Vec<Matcher>],
        after: i64,
        until: i64,
        limit: usize,
    ) -> Result<Vec<Labels>, Error>;

    /// What the series of each metric measure, by its name: as was said of the first of them, or as the
    /// name looks where nothing was said.
    async fn measures(&self) -> Result<BTreeMap<String, Measure>, Error>;
}
