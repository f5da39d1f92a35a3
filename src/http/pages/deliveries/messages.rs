//! The latest messages: to whom, about what, how they stand, and what came of each attempt.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::notification::NotificationState;
use crate::http::Api;
use crate::http::pages::{controls, links, messages, wording};
use crate::http::problem::Problem;
use crate::store::NotificationRecord;
use crate::store::looking::MessageSearch;

/// So many messages are listed.
const MESSAGES: u32 = 100;

/// Reads a state as it stands in a URL.
pub(super) fn state(text: &str) -> Result<NotificationState, String> {
    let found = NotificationState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| {
        let known: Vec<&str> = NotificationState::ALL.iter().map(|it| it.as_str()).collect();
        format!("a state is one of {}", known.join(", "))
    })
}

/// The latest messages; only what stands so, where `state` says how.
pub(super) async fn latest(
    api: &Api,
    state: Option<NotificationState>,
) -> Result<Vec<NotificationRecord>, Problem> {
    Ok(api.looking.find_messages(MessageSearch { state, limit: MESSAGES }).await?)
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
        NotificationState::Superseded => "said by a later one",
        NotificationState::HandedOn => "handed on",
        NotificationState::InDigest => "told in a digest",
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
        @if latest.len() >= MESSAGES as usize {
            p.quiet { "Only the latest " (MESSAGES) " are listed; the page of an incident has all of its own." }
        }
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
            td data-label="Attempts" {
                @if record.deliveries.is_empty() { span.quiet { "none yet" } }
                @else { (messages::attempts(record, now)) }
            }
        }
    }
}

/// How it stands, and why.
fn standing(record: &NotificationRecord, now: Timestamp) -> Markup {
    let (class, word) = messages::standing(record);
    let reason = record.reason.as_ref().filter(|_| !messages::was_printed(record));
    html! {
        span.mark.(class) { (word) }
        @if record.state == NotificationState::Owed && record.due_at > now {
            span.because { "again " (wording::ago(record.due_at, now)) }
        }
        @if let Some(reason) = reason { span.because { (reason) } }
        @if let Some(succession) = &record.succession { span.because { (succession.sentence) } }
    }
}
