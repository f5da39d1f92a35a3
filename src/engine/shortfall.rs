//! What the accounts say of each region, for the review that tells when too little is known.
//!
//! Looked at are the slots that are accounted for, since a hub listens, and since the end of the last
//! incident that told of the same: nobody hears of one outage twice. A check of which it was told that
//! nobody knows how it is doing is left out until that is over for as long as one looks back.
//!
//! Must not: decide whether that is too little, or write anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;

use super::accountant;
use crate::domain::Timestamp;
use crate::domain::attendance::Listening;
use crate::domain::blindness::shortfall::{Rule, SILENT_AFTER, Seen, Silent, Standing};
use crate::domain::coverage::{Duty, Gap, GapReason, Tally, Watch};
use crate::domain::id::{CheckId, Region};
use crate::domain::incident::CheckState;
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
    // What was accounted for by a clock that was ahead, and set right since, has not come yet; and
    // of what has, runs may still be on their way.
    let now = listening.until();
    let until = if until > now { now - rule.recently() } else { until };
    let earliest = until - rule.over;
    let filter = IncidentFilter { limit: TOLD, ..IncidentFilter::default() };
    let incidents = store.incidents(&filter).await?;
    let told = Told::by(&incidents, (earliest, until), listening.since());
    let watches = store.watches(None, (earliest, until)).await?;
    let is_on = |watch: &&Watch| watch.until.is_none() && watch.duty == Duty::Run;
    let open: Vec<&Watch> =
        watches.iter().filter(is_on).filter(|watch| !told.checks.contains(&watch.check)).collect();
    let start = |region: &Region| told.until(region).max(earliest).min(until);
    let lately = |region: &Region| start(region).max(until - rule.recently());
    let starts = open.iter().flat_map(|it| [start(&it.region), lately(&it.region)]).collect();
    let tallied = Tallied::read(store, starts, until).await?;
    // Of a check that was run each time it was due lately, nothing more needs to be known.
    let was_missed = |watch: &Watch| {
        let recent = tallied.of(&place(watch), lately(&watch.region));
        recent.missed() > 0 || recent.expected == 0
    };
    let missed = Missed::read(store, &open, was_missed, now).await?;
    let mut seen: BTreeMap<Region, Seen> = BTreeMap::new();
    for watch in watches.iter().filter(is_on) {
        let heard = told.until(&watch.region);
        let start = start(&watch.region);
        let seen = seen.entry(watch.region.clone()).or_insert_with(|| Seen {
            period: (start, until),
            whole: Tally::default(),
            recent: Tally::default(),
            silent: BTreeSet::new(),
            perhaps_silent: false,
        });
        if told.checks.contains(&watch.check) {
            continue;
        }
        match missed.quiet(watch, (heard, until)) {
            Some(Quiet::Silent(silent)) => drop(seen.silent.insert(silent)),
            Some(Quiet::Perhaps) => seen.perhaps_silent = true,
            None => {}
        }
        let place = place(watch);
        seen.whole = seen.whole.and(tallied.of(&place, start));
        seen.recent = seen.recent.and(tallied.of(&place, lately(&watch.region)));
    }
    Ok(seen.into_iter().map(|(region, seen)| (region, Standing::of(&seen, rule))).collect())
}

fn place(watch: &Watch) -> Place {
    (watch.check.clone(), watch.region.clone())
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
struct Tallied(BTreeMap<Timestamp, BTreeMap<Place, Tally>>);

impl Tallied {
    /// Reads those from each of `starts` up to `until`; no run is looked at twice.
    async fn read(
        store: &dyn Ledger,
        starts: BTreeSet<Timestamp>,
        until: Timestamp,
    ) -> Result<Self, Error> {
        let (mut read, mut end) = (BTreeMap::new(), until);
        let mut sum: BTreeMap<Place, Tally> = BTreeMap::new();
        for start in starts.into_iter().rev() {
            if start < end {
                for (place, tally) in accountant::outcomes(store, (start, end)).await? {
                    let of_place = sum.entry(place).or_default();
                    *of_place = of_place.and(tally);
                }
            }
            read.insert(start, sum.clone());
            end = start;
        }
        Ok(Self(read))
    }

    fn of(&self, place: &Place, start: Timestamp) -> Tally {
        let tallies = self.0.get(&start);
        tallies.and_then(|it| it.get(place)).copied().unwrap_or_default()
    }
}

/// The latest gaps, and up to where checks were run all the same.
struct Missed {
    gaps: HashMap<Place, Gap>,
    states: BTreeMap<CheckId, CheckState>,
    now: Timestamp,
}

/// A check that was not run lately.
enum Quiet {
    /// Though an agent was there, slot after slot.
    Silent(Silent),
    /// Whether an agent was there all the time is not so clear.
    Perhaps,
}

impl Missed {
    /// Reads what is to be known of those of `watches` of which slots were missed.
    async fn read(
        store: &dyn Ledger,
        watches: &[&Watch],
        was_missed: impl Fn(&Watch) -> bool,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let places: BTreeSet<Place> =
            watches.iter().filter(|watch| was_missed(watch)).map(|watch| place(watch)).collect();
        let places: Vec<Place> = places.into_iter().collect();
        if places.is_empty() {
            return Ok(Self { gaps: HashMap::new(), states: BTreeMap::new(), now });
        }
        let gaps = store.latest_gaps(&places).await?;
        let checks: BTreeSet<&CheckId> = gaps.keys().map(|(check, _)| check).collect();
        let checks: Vec<CheckId> = checks.into_iter().cloned().collect();
        Ok(Self { states: store.states_of(&checks).await?, gaps, now })
    }

    /// Whether nobody runs the check of `watch`. Slots up to `heard` are not counted, nor are those
    /// before one that was run: a gap says which slots had no run when it was recorded, and runs that
    /// were reported later took theirs back.
    fn quiet(&self, watch: &Watch, (heard, until): (Timestamp, Timestamp)) -> Option<Quiet> {
        let gap = self.gaps.get(&(watch.check.clone(), watch.region.clone()))?;
        if !is_last(watch, gap, until) {
            return None;
        }
        let ran = self.ran(watch).unwrap_or(Timestamp::MIN_UTC);
        let since_first = |after: Timestamp| {
            let mut slots = watch.slots(after.max(heard).max(ran), gap.last.min(until));
            let since = slots.next()?;
            (slots.take(SILENT_AFTER - 1).count() + 1 == SILENT_AFTER).then_some(since)
        };
        let of_gap = since_first(gap.first - TimeDelta::milliseconds(1));
        match of_gap.filter(|_| gap.reason == GapReason::Stalled) {
            Some(since) => Some(Quiet::Silent(Silent { since, check: watch.check.clone() })),
            // As far back as it was run: the reasons of the gaps since then are not all known here.
            None => self.ran(watch).and_then(since_first).map(|_| Quiet::Perhaps),
        }
    }

    /// The latest slot of a check in a region that was run.
    fn ran(&self, watch: &Watch) -> Option<Timestamp> {
        let streak = self.states.get(&watch.check)?.streaks.get(&watch.region)?;
        // One that lies ahead was run by a clock that was set back since.
        streak.last_slot.filter(|last| *last <= self.now)
    }
}

/// Whether no slot of `watch` came due after `gap` and up to `until`.
fn is_last(watch: &Watch, gap: &Gap, until: Timestamp) -> bool {
    watch.slots(gap.last, until).next().is_none()
}
