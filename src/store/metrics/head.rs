//! What a hub remembers of metrics: all series, and the points that are not in chunks yet.
//!
//! Frames are applied in the order of their numbers, by every hub that shares the store, so all
//! remember the same. It holds what was committed, and nothing else: whoever writes lets the head
//! follow first, under the hold on the state, and applies what they wrote after their commit. Should
//! they be cut off in between, the next one reads it. A frame or a series that is damaged is passed
//! over, counted and told once: it keeps nothing else from being read or written.

use std::collections::BTreeMap;

use tokio::task::yield_now;

use super::backing::{Backing, SeriesRow, State};
use super::chunk::Chunk;
use super::frame::{self, Entry};
use super::index::{Index, Place};
use super::levels::{Level, ceiling};
use super::points::Points;
use super::rollup::Kind;
use crate::query::Labels;
use crate::store::Error;

/// How many series are read at a time.
const SERIES_AT_ONCE: u32 = 10_000;
/// How many frames are read at a time.
const FRAMES_AT_ONCE: u32 = 8;
/// So many points out of their order lie beside a chunk, and half as many as are in it.
const LATE: usize = 64;

/// Points of one series and one period that is not closed.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// When the period starts.
    pub(super) start: i64,
    packed: Chunk,
    /// Those that came after later ones, not packed: to pack one of them is to pack all anew.
    late: Option<Box<Points>>,
    /// Whether all of it is in a chunk of the store already, which nobody reads before the period
    /// is closed.
    pub(super) is_written: bool,
}

impl Open {
    fn new(start: i64) -> Self {
        Self { start, packed: Chunk::default(), late: None, is_written: false }
    }

    /// Adds points of this period that are not there.
    fn add(&mut self, time: i64, value: f64) {
        self.is_written = false;
        if self.packed.last().is_none_or(|(last, _)| last < time) {
            return self.packed.push(time, value);
        }
        let late = self.late.get_or_insert_default();
        late.add(time, value, 1);
        // Twice as many as before have come by then, so each is packed a few times at most.
        if late.len() >= LATE + self.packed.len() / 2 {
            self.packed = Chunk::of(&self.points());
            self.late = None;
        }
    }

    /// All of them, unpacked.
    pub(super) fn points(&self) -> Points {
        let mut points = self.packed.points();
        if let Some(late) = &self.late {
            points.unite(late);
        }
        points
    }

