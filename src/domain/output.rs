//! The output of a run that somebody asked for: what it does, as lines for those who watch it while it goes
//! on.
//!
//! It is told as well as can be and never waited for: lines may be missing, and no run is slower, or ends
//! otherwise, because somebody watches. What is to be relied on is the run's report.
//!
//! Must not: hold a secret. Whoever makes a line makes it of what is masked already.

use std::time::Duration;

use super::run::LogLevel;

/// The most lines that are told of a run.
pub const MOST_LINES: u32 = 500;
/// The most that is told of a run, in bytes of text.
pub const MOST_BYTES: usize = 64 << 10;
/// The longest text in a line, in characters.
pub const LONGEST_TEXT: usize = 300;

/// A line, with its number among those of its run, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// The number.
    pub number: u32,
    /// The line.
    pub line: Line,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, from the start of the run.
    pub at: Duration,
    /// What happened.
    pub what: What,
}

/// What a line tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A step began.
    Began {
        /// Its name.
        step: String,
    },
    /// A step ended.
    Ended {
        /// Its name.
        step: String,
        /// How long it took.
        took: Duration,
        /// The error it ended with.
        error: Option<String>,
    },
    /// A request was sent.
    Sent {
        /// The method and the URL.
        request: String,
    },
    /// A request was answered, or failed.
    Answered {
        /// The method and the URL.
        request: String,
        /// How long that took.
        took: Duration,
        /// The status, or why there is none.
        answer: Result<u16, String>,
    },
    /// The script wrote to its console.
    Logged {
        /// How grave.
        level: LogLevel,
        /// What.
        text: String,
    },
    /// More happens than is told.
    Left,
}

/// How a line is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Something begins.
    Begins,
    /// Something went well.
    Good,
    /// Something went wrong.
    Bad,
    /// What a script says.
    Said,
    /// What a script warns of.
    Warned,
    /// A remark.
    Aside,
}

impl Look {
    /// The word in JSON and in style sheets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begins => "begins",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Said => "said",
            Self::Warned => "warned",
            Self::Aside => "aside",
        }
    }
}

impl Line {
    /// The line with texts of bounded length.
    #[must_use]
    pub fn within_bounds(mut self) -> Self {
        match &mut self.what {
            What::Began { step: text }
            | What::Sent { request: text }
            | What::Logged { text, .. } => cut(text),
            What::Ended { step, error, .. } => {
                cut(step);
                error.iter_mut().for_each(cut);
            }
            What::Answered { request, answer, .. } => {
                cut(request);
                answer.as_mut().err().into_iter().for_each(cut);
            }
            What::Left => {}
        }
        self
    }

    /// How many bytes of text it has.
    pub fn length(&self) -> usize {
        match &self.what {
            What::Began { step: text }
            | What::Sent { request: text }
            | What::Logged { text, .. } => text.len(),
            What::Ended { step, error, .. } => step.len() + error.as_ref().map_or(0, String::len),
            What::Answered { request, answer, .. } => {
                request.len() + answer.as_ref().err().map_or(0, String::len)
            }
            What::Left => 0,
        }
    }

    /// The line for people: how it looks, and what it says.
    pub fn shown(&self) -> (Look, String) {
        match &self.what {
            What::Began { step } => (Look::Begins, step.clone()),
            What::Ended { step, took, error: None } => {
                (Look::Good, format!("{step} ({})", length(*took)))
            }
            What::Ended { step, took, error: Some(error) } => {
                (Look::Bad, format!("{step} ({}): {error}", length(*took)))
            }
            What::Sent { request } => (Look::Begins, request.clone()),
            What::Answered { request, took, answer: Ok(status) } => {
                // What a status means is up to the script.
                let look = if *status < 400 { Look::Good } else { Look::Warned };
                (look, format!("{status} {request} ({})", length(*took)))
            }
            What::Answered { request, took, answer: Err(error) } => {
                (Look::Bad, format!("{request} ({}): {error}", length(*took)))
            }
            What::Logged { level, text } => {
                let look = match level {
                    LogLevel::Debug | LogLevel::Info => Look::Said,
                    LogLevel::Warn => Look::Warned,
                    LogLevel::Error => Look::Bad,
                };
                (look, text.clone())
            }
            What::Left => {
                (Look::Aside, "there is more than is shown here; the run's page has it".to_owned())
            }
        }
    }
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(end);
        text.push('…');
    }
}

/// A length of time for people: `312 ms`, `4.2 s`.
pub(super) fn length(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(what: What) -> Line {
        Line { at: Duration::from_millis(7), what }
    }

    #[test]
    fn each_line_says_what_happened() {
        let took = Duration::from_millis(312);
        let request = || "GET https://shop.example/login".to_owned();
        for (what, look, said) in [
            (What::Began { step: "sign in".into() }, Look::Begins, "sign in"),
            (
                What::Ended { step: "sign in".into(), took, error: Some("no".into()) },
                Look::Bad,
                "sign in (312 ms): no",
            ),
            (
                What::Answered { request: request(), took, answer: Ok(503) },
                Look::Warned,
                "503 GET https://shop.example/login (312 ms)",
            ),
            (
                What::Answered { request: request(), took, answer: Err("reset".into()) },
                Look::Bad,
                "GET https://shop.example/login (312 ms): reset",
            ),
            (What::Logged { level: LogLevel::Error, text: "oh".into() }, Look::Bad, "oh"),
        ] {
            assert_eq!(line(what).shown(), (look, said.to_owned()));
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = line(What::Ended {
            step: "é".repeat(LONGEST_TEXT + 1),
            took: Duration::ZERO,
            error: Some("x".repeat(1 << 20)),
        });
        let within = long.within_bounds();
        assert!(within.length() < 4 * LONGEST_TEXT, "{}", within.length());
        let What::Ended { step, .. } = &within.what else { panic!("{within:?}") };
        assert_eq!(step.chars().count(), LONGEST_TEXT + 1);
        assert!(step.ends_with('…'));
        let short = line(What::Sent { request: "GET /".into() });
        assert_eq!(short.clone().within_bounds(), short);
    }
}
