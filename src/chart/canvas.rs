//! SVG, written: the only place where a tag is spelled.
//!
//! Whatever is brought here ends well-formed: text is escaped, what XML cannot hold is left out,
//! and a number that is none is written as 0.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::number::{count, trimmed, whole};
use super::palette::{self, FAINT, Ink, TEXT};
use super::{Heading, Millis};

/// The size of all text but titles.
pub(super) const SIZE: f64 = 12.0;

/// How wide a column of text is at [`SIZE`]; system fonts are narrower, as a rule.
const COLUMN: f64 = 6.7;

/// The widths that charts are drawn for.
pub(super) const WIDTHS: (u16, u16) = (200, 2400);

/// The longest text that is written anywhere, in characters.
const LONGEST: usize = 2_000;

/// Where a text is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Start,
    Middle,
    End,
}

/// A place on the canvas: left, top, width, height.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(pub(super) f64, pub(super) f64, pub(super) f64, pub(super) f64);

/// What is said of something that is pointed at.
#[derive(Debug, Clone, Default)]
pub(super) struct Say {
    pub(super) words: String,
    pub(super) from: Option<Millis>,
    pub(super) until: Option<Millis>,
}

impl Say {
    pub(super) fn words(words: impl Into<String>) -> Self {
        Self { words: words.into(), from: None, until: None }
    }

    pub(super) fn at(self, at: Millis) -> Self {
        Self { from: Some(at), ..self }
    }

    /// A moment, or from one until another.
    pub(super) fn around(self, (from, until): (Millis, Millis)) -> Self {
        if from == until { self.at(from) } else { self.during((from, until)) }
    }

    pub(super) fn during(self, (from, until): (Millis, Millis)) -> Self {
        Self { from: Some(from), until: Some(until), ..self }
    }
}

/// A drawing that grows.
pub(super) struct Canvas {
    body: String,
    pub(super) width: f64,
    /// How far down something was drawn so far.
    pub(super) bottom: f64,
}

impl Canvas {
    /// An empty one, `width` wide within bounds. With a heading, `title` stands on top.
    pub(super) fn new(width: u16, title: &str, heading: Heading) -> Self {
        let width = f64::from(width.clamp(WIDTHS.0, WIDTHS.1));
        let mut canvas = Self { body: String::new(), width, bottom: 0.0 };
        if heading == Heading::Drawn {
            let title = fitting(title, (width - 16.0) / 1.2);
            let _ = write!(
                canvas.body,
                "<text class=\"{}\" fill=\"{}\" x=\"8\" y=\"20\" font-size=\"14\">{}</text>",
                TEXT.class,
                TEXT.light,
                escaped(&title)
            );
            canvas.bottom = 28.0;
        }
        canvas
    }

    /// A path of `pen` with `ink`, and what else is to be said of it.
    pub(super) fn path(&mut self, ink: Ink, pen: &Pen, more: &str) {
        if pen.0.is_empty() {
            return;
        }
        let _ = write!(self.body, "<path {}{}{more} d=\"{}\"/>", dress(ink), blank(more), pen.0);
    }

    /// A path that can be pointed at.
    pub(super) fn sign(&mut self, ink: Ink, pen: &Pen, more: &str, say: &Say) {
        if pen.0.is_empty() {
            return;
        }
        let say = said(say);
        let more = format!("{}{more}{say}", blank(more));
        let _ = write!(self.body, "<path {}{more} d=\"{}\"/>", dress(ink), pen.0);
    }

    /// A place that cannot be seen, but pointed at.
    pub(super) fn hit(&mut self, Place(x, y, width, height): Place, say: &Say) {
        let _ = write!(
            self.body,
            "<rect class=\"chart-hit\" fill=\"none\" pointer-events=\"all\" x=\"{}\" y=\"{}\" \
             width=\"{}\" height=\"{}\"{}/>",
            at(x),
            at(y),
            at(width),
            at(height),
            said(say)
        );
    }

    /// A line of text on the base line `y`.
    pub(super) fn text(&mut self, ink: Ink, (x, y): (f64, f64), hold: Hold, text: &str) {
        if text.is_empty() {
            return;
        }
        let anchor = match hold {
            Hold::Start => "",
            Hold::Middle => " text-anchor=\"middle\"",
            Hold::End => " text-anchor=\"end\"",
        };
        let _ = write!(
            self.body,
            "<text {}{anchor} x=\"{}\" y=\"{}\">{}</text>",
            dress(ink),
            at(x),
            at(y),
            escaped(text)
        );
    }

    /// A line of text that can be read over whatever is behind it.
    pub(super) fn text_over(&mut self, ink: Ink, place: (f64, f64), hold: Hold, text: &str) {
        let mask = palette::MASKED;
        let _ = write!(
            self.body,
            "<g class=\"{}\" stroke=\"{}\" stroke-width=\"4\" stroke-linejoin=\"round\" \
             paint-order=\"stroke\">",
            mask.class, mask.light
        );
        self.text(ink, place, hold, text);
        self.body += "</g>";
    }

