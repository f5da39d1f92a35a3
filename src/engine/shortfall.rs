//! What the accounts say of each region, for the review that tells when too little is known.
//!
//! Looked at are the slots that are accounted for, since a hub listens, and since the end of the last
//! incident that told of the same: nobody hears of one outage twice. A check of which it was told that
//! nobody knows how it is doing is left out until that is over for as long as one looks back.
//!
//! Must not: decide whether that is too little, or write anything.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::TimeDelta;

use super::accountant;
use crate::domain::Timestamp;
use crate::domain::attendance::Listening;
use crate::domain::blindness::shortfall::{Rule, SILENT_AFTER, Seen, Silent, Standing};
use crate::domain::coverage::{Gap, GapReason, Tally, Watch};
use crate::domain::id::{CheckId, Region};
use crate::domain::subject::Subject;
use crate::store::accounts::Place;
use crate::store::{Error, IncidentFilter, IncidentRecord, Ledger};

/// So many of the latest incidents are asked about what was told.
const TOLD: u32 = 1000;

/// How each region stands by `rule`; those of which nothing was expected are left out.
///
/// # Errors
///
/// The store's.
pub async fn standings(
    store: &dyn Ledger,
    rule: &Rule,
    listening: Listening,
) -> Result<BTreeMap<Region, Standing>, Error> {
    let Some(until) = store.accounted_until().await? else { return Ok(BTreeMap::new()) };
    // What was accounted for by a clock that was ahead, and set right since, has not come yet.
    let until = until.min(listening.until());
    let earliest = until - rule.over;
    let filter = IncidentFilter { check: None, open_only: false, limit: TOLD };
    let incidents = store.incidents(&filter).await?;
    let told = Told::by(&incidents, (earliest, until), listening.since());
    let watches = store.watches(None, (earliest, until)).await?;
    let gaps = store.latest_gaps().await?;
    let mut tallied = Tallied { store, until, by_start: BTreeMap::new() };
    let mut seen: BTreeMap<Region, Seen> = BTreeMap::new();
    for watch in watches.iter().filter(|watch| watch.until.is_none()) {
        let heard = told.until(&watch.region);
        let start = heard.max(earliest).min(until);
        let seen = seen.entry(watch.region.clone()).or_insert_with(|| Seen {
            period: (start, until),
            whole: Tally::default(),
            recent: Tally::default(),
            silent: std::collections::BTreeSet::new(),
        });
        if told.checks.contains(&watch.check) {
            continue;
        }
        let place = (watch.check.clone(), watch.region.clone());
        let gap = gaps.get(&place);
        seen.silent.extend(gap.and_then(|gap| silent(watch, gap, (heard, until))));
        seen.whole = seen.whole.and(tallied.of(&place, start).await?);
        let lately = start.max(until - rule.recently());
        seen.recent = seen.recent.and(tallied.of(&place, lately).await?);
    }
    Ok(seen.into_iter().map(|(region, seen)| (region, Standing::of(&seen, rule))).collect())
}

/// What people were told of already.
struct Told {
    /// Until when, by region.
    regions: HashMap<Region, Timestamp>,
    /// Checks.
    checks: HashSet<CheckId>,
    /// What was before nobody listened for.
    since: Timestamp,
}

impl Told {
    fn by(
        incidents: &[IncidentRecord],
        (earliest, until): (Timestamp, Timestamp),
        since: Timestamp,
    ) -> Self {
        let mut told = Self { regions: HashMap::new(), checks: HashSet::new(), since };
        for IncidentRecord { subject, incident, .. } in incidents {
            match (subject, incident.resolved_at) {
                (Subject::Region(region), ended) => told.note(region, ended.unwrap_or(until)),
                (Subject::Shortfall(region), Some(ended)) => told.note(region, ended),
                (Subject::Coverage(check), ended) if ended.is_none_or(|it| it > earliest) => {
                    told.checks.insert(check.clone());
                }
                _ => {}
            }
        }
        told
    }

    fn note(&mut self, region: &Region, until: Timestamp) {
        let known = self.regions.entry(region.clone()).or_insert(until);
        *known = until.max(*known);
    }

    /// What was before that of `region` is not counted.
    fn until(&self, region: &Region) -> Timestamp {
        self.regions.get(region).map_or(self.since, |told| self.since.max(*told))
    }
}

/// The tallies of all places up to one moment, by where they begin.
struct Tallied<'s> {
    store: &'s dyn Ledger,
    until: Timestamp,
    by_start: BTreeMap<Timestamp, BTreeMap<Place, Tally>>,
}

impl Tallied<'_> {
    async fn of(&mut self, place: &Place, start: Timestamp) -> Result<Tally, Error> {
        if !self.by_start.contains_key(&start) {
            let tallies = accountant::tallies(self.store, None, (start, self.until)).await?;
            self.by_start.insert(start, tallies);
        }
        let tallies = self.by_start.get(&start);
        Ok(tallies.and_then(|it| it.get(place)).copied().unwrap_or_default())
    }
}

/// Whether nobody runs the check of `watch`, though an agent is there: `gap` is its latest one. Slots
/// up to `heard` are not counted.
fn silent(watch: &Watch, gap: &Gap, (heard, until): (Timestamp, Timestamp)) -> Option<Silent> {
    let goes_on = watch.slots(gap.last, until).next().is_none();
    if gap.reason != GapReason::Stalled || !goes_on {
        return None;
    }
    let mut slots = watch.slots(heard.max(gap.first - TimeDelta::milliseconds(1)), gap.last);
    let since = slots.next()?;
    let more = slots.take(SILENT_AFTER - 1).count();
    (more + 1 == SILENT_AFTER).then(|| Silent { since, check: watch.check.clone() })
}
