//! Coverage: whether anybody knows how the checks are doing.
//!
//! [`review`] looks at all checks together, from time to time. It decides about incidents of
//! coverage and of regions only; what a result means for its check is
//! [`incident::step`](super::incident::step)'s.
//!
//! | incident | condition | then |
//! |---|---|---|
//! | none about the region | several checks of it end unknown, one of them for long, and no check has answered since | open one about the region |
//! | none about the check | it has ended unknown for long in a region, and the region is not blind as a whole | open one about the check's coverage |
//! | about a region | a check of it has answered, or none is left | resolve |
//! | about a check's coverage | it has answered wherever it had ended unknown for long | resolve |
//! | about a check's coverage | the check was removed | resolve as no longer watched |
//!
//! For long is [`BLIND_AFTER`](super::streak::BLIND_AFTER) runs in a row. Told are those whom the
//! first tier of the check's policy tells; of a region, those of all its blind checks. Each is told
//! once. Incidents about coverage and regions are decided about here alone: one whose condition is
//! not found is ended. A check that fell silent altogether opens nothing here: nothing was reported of it.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Check;
use super::id::{CheckId, Region};
use super::incident::{
    Cause, Change, CheckState, Decision, DecisionKind, Incident, Owed, Rules, Transition, resolved,
};
use super::notice::{Notice, NoticeKind, RegionState};
use super::policy::Recipient;
use super::run::Outcome;
use super::streak::{Streak, Unknowns};
use super::subject::Subject;
use super::{Timestamp, after};

/// A check with its rules and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// The check and its policy.
    pub rules: Rules<'a>,
    /// What is known of it.
    pub state: &'a CheckState,
}

/// A check in a region in which it has ended unknown for long.
#[derive(Clone, Copy)]
struct Blind<'a> {
    rules: Rules<'a>,
    state: &'a CheckState,
    region: &'a Region,
    unknowns: &'a Unknowns,
    /// Whether it was reported lately.
    current: bool,
}

/// Decides about coverage at `now`: `checks` are all of the project, `open` the open
/// incidents that are not about a failing check.
pub fn review(
    checks: &[Watched<'_>],
    open: &BTreeMap<Subject, Incident>,
    now: Timestamp,
) -> Vec<Change> {
    let blind: Vec<Blind<'_>> = checks.iter().flat_map(|watched| blind_in(watched, now)).collect();
    if blind.is_empty() && open.is_empty() {
        return Vec::new();
    }
    let regions: BTreeSet<&Region> = blind.iter().map(|it| it.region).collect();
    let is_open = |region: &Region| open.contains_key(&Subject::Region(region.clone()));
    let whole: BTreeSet<&Region> = regions
        .into_iter()
        .filter(|region| is_blind_as_a_whole(region, checks, &blind, is_open(region)))
        .collect();
    let mut wanted: BTreeMap<Subject, Vec<Blind<'_>>> = BTreeMap::new();
    for place in &blind {
        let check = Subject::Coverage(place.rules.check.id.clone());
        // Whoever was told of the check hears its end, even if the region is blind by now.
        let subject = if whole.contains(place.region) && !open.contains_key(&check) {
            Subject::Region(place.region.clone())
        } else {
            check
        };
        wanted.entry(subject).or_default().push(*place);
    }
    for region in whole {
        // An incident about it goes on, though each of its checks may have one of its own.
        wanted.entry(Subject::Region(region.clone())).or_default();
    }
    let over = open.iter().filter(|(subject, _)| !wanted.contains_key(subject));
    let ended = over.map(|(subject, incident)| end(subject, incident, checks, now));
    let new = wanted.iter().filter(|(subject, _)| !open.contains_key(subject));
    let begun = new.filter_map(|(subject, places)| begin(subject, places, now));
    ended.chain(begun).collect()
}

fn blind_in<'a>(
    watched: &Watched<'a>,
    now: Timestamp,
) -> impl Iterator<Item = Blind<'a>> + use<'a> {
    let Watched { rules, state } = *watched;
    state.streaks.iter().filter_map(move |(region, streak)| {
        let unknowns = streak.unknowns.as_ref().filter(|_| streak.is_blind())?;
        let last = streak.last_slot.unwrap_or(unknowns.since);
        let current = !rules.check.is_old(after(last, rules.check.timeout), now);
        let runs_there = rules.check.regions.contains(region);
        runs_there.then_some(Blind { rules, state, region, unknowns, current })
    })
}

