//! How messages stand and what came of each attempt, in the same words and marks on every page.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::wording;
use crate::domain::Timestamp;
use crate::domain::notification::NotificationState;
use crate::domain::policy::Recipient;
use crate::domain::proof::{PRINTED, Status};
use crate::store::{Delivery, NotificationRecord};

/// How a message stands: the class that draws it, and the word.
pub(super) fn standing(record: &NotificationRecord) -> (&'static str, &'static str) {
    let was_delivered =
        |it: &Delivery| it.proof.is_some_and(|it| it.word.status == Status::Delivered);
    match record.state {
        NotificationState::Owed if record.deliveries.is_empty() => ("never", "owed"),
        NotificationState::Owed => ("held", "tried, owed"),
        NotificationState::Sent if record.deliveries.iter().any(was_delivered) => {
            ("up", "delivered")
        }
        NotificationState::Sent if was_printed(record) => ("never", "shown, not sent"),
        NotificationState::Sent => ("up", "sent"),
        NotificationState::GivenUp => ("down", "given up"),
        NotificationState::Superseded => ("never", "said by a later one"),
        NotificationState::HandedOn => ("never", "handed on"),
        NotificationState::InDigest => ("up", "told in a digest"),
    }
}

/// Whether it was only shown, since its channel is not set up.
pub(super) fn was_printed(record: &NotificationRecord) -> bool {
    record.state == NotificationState::Sent
        && record.deliveries.last().is_some_and(|it| it.detail == PRINTED)
}

/// The attempts, folded; `id` tells them from others while the page is kept up to date.
pub(super) fn attempts(record: &NotificationRecord, now: Timestamp) -> Markup {
    html! {
        details id={ "tries-" (record.notification.id.0) } {
            summary { (wording::count(record.deliveries.len(), "attempt")) }
            ol.attempts { @for delivery in &record.deliveries { (attempt(delivery, now)) } }
        }
    }
}

fn attempt(delivery: &Delivery, now: Timestamp) -> Markup {
    let took = (delivery.ended_at - delivery.started_at).to_std().unwrap_or_default();
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
            (wording::moment(delivery.started_at, now)) ", " (wording::length(took)) ": " b { (word) }
            @if !delivery.detail.is_empty() && !was_printed { " " code { (delivery.detail) } }
            @if let Some(proof) = &delivery.proof {
                ", then " (proof.word.status) " " (wording::moment(proof.at, now))
                @if let Some(code) = proof.word.code { " (" (code) ")" }
            }
        }
    }
}

/// Why a message that was only shown reached nobody.
const UNSENT: &str = "shown, not sent: no such channel is set up";

/// Who heard of an incident, and who was to hear of it and did not, with why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) told: Vec<String>,
    /// By why.
    pub(super) not_reached: Vec<(&'static str, Vec<String>)>,
}

impl Reached {
    /// What `records`, the messages of one incident in the order owed, say. A rota that handed its message on
    /// is neither: those who are called in its place are.
    pub(super) fn by(records: &[NotificationRecord]) -> Self {
        let mut of: BTreeMap<&Recipient, Option<&NotificationRecord>> = BTreeMap::new();
        for record in records.iter().filter(|it| it.state != NotificationState::HandedOn) {
            let last = of.entry(&record.notification.recipient).or_insert(Some(record));
            match last {
                Some(_) if has_arrived(record) => *last = None,
                // What a later message says too tells nothing of whether anything arrived.
                Some(last) if record.state != NotificationState::Superseded => *last = record,
                _ => {}
            }
        }
        let mut reached = Self::default();
        for (recipient, missed) in of {
            match missed {
                None => reached.told.push(recipient.to_string()),
                Some(record) => {
                    let why = if was_printed(record) { UNSENT } else { standing(record).1 };
                    let missed = &mut reached.not_reached;
                    match missed.iter_mut().find(|(known, _)| *known == why) {
                        Some((_, all)) => all.push(recipient.to_string()),
                        None => missed.push((why, vec![recipient.to_string()])),
                    }
                }
            }
        }
        reached
    }
}

/// Whether somebody has it, as far as is known.
fn has_arrived(record: &NotificationRecord) -> bool {
    match record.state {
        NotificationState::Sent => !was_printed(record),
        NotificationState::InDigest => true,
        _ => false,
    }
}
