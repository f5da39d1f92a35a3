//! A chart of what a rule saw, and a band of how it stood.

use std::fmt::Write as _;

use textplots::{Chart, LabelBuilder as _, LabelFormat, Plot as _, Shape};

use crate::cli::look::{Glyphs, Look};
use crate::domain::rule::state::Standing;
use crate::engine::rules::replay::{Moment, Replayed};

/// Columns beside the chart for its figures.
const MARGIN: usize = 14;
const NARROWEST: usize = 20;
const WIDEST: usize = 100;
const HEIGHT: u32 = 40;

/// Draws what was replayed, in at most the columns that there are.
pub(super) fn drawn(replayed: &Replayed, look: &Look) -> String {
    let (Some(first), Some(last)) = (replayed.moments.first(), replayed.moments.last()) else {
        return String::new();
    };
    let columns = look.width.saturating_sub(MARGIN).clamp(NARROWEST, WIDEST);
    let mut text = String::new();
    if look.glyphs == Glyphs::Unicode {
        text += &plotted(replayed, columns);
    }
    let _ = writeln!(text, "{}", band(&replayed.moments, columns));
    let (from, until) =
        (first.at.format("%m-%d %H:%M").to_string(), last.at.format("%m-%d %H:%M").to_string());
    let gap = columns.saturating_sub(from.len() + until.len());
    let _ = writeln!(text, "{from}{}{until} UTC", " ".repeat(gap.max(1)));
    text += "# breached  + pending  . ok  ? no data, no history or no value\n\n";
    text
}

/// One character for each part of the time, the worst of it.
fn band(moments: &[Moment], columns: usize) -> String {
    let sign = |standing: Standing| match standing {
        Standing::Breached => (3, '#'),
        Standing::NoData | Standing::NoHistory | Standing::Failing | Standing::New => (2, '?'),
        Standing::Pending => (1, '+'),
        Standing::Ok => (0, '.'),
    };
    let columns = columns.min(moments.len());
    let part = |column: usize| {
        let (start, end) =
            (column * moments.len() / columns, (column + 1) * moments.len() / columns);
        let worst = moments[start..end].iter().map(|it| sign(it.standing)).max();
        worst.map_or(' ', |(_, sign)| sign)
    };
    (0..columns).map(part).collect()
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a drawing")]
fn plotted(replayed: &Replayed, columns: usize) -> String {
    let start = replayed.moments[0].at;
    let hours = |it: &Moment| (it.at - start).num_seconds() as f32 / 3600.0;
    let line = |value: fn(&Moment) -> Option<f64>| -> Vec<(f32, f32)> {
        let finite = |it: &Moment| value(it).filter(|it| it.is_finite()).map(|value| value as f32);
        replayed.moments.iter().filter_map(|it| Some((hours(it), finite(it)?))).collect()
    };
    let (values, usual) = (line(|it| it.value), line(|it| it.usual));
    let end = replayed.moments.last().map_or(0.0, hours);
    if values.len() < 2 || end <= 0.0 {
        return String::new();
    }
    let bound = replayed.bound.map(|it| it as f32);
    let bound: Vec<(f32, f32)> = bound.map(|it| vec![(0.0, it), (end, it)]).unwrap_or_default();
    let shapes = [Shape::Lines(&values), Shape::Lines(&usual), Shape::Lines(&bound)];
    let width = u32::try_from(columns * 2).unwrap_or(64).max(32);
    let mut chart = Chart::new(width, HEIGHT, 0.0, end);
    let chart = chart.x_label_format(LabelFormat::Custom(Box::new(|_| String::new())));
    let chart = shapes.iter().fold(chart, |chart, shape| chart.lineplot(shape));
    chart.axis();
    chart.figures();
    let drawn = chart.to_string();
    let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    let lines = lines.join("\n");
    format!("{}\n", lines.trim_end())
}
