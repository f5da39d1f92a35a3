//! The part of a chart where values stand over time: its axes, and where in it something is.

use chrono::{DateTime, TimeZone as _};
use chrono_tz::Tz;

use super::canvas::{Canvas, Hold, Pen, Place, width};
use super::number::{count, whole};
use super::palette::{AXIS, FAINT, GRID, TEXT};
use super::points::part;
use super::ticks::times;
use super::unit::Scale;
use super::{Frame, Millis};

/// Below the plot: the labels of times.
const BELOW: f64 = 24.0;

/// How wide the label of a time is, with the room around it.
const LABEL: f64 = 62.0;

/// Where values stand.
pub(super) struct Plot {
    pub(super) place: Place,
    pub(super) span: (Millis, Millis),
    pub(super) scale: Scale,
}

impl Plot {
    /// A plot `height` high below what is drawn already.
    pub(super) fn new(canvas: &Canvas, frame: &Frame, scale: Scale, height: f64) -> Self {
        let widest = scale.labels.iter().map(|label| width(label)).fold(0.0, f64::max);
        let left = (widest + 14.0).clamp(26.0, canvas.width / 3.0);
        let place = Place(left, canvas.bottom + 8.0, canvas.width - left - 12.0, height);
        Self { place, span: ordered(frame.span), scale }
    }

    pub(super) fn x(&self, time: Millis) -> f64 {
        self.place.0 + part(time, self.span) * self.place.2
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.place.1 + (1.0 - self.scale.part(value)) * self.place.3
    }

    pub(super) fn bottom(&self) -> f64 {
        self.place.1 + self.place.3
    }

    /// Draws lines behind the values, and what is beside and below them.
    pub(super) fn axes(&self, canvas: &mut Canvas, zone: Tz) {
        let Place(left, _, wide, _) = self.place;
        let mut grid = Pen::default();
        for (tick, label) in self.scale.ticks.iter().zip(&self.scale.labels) {
            let y = self.y(*tick);
            grid.to(left, y.round() + 0.5).line(left + wide, y.round() + 0.5);
            canvas.text(FAINT, (left - 6.0, y + 4.0), Hold::End, label);
        }
        canvas.path(GRID, &grid, "");
        time_axis(canvas, zone, self.span, self.place);
    }

    /// How high the whole drawing is.
    pub(super) fn height(&self) -> f64 {
        self.bottom() + BELOW
    }
}

/// The span from its begin to its end, never empty, and within what calendars hold.
pub(super) fn ordered((one, other): (Millis, Millis)) -> (Millis, Millis) {
    const FARTHEST: Millis = 8_000_000_000_000_000;
    let [one, other] = [one, other].map(|time| time.clamp(-FARTHEST, FARTHEST));
    let (from, until) = (one.min(other), one.max(other));
    if from == until { (from, until + 1) } else { (from, until) }
}

/// The line below `place` with its times.
pub(super) fn time_axis(canvas: &mut Canvas, zone: Tz, span: (Millis, Millis), place: Place) {
    let Place(left, top, wide, high) = place;
    let bottom = (top + high).round() + 0.5;
    let mut axis = Pen::default();
    axis.to(left, bottom).line(left + wide, bottom);
    let mut free = 0.0;
    for tick in times(span, &zone, whole(wide / LABEL).max(2)) {
        let x = left + part(tick.at, span) * wide;
        axis.to(x.round() + 0.5, bottom).line(x.round() + 0.5, bottom + 4.0);
        let half = width(&tick.label) / 2.0;
        let middle = x.clamp(half.min(canvas.width / 2.0), (canvas.width - half).max(half));
        if middle - half >= free {
            let ink = if tick.begins_day { TEXT } else { FAINT };
            canvas.text(ink, (middle, bottom + 17.0), Hold::Middle, &tick.label);
            free = middle + half + 6.0;
        }
    }
    canvas.path(AXIS, &axis, "");
}

/// From when until when in words, with the zone.
pub(super) fn told_span((from, until): (Millis, Millis), zone: Tz) -> String {
    let time = |at: Millis| zone.timestamp_millis_opt(at).single();
    let (Some(begin), Some(end)) = (time(from), time(until)) else { return String::new() };
    let full = |time: DateTime<Tz>| time.format("%b %-d, %H:%M").to_string();
    let is_same_day = begin.date_naive() == end.date_naive();
    let end = if is_same_day { end.format("%H:%M").to_string() } else { full(end) };
    format!("{} to {end} ({})", full(begin), named(zone))
}

/// The day of the span where no tick tells it, and the zone: what stands above a plot.
pub(super) fn zone_note((from, until): (Millis, Millis), zone: Tz) -> String {
    let day = |at: Millis| zone.timestamp_millis_opt(at).single().map(|at| at.date_naive());
    match (day(from), day(until)) {
        (Some(first), Some(last)) if first == last => {
            format!("{}, {}", first.format("%b %-d"), named(zone))
        }
        _ => named(zone),
    }
}

fn named(zone: Tz) -> String {
    zone.name().replace('_', " ")
}

/// So many columns of at least `least` units fit.
pub(super) fn column_width(wide: f64, least: f64) -> f64 {
    wide / count(whole(wide / least).max(1))
}
