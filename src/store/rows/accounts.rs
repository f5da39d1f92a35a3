//! The stored form of watches, gaps and what else accounts for slots.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::Timestamp;
use crate::domain::coverage::{
    Durations, Duty, Gap, Lateness, Life, Presence, Tally, Watch, hour_of,
};
use crate::domain::edition::{Edition, Latest};
use crate::domain::id::Region;
use crate::domain::run::{Outcome, Report};
use crate::store::Error;
use crate::store::accounts::{Expectation, Expected, Place, Ran};

#[derive(sqlx::FromRow)]
pub(in crate::store) struct WatchRow {
    check_id: String,
    region: String,
    schedule: String,
    paused: bool,
    from_at: i64,
    until_at: Option<i64>,
}

impl WatchRow {
    /// The columns that are read.
    pub(in crate::store) const COLUMNS: &str =
        "check_id, region, schedule, paused, from_at, until_at";

    pub(in crate::store) fn read(self) -> Result<Watch, Error> {
        Ok(Watch {
            check: super::check_id(&self.check_id)?,
            region: super::region(&self.region)?,
            schedule: super::schedule(&self.schedule)?,
            duty: if self.paused { Duty::Paused } else { Duty::Run },
            from: super::timestamp(self.from_at)?,
            until: self.until_at.map(super::timestamp).transpose()?,
        })
    }
}

/// Up to when slots are accounted for, the number of the watch that began last, and how many go on.
pub(in crate::store) const KNOWN: &str = "SELECT (SELECT until_at FROM accounted), \
     (SELECT coalesce(max(id), 0) FROM watches), \
     (SELECT count(*) FROM watches WHERE until_at IS NULL)";

/// Forgets editions that were the latest before; the number is the same in both backends.
pub(in crate::store) const FORGET_EDITIONS: &str = "DELETE FROM editions WHERE seen_at < $1 \
     AND taken_at < (SELECT max(taken_at) FROM editions)";

#[derive(sqlx::FromRow)]
pub(in crate::store) struct LatestRow {
    digest: String,
    edited_at: i64,
    taken_at: i64,
    seen_at: i64,
}

/// What goes on being watched since a time to come began by a clock that was ahead; it begins now.
pub(in crate::store) const BEGUN_AHEAD: &str =
    "UPDATE watches SET from_at = $1 WHERE until_at IS NULL AND from_at > $1";

impl LatestRow {
    /// The latest edition.
    pub(in crate::store) const SELECT: &str =
        "SELECT digest, edited_at, taken_at, seen_at FROM editions ORDER BY taken_at DESC LIMIT 1";
    /// Makes `$1`, whose files were changed at `$2`, the latest edition from `$3` on; it was seen
    /// at `$4`.
    pub(in crate::store) const TAKE: &str = "INSERT INTO editions (digest, edited_at, taken_at, \
         seen_at) VALUES ($1, $2, $3, $4) ON CONFLICT (digest) DO UPDATE SET \
         edited_at = excluded.edited_at, taken_at = excluded.taken_at, seen_at = excluded.seen_at";

    pub(in crate::store) fn read(self) -> Result<Latest, Error> {
        Ok(Latest {
            digest: self.digest,
            edited_at: super::timestamp(self.edited_at)?,
            taken_at: super::timestamp(self.taken_at)?,
            seen_at: super::timestamp(self.seen_at)?,
        })
    }
}

/// What of `gaps` lies up to `end`; `watches` are those whose slots are in them after that.
pub(in crate::store) fn gaps_up_to(
    gaps: Vec<GapRow>,
    watches: &[Watch],
    end: Timestamp,
) -> Result<Vec<Gap>, Error> {
    let gaps: Vec<Gap> = gaps.into_iter().map(GapRow::read).collect::<Result<_, _>>()?;
    let mut by_place: HashMap<(&str, &str), Vec<&Watch>> = HashMap::new();
    for watch in watches {
        by_place.entry((watch.check.as_str(), watch.region.as_str())).or_default().push(watch);
    }
    let up_to = |gap: &Gap| {
        let watches = by_place.get(&(gap.check.as_str(), gap.region.as_str()));
        let later = watches.into_iter().flatten().map(|watch| watch.count(end, gap.last));
        gap.clone().up_to(end, later.sum())
    };
    Ok(gaps.iter().filter_map(up_to).collect())
}

/// The edition of `expectation` as it is to be stored, in place of `latest`.
pub(in crate::store) fn taken(
    expectation: &Expectation,
    latest: Option<&Latest>,
    now: Timestamp,
) -> Latest {
    let Edition { digest, edited_at, .. } = &expectation.edition;
    let moment = Duration::from_millis(1);
    let (edited_at, taken_at, seen_at) = match latest {
        Some(it) if it.digest == *digest => {
            (it.edited_at.max(*edited_at), it.taken_at, it.seen_at.max(now))
        }
        Some(it) => (*edited_at, expectation.since.max(it.taken_at + moment), now),
        None => (*edited_at, expectation.since, now),
    };
    Latest { digest: digest.clone(), edited_at, taken_at, seen_at }
}

