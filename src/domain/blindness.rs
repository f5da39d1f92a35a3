//! Coverage: whether anybody knows how the checks are doing.
//!
//! [`review`] looks at all checks together, from time to time. It decides about incidents of
//! coverage and of regions only; what a result means for its check is
//! [`incident::step`](super::incident::step)'s.
//!
//! | incident | condition | then |
//! |---|---|---|
//! | none about the region | several checks of it end unknown, one of them for long, and no check has answered since | open one about the region |
//! | none about the region | it has checks, and has lost its agents ([`attendance`](super::attendance)) | open one about the region |
//! | none about the region | a check of it ends unknown for long because no control target answers either, and nothing has been reached since | open one about the region |
//! | none about the check | it has ended unknown for long in a region, and the region is not blind as a whole | open one about the check's coverage |
//! | about a region | it has agents, and a check of it has answered, or none is left | resolve |
//! | about a check's coverage | it has answered wherever it had ended unknown for long | resolve |
//! | about a check's coverage | the check was removed | resolve as no longer watched |
//!
//! For long is [`BLIND_AFTER`](super::streak::BLIND_AFTER) runs in a row. Told are those whom the
//! first tier of the check's policy tells; of a region, those of all its blind checks, and without
//! agents those of all its checks. Each is told once. Incidents about coverage and regions are decided
//! about here alone: one whose condition is not found is ended, about a region not before an answer
//! from there. What is missing without having been reported, and what ends unknown now and then, is
//! [`shortfall`]'s.

use std::collections::{BTreeMap, BTreeSet};

use self::changes::{Opening, end, opened};
use super::attendance::{Farewell, Lost};
use super::id::Region;
use super::incident::{Change, CheckState, Incident, Rules};
use super::policy::Recipient;
use super::streak::{Streak, Unknowns};
use super::subject::Subject;
use super::{Timestamp, after};

mod changes;
pub mod shortfall;

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

impl Blind<'_> {
    /// Why its region is cut off, where that is why nobody knows.
    fn why_cut_off(&self) -> Option<&str> {
        self.unknowns.why_cut_off()
    }
}

/// Decides about coverage at `now`: `checks` are all of the project, `lost` the regions that no agent
/// serves, `open` the open incidents that are not about a failing check.
pub fn review(
    checks: &[Watched<'_>],
    lost: &BTreeMap<Region, Lost>,
    open: &BTreeMap<Subject, Incident>,
    now: Timestamp,
) -> Vec<Change> {
    let blind: Vec<Blind<'_>> = checks.iter().flat_map(|watched| blind_in(watched, now)).collect();
    if blind.is_empty() && open.is_empty() && lost.is_empty() {
        return Vec::new();
    }
    let regions: BTreeSet<&Region> = blind.iter().map(|it| it.region).collect();
    let is_open = |region: &Region| open.contains_key(&Subject::Region(region.clone()));
    let missed = lost.keys().filter(|region| in_region(checks, region).next().is_some());
    let whole: BTreeSet<&Region> = regions
        .into_iter()
        .filter(|region| is_blind_as_a_whole(region, checks, &blind, is_open(region)))
        .chain(missed)
        .collect();
    let mut wanted: BTreeMap<Subject, Vec<Blind<'_>>> = BTreeMap::new();
    for place in &blind {
        let check = Subject::Coverage(place.rules.check.id.clone());
        // Whoever was told of the check hears its end, even if the region is blind by now.
        let subject = if open.contains_key(&check) {
            check
        } else if whole.contains(place.region) {
            Subject::Region(place.region.clone())
        } else if place.why_cut_off().is_none() {
            check
        } else if is_reached_since(place, checks) {
            // It was the region's trouble, which is over; the check has not had its turn since.
            continue;
        } else {
            Subject::Region(place.region.clone())
        };
        wanted.entry(subject).or_default().push(*place);
    }
    for region in whole {
        // An incident about it goes on, though each of its checks may have one of its own.
        wanted.entry(Subject::Region(region.clone())).or_default();
    }
    let over = open.iter().filter(|(subject, incident)| {
        matches!(subject, Subject::Coverage(_) | Subject::Region(_))
            && !wanted.contains_key(subject)
            && is_over(subject, incident, checks, now)
    });
    let ended = over.map(|(subject, incident)| end(subject, incident, checks, now));
    let new = wanted.iter().filter(|(subject, _)| !open.contains_key(subject));
    let begun = new.filter_map(|(subject, places)| match subject {
        Subject::Region(region) if lost.contains_key(region) => {
            Some(begin_lost(region, &lost[region], checks, now))
        }
        _ => begin(subject, places, now),
    });
    ended.chain(begun).collect()
}

/// The checks that run in `region`.
fn in_region<'a>(
    checks: &'a [Watched<'a>],
    region: &Region,
) -> impl Iterator<Item = &'a Watched<'a>> {
    checks.iter().filter(move |watched| watched.rules.check.regions.contains(region))
}

