//! The stored form of watches, gaps and what else accounts for slots.

use std::collections::{BTreeMap, HashMap};

use crate::domain::coverage::{Durations, Gap, Lateness, Life, Presence, Tally, Watch};
use crate::domain::id::Region;
use crate::domain::run::Outcome;
use crate::store::Error;
use crate::store::accounts::{Place, Ran};

#[derive(sqlx::FromRow)]
pub(in crate::store) struct WatchRow {
    check_id: String,
    region: String,
    schedule: String,
    from_at: i64,
    until_at: Option<i64>,
}

impl WatchRow {
    pub(in crate::store) fn read(self) -> Result<Watch, Error> {
        Ok(Watch {
            check: super::check_id(&self.check_id)?,
            region: super::region(&self.region)?,
            schedule: super::schedule(&self.schedule)?,
            from: super::timestamp(self.from_at)?,
            until: self.until_at.map(super::timestamp).transpose()?,
        })
    }
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

    /// Adds it.
    pub(in crate::store) fn add(self, tallies: &mut BTreeMap<Place, Tally>) -> Result<(), Error> {
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
        let sum = tallies.entry(place).or_default();
        *sum = sum.and(tally);
        Ok(())
    }
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
