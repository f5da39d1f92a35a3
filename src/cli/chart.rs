//! Values over time, drawn with letters and dots.
//!
//! A single series is a line; of several, each is drawn with a letter of its own, so that nobody
//! needs colours to tell them apart. Below stand the names with their values. Nothing here asks or
//! prints.

use std::fmt::Write as _;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::{Alignment, Rect};
use ratatui_core::symbols::Marker;
use ratatui_core::widgets::Widget as _;
use ratatui_widgets::chart::{Axis, Chart, Dataset, GraphType};

use unicode_width::UnicodeWidthStr as _;

use super::look::{Glyphs, Look, Paint, Zone, clean};
use crate::chart::{Tick, Unit, scale, times};
use crate::domain::rule::words::significant;
use crate::query;

/// How many rows a chart has, axis included.
const HEIGHT: u16 = 16;

/// The most columns: wider charts say no more.
const WIDEST: usize = 120;

/// Letters for several series; what comes after them is named and not drawn.
const LETTERS: [char; 8] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/// Values over time under a name.
pub(super) struct Curve {
    pub(super) name: String,
    /// Milliseconds since 1970 and the value then; ascending.
    pub(super) points: Vec<(i64, f64)>,
}

/// What a chart is of.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    /// From when until when, in milliseconds since 1970.
    pub(super) span: (i64, i64),
    /// How far apart points are, in milliseconds; what is farther apart is a gap.
    pub(super) step: i64,
    /// A row below, of so many characters.
    pub(super) band: Option<&'a dyn Fn(usize) -> String>,
}

/// Draws `lines`.
pub(super) fn drawn(lines: &[Curve], frame: Frame<'_>, look: &Look) -> String {
    let Frame { span: (start, end), step, band } = frame;
    let runs: Vec<Vec<Vec<(f64, f64)>>> = lines.iter().map(|line| runs(line, step)).collect();
    let values = || runs.iter().flatten().flatten().map(|(_, value)| *value);
    let bounds = values().fold(None, |bounds: Option<(f64, f64)>, value| {
        Some(bounds.map_or((value, value), |(least, most)| (least.min(value), most.max(value))))
    });
    let Some(bounds) = bounds else { return "No value in this time.\n".to_owned() };
    let scale = scale(bounds, Unit::Number, 5);
    let many = lines.len() > 1;
    let mut sets = Vec::new();
    for (at, runs) in runs.iter().enumerate().take(LETTERS.len()) {
        let marker = match (many, look.glyphs) {
            (true, _) => Marker::Custom(LETTERS[at]),
            (false, Glyphs::Unicode) => Marker::Braille,
            (false, Glyphs::Ascii) => Marker::Custom('*'),
        };
        let set = |run| Dataset::default().marker(marker).graph_type(GraphType::Line).data(run);
        sets.extend(runs.iter().map(|run| set(run.as_slice())));
    }
    let y = Axis::default().bounds([scale.bottom(), scale.top()]).labels(scale.labels);
    let y = y.labels_alignment(Alignment::Right);
    let x = Axis::default().bounds([seconds(start), seconds(end)]);
    // Without labels it would have no axis; ours stand where clocks are round, not evenly.
    let x = x.labels(["", ""]);
    let width = u16::try_from(look.width.clamp(40, WIDEST)).unwrap_or(u16::MAX);
    let area = Rect::new(0, 0, width, HEIGHT);
    let mut buffer = Buffer::empty(area);
    Chart::new(sets).x_axis(x).y_axis(y).legend_position(None).render(area, &mut buffer);
    let mut text = String::new();
    let is_axis = |column: &u16| buffer[(*column, 0)].symbol() == "│";
    let margin = (0..width).find(is_axis).map_or(0, |column| column + 1);
    let (below, columns) = axis_below(frame, look.zone, margin.into(), width.into());
    for column in columns {
        buffer[(u16::try_from(column).unwrap_or(margin), HEIGHT - 2)].set_symbol("┬");
    }
    for row in 0..HEIGHT {
        let shown: String = match row + 1 {
            HEIGHT => below.clone(),
            _ => (0..width).map(|column| buffer[(column, row)].symbol()).collect(),
        };
        text += shown.trim_end();
        text.push('\n');
        // Between the axis and its times.
        if let Some(band) = band.filter(|_| row + 2 == HEIGHT) {
            let _ =
                writeln!(text, "{}{}", " ".repeat(margin.into()), band((width - margin).into()));
        }
    }
    if look.glyphs == Glyphs::Ascii {
        text = text.replace('│', "|").replace('─', "-").replace(['└', '┬'], "+");
    }
    text + &legend(lines, look)
}

