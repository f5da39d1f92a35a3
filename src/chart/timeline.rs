//! Who is on duty when: a row for each person, and one for the times when nobody is.

use std::fmt::Write as _;

use super::canvas::{Canvas, Hold, Pen, Place, Say, fitting, width};
use super::number::{count, thousands};
use super::palette::{FAILED, FAINT, GRID, LIMIT, LIMIT_TEXT, TEXT, area};
use super::plot::{ordered, told_span, zone_note};
use super::points::part;
use super::ticks::times;
use super::{Frame, Millis};

/// Who is on duty when.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// What the chart is of.
    pub frame: Frame,
    /// A row for each person.
    pub rows: Vec<Duty>,
    /// When nobody is on duty.
    pub holes: Vec<(Millis, Millis)>,
    /// The present, if it is to be marked.
    pub now: Option<Millis>,
}

/// When somebody is on duty.
#[derive(Debug, Clone)]
pub struct Duty {
    /// Who.
    pub name: String,
    /// From when until when, each time.
    pub spans: Vec<(Millis, Millis)>,
}

/// So many rows are drawn, and so many spans of each.
const MOST: usize = 60;
const MOST_SPANS: usize = 400;

/// What is said of a rota without anybody.
const NOTHING: &str = "Nobody is on this rota.";

const BAR: f64 = 16.0;

/// Where spans stand.
struct Days {
    left: f64,
    wide: f64,
    span: (Millis, Millis),
    is_narrow: bool,
}

impl Days {
    fn x(&self, time: Millis) -> f64 {
        self.left + part(time, self.span) * self.wide
    }

    /// The part of `span` that is seen.
    fn seen(&self, span: (Millis, Millis), y: f64) -> Option<Place> {
        let (from, until) = ordered(span);
        if until <= self.span.0 || from >= self.span.1 {
            return None;
        }
        // However short it is, it is seen.
        let (left, right) = (self.x(from).min(self.left + self.wide - 2.0), self.x(until));
        Some(Place(left, y, (right - left).max(2.0), BAR))
    }
}

impl Timeline {
    /// The drawing, `width` wide.
    pub fn svg(&self, width: u16) -> String {
        let frame = &self.frame;
        let mut canvas = Canvas::new(width, &frame.title, frame.heading);
        if self.rows.is_empty() && self.holes.is_empty() {
            return canvas.empty(&frame.title, NOTHING, NOTHING);
        }
        let is_narrow = canvas.width < 480.0;
        let left = if is_narrow { 4.0 } else { self.margin() };
        let span = ordered(frame.span);
        let days = Days { left, wide: canvas.width - left - 8.0, span, is_narrow };
        let note = zone_note(span, frame.zone);
        canvas.text(FAINT, (4.0, canvas.bottom + 15.0), Hold::Start, &note);
        let top = canvas.bottom + 42.0;
        let high = if is_narrow { 38.0 } else { 26.0 };
        let rows = self.rows.len().min(MOST) + usize::from(!self.holes.is_empty());
        let bottom = top + high * count(rows) + 2.0;
        self.days(&mut canvas, &days, (top, bottom));
        for (at, duty) in self.rows.iter().take(MOST).enumerate() {
            let y = top + high * count(at);
            let y = days.name(&mut canvas, &duty.name, y, false);
            days.duty(&mut canvas, duty, at, y);
        }
        if !self.holes.is_empty() {
            let y = top + high * count(rows - 1);
            let y = days.name(&mut canvas, "nobody", y, true);
            days.holes(&mut canvas, &self.holes, y);
        }
        if let Some(now) = self.now.filter(|now| (span.0..=span.1).contains(now)) {
            let mut pen = Pen::default();
            pen.to(days.x(now), top - 4.0).line(days.x(now), bottom + 13.0);
            canvas.path(FAILED, &pen, "stroke-width=\"1.5\"");
            let (x, hold) = match days.x(now) {
                x if x > canvas.width - 40.0 => (x - 3.0, Hold::End),
                x => (x + 3.0, Hold::Start),
            };
            canvas.text(LIMIT_TEXT, (x, bottom + 12.0), hold, "now");
        }
        let words = self.words();
        canvas.finish(bottom + 18.0, &frame.title, &words)
    }

    fn margin(&self) -> f64 {
        let widest = self.rows.iter().map(|duty| width(&duty.name)).fold(width("nobody"), f64::max);
        widest.min(150.0) + 14.0
    }

    fn days(&self, canvas: &mut Canvas, days: &Days, (top, bottom): (f64, f64)) {
        let room = super::number::whole(days.wide / 42.0).max(2);
        let (mut grid, mut free) = (Pen::default(), 0.0);
        for tick in times(days.span, &self.frame.zone, room) {
            let x = days.x(tick.at);
            grid.to(x.round() + 0.5, top - 8.0).line(x.round() + 0.5, bottom);
            let half = width(&tick.label) / 2.0;
            let middle = x.clamp(half + 2.0, canvas.width - half - 2.0);
            if middle - half >= free {
                let ink = if tick.begins_day { TEXT } else { FAINT };
                canvas.text(ink, (middle, top - 11.0), Hold::Middle, &tick.label);
                free = middle + half + 6.0;
            }
        }
        canvas.path(GRID, &grid, "");
    }

    fn words(&self) -> String {
        let names: Vec<&str> = self
            .rows
            .iter()
            .filter(|duty| !duty.spans.is_empty())
            .take(8)
            .map(|it| it.name.as_str())
            .collect();
        let span = told_span(self.frame.span, self.frame.zone);
        let mut words = format!("From {span}, on duty: {}.", names.join(", "));
        for hole in self.holes.iter().take(5) {
            let _ = write!(words, " Nobody from {}.", told_span(*hole, self.frame.zone));
        }
        if self.holes.len() > 5 {
            let _ = write!(words, " And {} more holes.", thousands(self.holes.len() - 5));
        }
        words
    }
}

impl Days {
    /// Writes a name and answers where its bar stands.
    fn name(&self, canvas: &mut Canvas, name: &str, y: f64, is_hole: bool) -> f64 {
        let ink = if is_hole { LIMIT_TEXT } else { TEXT };
        if self.is_narrow {
            let name = fitting(name, canvas.width - 8.0);
            canvas.text(ink, (4.0, y + 13.0), Hold::Start, &name);
            return y + 18.0;
        }
        let name = fitting(name, self.left - 10.0);
        canvas.text(ink, (4.0, y + 16.0), Hold::Start, &name);
        y + 4.0
    }

    fn duty(&self, canvas: &mut Canvas, duty: &Duty, at: usize, y: f64) {
        for span in duty.spans.iter().take(MOST_SPANS) {
            if let Some(place) = self.seen(*span, y) {
                let mut pen = Pen::default();
                pen.rect(Place(place.0 + 0.5, place.1, (place.2 - 1.0).max(1.0), place.3));
                let say = Say::words(&duty.name).during(*span);
                canvas.sign(area(at % super::palette::COLOURS), &pen, "", &say);
            }
        }
    }

    fn holes(&self, canvas: &mut Canvas, holes: &[(Millis, Millis)], y: f64) {
        for hole in holes.iter().take(MOST_SPANS) {
            if let Some(place) = self.seen(*hole, y) {
                let (mut hatch, mut edge) = (Pen::default(), Pen::default());
                hatch.hatch(place);
                canvas.path(LIMIT, &hatch, "");
                edge.rect(place);
                let say = Say::words("nobody is on duty").during(*hole);
                canvas.sign(LIMIT, &edge, "pointer-events=\"all\"", &say);
            }
        }
    }
}
