//! The accountant: sees to it that every expected slot ends as a run or inside a gap.
//!
//! It comes round from time to time, looks at the slots that came due since it was last here, and
//! records those without a run as gaps, with the reason that the evidence gives. After a time in
//! which no hub ran it catches up, period by period.
//!
//! Must not: decide about incidents, or account for a slot whose run may still be going.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::coverage::{
    Duty, Gap, GapReason, HOUR, Presence, Tally, Watch, hour_of, last_hour, next_hour,
};
use crate::domain::id::CheckId;
use crate::domain::slot::Slot;
use crate::store::accounts::{Accounts, Place, Process};
use crate::store::{Error, Standing};

/// How much is accounted for at a time, so that a long absence is not read into memory at once.
const PERIOD: Duration = Duration::from_mins(10);

/// Notes that the processes `present` are alive: the hub that asks, and the agent in it.
///
/// # Errors
///
/// The store's.
pub async fn vouch(
    accounts: &dyn Accounts,
    present: &[Process],
    now: Timestamp,
) -> Result<(), Error> {
    for process in present {
        accounts.seen(process, now).await?;
    }
    Ok(())
}

/// What was accounted for at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounted {
    /// The gaps that were recorded, those that grew among them.
    pub gaps: Vec<Gap>,
    /// Whether there is more to be accounted for.
    pub rest: Rest,
}

/// Whether slots are left that could be accounted for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// None.
    Nothing,
    /// Some.
    More,
}

/// Accounts for all slots that came due up to `patience` before `now`: by then the run of a slot has
/// ended and its report is stored. Returns the gaps that were recorded, those that grew among them.
///
/// # Errors
///
/// The store's; what was accounted for before the error stays so.
pub async fn round(
    accounts: &dyn Accounts,
    now: Timestamp,
    patience: Duration,
) -> Result<Vec<Gap>, Error> {
    let mut gaps = BTreeMap::new();
    loop {
        let Accounted { gaps: some, rest } = period(accounts, now, patience).await?;
        for gap in some {
            gaps.insert((gap.check.clone(), gap.region.clone(), gap.first), gap);
        }
        if rest == Rest::Nothing {
            return Ok(gaps.into_values().collect());
        }
    }
}

/// Does the next part of a [`round`], so that whoever does it can see in between that it is still to.
/// Where another hub goes on from the same moment at the same time, one of the two accounts for it.
///
/// # Errors
///
/// The store's; nothing was accounted for then.
pub async fn period(
    accounts: &dyn Accounts,
    now: Timestamp,
    patience: Duration,
) -> Result<Accounted, Error> {
    let nothing = Accounted { gaps: Vec::new(), rest: Rest::Nothing };
    let known = accounts.known().await?;
    let Some(after) = begin(accounts, known.until, now).await? else { return Ok(nothing) };
    let end = now - patience;
    if after >= end {
        return Ok(nothing);
    }
    let until = (after + PERIOD).min(end);
    let gaps = gaps_of(accounts, (after, until), now, patience).await?;
    match accounts.account(&gaps, known, until).await? {
        Standing::Held => {
            let rest = if until < end { Rest::More } else { Rest::Nothing };
            Ok(Accounted { gaps, rest })
        }
        Standing::Lost => Ok(nothing),
    }
}

/// Up to where slots are accounted for: at first, where the first watch begins.
async fn begin(
    accounts: &dyn Accounts,
    known: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    if known.is_some() {
        return Ok(known);
    }
    let watches = accounts.watches(None, (Timestamp::UNIX_EPOCH, now)).await?;
    Ok(watches.iter().map(|watch| watch.from).min())
}

/// The slots of a period that were not run.
async fn gaps_of(
    accounts: &dyn Accounts,
    period: (Timestamp, Timestamp),
    now: Timestamp,
    patience: Duration,
) -> Result<Vec<Gap>, Error> {
    let watches = accounts.watches(None, period).await?;
    let ran = accounts.ran(period).await?;
    // Who was there when a run should have ended matters, too.
    let presence = accounts.presence((period.0, now)).await?;
    let nobody = Presence::default();
    let mut found: Vec<(&Watch, Gap)> = Vec::new();
    for watch in &watches {
        let ran = ran.get(&(watch.check.clone(), watch.region.clone()));
        let region = Some(watch.region.clone());
        let there = presence.get(&region).or_else(|| presence.get(&None)).unwrap_or(&nobody);
        let has_run = |slot: Timestamp| ran.is_some_and(|ran| ran.contains(&slot));
        let gaps = watch.gaps(period, has_run, there, patience);
        found.extend(gaps.into_iter().map(|gap| (watch, gap)));
    }
    joined(accounts, found).await
}

