//! Whom it told: each message with what became of it, up to the receipt.

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::NotificationState;
use crate::http::pages::{messages, wording};
use crate::store::NotificationRecord;

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
    let (class, word) = messages::standing(record);
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
            @if !record.deliveries.is_empty() { (messages::attempts(record, now)) }
        }
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
