//! The stored form of watches, gaps and what else accounts for slots.

use std::collections::{BTreeMap, HashMap};

use crate::domain::coverage::{Gap, Lateness, Life, Presence, Tally, Watch};
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

/// Adds the runs of a check in a region with one outcome, in the classes of their lateness.
pub(in crate::store) fn add(
    tallies: &mut BTreeMap<Place, Tally>,
    (check, region, outcome): (&str, &str, &str),
    classes: [i64; 10],
) -> Result<(), Error> {
    let place = (super::check_id(check)?, super::region(region)?);
    let mut lateness = Lateness::default();
    for (class, runs) in lateness.0.iter_mut().zip(classes) {
        *class = super::slots("number of runs", runs)?;
    }
    let runs = lateness.0.iter().sum();
    let mut tally = Tally { lateness, ..Tally::default() };
    match super::outcome(outcome)? {
        Outcome::Passed => tally.passed = runs,
        Outcome::Failed => tally.failed = runs,
        Outcome::Unknown => tally.unknown = runs,
    }
    let sum = tallies.entry(place).or_default();
    *sum = sum.and(tally);
    Ok(())
}

/// The conditions on a run's lateness, one for each class.
pub(in crate::store) fn classes() -> impl Iterator<Item = String> {
    let bounds = Lateness::BOUNDS;
    let above = std::iter::once(None).chain(bounds.map(Some));
    above.zip(bounds.map(Some).into_iter().chain([None])).map(|limits| match limits {
        (Some(above), Some(bound)) => {
            format!("started_at - slot_at > {above} AND started_at - slot_at <= {bound}")
        }
        (None, Some(bound)) => format!("started_at - slot_at <= {bound}"),
        (Some(above), None) => format!("started_at - slot_at > {above}"),
        (None, None) => "true".to_owned(),
    })
}
