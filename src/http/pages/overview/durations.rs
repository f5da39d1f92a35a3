//! How long the runs of checks took in the last hour: the line in each row.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use maud::{Markup, PreEscaped, html};

use crate::chart::{Sparkline, Unit};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::http::Api;
use crate::http::pages::series;
use crate::http::problem::Problem;

/// How far back is looked.
const SPAN: TimeDelta = TimeDelta::hours(1);

/// Less is not drawn.
const SHORTEST: TimeDelta = TimeDelta::minutes(2);

/// A row has room for about so many values; each is an average.
const VALUES: i32 = 48;

const NAMES: [&str; 2] = ["tripline_check_duration_seconds", "tripline_check_up"];

/// What is drawn of one check.
#[derive(Debug, Clone)]
pub(super) struct Durations {
    /// The averages of all regions, in seconds.
    points: Vec<(i64, f64)>,
    /// When runs failed.
    failures: Vec<i64>,
    /// Where the line begins, as all lines of a page do: an hour ago, or when the first of these checks
    /// began to be watched.
    begin: Timestamp,
}

/// Those of `checks` up to `now`, by their ids.
pub(super) async fn of(
    api: &Api,
    checks: &[&Check],
    now: Timestamp,
) -> Result<BTreeMap<String, Durations>, Problem> {
    let wanted = series::Wanted { names: &NAMES, checks, each: 2, span: (now - SPAN, now) };
    let mut points: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    let mut failures: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let extent = series::each(api, wanted, |place, it| {
        let check = it.labels().value("check").to_owned();
        if place == 0 {
            points.entry(check).or_default().extend(series::of(it));
        } else {
            let failed = series::of(it).filter(|(_, up)| *up == 0.0).map(|(at, _)| at);
            failures.entry(check).or_default().extend(failed);
        }
    });
    // What could not be read is a dash in its row.
    let _: series::Extent = extent.await?;
    let first = points.values().flatten().map(|(at, _)| *at).min();
    let first = first.and_then(Timestamp::from_timestamp_millis).unwrap_or(now);
    let begin = first.min(now - SHORTEST).max(now - SPAN);
    let part = (now - begin) / VALUES;
    let fresh = |points| Durations { points, failures: Vec::new(), begin };
    let average = |(check, points): (String, Vec<(i64, f64)>)| {
        let mut averages = series::Averages::over(part);
        averages.add(points.into_iter());
        (check, fresh(averages.points()))
    };
    let mut durations: BTreeMap<String, Durations> = points.into_iter().map(average).collect();
    for (check, mut failures) in failures {
        failures.sort_unstable();
        durations.entry(check).or_insert_with(|| fresh(Vec::new())).failures = failures;
    }
    Ok(durations)
}

/// The line of `check`.
pub(super) fn line(check: &Check, durations: Option<&Durations>, now: Timestamp) -> Markup {
    let Some(durations) = durations.filter(|it| !it.points.is_empty()) else {
        return html! { "–" };
    };
    let every = TimeDelta::from_std(check.schedule.interval(now) * 3).unwrap_or(SPAN);
    let part = (now - durations.begin) / VALUES;
    let line = Sparkline {
        title: "Duration",
        unit: Unit::Seconds,
        span: (durations.begin.timestamp_millis(), now.timestamp_millis()),
        gap: every.max(part * 2).num_milliseconds(),
        points: &durations.points,
        failures: &durations.failures,
    };
    html! { (PreEscaped(line.svg())) }
}
