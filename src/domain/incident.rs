//! An incident: a check being down, from opening to resolution. What else an incident can be about
//! says [`Subject`].
//!
//! [`step`] decides what one result means, [`tending`] what time alone means, [`acting`] what it means
//! that somebody does something; [`telling`] holds back what nobody is to be told now. All are
//! functions of the state, the event and the rules alone; whoever calls them stores the [`Transition`]
//! as one unit or not at all.
//!
//! | incident | event | condition | then |
//! |---|---|---|---|
//! | none | failed | a tier is reached in as many regions as the quorum | open, tell the tier |
//! | none | failed | no tier is reached in so many | note why nobody is told |
//! | open | failed | a further tier is reached in so many | escalate, tell that tier |
//! | open | failed | no further tier | nothing: those who need to know were told |
//! | any | failed, late | | counted; nobody is told before a fresh result fails, too |
//! | any | failed, and passed there since, as was heard together with it | only tiers of failures in a row | counted; nobody is told before another fails |
//! | open | passed, late or not | fewer regions down than the quorum | resolve, tell all who were told |
//! | open | passed, late or not | still as many down | stay open |
//! | any | unknown | | neutral; noted while an incident is open |
//! | any | older than what was counted | the clock was not set back | noted, not counted |
//! | any | from a region where the check no longer runs | | noted, not counted |
//! | open | check removed | | resolve, tell all who were told |
//! | open | goes down in a region, or is up there again | | find out anew when time changes something |
//!
//! Which regions count:
//!
//! | region | towards a tier | as down, while an incident is open |
//! |---|---|---|
//! | the one whose result it is, not late | yes | yes |
//! | another with a result of the last two intervals | yes, also when that is unknown | yes |
//! | older than that | no | yes |
//! | [`BLIND_AFTER`](super::streak::BLIND_AFTER) unknown in a row | no | yes |
//! | no answer for ten intervals, in which the region that answered last answered | no | no |
//! | one in which the check no longer runs | no | no |
//!
//! A region is down from its first failure until it has passed often enough, so it is down wherever
//! it has reached a tier: when fewer regions are down than the quorum, no tier holds any more. While
//! as many still fail as the quorum wants, the incident stays open, be it below the first tier.

use std::collections::{BTreeMap, BTreeSet};

use super::Timestamp;
use super::check::Check;
use super::failed_request::FailedRequest;
use super::id::{IncidentId, Region};
use super::notice::{Notice, NoticeKind};
use super::policy::{Policy, Recipient, Roster};
use super::restraint::{Acknowledgement, Restraint};
use super::run::{Failure, FailureKind, Outcome, Report};
use super::streak::Streak;
use super::subject::Subject;
use world::World;

pub mod acting;
pub mod retold;
pub mod telling;
pub mod tending;
mod world;

/// What is known of one check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckState {
    /// The streak of each region that has run.
    pub streaks: BTreeMap<Region, Streak>,
    /// The open incident.
    pub incident: Option<Box<Incident>>,
    /// Without an open one, the last that was resolved, if that is not long ago.
    pub closed: Option<Box<Incident>>,
}

/// One incident, whatever it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its number; `None` until the store has given it one.
    pub id: Option<IncidentId>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The first failed slot.
    pub since: Timestamp,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// The tiers reached, counted from 1, in the order of the policy.
    pub tiers: BTreeSet<u32>,
    /// Everyone who is or was to be told.
    pub told: BTreeSet<Recipient>,
    /// The latest failure: region, step and first line.
    pub cause: Cause,
    /// When time alone may change something ([`tending::due`]).
    pub due_at: Option<Timestamp>,
    /// What people were told of it, and what they did.
    pub story: Story,
}

/// What people were told of an incident, and what they did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Story {
    /// How often people were told something of it; numbers what they are told next.
    pub tellings: u32,
    /// When people were last told that it goes on.
    pub told_at: Option<Timestamp>,
    /// The tiers that were reached while nobody was to be told; they are among
    /// [`Incident::tiers`].
    pub held: BTreeSet<u32>,
    /// What kept people from being told of these.
    pub held_by: Option<String>,
    /// Who would have been told.
    pub held_from: BTreeSet<Recipient>,
    /// The maintenance that it goes on through.
    pub maintained: Option<Restraint>,
    /// Who takes care of it.
    pub acknowledged: Option<Acknowledgement>,
    /// Since when nobody does, where that is not since it was opened.
    pub left_alone_since: Option<Timestamp>,
    /// How often it was opened again.
    pub reopened: u32,
    /// When it was opened again the last time.
    pub reopened_at: Option<Timestamp>,
    /// What people were last told of what is wrong.
    pub notice: Option<Notice>,
}

impl Incident {
    /// One that is opened now, with no tier reached and nobody told.
    pub fn opening(now: Timestamp, since: Timestamp, cause: Cause) -> Self {
        Self {
            id: None,
            opened_at: now,
            since,
            resolved_at: None,
            tiers: BTreeSet::new(),
            told: BTreeSet::new(),
            cause,
            due_at: None,
            story: Story::default(),
        }
    }

