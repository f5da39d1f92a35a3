//! What a check is, and how it is doing now.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::coverage::Tally;
use crate::domain::id::IncidentId;
use crate::domain::rule::span;
use crate::domain::schedule::Schedule;
use crate::http::dto;
use crate::http::pages::{links, marks, wording};

/// Its options, and how its slots came out in the last 24 hours.
pub(super) fn list(check: &Check, shown: &dto::Check, tally: Option<&Tally>) -> Markup {
    html! {
        dl.facts {
            @if check.name != check.id.as_str() { div { dt { "Id" } dd { code { (check.id) } } } }
            div { dt { "Runs" } dd { (schedule(&check.schedule)) } }
            div { dt { "Time-out" } dd { (wording::length(check.timeout)) } }
            div #uptime data-live {
                dt { "Uptime 24 h" }
                dd {
                    @match tally.and_then(Tally::uptime) {
                        Some(share) => (wording::percent(share)),
                        None => "–",
                    }
                    @if let Some(share) = tally.and_then(Tally::coverage) {
                        " " span.quiet { (wording::percent(share)) " covered" }
                    }
                }
            }
            @if let Some(runbook) = &shown.runbook {
                div { dt { "Runbook" } dd { (links::written(runbook)) } }
            }
            @if !check.labels.is_empty() {
                div {
                    dt { "Labels" }
                    dd {
                        @for (name, value) in &check.labels {
                            span.label { (name) "=" (value) } " "
                        }
                    }
                }
            }
        }
    }
}

/// When it runs: "every 30 s".
fn schedule(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Every(every) => format!("every {}", span(every.duration())),
        Schedule::Cron(cron) => format!("by `{}` in {}", cron.text(), cron.zone()),
    }
}

/// The open incident.
pub(super) fn incident(shown: &dto::Check, now: Timestamp) -> Markup {
    html! {
        div #incident data-live {
            @if let Some(incident) = &shown.incident {
                div.incident.acknowledged[incident.acknowledged.is_some()] {
                    p.what {
                        @match incident.id {
                            Some(id) => a href=(links::incident(IncidentId(id))) { "Incident " (id) },
                            None => "Incident",
                        }
                        span.quiet { " open for " (wording::lasting(incident.since.0, now)) }
                    }
                    p.error { (incident.cause.error) }
                }
            }
        }
    }
}

/// How it is doing in each of its regions.
pub(super) fn regions(shown: &dto::Check, now: Timestamp) -> Markup {
    html! {
        div.wide #regions data-live tabindex="0" role="region" aria-label="Table of regions" {
            table.list {
                thead {
                    tr {
                        th scope="col" { "Region" }
                        th scope="col" { "State" }
                        th scope="col" { "In a row" }
                        th scope="col" { "Last run" }
                        th scope="col" { "Last passed" }
                        th scope="col" { "Next" }
                    }
                }
                tbody { @for state in &shown.regions { (region(state, now)) } }
            }
        }
    }
}

fn region(state: &dto::RegionState, now: Timestamp) -> Markup {
    let ago = |at: Option<dto::Time>| {
        html! { @match at { Some(at) => (wording::ago(at.0, now)), None => "–" } }
    };
    html! {
        tr {
            th scope="row" { (state.region) }
            td { (marks::badge(state.status)) }
            td { (in_a_row(state)) }
            td {
                @match &state.last_run {
                    Some(run) => a href=(links::run(&run.id)) { (wording::ago(run.slot_at.0, now)) },
                    None => "–",
                }
            }
            td.quiet { (ago(state.last_success_at)) }
            td.quiet { (ago(state.next_slot_at)) }
        }
    }
}

/// What its last runs were, and why nobody knows where that is so.
fn in_a_row(state: &dto::RegionState) -> Markup {
    let said = [
        (state.failures_in_a_row, "failed"),
        (state.unknowns_in_a_row, "unknown"),
        (state.passes_in_a_row, "passed"),
    ];
    let said: Vec<String> = said
        .into_iter()
        .filter(|(runs, _)| *runs > 0)
        .take(2)
        .map(|(runs, word)| format!("{runs} {word}"))
        .collect();
    html! {
        @if said.is_empty() { "–" } @else { (said.join(", ")) }
        @if let Some(reason) = &state.unknown_reason { span.quiet.reason { (reason) } }
    }
}
