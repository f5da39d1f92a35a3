//! A line as small as a word: no axes, no labels, few bytes, for tables of a thousand rows.
//!
//! Its stylesheet gives it its size; its coordinates are whole numbers, each from the one before.

use std::fmt::Write as _;

use super::Millis;
use super::canvas::escaped;
use super::number::whole;
use super::palette::{FAILED, line};
use super::plot::ordered;
use super::points::{bounds, part, runs, within};
use super::unit::Unit;

/// Values over time, tiny.
#[derive(Debug, Clone)]
pub struct Sparkline<'a> {
    /// What the values are of.
    pub title: &'a str,
    /// What they are measured in.
    pub unit: Unit,
    /// From when until when.
    pub span: (Millis, Millis),
    /// What is farther apart than this is not joined.
    pub gap: Millis,
    /// When, and the value then.
    pub points: &'a [(Millis, f64)],
    /// When something failed: marked at the foot of the line.
    pub failures: &'a [Millis],
}

/// The drawing's own size.
const WIDTH: u16 = 96;
const HEIGHT: u16 = 20;

impl Sparkline<'_> {
    /// The drawing.
    pub fn svg(&self) -> String {
        let span = ordered(self.span);
        let points = within(self.points, span);
        let bounds = bounds(points.iter().map(|(_, value)| *value));
        let x = |time| (part(time, span) * f64::from(WIDTH - 4)).round() + 2.0;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"spark\" viewBox=\"0 0 {WIDTH} \
             {HEIGHT}\" role=\"img\"><title>{}</title>",
            escaped(&self.words(&points, bounds))
        );
        if let Some((least, most)) = bounds {
            // Of a line that is nearly flat, the noise is not made mountains of.
            let low = if least > 0.0 && most < 1e300 { least * 0.5 } else { least };
            let high = (most - low).max(f64::MIN_POSITIVE);
            let y = |value: f64| {
                let part = ((value - low) / high).clamp(0.0, 1.0);
                (f64::from(HEIGHT - 4) * (1.0 - part)).round() + 2.0
            };
            let mut path = String::new();
            // Two units wide, so that each column has two points at most.
            for run in runs(&points, span, self.gap, f64::from(WIDTH) / 2.0) {
                pull(&mut path, run.iter().map(|(time, value)| (x(*time), y(*value))));
            }
            let ink = line(0);
            let _ = write!(
                text,
                "<path class=\"{}\" stroke=\"{}\" fill=\"none\" d=\"{path}\"/>",
                ink.class, ink.light
            );
        }
        let mut foot = String::new();
        let mut last = -9.0;
        for failure in self.failures.iter().filter(|at| (span.0..=span.1).contains(*at)) {
            let x = x(*failure);
            if (x - last).abs() >= 2.0 {
                let _ = write!(foot, "M{x} {HEIGHT}v-5");
                last = x;
            }
        }
        if !foot.is_empty() {
            let _ = write!(
                text,
                "<path class=\"{}\" stroke=\"{}\" stroke-width=\"2\" d=\"{foot}\"/>",
                FAILED.class, FAILED.light
            );
        }
        text + "</svg>"
    }

    fn words(&self, points: &[(Millis, f64)], bounds: Option<(f64, f64)>) -> String {
        let (Some((least, most)), Some((_, present))) = (bounds, points.last()) else {
            return format!("{}: no value", self.title);
        };
        let [present, least, most] = [*present, least, most].map(|value| self.unit.say(value));
        format!("{}: {present}, {least} to {most}", self.title)
    }
}

/// A run of points, each told from the one before; what lies on a straight level is one line.
fn pull(path: &mut String, points: impl Iterator<Item = (f64, f64)>) {
    let mut points = points.peekable();
    let Some((mut x, mut y)) = points.next() else { return };
    let _ = write!(path, "M{} {}", whole(x), whole(y));
    if points.peek().is_none() {
        *path += "h1";
        return;
    }
    path.push('l');
    let mut is_first = true;
    for (to_x, to_y) in points {
        let blank = if is_first || to_x < x { "" } else { " " };
        let (along, up) = (to_x - x, to_y - y);
        // A sign parts numbers as well as a blank does.
        let comma = if up < 0.0 { "" } else { " " };
        let _ = write!(path, "{blank}{along}{comma}{up}");
        (x, y, is_first) = (to_x, to_y, false);
    }
}
