//! The overview: what is wrong now, and how every check is doing in each of its regions.

mod durations;
mod filter;
mod listing;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use maud::{Markup, html};

use self::filter::Filter;
use self::listing::{Counts, Measured, Row};
use super::layout::{Frame, Section};
use super::{Page, controls, incidents, marks, wording};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::CheckId;
use crate::domain::incident::CheckState;
use crate::http::dto::CheckStatus;
use crate::http::problem::Problem;
use crate::http::{Api, coverage};
use crate::store::{IncidentFilter, IncidentRecord};

/// How many checks stand on one page: what a browser draws at once on a telephone.
const PER_PAGE: usize = 100;

/// How many incidents are listed before the checks; all of them have a page of their own.
const INCIDENTS: usize = 20;

/// Among so many open ones, the latest, those that are listed are chosen.
const OPEN: u32 = 500;

/// All checks, the gravest first.
pub(super) async fn page(
    State(api): State<Api>,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let filter = Filter::read(query.as_deref())?;
    let checks = api.checks.load_full();
    let states = api.store.check_states().await?;
    let open = IncidentFilter { open_only: true, limit: OPEN, ..IncidentFilter::default() };
    let mut incidents = api.store.incidents(&open).await?;
    incidents.sort_by_key(urgency);
    let rows = listing::of(&checks, &states, frame.now);
    let counts = Counts::of(rows.iter().filter(|row| filter.admits(row, Some(row.status))));
    let mut listed: Vec<&Row<'_>> =
        rows.iter().filter(|row| filter.admits(row, filter.status)).collect();
    listed.sort_by_key(|row| row.rank());
    let shown = filter.page_of(&listed);
    let watched: Vec<&Check> = shown.iter().map(|row| row.check).collect();
    let tallies = coverage::of_last_day(&api, shown.iter().map(|row| &row.check.id)).await?;
    let durations = durations::of(&api, &watched, frame.now).await?;
    let title = title(incidents.len(), counts.down);
    let content = html! {
        h1 { "Overview" }
        (incidents_now(&incidents, (&checks, &states), frame.now))
        section aria-labelledby="checks-title" {
            h2 #checks-title { "Checks" }
            (states_in_numbers(&filter, counts))
            (filter.form(&checks))
            div #checks data-live {
                (listing::table(shown, &Measured { tallies, durations }, frame.now))
                @if listed.is_empty() { (nothing_listed(&checks)) }
                (filter.pager(listed.len()))
            }
        }
    };
    Ok(frame.page(Section::Overview, &title, &content))
}

/// What a tab among many says.
fn title(incidents: usize, down: usize) -> String {
    match (incidents, down) {
        (0, 0) => "Overview".to_owned(),
        (0, down) => format!("{down} down"),
        (open, _) => wording::count(open, "open incident"),
    }
}

/// How many checks are in each state; each number leads to those.
fn states_in_numbers(filter: &Filter, counts: Counts) -> Markup {
    let states = [
        (CheckStatus::Down, counts.down),
        (CheckStatus::Unknown, counts.unknown),
        (CheckStatus::Up, counts.up),
        (CheckStatus::NeverRun, counts.never_run),
    ];
    let current = |status| (filter.status == status).then_some("true");
    html! {
        ul.numbers #numbers data-live {
            li {
                a href=(filter.with_status(None)) aria-current=[current(None)] {
                    b { (counts.all()) } " in all"
                }
            }
            @for (status, number) in states {
                @let (class, word) = marks::of_status(status);
                @if number > 0 || filter.status == Some(status) {
                    li {
                        a href=(filter.with_status(Some(status)))
                            aria-current=[current(Some(status))] {
                            span.mark.(class) { b { (number) } " " (word) }
                        }
                    }
                }
            }
        }
    }
}

/// Those that nobody takes care of come first; then the latest.
fn urgency(record: &IncidentRecord) -> (bool, Reverse<Timestamp>) {
    (record.incident.story.acknowledged.is_some(), Reverse(record.incident.since))
}

/// The open incidents; all of them where they are few.
fn incidents_now(
    incidents: &[IncidentRecord],
    known: (&[Arc<Check>], &BTreeMap<CheckId, CheckState>),
    now: Timestamp,
) -> Markup {
    html! {
        section #incidents data-live aria-labelledby="incidents-title" {
            @if incidents.is_empty() {
                h2.unseen #incidents-title { "Open incidents" }
                p.calm { span.mark.up { "No open incidents" } }
            } @else {
                h2 #incidents-title { "Open incidents" }
                ul.incidents {
                    @for record in incidents.iter().take(INCIDENTS) { (incidents::card(record, known, now)) }
                }
                @if incidents.len() > INCIDENTS {
                    p { a href=(incidents::OPEN) { "All open incidents" } }
                }
            }
        }
    }
}

fn nothing_listed(checks: &[Arc<Check>]) -> Markup {
    if checks.is_empty() {
        return controls::nothing(
            "There are no checks yet.",
            &html! {
                "Write one into the folder " code { "checks" } " of the project, or have "
                code { "tripline init" } " make an example; it appears here at once."
            },
        );
    }
    let next = html! { a href=(filter::PATH) { "Show all checks" } };
    controls::nothing("No check is like this.", &next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{IncidentId, Region};
    use crate::domain::incident::{Cause, Incident};
    use crate::domain::restraint::{Acknowledgement, Actor, Via};
    use crate::domain::subject::Subject;

    #[test]
    fn what_nobody_takes_care_of_comes_first() {
        let check = Check::example("front");
        let now: Timestamp = "2026-11-21T04:12:31Z".parse().expect("a time");
        let record = |id: i64, minutes: i64, is_acknowledged: bool| {
            let since = now - chrono::TimeDelta::minutes(minutes);
            let cause = Cause::new(Region::new("eu").expect("a good name"), "it fails");
            let mut incident = Incident::opening(since, since, cause);
            let by = Actor { name: "ana".into(), via: Via::Web };
            let acknowledged =
                Acknowledgement { by, at: now, until: now, reason: None, taken_back: false };
            incident.story.acknowledged = is_acknowledged.then_some(acknowledged);
            IncidentRecord {
                id: IncidentId(id),
                subject: Subject::Check(check.id.clone()),
                incident,
            }
        };
        let mut all =
            [record(4, 1, true), record(3, 2, false), record(2, 1, false), record(1, 9, true)];
        all.sort_by_key(urgency);
        assert_eq!(all.map(|it| it.id.0), [2, 3, 4, 1]);
    }
}
