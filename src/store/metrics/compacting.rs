//! Closing periods: the points that frames brought become chunks and roll-ups, and the frames go.
//!
//! Chunks of a period are written some at a time, beside what else is stored, and nobody reads them
//! until the period is closed. Closing is one short transaction, which finds that nothing is left to
//! write. Whoever writes holds the state and sees which period is the next, so a hub that stood still
//! writes nothing into one that another has closed; two that write the same write the same.

use super::Rules;
use super::backing::{Backing, ChunkRow, State};
use super::head::Head;
use super::index::Place;
use super::levels::{Level, ceiling, floor};
use super::rolling::{Change, Changed, roll_up};
use crate::domain::Timestamp;
use crate::store::Error;

/// How many series are written at a time.
const AT_ONCE: usize = 500;

/// What was done, for the head after the commit.
#[derive(Debug)]
pub(in crate::store) enum Compacted {
    /// There is nothing to do.
    Nothing,
    /// Some chunks of the period that starts then were written.
    Some { start: i64, written: Vec<(Place, i64)> },
    /// The state is now this one.
    Closed(State),
}

impl Compacted {
    /// Whether there may be more to do.
    pub(in crate::store) fn is_something(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

/// Does the next part of the work, in a transaction that the caller ends.
pub(in crate::store) async fn write(
    head: &mut Head,
    backing: &mut dyn Backing,
    rules: &Rules,
    now: Timestamp,
) -> Result<Compacted, Error> {
    let Some(mut state) = head.follow(backing).await? else { return Ok(Compacted::Nothing) };
    let due = floor(now.timestamp_millis() - rules.late_millis(), Level::Points.period());
    let (start, end) = (state.closed, state.closed + Level::Points.period());
    if end > due {
        return Ok(Compacted::Nothing);
    }
    let some: Vec<Place> = head.unwritten(start).take(AT_ONCE).collect();
    if !some.is_empty() {
        return write_some(head, backing, &state, &some).await;
    }
    // Where nothing came for long, all that time is closed at once.
    state.closed = head.first_start_after(start).map_or(due, |first| first.min(due)).max(end);
    backing.drop_frames(state.closed).await?;
    backing.save(&state).await?;
    Ok(Compacted::Closed(state))
}

async fn write_some(
    head: &Head,
    backing: &mut dyn Backing,
    state: &State,
    places: &[Place],
) -> Result<Compacted, Error> {
    let (start, end) = (state.closed, state.closed + Level::Points.period());
    let until = ceiling(end, Level::Long.period());
    let (mut rows, mut changed, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for place in places {
        let Some(open) = head.period(*place, start) else { continue };
        let known = head.index.at(*place);
        if known.seen_until < until {
            seen.push((known.id, until));
        }
        rows.push(ChunkRow { start_at: start, series: known.id, points: open.stored() });
        let points = open.points();
        let all = vec![Change::Known { after: start, until: end, points }];
        changed.push(Changed { series: known.id, kind: known.kind, changes: all });
    }
    backing.put_chunks(Level::Points, &rows).await?;
    roll_up(backing, &changed, state.forgotten).await?;
    backing.note_seen(&seen).await?;
    let written = places.iter().map(|place| (*place, until)).collect();
    Ok(Compacted::Some { start, written })
}

impl Head {
    /// Takes over what this hub has committed.
    pub(in crate::store) fn compacted(&mut self, compacted: &Compacted) {
        match compacted {
            Compacted::Nothing => {}
            Compacted::Some { start, written } => {
                for (place, until) in written {
                    self.note_written(*place, *start, *until);
                }
            }
            Compacted::Closed(state) => self.take_over(*state, &[], &[]),
        }
    }
}
