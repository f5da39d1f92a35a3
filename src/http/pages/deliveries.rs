//! Deliveries: what is owed to whom, what became of it, and whether messages would arrive.

mod messages;
mod paths;

use axum::extract::{RawQuery, State};
use maud::{Markup, html};

use super::layout::{Frame, Section};
use super::{Page, wording};
use crate::domain::Timestamp;
use crate::domain::heartbeat::Record;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::{Api, dto, health};
use crate::store::Backlog;

/// Where it is.
pub(super) const PATH: &str = "/deliveries";

/// What is owed, what was told, and by which paths.
pub(super) async fn page(
    State(api): State<Api>,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let parameters = Parameters::parse(query.as_deref(), &["state"])?;
    let state = parameters.read_unless_empty("state", messages::state)?;
    let now = frame.now;
    let lanes = api.store.backlog(now - health::GIVEN_UP_WINDOW).await?;
    let latest = messages::latest(&api, state).await?;
    let (in_force, known) = api.drills.known().await?;
    let paths = dto::Drills::new(&in_force.terms, &known, now);
    let heartbeat = api.heartbeat.load_full();
    let content = html! {
        h1 { "Deliveries" }
        section aria-labelledby="owed-title" {
            h2 #owed-title { "Owed" }
            div #owed data-live { (owed(&lanes, now)) }
        }
        section aria-labelledby="messages-title" {
            h2 #messages-title { "Latest messages" }
            (messages::filter(state))
            div #messages data-live { (messages::table(&latest, state, now)) }
        }
        section aria-labelledby="paths-title" {
            h2 #paths-title { "Paths" }
            div #paths data-live { (paths::table(&paths, now)) }
        }
        section aria-labelledby="heartbeat-title" {
            h2 #heartbeat-title { "Heartbeat" }
            div #heartbeat data-live { (beat(heartbeat.as_ref().as_ref(), now)) }
        }
    };
    Ok(frame.page(Section::Deliveries, "Deliveries", &content))
}

/// What is owed on each channel by which anything is, or was given up lately.
fn owed(lanes: &[Backlog], now: Timestamp) -> Markup {
    let busy = lanes.iter().filter(|lane| lane.owed > 0 || lane.given_up > 0);
    let busy: Vec<&Backlog> = busy.collect();
    html! {
        @if busy.is_empty() {
            p.calm {
                span.mark.up { "Nothing is owed" } ", and nothing was given up in the last 24 hours."
            }
        } @else {
            table.cards {
                caption.unseen { "What is owed, by channel" }
                thead {
                    tr {
                        th scope="col" { "Channel" }
                        th scope="col" { "Owed" }
                        th scope="col" { "The oldest" }
                        th scope="col" { "Given up in 24 hours" }
                    }
                }
                tbody { @for lane in busy { (owed_by(lane, now)) } }
            }
        }
    }
}

fn owed_by(lane: &Backlog, now: Timestamp) -> Markup {
    let is_overdue = health::age(lane, now).is_some_and(|age| age > health::OVERDUE);
    html! {
        tr {
            th scope="row" { (lane.channel.as_str()) }
            td data-label="Owed" { (lane.owed) }
            td data-label="The oldest" {
                @match lane.oldest {
                    // One box beside the sign, so that words part between words.
                    Some(at) if is_overdue => span.mark.down { span { "owed " (wording::ago(at, now)) } },
                    Some(at) => { "owed " (wording::ago(at, now)) }
                    None => "–",
                }
            }
            td data-label="Given up in 24 hours" {
                @if lane.given_up > 0 { span.mark.down { (lane.given_up) } } @else { "none" }
            }
        }
    }
}

/// Whether somebody elsewhere would notice that this hub is gone.
fn beat(record: Option<&Record>, now: Timestamp) -> Markup {
    let Some(record) = record else {
        return html! {
            p.quiet {
                "Nobody elsewhere is told that Tripline works, so nobody would hear that it does not. "
                "Write " code { "[heartbeat]" } " in tripline.toml with the URL of a dead man's switch."
            }
        };
    };
    html! {
        @if !record.withheld.is_empty() {
            p { span.mark.down { "withheld" } ", so whoever waits for it hears that something is wrong:" }
            ul { @for reason in &record.withheld { li { (reason) } } }
        } @else if let Some(failure) = &record.failure {
            p { span.mark.down { "not taken" } ": " (failure) }
        } @else if record.is_elsewhere {
            p { span.mark.up { "sent by another hub" } }
        } @else if let Some(at) = record.last {
            p { span.mark.up { "sent" } " and taken " (wording::ago(at, now)) }
        } @else {
            p { span.mark.never { "not sent yet" } }
        }
    }
}
