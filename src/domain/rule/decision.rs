//! What the state of a rule means for its incidents.
//!
//! One incident is about a rule, with all its breached label sets: whoever is woken reads one message
//! that names the first and counts the others. A second one, [`Subject::Unseen`], is about nobody
//! knowing how the rule stands; the two may be open at once, and each ends by its own condition.
//!
//! | incident of the rule | its state | then |
//! |---|---|---|
//! | none | breached, in so many evaluations in a row as a tier wants | open, tell the tier |
//! | open | breached in a row as often as a further tier wants | escalate, tell that tier |
//! | open | further label sets are breached | tell everyone told so far, at once if that was not done within [`PAUSE`], twice as long after each time |
//! | open | nothing is breached | resolve, tell all who were told; of series that are gone, that they are |
//! | open | the rule is no longer in the project | resolve, tell all who were told |
//!
//! | incident of its being unseen | its state | then |
//! |---|---|---|
//! | none | no data though there were, also of some label sets alone, or an error, for `missing_after` | open, tell the first tier |
//! | open | data | resolve |

use std::collections::BTreeSet;
use std::time::Duration;

use super::state::{RuleState, Track};
use super::{LabelSet, OnMissing, Rule, words};
use crate::domain::id::Region;
use crate::domain::incident::{
    Cause, Change, Decision, DecisionKind, Incident, Owed, Transition, resolved,
};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::policy::{Condition, Recipient, Roster};
use crate::domain::subject::Subject;
use crate::domain::{Timestamp, after};

/// So long nobody is told again that a breach has grown, after the first time.
pub const PAUSE: Duration = Duration::from_mins(5);

/// Messages about growth are numbered like tiers, from here on: the tiers of a policy are fewer.
pub const GROWTH: u32 = 1000;

/// At most so many messages tell of growth.
const MOST_GROWTHS: u32 = 20;

/// What there is besides a rule and its state.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// People and teams.
    pub roster: &'a Roster,
    /// Where the hub is: a rule has no region of its own.
    pub region: &'a Region,
    /// The time of the grid that was evaluated.
    pub at: Timestamp,
    /// When it is decided.
    pub now: Timestamp,
}

/// The open incidents about one rule.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open<'a> {
    /// About its being breached.
    pub breached: Option<&'a Incident>,
    /// About nobody knowing.
    pub unseen: Option<&'a Incident>,
}

/// Decides about the incidents of `rule`, and notes in `state` which breaches people were told of.
pub fn decide(
    rule: &Rule,
    state: &mut RuleState,
    open: Open<'_>,
    around: Surroundings<'_>,
) -> Vec<Change> {
    let scene = Scene { rule, around };
    let about = |subject: Subject| move |transition| Change { subject, transition };
    let breached = scene.about_breaches(state, open.breached);
    let breached = breached.map(about(Subject::Rule(rule.name.clone())));
    let unseen = scene.about_seeing(state, open.unseen);
    breached.into_iter().chain(unseen.map(about(Subject::Unseen(rule.name.clone())))).collect()
}

/// Ends an incident about a rule that is no longer in the project.
pub fn withdraw(subject: &Subject, open: &Incident, now: Timestamp) -> Change {
    let region = open.cause.region.clone();
    let notice = Notice {
        error: open.cause.error.clone(),
        since: open.since,
        ..Notice::new(NoticeKind::Withdrawn, subject.clone(), region, now)
    };
    let reason = "the rule is no longer in the project".to_owned();
    Change { subject: subject.clone(), transition: resolved(open, &notice, reason, now) }
}

struct Scene<'a> {
    rule: &'a Rule,
    around: Surroundings<'a>,
}

