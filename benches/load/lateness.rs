//! How late requests come, told from the target's log and the schedules alone.

use std::time::Duration;

use anyhow::{Context, Result};
use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, Region};
use tripline::domain::schedule::{Interval, Schedule};

use crate::project::REGION;
use crate::statistics::Sample;
use crate::target::Seen;

/// The slots of a check that runs at an interval.
#[derive(Debug)]
pub(crate) struct Slots {
    schedule: Schedule,
    check: CheckId,
    region: Region,
    every: i64,
}

impl Slots {
    /// The slots of the check `name` in the daemon's region.
    pub(crate) fn new(name: &str, every: Duration) -> Result<Self> {
        Self::in_region(REGION, name, every)
    }

    fn in_region(region: &str, name: &str, every: Duration) -> Result<Self> {
        Ok(Self {
            schedule: Schedule::Every(Interval::new(every)?),
            check: CheckId::new(name)?,
            region: Region::new(region)?,
            every: i64::try_from(every.as_micros())?,
        })
    }

    /// The first slot after `after`.
    pub(crate) fn next(&self, after: Timestamp) -> Result<Timestamp> {
        let next = self.schedule.next_after(after, &self.check, &self.region);
        next.context("an interval has no last slot")
    }

    /// How many milliseconds after its slot something came, to the nearest slot.
    pub(crate) fn late_ms(&self, came: i64) -> Result<f64> {
        let half = self.every / 2;
        let before = Timestamp::from_timestamp_micros(came - half).context("a time in range")?;
        let late = came - self.next(before)?.timestamp_micros();
        Ok(f64::from(i32::try_from(late)?) / 1e3)
    }
}

/// What came of one kind of check over some time.
#[derive(Debug)]
pub(crate) struct Lateness {
    /// All.
    pub(crate) all: Sample,
    /// How much the median grew from the first third of the time to the last.
    pub(crate) drift_ms: f64,
}

/// The lateness of the requests whose path is `/NAME`, with a name that `is_meant`, in the daemon's
/// region.
pub(crate) fn lateness(
    seen: &[Seen],
    every: Duration,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Lateness> {
    lateness_in(REGION, seen, every, is_meant)
}

/// The same in another region.
pub(crate) fn lateness_in(
    region: &str,
    seen: &[Seen],
    every: Duration,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Lateness> {
    let mut late = Vec::new();
    for request in seen {
        let name = request.path.trim_start_matches('/');
        if is_meant(name) {
            late.push((
                request.came,
                Slots::in_region(region, name, every)?.late_ms(request.came)?,
            ));
        }
    }
    late.sort_by_key(|(came, _)| *came);
    let third = late.len() / 3;
    let median = |part: &[(i64, f64)]| part.iter().map(|(_, ms)| *ms).collect::<Sample>().median();
    let drift_ms = median(&late[late.len() - third..]) - median(&late[..third]);
    Ok(Lateness { all: late.iter().map(|(_, ms)| *ms).collect(), drift_ms })
}

impl Lateness {
    /// The figures in words.
    pub(crate) fn spread(&self) -> String {
        format!("{}  drift {:+.2} ms", self.all.spread(), self.drift_ms)
    }
}
