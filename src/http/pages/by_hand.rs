//! Runs that somebody asked for, as every page shows them: who asked, what came of it in each region, and a
//! place for what they do while they go on, which a script fills.

use chrono::TimeDelta;
use maud::{Markup, html};

use super::{links, marks, wording};
use crate::domain::Timestamp;
use crate::domain::errand::{Errand, Leg, Stage};

/// How long after it was asked for a page shows what a run did; what came of it stays.
const SHOWN_FOR: TimeDelta = TimeDelta::minutes(10);

/// These errands, of which the first is the last that was asked for; `is_new` says whether that was right before.
pub(super) fn list<'e>(
    errands: impl IntoIterator<Item = &'e Errand>,
    is_new: impl Fn(&Errand) -> bool,
    now: Timestamp,
) -> Markup {
    html! {
        @for (at, errand) in errands.into_iter().enumerate() {
            div.errand.new[is_new(errand)] {
                p {
                    @if is_new(errand) { b { "Asked for. " } }
                    "Run by hand for " (errand.by) ", " (wording::ago(errand.asked_at, now))
                }
                ul { @for it in &errand.legs { (leg(it)) } }
                @if at == 0 && now - errand.asked_at < SHOWN_FOR { (output(errand)) }
            }
        }
    }
}

fn leg(leg: &Leg) -> Markup {
    html! {
        li {
            @match &leg.stage {
                Stage::Ended(ended) => {
                    (marks::outcome(ended.outcome)) " "
                    a href=(links::run(leg.run)) { (leg.region) }
                },
                _ => (leg.region),
            }
            ": " (leg.sentence())
        }
    }
}

/// Empty, and not seen, without a script.
fn output(errand: &Errand) -> Markup {
    html! {
        div.output data-output=(links::output(errand.id)) role="log" aria-label="What it does"
            tabindex="0" hidden {}
    }
}
