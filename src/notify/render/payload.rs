//! A notification as an event for programs, its texts cleaned.

use super::clean::{cut, line};
use super::plain::plain;
use super::wording;
use crate::domain::failed_request::FailedRequest;
use crate::notify::Outbound;
use crate::payload::{Data, Payload, RequestRow};

const NAME_LIMIT: usize = 200;
const STEP_LIMIT: usize = 300;
const ERROR_LIMIT: usize = 2000;
const NOTE_LIMIT: usize = 600;
const METHOD_LIMIT: usize = 20;
const URL_LIMIT: usize = 1000;

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
        request: notice.request.as_ref().map(request),
        error: wording::error(notice).map(|error| cut(&error, ERROR_LIMIT)),
        note: wording::note(notice).map(|note| cut(&note, NOTE_LIMIT)),
        runbook: notice.runbook.as_deref().and_then(wording::web_address),
        possible_repeat: notification.possible_repeat,
        ..base.data
    };
    Payload { data, ..base }
}

fn request(request: &FailedRequest) -> RequestRow {
    RequestRow {
        method: cut(&line(&request.method), METHOD_LIMIT),
        url: cut(&line(&request.url), URL_LIMIT),
        status: request.status,
        error: request.error.as_deref().map(|error| cut(&line(error), ERROR_LIMIT)),
        took_ms: u64::try_from(request.took.as_millis()).unwrap_or(u64::MAX),
    }
}
