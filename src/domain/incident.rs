//! An incident: a check being down, from opening to resolution.
//!
//! [`step`] decides what one result means. It is a function of the state, the event and the policy
//! alone; whoever calls it stores the [`Transition`] as one unit or not at all.
//!
//! | incident | event | condition | then |
//! |---|---|---|---|
//! | none | failed | a tier is reached | open, tell the tier |
//! | none | failed | no tier is reached | note why nobody is told |
//! | open | failed | a further tier is reached | escalate, tell that tier |
//! | open | failed | no further tier | nothing: those who need to know were told |
//! | open | passed | fewer regions down than the quorum | resolve, tell all who were told |
//! | open | passed | still as many down | stay open |
//! | any | unknown | | neutral; noted while an incident is open |
//! | any | older than what was counted | the clock was not set back | noted, not counted |
//! | any | from a region where the check no longer runs | | noted, not counted |
//! | open | check removed | | resolve, tell all who were told |

use std::collections::{BTreeMap, BTreeSet};

use super::Timestamp;
use super::check::Check;
use super::id::{IncidentId, Region};
use super::notice::{Notice, NoticeKind};
use super::policy::{Policy, Recipient, Roster};
use super::run::{Failure, Outcome, Report};
use super::streak::Streak;

/// What is known of one check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckState {
    /// The streak of each region that has run.
    pub streaks: BTreeMap<Region, Streak>,
    /// The open incident.
    pub incident: Option<Incident>,
}

/// One incident.
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
}

/// A failure as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Where.
    pub region: Region,
    /// The first failing step.
    pub step: Option<String>,
    /// The error in one line.
    pub error: String,
}

/// One result, as far as incidents care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where.
    pub region: Region,
    /// The slot that was run.
    pub slot: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The first failing step.
    pub step: Option<String>,
    /// The error in one line; empty when it passed.
    pub error: String,
}

impl From<&Report> for Verdict {
    fn from(report: &Report) -> Self {
        let failure = report.failure.as_ref();
        Self {
            region: report.slot.region.clone(),
            slot: report.slot.at,
            outcome: report.outcome(),
            step: failure.and_then(|failure| failure.step.clone()),
            error: failure.map(Failure::headline).unwrap_or_default(),
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
    /// The incident was resolved.
    Resolved,
    /// A failure did not lead to a message.
    NotTold,
    /// A result changed nothing.
    Ignored,
}

impl DecisionKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Opened, Self::Escalated, Self::Resolved, Self::NotTold, Self::Ignored];

    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
            Self::NotTold => "not_told",
            Self::Ignored => "ignored",
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
    let streak = before.counting(verdict.outcome, verdict.slot, rules.policy.recover_after);
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
        (Outcome::Failed, open) => {
            let streaks = counted(state, verdict, &streak, rules);
            World { streaks: &streaks, streak: &streak, verdict, rules, now }.failed(open.as_ref())
        }
        (Outcome::Passed, Some(open)) => {
            let streaks = counted(state, verdict, &streak, rules);
            World { streaks: &streaks, streak: &streak, verdict, rules, now }.passed(open, &before)
        }
    }
}

/// The streaks of the regions in which the check runs, with the present result counted.
fn counted(
    state: &CheckState,
    verdict: &Verdict,
    streak: &Streak,
    rules: Rules<'_>,
) -> BTreeMap<Region, Streak> {
    let mut streaks = state.streaks.clone();
    streaks.retain(|region, _| rules.check.regions.contains(region));
    streaks.insert(verdict.region.clone(), streak.clone());
    streaks
}