/// Gaps that go on where the one before ended are one gap.
async fn joined(accounts: &dyn Accounts, found: Vec<(&Watch, Gap)>) -> Result<Vec<Gap>, Error> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let places: BTreeSet<Place> =
        found.iter().map(|(_, gap)| (gap.check.clone(), gap.region.clone())).collect();
    let places: Vec<Place> = places.into_iter().collect();
    let mut latest: HashMap<Place, Gap> = accounts.latest_gaps(&places).await?;
    let mut gaps = Vec::with_capacity(found.len());
    for (watch, mut gap) in found {
        let place = (gap.check.clone(), gap.region.clone());
        if let Some(before) = latest.get(&place)
            && before.reason == gap.reason
            && watch.slots(before.last, gap.first).next() == Some(gap.first)
        {
            (gap.first, gap.slots) = (before.first, before.slots + gap.slots);
        }
        latest.insert(place, gap.clone());
        gaps.push(gap);
    }
    Ok(gaps)
}

/// How the slots of a period came out, by check and region: what was expected, and what came of it.
/// Slots after its end are not due yet. Whole hours are told as they were counted. What the period has
/// of an hour at its ends is counted now, so where runs of that may be forgotten, or are many,
/// [`by_the_hour`] should have been asked about the period.
///
/// # Errors
///
/// The store's.
pub async fn tallies(
    accounts: &dyn Accounts,
    checks: Option<&[CheckId]>,
    period: (Timestamp, Timestamp),
) -> Result<BTreeMap<Place, Tally>, Error> {
    summed(accounts, checks, period, Detail::All).await
}

/// The same of all checks, and of what is not counted by the hour without how late runs were and how
/// long they took.
///
/// # Errors
///
/// The store's.
pub async fn outcomes(
    accounts: &dyn Accounts,
    period: (Timestamp, Timestamp),
) -> Result<BTreeMap<Place, Tally>, Error> {
    summed(accounts, None, period, Detail::Outcomes).await
}

/// What is wanted to be known of runs.
#[derive(Debug, Clone, Copy)]
enum Detail {
    All,
    Outcomes,
}

async fn summed(
    accounts: &dyn Accounts,
    checks: Option<&[CheckId]>,
    (after, until): (Timestamp, Timestamp),
    detail: Detail,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let counted = accounts.tallied().await?;
    let hours = counted.map(|(from, to)| (next_hour(after.max(from)), last_hour(until.min(to))));
    let Some((start, end)) = hours.filter(|(start, end)| start < end) else {
        return count(accounts, checks, (after, until), detail).await;
    };
    let mut tallies = accounts.tallied_hours(checks, (start, end)).await?;
    for edge in [(after, start), (end, until)] {
        if edge.0 < edge.1 {
            let more = count(accounts, checks, edge, detail).await?;
            if tallies.is_empty() {
                tallies = more;
                continue;
            }
            for (place, tally) in more {
                let sum = tallies.entry(place).or_default();
                *sum = sum.and(tally);
            }
        }
    }
    Ok(tallies)
}

/// The period that can be told without looking at runs of hours that are counted: one that begins
/// inside such an hour begins with that hour.
///
/// # Errors
///
/// The store's.
pub async fn by_the_hour(
    accounts: &dyn Accounts,
    (after, until): (Timestamp, Timestamp),
) -> Result<(Timestamp, Timestamp), Error> {
    let counted = accounts.tallied().await?;
    let is_counted = counted.is_some_and(|(from, to)| from <= after && after < to);
    let moment = Duration::from_millis(1);
    Ok((if is_counted { hour_of(after + moment) } else { after }, until))
}

