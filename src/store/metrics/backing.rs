//! What a backend does for metrics: rows in and out, inside a transaction that it begins and ends.
//!
//! What the rows mean is decided once, for all backends, in the files beside this one.

use std::ops::Range;

use async_trait::async_trait;

use super::levels::Level;
use crate::query::Measure;
use crate::store::Error;

/// What there is of metrics, as everybody who shares the store sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct State {
    /// The number that the next series gets.
    pub(in crate::store) next_series: i64,
    /// The number that the next frame gets.
    pub(in crate::store) next_frame: i64,
    /// Up to this moment, points are in chunks; later ones are in frames.
    pub(in crate::store) closed: i64,
    /// Until when each level is forgotten, the finest first. No level is forgotten before a finer one.
    pub(in crate::store) forgotten: [i64; 3],
    /// How often series were forgotten.
    pub(in crate::store) generation: i64,
}

/// A series as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct SeriesRow {
    pub(in crate::store) id: i64,
    /// A JSON object.
    pub(in crate::store) labels: String,
    /// What it measures, as far as that was said when it came first.
    pub(in crate::store) measure: Option<Measure>,
    /// No point of it in a chunk is later.
    pub(in crate::store) seen_until: i64,
}

impl SeriesRow {
    /// The word for what a series measures, as it is stored.
    pub(in crate::store) fn measured(&self) -> Option<&'static str> {
        self.measure.map(Measure::as_str)
    }

    /// A row as it is read; an unknown word says nothing.
    pub(in crate::store) fn read(
        (id, labels, measure, seen_until): (i64, String, Option<String>, i64),
    ) -> Self {
        let measure = measure.as_deref().and_then(Measure::named);
        Self { id, labels, measure, seen_until }
    }
}

/// A frame as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct FrameRow {
    pub(in crate::store) id: i64,
    /// When its last point was.
    pub(in crate::store) last_at: i64,
    pub(in crate::store) points: Vec<u8>,
}

/// A chunk as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct ChunkRow {
    pub(in crate::store) start_at: i64,
    pub(in crate::store) series: i64,
    pub(in crate::store) points: Vec<u8>,
}

/// A transaction of a backend.
#[async_trait]
pub(in crate::store) trait Backing: Send {
    /// What there is. In a transaction that writes, nobody else writes metrics from here on until it
    /// ends.
    async fn state(&mut self) -> Result<Option<State>, Error>;

    /// Makes the first state, unless somebody else has.
    async fn make(&mut self, state: &State) -> Result<(), Error>;

    /// Replaces the state.
    async fn save(&mut self, state: &State) -> Result<(), Error>;

    /// Series with numbers after `after` in their order, at most `limit`.
    async fn series(&mut self, after: i64, limit: u32) -> Result<Vec<SeriesRow>, Error>;

    /// Frames with numbers after `after` in their order, at most `limit`.
    async fn frames(&mut self, after: i64, limit: u32) -> Result<Vec<FrameRow>, Error>;

    /// The chunks of `series` that begin at one of `starts`.
    async fn chunks(
        &mut self,
        level: Level,
        starts: &[i64],
        series: &[i64],
    ) -> Result<Vec<ChunkRow>, Error>;

    /// The chunks after this one in the order of start and series, at most `limit`.
    async fn chunks_after(
        &mut self,
        level: Level,
        after: (i64, i64),
        limit: u32,
    ) -> Result<Vec<ChunkRow>, Error>;

    /// The series that have chunks that begin within `starts`.
    async fn listed(&mut self, level: Level, starts: Range<i64>) -> Result<Vec<i64>, Error>;

    /// Adds series.
    async fn add_series(&mut self, rows: &[SeriesRow]) -> Result<(), Error>;

    /// Until when these series were seen, of those that are there.
    async fn seen(&mut self, series: &[i64]) -> Result<Vec<(i64, i64)>, Error>;

    /// Notes until when series were seen.
    async fn note_seen(&mut self, seen: &[(i64, i64)]) -> Result<(), Error>;

    /// Adds a frame.
    async fn add_frame(&mut self, row: &FrameRow) -> Result<(), Error>;

    /// Adds chunks, in the place of those that are there.
    async fn put_chunks(&mut self, level: Level, rows: &[ChunkRow]) -> Result<(), Error>;

    /// Removes the frames whose points are all of `until` or before.
    async fn drop_frames(&mut self, until: i64) -> Result<(), Error>;

    /// Removes chunks that begin before `before`, the oldest first, at most `limit`; says how many.
    async fn drop_chunks(&mut self, level: Level, before: i64, limit: u32) -> Result<u64, Error>;

    /// Removes series.
    async fn drop_series(&mut self, series: &[i64]) -> Result<(), Error>;
}
