//! What a recipient that follows an incident was told of it before, read when a message is about to
//! leave: what it says of the incident is then as true as can be.

use std::collections::BTreeMap;

use super::contacts::Sms;
use crate::domain::id::{IncidentId, PersonId};
use crate::domain::incident::DecisionKind;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::{Attempt, Notification, NotificationState};
use crate::domain::policy::Recipient;
use crate::domain::proof::PRINTED;
use crate::domain::subject::Subject;
use crate::notify::{Paging, Thread};
use crate::store::NotificationRecord;
use crate::store::gathering::Story;

/// What is asked for it; `None` where the channel has no use for it.
pub(super) fn asked(notification: &Notification) -> Option<(IncidentId, &Subject)> {
    let is_drill = notification.notice.kind == NoticeKind::Drill;
    let is_told = !is_drill && notification.recipient.channel().has_thread();
    is_told.then_some((notification.incident, &notification.notice.subject))
}

/// What was told, as a recipient of `notification` was.
pub(super) fn of(story: Story, notification: &Notification, sms: Sms) -> Thread {
    let Story { history, last_success, .. } = story;
    let words = history.decisions.into_iter().filter(|(_, decision)| is_of_people(decision.kind));
    Thread {
        receipt: receipt(&history.notifications, notification),
        words: words.map(|(at, decision)| (at, decision.reason)).collect(),
        woken: woken(&history.notifications, sms),
        incident: history.record.incident,
        last_success,
    }
}

/// Whether it says what people did, or left.
fn is_of_people(kind: DecisionKind) -> bool {
    match kind {
        DecisionKind::Acknowledged | DecisionKind::LeftAlone | DecisionKind::Noted => true,
        DecisionKind::Opened
        | DecisionKind::Escalated
        | DecisionKind::Reopened
        | DecisionKind::Reminded
        | DecisionKind::Resolved
        | DecisionKind::NotTold
        | DecisionKind::Ignored => false,
    }
}

/// The receipt of the last message to the same recipient that was accepted.
fn receipt(told: &[NotificationRecord], notification: &Notification) -> Option<String> {
    const ACCEPTED: &str = Attempt::ACCEPTED;
    // A digest is nobody's root.
    let same = told
        .iter()
        .filter(|it| it.digest.is_none() && it.notification.recipient == notification.recipient);
    let deliveries = same.flat_map(|it| &it.deliveries).filter(|it| it.outcome == ACCEPTED);
    deliveries.max_by_key(|it| it.ended_at).map(|it| it.detail.clone())
}

/// Where a message stands; one that is only printed is neither on its way nor sent.
fn paging(record: &NotificationRecord, sms: Sms) -> Paging {
    let is_printed = match record.state {
        NotificationState::Owed => sms == Sms::Printed,
        NotificationState::Sent => record.deliveries.last().is_some_and(|it| it.detail == PRINTED),
        _ => false,
    };
    if is_printed { Paging::Printed } else { Paging::Stands(record.state) }
}

/// Who was woken; the last message to each says how far that came.
fn woken(told: &[NotificationRecord], sms: Sms) -> BTreeMap<PersonId, Paging> {
    let mut woken = BTreeMap::new();
    for record in told {
        if let Recipient::Sms(person) = &record.notification.recipient {
            woken.insert(person.clone(), paging(record, sms));
        }
    }
    woken
}
