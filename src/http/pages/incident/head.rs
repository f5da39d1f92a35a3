//! What a person who was just woken has to see first.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::http::dto::CheckStatus;
use crate::http::incidents::Known;
use crate::http::pages::messages::Reached;
use crate::http::pages::{incidents, links, wording};

/// What, where, since when, who knows, and what to read.
pub(super) fn shown(
    known: &Known,
    (name, check): (&str, Option<&Check>),
    now: Timestamp,
) -> Markup {
    let record = &known.history.record;
    let incident = &record.incident;
    let is_open = incident.resolved_at.is_none();
    let is_acknowledged = is_open && incident.story.acknowledged.is_some();
    html! {
        section.headline.resolved[!is_open].acknowledged[is_acknowledged] #what data-live
            aria-labelledby="name" {
            p.quiet.kicker { "Incident #" (record.id) @if incident.story.reopened > 0 { ", reopened" } }
            h1 #name { @if let Some(check) = check { a href=(links::check(&check.id)) { (name) } } @else { (name) } }
            p.state { (state(known, now)) }
            p.error { (incident.cause.error) }
            dl.facts { (facts(known, now)) (who_knows(known, now)) (reading(known, check)) }
        }
    }
}

fn state(known: &Known, now: Timestamp) -> Markup {
    let record = &known.history.record;
    let since = record.incident.since;
    html! {
        @match record.incident.resolved_at {
            None => {
                span.mark.down { (incidents::about(record)) }
                " for " (wording::lasting(since, now))
            }
            Some(at) => {
                span.mark.up { "resolved" }
                " after " (wording::span((at - since).to_std().unwrap_or_default()))
                ", " (wording::ago(at, now))
            }
        }
    }
}

fn facts(known: &Known, now: Timestamp) -> Markup {
    let incident = &known.history.record.incident;
    let down = |region: &&crate::http::dto::RegionState| region.status == CheckStatus::Down;
    let down: Vec<&str> =
        known.regions.iter().filter(down).map(|region| region.region.as_str()).collect();
    html! {
        dt { "Where" }
        dd {
            @if down.is_empty() || incident.resolved_at.is_some() {
                (incident.cause.region)
            } @else {
                (down.join(", "))
                @if down.len() < known.regions.len() {
                    span.quiet { " (" (down.len()) " of " (known.regions.len()) " regions)" }
                }
            }
        }
        @if let Some(step) = &incident.cause.step { dt { "Step" } dd { (step) } }
        dt { "Since" }
        dd { (wording::moment(incident.since, now)) }
    }
}

/// Who takes care, who was told, and why somebody was not.
fn who_knows(known: &Known, now: Timestamp) -> Markup {
    let incident = &known.history.record.incident;
    let Reached { told, not_reached } = Reached::by(&known.history.notifications);
    let is_open = incident.resolved_at.is_none();
    html! {
        dt { "Acknowledged" }
        dd {
            @match &incident.story.acknowledged {
                Some(it) => {
                    "by " b { (it.by) } " " (wording::ago(it.at, now))
                    @if is_open { ", until " (wording::moment(it.until, now)) }
                    @if let Some(reason) = &it.reason { ": “" (reason) "”" }
                }
                None => @if is_open { "by nobody yet" } @else { "by nobody at the end" },
            }
        }
        dt { "Told" }
        dd { @if told.is_empty() { "nobody" @if !not_reached.is_empty() { " yet" } } @else { (told.join(", ")) } }
        @if !not_reached.is_empty() {
            dt { "Not reached" }
            dd {
                @for (at, (why, recipients)) in not_reached.iter().enumerate() {
                    @if at > 0 { "; " }
                    (recipients.join(", ")) span.quiet { " (" (why) ")" }
                }
            }
        }
        @if let Some(why) = incident.story.held_by.as_ref().filter(|_| is_open) {
            dt { "Held back" }
            dd { "nobody is told more now: " (why) }
        }
    }
}

/// What helps: the runbook, the run that began it, the last one that failed.
fn reading(known: &Known, check: Option<&Check>) -> Markup {
    let noticed = known.history.record.incident.story.notice.as_ref();
    let runbook = check
        .and_then(|check| check.runbook.as_deref())
        .or_else(|| noticed.and_then(|notice| notice.runbook.as_deref()));
    html! {
        @if let Some(runbook) = runbook {
            dt { "Runbook" }
            dd { (links::written(runbook)) }
        }
        @if known.runs.opened_by.is_some() || known.runs.latest_failed.is_some() {
            dt { "Runs" }
            dd {
                @if let Some(run) = known.runs.opened_by { a href=(links::run(run)) { "the one that opened it" } }
                @if known.runs.opened_by.is_some() && known.runs.latest_failed.is_some() { ", " }
                @if let Some(run) = known.runs.latest_failed { a href=(links::run(run)) { "the last that failed" } }
            }
        }
    }
}
