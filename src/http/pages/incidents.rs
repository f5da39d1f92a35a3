//! The incidents: open ones first, then those that are over; and what people asked not to be told of.

mod card;
mod filter;
mod silences;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use maud::{Markup, html};

pub(super) use self::card::{about, card, name};
use self::filter::Filter;
use super::layout::{Frame, Section};
use super::{Page, controls, links, wording};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::CheckId;
use crate::domain::incident::CheckState;
use crate::http::Api;
use crate::http::access::door::{Door, Need};
use crate::http::problem::Problem;
use crate::store::IncidentRecord;

/// Where they are.
pub(super) const PATH: &str = "/incidents";

/// The open ones.
pub(super) const OPEN: &str = "/incidents?state=open";

/// How many stand on one page.
const PER_PAGE: usize = 50;

/// The routes of this page.
pub(super) fn doors() -> [Door<Api>; 3] {
    [
        Door::at(PATH).get(Need::SEE, page),
        Door::at(silences::PATH).post(Need::ACT, silences::begin),
        Door::at("/incidents/silences/{id}/end").post(Need::ACT, silences::end),
    ]
}

/// All incidents.
async fn page(
    State(api): State<Api>,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let filter = Filter::read(query.as_deref())?;
    let found = filter.find(&api).await?;
    let checks = api.checks.load_full();
    let open: Vec<CheckId> =
        found.open.iter().filter_map(|it| it.subject.check().cloned()).collect();
    let states = api.store.states_of(&open).await?;
    let silences = api.acts.silences().await?;
    let content = html! {
        h1 { "Incidents" }
        (filter.word_of_what_was_done())
        (filter.form())
        div #found data-live { (listed(&found, &filter, (&checks, &states), frame.now)) }
        (silences::section(&silences, &api, &frame))
    };
    Ok(frame.page(Section::Incidents, "Incidents", &content))
}

/// What a page shows, and whether there is more.
struct Found {
    open: Vec<IncidentRecord>,
    resolved: Vec<IncidentRecord>,
    has_more: bool,
}

fn listed(
    found: &Found,
    filter: &Filter,
    (checks, states): (&[Arc<Check>], &BTreeMap<CheckId, CheckState>),
    now: Timestamp,
) -> Markup {
    html! {
        @if filter.shows_open() {
            section aria-labelledby="open-title" {
                h2 #open-title { "Open" }
                @if found.open.is_empty() {
                    p.calm { span.mark.up { (filter.without("No open incidents", "None of the open ones is like this")) } }
                } @else {
                    ul.incidents { @for record in &found.open { (card(record, (checks, states), now)) } }
                }
            }
        }
        @if filter.shows_resolved() && !(filter.shows_open() && found.has_more && found.resolved.is_empty()) {
            section aria-labelledby="resolved-title" {
                h2 #resolved-title { "Resolved" }
                @if found.resolved.is_empty() && !found.open.is_empty() {
                    p.quiet { "None of these is over yet." }
                } @else if found.resolved.is_empty() {
                    (no_past(filter))
                } @else {
                    ul.past {
                        @for record in &found.resolved {
                            (past(record, name(record, checks), now))
                        }
                    }
                }
            }
        }
        (filter.further(found))
    }
}

/// One that is over, in short.
fn past(record: &IncidentRecord, name: &str, now: Timestamp) -> Markup {
    let incident = &record.incident;
    let resolved_at = incident.resolved_at.unwrap_or(now);
    let lasted = (resolved_at - incident.since).to_std().unwrap_or_default();
    html! {
        li {
            p.what {
                span.mark.up { span.unseen { "resolved" } }
                a href=(links::incident(record.id)) { (name) }
                span.quiet { " " (about(record)) " for " (wording::span(lasted)) }
            }
            p.error { (incident.cause.error) }
            p.quiet {
                "#" (record.id) " · since " (wording::moment(incident.since, now))
                " · resolved " (wording::ago(resolved_at, now))
                @if incident.story.reopened > 0 {
                    " · reopened "
                    (wording::count(usize::try_from(incident.story.reopened).unwrap_or(usize::MAX), "time"))
                }
            }
        }
    }
}

fn no_past(filter: &Filter) -> Markup {
    if filter.is_empty() {
        let next = html! {
            "What fails stands here with every decision, and with whom it told. "
            code { "tripline tell" } " shows whether messages would arrive."
        };
        return controls::nothing("There was no incident yet.", &next);
    }
    controls::nothing(
        "No incident is like this.",
        &html! { a href=(PATH) { "Show all incidents" } },
    )
}
