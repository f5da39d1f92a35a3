//! The log for people: `04:12:31 WARN  the store is slow  check=login wait="2 s"`.

use serde_json::Value;
use tracing::Level;

use super::Entry;
use crate::cli::look::{Look, Paint, clean};

/// The field that names the sort of event; machines group by it, people read the message.
const ACTION: &str = "event.action";

/// Where the message begins, in columns.
pub(super) const INDENT: usize = "04:12:31 WARN  ".len();

/// One event on one line, without its end.
pub(super) fn line(entry: &Entry<'_>, look: &Look) -> String {
    let time = look.paint(Paint::Faint, &look.time_of_day(entry.at));
    let (word, paint) = match entry.level {
        Level::ERROR => ("ERROR", Paint::Bad),
        Level::WARN => ("WARN ", Paint::Unsure),
        Level::INFO => ("INFO ", Paint::Good),
        Level::DEBUG => ("DEBUG", Paint::Accent),
        Level::TRACE => ("TRACE", Paint::Faint),
    };
    let mut line = format!("{time} {} {}", look.paint(paint, word), clean(entry.fields.message()));
    let mut gap = "  ";
    for (name, value) in entry.fields.others().filter(|(name, _)| *name != ACTION) {
        line.push_str(gap);
        line.push_str(&look.paint(Paint::Faint, &format!("{}=", clean(name))));
        line.push_str(&shown(value));
        gap = " ";
    }
    line
}

/// A value without quotes where it can be told apart from what follows.
fn shown(value: &Value) -> String {
    let Value::String(text) = value else { return clean(&value.to_string()) };
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(plain) {
        return clean(text);
    }
    format!("\"{}\"", clean(&text.replace('\\', "\\\\").replace('"', "\\\"")))
}
