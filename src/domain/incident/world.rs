//! What one result means among all regions of a check.
//!
//! Nothing here changes a state; [`step`](super::step) calls it with the result already counted.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{
    Cause, CheckState, Decision, DecisionKind, Incident, Owed, Rules, Transition, Verdict, noted,
    only, resolved,
};
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::domain::notice::{Notice, NoticeKind, RegionState};
use crate::domain::policy::Condition;
use crate::domain::run::Outcome;
use crate::domain::streak::Streak;
use crate::domain::subject::Subject;
use crate::domain::{Timestamp, after};

/// Brings what a notice says of the regions of a check up to date.
pub(super) fn refresh(notice: &mut Notice, state: &CheckState, rules: Rules<'_>, now: Timestamp) {
    // As an answer from the notice's region would find them now.
    let verdict = Verdict {
        region: notice.region.clone(),
        slot: now,
        ended: now,
        outcome: Outcome::Unknown,
        step: None,
        request: None,
        error: String::new(),
        overlaps: false,
        overtaken: false,
    };
    let mut streaks = state.streaks.clone();
    streaks.retain(|region, _| rules.check.regions.contains(region));
    let world = World { streaks, verdict: &verdict, rules, now };
    notice.check_name.clone_from(&rules.check.name);
    notice.runbook.clone_from(&rules.check.runbook);
    notice.down = world.down();
    notice.regions = world.regions();
    if let Some(streak) = state.streaks.get(&notice.region) {
        notice.failures_in_a_row = streak.failures;
    }
}

/// The state after counting a verdict, and what is needed to judge it.
pub(super) struct World<'a> {
    /// The regions in which the check runs, as far as they are known.
    pub(super) streaks: BTreeMap<Region, Streak>,
    pub(super) verdict: &'a Verdict,
    pub(super) rules: Rules<'a>,
    pub(super) now: Timestamp,
}