    /// What is stored of them.
    pub(super) fn stored(&self) -> Vec<u8> {
        match self.late {
            None => self.packed.stored(),
            Some(_) => Chunk::of(&self.points()).stored(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.packed.len() + self.late.as_ref().map_or(0, |late| late.len())
    }

    /// When the last one is.
    pub(super) fn last(&self) -> Option<i64> {
        self.packed.last().map(|(last, _)| last)
    }

    /// Whether all of the period is after `after` and until `until`.
    pub(super) fn is_within(&self, after: i64, until: i64) -> bool {
        self.start >= after && self.start.saturating_add(Level::Points.period()) <= until
    }

    /// Whether there is one after `after` and until `until`; unpacks only where the ends do not say.
    pub(super) fn has_within(&self, after: i64, until: i64) -> bool {
        let is_meant = |last: i64| last > after && last <= until;
        self.last().is_some_and(is_meant)
            || self.is_within(after, until) && self.len() > 0
            || self.last().is_some_and(|last| last > after)
                && !self.points().within(after, until).0.is_empty()
    }
}

/// What a hub remembers.
#[derive(Debug, Default)]
pub(in crate::store) struct Head {
    state: Option<State>,
    pub(super) index: Index,
    /// By place; the periods of a series in their order.
    open: Vec<Vec<Open>>,
    last_series: i64,
    last_frame: i64,
    /// How many rows were passed over since they cannot be read.
    unreadable: u64,
}

impl Head {
    /// Whether it has not followed yet.
    pub(in crate::store) fn is_new(&self) -> bool {
        self.state.is_none()
    }

    /// The state when it was last looked at.
    pub(super) fn state(&self) -> Option<State> {
        self.state
    }

    /// Learns what was written since. There is no state in a store without metrics.
    pub(in crate::store) async fn follow(
        &mut self,
        backing: &mut dyn Backing,
    ) -> Result<Option<State>, Error> {
        let Some(state) = backing.state().await? else {
            *self = Self::default();
            return Ok(None);
        };
        if self.state.is_none_or(|known| known.generation != state.generation) {
            *self = Self::default();
        }
        self.enter(state);
        while self.last_series < state.next_series - 1 {
            let rows = backing.series(self.last_series, SERIES_AT_ONCE).await?;
            for row in &rows {
                match labels(&row.labels) {
                    Ok(labels) => self.add_series(row, &labels),
                    Err(error) => self.pass_over("series", row.id, &error),
                }
            }
            // The last ones may have been forgotten.
            self.last_series = rows.last().map_or(state.next_series - 1, |row| row.id);
        }
        while self.last_frame < state.next_frame - 1 {
            let rows = backing.frames(self.last_frame, FRAMES_AT_ONCE).await?;
            for row in &rows {
                match frame::unpacked(&row.points) {
                    Some(entries) => self.apply(&entries),
                    None => self.pass_over("frame", row.id, &unreadable("frame")),
                }
                self.last_frame = row.id;
                yield_now().await;
            }
            if rows.is_empty() {
                self.last_frame = state.next_frame - 1;
            }
        }
        Ok(Some(state))
    }

    /// Goes on without a row that cannot be read.
    fn pass_over(&mut self, what: &'static str, number: i64, error: &Error) {
        self.unreadable += 1;
        let error = error as &dyn std::error::Error;
        tracing::error!(
            event.action = "unreadable",
            error,
            what,
            number,
            "something in the store is damaged and passed over; `tripline store check` names it"
        );
    }

    /// How many rows were passed over since they cannot be read.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// From now on the state is this one.
    fn enter(&mut self, state: State) {
        if self.state.is_some_and(|known| known.closed < state.closed) {
            for (place, periods) in self.open.iter_mut().enumerate() {
                let is_over = |open: &&Open| open.start < state.closed;
                // Whoever closed the period noted it in the store.
                if let Some(last) = periods.iter().filter(is_over).map(|open| open.start).max() {
                    let until = ceiling(last + Level::Points.period(), Level::Long.period());
                    self.index.note_seen(Place::try_from(place).unwrap_or(Place::MAX), until);
                }
                periods.retain(|open| open.start >= state.closed);
                periods.shrink_to_fit();
            }
        }
        self.state = Some(state);
    }

    /// Takes over what this hub has committed: its new series and its frame.
    pub(super) fn take_over(&mut self, state: State, fresh: &[(SeriesRow, Labels)], new: &[Entry]) {
        self.enter(state);
        for (row, labels) in fresh {
            self.add_series(row, labels);
        }
        self.apply(new);
        (self.last_series, self.last_frame) = (state.next_series - 1, state.next_frame - 1);
    }

    fn add_series(&mut self, row: &SeriesRow, labels: &Labels) {
        let kind = Kind::of(labels, row.measure);
        self.index.add(row.id, labels, (kind, row.seen_until));
        self.open.resize_with(self.index.len(), Vec::new);
    }

    /// Adds points, but for those of periods that are closed.
    fn apply(&mut self, entries: &[Entry]) {
        let closed = self.state.map_or(i64::MAX, |state| state.closed);
        for (series, points) in entries {
            let Some(place) = self.index.place(*series) else { continue };
            let Some(periods) = self.open.get_mut(at(place)) else { continue };
            for (time, value) in points.iter().filter(|(time, _)| *time > closed) {
                let start = Level::Points.start(time);
                let found = periods.binary_search_by_key(&start, |open| open.start);
                let period = found.unwrap_or_else(|period| {
                    periods.reserve_exact(1);
                    periods.insert(period, Open::new(start));
                    period
                });
                periods[period].add(time, value);
            }
        }
    }

    /// The periods of a series that are not closed, in their order.
    pub(super) fn open(&self, place: Place) -> &[Open] {
        self.open.get(at(place)).map_or(&[], Vec::as_slice)
    }

    /// Those of them that may have points of this time.
    pub(super) fn open_within(
        &self,
        place: Place,
        (after, until): (i64, i64),
    ) -> impl Iterator<Item = &Open> {
        let is_meant = move |it: &&Open| {
            it.start < until && it.start.saturating_add(Level::Points.period()) > after
        };
        self.open(place).iter().filter(is_meant)
    }

    /// The period of a series that starts then.
    pub(super) fn period(&self, place: Place, start: i64) -> Option<&Open> {
        self.open(place).iter().find(|open| open.start == start)
    }

    /// The places of series that have points in the period that starts then and are not written.
    pub(super) fn unwritten(&self, start: i64) -> impl Iterator<Item = Place> {
        let is_wanted = move |open: &Open| open.start == start && !open.is_written;
        let places = self.open.iter().enumerate();
        let wanted = places.filter(move |(_, periods)| periods.iter().any(is_wanted));
        wanted.filter_map(|(place, _)| Place::try_from(place).ok())
    }

    /// Notes that the points of a period are in the store, and how far the series was seen.
    pub(super) fn note_written(&mut self, place: Place, start: i64, seen_until: i64) {
        self.index.note_seen(place, seen_until);
        let periods = self.open.get_mut(at(place)).into_iter().flatten();
        for open in periods.filter(|open| open.start == start) {
            open.is_written = true;
        }
    }

    /// When the first period after that of `start` that has points starts.
    pub(super) fn first_start_after(&self, start: i64) -> Option<i64> {
        let starts = self.open.iter().flatten().map(|open| open.start);
        starts.filter(|other| *other > start).min()
    }

    /// How many series have points that are not in chunks yet.
    pub(super) fn active(&self) -> usize {
        self.open.iter().filter(|periods| !periods.is_empty()).count()
    }

    /// How many series had points lately: within the last four days, by the clock at `now`.
    pub(super) fn current(&self, now: i64) -> usize {
        let places = 0..Place::try_from(self.index.len()).unwrap_or(Place::MAX);
        let is_current = |place: &Place| {
            self.index.at(*place).seen_until >= now || !self.open(*place).is_empty()
        };
        places.filter(is_current).count()
    }
}

fn at(place: Place) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The labels in a JSON object.
pub(super) fn labels(text: &str) -> Result<Labels, Error> {
    let pairs: BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|error| Error::Unreadable { what: "series", reason: error.to_string() })?;
    Ok(pairs.into_iter().collect())
}

/// Labels as a JSON object.
pub(super) fn labels_stored(labels: &Labels) -> String {
    let pairs: BTreeMap<&str, &str> =
        labels.iter().map(|label| (&*label.name, &*label.value)).collect();
    serde_json::to_string(&pairs).expect("texts can always be written")
}

/// Bytes that are no points.
pub(super) fn unreadable(what: &'static str) -> Error {
    Error::Unreadable { what, reason: "its bytes are not of a form that is known".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_out_of_their_order_are_not_packed_one_by_one() {
        let mut open = Open::new(0);
        for time in (10..=3_600).step_by(10) {
            open.add(time * 1_000, 1.0);
        }
        let packed = open.packed.len();
        let mut packings = 0;
        for time in (11..=3_600).rev().filter(|time| time % 10 != 0) {
            open.add(time * 1_000, 2.0);
            packings += usize::from(open.late.is_none());
            assert!(open.len() - open.packed.len() <= LATE + open.packed.len() / 2);
        }
        assert!((1..10).contains(&packings), "{packings}");
        let points = open.points();
        assert_eq!((points.len(), open.len()), (packed + 3_231, packed + 3_231));
        assert!(points.times.is_sorted());
        assert_eq!(
            super::super::chunk::unpacked(&open.stored()).map(|it| it.len()),
            Some(open.len())
        );
        // The first of a time stays, also beside the chunk.
        open.add(11_000, 9.0);
        open.add(10_000, 9.0);
        assert_eq!(open.points().values[..2], [1.0, 2.0]);
    }

    #[test]
    fn whether_there_are_points_of_a_time_is_told_without_unpacking_where_that_can_be() {
        let mut open = Open::new(0);
        assert!(!open.has_within(-1, i64::MAX));
        for time in [10, 30, 20] {
            open.add(time, 1.0);
        }
        let period = Level::Points.period();
        for (after, until, there) in [
            (0, period, true),
            (9, 10, true),
            (10, 19, false),
            (19, 29, true),
            (29, 30, true),
            (30, period, false),
            (-5, 9, false),
        ] {
            assert_eq!(open.has_within(after, until), there, "after {after} until {until}");
        }
    }
}
