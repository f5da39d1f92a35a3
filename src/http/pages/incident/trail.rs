//! What was decided, and why, in the order in which it was.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::incident::{Decision, DecisionKind};
use crate::http::pages::wording;

/// Of more decisions than these, those in the middle are left out.
const FIRST: usize = 50;
const LAST: usize = 200;

/// The trail.
pub(super) fn shown(decisions: &[(Timestamp, Decision)], now: Timestamp) -> Markup {
    let (first, last) = if decisions.len() > FIRST + LAST {
        (&decisions[..FIRST], &decisions[decisions.len() - LAST..])
    } else {
        (decisions, &decisions[..0])
    };
    let left_out = decisions.len() - first.len() - last.len();
    html! {
        section #trail data-live aria-labelledby="trail-title" {
            h2 #trail-title { "What was decided, and why" }
            ol.trail {
                @for (at, decision) in first { (step(*at, decision, now)) }
                @if left_out > 0 {
                    li.quiet { (wording::count(left_out, "decision")) " left out here; the API lists all" }
                }
                @for (at, decision) in last { (step(*at, decision, now)) }
            }
        }
    }
}

fn step(at: Timestamp, decision: &Decision, now: Timestamp) -> Markup {
    let (class, word) = word(decision.kind);
    html! {
        li.(class) {
            p.quiet { (wording::moment(at, now)) " " b { (word) } }
            p { (decision.reason) }
        }
    }
}

/// The class that draws it, and its word.
fn word(kind: DecisionKind) -> (&'static str, &'static str) {
    match kind {
        DecisionKind::Opened => ("worse", "opened"),
        DecisionKind::Escalated => ("worse", "escalated"),
        DecisionKind::Reopened => ("worse", "opened again"),
        DecisionKind::Reminded => ("worse", "told again"),
        DecisionKind::Resolved => ("better", "resolved"),
        DecisionKind::NotTold => ("same", "nobody told"),
        DecisionKind::Ignored => ("same", "not counted"),
        DecisionKind::Acknowledged => ("acted", "acknowledged"),
        DecisionKind::LeftAlone => ("acted", "nobody takes care any more"),
        DecisionKind::Noted => ("acted", "noted"),
    }
}