/// Closes the incident of a check that is no longer in the project.
pub fn withdraw(
    open: &Incident,
    check: &super::id::CheckId,
    check_name: &str,
    now: Timestamp,
) -> Transition {
    let notice = Notice {
        kind: NoticeKind::Withdrawn,
        check: check.clone(),
        check_name: check_name.to_owned(),
        region: open.cause.region.clone(),
        down: Vec::new(),
        step: open.cause.step.clone(),
        error: open.cause.error.clone(),
        since: open.since,
        failures_in_a_row: 0,
        at: now,
        runbook: None,
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

fn resolved(open: &Incident, notice: &Notice, reason: String, now: Timestamp) -> Transition {
    let tell =
        |recipient: &Recipient| Owed { recipient: recipient.clone(), notice: notice.clone() };
    Transition {
        streak: None,
        owed: open.told.iter().map(tell).collect(),
        decisions: vec![Decision { kind: DecisionKind::Resolved, reason }],
        incident: Some(Incident { resolved_at: Some(now), ..open.clone() }),
    }
}

/// The state after counting a verdict, and what is needed to judge it.
struct World<'a> {
    streaks: &'a BTreeMap<Region, Streak>,
    streak: &'a Streak,
    verdict: &'a Verdict,
    rules: Rules<'a>,
    now: Timestamp,
}

impl World<'_> {
    fn failed(&self, open: Option<&Incident>) -> Transition {
        let known = open.map(|incident| incident.tiers.clone()).unwrap_or_default();
        let reached: BTreeSet<u32> = self.tiers_reached().difference(&known).copied().collect();
        if reached.is_empty() {
            return self.not_told(open);
        }
        let cause = Cause {
            region: self.verdict.region.clone(),
            step: self.verdict.step.clone(),
            error: self.verdict.error.clone(),
        };
        let mut incident = open.cloned().unwrap_or_else(|| Incident {
            id: None,
            opened_at: self.now,
            since: self.since(),
            resolved_at: None,
            tiers: BTreeSet::new(),
            told: BTreeSet::new(),
            cause: cause.clone(),
        });
        incident.cause = cause;
        let owed = self.owed_for(&reached, incident.since);
        incident.told.extend(owed.iter().map(|owed| owed.recipient.clone()));
        let decision = Decision {
            kind: if open.is_some() { DecisionKind::Escalated } else { DecisionKind::Opened },
            reason: self.failing_reason(&reached, &owed),
        };
        incident.tiers.extend(reached);
        Transition {
            streak: Some(self.streak.clone()),
            incident: Some(incident),
            decisions: vec![decision],
            owed,
        }
    }

    fn passed(&self, open: &Incident, before: &Streak) -> Transition {
        let (down, quorum) = (self.down(), self.quorum());
        if down.len() >= quorum {
            // Said once; while another region is down for long, this would fill the record.
            if !self.streak.down && before.last_outcome == Some(Outcome::Passed) {
                return only(self.streak.clone());
            }
            let reason = if self.streak.down {
                let wanted = self.rules.policy.recover_after;
                format!(
                    "passed in {}; {} of {wanted} passes in a row needed to recover",
                    self.verdict.region, self.streak.passes
                )
            } else {
                format!("passed in {}, still down in {}", self.verdict.region, list(&down))
            };
            return noted(Some(self.streak.clone()), DecisionKind::Ignored, reason);
        }
        let reason = if down.is_empty() {
            format!("passed in {}; no region is down any more", self.verdict.region)
        } else {
            format!(
                "passed in {}; {} of {} regions down, quorum {quorum}",
                self.verdict.region,
                down.len(),
                self.rules.check.regions.len()
            )
        };
        let notice = Notice {
            step: open.cause.step.clone(),
            error: open.cause.error.clone(),
            ..self.notice(NoticeKind::Recovered, open.since)
        };
        let transition = resolved(open, &notice, reason, self.now);
        Transition { streak: Some(self.streak.clone()), ..transition }
    }

    /// The tiers whose condition enough regions meet, counted from 1.
    fn tiers_reached(&self) -> BTreeSet<u32> {
        let met = |failures: u32| {
            let regions = self.streaks.values().filter(|streak| streak.failures >= failures);
            regions.count() >= self.quorum()
        };
        (1u32..)
            .zip(&self.rules.policy.tiers)
            .filter(|(_, tier)| met(tier.failures_in_a_row))
            .map(|(number, _)| number)
            .collect()
    }

    fn owed_for(&self, reached: &BTreeSet<u32>, since: Timestamp) -> Vec<Owed> {
        let mut seen = BTreeSet::new();
        let mut owed = Vec::new();
        for (number, tier) in (1u32..).zip(&self.rules.policy.tiers) {
            if !reached.contains(&number) {
                continue;
            }
            let notice = self.notice(NoticeKind::Failing { tier: number }, since);
            let recipients =
                tier.notify.iter().flat_map(|target| self.rules.roster.recipients(target));
            for recipient in recipients {
                if seen.insert(recipient.clone()) {
                    owed.push(Owed { recipient, notice: notice.clone() });
                }
            }
        }
        owed
    }

    fn notice(&self, kind: NoticeKind, since: Timestamp) -> Notice {
        Notice {
            kind,
            check: self.rules.check.id.clone(),
            check_name: self.rules.check.name.clone(),
            region: self.verdict.region.clone(),
            down: self.down(),
            step: self.verdict.step.clone(),
            error: self.verdict.error.clone(),
            since,
            failures_in_a_row: self.streak.failures,
            at: self.now,
            runbook: self.rules.check.runbook.clone(),
        }
    }

    fn not_told(&self, open: Option<&Incident>) -> Transition {
        let streak = Some(self.streak.clone());
        let failures = self.streak.failures;
        let region = &self.verdict.region;
        let reason = match open {
            // Said once; a long outage would fill the record with it.
            Some(incident) if self.is_past(incident) => {
                return only(self.streak.clone());
            }
            Some(_) => {
                format!("failed {failures} in a row in {region}; no further tier is reached")
            }
            None => {
                let (down, regions) = (self.down().len(), self.rules.check.regions.len());
                let first = self.rules.policy.tiers.first();
                let wanted = first.map_or(0, |tier| tier.failures_in_a_row);
                format!(
                    "failed {failures} in a row in {region}, down in {down} of {regions} regions; \
                     policy {} tells after {wanted} in a row in {}: nobody is told",
                    self.rules.policy.name,
                    plural(self.quorum(), "region"),
                )
            }
        };
        noted(streak, DecisionKind::NotTold, reason)
    }

    /// Whether the region has failed so often that an earlier failure already had nothing to add.
    fn is_past(&self, open: &Incident) -> bool {
        let tiers = (1u32..).zip(&self.rules.policy.tiers);
        let known = tiers.filter(|(number, _)| open.tiers.contains(number));
        let last = known.map(|(_, tier)| tier.failures_in_a_row).max().unwrap_or(0);
        self.streak.failures > last + 1
    }

    fn failing_reason(&self, reached: &BTreeSet<u32>, owed: &[Owed]) -> String {
        let tiers = reached.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ");
        let recipients: Vec<String> = owed.iter().map(|owed| owed.recipient.to_string()).collect();
        let told = if recipients.is_empty() { "nobody".into() } else { recipients.join(", ") };
        format!(
            "{} in {}: tier {tiers} of policy {} tells {told}",
            self.failures_in_words(),
            self.verdict.region,
            self.rules.policy.name,
        )
    }

    fn failures_in_words(&self) -> String {
        match self.streak.failures {
            1 => "first failure".to_owned(),
            failures => format!("{failures} failures in a row"),
        }
    }

    fn down(&self) -> Vec<Region> {
        let down = self.streaks.iter().filter(|(_, streak)| streak.down);
        down.map(|(region, _)| region.clone()).collect()
    }

    fn quorum(&self) -> usize {
        self.rules.policy.quorum.of(self.rules.check.regions.len())
    }

    fn since(&self) -> Timestamp {
        let earliest = self.streaks.values().filter_map(|streak| streak.failing_since).min();
        earliest.unwrap_or(self.verdict.slot)
    }
}

fn list(regions: &[Region]) -> String {
    regions.iter().map(Region::as_str).collect::<Vec<_>>().join(", ")
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests;
