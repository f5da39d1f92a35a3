//! Where the time of a run went: its steps and requests.

use std::time::Duration;

use maud::{Markup, PreEscaped, html};

use crate::chart::{Bar, Heading, Phase, Sign, Waterfall, fluid};
use crate::domain::run::{Report, Request, Step, Timings, Trace};
use crate::http::pages::{controls, wording};

/// What is listed.
enum Row<'a> {
    Step(&'a Step),
    Request(&'a Request),
}

/// The steps and requests in the order in which they started.
pub(super) fn section(report: &Report) -> Markup {
    let trace = &report.trace;
    let rows = rows(trace);
    html! {
        section aria-labelledby="time-title" {
            h2 #time-title { "Steps and requests" }
            @if rows.is_empty() {
                @if report.failure.is_none() {
                    (controls::nothing("What this run did is not kept any more.", &html! {
                        "Of runs that passed it is forgotten first."
                    }))
                } @else {
                    p.quiet { "None was begun." }
                }
            } @else {
                (PreEscaped(waterfall(&rows, report.duration)))
                details.numbers-of {
                    summary { "All timings" }
                    (table(&rows, trace))
                }
            }
        }
    }
}

fn rows(trace: &Trace) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = trace.steps.iter().map(Row::Step).collect();
    rows.extend(trace.requests.iter().map(Row::Request));
    // A step stands before what was done in it.
    rows.sort_by_key(|row| match row {
        Row::Step(step) => (step.start, 0),
        Row::Request(request) => (request.start, 1),
    });
    rows
}

/// Where the time went, drawn on one axis, of a run that took so long.
fn waterfall(rows: &[Row<'_>], took: Duration) -> String {
    let chart = Waterfall {
        title: "Steps and requests".to_owned(),
        heading: Heading::Spoken,
        bars: rows.iter().map(|row| bar(row, took)).collect(),
    };
    fluid(|width| chart.svg(width))
}

fn bar(row: &Row<'_>, took: Duration) -> Bar {
    match row {
        // What had not ended was under way until the run did.
        Row::Step(step) => Bar {
            name: step.name.clone(),
            sign: Sign::Step,
            start: step.start.as_secs_f64(),
            phases: {
                let length = step.duration.unwrap_or_else(|| took.saturating_sub(step.start));
                vec![(Phase::Step, length.as_secs_f64())]
            },
            failure: match (&step.error, step.duration) {
                (None, None) => Some("it had not ended when the run did".to_owned()),
                (error, _) => error.clone(),
            },
        },
        Row::Request(request) => Bar {
            name: named(request),
            sign: Sign::Request,
            start: request.start.as_secs_f64(),
            phases: PHASES
                .into_iter()
                .zip(phases(&request.timings))
                .filter_map(|(phase, (_, length))| Some((phase, length?.as_secs_f64())))
                .collect(),
            failure: request.error.clone(),
        },
    }
}

/// As short as it can be told from others: "POST /login 302".
pub(super) fn named(request: &Request) -> String {
    let url = url::Url::parse(&request.url).ok();
    let place = url.as_ref().map_or(request.url.as_str(), url::Url::path);
    let status = request.status.map_or_else(|| "no answer".to_owned(), |it| it.to_string());
    format!("{} {place} {status}", request.method)
}

const PHASES: [Phase; 5] = [Phase::Dns, Phase::Connect, Phase::Tls, Phase::Wait, Phase::Download];

fn table(rows: &[Row<'_>], trace: &Trace) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Table of timings" {
            table.list.requests {
                caption.unseen { "Steps and requests in the order in which they started" }
                thead {
                    tr {
                        th scope="col" { "Step or request" }
                        th scope="col" { "Status" }
                        th.number scope="col" { "At" }
                        th.number scope="col" { "Took" }
                        @for (name, _) in phases(&Timings::default()) {
                            th.number scope="col" { (name) }
                        }
                        th.number scope="col" { "Sent" }
                        th.number scope="col" { "Received" }
                    }
                }
                tbody {
                    @for row in rows {
                        @match row {
                            Row::Step(it) => (step(it)),
                            Row::Request(it) => (request(it, trace)),
                        }
                    }
                }
            }
        }
    }
}

fn step(step: &Step) -> Markup {
    html! {
        tr.step {
            th scope="row" {
                (step.name)
                @if let Some(error) = &step.error { span.error { (error) } }
            }
            td {
                @match (&step.error, step.duration) {
                    (Some(_), _) => span.mark.down { "failed" },
                    (None, None) => span.mark.unknown { "not ended" },
                    (None, Some(_)) => span.mark.up { "passed" },
                }
            }
            td.number.quiet { (wording::length(step.start)) }
            td.number { (took(step.duration)) }
            td colspan="7" {}
        }
    }
}

fn request(request: &Request, trace: &Trace) -> Markup {
    let is_inside = request.step.is_some_and(|step| trace.steps.get(step as usize).is_some());
    let all: Duration = phases(&request.timings).into_iter().filter_map(|(_, it)| it).sum();
    html! {
        tr {
            th.target.inside[is_inside] scope="row" {
                code { (request.method) " " (request.url) }
                @if let Some(remote) = &request.remote { span.quiet { (remote) } }
                @if let Some(error) = &request.error { span.error { (error) } }
            }
            td {
                @match request.status {
                    Some(status) => (status),
                    None => span.mark.down { "no answer" },
                }
            }
            td.number.quiet { (wording::length(request.start)) }
            td.number { (wording::length(all)) }
            @for (_, phase) in phases(&request.timings) { td.number { (took(phase)) } }
            td.number { (wording::bytes(request.sent)) }
            td.number { (wording::bytes(request.received)) }
        }
    }
}

/// Where the time of a request went; a phase that did not happen has none.
fn phases(timings: &Timings) -> [(&'static str, Option<Duration>); 5] {
    [
        ("DNS", timings.dns),
        ("Connect", timings.connect),
        ("TLS", timings.tls),
        ("Wait", timings.wait),
        ("Download", timings.download),
    ]
}

fn took(length: Option<Duration>) -> String {
    length.map_or_else(|| "–".to_owned(), wording::length)
}
