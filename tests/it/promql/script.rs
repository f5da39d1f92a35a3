//! Reads Prometheus' test scripts: loads, clears and evaluations with what they expect.
//!
//! The format is that of `promql/promqltest/test.go`, the old keywords (`eval_warn`) and the new
//! ones (`expect warn`) alike.

use tripline::query::{Comparison, Labels, Limits, Settings, When, parse, plan};

/// One command of a script.
pub(super) enum Command {
    Clear,
    Load(Vec<Loaded>),
    Eval(Box<Eval>),
}

/// A series that is loaded.
pub(super) struct Loaded {
    pub(super) labels: Labels,
    pub(super) samples: Vec<(i64, Point)>,
    /// The series is also kept as a native histogram with custom buckets.
    pub(super) as_native: bool,
}

/// A sample, or what stands for one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Point {
    Value(f64),
    /// A native histogram.
    Native,
}

/// An evaluation and what is expected of it.
pub(super) struct Eval {
    /// The line in the file, from 1.
    pub(super) line: usize,
    pub(super) expression: String,
    pub(super) when: When,
    pub(super) fails: bool,
    /// What the error must say.
    pub(super) message: Expected,
    pub(super) ordered: bool,
    pub(super) warns: Expected,
    pub(super) informs: Expected,
    pub(super) text: Option<String>,
    pub(super) scalar: Option<f64>,
    pub(super) series: Vec<(Labels, Vec<Option<Point>>)>,
    /// Of an instant query for a range: the time of the first value, and from one to the next.
    pub(super) raw: Option<(i64, i64)>,
}

/// Whether a kind of note is expected.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// Said neither way.
    Open,
    None,
    Some,
    /// With this text.
    Text(String),
    /// With a text that this pattern is found in.
    Pattern(regex::Regex),
}

impl Expected {
    /// Whether this is what `found` is.
    pub(super) fn fits(&self, found: &[&str]) -> bool {
        match self {
            Self::Open => true,
            Self::None => found.is_empty(),
            Self::Some => !found.is_empty(),
            Self::Text(text) => found.contains(&text.as_str()),
            Self::Pattern(pattern) => found.iter().any(|found| pattern.is_match(found)),
        }
    }
}

/// Reads a whole script.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let trimmed = |line: &str| {
        let line = line.trim();
        if line.starts_with('#') { String::new() } else { line.to_owned() }
    };
    let lines: Vec<String> = text.lines().map(trimmed).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let (first, start) = (&lines[at], at);
        at += 1;
        if first.is_empty() {
            continue;
        }
        while at < lines.len() && !lines[at].is_empty() {
            let word = lines[at].split_whitespace().next().unwrap_or_default();
            if word == "clear" || word == "load" || word.starts_with("eval") {
                break;
            }
            at += 1;
        }
        let block = &lines[start + 1..at];
        let word = first.split_whitespace().next().unwrap_or_default();
        found.push(match word {
            "clear" => Command::Clear,
            "load" | "load_with_nhcb" => {
                let gap = duration(first[word.len()..].trim());
                let load = |line: &String| loaded(line, gap, word == "load_with_nhcb");
                Command::Load(block.iter().map(load).collect())
            }
            _ => Command::Eval(Box::new(eval(first, block, start + 1))),
        });
    }
    found
}

fn loaded(line: &str, gap: i64, as_native: bool) -> Loaded {
    let (labels, values) = definition(line);
    let times = (0..).map(|at: i64| at * gap);
    let samples = times.zip(points(values)).filter_map(|(time, point)| Some((time, point?)));
    Loaded { labels, samples: samples.collect(), as_native }
}

/// A time or duration: `5m`, `1h30m`, `0`, `-10s`, `10.5`.
fn duration(text: &str) -> i64 {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text),
    };
    if let Ok(seconds) = text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "test times are small")]
        return sign * (seconds * 1000.0).round() as i64;
    }
    let expression = format!("x offset {text}");
    let limits = Limits::default();
    let parsed = parse(&expression, &limits).unwrap_or_else(|error| panic!("{text}: {error}"));
    let selections = plan(&parsed, When::At(0), &Settings::default()).expect("one selection");
    -sign * selections[0].until
}

fn eval(first: &str, block: &[String], line: usize) -> Eval {
    let (word, rest) = first.split_once(' ').expect("an evaluation");
    let old = word.strip_prefix("eval").unwrap_or_default();
    let is_new = block.iter().any(|line| line.starts_with("expect "));
    let note = |name: &str| match (old == name, is_new) {
        (true, _) => Expected::Some,
        (false, true) => Expected::Open,
        (false, false) => Expected::None,
    };
    let (when, expression) = times(rest.trim());
    let mut eval = Eval {
        line,
        expression,
        when,
        fails: old == "_fail",
        message: Expected::Open,
        ordered: old == "_ordered",
        warns: note("_warn"),
        informs: note("_info"),
        text: None,
        scalar: None,
        series: Vec::new(),
        raw: None,
    };
    for line in block {
        expectation(&mut eval, line);
    }
    if eval.ordered {
        // Prometheus does not look at notes where it looks at the order.
        (eval.warns, eval.informs) = (Expected::Open, Expected::Open);
    }
    eval
}

/// `instant at 5m EXPRESSION` or `range from 0 to 10m step 1m EXPRESSION`.
fn times(rest: &str) -> (When, String) {
    if let Some(rest) = rest.strip_prefix("instant") {
        let rest = rest.trim_start();
        let Some(rest) = rest.strip_prefix("at ") else { return (When::At(0), rest.to_owned()) };
        let (time, expression) = rest.trim_start().split_once(char::is_whitespace).expect("a time");
        return (When::At(duration(time)), expression.trim().to_owned());
    }
    let words: Vec<&str> = rest.split_whitespace().take(7).collect();
    let ["range", "from", start, "to", end, "step", step] = words[..] else {
        panic!("no evaluation: {rest}")
    };
    let after = rest.find(" step ").expect("a step") + " step ".len();
    let expression = rest[after..].trim_start().strip_prefix(step).expect("the step");
    let when = When::Every { start: duration(start), end: duration(end), step: duration(step) };
    (when, expression.trim().to_owned())
}

