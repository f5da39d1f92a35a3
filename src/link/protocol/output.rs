//! The output of an errand's run as it travels, while the run goes on.
//!
//! An agent tells it where it can: a hub that answers that there is no such thing knows nothing of it, and is
//! told no more. A line of a kind that is not known is left out. Durations are microseconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Item, micros};
use crate::domain::output::{Line, MOST_LINES, Numbered, What};
use crate::domain::run::LogLevel;

/// The most lines that are told at once.
pub const MOST_OUTPUT_LINES: usize = 64;
/// Once there is so much text, in bytes, no line is added to what is told at once.
pub const ENOUGH_OUTPUT: usize = 4 << 10;
/// The longest body with output, in bytes.
pub const LONGEST_OUTPUT: usize = 64 << 10;

/// What an agent tells of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputMessage {
    /// The name of the agent.
    pub name: String,
    /// The lines, one message each.
    pub lines: Vec<Item>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineMessage {
    number: u32,
    at_us: u64,
    #[serde(flatten)]
    what: WhatMessage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WhatMessage {
    Began {
        step: String,
    },
    Ended {
        step: String,
        took_us: u64,
        #[serde(default)]
        error: Option<String>,
    },
    Sent {
        request: String,
    },
    Answered {
        request: String,
        took_us: u64,
        #[serde(default)]
        status: Option<u16>,
        #[serde(default)]
        error: Option<String>,
    },
    Logged {
        level: String,
        text: String,
    },
    Left,
}

impl OutputMessage {
    /// Says `lines` as the agent `name`.
    pub fn new(name: &str, lines: &[Numbered]) -> Self {
        // A line has text keys, so none is left out.
        let items = lines.iter().filter_map(|line| Item::new(&LineMessage::from(line)).ok());
        Self { name: name.to_owned(), lines: items.collect() }
    }

    /// The lines that are understood, as many as may be, within bounds.
    pub fn read(&self) -> Vec<Numbered> {
        let lines = self.lines.iter().take(MOST_OUTPUT_LINES);
        let lines = lines.filter_map(|item| item.read::<LineMessage>().ok());
        lines.map(Numbered::from).filter(|line| line.number < MOST_LINES).collect()
    }
}

impl From<&Numbered> for LineMessage {
    fn from(Numbered { number, line }: &Numbered) -> Self {
        let what = match line.what.clone() {
            What::Began { step } => WhatMessage::Began { step },
            What::Ended { step, took, error } => {
                WhatMessage::Ended { step, took_us: micros(took), error }
            }
            What::Sent { request } => WhatMessage::Sent { request },
            What::Answered { request, took, answer } => WhatMessage::Answered {
                request,
                took_us: micros(took),
                status: answer.as_ref().ok().copied(),
                error: answer.err(),
            },
            What::Logged { level, text } => {
                WhatMessage::Logged { level: level.as_str().to_owned(), text }
            }
            What::Left => WhatMessage::Left,
        };
        Self { number: *number, at_us: micros(line.at), what }
    }
}

impl From<LineMessage> for Numbered {
    fn from(LineMessage { number, at_us, what }: LineMessage) -> Self {
        let what = match what {
            WhatMessage::Began { step } => What::Began { step },
            WhatMessage::Ended { step, took_us, error } => {
                What::Ended { step, took: Duration::from_micros(took_us), error }
            }
            WhatMessage::Sent { request } => What::Sent { request },
            WhatMessage::Answered { request, took_us, status, error } => What::Answered {
                request,
                took: Duration::from_micros(took_us),
                answer: status.ok_or_else(|| error.unwrap_or_default()),
            },
            WhatMessage::Logged { level, text } => {
                What::Logged { level: LogLevel::named(&level).unwrap_or(LogLevel::Info), text }
            }
            WhatMessage::Left => What::Left,
        };
        let line = Line { at: Duration::from_micros(at_us), what }.within_bounds();
        Self { number, line }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn numbered(number: u32, what: What) -> Numbered {
        Numbered { number, line: Line { at: Duration::from_micros(1_234), what } }
    }

    #[test]
    fn lines_come_as_they_went() {
        let took = Duration::from_millis(3);
        let request = || "GET https://shop.example/".to_owned();
        let lines: Vec<Numbered> = [
            What::Began { step: "sign in".into() },
            What::Ended { step: "sign in".into(), took, error: Some("no".into()) },
            What::Sent { request: request() },
            What::Answered { request: request(), took, answer: Ok(200) },
            What::Answered { request: request(), took, answer: Err("reset".into()) },
            What::Logged { level: LogLevel::Warn, text: "\u{1f600}".into() },
            What::Left,
        ]
        .into_iter()
        .zip(0..)
        .map(|(what, number)| numbered(number, what))
        .collect();
        let text = serde_json::to_string(&OutputMessage::new("one", &lines)).expect("JSON");
        let message: OutputMessage = serde_json::from_str(&text).expect("JSON");
        assert_eq!((message.name.as_str(), message.read()), ("one", lines));
    }

    #[test]
    fn what_is_not_understood_or_too_much_is_left_out() {
        let message: OutputMessage = serde_json::from_value(json!({"name": "one", "lines": [
            {"number": 0, "at_us": 1, "kind": "sang", "song": "la"},
            {"number": 1, "at_us": 1, "kind": "logged", "level": "sotto voce", "text": "x", "new": 1},
            {"number": MOST_LINES, "at_us": 1, "kind": "left"},
            7,
        ]}))
        .expect("a message");
        let what = What::Logged { level: LogLevel::Info, text: "x".into() };
        let line = Line { at: Duration::from_micros(1), what };
        assert_eq!(message.read(), [Numbered { number: 1, line }]);
        let many = vec![numbered(0, What::Left); MOST_OUTPUT_LINES + 9];
        assert_eq!(OutputMessage::new("one", &many).read().len(), MOST_OUTPUT_LINES);
    }

    #[test]
    fn what_is_told_at_once_fits_into_a_body() {
        // JSON writes six characters for one of these.
        let logged = |text| What::Logged { level: LogLevel::Debug, text };
        let ended = |text: String| What::Ended {
            step: text.clone(),
            took: Duration::from_micros(u64::MAX),
            error: Some(text),
        };
        let share = ENOUGH_OUTPUT / (MOST_OUTPUT_LINES - 1);
        let mut lines =
            vec![numbered(MOST_LINES, logged("\u{1}".repeat(share))); MOST_OUTPUT_LINES - 1];
        let last = numbered(MOST_LINES, ended("\u{1}".repeat(1 << 20)));
        lines.push(Numbered { line: last.line.within_bounds(), ..last });
        let body = serde_json::to_string(&OutputMessage::new(&"n".repeat(128), &lines));
        let length = body.expect("JSON").len();
        assert!(length > 5 * ENOUGH_OUTPUT && length <= LONGEST_OUTPUT, "{length}");
    }
}
