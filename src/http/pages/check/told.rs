//! Who would be told if the check failed, and what keeps them from being told.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::route::{self, Restraints, Stage, Told};
use crate::http::Api;
use crate::http::pages::wording;
use crate::http::problem::Problem;

/// The policy in words, and the silences and maintenance windows that cover the check.
pub(super) async fn section(api: &Api, check: &Check, now: Timestamp) -> Result<Markup, Problem> {
    let silences = api.acts.silences().await?;
    let rulebook = api.acts.judge.current();
    let policy = rulebook.policy(&check.id);
    let in_force = api.drills.in_force.load();
    let printed = &in_force.terms.printed;
    let is_sent = |told: &Told| !printed.keys().any(|it| it.channel() == told.channel);
    let told = |stage: &Stage| {
        let told = stage.told.iter().map(|it| it.in_words(is_sent(it)));
        told.collect::<Vec<_>>().join(", ")
    };
    let restraints = route::restraints(check, rulebook.quiet(&silences), now);
    Ok(html! {
        section aria-labelledby="told-title" {
            h2 #told-title { "Who is told" }
            (restrained(&restraints))
            @if let Some(policy) = policy {
                p { "Policy " b { (policy.name) } }
                ol.stages {
                    @for stage in route::stages(policy, rulebook.roster(), now) {
                        li value=(stage.number) {
                            "after " (stage.condition) ": "
                            @if stage.told.is_empty() { "nobody" } @else { b { (told(&stage)) } }
                        }
                    }
                }
                ul.terms {
                    @for term in route::terms(policy, check.regions.len()) {
                        li { (wording::sentence(&term)) }
                    }
                }
            }
        }
    })
}

fn restrained(restraints: &Restraints) -> Markup {
    html! {
        div #restraints data-live {
            @for why in &restraints.now { p.held { (wording::sentence(why)) } }
            @for plan in &restraints.planned { p.quiet { "Planned: " (plan) "." } }
        }
    }
}