/// What of a watch may change: another one takes its place then.
pub(in crate::store) fn terms(expected: &Expected) -> (String, bool) {
    (super::schedule_text(&expected.schedule), expected.duty == Duty::Paused)
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct GapRow {
    check_id: String,
    region: String,
    first_at: i64,
    last_at: i64,
    slots: i64,
    reason: String,
}

impl GapRow {
    pub(in crate::store) fn read(self) -> Result<Gap, Error> {
        Ok(Gap {
            check: super::check_id(&self.check_id)?,
            region: super::region(&self.region)?,
            first: super::timestamp(self.first_at)?,
            last: super::timestamp(self.last_at)?,
            slots: super::slots("number of slots", self.slots)?,
            reason: super::gap_reason(&self.reason)?,
        })
    }
}

/// Who was there, from rows of region (empty for a hub), start and end.
pub(in crate::store) fn presence(
    found: Vec<(String, i64, i64)>,
) -> Result<HashMap<Option<Region>, Presence>, Error> {
    let mut agents: HashMap<Option<Region>, Vec<Life>> = HashMap::from([(None, Vec::new())]);
    let mut hub = Vec::new();
    for (region, from, until) in found {
        let life = Life { from: super::timestamp(from)?, until: super::timestamp(until)? };
        if region.is_empty() {
            hub.push(life);
        } else {
            agents.entry(Some(super::region(&region)?)).or_default().push(life);
        }
    }
    let with_hub = |(region, agents)| (region, Presence { hub: hub.clone(), agents });
    Ok(agents.into_iter().map(with_hub).collect())
}

/// Slots by check and region, from rows of check, region and time.
pub(in crate::store) fn ran(found: Vec<(String, String, i64)>) -> Result<Ran, Error> {
    let mut ran = Ran::new();
    for (check, region, at) in found {
        let place = (super::check_id(&check)?, super::region(&region)?);
        ran.entry(place).or_default().insert(super::timestamp(at)?);
    }
    Ok(ran)
}

/// How many classes there are of runs of one outcome: of lateness, then of durations.
pub(in crate::store) const CLASSES: usize =
    Lateness::BOUNDS.len() + 1 + Durations::BOUNDS.len() + 1;

/// Adds the runs of a check in a region with one outcome, in their classes.
pub(in crate::store) fn add(
    tallies: &mut BTreeMap<Place, Tally>,
    (check, region, outcome): (&str, &str, &str),
    classes: [i64; CLASSES],
) -> Result<(), Error> {
    let place = (super::check_id(check)?, super::region(region)?);
    let (mut lateness, mut durations) = (Lateness::default(), Durations::default());
    for (class, runs) in lateness.0.iter_mut().chain(&mut durations.0).zip(classes) {
        *class = super::slots("number of runs", runs)?;
    }
    let runs = lateness.0.iter().sum();
    let mut tally = Tally { lateness, durations, ..Tally::default() };
    match super::outcome(outcome)? {
        Outcome::Passed => tally.passed = runs,
        Outcome::Failed => tally.failed = runs,
        Outcome::Unknown => tally.unknown = runs,
    }
    let sum = tallies.entry(place).or_default();
    *sum = sum.and(tally);
    Ok(())
}

/// Adds so many runs of a check in a region with one outcome, without their classes.
pub(in crate::store) fn add_plain(
    tallies: &mut BTreeMap<Place, Tally>,
    (check, region, outcome): (&str, &str, &str),
    runs: i64,
) -> Result<(), Error> {
    let place = (super::check_id(check)?, super::region(region)?);
    let runs = super::slots("number of runs", runs)?;
    let sum = tallies.entry(place).or_default();
    match super::outcome(outcome)? {
        Outcome::Passed => sum.passed += runs,
        Outcome::Failed => sum.failed += runs,
        Outcome::Unknown => sum.unknown += runs,
    }
    Ok(())
}

/// The conditions on a run, one for each class: of its lateness, then of its duration.
pub(in crate::store) fn classes() -> impl Iterator<Item = String> {
    let micros = Durations::BOUNDS.map(|millis| millis * 1_000);
    let lateness = conditions("started_at - slot_at", &Lateness::BOUNDS);
    lateness.into_iter().chain(conditions("duration", &micros))
}

fn conditions(of: &str, bounds: &[u64]) -> Vec<String> {
    let above = std::iter::once(None).chain(bounds.iter().map(Some));
    let below = bounds.iter().map(Some).chain([None]);
    let condition = |limits| match limits {
        (Some(above), Some(bound)) => format!("{of} > {above} AND {of} <= {bound}"),
        (None, Some(bound)) => format!("{of} <= {bound}"),
        (Some(above), None) => format!("{of} > {above}"),
        (None, None) => "true".to_owned(),
    };
    above.zip(below).map(condition).collect()
}

/// How the slots of an hour came out.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct TallyRow {
    check_id: String,
    region: String,
    expected: i64,
    passed: i64,
    failed: i64,
    unknown: i64,
    lateness: String,
    durations: String,
}

