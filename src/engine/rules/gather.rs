//! The series that the rules of one time of the grid need: what several of them need is read once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compiled::{Compiled, RuleSet};
use crate::domain::Timestamp;
use crate::domain::rule::RuleName;
use crate::engine::reading::Reading;
use crate::query::{Selection, Series, When};
use crate::store::Error;
use crate::store::metrics::{Bounds, Found, Metrics};

/// How many points may be read at one time of the grid, and for one rule where that is too much.
const POINTS: usize = 20_000_000;

/// What may be read then: as many series as a query may be about.
fn bounds(rules: &RuleSet) -> Bounds {
    Bounds { series: rules.settings.limits.series, points: POINTS }
}

/// The series of one rule, or why there are none.
pub(super) type Needed = Result<Vec<Vec<Arc<Series>>>, String>;

/// What each rule needs.
pub(super) type Gathered = BTreeMap<RuleName, Needed>;

/// Reads what the rules need that are due at `at`.
///
/// # Errors
///
/// When the store fails for now: that says nothing of any rule, and is tried again. What it will never
/// answer is the trouble of the rules that ask for it.
pub(super) async fn gather(
    metrics: &dyn Metrics,
    rules: &RuleSet,
    at: Timestamp,
) -> Result<Gathered, Error> {
    let when = When::At(at.timestamp_millis());
    let mut reading = Reading::default();
    let mut gathered = Gathered::new();
    let mut places: Vec<(&Compiled, Vec<usize>)> = Vec::new();
    for rule in rules.due(at) {
        match rule.selections(when, &rules.settings) {
            Ok(selections) => {
                let found = selections.into_iter().map(|it| reading.place(it)).collect();
                places.push((rule, found));
            }
            Err(error) => _ = gathered.insert(rule.rule.name.clone(), Err(error.to_string())),
        }
    }
    let bounds = bounds(rules);
    let all = match read(metrics, reading.selections(), bounds).await? {
        Ok(all) => all.into_iter().map(Ok).collect(),
        // So that only those fail that ask for too much, or for what is damaged.
        Err(_) => one_by_one(metrics, reading.selections(), bounds).await?,
    };
    for (rule, places) in places {
        let needed = places.into_iter().map(|at| all[at].clone()).collect();
        gathered.insert(rule.rule.name.clone(), needed);
    }
    Ok(gathered)
}

/// Reads what is selected; a sentence where that is more than `bounds`, or damaged.
async fn read(
    metrics: &dyn Metrics,
    selections: &[Selection],
    bounds: Bounds,
) -> Result<Result<Vec<Vec<Arc<Series>>>, String>, Error> {
    if selections.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    Ok(match metrics.select(selections, bounds).await {
        Ok(Found::Series(all)) if all.len() == selections.len() => Ok(all),
        Ok(Found::Series(_)) => Err("the store answered for other series".to_owned()),
        Ok(Found::TooMuch(why)) => Err(why),
        Err(error) if error.is_lasting() => Err(error.to_string()),
        Err(error) => return Err(error),
    })
}

/// Reads each of `selections` for itself, all together within `left`: each has its share for sure,
/// and what others leave of theirs where that is not enough.
async fn one_by_one(
    metrics: &dyn Metrics,
    selections: &[Selection],
    mut left: Bounds,
) -> Result<Vec<Result<Vec<Arc<Series>>, String>>, Error> {
    let mut all: Vec<Result<Vec<Arc<Series>>, String>> =
        vec![Err("it was not read".to_owned()); selections.len()];
    for is_share in [true, false] {
        for (place, selection) in selections.iter().enumerate() {
            if all[place].is_ok() {
                continue;
            }
            let others = if is_share { selections.len() - place } else { 1 };
            let bounds = Bounds { series: left.series / others, points: left.points / others };
            let found = read(metrics, std::slice::from_ref(selection), bounds).await?;
            let found = found.map(|mut series| series.pop().unwrap_or_default());
            if let Ok(series) = &found {
                let points: usize = series.iter().map(|it| it.times().len()).sum();
                left.series = left.series.saturating_sub(series.len());
                left.points = left.points.saturating_sub(points);
            }
            all[place] = found;
        }
    }
    Ok(all)
}

/// Reads what one rule needs at `when`.
pub(super) async fn gather_one(
    metrics: &dyn Metrics,
    rule: &Compiled,
    when: When,
    rules: &RuleSet,
) -> Needed {
    let selections = rule.selections(when, &rules.settings).map_err(|error| error.to_string())?;
    read(metrics, &selections, bounds(rules)).await.map_err(|error| error.to_string())?
}
