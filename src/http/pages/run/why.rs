//! Why a run did not pass.

use maud::{Markup, html};

use super::is_script_of;
use crate::domain::check::Check;
use crate::domain::run::{Failure, Outcome, Position};
use crate::http::pages::links;

/// What happened, what was expected, and where in the script.
pub(super) fn section(failure: &Failure, check: Option<&Check>) -> Markup {
    let title = match failure.kind.outcome() {
        Outcome::Unknown => "Why nobody knows",
        Outcome::Passed | Outcome::Failed => "Why it failed",
    };
    html! {
        section.why-section aria-labelledby="why-title" {
            h2 #why-title { (title) }
            @if let Some(step) = &failure.step { p { "In step “" (step) "”" } }
            pre.message { (failure.account()) }
            @if let Some(comparison) = &failure.comparison {
                dl.comparison {
                    div { dt { "Expected" } dd { pre { (comparison.expected) } } }
                    div { dt { "Received" } dd { pre { (comparison.received) } } }
                }
            }
            @if let Some(position) = &failure.position { p { (place(position, check)) } }
            @if let Some(frame) = &failure.frame { pre.listing.frame tabindex="0" { code { (frame) } } }
        }
    }
}

/// Where in the script, with a link to the line where a page shows it.
fn place(Position { file, line, column }: &Position, check: Option<&Check>) -> Markup {
    let check = check.filter(|check| is_script_of(check, file));
    html! {
        @match check {
            Some(check) => a href={ (links::check(&check.id)) "#L" (line) } {
                code { (file) ":" (line) ":" (column) }
            },
            None => code { (file) ":" (line) ":" (column) },
        }
    }
}
