//! Lines of the output of a run, as JSON. Times are microseconds.

use serde::{Deserialize, Serialize};

use super::{duration, from_json, micros, named, to_json};
use crate::domain::output::{Line, Numbered, What};
use crate::domain::run::LogLevel;
use crate::store::Error;

#[derive(Serialize, Deserialize)]
struct LineRow {
    at: i64,
    #[serde(flatten)]
    what: WhatRow,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WhatRow {
    Began { step: String },
    Ended { step: String, took: i64, error: Option<String> },
    Sent { request: String },
    Answered { request: String, took: i64, status: Option<u16>, error: Option<String> },
    Logged { level: String, text: String },
    Left,
}

/// The JSON of a line.
pub(in crate::store) fn text(line: &Line) -> String {
    let what = match line.what.clone() {
        What::Began { step } => WhatRow::Began { step },
        What::Ended { step, took, error } => WhatRow::Ended { step, took: micros(took), error },
        What::Sent { request } => WhatRow::Sent { request },
        What::Answered { request, took, answer } => WhatRow::Answered {
            request,
            took: micros(took),
            status: answer.as_ref().ok().copied(),
            error: answer.err(),
        },
        What::Logged { level, text } => WhatRow::Logged { level: level.as_str().to_owned(), text },
        What::Left => WhatRow::Left,
    };
    to_json(&LineRow { at: micros(line.at), what })
}

/// Reads the lines of a run.
pub(in crate::store) fn read_all(rows: Vec<(i64, String)>) -> Result<Vec<Numbered>, Error> {
    let numbered = |(number, json): (i64, String)| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Numbered { number, line: from_json::<LineRow>("line of output", &json)?.read()? })
    };
    rows.into_iter().map(numbered).collect()
}

impl LineRow {
    fn read(self) -> Result<Line, Error> {
        let what = match self.what {
            WhatRow::Began { step } => What::Began { step },
            WhatRow::Ended { step, took, error } => {
                What::Ended { step, took: duration(took)?, error }
            }
            WhatRow::Sent { request } => What::Sent { request },
            WhatRow::Answered { request, took, status, error } => What::Answered {
                request,
                took: duration(took)?,
                answer: status.ok_or_else(|| error.unwrap_or_default()),
            },
            WhatRow::Logged { level, text } => What::Logged {
                level: named("log level", &LogLevel::ALL, LogLevel::as_str, &level)?,
                text,
            },
            WhatRow::Left => What::Left,
        };
        Ok(Line { at: duration(self.at)?, what })
    }
}