    /// The drawing, `height` high: `title` and `description` are for whoever does not see it.
    pub(super) fn finish(self, height: f64, title: &str, description: &str) -> String {
        let (width, height) = (at(self.width), at(height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {width} \
             {height}\" width=\"100%\" role=\"img\" font-size=\"{SIZE}\" font-family=\"Inter, \
             system-ui, sans-serif\"><title>{}</title><desc>{}</desc>{}</svg>",
            escaped(title),
            escaped(description),
            self.body
        )
    }

    /// Nothing to show: the whole drawing, with a line of text in its middle, and what is to be
    /// said of it.
    pub(super) fn empty(mut self, title: &str, shown: &str, words: &str) -> String {
        let top = self.bottom;
        let place = (self.width / 2.0, top + 52.0);
        let shown = fitting(shown, self.width - 16.0);
        self.text(FAINT, place, Hold::Middle, &shown);
        self.finish(top + 96.0, title, words)
    }

    /// What `draw` draws has one ink; paths in it need none of their own.
    pub(super) fn group(&mut self, ink: Ink, more: &str, draw: impl FnOnce(&mut Self)) {
        let _ = write!(self.body, "<g {}{}{more}>", dress(ink), blank(more));
        draw(self);
        self.body += "</g>";
    }

    /// A path in a group that can be pointed at.
    pub(super) fn member(&mut self, pen: &Pen, say: &Say) {
        let _ = write!(self.body, "<path{} d=\"{}\"/>", said(say), pen.0);
    }
}

fn dress(ink: Ink) -> String {
    let none = match ink.way {
        palette::Way::Fill => "",
        palette::Way::Stroke => " fill=\"none\"",
    };
    format!("class=\"{}\" {}=\"{}\"{none}", ink.class, ink.way.attribute(), ink.light)
}

fn blank(more: &str) -> &'static str {
    if more.is_empty() { "" } else { " " }
}

fn said(say: &Say) -> String {
    let mut text = format!(" data-say=\"{}\"", escaped(&say.words));
    let names = match say.until {
        Some(_) => ["data-from", "data-until"],
        None => ["data-at", ""],
    };
    for (name, time) in names.into_iter().zip([say.from, say.until]) {
        let time = time.and_then(DateTime::from_timestamp_millis);
        if let Some(time) = time {
            let _ =
                write!(text, " {name}=\"{}\"", time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
    }
    text
}

/// The data of a path.
#[derive(Debug, Default, Clone)]
pub(super) struct Pen(String);

impl Pen {
    /// Begins at a point.
    pub(super) fn to(&mut self, x: f64, y: f64) -> &mut Self {
        let _ = write!(self.0, "M{} {}", at(x), at(y));
        self
    }

    /// A line from where the pen is.
    pub(super) fn line(&mut self, x: f64, y: f64) -> &mut Self {
        let _ = write!(self.0, "L{} {}", at(x), at(y));
        self
    }

    pub(super) fn close(&mut self) -> &mut Self {
        self.0.push('Z');
        self
    }

    /// A round dot, with a line end that is round.
    pub(super) fn dot(&mut self, x: f64, y: f64) -> &mut Self {
        self.to(x, y);
        self.0 += "h0";
        self
    }

    pub(super) fn rect(&mut self, Place(x, y, width, height): Place) -> &mut Self {
        let (right, wide, high) = (at(x), at(width), at(height));
        let _ = write!(self.0, "M{right} {}h{wide}v{high}h-{wide}Z", at(y));
        self
    }

    /// A disc around a point.
    pub(super) fn disc(&mut self, x: f64, y: f64, radius: f64) -> &mut Self {
        let (radius, width) = (at(radius), at(radius * 2.0));
        let left = at(x - width.parse().unwrap_or(0.0) / 2.0);
        let _ = write!(
            self.0,
            "M{left} {}a{radius} {radius} 0 1 0 {width} 0a{radius} {radius} 0 1 0 -{width} 0Z",
            at(y)
        );
        self
    }

    /// Slanted lines that fill a place.
    pub(super) fn hatch(&mut self, Place(x, y, width, height): Place) -> &mut Self {
        const APART: f64 = 6.0;
        let lines = whole(((width + height) / APART).clamp(0.0, 1_000.0));
        for line in 1..=lines {
            // On the upper edge of the place, as if that went on to the right.
            let start = count(line) * APART;
            let (left, right) = ((start - height).max(0.0), start.min(width));
            if right > left {
                self.to(x + left, y + start - left).line(x + right, y + start - right);
            }
        }
        self
    }
}

/// A coordinate, to a tenth.
pub(super) fn at(value: f64) -> String {
    if value.is_finite() { trimmed(&format!("{value:.1}")) } else { "0".to_owned() }
}

/// How wide `text` will be, about.
pub(super) fn width(text: &str) -> f64 {
    count(text.width()) * COLUMN
}

/// As much of `text` as is not wider than `most`, with an ellipsis where that is not all.
pub(super) fn fitting(text: &str, most: f64) -> String {
    let columns = whole(most / COLUMN);
    let text = text.trim();
    if text.width() <= columns {
        return text.to_owned();
    }
    let (mut shown, mut used) = (String::new(), 1);
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > columns {
            break;
        }
        shown.push(character);
    }
    shown.push('…');
    shown
}

/// As much of `text` as is not wider than `most`, with an ellipsis in its midst where that is not
/// all: the end of an address says as much as its begin.
pub(super) fn squeezed(text: &str, most: f64) -> String {
    let text = text.trim();
    if width(text) <= most {
        return text.to_owned();
    }
    let tail = most * 0.4;
    let end: String = text.chars().rev().take(LONGEST).collect();
    let end = fitting(&end, tail + COLUMN);
    let end: String = end.trim_end_matches('…').chars().rev().collect();
    let begin = fitting(text, most - width(&end));
    begin + end.trim_start()
}

/// `text` as XML holds it, in an element or in an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars().take(LONGEST) {
        match character {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\n' => safe += "&#10;",
            '\t' => safe.push(' '),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => safe.push(other),
        }
    }
    safe
}
