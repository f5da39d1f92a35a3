//! A check: how it is doing in each region, what became of its slots, who would be told, what it does,
//! and a button that has it run at once.

mod by_hand;
mod charts;
mod facts;
mod history;
mod told;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use maud::html;

pub(super) use self::by_hand::act;
use self::history::Filter;
use super::layout::{Frame, Section};
use super::{Page, marks, source};
use crate::domain::check::{Check, Work};
use crate::http::problem::{Problem, shortened};
use crate::http::{Api, dto};

/// The route. Ids have slashes, and nothing can follow them, so what is done with a check goes to the same
/// one ([`act`]).
pub(super) const PATH: &str = "/checks/{*id}";

/// The page of one check.
pub(super) async fn page(
    State(api): State<Api>,
    frame: Frame,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let Path(id) = id.map_err(|_| Problem::parameter("id", "the id is no valid text"))?;
    let filter = Filter::read(query.as_deref())?;
    let check = find(&api, &id)?;
    let now = frame.now;
    let states = api.store.states_of(std::slice::from_ref(&check.id)).await?;
    let shown = dto::Check::new(&check, states.get(&check.id), now);
    let tally = crate::http::coverage::of_last_day(&api, [&check.id].into_iter()).await?;
    let errands = by_hand::latest(&api, &check.id).await?;
    let runs = history::read(&api, &check, &filter).await?;
    let charts = charts::section(&api, &check, &filter, &frame).await?;
    let content = html! {
        h1 { (check.name) " " span #state data-live { (marks::badge(shown.status)) } }
        (facts::list(&check, &shown, tally.get(&check.id)))
        (facts::incident(&shown, now))
        section aria-labelledby="regions-title" {
            h2 #regions-title { "Regions" }
            (facts::regions(&shown, now))
            (by_hand::section(&check, &errands, filter.asked, &frame))
        }
        (charts)
        (history::section(&check, &filter, &runs, now))
        (told::section(&api, &check, now).await?)
        (work(&api, &check, &shown))
    };
    Ok(frame.page(
        Section::Overview,
        &format!("{} {}", check.name, marks::of_status(shown.status).1),
        &content,
    ))
}

fn find(api: &Api, id: &str) -> Result<Arc<Check>, Problem> {
    let checks = api.checks.load();
    let check = checks.iter().find(|check| check.id.as_str() == id).cloned();
    let missing = || format!("there is no check `{}` in the project", shortened(id));
    check.ok_or_else(|| Problem::missing(missing()))
}

/// What a run does.
fn work(api: &Api, check: &Check, shown: &dto::Check) -> maud::Markup {
    match (&check.work, &shown.request) {
        (Work::Script { entry }, _) => {
            let publication = api.publication.borrow().clone();
            let region = check.regions.first();
            let text = region.and_then(|region| publication.of(region).module_at(entry));
            html! {
                section aria-labelledby="script-title" {
                    h2 #script-title { "Script" }
                    @match text {
                        Some(text) => details.source {
                            summary { code { (entry) } }
                            (source::listing(&String::from_utf8_lossy(&text)))
                        },
                        None => p { code { (entry) } },
                    }
                }
            }
        }
        (Work::Request(spec), request) => html! {
            section aria-labelledby="request-title" {
                h2 #request-title { "Request" }
                @if let Some(request) = request {
                    p { code { (request.method) " " (request.url) } }
                }
                p.quiet {
                    "Expected: "
                    @if spec.expect.status.is_empty() { "a status below 400" }
                    @else {
                        "status "
                        (spec.expect.status.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
                    }
                    @let others = spec.expect.body.len() + spec.expect.json.len() + spec.expect.header.len();
                    @if others > 0 { ", and " (super::wording::count(others, "more condition")) }
                    "."
                }
            }
        },
    }
}
