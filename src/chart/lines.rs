//! Series over time: one line each, with the threshold they are held against, the times when they
//! breached it, and what happened meanwhile.

use std::fmt::Write as _;

use super::canvas::{Canvas, Hold, Pen, Place, Say, fitting, width};
use super::legend::{self, Entry};
use super::number::count;
use super::palette::{COLOURS, LIMIT, LIMIT_TEXT, MARK, MARK_SIGN, SHADE, TEXT, line};
use super::plot::{Plot, column_width, ordered, told_span, zone_note};
use super::points::{Line, bounds, columns, runs, told, within};
use super::unit::{Unit, scale};
use super::{Frame, Millis};

/// Several series over time.
#[derive(Debug, Clone)]
pub struct Lines {
    /// What the chart is of.
    pub frame: Frame,
    /// What the values are measured in.
    pub unit: Unit,
    /// The series; the first eight have colours of their own.
    pub lines: Vec<Line>,
    /// What is farther apart than this is not joined.
    pub gap: Millis,
    /// What the values are held against.
    pub threshold: Option<Threshold>,
    /// Times that matter, such as when the threshold was breached.
    pub shades: Vec<Shade>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
}

/// A value that others are held against.
#[derive(Debug, Clone)]
pub struct Threshold {
    /// The value.
    pub value: f64,
    /// What it means, such as "alerts above 500 ms".
    pub name: String,
}

/// A time that is shaded from the top to the bottom of a chart.
#[derive(Debug, Clone)]
pub struct Shade {
    /// From when until when.
    pub span: (Millis, Millis),
    /// What was then.
    pub name: String,
}

/// A moment.
#[derive(Debug, Clone)]
pub struct Mark {
    /// When.
    pub at: Millis,
    /// What happened then.
    pub name: String,
}

/// So many series are drawn.
const MOST: usize = 40;

/// So many shades and marks are drawn.
const MOST_MARKS: usize = 200;

/// So many series are named where one points.
const NAMED: usize = 12;

/// Line ends and joints.
pub(super) const ROUND: &str = "stroke-linejoin=\"round\" stroke-linecap=\"round\"";

impl Lines {
    /// The drawing, `width` wide.
    pub fn svg(&self, width: u16) -> String {
        let title = &self.frame.title;
        let mut canvas = Canvas::new(width, title, self.frame.heading);
        let span = ordered(self.frame.span);
        let lines: Vec<Vec<(Millis, f64)>> =
            self.lines.iter().take(MOST).map(|line| within(&line.points, span)).collect();
        let values = || lines.iter().flatten().map(|(_, value)| *value);
        let limit = self.threshold.iter().map(|limit| limit.value).filter(|it| it.is_finite());
        if values().next().is_none() {
            let words = format!("No value from {}.", told_span(span, self.frame.zone));
            return canvas.empty(title, "No value in this time.", &words);
        }
        let bounds = bounds(values().chain(limit)).unwrap_or((0.0, 1.0));
        legend::draw(&mut canvas, &self.entries(), &zone_note(span, self.frame.zone));
        let high = if canvas.width < 480.0 { 170.0 } else { 220.0 };
        let plot = Plot::new(&canvas, &self.frame, scale(bounds, self.unit, 5), high);
        self.shades(&mut canvas, &plot);
        plot.axes(&mut canvas, self.frame.zone);
        for (at, points) in lines.iter().enumerate().rev() {
            let (mut pen, mut dots) = (Pen::default(), Pen::default());
            for run in runs(points, span, self.gap, plot.place.2) {
                trace((&mut pen, &mut dots), &plot, &run);
            }
            let more = match at {
                ..COLOURS => format!("stroke-width=\"1.75\" {ROUND}{}", dashes(at)),
                _ => format!("stroke-width=\"1\" stroke-opacity=\"0.45\" {ROUND}"),
            };
            canvas.path(line(at), &pen, &more);
            canvas.path(line(at), &dots, "stroke-width=\"5\" stroke-linecap=\"round\"");
        }
        self.hits(&mut canvas, &plot, &lines);
        self.marks(&mut canvas, &plot);
        self.threshold(&mut canvas, &plot);
        let words = self.words(&lines);
        canvas.finish(plot.height(), title, &words)
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |(at, it): (usize, &Line)| Entry {
            ink: line(at),
            name: it.name.clone(),
            more: dashes(at).trim().to_owned(),
            sign: None,
        };
        let mut entries: Vec<Entry> =
            self.lines.iter().take(COLOURS).enumerate().map(entry).collect();
        if self.lines.len() > COLOURS {
            let name = match self.lines.len().min(MOST) - COLOURS {
                more if self.lines.len() > MOST => {
                    format!("{more} more; {} are not drawn", self.lines.len() - MOST)
                }
                more => format!("{more} more"),
            };
            let more = "stroke-opacity=\"0.45\"".to_owned();
            entries.push(Entry { ink: MARK, name, more, sign: None });
        }
        entries
    }

