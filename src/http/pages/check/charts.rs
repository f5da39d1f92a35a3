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
use crate::http::pages::{series, wording};
use crate::http::problem::Problem;

/// So many parts of time stand beside each other where each is an average.
const COLUMNS: i32 = 90;

const NAMES: [&str; 3] = [
    "tripline_check_duration_seconds",
    "tripline_check_step_duration_seconds",
    "tripline_check_lateness_seconds",
];

/// What is drawn.
struct Drawn {
    /// By region.
    durations: Vec<Line>,
    /// By step.
    steps: Vec<Line>,
    lateness: Vec<f64>,
}

/// The charts of the time that `filter` says, up to `now`.
pub(super) async fn section(
    api: &Api,
    check: &Check,
    filter: &Filter,
    now: Timestamp,
) -> Result<Markup, Problem> {
    let window = filter.window_of(check, now);
    let span = (now - window.length(), now);
    let regions = slots::read(api, check, filter, span).await?;
    let wanted = series::Wanted { names: &NAMES, checks: &[&check.id], span };
    let found = series::read(api, wanted).await?;
    let mut drawn = Drawn { durations: Vec::new(), steps: Vec::new(), lateness: Vec::new() };
    let of = |place: usize| found.get(place).into_iter().flatten();
    let is_asked = |region: &str| filter.region.as_ref().is_none_or(|it| it.as_str() == region);
    for it in of(0).filter(|it| is_asked(it.labels().value("region"))) {
        let name = it.labels().value("region").to_owned();
        drawn.durations.push(Line { name, points: series::points(it).collect() });
    }
    let mut steps: BTreeMap<&str, Vec<(i64, f64)>> = BTreeMap::new();
    for it in of(1).filter(|it| is_asked(it.labels().value("region"))) {
        steps.entry(it.labels().value("step")).or_default().extend(series::points(it));
    }
    let part = window.length() / COLUMNS;
    let order = slots::steps_in_order(api, &regions).await?;
    let place = |name: &str| order.iter().position(|it| it == name).unwrap_or(usize::MAX);
    let mut steps: Vec<_> = steps.into_iter().collect();
    steps.sort_by_key(|(name, _)| place(name));
    drawn.steps.extend(steps.into_iter().map(|(name, points)| Line {
        name: name.to_owned(),
        points: series::averages(points.into_iter(), part),
    }));
    for it in of(2).filter(|it| is_asked(it.labels().value("region"))) {
        drawn.lateness.extend(series::points(it).map(|(_, value)| value));
    }
    Ok(html! {
        section aria-labelledby="time-title" {
            h2 #time-title { "The last " (window.words()) }
            (window.choice(|window| filter.with_window(check, window)))
            p.quiet { "The axes are in UTC." }
            div #charts data-live {
                (slots::marks(check, &regions, span))
                div.charts { (lines(&drawn, check, span)) }
            }
        }
    })
}

/// How long runs and steps took, and how late runs were; nothing of what there is nothing of.
fn lines(drawn: &Drawn, check: &Check, span: (Timestamp, Timestamp)) -> Markup {
    let part = (span.1 - span.0) / COLUMNS;
    let gap = check.schedule.interval(span.1) * 3;
    let gap = TimeDelta::from_std(gap).unwrap_or(part).max(part * 2).num_milliseconds();
    let durations = Lines {
        frame: frame("How long runs took", span),
        unit: Unit::Seconds,
        lines: drawn.durations.clone(),
        gap,
        threshold: None,
        shades: Vec::new(),
        marks: Vec::new(),
    };
    let steps = Stacked {
        frame: frame("How long steps took", span),
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

fn frame(title: &str, span: (Timestamp, Timestamp)) -> Frame {
    let span = (span.0.timestamp_millis(), span.1.timestamp_millis());
    Frame { title: title.to_owned(), heading: Heading::Spoken, span, zone: Tz::UTC }
}

/// Below what half and 95 % of the runs of each region were.
fn percentiles(durations: &[Line]) -> Markup {
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
                @for line in durations {
                    @let values = sorted(line);
                    tr {
                        th scope="row" { (line.name) }
                        td.number { (values.len()) }
                        @for share in [50, 95, 100] { td.number { (at(&values, share)) } }
                    }
                }
            }
        } }
    }
}

fn sorted(line: &Line) -> Vec<f64> {
    let mut values: Vec<f64> = line.points.iter().map(|(_, value)| *value).collect();
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
