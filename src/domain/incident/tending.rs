//! What time alone means for an open incident.
//!
//! | what | condition | then |
//! |---|---|---|
//! | an acknowledgement | its time is over, and it still fails | all who were told are told again |
//! | a tier after so long | open, or not acknowledged, for that long | tell it |
//! | tiers held back | no restraint is left | tell them, and say what had held them back |
//! | a maintenance | it is over, and it fails since before that began; not acknowledged | all tiers reached are told again |
//! | a reminder | `repeat_every` after the last word, not acknowledged | tell the highest tier again |
//!
//! While there is a restraint, tiers are reached and held back. [`tend`] is asked when [`due`] says,
//! and whenever rules or restraints change; asked early, it changes nothing, so a repeated or late
//! question is safe.

use std::collections::BTreeSet;

use super::{Decision, DecisionKind, Incident, Owed, Transition, telling};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::policy::{Condition, Policy, Recipient, Roster};
use crate::domain::restraint::{About, Quiet};
use crate::domain::{Timestamp, after};

/// What there is besides an incident.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The policy of what it is about, where that has one.
    pub policy: Option<&'a Policy>,
    /// People and teams.
    pub roster: &'a Roster,
    /// What it is about.
    pub about: About<'a>,
    /// What is wrong, as it is now; its kind, time and note do not matter.
    pub notice: &'a Notice,
    /// What keeps people from being told.
    pub quiet: Quiet<'a>,
}

/// What `now` means for an open incident.
pub fn tend(open: &Incident, around: Surroundings<'_>, now: Timestamp) -> Transition {
    let mut incident = open.clone();
    let mut decisions = Vec::new();
    let mut due = Due::default();
    if let Some(lapsed) = open.story.acknowledged.as_ref().filter(|it| it.until <= now) {
        incident.story.acknowledged = None;
        incident.story.left_alone_since = Some(lapsed.until);
        let lasted = telling::in_seconds(lapsed.until - lapsed.at);
        let reason = if lapsed.taken_back {
            format!("the acknowledgement by {} was taken back after {lasted}", lapsed.by)
        } else {
            format!("the acknowledgement by {} is over after {lasted}", lapsed.by)
        };
        due.because(&open.tiers, format!("{reason}, and it still fails"));
        decisions.push(Decision { kind: DecisionKind::LeftAlone, reason });
    }
    for (number, when, at) in timed(&incident, around.policy) {
        if at <= now {
            due.because(&[number].into(), format!("tier {number}: {when}"));
            incident.tiers.insert(number);
        }
    }
    let ended = maintenance_ended(&mut incident, around, now);
    let acknowledged = incident.story.acknowledged.as_ref();
    let restraint = around.quiet.restrains(around.about, acknowledged, now);
    if let Some(why) = ended.filter(|_| incident.story.acknowledged.is_none()) {
        due.because(&incident.tiers, format!("still fails after: {why}"));
    }
    if restraint.is_none() {
        if !incident.story.held.is_empty() {
            let why = incident.story.held_by.take().unwrap_or_else(|| "held back".to_owned());
            due.because(&incident.story.held, format!("still fails after: {why}"));
            incident.story.held.clear();
        }
        if reminder(&incident, around.policy).is_some_and(|at| at <= now)
            && let Some(highest) = incident.tiers.last()
        {
            let lasts = telling::in_seconds(now - incident.since);
            due.because(&[*highest].into(), format!("still fails after {lasts}"));
        }
    }
    if due.tiers.is_empty() {
        incident.due_at = self::due(&incident, around.policy, (around.about, around.quiet), now);
        return Transition {
            incident: (incident != *open).then_some(incident),
            decisions,
            ..Transition::default()
        };
    }
    let owed = owed(&incident, &due, around, now);
    // What was said of it a moment ago is not said twice.
    let known = decisions.first().map(|it: &Decision| format!("{}, and it", it.reason));
    let is_new = due.tiers.iter().any(|tier| !open.tiers.contains(tier));
    let kind = if is_new { DecisionKind::Escalated } else { DecisionKind::Reminded };
    decisions.push(Decision { kind, reason: due.reason(&owed, known.as_deref()) });
    incident.told.extend(owed.iter().map(|owed| owed.recipient.clone()));
    incident.story.held_from.clear();
    if restraint.is_some() {
        // What is told again is held back like what is reached now.
        incident.story.held.extend(&due.tiers);
    }
    let transition = Transition { streak: None, incident: Some(incident), decisions, owed };
    telling::finish(
        transition,
        telling::Situation {
            open: Some(&without_lapsed(open, now)),
            closed: None,
            policy: around.policy,
            about: around.about,
            quiet: around.quiet,
            now,
        },
    )
}

/// Takes down which maintenance it goes on through; the last, where its time is over now. One that covers it
/// no more because it goes on elsewhere, too, has not ended.
fn maintenance_ended(
    incident: &mut Incident,
    around: Surroundings<'_>,
    now: Timestamp,
) -> Option<String> {
    let window = around.quiet.maintained(around.about, now);
    let before = std::mem::replace(&mut incident.story.maintained, window);
    let over = before.filter(|it| incident.story.maintained.is_none() && it.until <= now);
    over.map(|it| it.why)
}