/// Whether an incident whose condition is not found any more has ended. Of a region, silence says
/// nothing: it takes an answer to a slot that came after it began.
fn is_over(subject: &Subject, incident: &Incident, checks: &[Watched<'_>], now: Timestamp) -> bool {
    let Subject::Region(region) = subject else { return true };
    let is_later = |slot: Timestamp| {
        // The clock was set back; by it, there are no slots after that yet.
        slot > incident.since || (incident.since > now && slot <= now)
    };
    let mut here = in_region(checks, region).peekable();
    let answered = |watched: &Watched<'_>| {
        let streak = watched.state.streaks.get(region);
        streak.and_then(|streak| streak.last_counted).is_some_and(is_later)
    };
    here.peek().is_none() || here.any(answered)
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
    let here: Vec<&Streak> =
        in_region(checks, region).filter_map(|watched| watched.state.streaks.get(region)).collect();
    let unknown = here.iter().filter(|streak| streak.unknowns.is_some()).count();
    let says_nothing = |streak: &&Streak| {
        streak.unknowns.is_some() || streak.last_slot.is_none_or(|it| it < since)
    };
    // One check alone says nothing of its region.
    unknown >= if is_open { 1 } else { 2 } && here.iter().all(says_nothing)
}

/// Whether anything was reached from the region of `cut_off` since that ended unknown for the last
/// time. What answered all along, such as a neighbour of the agent, says nothing of that.
fn is_reached_since(cut_off: &Blind<'_>, checks: &[Watched<'_>]) -> bool {
    let mut here = in_region(checks, cut_off.region)
        .filter_map(|watched| watched.state.streaks.get(cut_off.region));
    let last = cut_off.state.streaks.get(cut_off.region).and_then(|streak| streak.last_slot);
    here.any(|streak| {
        streak.unknowns.is_none() && streak.answering_since.is_some_and(|it| Some(it) >= last)
    })
}

/// Opens an incident and tells the first tier; nothing where none of it was reported lately.
fn begin(subject: &Subject, places: &[Blind<'_>], now: Timestamp) -> Option<Change> {
    let first = places.iter().filter(|it| it.current).min_by_key(|it| it.unknowns.since)?;
    let since = first.unknowns.since;
    let why_cut_off = places.iter().filter(|it| it.current).find_map(Blind::why_cut_off);
    let error = match (subject, why_cut_off) {
        (Subject::Region(_), Some(why)) => format!(
            "the region is cut off: no control target answers ({why}); {} checks end unknown",
            places.len(),
        ),
        (Subject::Region(_), None) => format!(
            "no check gives an answer, {} end unknown; the last: {}",
            places.len(),
            first.unknowns.reason
        ),
        _ => format!(
            "{} runs in a row ended unknown; the last: {}",
            first.unknowns.count, first.unknowns.reason
        ),
    };
    let recipients = places.iter().flat_map(|it| first_tier(it.rules)).collect();
    let check = first.rules.check;
    let about = |region| Opening { region, since, error, recipients, now };
    Some(match subject {
        Subject::Region(region) => opened(subject, about(region), region.as_str(), None),
        _ => opened(subject, about(first.region), &check.name, Some((check, first.state))),
    })
}

/// Opens an incident about a region that no agent serves.
fn begin_lost(region: &Region, lost: &Lost, checks: &[Watched<'_>], now: Timestamp) -> Change {
    let streaks = in_region(checks, region).filter_map(|it| it.state.streaks.get(region));
    // What came after the last word of the agent was heard of it as well.
    let slots = streaks.filter_map(|streak| streak.last_slot).filter(|slot| *slot <= now);
    let how = match lost.farewell {
        Farewell::Stopped => "was stopped",
        Farewell::Stalled => "says that it lives and does not keep its schedule",
        Farewell::None => "is not heard of any more",
    };
    let opening = Opening {
        region,
        since: slots.fold(lost.since, Timestamp::max),
        error: format!("no agent runs its checks; the last, {}, {how}", lost.agent),
        recipients: in_region(checks, region).flat_map(|it| first_tier(it.rules)).collect(),
        now,
    };
    opened(&Subject::Region(region.clone()), opening, region.as_str(), None)
}

fn first_tier(rules: Rules<'_>) -> Vec<Recipient> {
    let targets = rules.policy.tiers.first().map(|tier| tier.notify.as_slice());
    targets.unwrap_or_default().iter().flat_map(|it| rules.roster.recipients(it)).collect()
}

#[cfg(test)]
mod tests;
