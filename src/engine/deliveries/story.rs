//! What a recipient that follows an incident was told of it before, read when a message is about to
//! leave: what it says of the incident is then as true as can be.

use std::collections::BTreeMap;

use crate::domain::Timestamp;
use crate::domain::id::PersonId;
use crate::domain::incident::DecisionKind;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::{Attempt, Notification, NotificationState};
use crate::domain::policy::Recipient;
use crate::domain::subject::Subject;
use crate::failpoint::{self, Failpoint};
use crate::notify::Thread;
use crate::store::{Error, IncidentHistory, NotificationRecord, Store};

/// Reads it; `None` where the channel has no use for it.
pub(super) async fn read(
    store: &dyn Store,
    notification: &Notification,
) -> Result<Option<Thread>, Error> {
    failpoint::reach(Failpoint::Claimed);
    let is_drill = notification.notice.kind == NoticeKind::Drill;
    if is_drill || !notification.recipient.has_thread() {
        return Ok(None);
    }
    let history = store.incident(notification.incident);
    let (history, last_success) =
        futures::try_join!(history, last_success(store, &notification.notice.subject))?;
    Ok(history.map(|history| Thread { last_success, ..of(history, notification) }))
}

/// Since when a check works nowhere where it is down.
async fn last_success(store: &dyn Store, subject: &Subject) -> Result<Option<Timestamp>, Error> {
    let Subject::Check(check) = subject else { return Ok(None) };
    let states = store.states_of(std::slice::from_ref(check)).await?;
    let streaks = states.get(check).into_iter().flat_map(|state| state.streaks.values());
    Ok(streaks.filter(|it| it.down).filter_map(|it| it.last_success).min())
}

fn of(history: IncidentHistory, notification: &Notification) -> Thread {
    let words = history.decisions.into_iter().filter(|(_, decision)| is_of_people(decision.kind));
    Thread {
        receipt: receipt(&history.notifications, notification),
        words: words.map(|(at, decision)| (at, decision.reason)).collect(),
        woken: woken(&history.notifications),
        incident: history.record.incident,
        last_success: None,
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

/// Who was woken; the last message to each says how far that came.
fn woken(told: &[NotificationRecord]) -> BTreeMap<PersonId, NotificationState> {
    let mut woken = BTreeMap::new();
    for record in told {
        if let Recipient::Sms(person) = &record.notification.recipient {
            woken.insert(person.clone(), record.state);
        }
    }
    woken
}
