//! The paths by which people are told, and when they were last proven.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::http::dto::{Drills, PathState};
use crate::http::pages::{controls, wording};

/// All of them.
pub(super) fn table(drills: &Drills, now: Timestamp) -> Markup {
    if drills.paths.is_empty() {
        return controls::nothing(
            "There is no path by which anybody is told.",
            &html! {
                "Set up a channel such as " code { "[slack]" } " in tripline.toml, and name it in a policy."
            },
        );
    }
    html! {
        (schedule(drills, now))
        table.cards {
            caption.unseen { "Paths" }
            thead {
                tr {
                    th scope="col" { "Path" }
                    th scope="col" { "State" }
                    th scope="col" { "Last proven" }
                    th scope="col" { "Last drill" }
                }
            }
            tbody { @for path in &drills.paths { (row(path, now)) } }
        }
    }
}

fn schedule(drills: &Drills, now: Timestamp) -> Markup {
    html! {
        @match &drills.schedule {
            Some(schedule) => p.quiet {
                "Drilled at " code { (schedule.cron) } " (" (schedule.timezone) ")"
                @if let Some(next) = &schedule.next_at { ", next " (wording::moment(next.0, now)) }
                "."
            },
            None => p.quiet {
                "Paths are not drilled by themselves: " code { "[drill]" } " in tripline.toml sets when. "
                code { "tripline drill --now" } " sends one now."
            },
        }
    }
}

fn row(path: &PathState, now: Timestamp) -> Markup {
    let class = match path.standing {
        "broken" | "failed" => "down",
        "unproven" | "printed" => "unknown",
        "proven" => "up",
        _ => "never",
    };
    html! {
        tr {
            th scope="row" { (path.path) }
            td data-label="State" {
                span.mark.(class) { (path.standing) }
                @if let Some(reason) = &path.reason { span.because { (reason) } }
            }
            td data-label="Last proven" {
                @match &path.proof {
                    Some(proof) => {
                        (proof.evidence) " " (wording::ago(proof.at.0, now))
                        span.because { code { (proof.receipt) } }
                    }
                    None => span.quiet { "never" },
                }
            }
            td data-label="Last drill" {
                @match &path.drill {
                    Some(drill) => {
                        (wording::ago(drill.owed_at.0, now))
                        @if let Some(status) = drill.status { span.quiet { ", " (status) } }
                    }
                    None => span.quiet { "never" },
                }
            }
        }
    }
}