/// The incident as restraints see it: an acknowledgement that is over holds nothing back.
fn without_lapsed(open: &Incident, now: Timestamp) -> Incident {
    let mut open = open.clone();
    open.story.acknowledged = open.story.acknowledged.filter(|it| now < it.until);
    open
}

/// When [`tend`] is to be asked next; `None` when time alone changes nothing.
pub fn due(
    open: &Incident,
    policy: Option<&Policy>,
    (about, quiet): (About<'_>, Quiet<'_>),
    now: Timestamp,
) -> Option<Timestamp> {
    let acknowledged = open.story.acknowledged.as_ref();
    let restraint = quiet.restrains(about, acknowledged, now);
    let lapses = acknowledged.map(|it| it.until);
    let timed = timed(open, policy).into_iter().map(|(_, _, at)| at).min();
    let told = match (&restraint, open.story.held.is_empty()) {
        // Nothing is told before it ends.
        (Some(restraint), _) => Some(restraint.until),
        (None, false) => Some(now),
        (None, true) => reminder(open, policy),
    };
    // That one began must be known when it ends.
    let maintenance = match quiet.maintained(about, now) {
        Some(window) if open.story.maintained.is_some() => Some(window.until),
        Some(_) => Some(now),
        None if open.story.maintained.is_some() => Some(now),
        None => quiet.next_maintenance(about, now),
    };
    [lapses, timed, told, maintenance].into_iter().flatten().min()
}

/// The tiers that time reaches and has not reached yet, with when it does.
fn timed(incident: &Incident, policy: Option<&Policy>) -> Vec<(u32, Condition, Timestamp)> {
    let begun = incident.begun_at();
    let alone = incident.story.left_alone_since.map_or(begun, |since| since.max(begun));
    let is_new = |number: &u32| !incident.tiers.contains(number);
    let tiers = policy.into_iter().flat_map(Policy::numbered);
    let at = |(number, when): (u32, Condition)| {
        let at = match when {
            Condition::OpenFor(time) => after(begun, time),
            Condition::UnacknowledgedFor(time) if incident.story.acknowledged.is_none() => {
                after(alone, time)
            }
            _ => return None,
        };
        Some((number, when, at))
    };
    tiers
        .map(|(number, tier)| (number, tier.when))
        .filter(|(it, _)| is_new(it))
        .filter_map(at)
        .collect()
}

/// When people are reminded, as far as nothing restrains.
fn reminder(incident: &Incident, policy: Option<&Policy>) -> Option<Timestamp> {
    let every = policy?.repeat_every?;
    incident.story.told_at.map(|told| after(told, every))
}

/// The tiers to tell, and why.
#[derive(Default)]
struct Due {
    tiers: BTreeSet<u32>,
    why: Vec<String>,
}

impl Due {
    fn because(&mut self, tiers: &BTreeSet<u32>, why: String) {
        self.tiers.extend(tiers);
        if !tiers.is_empty() && !self.why.contains(&why) {
            self.why.push(why);
        }
    }

    fn reason(&self, owed: &[Owed], known: Option<&str>) -> String {
        let names: BTreeSet<String> = owed.iter().map(|it| it.recipient.to_string()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let told = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        let tiers: Vec<String> = self.tiers.iter().map(u32::to_string).collect();
        let plural = if tiers.len() == 1 { "" } else { "s" };
        let (mut why, tiers) = (self.why.join("; "), tiers.join(", "));
        if let Some(known) = known {
            why = why.replacen(known, "it", 1);
        }
        format!("{why}: tier{plural} {tiers} told, which is {told}")
    }
}

/// What is owed to those of the tiers; whoever is in several hears of the highest alone.
fn owed(incident: &Incident, due: &Due, around: Surroundings<'_>, now: Timestamp) -> Vec<Owed> {
    let mut seen: BTreeSet<Recipient> = BTreeSet::new();
    let mut by_tier = Vec::new();
    for tier in due.tiers.iter().rev() {
        let kind = match around.notice.kind {
            NoticeKind::Blind => NoticeKind::Blind,
            _ => NoticeKind::Failing { tier: *tier },
        };
        let notice = Notice {
            kind,
            at: now,
            note: Some(due.why.join("; ")),
            fails_again: false,
            ..around.notice.clone()
        };
        let mut fresh = recipients(incident, *tier, around);
        fresh.retain(|recipient| seen.insert(recipient.clone()));
        by_tier.push(fresh.iter().map(|it| Owed::to(it, &notice)).collect::<Vec<_>>());
    }
    by_tier.into_iter().rev().flatten().collect()
}

/// Whom a tier tells; where the policy has no such tier, all who were told or should have been.
fn recipients(incident: &Incident, tier: u32, around: Surroundings<'_>) -> Vec<Recipient> {
    let found = around.policy.into_iter().flat_map(Policy::numbered).find(|(it, _)| *it == tier);
    match found {
        Some((_, tier)) => {
            tier.notify.iter().flat_map(|target| around.roster.recipients(target)).collect()
        }
        None => incident.told.union(&incident.story.held_from).cloned().collect(),
    }
}
