//! Forgetting: first it is said until when a level is forgotten, then its chunks go, some at a time,
//! and last the series of which nothing is left.
//!
//! From the moment it is said, questions about that time are answered from the next level. The roll-ups
//! are there, because they are made when points are written.

use super::Rules;
use super::backing::{Backing, State};
use super::head::Head;
use super::index::Place;
use super::levels::{Level, floor};
use crate::domain::Timestamp;
use crate::store::Error;

/// How many series are forgotten at a time.
const SERIES_AT_ONCE: usize = 5_000;

/// What was forgotten, for the head after the commit.
#[derive(Debug)]
pub(in crate::store) struct Forgotten {
    /// How many chunks and series.
    pub(in crate::store) count: u64,
    state: Option<State>,
}

/// Forgets some, in a transaction that the caller ends.
pub(in crate::store) async fn write(
    head: &mut Head,
    backing: &mut dyn Backing,
    rules: &Rules,
    now: Timestamp,
    limit: u32,
) -> Result<Forgotten, Error> {
    let Some(mut state) = head.follow(backing).await? else {
        return Ok(Forgotten { count: 0, state: None });
    };
    let before = state;
    let mut closed = state.closed;
    for (level, horizon) in Level::ALL.into_iter().zip(rules.horizons(now.timestamp_millis())) {
        // What is not closed has no chunks yet, and what is still kept finely is kept at all levels.
        closed = floor(closed, level.period());
        let mark = &mut state.forgotten[level.place()];
        *mark = (*mark).max(horizon.min(closed));
        closed = *mark;
    }
    let mut count = 0;
    for level in Level::ALL {
        let whole = state.forgotten[level.place()] - level.period() + 1;
        let left = u64::from(limit).saturating_sub(count);
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        if left > 0 {
            count += backing.drop_chunks(level, whole, left).await?;
        }
    }
    if count < u64::from(limit) {
        let until = state.forgotten[Level::Long.place()];
        let gone: Vec<i64> = head.gone(until).take(SERIES_AT_ONCE).collect();
        // Another hub may have stored points of long ago, which this one does not hear of.
        for (series, seen_until) in backing.seen(&gone).await? {
            if let Some(place) = head.index.place(series) {
                head.index.note_seen(place, seen_until);
            }
        }
        let gone: Vec<i64> = head.gone(until).take(gone.len()).collect();
        if !gone.is_empty() {
            backing.drop_series(&gone).await?;
            state.generation += 1;
            count += u64::try_from(gone.len()).unwrap_or(u64::MAX);
        }
    }
    if state != before {
        backing.save(&state).await?;
    }
    Ok(Forgotten { count, state: (state.generation == before.generation).then_some(state) })
}

impl Head {
    /// The numbers of series of which there is nothing after `until`.
    fn gone(&self, until: i64) -> impl Iterator<Item = i64> {
        let places = 0..Place::try_from(self.index.len()).unwrap_or(Place::MAX);
        let is_gone = move |place: &Place| {
            self.index.at(*place).seen_until <= until && self.open(*place).is_empty()
        };
        places.filter(is_gone).map(|place| self.index.at(place).id)
    }

    /// Takes over what this hub has committed; where series were forgotten, the head begins anew.
    pub(in crate::store) fn forgot(&mut self, forgotten: &Forgotten) {
        match forgotten.state {
            Some(state) => self.take_over(state, &[], &[]),
            None if forgotten.count > 0 => *self = Self::default(),
            None => {}
        }
    }
}
