//! What pages ask of expressions: how far back, and what a tried one yields.

use std::time::Duration;

use axum::http::StatusCode;
use maud::{Markup, PreEscaped, html};

use super::drawn::{self, named};
use crate::domain::Timestamp;
use crate::engine::drawing::Grid;
use crate::engine::queries::Refusal;
use crate::http::Api;
use crate::http::pages::layout::Frame;
use crate::http::pages::{controls, wording};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::query::{Outcome, Settings, When, number};

/// A page does not wait longer for an expression: all of it has to be answered in ten seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// So many values are listed.
const VALUES: usize = 50;

/// A chart has about so many points of each series.
const POINTS: i64 = 240;

/// How far back a chart goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    word: &'static str,
    hours: i64,
}

const WINDOWS: [(&str, i64, &str); 5] = [
    ("1h", 1, "the last hour"),
    ("6h", 6, "the last 6 hours"),
    ("1d", 24, "the last day"),
    ("7d", 168, "the last 7 days"),
    ("30d", 720, "the last 30 days"),
];

impl Window {
    /// The one of the query; an hour where it names none.
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Problem> {
        let found = parameters.read_unless_empty("window", |text| {
            let found = WINDOWS.into_iter().find(|(word, ..)| *word == text);
            let found = found.map(|(word, hours, _)| Self { word, hours });
            found.ok_or_else(|| "a window is `1h`, `6h`, `1d`, `7d` or `30d`".to_owned())
        })?;
        Ok(found.unwrap_or(Self { word: "1h", hours: 1 }))
    }

    /// The field that chooses one.
    pub(super) fn choice(self) -> Markup {
        html! {
            label.field {
                span { "Chart of" }
                select name="window" {
                    @for (word, _, text) in WINDOWS {
                        option value=(word) selected[word == self.word] { (text) }
                    }
                }
            }
        }
    }

    /// The times of a chart that ends at `now`.
    pub(super) fn grid(self, now: Timestamp) -> Grid {
        let length = self.hours * 3_600_000;
        let end = now.timestamp_millis();
        Grid { start: end - length, end, step: (length / POINTS).max(15_000) }
    }
}

/// What `text` yields now, as a table, and over `window`, as a chart; or why it yields nothing.
pub(super) async fn tried(
    api: &Api,
    text: &str,
    window: Window,
    frame: &Frame,
) -> Result<Markup, Problem> {
    let at = When::At(frame.now.timestamp_millis());
    let answer = match api.queries.ask(text, at, &Settings::default(), PATIENCE).await {
        Ok(answer) => answer,
        Err(refusal) => return refused(refusal),
    };
    let drawing = drawn::of_text(api, text, window, frame).await;
    let notes = answer.notes.warnings().chain(answer.notes.infos());
    Ok(html! {
        div #tried {
            (values(&answer.outcome))
            @for note in notes { p.quiet { (note) } }
            @match drawing {
                Ok(svg) => (PreEscaped(svg)),
                Err(refusal) => (refused(refusal)?),
            }
        }
    })
}

/// Why there is no value, in words; what is no mistake of the expression's is a problem of the page.
pub(super) fn refused(refusal: Refusal) -> Result<Markup, Problem> {
    let words = match refusal {
        Refusal::Store(error) => return Err(error.into()),
        Refusal::Broken => {
            let detail = "the expression could not be evaluated; the log of the daemon says why";
            return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
        }
        Refusal::Crowded => "Too much else is being evaluated; try again in a moment.".to_owned(),
        Refusal::TooLong => {
            let seconds = PATIENCE.as_secs();
            format!("It takes longer than {seconds} s; ask for fewer series or a shorter window.")
        }
        refusal => refusal.to_string(),
    };
    Ok(html! { p.wrong role="alert" { (words) } })
}

fn values(outcome: &Outcome) -> Markup {
    let rows: Vec<(String, String)> = match outcome {
        Outcome::Scalar(value) => vec![("value".to_owned(), number(*value))],
        Outcome::Text(text) => vec![("text".to_owned(), text.clone())],
        Outcome::Vector(samples) => {
            samples.iter().map(|it| (named(&it.labels), number(it.value))).collect()
        }
        Outcome::Matrix(lines) => {
            let count = |points: usize| wording::count(points, "value");
            lines.iter().map(|it| (named(&it.labels), count(it.points.len()))).collect()
        }
    };
    if rows.is_empty() {
        return controls::nothing(
            "It yields nothing now.",
            &html! {
                "A comparison yields only what it is true of; without it, all values are shown. A metric \
                 that nobody sent in the last five minutes has none."
            },
        );
    }
    html! {
        table.cards.values {
            caption { (wording::count(rows.len(), "value")) " now" }
            thead { tr { th scope="col" { "Series" } th scope="col" { "Value" } } }
            tbody {
                @for (name, value) in rows.iter().take(VALUES) {
                    tr { th scope="row" { code { (name) } } td data-label="Value" { (value) } }
                }
            }
        }
        @if rows.len() > VALUES { p.quiet { "Only the first " (VALUES) " are listed." } }
    }
}
