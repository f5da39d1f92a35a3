//! What was decided, and why, in the order in which it was.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::incident::{Decision, DecisionKind};
use crate::http::pages::wording;

/// Of more decisions than these, those in the middle are left out.
const FIRST: usize = 50;
const LAST: usize = 200;

/// So many decisions one after the other by which nobody was told are folded into one.
const FOLDED: usize = 3;

type Decided = (Timestamp, Decision);

/// The trail.
pub(super) fn shown(decisions: &[Decided], now: Timestamp) -> Markup {
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
                (steps(first, 0, now))
                @if left_out > 0 {
                    li.quiet { (wording::count(left_out, "decision")) " left out here; the API lists all" }
                }
                (steps(last, decisions.len() - last.len(), now))
            }
        }
    }
}

/// `decisions`, of which the first is the one at `place` of all.
fn steps(decisions: &[Decided], mut place: usize, now: Timestamp) -> Markup {
    let parts = decisions.chunk_by(|one, next| tells_nobody(one) && tells_nobody(next));
    let parts = parts.map(|part| {
        let here = place;
        place += part.len();
        (here, part)
    });
    html! {
        @for (here, part) in parts {
            @if part.len() < FOLDED {
                @for (at, decision) in part { (step(*at, decision, now)) }
            } @else {
                (folded(part, here, now))
            }
        }
    }
}

fn tells_nobody((_, decision): &Decided) -> bool {
    matches!(decision.kind, DecisionKind::NotTold | DecisionKind::Ignored)
}

fn folded(part: &[Decided], place: usize, now: Timestamp) -> Markup {
    html! {
        li.same {
            @if let [(first, _), .., (last, decision)] = part {
                p.quiet {
                    (wording::moment(*first, now)) " to " (wording::moment(*last, now)) " "
                    b { "nobody told, " (part.len()) " times" }
                }
                p { "last: " (decision.reason) }
            }
            details id={ "decided-" (place) } {
                summary { "all " (part.len()) " reasons" }
                ol.trail { @for (at, decision) in part { (step(*at, decision, now)) } }
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