    /// When it was opened the last time.
    pub fn begun_at(&self) -> Timestamp {
        self.story.reopened_at.unwrap_or(self.opened_at)
    }
}

/// A failure as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Where.
    pub region: Region,
    /// The first failing step.
    pub step: Option<String>,
    /// The request on which it failed.
    pub request: Option<FailedRequest>,
    /// The error in one line.
    pub error: String,
}

impl Cause {
    /// One of which no more is known than its error.
    pub fn new(region: Region, error: impl Into<String>) -> Self {
        Self { region, step: None, request: None, error: error.into() }
    }
}

/// One result, as far as incidents care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where.
    pub region: Region,
    /// The slot that was run, by our clock.
    pub slot: Timestamp,
    /// When the run ended.
    pub ended: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The first failing step.
    pub step: Option<String>,
    /// The request on which it failed.
    pub request: Option<FailedRequest>,
    /// The error in one line; empty when it passed.
    pub error: String,
    /// Whether it is unknown only because the run before had not ended, which does not say why.
    pub overlaps: bool,
    /// Whether the check had passed again there by the time that this failure was heard of.
    pub overtaken: bool,
}

impl From<&Report> for Verdict {
    fn from(report: &Report) -> Self {
        let failure = report.failure.as_ref();
        Self {
            region: report.slot.region.clone(),
            slot: report.slot_by_our_clock(),
            ended: report.finished_at(),
            outcome: report.outcome(),
            step: failure.and_then(|failure| failure.step.clone()),
            request: FailedRequest::of(report),
            error: failure.map(Failure::headline).unwrap_or_default(),
            overlaps: failure.is_some_and(|failure| failure.kind == FailureKind::Overlap),
            overtaken: failure.is_some_and(|failure| failure.overtaken),
        }
    }
}

/// A decision and its reason, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub kind: DecisionKind,
    /// Why, in a sentence.
    pub reason: String,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecisionKind {
    /// An incident was opened.
    Opened,
    /// A further tier was reached.
    Escalated,
    /// What was resolved a while ago fails again, and is the same incident.
    Reopened,
    /// People were told once more, with no further tier reached.
    Reminded,
    /// The incident was resolved.
    Resolved,
    /// A failure did not lead to a message.
    NotTold,
    /// A result changed nothing.
    Ignored,
    /// Somebody takes care of it.
    Acknowledged,
    /// Nobody does any more: it was taken back, or its time is over.
    LeftAlone,
    /// Somebody said something about it, or asked that nobody be told.
    Noted,
}

impl DecisionKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Opened,
        Self::Escalated,
        Self::Reopened,
        Self::Reminded,
        Self::Resolved,
        Self::NotTold,
        Self::Ignored,
        Self::Acknowledged,
        Self::LeftAlone,
        Self::Noted,
    ];

    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Reopened => "reopened",
            Self::Reminded => "reminded",
            Self::Resolved => "resolved",
            Self::NotTold => "not_told",
            Self::Ignored => "ignored",
            Self::Acknowledged => "acknowledged",
            Self::LeftAlone => "left_alone",
            Self::Noted => "noted",
        }
    }
}

/// A message that a transition owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Who gets it.
    pub recipient: Recipient,
    /// What it says.
    pub notice: Notice,
    /// Which telling about the incident it belongs to, from 1; 0 until [`telling::finish`] has
    /// numbered it.
    pub telling: u32,
}

impl Owed {
    /// What is owed to one recipient.
    pub fn to(recipient: &Recipient, notice: &Notice) -> Self {
        Self { recipient: recipient.clone(), notice: notice.clone(), telling: 0 }
    }

    /// The same to several.
    pub fn to_all(recipients: &BTreeSet<Recipient>, notice: &Notice) -> Vec<Self> {
        recipients.iter().map(|recipient| Self::to(recipient, notice)).collect()
    }
}

/// What one event leads to; stored as one unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transition {
    /// The new streak of the event's region, if the event counted.
    pub streak: Option<Streak>,
    /// The new incident, if it changed: opened (no id yet), escalated, or resolved.
    pub incident: Option<Incident>,
    /// What was decided, and why.
    pub decisions: Vec<Decision>,
    /// The messages owed.
    pub owed: Vec<Owed>,
}

/// What is decided about one subject, where that does not follow from one result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub subject: Subject,
    /// The incident with what was decided and is owed; it has no streak.
    pub transition: Transition,
}

/// What [`step`] needs to know besides the state and the event.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The check.
    pub check: &'a Check,
    /// Its policy.
    pub policy: &'a Policy,
    /// People and teams.
    pub roster: &'a Roster,
}

