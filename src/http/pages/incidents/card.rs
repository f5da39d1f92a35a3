//! An open incident in a few lines: what, where, since when, and who knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::{CheckId, Region};
use crate::domain::incident::CheckState;
use crate::http::dto::{CheckStatus, status_of};
use crate::http::pages::{links, wording};
use crate::store::IncidentRecord;

/// The incident, as it stands among others.
pub(in crate::http::pages) fn card(
    record: &IncidentRecord,
    (checks, states): (&[Arc<Check>], &BTreeMap<CheckId, CheckState>),
    now: Timestamp,
) -> Markup {
    let incident = &record.incident;
    let down = down_in(record, (checks, states), now);
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
                "from "
                @if down.is_empty() { (incident.cause.region) } @else { (down.join(", ")) }
                // Whether they arrived, the page of the incident knows.
                @if !told.is_empty() { " · messages for " (told) }
                @if let Some(acknowledged) = acknowledged {
                    " · acknowledged by " (acknowledged.by.name)
                } @else if incident.story.held_by.is_some() {
                    " · nobody is told now"
                }
            }
        }
    }
}

/// Where its check is down now.
fn down_in<'a>(
    record: &IncidentRecord,
    (checks, states): (&'a [Arc<Check>], &BTreeMap<CheckId, CheckState>),
    now: Timestamp,
) -> Vec<&'a str> {
    let check = checks.iter().find(|check| Some(&check.id) == record.subject.check());
    let Some((check, state)) = check.and_then(|it| Some((it, states.get(&it.id)?))) else {
        return Vec::new();
    };
    let is_down = |it: &&Region| status_of(check, state.streaks.get(*it), now) == CheckStatus::Down;
    check.regions.iter().filter(is_down).map(Region::as_str).collect()
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