impl World<'_> {
    /// What a failure means; `streak` is its region's with the failure counted.
    pub(super) fn failed(&self, streak: &Streak, open: Option<&Incident>) -> Transition {
        let known = open.map(|incident| incident.tiers.clone()).unwrap_or_default();
        let reached: BTreeSet<u32> = self.tiers_reached().difference(&known).copied().collect();
        if reached.is_empty() || self.lateness().is_some() {
            return self.not_told(streak, open);
        }
        let cause = Cause {
            region: self.verdict.region.clone(),
            step: self.verdict.step.clone(),
            request: self.verdict.request.clone(),
            error: self.verdict.error.clone(),
        };
        let opening = || Incident::opening(self.now, self.since(), cause.clone());
        let mut incident = open.cloned().unwrap_or_else(opening);
        incident.cause = cause;
        let owed = self.owed_for(&reached, streak, incident.since);
        incident.told.extend(owed.iter().map(|owed| owed.recipient.clone()));
        let decision = Decision {
            kind: if open.is_some() { DecisionKind::Escalated } else { DecisionKind::Opened },
            reason: self.failing_reason(&reached, streak, &owed),
        };
        incident.tiers.extend(reached);
        Transition {
            streak: Some(streak.clone()),
            incident: Some(incident),
            decisions: vec![decision],
            owed,
        }
    }

    /// What a success means while an incident is open; `streak` is its region's with the success
    /// counted, `before` without.
    pub(super) fn passed(&self, streak: &Streak, open: &Incident, before: &Streak) -> Transition {
        let (down, quorum) = (self.down(), self.quorum());
        if down.len() >= quorum {
            // Said once; while another region is down for long, this would fill the record.
            if !streak.down && before.last_outcome == Some(Outcome::Passed) {
                return only(streak.clone());
            }
            let reason = if streak.down {
                let wanted = self.rules.policy.recover_after;
                format!(
                    "passed in {}; {} of {wanted} passes in a row needed to recover",
                    self.verdict.region, streak.passes
                )
            } else {
                format!("passed in {}, still down in {}", self.verdict.region, list(&down))
            };
            return noted(Some(streak.clone()), DecisionKind::Ignored, reason);
        }
        let notice = Notice {
            step: open.cause.step.clone(),
            request: open.cause.request.clone(),
            error: open.cause.error.clone(),
            ..self.notice(NoticeKind::Recovered, streak, open.since)
        };
        let transition = resolved(open, &notice, self.recovered_reason(&down), self.now);
        Transition { streak: Some(streak.clone()), ..transition }
    }

    fn recovered_reason(&self, down: &[Region]) -> String {
        let late = self.lateness().map(|late| format!(" ({late})")).unwrap_or_default();
        let rest = if down.is_empty() {
            "no region is down any more".to_owned()
        } else {
            let (regions, quorum) = (self.rules.check.regions.len(), self.quorum());
            format!("{} of {regions} regions down, quorum {quorum}", down.len())
        };
        let silent: Vec<Region> = self
            .streaks
            .iter()
            .filter(|(region, streak)| streak.down && self.is_silent(region, streak))
            .map(|(region, _)| region.clone())
            .collect();
        let silent = match silent.len() {
            0 => String::new(),
            _ => format!("; no answer for long from {}, not waited for", list(&silent)),
        };
        format!("passed in {}{late}; {rest}{silent}", self.verdict.region)
    }

    /// How late the result is, when it is too old to tell anybody of: it was kept by an agent that
    /// could not reach the hub, or by a hub that could not store it.
    fn lateness(&self) -> Option<String> {
        let (check, slot) = (self.rules.check, self.verdict.slot);
        // What an agent says of its time is not believed beyond what a run may take.
        let ended = self.verdict.ended.clamp(slot, after(slot, check.timeout));
        let is_late = check.is_old(ended, self.now);
        is_late.then(|| format!("late by {}", in_words(self.now - ended)))
    }

    /// The tiers whose condition enough regions meet, counted from 1.
    fn tiers_reached(&self) -> BTreeSet<u32> {
        // A row that has ended is over; how often it fails is as bad as before.
        let is_over = |when| self.verdict.overtaken && matches!(when, Condition::FailuresInARow(_));
        let tiers = self.rules.policy.numbered().filter(|(_, tier)| tier.when.is_of_results());
        tiers
            .filter(|(_, tier)| !is_over(tier.when))
            .filter(|(_, tier)| self.regions_at(tier.when) >= self.quorum())
            .map(|(number, _)| number)
            .collect()
    }

    /// How many regions meet a condition, as far as they speak of the present.
    fn regions_at(&self, condition: Condition) -> usize {
        let met = |(region, streak): &(&Region, &Streak)| {
            streak.failures > 0 && condition.is_met_in(streak) && self.is_current(region, streak)
        };
        self.streaks.iter().filter(met).count()
    }

    fn is_current(&self, region: &Region, streak: &Streak) -> bool {
        *region == self.verdict.region || self.rules.check.is_current(streak, self.now)
    }

    fn is_silent(&self, region: &Region, streak: &Streak) -> bool {
        is_silent(&self.streaks, self.rules.check, (region, streak), self.now)
    }

    fn owed_for(&self, reached: &BTreeSet<u32>, streak: &Streak, since: Timestamp) -> Vec<Owed> {
        let mut seen = BTreeSet::new();
        let mut owed = Vec::new();
        for (number, tier) in self.rules.policy.numbered() {
            if !reached.contains(&number) {
                continue;
            }
            let notice = self.notice(NoticeKind::Failing { tier: number }, streak, since);
            let recipients =
                tier.notify.iter().flat_map(|target| self.rules.roster.recipients(target));
            for recipient in recipients {
                if seen.insert(recipient.clone()) {
                    owed.push(Owed::to(&recipient, &notice));
                }
            }
        }
        owed
    }

    fn notice(&self, kind: NoticeKind, streak: &Streak, since: Timestamp) -> Notice {
        let subject = Subject::Check(self.rules.check.id.clone());
        Notice {
            check_name: self.rules.check.name.clone(),
            down: self.down(),
            regions: self.regions(),
            step: self.verdict.step.clone(),
            request: self.verdict.request.clone(),
            error: self.verdict.error.clone(),
            since,
            failures_in_a_row: streak.failures,
            runbook: self.rules.check.runbook.clone(),
            ..Notice::new(kind, subject, self.verdict.region.clone(), self.now)
        }
    }

    /// How the check is doing in each of its regions: failing ones first, the result's own before
    /// the others.
    fn regions(&self) -> Vec<RegionState> {
        let state = |region: &Region| {
            let current = |streak: &&Streak| self.is_current(region, streak);
            let streak = self.streaks.get(region).filter(current);
            let (outcome, failures_in_a_row) = match streak {
                Some(streak) if streak.failures > 0 => (Outcome::Failed, streak.failures),
                Some(streak) => (streak.last_outcome.unwrap_or(Outcome::Unknown), 0),
                None => (Outcome::Unknown, 0),
            };
            RegionState { region: region.clone(), outcome, failures_in_a_row }
        };
        let mut regions: Vec<RegionState> = self.rules.check.regions.iter().map(state).collect();
        let own = &self.verdict.region;
        regions.sort_by_key(|state| (state.outcome != Outcome::Failed, state.region != *own));
        regions
    }

    fn not_told(&self, streak: &Streak, open: Option<&Incident>) -> Transition {
        let (failures, region) = (streak.failures, &self.verdict.region);
        let reason = match (open, self.lateness()) {
            // Said once; a long outage would fill the record with it.
            (Some(incident), _) if self.is_past(streak, incident) => {
                return only(streak.clone());
            }
            (_, Some(late)) => format!(
                "failed {failures} in a row in {region}, {late}: counted, nobody is told before a \
                 fresh result fails, too"
            ),
            _ if self.verdict.overtaken => format!(
                "failed {failures} in a row in {region}, and has passed there since: counted, nobody \
                 is told of it"
            ),
            (Some(_), None) => {
                format!("failed {failures} in a row in {region}; no further tier is reached")
            }
            (None, None) => self.no_tier(streak),
        };
        noted(Some(streak.clone()), DecisionKind::NotTold, reason)
    }

    /// Why a failure opens no incident.
    fn no_tier(&self, streak: &Streak) -> String {
        let (policy, region) = (self.rules.policy, &self.verdict.region);
        let Some(first) = policy.tiers.first().map(|tier| tier.when) else {
            return format!(
                "failed in {region}; policy {} has no tier: nobody is told",
                policy.name
            );
        };
        if !first.is_met_in(streak) {
            return format!(
                "failed {} in a row in {region}; policy {} tells after {first}: nobody is told",
                streak.failures, policy.name
            );
        }
        let failed = match first {
            Condition::FailuresInARow(1) => "failed".to_owned(),
            Condition::FailuresInARow(failures) => format!("failed {failures} in a row"),
            other => other.to_string(),
        };
        format!(
            "{failed} in {} of {} regions, quorum {}: nobody is told",
            self.regions_at(first),
            self.rules.check.regions.len(),
            self.quorum(),
        )
    }

    /// Whether the region has failed so often that an earlier failure already had nothing to add.
    fn is_past(&self, streak: &Streak, open: &Incident) -> bool {
        let in_a_row = |when| match when {
            Condition::FailuresInARow(failures) => Some(failures),
            _ => None,
        };
        let known = self.rules.policy.numbered().filter(|(number, _)| open.tiers.contains(number));
        let last = known.filter_map(|(_, tier)| in_a_row(tier.when)).max().unwrap_or(0);
        streak.failures > last + 1
    }

    fn failing_reason(&self, reached: &BTreeSet<u32>, streak: &Streak, owed: &[Owed]) -> String {
        let tiers = reached.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ");
        let recipients: Vec<String> = owed.iter().map(|owed| owed.recipient.to_string()).collect();
        let told = if recipients.is_empty() { "nobody".into() } else { recipients.join(", ") };
        let failures = match streak.failures {
            1 => "first failure".to_owned(),
            failures => format!("{failures} failures in a row"),
        };
        let last = reached.last().and_then(|number| usize::try_from(*number).ok());
        let tier = last.and_then(|number| self.rules.policy.tiers.get(number - 1));
        let regions = tier.map_or(0, |tier| self.regions_at(tier.when));
        let quorum = match self.quorum() {
            1 => String::new(),
            quorum => format!(" ({regions} regions, quorum {quorum})"),
        };
        format!(
            "{failures} in {}{quorum}: tier {tiers} of policy {} tells {told}",
            self.verdict.region, self.rules.policy.name,
        )
    }

    fn down(&self) -> Vec<Region> {
        down(&self.streaks, self.rules.check, self.now)
    }

    fn quorum(&self) -> usize {
        self.rules.policy.quorum.of(self.rules.check.regions.len())
    }

    fn since(&self) -> Timestamp {
        let current = self.streaks.iter().filter(|(region, it)| self.is_current(region, it));
        let earliest = current.filter_map(|(_, streak)| streak.failing_since).min();
        earliest.unwrap_or(self.verdict.slot)
    }
}