/// How the slots of a period came out, by the runs that are there.
async fn count(
    accounts: &dyn Accounts,
    checks: Option<&[CheckId]>,
    period: (Timestamp, Timestamp),
    detail: Detail,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let mut tallies = match detail {
        Detail::All => accounts.tallies(checks, period).await?,
        Detail::Outcomes => accounts.outcomes(period).await?,
    };
    for (place, expected) in expected(accounts, checks, period).await? {
        tallies.entry(place).or_default().expected += expected;
    }
    Ok(tallies)
}

/// How many slots were expected.
async fn expected(
    accounts: &dyn Accounts,
    checks: Option<&[CheckId]>,
    (after, until): (Timestamp, Timestamp),
) -> Result<BTreeMap<Place, u64>, Error> {
    let mut expected: BTreeMap<Place, u64> = BTreeMap::new();
    let watches = accounts.watches(checks, (after, until)).await?;
    for watch in watches.into_iter().filter(|watch| watch.duty == Duty::Run) {
        let slots = watch.count(after, until);
        *expected.entry((watch.check, watch.region)).or_default() += slots;
    }
    Ok(expected)
}

/// Counts the next hour of which every slot is accounted for, and says which; `None` when there is no
/// such hour. From then on runs of it that come late change its count.
///
/// # Errors
///
/// The store's; the hour is counted anew the next time.
pub async fn count_hour(accounts: &dyn Accounts) -> Result<Option<Timestamp>, Error> {
    let begun = match accounts.tallied().await? {
        Some((_, until)) => Some(until),
        None => accounts.first_ran().await?.map(hour_of),
    };
    let accounted = accounts.accounted_until().await?;
    let Some(hour) = begun.filter(|hour| accounted.is_some_and(|until| *hour + HOUR <= until))
    else {
        return Ok(None);
    };
    let period = (hour, hour + HOUR);
    let expected = expected(accounts, None, period).await?;
    let standing = accounts.tally(period, &expected).await?;
    Ok((standing == Standing::Held).then_some(hour))
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// Up to when slots are accounted for; `None` where none was ever.
    pub until: Option<Timestamp>,
    /// Slots that were expected.
    pub expected: u64,
    /// Slots that were run.
    pub ran: u64,
    /// Slots without a run inside a gap, by its reason.
    pub missed: BTreeMap<GapReason, u64>,
    /// Slots of which nothing is known. There should be none.
    pub unaccounted: Vec<Slot>,
}

/// Goes through every slot after `from` that is accounted for, and looks for its run or its gap. Slots whose
/// runs were forgotten cannot be asked for and are left out, however long runs are kept now.
///
/// # Errors
///
/// The store's.
pub async fn audit(accounts: &dyn Accounts, from: Timestamp) -> Result<Audit, Error> {
    let until = accounts.accounted_until().await?;
    let mut audit = Audit { until, ..Audit::default() };
    let Some(end) = audit.until else { return Ok(audit) };
    let from = accounts.forgotten_until().await?.map_or(from, |until| until.max(from));
    let first = accounts.watches(None, (from, end)).await?.iter().map(|watch| watch.from).min();
    let Some(mut after) = first.map(|first| first.max(from)) else { return Ok(audit) };
    while after < end {
        let period = (after, (after + PERIOD).min(end));
        let ran = accounts.ran(period).await?;
        let mut gaps: HashMap<Place, Vec<Gap>> = HashMap::new();
        for gap in accounts.gaps(None, period, u32::MAX).await? {
            gaps.entry((gap.check.clone(), gap.region.clone())).or_default().push(gap);
        }
        for watch in accounts.watches(None, period).await? {
            let place = (watch.check.clone(), watch.region.clone());
            for at in watch.slots(period.0, period.1) {
                audit.expected += 1;
                let gaps = gaps.get(&place).map_or(&[][..], Vec::as_slice);
                let gap = gaps.iter().find(|gap| gap.first <= at && at <= gap.last);
                if ran.get(&place).is_some_and(|ran| ran.contains(&at)) {
                    audit.ran += 1;
                } else if let Some(gap) = gap {
                    *audit.missed.entry(gap.reason).or_default() += 1;
                } else {
                    let (check, region) = place.clone();
                    audit.unaccounted.push(Slot { check, region, at });
                }
            }
        }
        after = period.1;
    }
    Ok(audit)
}
