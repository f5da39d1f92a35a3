//! A notification as an event for programs, its texts cleaned.

use super::clean::cut;
use super::plain::plain;
use super::wording;
use crate::notify::Outbound;
use crate::payload::{Data, Payload};

const NAME_LIMIT: usize = 200;
const STEP_LIMIT: usize = 300;
const ERROR_LIMIT: usize = 2000;
const NOTE_LIMIT: usize = 600;

/// Writes a notification as an event.
pub fn payload(message: &Outbound<'_>) -> Payload {
    let notification = message.notification;
    let notice = &notification.notice;
    let base = Payload::of(notice, notification.first_word);
    let name = cut(&wording::name(notice), NAME_LIMIT);
    let data = Data {
        incident: Some(notification.incident.0),
        notification: Some(notification.id.0),
        link: message.link.map(str::to_owned),
        title: format!("{}: {name}", wording::title(notification)),
        text: plain(message),
        name,
        step: wording::step(notice).map(|step| cut(&step, STEP_LIMIT)),
        error: wording::error(notice).map(|error| cut(&error, ERROR_LIMIT)),
        note: wording::note(notice).map(|note| cut(&note, NOTE_LIMIT)),
        runbook: notice.runbook.as_deref().and_then(wording::web_address),
        possible_repeat: notification.possible_repeat,
        ..base.data
    };
    Payload { data, ..base }
}
