//! What becomes of a transition before it is stored: it may open an incident again instead of a new
//! one, what nobody is to be told now is held back, and what is told gets its number.
//!
//! | transition | condition | then |
//! |---|---|---|
//! | opens | the last incident of the subject, where that is no rule, was resolved within the policy's `reopen_within` | that one is open again; whoever was told of it hears the end, too |
//! | tells of something wrong | a restraint | told is nobody; its tiers are held back, and the decision says why |
//! | tells of something wrong | none | told, and remembered as the last word |
//! | tells of an end, or what somebody did | | told |
//!
//! Every decision about incidents goes through [`finish`]; none knows of restraints itself.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;

use super::{DecisionKind, Incident, Owed, Transition, tending};
use crate::domain::policy::Policy;
use crate::domain::restraint::{About, Quiet, Restraint};
use crate::domain::rule::span;
use crate::domain::{Timestamp, after};

/// What there is besides a transition.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The open incident before it.
    pub open: Option<&'a Incident>,
    /// Without one, the last that was resolved.
    pub closed: Option<&'a Incident>,
    /// The policy of what it is about, where that has one.
    pub policy: Option<&'a Policy>,
    /// What it is about, as it is down now.
    pub about: About<'a>,
    /// What keeps people from being told.
    pub quiet: Quiet<'a>,
    /// When it is decided.
    pub now: Timestamp,
}

/// Makes a transition whole.
#[must_use]
pub fn finish(mut transition: Transition, situation: Situation<'_>) -> Transition {
    reopen(&mut transition, situation);
    let alarm = transition.owed.iter().map(|owed| &owed.notice).find(|it| it.kind.is_alarm());
    let is_alarm = alarm.is_some() || is_escalation(&transition, situation);
    let about = situation.about;
    let acknowledged = situation.open.and_then(|open| open.story.acknowledged.as_ref());
    match situation.quiet.restrains(about, acknowledged, situation.now).filter(|_| is_alarm) {
        Some(restraint) => hold_back(&mut transition, &restraint, situation),
        None => number(&mut transition, situation.now),
    }
    if let Some(incident) = transition.incident.as_mut().filter(|it| it.resolved_at.is_none()) {
        let Situation { policy, quiet, now, .. } = situation;
        incident.due_at = tending::due(incident, policy, (about, quiet), now);
    }
    transition
}

/// Whether a tier is reached, be it one that tells nobody.
fn is_escalation(transition: &Transition, situation: Situation<'_>) -> bool {
    let known = situation.open.map(|open| &open.tiers);
    transition.incident.as_ref().is_some_and(|incident| {
        incident.resolved_at.is_none()
            && incident.tiers.iter().any(|tier| known.is_none_or(|known| !known.contains(tier)))
    })
}

/// Lets the incident that was resolved a moment ago go on in place of a new one.
fn reopen(transition: &mut Transition, situation: Situation<'_>) {
    let now = situation.now;
    let within = situation.policy.map_or(Policy::REOPEN_WITHIN, |policy| policy.reopen_within);
    let Some(closed) = situation.closed.filter(|_| situation.open.is_none()) else { return };
    let Some(resolved_at) = closed.resolved_at else { return };
    // A clock that was set back makes nothing recent.
    let is_recent = resolved_at <= now && now < after(resolved_at, within);
    let Some(incident) = transition.incident.as_mut().filter(|it| it.id.is_none() && is_recent)
    else {
        return;
    };
    incident.id = closed.id;
    incident.opened_at = closed.opened_at;
    incident.told.extend(closed.told.iter().cloned());
    incident.story = closed.story.clone();
    let story = &mut incident.story;
    (story.held, story.held_by, story.held_from) = (BTreeSet::new(), None, BTreeSet::new());
    (story.acknowledged, story.left_alone_since, story.maintained) = (None, None, None);
    story.reopened += 1;
    story.reopened_at = Some(now);
    let ago = in_seconds(now - resolved_at);
    let times = story.reopened + 1;
    let note = format!("fails again {ago} after it was over, for the {} time", ordinal(times));
    for owed in &mut transition.owed {
        owed.notice.note = Some(note.clone());
        owed.notice.fails_again = true;
    }
    for decision in &mut transition.decisions {
        if decision.kind == DecisionKind::Opened {
            decision.kind = DecisionKind::Reopened;
            decision.reason = format!("{note}; {}", decision.reason);
        }
    }
}

/// Tells nobody, and remembers that there is something to tell.
fn hold_back(transition: &mut Transition, restraint: &Restraint, situation: Situation<'_>) {
    let Some(incident) = &mut transition.incident else { return };
    let known = situation.open.map(|open| open.tiers.clone()).unwrap_or_default();
    let told = situation.open.or(situation.closed.filter(|closed| closed.id == incident.id));
    incident.told = told.map(|incident| incident.told.clone()).unwrap_or_default();
    incident.story.held.extend(incident.tiers.difference(&known));
    incident.story.held_by = Some(restraint.why.clone());
    if let Some(owed) = transition.owed.iter().find(|owed| owed.notice.kind.is_alarm()) {
        incident.story.notice = Some(owed.notice.clone());
    }
    let (held, owed) =
        transition.owed.drain(..).partition(|owed: &Owed| owed.notice.kind.is_alarm());
    transition.owed = owed;
    let held: Vec<Owed> = held;
    incident.story.held_from.extend(held.into_iter().map(|owed| owed.recipient));
    for decision in &mut transition.decisions {
        match decision.kind {
            DecisionKind::Escalated | DecisionKind::Reminded => {
                decision.kind = DecisionKind::NotTold;
            }
            DecisionKind::Opened | DecisionKind::Reopened => {}
            _ => continue,
        }
        decision.reason = format!("{}, but nobody is told: {}", decision.reason, restraint.why);
    }
}

/// The same with what it tells numbered, where nothing else is to be asked.
#[must_use]
pub fn numbered(mut transition: Transition, now: Timestamp) -> Transition {
    number(&mut transition, now);
    transition
}

/// Numbers what is told.
pub(super) fn number(transition: &mut Transition, now: Timestamp) {
    let Some(incident) = transition.incident.as_mut().filter(|_| !transition.owed.is_empty())
    else {
        return;
    };
    incident.story.tellings += 1;
    for owed in &mut transition.owed {
        owed.telling = incident.story.tellings;
    }
    let mut told = transition.owed.iter().rev().map(|owed| &owed.notice);
    if let Some(notice) = told.find(|it| it.kind.is_alarm()) {
        incident.story.told_at = Some(now);
        incident.story.notice = Some(notice.clone());
    }
}

/// So long, as people say it: to the second.
pub(super) fn in_seconds(time: TimeDelta) -> String {
    let seconds = time.num_milliseconds().max(0).unsigned_abs().div_ceil(1000);
    span(Duration::from_secs(seconds))
}

/// 2nd, 3rd, 11th.
fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, hundreds) if hundreds != 11 => "st",
        (2, hundreds) if hundreds != 12 => "nd",
        (3, hundreds) if hundreds != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        let said = [1, 2, 3, 4, 11, 12, 13, 21, 22, 103, 112].map(ordinal);
        assert_eq!(
            said,
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "103rd", "112th"]
        );
    }
}
