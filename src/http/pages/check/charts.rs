//! What became of the slots of a check over some time, drawn: a mark for each slot, how long runs and
//! their steps took, and how late they started.

mod slots;
mod window;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use chrono_tz::Tz;
use maud::{Markup, PreEscaped, html};

pub(super) use self::window::Window;
use super::history::Filter;
use crate::chart::{Distribution, Frame, Heading, Line, Lines, Stacked, Unit, fluid};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::http::Api;
use crate::http::pages::series::{Averages, Extent, Extremes};
use crate::http::pages::{layout, series, wording};
use crate::http::problem::Problem;

/// So many parts of time stand beside each other where each is an average.
const COLUMNS: i32 = 90;

const NAMES: [&str; 3] = [
    "tripline_check_duration_seconds",
    "tripline_check_step_duration_seconds",
    "tripline_check_lateness_seconds",
];

/// Of a line as many points are drawn as there are parts of this many, and twice that.
const PARTS: i32 = 1_440;

/// So many steps a check has, about.
const STEPS: u64 = 6;

/// The time that is drawn, and the zone of whoever looks.
#[derive(Debug, Clone, Copy)]
struct Axis {
    span: (Timestamp, Timestamp),
    zone: Tz,
}

/// How long runs took in a region.
struct Took {
    region: String,
    drawn: Extremes,
    /// Each of them.
    values: Vec<f64>,
}

/// What is drawn.
struct Drawn {
    axis: Axis,
    /// By region, in the order of the check's.
    durations: Vec<Took>,
    /// By step.
    steps: Vec<Line>,
    lateness: Vec<f64>,
    extent: Extent,
}

/// The charts of the time that `filter` says, up to now.
pub(super) async fn section(
    api: &Api,
    check: &Check,
    filter: &Filter,
    page: &layout::Frame,
) -> Result<Markup, Problem> {
    let window = filter.window_of(check, page.now);
    let axis = Axis { span: (page.now - window.length(), page.now), zone: page.zone };
    let regions = slots::read(api, check, filter, axis.span).await?;
    let order = slots::steps_in_order(api, &regions).await?;
    let drawn = read(api, check, filter, (axis, &order)).await?;
    Ok(html! {
        section aria-labelledby="time-title" {
            h2 #time-title { "The last " (window.words()) }
            (window.choice(|window| filter.with_window(check, window)))
            div #charts data-live {
                p.quiet { "The axes are in " (axis.zone.name().replace('_', " ")) "." }
                (slots::marks(check, &regions, axis, page.now))
                @if drawn.extent == Extent::TooMuch {
                    p.quiet {
                        "There are too many values to draw durations, steps and lateness of so long a time; "
                        "choose a shorter one."
                    }
                } @else {
                    div.charts { (lines(&drawn, check)) }
                }
            }
        }
    })
}

async fn read(
    api: &Api,
    check: &Check,
    filter: &Filter,
    (axis, order): (Axis, &[String]),
) -> Result<Drawn, Problem> {
    let length = axis.span.1 - axis.span.0;
    let mut durations: BTreeMap<String, Took> = BTreeMap::new();
    let mut steps: BTreeMap<String, Averages> = BTreeMap::new();
    let mut lateness = Vec::new();
    let checks = [check];
    let wanted =
        series::Wanted { names: &NAMES, checks: &checks, each: 2 + STEPS, span: axis.span };
    let extent = series::each(api, wanted, |place, it| {
        let region = it.labels().value("region");
        if filter.region.as_ref().is_some_and(|asked| asked.as_str() != region) {
            return;
        }
        match place {
            0 => {
                let took = durations.entry(region.to_owned()).or_insert_with(|| Took {
                    region: region.to_owned(),
                    drawn: Extremes::over(length / PARTS),
                    values: Vec::new(),
                });
                series::of(it).for_each(|point| took.add(point));
            }
            1 => {
                let step = it.labels().value("step").to_owned();
                let fresh = || Averages::over(length / COLUMNS);
                steps.entry(step).or_insert_with(fresh).add(series::of(it));
            }
            _ => lateness.extend(series::of(it).map(|(_, value)| value)),
        }
    });
    let extent = extent.await?;
    let place = |name: &str| check.regions.iter().position(|it| it.as_str() == name);
    let mut durations: Vec<Took> = durations.into_values().collect();
    durations.sort_by_key(|it| place(&it.region).unwrap_or(usize::MAX));
    let place = |name: &str| order.iter().position(|it| it == name);
    let mut steps: Vec<Line> =
        steps.into_iter().map(|(name, it)| Line { name, points: it.points() }).collect();
    steps.sort_by_key(|it| place(&it.name).unwrap_or(usize::MAX));
    Ok(Drawn { axis, durations, steps, lateness, extent })
}

