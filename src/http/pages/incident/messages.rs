//! Whom it told: each message with what became of it, up to the receipt.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::NotificationState;
use crate::domain::proof::{PRINTED, Status};
use crate::http::pages::wording;
use crate::store::{Delivery, NotificationRecord};

/// Of more messages than these, the earliest are left out.
const MOST: usize = 200;

/// The messages, in the order owed.
pub(super) fn shown(records: &[NotificationRecord], now: Timestamp) -> Markup {
    let left_out = records.len().saturating_sub(MOST);
    html! {
        section #messages data-live aria-labelledby="messages-title" {
            h2 #messages-title { "Messages" }
            @if records.is_empty() {
                p.quiet { "Nobody was told. Why, stands among the decisions." }
            }
            @if left_out > 0 {
                p.quiet { (wording::count(left_out, "earlier message")) " left out here; the API lists all" }
            }
            ul.past { @for record in &records[left_out..] { (message(record, now)) } }
        }
    }
}

fn message(record: &NotificationRecord, now: Timestamp) -> Markup {
    let notification = &record.notification;
    let (class, word) = standing(record);
    // What it says then stands at the attempt.
    let is_sent = record.state == NotificationState::Sent;
    html! {
        li {
            p.what {
                b { (notification.recipient) } " "
                span.mark.(class) { (word) }
            }
            p.quiet {
                (said(notification.notice.kind)) " · owed " (wording::moment(notification.owed_at, now))
                @if record.state == NotificationState::Owed {
                    " · next try " (wording::moment(record.due_at, now))
                }
                @if notification.possible_repeat { " · may have arrived twice" }
            }
            @if let Some(reason) = record.reason.as_ref().filter(|_| !is_sent) { p { (reason) } }
            @if let Some(succession) = &record.succession { p { (succession.sentence) } }
            @if !record.deliveries.is_empty() {
                details id={ "tries-" (notification.id.0) } {
                    summary { (wording::count(record.deliveries.len(), "attempt")) }
                    ol.tries { @for delivery in &record.deliveries { (attempt(delivery, now)) } }
                }
            }
        }
    }
}

/// How it stands: the class that draws it, and the word.
fn standing(record: &NotificationRecord) -> (&'static str, &'static str) {
    let last = record.deliveries.last();
    match record.state {
        NotificationState::Owed if record.deliveries.is_empty() => ("never", "owed"),
        NotificationState::Owed => ("unknown", "tried, owed"),
        NotificationState::Sent => match last.and_then(|it| it.proof) {
            Some(proof) if proof.word.status == Status::Delivered => ("up", "delivered"),
            _ if last.is_some_and(|it| it.detail == PRINTED) => ("never", "shown, not sent"),
            _ => ("up", "sent"),
        },
        NotificationState::GivenUp => ("down", "given up"),
        NotificationState::Superseded => ("never", "said by a later one"),
        NotificationState::HandedOn => ("never", "handed on"),
        NotificationState::InDigest => ("up", "told in a digest"),
    }
}

/// What it says.
fn said(kind: NoticeKind) -> String {
    match kind {
        NoticeKind::Failing { tier } => return format!("that it fails, tier {tier}"),
        NoticeKind::Blind => "that nobody knows",
        NoticeKind::Recovered => "that it recovered",
        NoticeKind::Lost => "that its data are gone",
        NoticeKind::Withdrawn => "that the check is gone",
        NoticeKind::Closed => "that somebody resolved it",
        NoticeKind::Acknowledged => "who takes care",
        NoticeKind::Noted => "what somebody said",
        NoticeKind::Drill => "nothing, to show that it arrives",
    }
    .to_owned()
}

fn attempt(delivery: &Delivery, now: Timestamp) -> Markup {
    let took = (delivery.ended_at - delivery.started_at).num_milliseconds().max(0);
    let was_printed = delivery.detail == PRINTED;
    let word = match delivery.outcome.as_str() {
        _ if was_printed => "shown, since its channel is not set up",
        "accepted" => "taken by the provider",
        "retry" => "failed for now",
        "given_up" => "refused for good",
        "broken" => "refused: the channel does not work",
        _ => "may have arrived",
    };
    html! {
        li {
            (wording::moment(delivery.started_at, now)) ", " (took) " ms: " b { (word) }
            @if !delivery.detail.is_empty() && !was_printed { " " code { (delivery.detail) } }
            @if let Some(proof) = &delivery.proof {
                ", then " (proof.word.status) " " (wording::moment(proof.at, now))
                @if let Some(code) = proof.word.code { " (" (code) ")" }
            }
        }
    }
}