impl TallyRow {
    /// The columns that are read.
    pub(in crate::store) const COLUMNS: &str =
        "check_id, region, expected, passed, failed, unknown, lateness, durations";
    /// The end of every statement that writes them.
    pub(in crate::store) const CONFLICT: &str = "ON CONFLICT (check_id, region, hour_at) \
         DO UPDATE SET expected = excluded.expected, passed = excluded.passed, \
         failed = excluded.failed, unknown = excluded.unknown, lateness = excluded.lateness, \
         durations = excluded.durations";

    /// Adds it.
    pub(in crate::store) fn add(self, tallies: &mut BTreeMap<Place, Tally>) -> Result<(), Error> {
        let (place, tally) = self.read()?;
        let sum = tallies.entry(place).or_default();
        *sum = sum.and(tally);
        Ok(())
    }

    fn read(self) -> Result<(Place, Tally), Error> {
        let slots = |stored| super::slots("number of slots", stored);
        let tally = Tally {
            expected: slots(self.expected)?,
            passed: slots(self.passed)?,
            failed: slots(self.failed)?,
            unknown: slots(self.unknown)?,
            lateness: Lateness(super::from_json("distribution", &self.lateness)?),
            durations: Durations(super::from_json("distribution", &self.durations)?),
        };
        let place = (super::check_id(&self.check_id)?, super::region(&self.region)?);
        Ok((place, tally))
    }
}

/// The same with the hour.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct HourRow {
    hour_at: i64,
    #[sqlx(flatten)]
    tally: TallyRow,
}

impl HourRow {
    pub(in crate::store) fn read(self) -> Result<((Place, Timestamp), Tally), Error> {
        let (place, tally) = self.tally.read()?;
        Ok(((place, super::timestamp(self.hour_at)?), tally))
    }
}

/// Hours, and how the slots of places in them came out.
pub(in crate::store) type Hours = BTreeMap<(Place, Timestamp), Tally>;

/// What a batch of runs changes in the counts of hours that are counted already.
#[derive(Debug, Default)]
pub(in crate::store) struct Late {
    added: Hours,
    removed: Hours,
}

impl Late {
    /// A run that is stored now.
    pub(in crate::store) fn add(&mut self, report: &Report) {
        // As it will be read again: times are kept to the millisecond.
        let late = super::whole_millis(report.started_at) - report.slot.at;
        let took = Duration::from_micros(super::micros(report.duration).unsigned_abs());
        let tally = Tally::of_run(report.outcome(), late, took);
        let slot = &report.slot;
        Self::note(&mut self.added, (slot.check.clone(), slot.region.clone()), slot.at, tally);
    }

    /// A run that was stored and is not any more.
    pub(in crate::store) fn remove(&mut self, run: &RemovedRow) -> Result<(), Error> {
        let place = (super::check_id(&run.check_id)?, super::region(&run.region)?);
        let late = TimeDelta::milliseconds(run.started_at.saturating_sub(run.slot_at));
        let took = Duration::from_micros(u64::try_from(run.duration).unwrap_or_default());
        let tally = Tally::of_run(super::outcome(&run.outcome)?, late, took);
        Self::note(&mut self.removed, place, super::timestamp(run.slot_at)?, tally);
        Ok(())
    }

    fn note(hours: &mut Hours, place: Place, slot: Timestamp, tally: Tally) {
        let sum = hours.entry((place, hour_of(slot))).or_default();
        *sum = sum.and(tally);
    }

    /// Leaves out what is not of hours that begin within `closed`.
    pub(in crate::store) fn retain(&mut self, (from, until): (Timestamp, Timestamp)) {
        for hours in [&mut self.added, &mut self.removed] {
            hours.retain(|(_, hour), _| from <= *hour && *hour < until);
        }
    }

    /// The hours that change.
    pub(in crate::store) fn hours(&self) -> BTreeSet<(Place, Timestamp)> {
        self.added.keys().chain(self.removed.keys()).cloned().collect()
    }

    /// What becomes of the counts `before`.
    pub(in crate::store) fn applied(self, mut before: Hours) -> Hours {
        for (hour, tally) in self.added {
            let sum = before.entry(hour).or_default();
            *sum = sum.and(tally);
        }
        for (hour, tally) in self.removed {
            let sum = before.entry(hour).or_default();
            *sum = sum.without(tally);
        }
        before
    }
}

/// A run that was taken out.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct RemovedRow {
    check_id: String,
    region: String,
    slot_at: i64,
    started_at: i64,
    duration: i64,
    outcome: String,
}

impl RemovedRow {
    /// The columns that are read.
    pub(in crate::store) const COLUMNS: &str =
        "check_id, region, slot_at, started_at, duration, outcome";
}

/// The numbers of a tally in the order of [`TallyRow::COLUMNS`].
pub(in crate::store) fn numbers(tally: &Tally) -> [i64; 4] {
    [tally.expected, tally.passed, tally.failed, tally.unknown]
        .map(|slots| i64::try_from(slots).unwrap_or(i64::MAX))
}

/// The distributions of a tally in the order of [`TallyRow::COLUMNS`].
pub(in crate::store) fn distributions(tally: &Tally) -> [String; 2] {
    [super::to_json(&tally.lateness.0), super::to_json(&tally.durations.0)]
}
