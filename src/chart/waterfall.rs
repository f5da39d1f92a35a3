//! Where the time of a run went: a row for each step and request on one axis, each request cut
//! into its phases.

use std::fmt::Write as _;

use super::Heading;
use super::canvas::{Canvas, Hold, Pen, Place, Say, squeezed, width};
use super::legend::{self, Entry};
use super::number::{count, thousands, whole};
use super::palette::{AXIS, FAILED, FAINT, GRID, Ink, MARK_SIGN, TEXT, area};
use super::unit::{Scale, Unit, scale};

/// Where the time of a run went.
#[derive(Debug, Clone)]
pub struct Waterfall {
    /// What the run is of.
    pub title: String,
    /// Whether the title is drawn.
    pub heading: Heading,
    /// The rows, from above.
    pub bars: Vec<Bar>,
}

/// A row.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What is written before it, such as "POST /login 302".
    pub name: String,
    /// Whether it is a step or a request in it.
    pub sign: Sign,
    /// When it began, in seconds since the begin of the run.
    pub start: f64,
    /// Its phases in their order, and how many seconds each took.
    pub phases: Vec<(Phase, f64)>,
    /// Why it failed.
    pub failure: Option<String>,
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A step: its rows follow it.
    Step,
    /// A request.
    Request,
}

/// What was done meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The name was resolved.
    Dns,
    /// The TCP connection was opened.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the request's first byte to the answer's first byte.
    Wait,
    /// The body was read.
    Download,
    /// All of a step.
    Step,
}

const PHASES: [Phase; 5] = [Phase::Dns, Phase::Connect, Phase::Tls, Phase::Wait, Phase::Download];

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::Wait => "wait",
            Self::Download => "download",
            Self::Step => "step",
        }
    }

    fn ink(self) -> Ink {
        match self {
            Self::Dns => area(4),
            Self::Connect => area(1),
            Self::Tls => area(3),
            Self::Wait => area(0),
            Self::Download => area(2),
            Self::Step => MARK_SIGN,
        }
    }

    /// Its height: what tells it from others without colours.
    fn high(self) -> f64 {
        match self {
            Self::Dns => 4.0,
            Self::Connect => 6.0,
            Self::Tls => 9.0,
            Self::Wait => 13.0,
            Self::Download => 7.0,
            Self::Step => 3.0,
        }
    }
}

/// What is said of a run without any.
const NOTHING: &str = "This run made no request.";

/// So many rows are drawn.
const MOST: usize = 150;

/// What is written of a name on the widest drawing.
const WIDEST_NAME: f64 = 260.0;

/// Where rows stand.
struct Rows {
    left: f64,
    wide: f64,
    /// Whether names stand above their bars, for want of room beside them.
    is_narrow: bool,
    /// When the last of them ends, in seconds.
    end: f64,
    scale: Scale,
}

impl Waterfall {
    /// The drawing, `width` wide.
    pub fn svg(&self, width: u16) -> String {
        let mut canvas = Canvas::new(width, &self.title, self.heading);
        if self.bars.is_empty() {
            return canvas.empty(&self.title, NOTHING, NOTHING);
        }
        let end = self.bars.iter().map(Bar::end).fold(0.0, f64::max);
        legend::draw(&mut canvas, &self.entries(), "");
        let rows = Rows::new(&canvas, end);
        let top = canvas.bottom + 24.0;
        let high = if rows.is_narrow { 36.0 } else { 22.0 };
        let bars = &self.bars[..self.bars.len().min(MOST)];
        rows.axis(&mut canvas, top, top + high * count(bars.len()) + 4.0);
        let mut y = top + 4.0;
        for bar in bars {
            rows.draw(&mut canvas, bar, y);
            y += high;
        }
        if self.bars.len() > MOST {
            let more = format!("and {} more", thousands(self.bars.len() - MOST));
            canvas.text(FAINT, (4.0, y + 14.0), Hold::Start, &more);
            y += 20.0;
        }
        let words = self.words(end);
        canvas.finish(y + 6.0, &self.title, &words)
    }

    fn entries(&self) -> Vec<Entry> {
        let is_there = |phase: &Phase| {
            self.bars.iter().flat_map(|bar| &bar.phases).any(|(other, _)| other == phase)
        };
        let sign: [fn(f64, f64) -> Pen; 5] = [
            |x, y| sample(Phase::Dns, x, y),
            |x, y| sample(Phase::Connect, x, y),
            |x, y| sample(Phase::Tls, x, y),
            |x, y| sample(Phase::Wait, x, y),
            |x, y| sample(Phase::Download, x, y),
        ];
        let present = PHASES.into_iter().zip(sign).filter(|(phase, _)| is_there(phase));
        let entry = |(phase, sign): (Phase, _)| Entry {
            ink: phase.ink(),
            name: phase.word().to_owned(),
            more: String::new(),
            sign: Some(sign),
        };
        present.map(entry).collect()
    }