/// Decides what one result means.
pub fn step(state: &CheckState, verdict: &Verdict, rules: Rules<'_>, now: Timestamp) -> Transition {
    let before = state.streaks.get(&verdict.region).cloned().unwrap_or_default();
    let before = before.going_on(verdict.slot, now);
    if !before.is_news(verdict.outcome, verdict.slot) {
        // Slots that were refused while it ran are known before it is.
        if verdict.outcome == Outcome::Unknown
            && let Some(streak) = before.explained_late(verdict.slot, &verdict.error)
        {
            return only(streak);
        }
        let reason = format!(
            "the result of {} from {} came after a later one and is not counted",
            verdict.slot.format("%H:%M:%S"),
            verdict.region
        );
        return noted(None, DecisionKind::Ignored, reason);
    }
    if !rules.check.regions.contains(&verdict.region) {
        let reason =
            format!("the check no longer runs in {}; its result is not counted", verdict.region);
        return noted(None, DecisionKind::Ignored, reason);
    }
    let streak = counted(&before, verdict, rules);
    let world = || World {
        streaks: known(state, (&verdict.region, &streak), rules.check),
        verdict,
        rules,
        now,
    };
    match (verdict.outcome, &state.incident) {
        // Nearly every result; nothing else needs to be looked at.
        (Outcome::Passed | Outcome::Unknown, None) => only(streak),
        (Outcome::Unknown, Some(_)) if before.last_outcome == Some(Outcome::Unknown) => {
            only(streak)
        }
        (Outcome::Unknown, Some(_)) => {
            let reason = format!(
                "unknown in {} ({}): neither a failure nor a success",
                verdict.region, verdict.error
            );
            noted(Some(streak), DecisionKind::Ignored, reason)
        }
        (Outcome::Failed, open) => world().failed(&streak, open.as_deref()),
        (Outcome::Passed, Some(open)) => world().passed(&streak, open, &before),
    }
}

/// The regions in which a check is down, in order; with what a result has come to in one of them, if
/// that is given.
pub fn down(
    state: &CheckState,
    counted: Option<(&Region, &Streak)>,
    check: &Check,
    now: Timestamp,
) -> Vec<Region> {
    match counted {
        Some(counted) => world::down(&known(state, counted, check), check, now),
        None => world::down(&state.streaks, check, now),
    }
}

/// Brings what a notice says of the regions of a check up to date.
pub fn refresh(notice: &mut Notice, state: &CheckState, rules: Rules<'_>, now: Timestamp) {
    world::refresh(notice, state, rules, now);
}

/// The streak of the result's region with the result counted.
fn counted(before: &Streak, verdict: &Verdict, rules: Rules<'_>) -> Streak {
    let Verdict { outcome, slot, .. } = *verdict;
    let streak = before.counting(outcome, slot, rules.policy.recover_after).remembering(
        outcome,
        slot,
        rules.policy.failures_remembered(),
    );
    let broke = before.heard_until().is_some_and(|heard| rules.check.is_old(heard, verdict.slot));
    if broke && verdict.outcome != Outcome::Unknown {
        return streak.after_a_break(verdict.slot);
    }
    if verdict.overlaps {
        streak.unexplained(&verdict.error)
    } else {
        streak.explained(&verdict.error)
    }
}

/// The streaks of the regions in which the check runs, with the present result counted.
fn known(
    state: &CheckState,
    (region, streak): (&Region, &Streak),
    check: &Check,
) -> BTreeMap<Region, Streak> {
    let mut streaks = state.streaks.clone();
    streaks.retain(|region, _| check.regions.contains(region));
    streaks.insert(region.clone(), streak.clone());
    streaks
}

/// Closes the incident of a check that is no longer in the project.
pub fn withdraw(
    open: &Incident,
    check: &super::id::CheckId,
    check_name: &str,
    now: Timestamp,
) -> Transition {
    let (subject, region) = (Subject::Check(check.clone()), open.cause.region.clone());
    let notice = Notice {
        check_name: check_name.to_owned(),
        step: open.cause.step.clone(),
        request: open.cause.request.clone(),
        error: open.cause.error.clone(),
        since: open.since,
        ..Notice::new(NoticeKind::Withdrawn, subject, region, now)
    };
    let reason = "the check is no longer in the project".to_owned();
    resolved(open, &notice, reason, now)
}

fn only(streak: Streak) -> Transition {
    Transition { streak: Some(streak), ..Transition::default() }
}

fn noted(streak: Option<Streak>, kind: DecisionKind, reason: String) -> Transition {
    Transition { streak, decisions: vec![Decision { kind, reason }], ..Transition::default() }
}

pub(super) fn resolved(
    open: &Incident,
    notice: &Notice,
    reason: String,
    now: Timestamp,
) -> Transition {
    Transition {
        streak: None,
        owed: Owed::to_all(&open.told, notice),
        decisions: vec![Decision { kind: DecisionKind::Resolved, reason }],
        incident: Some(Incident { resolved_at: Some(now), due_at: None, ..open.clone() }),
    }
}

#[cfg(test)]
mod tests;