    fn shades(&self, canvas: &mut Canvas, plot: &Plot) {
        for shade in self.shades.iter().take(MOST_MARKS) {
            let span = ordered(shade.span);
            if span.1 < plot.span.0 || span.0 > plot.span.1 {
                continue;
            }
            let (left, right) = (plot.x(span.0), plot.x(span.1));
            // However short it was, it is seen.
            let left = left.min(plot.place.0 + plot.place.2 - 2.0);
            let wide = (right - left).max(2.0);
            let mut pen = Pen::default();
            pen.rect(Place(left, plot.place.1, wide, plot.place.3));
            canvas.path(SHADE, &pen, "fill-opacity=\"0.12\"");
            let mut strip = Pen::default();
            strip.rect(Place(left, plot.place.1 - 5.0, wide, 5.0));
            canvas.sign(SHADE, &strip, "", &Say::words(&shade.name).during(span));
        }
    }

    fn marks(&self, canvas: &mut Canvas, plot: &Plot) {
        let is_in = |mark: &&Mark| (plot.span.0..=plot.span.1).contains(&mark.at);
        for mark in self.marks.iter().filter(is_in).take(MOST_MARKS) {
            let (x, top) = (plot.x(mark.at), plot.place.1);
            let mut pen = Pen::default();
            pen.to(x, top).line(x, plot.bottom());
            canvas.path(MARK, &pen, "stroke-dasharray=\"1 3\"");
            let mut sign = Pen::default();
            sign.to(x - 5.0, top - 5.0).line(x + 5.0, top - 5.0).line(x, top + 4.0).close();
            canvas.sign(MARK_SIGN, &sign, "", &Say::words(&mark.name).at(mark.at));
        }
    }

    fn threshold(&self, canvas: &mut Canvas, plot: &Plot) {
        let Some(limit) = self.threshold.as_ref().filter(|limit| limit.value.is_finite()) else {
            return;
        };
        let (Place(left, top, wide, _), y) = (plot.place, plot.y(limit.value));
        let mut pen = Pen::default();
        pen.to(left, y).line(left + wide, y);
        canvas.path(LIMIT, &pen, "stroke-width=\"1.5\" stroke-dasharray=\"7 4\"");
        let name = fitting(&limit.name, wide - 8.0);
        let y = if y - top < 16.0 { y + 14.0 } else { y - 5.0 };
        canvas.text_over(LIMIT_TEXT, (left + wide - 2.0, y), Hold::End, &name);
    }

    fn hits(&self, canvas: &mut Canvas, plot: &Plot, lines: &[Vec<(Millis, f64)>]) {
        let Place(left, top, wide, high) = plot.place;
        let apart = column_width(wide, 7.0);
        let columns = columns(lines.iter().map(Vec::as_slice), plot.span, wide, apart);
        for (at, column) in columns {
            let mut words = Vec::new();
            for (line, (least, most)) in column.values.iter().take(NAMED) {
                let (least, most) = (self.unit.say(*least), self.unit.say(*most));
                let name = self.lines.get(*line).map_or("", |line| line.name.as_str());
                let name = fitting(name, 400.0);
                let more = if least == most { String::new() } else { format!(" to {most}") };
                words.push(format!("{name}: {least}{more}"));
            }
            if column.values.len() > NAMED {
                words.push(format!("and {} more", column.values.len() - NAMED));
            }
            let say = Say::words(words.join("\n"));
            let say = say.around((column.from, column.until));
            canvas.hit(Place(left + count(at) * apart, top, apart, high), &say);
        }
    }

    fn words(&self, lines: &[Vec<(Millis, f64)>]) -> String {
        let mut words = format!("From {}. ", told_span(self.frame.span, self.frame.zone));
        let each = lines.iter().zip(&self.lines).take(COLOURS);
        let each: Vec<_> = each.map(|(it, line)| told(&line.name, it, self.unit)).collect();
        words += &each.join("; ");
        if self.lines.len() > COLOURS {
            let _ = write!(words, "; and {} more", self.lines.len() - COLOURS);
        }
        words.push('.');
        if let Some(limit) = &self.threshold {
            let _ = write!(words, " Threshold: {} ({}).", self.unit.say(limit.value), limit.name);
        }
        for shade in self.shades.iter().take(5) {
            let span = told_span(shade.span, self.frame.zone);
            let _ = write!(words, " {} from {span}.", shade.name);
        }
        words
    }
}

/// A run of points; one alone is a dot.
fn trace((pen, dots): (&mut Pen, &mut Pen), plot: &Plot, run: &[(Millis, f64)]) {
    let place = |(time, value): &(Millis, f64)| (plot.x(*time), plot.y(*value));
    if let [point] = run {
        let (x, y) = place(point);
        dots.dot(x, y);
        return;
    }
    for (at, point) in run.iter().enumerate() {
        let (x, y) = place(point);
        if at == 0 {
            pen.to(x, y)
        } else {
            pen.line(x, y)
        };
    }
}

/// The dashes of series `at`: what tells it from others without colours.
fn dashes(at: usize) -> String {
    const DASHES: [&str; 8] =
        ["", "7 4", "2 4", "10 4 2 4", "4 3", "12 4", "1 3 6 3", "6 2 2 2 2 2"];
    match DASHES.get(at).copied().unwrap_or_default() {
        "" => String::new(),
        dashes => format!(" stroke-dasharray=\"{dashes}\""),
    }
}

/// A label beside a line at `x`, on the side where there is room.
pub(super) fn beside(canvas: &mut Canvas, (x, y): (f64, f64), right: f64, text: &str) {
    let fits = x + 5.0 + width(text) <= right;
    let (x, hold) = if fits { (x + 5.0, Hold::Start) } else { (x - 5.0, Hold::End) };
    canvas.text_over(TEXT, (x, y), hold, text);
}