impl Took {
    fn add(&mut self, point: (i64, f64)) {
        self.drawn.add(point);
        self.values.push(point.1);
    }

    fn line(&self) -> Line {
        Line { name: self.region.clone(), points: self.drawn.points() }
    }
}

/// How long runs and steps took, and how late runs were; nothing of what there is nothing of.
fn lines(drawn: &Drawn, check: &Check) -> Markup {
    let Axis { span, .. } = drawn.axis;
    let part = (span.1 - span.0) / COLUMNS;
    let gap = check.schedule.interval(span.1) * 3;
    let gap = TimeDelta::from_std(gap).unwrap_or(part).max(part * 2).num_milliseconds();
    let durations = Lines {
        frame: frame("How long runs took", drawn.axis),
        unit: Unit::Seconds,
        lines: drawn.durations.iter().map(Took::line).collect(),
        gap,
        threshold: None,
        shades: Vec::new(),
        marks: Vec::new(),
    };
    let steps = Stacked {
        frame: frame("How long steps took", drawn.axis),
        unit: Unit::Seconds,
        layers: drawn.steps.clone(),
        every: part.num_milliseconds(),
    };
    let lateness = Distribution {
        title: "How late runs started".to_owned(),
        heading: Heading::Spoken,
        unit: Unit::Seconds,
        values: drawn.lateness.clone(),
    };
    html! {
        @if !drawn.durations.is_empty() {
            div.chart-of {
                h3 { "Duration by region" }
                (PreEscaped(fluid(|width| durations.svg(width))))
                (percentiles(&drawn.durations))
            }
        }
        @if !drawn.steps.is_empty() {
            div.chart-of {
                h3 { "Steps" }
                (PreEscaped(fluid(|width| steps.svg(width))))
            }
        }
        @if !drawn.lateness.is_empty() {
            div.chart-of {
                h3 { "Lateness" }
                (PreEscaped(fluid(|width| lateness.svg(width))))
            }
        }
    }
}

fn frame(title: &str, Axis { span, zone }: Axis) -> Frame {
    let span = (span.0.timestamp_millis(), span.1.timestamp_millis());
    Frame { title: title.to_owned(), heading: Heading::Spoken, span, zone }
}

/// Below what half and 95 % of the runs of each region were.
fn percentiles(durations: &[Took]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Table of durations" { table.list.percentiles {
            caption.unseen { "How long runs took, by region" }
            thead {
                tr {
                    th scope="col" { "Region" }
                    th.number scope="col" { "Runs" }
                    th.number scope="col" { "p50" }
                    th.number scope="col" { "p95" }
                    th.number scope="col" { "Longest" }
                }
            }
            tbody {
                @for took in durations {
                    @let values = sorted(&took.values);
                    tr {
                        th scope="row" { (took.region) }
                        td.number { (values.len()) }
                        @for share in [50, 95, 100] { td.number { (at(&values, share)) } }
                    }
                }
            }
        } }
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// The value that `percent` of all do not exceed (nearest rank).
fn at(values: &[f64], percent: usize) -> String {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    let value = values.get(rank - 1).copied().unwrap_or_default();
    wording::length(std::time::Duration::try_from_secs_f64(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!([50, 95, 100].map(|it| at(&values, it)), ["10.0 s", "19.0 s", "20.0 s"]);
        assert_eq!(at(&[0.5], 50), "500 ms");
        assert_eq!(at(&[], 50), "0 ms");
    }
}