fn expectation(eval: &mut Eval, line: &str) {
    if let Some(message) = line.strip_prefix("expected_fail_message") {
        eval.message = Expected::Text(message.trim().to_owned());
    } else if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
        eval.message = Expected::Pattern(regex::Regex::new(pattern.trim()).expect("a pattern"));
    } else if let Some(rest) = line.strip_prefix("expect ") {
        let rest = rest.trim();
        let note = match (rest.split_once("msg:"), rest.split_once("regex:")) {
            (Some((_, text)), _) => Expected::Text(text.trim().to_owned()),
            (None, Some((_, pattern))) => {
                Expected::Pattern(regex::Regex::new(pattern.trim()).expect("a pattern"))
            }
            (None, None) => Expected::Some,
        };
        match rest.split_whitespace().next().unwrap_or_default() {
            "fail" => (eval.fails, eval.message) = (true, note),
            "warn" => eval.warns = note,
            "info" => eval.informs = note,
            "no_warn" => eval.warns = Expected::None,
            "no_info" => eval.informs = Expected::None,
            "ordered" => eval.ordered = true,
            "range" => {
                let words: Vec<&str> = rest.split_whitespace().collect();
                let ["range", "vector", "from", start, "to", _, "step", step] = words[..] else {
                    panic!("unknown expectation: {rest}")
                };
                eval.raw = Some((duration(start), duration(step)));
            }
            "string" => {
                let text = rest["string".len()..].trim();
                eval.text = Some(text.trim_matches(['"', '\'', '`']).to_owned());
            }
            other => panic!("unknown expectation: {other}"),
        }
    } else if let Some(value) = number(line) {
        eval.scalar = Some(value);
    } else {
        let (labels, values) = definition(line);
        eval.series.push((labels, points(values)));
    }
}

/// Whether labels follow: `metric {a="b"}` is one series, `metric {{count:1}}` is not.
fn opens(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.starts_with('{') && !rest.starts_with("{{")
}

/// A series and the text of its values.
fn definition(line: &str) -> (Labels, &str) {
    let (mut quote, mut is_open, mut end) = (None, false, line.len());
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => is_open = true,
            (None, '}') => {
                end = at + 1;
                break;
            }
            (None, c) if c.is_whitespace() && !is_open && !opens(&line[at..]) => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    (labels(&line[..end]), line[end..].trim())
}

fn labels(text: &str) -> Labels {
    if text.trim() == "{}" {
        return Labels::default();
    }
    let settings = Settings::default();
    let parsed = parse(text, &settings.limits).unwrap_or_else(|error| panic!("{text}: {error}"));
    let selections = plan(&parsed, When::At(0), &settings).expect("one selection");
    let pair = |matcher: &tripline::query::Matcher| {
        assert_eq!(matcher.comparison, Comparison::Equal, "{text} is no series");
        (matcher.name.clone(), matcher.value.clone())
    };
    selections[0].matchers.iter().map(pair).collect()
}

fn number(text: &str) -> Option<f64> {
    match text {
        "stale" => Some(tripline::query::STALE),
        "Inf" | "+Inf" | "inf" | "+inf" => Some(f64::INFINITY),
        "-Inf" | "-inf" => Some(f64::NEG_INFINITY),
        "NaN" | "nan" => Some(f64::NAN),
        _ => text.parse().ok(),
    }
}

/// `1 2+3x4 _x2 stale {{schema:0}}x3`, step by step.
fn points(text: &str) -> Vec<Option<Point>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = if rest.starts_with("{{") {
            let close = close(rest);
            close + rest[close..].find(char::is_whitespace).unwrap_or(rest.len() - close)
        } else {
            rest.find(char::is_whitespace).unwrap_or(rest.len())
        };
        item(&rest[..end], &mut found);
        rest = rest[end..].trim_start();
    }
    found
}

/// The end of the histograms of an item, which may be `{{..}}+{{..}}x3`.
fn close(text: &str) -> usize {
    let mut end = text.find("}}").expect("a closed histogram") + 2;
    while text[end..].starts_with("+{{") || text[end..].starts_with("-{{") {
        end += text[end..].find("}}").expect("a closed histogram") + 2;
    }
    end
}

fn item(text: &str, found: &mut Vec<Option<Point>>) {
    if text.starts_with("{{") {
        let times = text.rsplit_once("}}x").map_or(0, |(_, times)| times.parse().expect("a count"));
        found.extend(std::iter::repeat_n(Some(Point::Native), times + 1));
        return;
    }
    let (value, times) = match text.rsplit_once('x') {
        Some((value, times)) => (value, Some(times.parse::<usize>().expect("a count"))),
        None => (text, None),
    };
    if value == "_" {
        found.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
        return;
    }
    let (mut value, change) = match number(value) {
        Some(value) => (value, 0.0),
        None => changing(value),
    };
    for _ in 0..=times.unwrap_or_default() {
        found.push(Some(Point::Value(value)));
        if change != 0.0 {
            value += change;
        }
    }
}

/// `5+2` and `5-2`; the sign of an exponent is not the one that is meant.
fn changing(text: &str) -> (f64, f64) {
    let signs = text.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    for (at, _) in signs {
        let (value, change) = text.split_at(at);
        if let (Some(value), Some(change)) = (number(value), number(change)) {
            return (value, change);
        }
    }
    panic!("no value: {text}")
}
