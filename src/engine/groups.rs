//! How a group of checks stands, from what the store knows: nothing is kept here, so any hub answers the
//! same, also right after its start.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::judge::Rulebook;
use crate::domain::check::Check;
use crate::domain::group::Group;
use crate::domain::id::{CheckId, Region};
use crate::domain::run::Outcome;
use crate::store::{Error, RunFilter, Store};

/// So many results are read at once, the latest first, until there are enough in a row.
const PAGES: [u32; 2] = [100, 1000];
/// So many are looked at in all: whoever asks for a group asks often.
const MOST: usize = 5_100;

/// How a group stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStanding {
    /// Whether it is well.
    pub is_well: bool,
    /// Its checks, in the order of their ids.
    pub checks: Vec<CheckStanding>,
}

/// How a check of a group stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStanding {
    /// The check.
    pub check: CheckId,
    /// Whether it is well.
    pub is_well: bool,
    /// The regions in which it is not.
    pub ill_in: BTreeSet<Region>,
}

/// How the group called `name` stands; `None` where the project has none of that name.
///
/// # Errors
///
/// [`Error`] when the store cannot be read.
pub async fn standing(
    store: &dyn Store,
    rulebook: &Rulebook,
    name: &str,
) -> Result<Option<GroupStanding>, Error> {
    let Some(group) = rulebook.group(name) else { return Ok(None) };
    let mut checks: Vec<&Arc<Check>> = rulebook.checks().filter(|it| group.has(it)).collect();
    checks.sort_by(|a, b| a.id.cmp(&b.id));
    let ids: Vec<CheckId> = checks.iter().map(|check| check.id.clone()).collect();
    let states = store.states_of(&ids).await?;
    let mut standings = Vec::with_capacity(checks.len());
    for check in checks {
        let mut ill_in = BTreeSet::new();
        for region in &check.regions {
            let streak = states.get(&check.id).and_then(|state| state.streaks.get(region));
            let Some(streak) = streak else { continue };
            let said = match group.by_streak(streak) {
                Some(said) => said,
                None => by_runs(store, group, (check, region)).await?,
            };
            if !said {
                ill_in.insert(region.clone());
            }
        }
        let is_well = group.is_check_well(ill_in.len(), check.regions.len());
        standings.push(CheckStanding { check: check.id.clone(), is_well, ill_in });
    }
    let well = standings.iter().filter(|it| it.is_well).count();
    let is_well = group.is_well(well, standings.len());
    Ok(Some(GroupStanding { is_well, checks: standings }))
}

/// What passes and fails by turns stands as it did before that; where it has done so for longer than is looked
/// at, it is ill, since what comes and goes is to stay out. Where nothing that is kept decides, it never failed
/// often enough.
async fn by_runs(
    store: &dyn Store,
    group: &Group,
    (check, region): (&Check, &Region),
) -> Result<bool, Error> {
    let [first, further] = PAGES;
    let mut filter = RunFilter {
        check: Some(check.id.clone()),
        region: Some(region.clone()),
        limit: first,
        ..RunFilter::default()
    };
    let mut outcomes = Vec::new();
    loop {
        let page = store.runs(&filter).await?;
        outcomes.extend(page.iter().map(|run| run.outcome));
        if let Some(said) = group.by_outcomes(outcomes.iter().copied()) {
            return Ok(said);
        }
        if outcomes.len() >= MOST {
            return Ok(!outcomes.contains(&Outcome::Failed));
        }
        let Some(last) = page.last().filter(|_| page.len() >= filter.limit as usize) else {
            return Ok(true);
        };
        filter = RunFilter { before: Some(last.slot.at), limit: further, ..filter };
    }
}
