//! Looking at every row: whether it can be read, and belongs to a series that is there.

use super::backing::{Backing, ChunkRow};
use super::head::Head;
use super::levels::Level;
use super::rollup::{Aspect, Rolled};
use super::{Census, chunk, frame};
use crate::store::Error;

/// How many chunks are read at a time.
const AT_ONCE: u32 = 2_000;
/// The most faults that are told one by one.
const TOLD: usize = 20;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    /// How many series there are.
    pub series: u64,
    /// How many points there are, those that are rolled up not counted.
    pub points: u64,
    /// How many rows of chunks there are, of points and of roll-ups.
    pub chunks: u64,
    /// How many rows are not as they should be.
    pub faults: u64,
    /// Some of them in words.
    pub told: Vec<String>,
}

impl Inspected {
    fn tell(&mut self, fault: String) {
        self.faults += 1;
        if self.told.len() < TOLD {
            self.told.push(fault);
        }
    }
}

/// Looks at everything, in a snapshot.
pub(in crate::store) async fn inspect(
    head: &mut Head,
    backing: &mut dyn Backing,
) -> Result<Inspected, Error> {
    let mut inspected = Inspected::default();
    let Some(state) = head.follow(backing).await? else { return Ok(inspected) };
    inspected.series = count(head.index.len());
    let mut after = 0;
    loop {
        let rows = backing.frames(after, 8).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        for row in &rows {
            match frame::unpacked(&row.points) {
                None => inspected.tell(format!("the frame {} cannot be read", row.id)),
                Some(entries) => {
                    let open = entries.iter().map(|(_, points)| {
                        points.times.iter().filter(|time| **time > state.closed).count()
                    });
                    inspected.points += count(open.sum());
                }
            }
        }
    }
    for level in Level::ALL {
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let rows = backing.chunks_after(level, after, AT_ONCE).await?;
            let Some(last) = rows.last() else { break };
            after = (last.start_at, last.series);
            for row in &rows {
                look_at(level, row, head, state.closed, &mut inspected);
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(inspected)
}

fn look_at(level: Level, row: &ChunkRow, head: &Head, closed: i64, inspected: &mut Inspected) {
    let ChunkRow { start_at, series, points } = row;
    // What is being written for the next time to be closed is not part of anything yet.
    if level == Level::Points && *start_at >= closed {
        return;
    }
    inspected.chunks += 1;
    let times = match level {
        Level::Points => chunk::unpacked(points).map(|points| points.times),
        Level::Short | Level::Long => Rolled::read(points)
            .map(|rolled| rolled.seen(Aspect::default(), level.span(), level.span()).times),
    };
    let name = format!("the chunk of series {series} at {start_at} of level {}", level.number());
    let Some(times) = times else { return inspected.tell(format!("{name} cannot be read")) };
    if level == Level::Points {
        inspected.points += count(times.len());
    }
    let strayed = times.iter().find(|time| level.start(**time) != *start_at);
    if let Some(time) = strayed {
        inspected.tell(format!("{name} has a point of another time, {time}"));
    }
    if head.index.place(*series).is_none() {
        inspected.tell(format!("{name} is of a series that is not there"));
    }
}

/// How much there is, as a head knows it.
pub(in crate::store) fn census(head: &Head) -> Census {
    let (series, active) = (count(head.index.len()), count(head.active()));
    Census { series, active, unreadable: head.unreadable() }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
