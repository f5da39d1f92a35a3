//! A run: how it ended, why, where its time went, and what the script said.
//!
//! What is shown is what was stored, in which secrets are masked. Of requests that is where they went,
//! what they were answered with and how long that took; of runs that did not pass also heads and bodies.

mod exchanges;
mod requests;
mod why;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use maud::{Markup, html};

use super::layout::{Frame, Section};
use super::{Page, links, marks, wording};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::RunId;
use crate::domain::run::{LogLine, Measurement, Report};
use crate::http::Api;
use crate::http::parameters::Parameters;
use crate::http::problem::{Problem, shortened};

/// The route.
pub(super) const PATH: &str = "/runs/{id}";

/// How a run came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It was due.
    Schedule,
    /// Somebody asked for it.
    Hand,
}

/// The page of one run.
pub(super) async fn page(
    State(api): State<Api>,
    frame: Frame,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let (report, origin) = read(&api, &id.map(|Path(id)| id).unwrap_or_default()).await?;
    let checks = api.checks.load();
    let check = checks.iter().find(|check| check.id == report.slot.check);
    let name = check.map_or(report.slot.check.as_str(), |check| &check.name);
    let outcome = report.outcome();
    let trace = &report.trace;
    let content = html! {
        h1 {
            @match check {
                Some(check) => a href=(links::check(&check.id)) { (name) },
                None => (name),
            }
            " " (marks::outcome(outcome))
        }
        (facts(&report, origin, frame.now))
        @if let Some(failure) = &report.failure { (why::section(failure, check.map(|it| &**it))) }
        (requests::section(&report))
        (exchanges::section(&report))
        (console(&trace.logs))
        (measurements(&trace.measurements))
        @if !trace.dropped.is_empty() {
            p.held { "Left out, to keep the report short: " (trace.dropped.join(", ")) "." }
        }
    };
    Ok(frame.page(Section::Overview, &format!("{name} {}", outcome.as_str()), &content))
}

async fn read(api: &Api, id: &str) -> Result<(Report, Origin), Problem> {
    let run = uuid::Uuid::parse_str(id).map(RunId).map_err(|_| {
        Problem::parameter("id", format!("the id of a run is a UUID, not `{}`", shortened(id)))
    })?;
    if let Some(report) = api.store.run(run).await? {
        return Ok((report, Origin::Schedule));
    }
    let asked_for = api.errands.run(run).await?;
    let missing = || Problem::missing(format!("there is no run {run}; old runs are forgotten"));
    Ok((asked_for.ok_or_else(missing)?, Origin::Hand))
}

/// Where, when and for how long.
fn facts(report: &Report, origin: Origin, now: Timestamp) -> Markup {
    html! {
        dl.facts {
            div { dt { "Region" } dd { (report.slot.region) } }
            div { dt { "Started" } dd { (wording::moment(report.started_at, now)) } }
            div { dt { "Took" } dd { (wording::length(report.duration)) } }
            @match origin {
                Origin::Schedule => div {
                    dt { "Slot" }
                    dd {
                        (wording::moment(report.slot.at, now))
                        " " span.quiet { (wording::length(report.lateness())) " late" }
                    }
                },
                Origin::Hand => div { dt { "Run by hand" } dd { "counts for nothing" } },
            }
            @if let Some(left) = report.certificate_left() {
                div {
                    dt { "Certificate" }
                    dd {
                        @match left.to_std() {
                            Ok(left) => { "valid for " (wording::span(left)) " more" },
                            Err(_) => span.mark.down { "expired" },
                        }
                    }
                }
            }
        }
    }
}

/// What the script wrote to its console.
fn console(lines: &[LogLine]) -> Markup {
    html! {
        @if !lines.is_empty() {
            section aria-labelledby="console-title" {
                h2 #console-title { "Console" }
                div.wide tabindex="0" role="region" aria-label="Lines of the console" {
                    table.list.console {
                        caption.unseen { "Lines of the console" }
                        thead.unseen {
                            tr { th scope="col" { "At" } th scope="col" { "Level" } th scope="col" { "Text" } }
                        }
                        tbody {
                            @for line in lines {
                                tr class=(line.level.as_str()) {
                                    td.number.quiet { (wording::length(line.at)) }
                                    td.level { (line.level.as_str()) }
                                    td { pre { (line.text) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What the script measured.
fn measurements(all: &[Measurement]) -> Markup {
    html! {
        @if !all.is_empty() {
            section aria-labelledby="measured-title" {
                h2 #measured-title { "Measured" }
                table.list {
                    caption.unseen { "Values that the script measured" }
                    thead {
                        tr {
                            th scope="col" { "Metric" }
                            th.number scope="col" { "Value" }
                            th scope="col" { "Tags" }
                        }
                    }
                    tbody {
                        @for it in all {
                            tr {
                                th scope="row" { code { (it.name) } }
                                td.number { (it.value) }
                                td { @for (name, value) in &it.tags { span.label { (name) "=" (value) } " " } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether `file` is the script of `check`, whose page shows it.
fn is_script_of(check: &Check, file: &str) -> bool {
    matches!(&check.work, crate::domain::check::Work::Script { entry } if entry == file)
}