/// Whether no check of `region` has answered since the first one ended unknown for long.
fn is_blind_as_a_whole(
    region: &Region,
    checks: &[Watched<'_>],
    blind: &[Blind<'_>],
    is_open: bool,
) -> bool {
    let here = blind.iter().filter(|it| it.region == region);
    let Some(since) = here.map(|it| it.unknowns.since).min() else { return false };
    let here: Vec<&Streak> = checks
        .iter()
        .filter(|watched| watched.rules.check.regions.contains(region))
        .filter_map(|watched| watched.state.streaks.get(region))
        .collect();
    let unknown = here.iter().filter(|streak| streak.unknowns.is_some()).count();
    let says_nothing = |streak: &&Streak| {
        streak.unknowns.is_some() || streak.last_slot.is_none_or(|it| it < since)
    };
    // One check alone says nothing of its region.
    unknown >= if is_open { 1 } else { 2 } && here.iter().all(says_nothing)
}

/// Opens an incident and tells the first tier; nothing where none of it was reported lately.
fn begin(subject: &Subject, places: &[Blind<'_>], now: Timestamp) -> Option<Change> {
    let first = places.iter().filter(|it| it.current).min_by_key(|it| it.unknowns.since)?;
    let since = first.unknowns.since;
    let error = match subject {
        Subject::Region(_) => format!(
            "no check gives an answer, {} end unknown; the last: {}",
            places.len(),
            first.unknowns.reason
        ),
        Subject::Check(_) | Subject::Coverage(_) => format!(
            "{} runs in a row ended unknown; the last: {}",
            first.unknowns.count, first.unknowns.reason
        ),
    };
    let recipients: BTreeSet<Recipient> = places.iter().flat_map(first_tier).collect();
    let name = match subject {
        Subject::Region(region) => region.as_str(),
        Subject::Check(_) | Subject::Coverage(_) => &first.rules.check.name,
    };
    let about_check = subject.check().is_some();
    let notice = Notice {
        kind: NoticeKind::Blind,
        subject: subject.clone(),
        check_name: name.to_owned(),
        region: first.region.clone(),
        down: Vec::new(),
        regions: if about_check { states(first.rules.check, first.state) } else { Vec::new() },
        step: None,
        error: error.clone(),
        since,
        failures_in_a_row: 0,
        at: now,
        runbook: first.rules.check.runbook.clone().filter(|_| about_check),
    };
    let names: Vec<String> = recipients.iter().map(Recipient::to_string).collect();
    let told = if names.is_empty() { "nobody".into() } else { names.join(", ") };
    let cause = Cause { region: first.region.clone(), step: None, error: error.clone() };
    let reason = format!("{error}: the first tier tells {told}");
    let owed =
        |recipient: &Recipient| Owed { recipient: recipient.clone(), notice: notice.clone() };
    let transition = Transition {
        streak: None,
        owed: recipients.iter().map(owed).collect(),
        decisions: vec![Decision { kind: DecisionKind::Opened, reason }],
        incident: Some(Incident {
            id: None,
            opened_at: now,
            since,
            resolved_at: None,
            tiers: [1].into(),
            told: recipients,
            cause,
        }),
    };
    Some(Change { subject: subject.clone(), transition })
}

fn first_tier(place: &Blind<'_>) -> Vec<Recipient> {
    let targets = place.rules.policy.tiers.first().map(|tier| tier.notify.as_slice());
    let targets = targets.unwrap_or_default().iter();
    targets.flat_map(|target| place.rules.roster.recipients(target)).collect()
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
fn end(subject: &Subject, open: &Incident, checks: &[Watched<'_>], now: Timestamp) -> Change {
    let watched = |id: &CheckId| checks.iter().find(|it| it.rules.check.id == *id);
    let (kind, name, reason) = match subject {
        Subject::Region(region) => {
            let reason = format!("a check gives an answer in {region} again, or none is left");
            (NoticeKind::Recovered, region.as_str(), reason)
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
    let notice = Notice {
        kind,
        subject: subject.clone(),
        check_name: name.to_owned(),
        region: open.cause.region.clone(),
        down: Vec::new(),
        regions: Vec::new(),
        step: None,
        // What there was to say was not about the target, and is over.
        error: String::new(),
        since: open.since,
        failures_in_a_row: 0,
        at: now,
        runbook: None,
    };
    Change { subject: subject.clone(), transition: resolved(open, &notice, reason, now) }
}

#[cfg(test)]
mod tests;
