//! `[metrics]`: how finely points of metrics are kept, for how long, and of how many series.

use std::time::Duration;

use crate::config::duration;
use crate::config::reader::{Field, Report, Table};

/// How points of metrics are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// A series has one point in each part of time that is as long; a part of an hour.
    pub resolution: Duration,
    /// How long after the end of an hour its points are waited for.
    pub late: Duration,
    /// How long points are kept as they came.
    pub keep: Duration,
    /// How long roll-ups of five minutes are kept, no shorter than the points.
    pub keep_5m: Duration,
    /// How long roll-ups of an hour are kept, no shorter than those of five minutes.
    pub keep_1h: Duration,
    /// How many series are kept.
    pub max_series: u32,
}

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// How long anything may be kept.
const LONGEST: Duration = Duration::from_hours(24 * 3650);

impl Default for Metrics {
    fn default() -> Self {
        Self {
            resolution: Duration::from_secs(1),
            late: Duration::from_mins(5),
            keep: DAY * 15,
            keep_5m: DAY * 90,
            keep_1h: DAY * 400,
            max_series: 200_000,
        }
    }
}

impl Metrics {
    /// How many series are kept, and so how many an expression may be about.
    pub fn most_series(&self) -> usize {
        usize::try_from(self.max_series).unwrap_or(usize::MAX)
    }

    pub(super) fn read(section: Option<Table<'_>>, report: &mut Report) -> Self {
        let default = Self::default();
        let Some(mut table) = section else { return default };
        let mut between = |name, range, report: &mut Report| {
            let field = table.optional(name);
            let read = field.as_ref().and_then(|it| it.duration(range, report));
            field.zip(read)
        };
        let resolution = between("resolution", Duration::from_millis(1)..=HOUR, report);
        let late = between("late", Duration::ZERO..=DAY, report);
        let keep = between("keep", HOUR..=LONGEST, report);
        let rolled_short = between("keep_5m", HOUR..=LONGEST, report);
        let rolled_long = between("keep_1h", HOUR..=LONGEST, report);
        let max_series = table.optional("max_series");
        let max_series = max_series.and_then(|it| it.integer(1..=10_000_000, report));
        table.finish(report, |key| match key {
            "retention" => {
                Some("points are kept for `keep`, roll-ups for `keep_5m` and `keep_1h`".into())
            }
            "interval" => Some("how finely points are kept is the `resolution`".into()),
            _ => None,
        });
        if let Some((field, value)) = &resolution {
            refuse_ragged(field, *value, report);
        }
        // What is not written follows what is.
        let points = keep.as_ref().map_or(default.keep, |it| it.1);
        let short = rolled_short.as_ref().map_or(default.keep_5m.max(points), |it| it.1);
        let long = rolled_long.as_ref().map_or(default.keep_1h.max(short), |it| it.1);
        refuse_shorter(rolled_short.as_ref(), points, "the points themselves, `keep`", report);
        refuse_shorter(rolled_long.as_ref(), short, "those of five minutes, `keep_5m`", report);
        Self {
            resolution: resolution.map_or(default.resolution, |it| it.1),
            late: late.map_or(default.late, |it| it.1),
            keep: points,
            keep_5m: short,
            keep_1h: long,
            max_series: max_series.unwrap_or(default.max_series),
        }
    }
}

/// Parts of time begin with each hour.
fn refuse_ragged(field: &Field<'_>, resolution: Duration, report: &mut Report) {
    let (hour, part) = (HOUR.as_millis(), resolution.as_millis().max(1));
    if !hour.is_multiple_of(part) {
        let near = (1..=part).rev().find(|shorter| hour.is_multiple_of(*shorter)).unwrap_or(1);
        let near = Duration::from_millis(u64::try_from(near).unwrap_or(1));
        let message = format!("an hour is no multiple of {}", duration::format(resolution));
        report
            .error(&field.span, message)
            .advise(format!("write `resolution = \"{}\"`", duration::format(near)));
    }
}

/// A roll-up takes the place of what is finer when that is forgotten.
fn refuse_shorter(
    kept: Option<&(Field<'_>, Duration)>,
    finer: Duration,
    of: &str,
    report: &mut Report,
) {
    if let Some((field, kept)) = kept
        && *kept < finer
    {
        let message = "roll-ups cannot be kept for a shorter time than what they take the place of";
        let finer = duration::format(finer);
        report
            .error(&field.span, message)
            .advise(format!("raise it, or lower that of {of} ({finer})"));
    }
}
