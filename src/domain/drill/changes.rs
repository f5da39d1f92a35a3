//! What follows for people: rounds of drills, and incidents that are opened and ended.
//!
//! Must not: decide whether there is anything to open or to end.

use std::collections::BTreeSet;

use super::{Known, Standing, Terms, verdict};
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::domain::incident::{
    Cause, Change, Decision, DecisionKind, Incident, Owed, Transition, resolved, telling,
};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::NotificationState;
use crate::domain::path::{Breakage, Path};
use crate::domain::policy::Recipient;
use crate::domain::subject::Subject;

/// A round of drills of `paths`, but for those that one is on its way to; nothing where none is left.
pub fn round(
    paths: impl IntoIterator<Item = Recipient>,
    known: &Known,
    region: &Region,
    why: &str,
    now: Timestamp,
) -> Option<Change> {
    let is_owed = |path: &Recipient| {
        let trial = known.records.get(path).and_then(|record| record.trial.as_ref());
        trial.is_some_and(|trial| trial.state == NotificationState::Owed)
    };
    let paths: BTreeSet<Recipient> = paths.into_iter().filter(|path| !is_owed(path)).collect();
    if paths.is_empty() {
        return None;
    }
    let notice = Notice {
        check_name: "nothing needs to be done".to_owned(),
        ..Notice::new(NoticeKind::Drill, Subject::Drill, region.clone(), now)
    };
    let reason = format!("a {why} drill of {} paths", paths.len());
    let cause = Cause::new(region.clone(), "");
    let transition = Transition {
        streak: None,
        owed: Owed::to_all(&paths, &notice),
        decisions: vec![Decision { kind: DecisionKind::Noted, reason }],
        incident: Some(Incident { resolved_at: Some(now), ..Incident::opening(now, now, cause) }),
    };
    let transition = telling::numbered(transition, now);
    Some(Change { subject: Subject::Drill, transition })
}

const UNUSED: &str = "nobody is told by this path any more";

/// How an incident about a path that nothing is known to be wrong with ends; `None` while it does not.
pub(super) fn end(
    terms: &Terms,
    known: &Known,
    (path, open): (&Path, &Incident),
    now: Timestamp,
) -> Option<(NoticeKind, String)> {
    let Some(recipient) = path.recipient() else {
        if !terms.is_used(path) {
            return Some((NoticeKind::Withdrawn, UNUSED.to_owned()));
        }
        return Some((NoticeKind::Recovered, "something was sent by it".to_owned()));
    };
    if !terms.paths.contains(recipient) {
        return Some((NoticeKind::Withdrawn, UNUSED.to_owned()));
    }
    let proof = known.records.get(recipient).and_then(|record| record.proof.as_ref());
    // What arrived right before it was opened may have become known right after.
    let is_proven = verdict(terms, known, recipient, now).standing == Standing::Proven;
    let proof = proof.filter(|proof| is_proven || proof.at >= open.begun_at())?;
    let reason = format!("a message was {}: {}", proof.by.as_str(), proof.receipt);
    Some((NoticeKind::Recovered, reason))
}

pub(super) fn broken(it: &Breakage) -> String {
    format!("nothing can be sent until somebody sets it right: {}", it.reason)
}

/// What people call a path.
fn called(path: &Path) -> String {
    match path.recipient() {
        Some(_) => format!("messages to {path}"),
        None => format!("all messages by {path}"),
    }
}

pub(super) fn opened(
    terms: &Terms,
    (path, subject): (&Path, Subject),
    (since, error): (Timestamp, &str),
    (region, now): (&Region, Timestamp),
) -> Change {
    let recipients = terms.told_of(path);
    let names: Vec<String> = recipients.iter().map(Recipient::to_string).collect();
    let told = if names.is_empty() { "nobody".into() } else { names.join(", ") };
    let kind = NoticeKind::Failing { tier: 1 };
    let notice = Notice {
        check_name: called(path),
        error: error.to_owned(),
        since,
        ..Notice::new(kind, subject.clone(), region.clone(), now)
    };
    let cause = Cause::new(region.clone(), error);
    let transition = Transition {
        streak: None,
        owed: Owed::to_all(&recipients, &notice),
        decisions: vec![Decision {
            kind: DecisionKind::Opened,
            reason: format!("{error}: told is {told}"),
        }],
        incident: Some(Incident {
            tiers: [1].into(),
            told: recipients,
            ..Incident::opening(now, since, cause)
        }),
    };
    Change { subject, transition }
}

/// Ends an incident about a path.
pub(super) fn ended(
    (path, subject): (&Path, &Subject),
    open: &Incident,
    (kind, reason): (NoticeKind, String),
    (region, now): (&Region, Timestamp),
) -> Change {
    let notice = Notice {
        since: open.since,
        check_name: called(path),
        ..Notice::new(kind, subject.clone(), region.clone(), now)
    };
    let transition = resolved(open, &notice, reason, now);
    Change { subject: subject.clone(), transition }
}