impl Scene<'_> {
    fn about_breaches(&self, state: &mut RuleState, open: Option<&Incident>) -> Option<Transition> {
        let breaches = state.breaches();
        let Some((_, first)) = breaches.first() else {
            let subject = Subject::Rule(self.rule.name.clone());
            let (kind, reason) = if state.is_lost {
                (NoticeKind::Lost, "its series are gone: nobody saw it end")
            } else {
                (NoticeKind::Recovered, "nothing is beyond the threshold any more")
            };
            let said = |it: &Incident| (kind, it.cause.error.clone());
            return open.map(|it| self.over(it, subject, said(it), reason));
        };
        let known = open.map(|incident| incident.tiers.clone()).unwrap_or_default();
        let mut reached: BTreeSet<u32> = self.tiers_reached(state.in_a_row);
        reached.retain(|tier| !known.contains(tier));
        let said = words::breaches(self.rule, &breaches);
        let since = first.since;
        if !reached.is_empty() {
            let mut recipients = BTreeSet::new();
            let mut owed = Vec::new();
            // Whoever is in several of them hears of the highest alone.
            for tier in reached.iter().rev() {
                let fresh = self.recipients(*tier).difference(&recipients).cloned().collect();
                owed.extend(self.owed(&fresh, *tier, &said, since, state.in_a_row));
                recipients.extend(fresh);
            }
            let kind = if open.is_some() { DecisionKind::Escalated } else { DecisionKind::Opened };
            let reason = reason(state.in_a_row, &reached, &recipients, &said);
            mark_told(state);
            let transition = self.changed(
                open,
                (reached, recipients),
                (since, &said),
                Decision { kind, reason },
            );
            return Some(Transition { owed, ..transition });
        }
        self.grown(state, open?)
    }

    /// Tells of label sets that were breached since the last message.
    fn grown(&self, state: &mut RuleState, open: &Incident) -> Option<Transition> {
        let breaches = state.breaches();
        let fresh: Vec<(&LabelSet, &Track)> =
            breaches.iter().filter(|(_, track)| !track.told).copied().collect();
        if fresh.is_empty() {
            return None;
        }
        let (count, last) = state.growths;
        let pause = PAUSE.saturating_mul(1 << count.min(10));
        let is_early =
            last.is_some_and(|last| last <= self.around.at && after(last, pause) > self.around.at);
        if is_early || count >= MOST_GROWTHS {
            return None;
        }
        let all = breaches.len();
        let said = format!("{}; {all} are breached in all", words::breaches(self.rule, &fresh));
        let tier = GROWTH + count + 1;
        let owed = self.owed(&open.told, tier, &said, open.since, state.in_a_row);
        let reason = format!("{} more breached: {said}", fresh.len());
        let decision = Decision { kind: DecisionKind::Escalated, reason };
        let tiers = (BTreeSet::from([tier]), BTreeSet::new());
        let transition = self.changed(Some(open), tiers, (open.since, &said), decision);
        state.growths = (count + 1, Some(self.around.at));
        mark_told(state);
        Some(Transition { owed, ..transition })
    }

    fn about_seeing(&self, state: &RuleState, open: Option<&Incident>) -> Option<Transition> {
        let Some(since) = state.unseen_since else {
            let subject = Subject::Unseen(self.rule.name.clone());
            let reason = "there are data again";
            let said = (NoticeKind::Recovered, String::new());
            return open.map(|it| self.over(it, subject, said, reason));
        };
        let lasts = after(since, self.rule.missing_after) <= self.around.at;
        // What never had data is shown where one looks; an error is always told.
        let is_news = state.error.is_some()
            || (state.seen_at.is_some() && self.rule.on_missing == OnMissing::Tell);
        if open.is_some() || !lasts || !is_news {
            return None;
        }
        let said = words::unseen(self.rule, state, since);
        let recipients = self.recipients(1);
        let notice = self.notice(NoticeKind::Blind, &said, since, 0);
        let told = list(&recipients);
        let decision = Decision {
            kind: DecisionKind::Opened,
            reason: format!("{said}: the first tier tells {told}"),
        };
        let owed = Owed::to_all(&recipients, &notice);
        let tiers = ([1].into(), recipients);
        let transition = self.changed(None, tiers, (since, &said), decision);
        Some(Transition { owed, ..transition })
    }

    /// The tiers that so many evaluations in a row reach.
    fn tiers_reached(&self, in_a_row: u32) -> BTreeSet<u32> {
        // Evaluations are counted in a row only.
        let reached =
            |when| matches!(when, Condition::FailuresInARow(wanted) if wanted <= in_a_row);
        let tiers = self.rule.policy.numbered().filter(|(_, tier)| reached(tier.when));
        tiers.map(|(number, _)| number).collect()
    }

    fn recipients(&self, tier: u32) -> BTreeSet<Recipient> {
        let tier = self.rule.policy.numbered().find(|(number, _)| *number == tier);
        let targets = tier.map(|(_, tier)| tier.notify.as_slice()).unwrap_or_default();
        targets.iter().flat_map(|it| self.around.roster.recipients(it)).collect()
    }

    fn owed(
        &self,
        recipients: &BTreeSet<Recipient>,
        tier: u32,
        said: &str,
        since: Timestamp,
        in_a_row: u32,
    ) -> Vec<Owed> {
        let notice = self.notice(NoticeKind::Failing { tier }, said, since, in_a_row);
        Owed::to_all(recipients, &notice)
    }

    fn notice(&self, kind: NoticeKind, said: &str, since: Timestamp, in_a_row: u32) -> Notice {
        let name = self.rule.name.clone();
        let subject = match kind {
            NoticeKind::Blind => Subject::Unseen(name),
            _ => Subject::Rule(name),
        };
        Notice {
            error: said.to_owned(),
            since,
            failures_in_a_row: in_a_row,
            runbook: self.rule.runbook.clone(),
            ..Notice::new(kind, subject, self.around.region.clone(), self.around.now)
        }
    }

    /// An incident that was opened, or has reached further tiers.
    fn changed(
        &self,
        open: Option<&Incident>,
        (tiers, told): (BTreeSet<u32>, BTreeSet<Recipient>),
        (since, said): (Timestamp, &str),
        decision: Decision,
    ) -> Transition {
        let cause = Cause::new(self.around.region.clone(), said);
        let opening = || Incident::opening(self.around.now, since, cause.clone());
        let mut incident = open.cloned().unwrap_or_else(opening);
        incident.cause = cause;
        incident.tiers.extend(tiers);
        incident.told.extend(told);
        Transition {
            streak: None,
            incident: Some(incident),
            decisions: vec![decision],
            owed: Vec::new(),
        }
    }

    /// The end of an incident of which `notice` says what it was about.
    fn over(
        &self,
        open: &Incident,
        subject: Subject,
        (kind, error): (NoticeKind, String),
        reason: &str,
    ) -> Transition {
        let notice = Notice { subject, error, ..self.notice(kind, "", open.since, 0) };
        resolved(open, &notice, reason.to_owned(), self.around.now)
    }
}

fn reason(
    in_a_row: u32,
    reached: &BTreeSet<u32>,
    recipients: &BTreeSet<Recipient>,
    said: &str,
) -> String {
    let tiers: Vec<String> = reached.iter().map(u32::to_string).collect();
    let plural = if tiers.len() == 1 { "" } else { "s" };
    format!(
        "breached in {in_a_row} evaluation{} in a row, {said}: tier{plural} {} tells {}",
        if in_a_row == 1 { "" } else { "s" },
        tiers.join(", "),
        list(recipients)
    )
}

fn list(recipients: &BTreeSet<Recipient>) -> String {
    let names: Vec<String> = recipients.iter().map(Recipient::to_string).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

/// Notes that people know of all present breaches.
fn mark_told(state: &mut RuleState) {
    for track in state.tracks.values_mut().filter(|track| track.is_breached()) {
        track.told = true;
    }
}

#[cfg(test)]
mod tests;
