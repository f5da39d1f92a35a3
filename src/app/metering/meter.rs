//! The points of runs, on their way from the commit of the runs into the store of metrics.
//!
//! They are gathered for a second and stored together. Must not: make the commit of a result wait, or
//! drop points without saying so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::clock::{Clock, Halt};
use crate::domain::id::CheckId;
use crate::domain::run::Report;
use crate::engine::measuring;
use crate::http::CheckSnapshot;
use crate::query::Series;
use crate::store::metrics::{Metrics, Stored};
use crate::store::{Novelty, Recorded};

/// How many commits may wait.
const QUEUE: usize = 1_024;
/// The most points that wait while the store fails.
const MOST: usize = 200_000;
/// How long points are gathered.
const GATHER: Duration = Duration::from_secs(1);
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
        let points = Points { waiting, dropped: Arc::clone(&dropped) };
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
    dropped: Arc<AtomicU64>,
}

/// What was told of before, so that it is told when it changes.
#[derive(Debug, Default)]
struct Told {
    trouble: bool,
    over_limit: bool,
    dropped: u64,
}

impl Points {
    /// Stores them until `halt` is asked for, and then those that are left.
    pub(in crate::app) async fn run(
        mut self,
        store: Arc<dyn Metrics>,
        clock: Arc<dyn Clock>,
        halt: Halt,
    ) {
        let (mut gathered, mut told) = (Vec::new(), Told::default());
        while timeout(GATHER, halt.asked()).await.is_err() {
            self.gather(&mut gathered, &mut told);
            store_some(&*store, &*clock, &mut gathered, &mut told).await;
        }
        // Results are stored until the end, and measured; that is over when the meter is gone.
        let rest = async {
            while let Some(some) = self.waiting.recv().await {
                gathered.extend(some);
            }
        };
        let is_whole = timeout(LAST, rest).await.is_ok();
        let stored = timeout(LAST, store_some(&*store, &*clock, &mut gathered, &mut told)).await;
        if !is_whole || stored.is_err() || !gathered.is_empty() {
            tracing::warn!("not all of the last points of runs were stored before the stop");
        }
    }

    fn gather(&mut self, gathered: &mut Vec<Series>, told: &mut Told) {
        while let Ok(some) = self.waiting.try_recv() {
            if gathered.len() + some.len() > MOST {
                let count = u64::try_from(some.len()).unwrap_or(u64::MAX);
                self.dropped.fetch_add(count, Ordering::Relaxed);
            } else {
                gathered.extend(some);
            }
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > told.dropped {
            let points = dropped - told.dropped;
            tracing::warn!(
                points,
                "points of runs were dropped: they come faster than they can be stored"
            );
            told.dropped = dropped;
        }
    }
}

/// Stores what is gathered, or keeps it for the next time.
async fn store_some(
    store: &dyn Metrics,
    clock: &dyn Clock,
    gathered: &mut Vec<Series>,
    told: &mut Told,
) {
    if gathered.is_empty() {
        return;
    }
    match store.append(gathered, clock.now()).await {
        Ok(stored) => {
            if told.trouble {
                tracing::info!("points of runs can be stored again");
            }
            told.trouble = false;
            tell_of_limit(stored, told);
            gathered.clear();
        }
        Err(error) if !told.trouble => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "points of runs cannot be stored; they are kept and tried again");
            told.trouble = true;
        }
        Err(_) => {}
    }
}

fn tell_of_limit(stored: Stored, told: &mut Told) {
    let is_over = stored.over_limit > 0;
    if is_over && !told.over_limit {
        tracing::warn!(
            points = stored.over_limit,
            "points of new series are refused: there are as many series as [metrics] max_series says"
        );
    }
    if !is_over && told.over_limit && stored.new > 0 {
        tracing::info!("points of all series of runs are stored again");
    }
    told.over_limit = is_over;
}
