//! An open incident in a few lines: what, where, since when, and who knows.

use std::sync::Arc;

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::http::pages::{links, wording};
use crate::store::IncidentRecord;

/// The incident, as it stands among others.
pub(in crate::http::pages) fn card(
    record: &IncidentRecord,
    checks: &[Arc<Check>],
    now: Timestamp,
) -> Markup {
    let incident = &record.incident;
    let acknowledged = incident.story.acknowledged.as_ref();
    let told = incident.told.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    html! {
        li.incident.acknowledged[acknowledged.is_some()] {
            p.what {
                a href=(links::incident(record.id)) { (name(record, checks)) }
                span.quiet { " " (about(record)) " for " (wording::lasting(incident.since, now)) }
            }
            p.error { (incident.cause.error) }
            p.quiet {
                @if let Some(step) = &incident.cause.step { "in step “" (step) "”, " }
                "from " (incident.cause.region)
                @if !told.is_empty() { " · told: " (told) }
                @if let Some(acknowledged) = acknowledged {
                    " · acknowledged by " (acknowledged.by.name)
                } @else if incident.story.held_by.is_some() {
                    " · nobody is told now"
                }
            }
        }
    }
}

/// What people call what it is about.
pub(in crate::http::pages) fn name<'a>(
    record: &'a IncidentRecord,
    checks: &'a [Arc<Check>],
) -> &'a str {
    let check = checks.iter().find(|check| Some(&check.id) == record.subject.check());
    check.map_or(record.subject.name(), |check| &check.name)
}

/// What is wrong with it.
pub(in crate::http::pages) fn about(record: &IncidentRecord) -> &'static str {
    match record.subject.kind() {
        "check" => "down",
        "coverage" | "region" | "unseen" => "not known",
        "shortfall" => "too few results",
        "rule" => "breached",
        _ => "not working",
    }
}
