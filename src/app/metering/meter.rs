//! The points of runs, on their way from the commit of the runs into the store of metrics.
//!
//! They are gathered for a second and stored together. Must not: make the commit of a result wait, or
//! drop points without saying so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::clock::{Clock, Halt, haste};
use crate::domain::id::CheckId;
use crate::domain::run::Report;
use crate::engine::measuring;
use crate::engine::storing::Storing;
use crate::http::CheckSnapshot;
use crate::query::Series;
use crate::store::metrics::Metrics;
use crate::store::{Novelty, Recorded};

/// How many commits may wait.
const QUEUE: usize = 1_024;
/// The most points that wait while the store fails.
const MOST: usize = 200_000;
/// How long points are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// After how many times it is stored how many points were lost.
const COUNT: u32 = 60;
/// How long the last points may take when all ends.
const LAST: Duration = Duration::from_secs(1);

/// Where runs are measured.
#[derive(Debug)]
pub(in crate::app) struct Meter {
    checks: CheckSnapshot,
    queue: mpsc::Sender<Vec<Series>>,
    dropped: Arc<AtomicU64>,
}

impl Meter {
    /// A meter, and the points that come out of it.
    pub(in crate::app) fn new(checks: &CheckSnapshot) -> (Arc<Self>, Points) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let points = Points { waiting, dropped: Arc::clone(&dropped), refused: 0 };
        (Arc::new(Self { checks: Arc::clone(checks), queue, dropped }), points)
    }

    /// Measures those of the runs that are new. Takes microseconds and never waits.
    pub(in crate::app) fn measure(&self, recorded: &[Recorded], reports: &[Report]) {
        let checks = self.checks.load();
        // They are in the order of their ids.
        let find = |id: &CheckId| {
            checks.binary_search_by(|check| check.id.cmp(id)).ok().map(|at| &*checks[at])
        };
        let new = recorded.iter().zip(reports).filter(|(it, _)| it.novelty == Novelty::New);
        let points: Vec<Series> = new
            .flat_map(|(_, report)| measuring::of_run(report, find(&report.slot.check)))
            .collect();
        let count = u64::try_from(points.len()).unwrap_or(u64::MAX);
        if count > 0 && self.queue.try_send(points).is_err() {
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// The points that come out of a meter.
#[derive(Debug)]
pub(in crate::app) struct Points {
    waiting: mpsc::Receiver<Vec<Series>>,
    /// Those that found no room.
    dropped: Arc<AtomicU64>,
    /// Those that the store will never take.
    refused: u64,
}

impl Points {
    /// Stores them until `halt` is asked for, and then those that are left.
    pub(in crate::app) async fn run(
        mut self,
        store: Arc<dyn Metrics>,
        (clock, hub): (Arc<dyn Clock>, String),
        halt: Halt,
    ) {
        let (mut gathered, mut told) = (Vec::new(), 0);
        let mut storing = Storing::new(store, Arc::clone(&clock), "runs");
        let mut turns = (0..COUNT).cycle();
        while timeout(haste::pause(GATHER), halt.asked()).await.is_err() {
            self.gather(&mut gathered, &mut told);
            if turns.next() == Some(0) {
                let lost = [("dropped", told), ("refused", self.refused)];
                gathered.extend(measuring::of_lost(lost, &hub, clock.now()));
            }
            self.store(&mut storing, &mut gathered).await;
        }
        // Results are stored until the end, and measured; that is over when the meter is gone.
        let rest = async {
            while let Some(some) = self.waiting.recv().await {
                gathered.extend(some);
            }
        };
        let is_whole = timeout(LAST, rest).await.is_ok();
        let stored = timeout(LAST, self.store(&mut storing, &mut gathered)).await;
        if !is_whole || stored.is_err() || !gathered.is_empty() {
            tracing::warn!("not all of the last points of runs were stored before the stop");
        }
    }

    /// Stores what is gathered; what cannot be stored now is kept for the next time.
    async fn store(&mut self, storing: &mut Storing, gathered: &mut Vec<Series>) {
        if gathered.is_empty() {
            return;
        }
        let outcome = storing.attempt(gathered).await;
        gathered.drain(..gathered.len() - outcome.left);
        self.refused += outcome.refused;
    }

    fn gather(&mut self, gathered: &mut Vec<Series>, told: &mut u64) {
        while let Ok(some) = self.waiting.try_recv() {
            if gathered.len() + some.len() > MOST {
                let count = u64::try_from(some.len()).unwrap_or(u64::MAX);
                self.dropped.fetch_add(count, Ordering::Relaxed);
            } else {
                gathered.extend(some);
            }
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > *told {
            let points = dropped - *told;
            tracing::warn!(
                points,
                "points of runs were dropped: they come faster than they can be stored"
            );
            *told = dropped;
        }
    }
}