/// The regions that are down, in order. This follows from what is known alone: until there is another
/// answer, it stays the same.
pub(super) fn down(
    streaks: &BTreeMap<Region, Streak>,
    check: &Check,
    now: Timestamp,
) -> Vec<Region> {
    let runs = |region: &Region| check.regions.contains(region);
    let is_down = |(region, streak): &(&Region, &Streak)| {
        streak.down && runs(region) && !is_silent(streaks, check, (region, streak), now)
    };
    streaks.iter().filter(is_down).map(|(region, _)| region.clone()).collect()
}

/// Whether a region is not waited for any more, since another one answered all the while.
fn is_silent(
    streaks: &BTreeMap<Region, Streak>,
    check: &Check,
    (region, streak): (&Region, &Streak),
    now: Timestamp,
) -> bool {
    let runs = |(region, _): &(&Region, &Streak)| check.regions.contains(region);
    let answered = streaks.iter().filter(runs).filter_map(|(region, streak)| {
        Some((streak.answered_by(now)?, region, streak.answering_since))
    });
    let Some((at, latest, since)) = answered.max() else { return false };
    region != latest && check.is_silent(streak, since.unwrap_or(at), at)
}

fn list(regions: &[Region]) -> String {
    regions.iter().map(Region::as_str).collect::<Vec<_>>().join(", ")
}

/// A time span in its greatest unit.
fn in_words(span: TimeDelta) -> String {
    match (span.num_days(), span.num_hours(), span.num_minutes()) {
        (0, 0, 0) => format!("{} s", span.num_seconds()),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, ..) => format!("{days} d"),
    }
}
