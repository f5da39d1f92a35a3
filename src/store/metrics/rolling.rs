//! Writing chunks: the points of closed periods, and with them, in the same transaction, the roll-ups
//! that they change. So there are roll-ups of all that is closed, at any time. One that is damaged stays
//! as it is, for whoever looks for it: it must not keep the hours of all series from being closed.

use std::collections::{BTreeMap, BTreeSet};

use super::backing::{Backing, ChunkRow};
use super::head::unreadable;
use super::levels::Level;
use super::points::Points;
use super::rollup::{Kind, Rolled};
use crate::store::Error;

/// How many pairs of a period and a series are asked for at once.
pub(super) const PAIRS: usize = 8_192;

/// What changes of roll-ups.
#[derive(Debug)]
pub(super) enum Change {
    /// All points of the time after `after` and until `until` are these.
    Known { after: i64, until: i64, points: Points },
    /// There are these points, beside others that are not known any more.
    Added(Points),
}

/// A series and what changes of it, in the order in which it is to be done.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) series: i64,
    pub(super) kind: Kind,
    pub(super) changes: Vec<Change>,
}

/// Writes what changes of the roll-ups, as far as they are kept.
pub(super) async fn roll_up(
    backing: &mut dyn Backing,
    changed: &[Changed],
    forgotten: [i64; 3],
) -> Result<(), Error> {
    for level in Level::ROLLED {
        let since = forgotten[level.place()];
        let mut wanted: BTreeMap<(i64, i64), (Kind, Vec<Update>)> = BTreeMap::new();
        for one in changed {
            for change in &one.changes {
                for (start, update) in updates(level, one.kind, change, since) {
                    let at = wanted.entry((start, one.series));
                    at.or_insert_with(|| (one.kind, Vec::new())).1.push(update);
                }
            }
        }
        let found = read(backing, level, wanted.keys()).await?;
        let mut rows = Vec::with_capacity(wanted.len());
        for ((start_at, series), (kind, updates)) in wanted {
            let rolled = match found.get(&(start_at, series)) {
                Some(bytes) => Rolled::read(bytes),
                None => Some(Rolled::nothing(kind)),
            };
            let Some(mut rolled) = rolled else {
                let error = unreadable("roll-up");
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    event.action = "unreadable",
                    error,
                    series,
                    start_at,
                    level = level.number(),
                    "a roll-up is damaged and left as it is; `tripline store check` names it"
                );
                continue;
            };
            for Update { cut, rolled: new } in updates {
                if let Some((after, until)) = cut {
                    rolled.cut(after, until);
                }
                rolled.unite(&new, level.span());
            }
            rows.push(ChunkRow { start_at, series, points: rolled.stored() });
        }
        backing.put_chunks(level, &rows).await?;
    }
    Ok(())
}

/// What changes of one chunk.
struct Update {
    cut: Option<(i64, i64)>,
    rolled: Rolled,
}

/// The updates that a change means for the chunks of a level, by their starts.
fn updates(level: Level, kind: Kind, change: &Change, since: i64) -> Vec<(i64, Update)> {
    let of = |(times, values): (&[i64], &[f64])| {
        let points: Points = times.iter().copied().zip(values.iter().copied()).collect();
        Rolled::of(kind, &points, level.span())
    };
    match change {
        Change::Known { after, until, points } => {
            if *until <= since {
                return Vec::new();
            }
            // A period of points lies within one of every roll-up.
            let rolled = of(points.within(*after, *until));
            vec![(level.start(*until), Update { cut: Some((*after, *until)), rolled })]
        }
        Change::Added(points) => {
            let starts: BTreeSet<i64> = points
                .times
                .iter()
                .filter(|time| **time > since)
                .map(|time| level.start(*time))
                .collect();
            let update = |start: i64| {
                let within = points.within(start.max(since), start + level.period());
                (start, Update { cut: None, rolled: of(within) })
            };
            starts.into_iter().map(update).collect()
        }
    }
}

/// The bytes of chunks by start and series, those that are there.
pub(super) async fn read(
    backing: &mut dyn Backing,
    level: Level,
    wanted: impl Iterator<Item = &(i64, i64)>,
) -> Result<BTreeMap<(i64, i64), Vec<u8>>, Error> {
    let mut by_start: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (start, series) in wanted {
        by_start.entry(*start).or_default().push(*series);
    }
    // Periods that want the same series are asked for together.
    let mut by_series: BTreeMap<Vec<i64>, Vec<i64>> = BTreeMap::new();
    for (start, series) in by_start {
        by_series.entry(series).or_default().push(start);
    }
    let mut found = BTreeMap::new();
    for (series, starts) in by_series {
        for some in series.chunks(PAIRS) {
            for starts in starts.chunks((PAIRS / some.len()).max(1)) {
                for row in backing.chunks(level, starts, some).await? {
                    found.insert((row.start_at, row.series), row.points);
                }
            }
        }
    }
    Ok(found)
}
