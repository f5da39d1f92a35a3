//! One incident: what, where and since when at one glance on a telephone; then what can be done, and all that
//! was decided and told.

mod acting;
mod head;
mod messages;
mod trail;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use maud::{Markup, html};

use super::layout::{Frame, Section};
use super::posted::Done;
use super::{Page, by_hand, incidents, links, marks, wording};
use crate::domain::Timestamp;
use crate::domain::errand::Errand;
use crate::domain::id::IncidentId;
use crate::http::Api;
use crate::http::access::door::{Door, Need};
use crate::http::dto::RegionState;
use crate::http::incidents::{Known, known};
use crate::http::parameters::{Parameters, number};
use crate::http::problem::Problem;

/// So many runs by hand are looked through for those of the incident.
const ERRANDS: u32 = 20;

/// The routes of this page.
pub(super) fn doors() -> [Door<Api>; 7] {
    [
        Door::at("/incidents/{id}").get(Need::SEE, page),
        Door::at("/incidents/{id}/acknowledge").post(Need::ACT, acting::acknowledge),
        Door::at("/incidents/{id}/unacknowledge").post(Need::ACT, acting::take_back),
        Door::at("/incidents/{id}/resolve").post(Need::ACT, acting::resolve),
        Door::at("/incidents/{id}/note").post(Need::ACT, acting::note),
        Door::at("/incidents/{id}/silence").post(Need::ACT, acting::silence),
        Door::at("/incidents/{id}/run-now").post(Need::ACT, acting::run_now),
    ]
}

async fn page(
    State(api): State<Api>,
    frame: Frame,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let done = Done::read(&Parameters::parse(query.as_deref(), &["done"])?)?;
    let known = known(&api, IncidentId(number("an incident", id)?)).await?;
    let checks = api.checks.load_full();
    let record = &known.history.record;
    let check = checks.iter().find(|check| Some(&check.id) == record.subject.check());
    let errands = match check {
        Some(check) => api.errands.of_check(&check.id, ERRANDS).await?,
        None => Vec::new(),
    };
    let name = incidents::name(record, &checks);
    let state =
        if record.incident.resolved_at.is_some() { "resolved" } else { incidents::about(record) };
    let now = frame.now;
    let content = html! {
        (head::shown(&known, (name, check.map(AsRef::as_ref)), now))
        @if let Some(done) = done { p.done role="status" { (done.sentence()) } }
        (acting::forms(record, check.is_some(), &frame))
        (regions(&known, now))
        (by_hand_here(&errands, record.id, now))
        (messages::shown(&known.history.notifications, now))
        (trail::shown(&known.history.decisions, now))
    };
    Ok(frame.page(Section::Incidents, &format!("{name}: {state}"), &content))
}

/// How the check is doing now in each of its regions.
fn regions(known: &Known, now: Timestamp) -> Markup {
    html! {
        @if !known.regions.is_empty() {
            section #regions data-live aria-labelledby="regions-title" {
                h2 #regions-title { "Regions now" }
                table.plain {
                    caption.unseen { "How the check is doing now in each of its regions" }
                    thead {
                        tr {
                            th scope="col" { "Region" }
                            th scope="col" { "State" }
                            th scope="col" { "In a row" }
                            th scope="col" { "Last run" }
                        }
                    }
                    tbody { @for region in &known.regions { (region_row(region, now)) } }
                }
            }
        }
    }
}

fn region_row(region: &RegionState, now: Timestamp) -> Markup {
    let in_a_row = [
        (region.failures_in_a_row, "failed"),
        (region.passes_in_a_row, "passed"),
        (region.unknowns_in_a_row, "unknown"),
    ];
    let in_a_row: Vec<String> = in_a_row
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    html! {
        tr {
            th scope="row" { (region.region) }
            td { (marks::badge(region.status)) }
            td { (in_a_row.join(", ")) }
            td.last {
                @if let Some(run) = &region.last_run {
                    a href=(links::run(&run.id)) { (wording::ago(run.slot_at.0, now)) }
                } @else { "–" }
            }
        }
    }
}

/// The runs that somebody asked for at this incident.
fn by_hand_here(errands: &[Errand], id: IncidentId, now: Timestamp) -> Markup {
    let here = || errands.iter().filter(|it| it.incident == Some(id));
    html! {
        section #by-hand data-live aria-labelledby="by-hand-title" {
            @if here().next().is_some() {
                h2 #by-hand-title { "Run by hand" }
                (by_hand::list(here(), |_| false, now))
            } @else { h2.unseen #by-hand-title { "Run by hand: never" } }
        }
    }
}
