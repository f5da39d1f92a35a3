//! States as marks: a shape, a word and a colour. The stylesheet draws the shapes.

use maud::{Markup, html};

use crate::domain::run::Outcome;
use crate::http::dto::CheckStatus;

/// The class that draws a state, and its word.
pub(super) fn of_status(status: CheckStatus) -> (&'static str, &'static str) {
    match status {
        CheckStatus::Up => ("up", "up"),
        CheckStatus::Down => ("down", "down"),
        CheckStatus::Unknown => ("unknown", "unknown"),
        CheckStatus::NeverRun => ("never", "never run"),
    }
}

/// The word in a URL.
pub(super) fn slug(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::NeverRun => "never_run",
        other => of_status(other).1,
    }
}

/// A state with its word.
pub(super) fn badge(status: CheckStatus) -> Markup {
    let (class, word) = of_status(status);
    html! { span.mark.(class) { (word) } }
}

/// A name whose mark says its state; `detail` says more on hover.
pub(super) fn chip(status: CheckStatus, name: &str, detail: &str) -> Markup {
    let (class, word) = of_status(status);
    html! {
        span.mark.chip.(class) title=[(!detail.is_empty()).then_some(detail)] { (name) span.unseen { " " (word) } }
    }
}

/// How a run ended.
pub(super) fn outcome(outcome: Outcome) -> Markup {
    let class = match outcome {
        Outcome::Passed => "up",
        Outcome::Failed => "down",
        Outcome::Unknown => "unknown",
    };
    html! { span.mark.(class) { (outcome.as_str()) } }
}
