//! What is done with metrics from time to time: hours that are over are closed, what need not be kept
//! is forgotten, and what is known of all checks together is measured.
//!
//! Hubs that share a store take turns. That only saves work: each step is safe by itself.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::timeout;

use crate::clock::{Clock, Halt};
use crate::domain::Timestamp;
use crate::domain::coverage::{HOUR, Tally};
use crate::engine::turns::Turns;
use crate::engine::{accountant, measuring};
use crate::statsd::{Share, Sink};
use crate::store::accounts::Place;
use crate::store::{Error, IncidentFilter, Ledger, RENEWAL};

/// The name of the lease.
const PART: &str = "metrics";
/// How often it comes round, and measures.
const PERIOD: Duration = Duration::from_mins(1);
/// Between two steps, others write.
const BREATH: Duration = Duration::from_millis(20);
/// How many chunks are forgotten at a time.
const AT_ONCE: u32 = 5_000;
/// Of so many checks and regions is sent at once how their slots came out: as much as a socket's
/// usual buffer holds easily.
const SENT_AT_ONCE: usize = 200;
/// Points of so many places are stored at a time: of all together, they would take much memory.
const PLACES_AT_ONCE: usize = 1_000;
/// The most open incidents that are counted.
const INCIDENTS: u32 = 10_000;

/// Keeps metrics in order.
pub(super) struct Upkeep {
    store: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    /// Where measurements are sent, if anywhere.
    statsd: Arc<ArcSwapOption<Sink>>,
    turns: Turns,
}

impl Upkeep {
    pub(super) fn new(
        (store, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
        statsd: Arc<ArcSwapOption<Sink>>,
    ) -> Self {
        let turns = Turns::new((store, clock), PART);
        Self { store: Arc::clone(store), clock: Arc::clone(clock), statsd, turns }
    }

    /// Comes round until `halt` is asked for, then leaves it to others.
    pub(super) async fn run(mut self, halt: Halt) {
        let mut troubled = false;
        loop {
            match self.turn(&halt).await {
                Ok(()) => troubled = false,
                Err(error) if !troubled => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "metrics were not kept in order; that is made up for");
                    troubled = true;
                }
                Err(_) => {}
            }
            if timeout(RENEWAL, halt.asked()).await.is_ok() {
                break;
            }
        }
        self.turns.leave().await;
    }

    /// Does what is due, if it is this hub's turn and time.
    async fn turn(&mut self, halt: &Halt) -> Result<(), Error> {
        if !self.turns.is_due(PERIOD).await? {
            return Ok(());
        }
        // Closing and forgetting do not depend on it.
        let measured = self.measure(self.clock.now(), halt).await;
        // What fails is done again in its time, and not before: there would be two points in a minute.
        self.turns.done();
        self.steps(halt).await?;
        measured
    }

    /// Closes and forgets until there is nothing to do.
    async fn steps(&mut self, halt: &Halt) -> Result<(), Error> {
        while self.turns.go_on().await? {
            let now = self.clock.now();
            let is_done = !self.store.compact(now).await?
                && self.store.forget_points(now, AT_ONCE).await? == 0;
            if is_done || timeout(BREATH, halt.asked()).await.is_ok() {
                break;
            }
        }
        Ok(())
    }

    /// Stores what is known of all checks together, and sends it to statsd.
    async fn measure(&self, now: Timestamp, halt: &Halt) -> Result<(), Error> {
        // What is not accounted for yet would look as if nobody had watched.
        let until = self.store.accounted_until().await?.unwrap_or(now);
        let tallies = accountant::tallies(&*self.store, None, (until - HOUR, until)).await?;
        let filter =
            IncidentFilter { open_only: true, limit: INCIDENTS, ..IncidentFilter::default() };
        let open = self.store.incidents(&filter).await?;
        let census = self.store.census().await?;
        let all = measuring::of_all(&open, census, now);
        let mut stored = self.store.append(&all, now).await.map(|_| ());
        let places: Vec<(&Place, &Tally)> = tallies.iter().collect();
        for some in places.chunks(PLACES_AT_ONCE) {
            let series = measuring::of_places(some.iter().copied(), now);
            stored = stored.and(self.store.append(&series, now).await.map(|_| ()));
        }
        if let Some(statsd) = self.statsd.load_full() {
            statsd.tell_open(&measuring::by_kind(&open));
            let share = |((check, region), tally): &(&Place, &Tally)| Share {
                check: check.clone(),
                region: region.clone(),
                uptime: tally.uptime(),
                coverage: tally.coverage(),
            };
            for part in places.chunks(SENT_AT_ONCE) {
                let shares: Vec<Share> = part.iter().map(share).collect();
                statsd.tell_shares(&shares);
                if timeout(BREATH, halt.asked()).await.is_ok() {
                    break;
                }
            }
        }
        stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;
    use crate::domain::subject::Subject;
    use crate::query::{Matcher, Selection};
    use crate::store::metrics::{Bounds, Found, Rules};
    use crate::store::sqlite::{Holder, SqliteStore};

    #[tokio::test]
    async fn hours_are_closed_and_forgotten_in_their_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:20:00Z".parse().expect("a time");
        let holder = Holder { command: "a test".into(), since: start };
        let store = SqliteStore::open(&folder.path().join("t.db"), &holder).await.expect("opened");
        let store: Arc<dyn Ledger> = Arc::new(store);
        let day = Duration::from_hours(24);
        store.keep_by(Rules { keep: day, keep_short: day, keep_long: day, ..Rules::default() });
        let time = Arc::new(Manual::new(start));
        let clock: Arc<dyn Clock> = time.clone();
        let halt = Halt::new();
        // Each time it is another hub, which does not know when it was last done.
        let turn = async || {
            let mut hub = Upkeep::new((&store, &clock), Arc::default());
            hub.turn(&halt).await.expect("done");
            hub
        };
        let found = async |from: Timestamp, until: Timestamp| {
            let name = Matcher::new("__name__", crate::query::Comparison::Equal, "tripline_series");
            let matchers = [name.expect("no pattern")].into();
            let (after, until) = (from.timestamp_millis(), until.timestamp_millis());
            let bounds = Bounds { series: 10, points: 10_000 };
            let selections = [Selection { matchers, after, until }];
            match store.select(&selections, bounds).await.expect("read") {
                Found::Series(all) => all[0].iter().map(|it| it.times().len()).sum::<usize>(),
                Found::TooMuch(why) => panic!("{why}"),
            }
        };
        for _ in 0..100 {
            time.advance(Duration::from_mins(1));
            turn().await.turns.leave().await;
        }
        assert_eq!(found(start, clock.now()).await, 200, "kept and active, each minute");
        let inspected = store.inspect().await.expect("looked at");
        assert!(inspected.chunks > 0 && inspected.told.is_empty(), "{inspected:?}");
        // Another hub does nothing meanwhile.
        let held = turn().await;
        let points = found(start, clock.now()).await;
        Upkeep::new((&store, &clock), Arc::default()).turn(&halt).await.expect("done");
        assert_eq!(found(start, clock.now()).await, points);
        drop(held);
        time.advance(day * 10);
        turn().await.turns.leave().await;
        turn().await.turns.leave().await;
        assert_eq!(found(start, start + day).await, 0);
        let kinds = u64::try_from(Subject::KINDS.len()).expect("few");
        assert_eq!(store.census().await.expect("counted").active, kinds + 3, "no check, no region");
    }
}
