//! What a review changes: incidents that it opens and ends, with what people are told.
//!
//! Must not: decide whether there is anything to open or to end.

use std::collections::BTreeSet;

use super::Watched;
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::{CheckId, Region};
use crate::domain::incident::{
    Cause, Change, CheckState, Decision, DecisionKind, Incident, Owed, Transition, resolved,
};
use crate::domain::notice::{Notice, NoticeKind, RegionState};
use crate::domain::policy::Recipient;
use crate::domain::run::Outcome;
use crate::domain::subject::Subject;

/// What an incident is opened with.
pub(super) struct Opening<'a> {
    pub(super) region: &'a Region,
    pub(super) since: Timestamp,
    pub(super) error: String,
    pub(super) recipients: BTreeSet<Recipient>,
    pub(super) now: Timestamp,
}

/// Opens an incident about what people call `name`, be it of a check, and tells its recipients.
pub(super) fn opened(
    subject: &Subject,
    opening: Opening<'_>,
    name: &str,
    check: Option<(&Check, &CheckState)>,
) -> Change {
    let Opening { region, since, error, recipients, now } = opening;
    let notice = Notice {
        check_name: name.to_owned(),
        regions: check.map(|(check, state)| states(check, state)).unwrap_or_default(),
        error: error.clone(),
        since,
        runbook: check.and_then(|(check, _)| check.runbook.clone()),
        ..Notice::new(NoticeKind::Blind, subject.clone(), region.clone(), now)
    };
    let names: Vec<String> = recipients.iter().map(Recipient::to_string).collect();
    let told = if names.is_empty() { "nobody".into() } else { names.join(", ") };
    let cause = Cause::new(region.clone(), error.as_str());
    let reason = format!("{error}: the first tier tells {told}");
    let transition = Transition {
        streak: None,
        owed: Owed::to_all(&recipients, &notice),
        decisions: vec![Decision { kind: DecisionKind::Opened, reason }],
        incident: Some(Incident {
            tiers: [1].into(),
            told: recipients,
            ..Incident::opening(now, since, cause)
        }),
    };
    Change { subject: subject.clone(), transition }
}

/// How the check is doing in each of its regions, as far as that is known.
fn states(check: &Check, state: &CheckState) -> Vec<RegionState> {
    let state = |region: &Region| {
        let streak = state.streaks.get(region).filter(|streak| !streak.is_blind());
        let outcome = streak.and_then(|streak| streak.last_outcome).unwrap_or(Outcome::Unknown);
        let failed = streak.filter(|streak| streak.failures > 0);
        RegionState {
            region: region.clone(),
            outcome: if failed.is_some() { Outcome::Failed } else { outcome },
            failures_in_a_row: failed.map_or(0, |streak| streak.failures),
        }
    };
    let mut states: Vec<RegionState> = check.regions.iter().map(state).collect();
    states.sort_by_key(|state| state.outcome != Outcome::Unknown);
    states
}

/// Closes an incident whose condition holds no more.
pub(super) fn end(
    subject: &Subject,
    open: &Incident,
    checks: &[Watched<'_>],
    now: Timestamp,
) -> Change {
    let watched = |id: &CheckId| checks.iter().find(|it| it.rules.check.id == *id);
    let (kind, name, reason) = match subject {
        Subject::Region(region) => {
            let reason = format!("a check gives an answer in {region} again, or none is left");
            (NoticeKind::Recovered, region.as_str(), reason)
        }
        Subject::Shortfall(region) => {
            let reason = format!("enough results are known in {region} again, or no check is left");
            (NoticeKind::Recovered, region.as_str(), reason)
        }
        // It is never asked about rules, which decide about their incidents themselves.
        Subject::Rule(name) | Subject::Unseen(name) => {
            (NoticeKind::Recovered, name.as_str(), "there are data again".to_owned())
        }
        // Nor about paths.
        Subject::Path(_) | Subject::Drill => {
            (NoticeKind::Recovered, subject.name(), "messages arrive again".to_owned())
        }
        Subject::Check(id) | Subject::Coverage(id) => {
            if let Some(watched) = watched(id) {
                let reason = "there is no region left in which it gives no answer";
                (NoticeKind::Recovered, watched.rules.check.name.as_str(), reason.to_owned())
            } else {
                let reason = "the check is no longer in the project".to_owned();
                (NoticeKind::Withdrawn, id.as_str(), reason)
            }
        }
    };
    // What there was to say was not about the target, and is over.
    let notice = Notice {
        check_name: name.to_owned(),
        since: open.since,
        ..Notice::new(kind, subject.clone(), open.cause.region.clone(), now)
    };
    Change { subject: subject.clone(), transition: resolved(open, &notice, reason, now) }
}
