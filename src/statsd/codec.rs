//! The statsd line format, as far as we write it: counters, timers and gauges, with labels as parts
//! of the name or as `DogStatsD` tags.
//!
//! Pure. Whatever the names and values hold, a line has one metric and no line breaks or separators
//! but our own: names come from scripts and must not be able to write metrics of others.
//!
//! Sources: <https://github.com/statsd/statsd/blob/master/docs/metric_types.md>,
//! <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>.

use std::fmt::Write as _;
use std::time::Duration;

/// The longest part of a name, in bytes. Graphite makes a file name of each.
const LONGEST_PART: usize = 128;
/// The longest tag, key and colon included, in characters: Datadog cuts longer ones.
const LONGEST_TAG: usize = 200;
/// What a line needs at a guess, in bytes.
const USUAL_LINE: usize = 96;

/// How labels, such as the check and the region, are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As parts of the name, for statsd's own daemon: `runs.login.eu:1|c`.
    Plain,
    /// As tags, for Datadog's and compatible agents: `runs:1|c|#check:login,region:eu`.
    Dogstatsd,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// So many more; a counter.
    Count(u64),
    /// A timer, written in milliseconds with up to three digits after the point.
    Time(Duration),
    /// A gauge; nothing is written for values that are not finite.
    Gauge(f64),
}

/// One metric with its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metric<'a> {
    /// The name without the prefix, in pieces; dots in them separate parts.
    pub(super) name: &'a [&'a str],
    /// What tells one series of the name from another. Each value is one part of a plain name,
    /// whatever it holds.
    pub(super) labels: &'a [(&'a str, &'a str)],
    /// More labels, for which there is no place in a plain name. One that is called like one of
    /// `labels` is left out.
    pub(super) tags: &'a [(String, String)],
    /// The value.
    pub(super) value: Value,
}

/// Encoded metrics, one after the other.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    /// Where each entry ends in the text.
    ends: Vec<usize>,
}

impl Lines {
    /// Room for so many usual entries.
    pub(super) fn with_capacity(entries: usize) -> Self {
        let text = String::with_capacity(entries * USUAL_LINE);
        Self { text, ends: Vec::with_capacity(entries) }
    }

    /// The entries without line breaks around them. An entry is one line, or lines of which the
    /// order matters and which must therefore travel in one packet.
    pub(super) fn entries(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end])
    }
}

/// Writes metrics in one style below one prefix.
#[derive(Debug)]
pub(super) struct Encoder {
    /// Empty, or with a dot at its end.
    prefix: String,
    style: Style,
}

impl Encoder {
    /// An encoder for names below `prefix`, which may be empty.
    pub(super) fn new(prefix: &str, style: Style) -> Self {
        let mut clean = String::new();
        for part in prefix.split('.').filter(|part| !part.is_empty()) {
            push_part(part, &mut clean);
            clean.push('.');
        }
        Self { prefix: clean, style }
    }

    /// Appends the entry for `metric`.
    pub(super) fn encode(&self, metric: &Metric<'_>, lines: &mut Lines) {
        if let Value::Gauge(value) = metric.value {
            if !value.is_finite() {
                return;
            }
            // To statsd a sign makes a gauge a difference; from zero the difference is the value.
            if value < 0.0 && self.style == Style::Plain {
                self.line(metric, Value::Gauge(0.0), &mut lines.text);
                lines.text.push('\n');
            }
        }
        self.line(metric, metric.value, &mut lines.text);
        lines.ends.push(lines.text.len());
    }

    fn line(&self, metric: &Metric<'_>, value: Value, text: &mut String) {
        text.push_str(&self.prefix);
        push_name(metric.name, text);
        if self.style == Style::Plain {
            for (_, label) in metric.labels {
                text.push('.');
                push_part(label, text);
            }
        }
        push_value(value, text);
        if self.style == Style::Dogstatsd {
            push_tags(metric, text);
        }
    }
}

fn push_name(pieces: &[&str], text: &mut String) {
    let parts = pieces.iter().flat_map(|piece| piece.split('.')).filter(|part| !part.is_empty());
    for (index, part) in parts.enumerate() {
        if index > 0 {
            text.push('.');
        }
        push_part(part, text);
    }
}

/// Appends one part of a name: ASCII letters, digits, `-` and `_`, and `_` for all else.
fn push_part(part: &str, text: &mut String) {
    let harmless = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let before = text.len();
    text.extend(part.chars().take(LONGEST_PART).map(|c| if harmless(c) { c } else { '_' }));
    if text.len() == before {
        text.push('_');
    }
}

fn push_value(value: Value, text: &mut String) {
    let written = match value {
        Value::Count(count) => write!(text, ":{count}|c"),
        Value::Time(time) => {
            text.push(':');
            push_millis(time, text);
            text.push_str("|ms");
            Ok(())
        }
        // Zero has a sign of its own, which would make it a difference.
        Value::Gauge(0.0) => write!(text, ":0|g"),
        Value::Gauge(value) => write!(text, ":{value}|g"),
    };
    written.expect("writing to a string cannot fail");
}

fn push_millis(time: Duration, text: &mut String) {
    let micros = time.as_micros();
    let (whole, rest) = (micros / 1000, micros % 1000);
    let written = match rest {
        0 => write!(text, "{whole}"),
        _ if rest % 100 == 0 => write!(text, "{whole}.{}", rest / 100),
        _ if rest % 10 == 0 => write!(text, "{whole}.{:02}", rest / 10),
        _ => write!(text, "{whole}.{rest:03}"),
    };
    written.expect("writing to a string cannot fail");
}

fn push_tags(metric: &Metric<'_>, text: &mut String) {
    // Datadog's tags ignore case, so a tag `Check` would make the label ambiguous.
    let is_label = |key: &str| metric.labels.iter().any(|(name, _)| name.eq_ignore_ascii_case(key));
    let own = metric.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let tags = metric.labels.iter().copied().chain(own.filter(|(key, _)| !is_label(key)));
    for (index, (key, value)) in tags.enumerate() {
        text.push_str(if index == 0 { "|#" } else { "," });
        let length = push_word(key, LONGEST_TAG / 2, text);
        text.push(':');
        push_word(value, LONGEST_TAG - length - 1, text);
    }
}

/// Appends the key or value of a tag, with `_` for all that Datadog would not keep. Returns how
/// many characters were written.
fn push_word(word: &str, longest: usize, text: &mut String) -> usize {
    let harmless = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let mut length = 0;
    for c in word.chars().take(longest) {
        text.push(if harmless(c) { c } else { '_' });
        length += 1;
    }
    if length == 0 {
        text.push('_');
        length = 1;
    }
    length
}

#[cfg(test)]
pub(super) mod tests;