/// The names with their letters and values.
fn legend(lines: &[Curve], look: &Look) -> String {
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let sign = match LETTERS.get(at) {
            Some(letter) if lines.len() > 1 => letter.to_string(),
            _ => " ".to_owned(),
        };
        let finite = || line.points.iter().map(|(_, value)| *value).filter(|it| it.is_finite());
        let least = finite().fold(f64::INFINITY, f64::min);
        let most = finite().fold(f64::NEG_INFINITY, f64::max);
        let present = line.points.last().map_or(f64::NAN, |(_, value)| *value);
        let (present, least, most) = (number(present), number(least), number(most));
        let values = format!("last {present}, from {least} to {most}");
        let name = clean(&line.name);
        let _ = writeln!(text, "{sign} {name}  {}", look.paint(Paint::Faint, &values));
    }
    if lines.len() > LETTERS.len() {
        let note = format!("only the first {} are drawn", LETTERS.len());
        let _ = writeln!(text, "{}", look.paint(Paint::Faint, &note));
    }
    text
}

/// The finite points, cut where some are missing: nothing is drawn over a gap.
fn runs(line: &Curve, step: i64) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut last = None;
    for (time, value) in line.points.iter().filter(|(_, value)| value.is_finite()) {
        let follows = last.is_some_and(|last| time - last <= step);
        last = Some(*time);
        match runs.last_mut().filter(|_| follows) {
            Some(run) => run.push((seconds(*time), *value)),
            None => runs.push(vec![(seconds(*time), *value)]),
        }
    }
    runs
}

#[expect(clippy::cast_precision_loss, reason = "times of a calendar are exact")]
fn seconds(time: i64) -> f64 {
    time as f64 / 1000.0
}

/// A number as short as it can be told: four digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || size == 0.0 {
        return query::number(value);
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    significant(value, 4)
}

/// The row below the axis, and the columns in which its times stand.
fn axis_below(frame: Frame<'_>, zone: Zone, margin: usize, width: usize) -> (String, Vec<usize>) {
    /// A time and the room around it.
    const ROOM: usize = 14;
    let (start, end) = frame.span;
    let most = width.saturating_sub(margin) / ROOM;
    let ticks = match zone {
        Zone::Utc => times(frame.span, &chrono::Utc, most),
        Zone::Local => times(frame.span, &chrono::Local, most),
    };
    let (mut row, mut columns) = (String::new(), Vec::new());
    let last = width.saturating_sub(margin + 1);
    for Tick { at, label, .. } in ticks {
        let column = margin + share(at - start, end - start, last);
        let begin = column.saturating_sub(label.width() / 2).min(width - label.width());
        if begin >= row.width() + usize::from(!row.is_empty()) {
            row += &" ".repeat(begin - row.width());
            row += &label;
            columns.push(column);
        }
    }
    (row, columns)
}

/// As much of `all` columns as `part` is of `whole`.
fn share(part: i64, whole: i64, all: usize) -> usize {
    let all = i128::try_from(all).unwrap_or(i128::MAX);
    let share = i128::from(part) * all / i128::from(whole.max(1));
    usize::try_from(share).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: i64 = 1_795_234_380_000;

    const HOUR: Frame<'_> = Frame { span: (BEGIN, BEGIN + 3_600_000), step: 60_000, band: None };

    fn line(name: &str, value: impl Fn(i64) -> Option<f64>) -> Curve {
        let points = (0..=60).filter_map(|at| Some((BEGIN + at * 60_000, value(at)?)));
        Curve { name: name.to_owned(), points: points.collect() }
    }

    #[expect(clippy::cast_precision_loss, reason = "small")]
    fn wave(at: i64) -> f64 {
        60.0 + 40.0 * (at as f64 / 8.0).sin()
    }

    #[test]
    fn a_line_has_gaps_where_nothing_is_known() {
        let gap = line("{region=\"eu\"}", |at| (!(20..30).contains(&at)).then(|| wave(at)));
        let band = |columns: usize| "#".repeat(columns);
        let frame = Frame { band: Some(&band), ..HOUR };
        insta::assert_snapshot!(drawn(&[gap], frame, &Look::plain(80)));
    }

    #[test]
    fn several_are_told_apart_without_colours() {
        let lines = [line("eu", |at| Some(wave(at))), line("us", |_| Some(10.5))];
        let look = Look { glyphs: Glyphs::Ascii, ..Look::plain(80) };
        insta::assert_snapshot!(drawn(&lines, HOUR, &look));
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 0.5, 1234.0, 0.012_345, 1e9, f64::INFINITY, -41.0].map(number);
        assert_eq!(shown, ["0", "0.5", "1234", "0.01235", "1.00e9", "+Inf", "-41"]);
        let none = drawn(&[], HOUR, &Look::plain(80));
        assert_eq!(none, "No value in this time.\n");
    }
}