    fn words(&self, end: f64) -> String {
        let requests = self.bars.iter().filter(|bar| bar.sign == Sign::Request);
        let slowest = requests.clone().max_by(|one, other| one.took().total_cmp(&other.took()));
        let many = requests.count();
        let mut words = format!("{} requests in {}", thousands(many), Unit::Seconds.say(end));
        if let Some(slowest) = slowest.filter(|_| many > 1) {
            let took = Unit::Seconds.say(slowest.took());
            let _ = write!(words, "; the longest, {}, took {took}", slowest.name);
        }
        let failed = self.bars.iter().filter(|bar| bar.failure.is_some());
        for bar in failed.take(3) {
            let _ = write!(words, "; {} failed", bar.name);
        }
        words + "."
    }
}

fn sample(phase: Phase, x: f64, y: f64) -> Pen {
    let mut pen = Pen::default();
    pen.rect(Place(x - 7.0, y - phase.high() / 2.0, 14.0, phase.high()));
    pen
}

impl Bar {
    fn begin(&self) -> f64 {
        if self.start.is_finite() { self.start.max(0.0) } else { 0.0 }
    }

    /// Its phases that took time.
    fn parts(&self) -> impl Iterator<Item = (Phase, f64)> {
        let parts = self.phases.iter().copied();
        parts.filter(|(_, took)| took.is_finite() && *took >= 0.0)
    }

    fn took(&self) -> f64 {
        self.parts().map(|(_, took)| took).sum()
    }

    fn end(&self) -> f64 {
        self.begin() + self.took()
    }

    fn say(&self) -> Say {
        let mut words = format!("{}\n{}", self.name, Unit::Seconds.say(self.took()));
        let _ = write!(words, ", from {}", Unit::Seconds.say(self.begin()));
        for (phase, took) in self.parts().filter(|(phase, _)| *phase != Phase::Step).take(16) {
            let _ = write!(words, "\n{}: {}", phase.word(), Unit::Seconds.say(took));
        }
        if let Some(failure) = &self.failure {
            let _ = write!(words, "\nfailed: {failure}");
        }
        Say::words(words)
    }
}

impl Rows {
    fn new(canvas: &Canvas, end: f64) -> Self {
        let is_narrow = canvas.width < 480.0;
        let left = if is_narrow { 6.0 } else { (canvas.width * 0.36).min(WIDEST_NAME) };
        let wide = canvas.width - left - 64.0;
        let scale = scale((0.0, end), Unit::Seconds, whole(wide / 74.0).clamp(2, 8));
        Self { left, wide, is_narrow, end, scale }
    }

    fn x(&self, time: f64) -> f64 {
        let part = if self.end > 0.0 { time / self.end } else { 0.0 };
        self.left + part.clamp(0.0, 1.0) * self.wide
    }

    fn axis(&self, canvas: &mut Canvas, top: f64, bottom: f64) {
        let (mut grid, mut free) = (Pen::default(), -99.0);
        let ticks = self.scale.ticks.iter().zip(&self.scale.labels);
        for (tick, label) in ticks.filter(|(tick, _)| **tick <= self.end.max(0.0)) {
            let x = self.x(*tick).round() + 0.5;
            grid.to(x, top).line(x, bottom);
            let half = width(label) / 2.0;
            let middle = x.max(half);
            if middle - half >= free {
                canvas.text(FAINT, (middle, top - 6.0), Hold::Middle, label);
                free = middle + half + 6.0;
            }
        }
        canvas.path(GRID, &grid, "");
        let mut axis = Pen::default();
        axis.to(self.left, top).line(self.left + self.wide, top);
        canvas.path(AXIS, &axis, "");
    }

    fn draw(&self, canvas: &mut Canvas, bar: &Bar, y: f64) {
        let middle = if self.is_narrow { y + 24.0 } else { y + 11.0 };
        let base = if self.is_narrow { y + 12.0 } else { y + 15.0 };
        let indent = if bar.sign == Sign::Request { 14.0 } else { 0.0 };
        let room = if self.is_narrow { canvas.width - 8.0 } else { self.left - 8.0 };
        let mut name_left = 4.0 + indent;
        if bar.failure.is_some() {
            let mut cross = Pen::default();
            let (x, y) = (name_left + 4.0, base - 4.0);
            cross.to(x - 4.0, y - 4.0).line(x + 4.0, y + 4.0);
            cross.to(x - 4.0, y + 4.0).line(x + 4.0, y - 4.0);
            canvas.path(FAILED, &cross, "stroke-width=\"2.5\"");
            name_left += 14.0;
        }
        let ink = if bar.sign == Sign::Step { TEXT } else { FAINT };
        canvas.text(ink, (name_left, base), Hold::Start, &squeezed(&bar.name, room - name_left));
        let mut time = bar.begin();
        for (phase, took) in bar.parts() {
            let (left, right) = (self.x(time), self.x(time + took));
            time += took;
            let mut pen = Pen::default();
            // However short it was, it is seen.
            let wide = (right - left).max(if took > 0.0 { 0.8 } else { 0.0 });
            if wide > 0.0 {
                pen.rect(Place(left, middle - phase.high() / 2.0, wide, phase.high()));
                canvas.path(phase.ink(), &pen, "");
            }
        }
        let took = Unit::Seconds.say(bar.took());
        canvas.text(ink, (self.x(bar.end()) + 5.0, middle + 4.0), Hold::Start, &took);
        let high = if self.is_narrow { 34.0 } else { 22.0 };
        canvas.hit(Place(0.0, y, canvas.width, high), &bar.say());
    }
}
