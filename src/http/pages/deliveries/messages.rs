//! The latest messages: to whom, about what, how they stand, and what came of each attempt.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::notification::NotificationState;
use crate::domain::proof::{PRINTED, Status};
use crate::http::Api;
use crate::http::pages::{controls, links, wording};
use crate::http::problem::Problem;
use crate::store::{Delivery, IncidentFilter, NotificationRecord};

/// Messages of so many incidents, the latest, are looked at.
const INCIDENTS: u32 = 25;

/// So many messages are listed.
const MESSAGES: usize = 100;

/// Reads a state as it stands in a URL.
pub(super) fn state(text: &str) -> Result<NotificationState, String> {
    let found = NotificationState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| {
        let known: Vec<&str> = NotificationState::ALL.iter().map(|it| it.as_str()).collect();
        format!("a state is one of {}", known.join(", "))
    })
}

/// What the latest incidents told, the latest first; only what stands so, where `state` says how.
pub(super) async fn latest(
    api: &Api,
    state: Option<NotificationState>,
) -> Result<Vec<NotificationRecord>, Problem> {
    let filter = IncidentFilter { limit: INCIDENTS, ..IncidentFilter::default() };
    let mut latest = Vec::new();
    for record in api.store.incidents(&filter).await? {
        let history = api.store.incident(record.id).await?;
        latest.extend(history.into_iter().flat_map(|it| it.notifications));
    }
    latest.retain(|it| state.is_none_or(|state| it.state == state));
    latest.sort_by_key(|it| std::cmp::Reverse((it.notification.owed_at, it.notification.id)));
    latest.truncate(MESSAGES);
    Ok(latest)
}

/// The form that chooses among states.
pub(super) fn filter(state: Option<NotificationState>) -> Markup {
    let option = |it: NotificationState| (it.as_str().to_owned(), in_words(it).to_owned());
    let options = NotificationState::ALL.map(option);
    let chosen = state.map_or("", NotificationState::as_str);
    let fields = controls::choice("State", "state", "any", &options, chosen);
    controls::filter(super::PATH, state.is_some(), &fields)
}

fn in_words(state: NotificationState) -> &'static str {
    match state {
        NotificationState::Owed => "owed",
        NotificationState::Sent => "sent",
        NotificationState::GivenUp => "given up",
        NotificationState::Superseded => "superseded",
        NotificationState::HandedOn => "handed on",
        NotificationState::InDigest => "in a digest",
    }
}

/// The messages as rows.
pub(super) fn table(
    latest: &[NotificationRecord],
    state: Option<NotificationState>,
    now: Timestamp,
) -> Markup {
    if latest.is_empty() {
        let what = if state.is_some() {
            "No message is like this."
        } else {
            "Nobody was told of anything yet."
        };
        let next = html! {
            @if state.is_some() { a href=(super::PATH) { "Show all messages" } } @else {
                "Messages appear here when something breaks; " code { "tripline drill --now" }
                " shows now whether they would arrive."
            }
        };
        return controls::nothing(what, &next);
    }
    html! {
        p.quiet { "What the latest " (INCIDENTS) " incidents told, the latest first." }
        table.cards.messages {
            caption.unseen { "Latest messages" }
            thead {
                tr {
                    th scope="col" { "To" }
                    th scope="col" { "About" }
                    th scope="col" { "Owed" }
                    th scope="col" { "State" }
                    th scope="col" { "Attempts" }
                }
            }
            tbody { @for record in latest { (row(record, now)) } }
        }
    }
}

fn row(record: &NotificationRecord, now: Timestamp) -> Markup {
    let it = &record.notification;
    html! {
        tr {
            th scope="row" { (it.recipient) }
            td data-label="About" {
                a href=(links::incident(it.incident)) { (it.notice.check_name) }
                span.quiet { " " (it.notice.kind.as_str()) }
            }
            td data-label="Owed" { (wording::ago(it.owed_at, now)) }
            td data-label="State" { (standing(record, now)) }
            td data-label="Attempts" { (attempts(&record.deliveries, now)) }
        }
    }
}

/// How it stands, and why.
fn standing(record: &NotificationRecord, now: Timestamp) -> Markup {
    let was_delivered =
        |it: &Delivery| it.proof.is_some_and(|it| it.word.status == Status::Delivered);
    let was_printed = record.state == NotificationState::Sent
        && record.deliveries.last().is_some_and(|it| it.detail == PRINTED);
    let (class, word) = match record.state {
        NotificationState::Owed if record.deliveries.is_empty() => ("never", "owed"),
        NotificationState::Owed => ("held", "owed, tried"),
        NotificationState::Sent if record.deliveries.iter().any(was_delivered) => {
            ("up", "delivered")
        }
        NotificationState::Sent if was_printed => ("never", "shown, not sent"),
        NotificationState::Sent => ("up", "sent"),
        NotificationState::GivenUp => ("down", "given up"),
        other => ("never", in_words(other)),
    };
    html! {
        span.mark.(class) { (word) }
        @if record.state == NotificationState::Owed && record.due_at > now {
            span.quiet { ", again " (wording::ago(record.due_at, now)) }
        }
        @if let Some(reason) = record.reason.as_ref().filter(|_| !was_printed) { span.because { (reason) } }
        @if let Some(succession) = &record.succession { span.because { (succession.sentence) } }
    }
}

/// Each attempt with what came of it and what its provider said later.
fn attempts(deliveries: &[Delivery], now: Timestamp) -> Markup {
    html! {
        @if deliveries.is_empty() { span.quiet { "none yet" } } @else {
            details {
                summary { (wording::count(deliveries.len(), "attempt")) }
                ol.attempts {
                    @for it in deliveries {
                        @let took = (it.ended_at - it.started_at).to_std().unwrap_or_default();
                        li {
                            (wording::moment(it.started_at, now)) ", " (wording::length(took)) ": "
                            @if it.detail == PRINTED { "shown, not sent" } @else {
                                (it.outcome.replace('_', " "))
                                @if !it.detail.is_empty() { ", " code { (it.detail) } }
                            }
                            @if let Some(proof) = &it.proof {
                                "; " (proof.word.status) " " (wording::ago(proof.at, now))
                            }
                        }
                    }
                }
            }
        }
    }
}
