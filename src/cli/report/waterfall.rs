//! Steps and requests as a tree, each with a bar that shows when in the run it happened.

use std::time::Duration;

use crate::cli::look::{Look, Paint, clean, columns, cut, fitted, spoken, spoken_bytes, wrapped};
use crate::domain::run::{Report, Request, Step, Timings};

/// Steps within steps are moved to the right up to this depth.
const DEEPEST: usize = 8;

/// Columns for a duration, the gap before it included.
const DURATION: usize = 12;

/// Columns for the sign before a label, and between a duration and its bar.
const SIGN: usize = 2;
const GAP: usize = 2;

/// The narrowest bar worth drawing, and the widest.
const BARS: std::ops::RangeInclusive<usize> = 10..=60;

/// The columns of one report.
struct Layout<'a> {
    look: &'a Look,
    label: usize,
    /// 0 when there is no room.
    bar: usize,
    /// What the whole bar stands for.
    span: Duration,
}

/// A part of a bar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Waiting,
    Receiving,
    Step,
}

/// What stands at one place of the tree.
#[derive(Clone, Copy)]
enum Node<'a> {
    Step(usize, &'a Step),
    Request(&'a Request),
}

impl Node<'_> {
    fn start(&self) -> Duration {
        match self {
            Self::Step(_, step) => step.start,
            Self::Request(request) => request.start,
        }
    }
}

/// The lines of all steps and requests, in the order in which they started, and what the bars mean.
pub(super) fn lines(report: &Report, look: &Look) -> Vec<String> {
    let layout = Layout::new(report, look);
    let nodes = tree(report);
    let mut lines = Vec::new();
    // The next nodes to show, the last first: scripts decide how deep steps are.
    let mut open: Vec<(Node<'_>, usize)> = Vec::new();
    let top = &nodes[report.trace.steps.len()];
    open.extend(top.iter().rev().map(|node| (*node, 0)));
    while let Some((node, depth)) = open.pop() {
        let indent = " ".repeat(2 + 2 * depth.min(DEEPEST));
        match node {
            Node::Step(index, step) => {
                lines.push(layout.step(&indent, step, report.duration));
                open.extend(nodes[index].iter().rev().map(|node| (*node, depth + 1)));
            }
            Node::Request(request) => lines.extend(layout.request(&indent, request)),
        }
    }
    if layout.bar > 0 && !report.trace.requests.is_empty() {
        lines.push(layout.legend());
    }
    lines
}

/// The nodes below each step, by its index; after those, the nodes below none. A step that names
/// itself or a later one as its parent stands at the top.
fn tree(report: &Report) -> Vec<Vec<Node<'_>>> {
    let steps = &report.trace.steps;
    let mut nodes: Vec<Vec<Node<'_>>> = vec![Vec::new(); steps.len() + 1];
    let place = |parent: Option<u32>, below: usize| {
        let parent = parent.and_then(|parent| usize::try_from(parent).ok());
        parent.filter(|parent| *parent < below).unwrap_or(steps.len())
    };
    for (index, step) in steps.iter().enumerate() {
        nodes[place(step.parent, index)].push(Node::Step(index, step));
    }
    for request in &report.trace.requests {
        nodes[place(request.step, steps.len())].push(Node::Request(request));
    }
    for siblings in &mut nodes {
        siblings.sort_by_key(Node::start);
    }
    nodes
}

impl<'a> Layout<'a> {
    fn new(report: &Report, look: &'a Look) -> Self {
        let room = look.width.saturating_sub(SIGN + DURATION + GAP);
        let wanted = room * 2 / 5;
        let bar = if wanted < *BARS.start() { 0 } else { wanted.min(*BARS.end()) };
        let label = room.saturating_sub(bar).clamp(20, 72);
        Self { look, label, bar, span: report.duration.max(Duration::from_micros(1)) }
    }

    fn step(&self, indent: &str, step: &Step, end: Duration) -> String {
        let look = self.look;
        let (sign, paint) = match (&step.error, step.duration) {
            (Some(_), _) => (look.sign("✗", "x"), Paint::Bad),
            (None, None) => (look.sign("…", "~"), Paint::Unsure),
            (None, Some(_)) => (look.sign("✓", "+"), Paint::Good),
        };
        let label = format!("{} {}", look.paint(paint, sign), {
            let room = self.label.saturating_sub(indent.len()).max(8);
            look.paint(Paint::Strong, &fitted(&clean(&step.name), room))
        });
        let took = step.duration.map_or_else(|| "not ended".to_owned(), spoken);
        let duration = step.duration.unwrap_or(end.saturating_sub(step.start));
        let bar = self.bar(step.start, &[(Phase::Step, duration)], paint);
        format!("{indent}{label}{took:>DURATION$}  {bar}").trim_end().to_owned()
    }

    fn request(&self, indent: &str, request: &Request) -> Vec<String> {
        let room = (self.label + 2).saturating_sub(indent.len() + 2);
        let status = match (request.status, &request.error) {
            (Some(status), _) => status.to_string(),
            (None, _) => "no answer".to_owned(),
        };
        let method = clean(&request.method);
        let url_room = room.saturating_sub(method.len() + status.len() + 3).max(8);
        let url = short_url(&clean(&request.url), url_room);
        let label = fitted(&format!("{method} {url}  {status}"), room);
        let phases = phases(request.timings);
        let took: Duration = phases.iter().map(|(_, duration)| *duration).sum();
        let bad = request.error.is_some() || request.status.is_some_and(|status| status >= 400);
        let paint = if bad { Paint::Bad } else { Paint::Accent };
        let bar = self.bar(request.start, &phases, paint);
        let label = if bad { self.look.paint(Paint::Bad, &label) } else { label };
        let took = spoken(took);
        let first = format!("{indent}  {label}{took:>DURATION$}  {bar}").trim_end().to_owned();
        let mut lines = vec![first];
        let detail = self.detail(request);
        lines.extend(self.below(indent, Paint::Faint, &detail));
        if let Some(error) = &request.error {
            lines.extend(self.below(indent, Paint::Bad, error));
        }
        lines
    }

    /// Lines about the request above them.
    fn below(&self, indent: &str, paint: Paint, text: &str) -> Vec<String> {
        if text.is_empty() {
            return Vec::new();
        }
        let room = self.look.width.saturating_sub(indent.len() + 4).max(20);
        let lines = wrapped(text, room);
        lines.iter().map(|line| format!("{indent}    {}", self.look.paint(paint, line))).collect()
    }

    /// Sizes, and where the time went.
    fn detail(&self, request: &Request) -> String {
        let timings = request.timings;
        let named = [
            ("dns", timings.dns),
            ("connect", timings.connect),
            ("tls", timings.tls),
            ("wait", timings.wait),
            ("download", timings.download),
        ];
        let mut parts: Vec<String> = Vec::new();
        if request.status.is_some() {
            parts.push(spoken_bytes(request.received));
        }
        let took =
            |(name, time): (&str, Option<Duration>)| Some(format!("{name} {}", spoken(time?)));
        parts.extend(named.into_iter().filter_map(took));
        let until = request.certificate_until.map(|at| at.format("certificate until %Y-%m-%d"));
        parts.extend(until.map(|it| it.to_string()));
        parts.join(self.look.sign(" · ", ", "))
    }

    /// A bar that begins at `start` and has `phases` one after the other; never empty.
    fn bar(&self, start: Duration, phases: &[(Phase, Duration)], paint: Paint) -> String {
        if self.bar == 0 {
            return String::new();
        }
        let first = self.column(start).min(self.bar - 1);
        let (mut at, mut column, mut drawn) = (start, first, String::new());
        for (phase, duration) in phases {
            at = at.saturating_add(*duration);
            let end = self.column(at).min(self.bar);
            drawn.push_str(&self.glyph(*phase).repeat(end.saturating_sub(column)));
            column = column.max(end);
        }
        if drawn.is_empty() {
            drawn.push_str(self.glyph(phases.last().map_or(Phase::Waiting, |(phase, _)| *phase)));
        }
        format!("{}{}", " ".repeat(first), self.look.paint(paint, &drawn))
    }

    /// The column nearest to `at`.
    fn column(&self, at: Duration) -> usize {
        let (span, bar) = (self.span.as_micros(), self.bar as u128);
        let nearest = (at.as_micros().saturating_mul(bar).saturating_add(span / 2)) / span;
        usize::try_from(nearest).unwrap_or(usize::MAX)
    }

    fn glyph(&self, phase: Phase) -> &'static str {
        match phase {
            Phase::Connecting => self.look.sign("░", "."),
            Phase::Waiting => self.look.sign("▒", "="),
            Phase::Receiving => self.look.sign("█", "#"),
            Phase::Step => self.look.sign("━", "-"),
        }
    }

    fn legend(&self) -> String {
        let named = [
            (Phase::Connecting, "connect"),
            (Phase::Waiting, "wait"),
            (Phase::Receiving, "receive"),
        ];
        let said = named.map(|(phase, name)| format!("{} {name}", self.glyph(phase))).join("  ");
        let margin = " ".repeat(self.look.width.saturating_sub(columns(&said)));
        self.look.paint(Paint::Faint, &format!("{margin}{said}"))
    }
}

fn phases(timings: Timings) -> [(Phase, Duration); 3] {
    let of = |parts: &[Option<Duration>]| parts.iter().flatten().sum();
    [
        (Phase::Connecting, of(&[timings.dns, timings.connect, timings.tls])),
        (Phase::Waiting, of(&[timings.wait])),
        (Phase::Receiving, of(&[timings.download])),
    ]
}

/// `url` in at most `room` columns: without scheme if that is enough, then without its middle, since
/// host and end tell requests apart.
fn short_url(url: &str, room: usize) -> String {
    let count = |text: &str| text.chars().count();
    if count(url) <= room {
        return url.to_owned();
    }
    let short = url.split_once("://").map_or(url, |(_, rest)| rest);
    if count(short) <= room || room < 4 {
        return cut(short, room);
    }
    let end = room / 2;
    let head: String = short.chars().take(room - end - 1).collect();
    let tail: String = short.chars().skip(count(short) - end).collect();
    format!("{head}…{tail}")
}
