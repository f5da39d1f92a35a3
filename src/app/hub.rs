//! The hub in this process: takes reports, makes them safe, and lets everyone know who should.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;

use super::lanes::Wakes;
use super::metering::Meter;
use super::witness::Witness;
use super::works::Works;
use crate::agent;
use crate::clock::Clock;
use crate::domain::incident::{Change, DecisionKind, Transition};
use crate::domain::policy::Channel;
use crate::domain::run::Report;
use crate::engine::acts::Acts;
use crate::engine::holding::Holding;
use crate::engine::ingest::{self, Ingest};
use crate::engine::judge::ProjectJudge;
use crate::engine::stamps::Stamps;
use crate::engine::{acts, review, tending};
use crate::http::agents::{Inlet, Unavailable};
use crate::statsd::Sink;
use crate::store::care::Care;
use crate::store::gathering::Answered;
use crate::store::{Ledger, Novelty, Recorded};

/// The way from the agent into the hub.
#[derive(Debug)]
pub(super) struct LocalHub {
    /// Tells which results are late.
    pub(super) clock: Arc<dyn Clock>,
    /// The way into the store.
    pub(super) ingest: Ingest,
    /// The results that are not in the store yet.
    pub(super) holding: Arc<Holding>,
    /// Where measurements go, if anywhere.
    pub(super) statsd: Arc<ArcSwapOption<Sink>>,
}

#[async_trait]
impl agent::Hub for LocalHub {
    async fn deliver(&self, mut report: Report) {
        if let Some(statsd) = self.statsd.load().as_deref() {
            statsd.record(&report);
        }
        let slot = report.slot.clone();
        let Some(held) = self.holding.hold(&mut report) else { return };
        let queued = tokio::select! {
            biased;
            queued = self.ingest.queue(report) => queued,
            () = held.gives_way() => return held.drop_it(),
        };
        held.leave();
        let stored = match queued {
            Ok(receipt) => receipt.stored().await,
            Err(stopped) => Err(stopped),
        };
        if stored.is_err() {
            tracing::error!(
                check = %slot.check,
                region = %slot.region,
                slot = %slot.at,
                "a result was not stored: the store did not answer before the stop"
            );
        }
    }
}

/// Results that are older are not measured: statsd takes every value for one of the moment.
const LATE: Duration = Duration::from_mins(1);

#[async_trait]
impl Inlet for LocalHub {
    async fn take(&self, reports: Vec<Report>) -> Result<(), Unavailable> {
        let trouble = self.ingest.trouble().borrow().clone();
        if trouble.is_some() {
            let detail = "the store does not take results now; keep them and try again";
            return Err(Unavailable(detail.to_owned()));
        }
        let measured = self.statsd.load_full().map(|statsd| (statsd, reports.clone()));
        let recorded = self.ingest.submit_all(reports).await;
        let recorded = recorded.map_err(|error| Unavailable(error.to_string()))?;
        let Some((statsd, reports)) = measured else { return Ok(()) };
        let since = self.clock.now() - LATE;
        for (report, recorded) in reports.iter().zip(recorded) {
            if recorded.novelty == Novelty::New && report.finished_at() >= since {
                statsd.record(report);
            }
        }
        Ok(())
    }
}

/// Tells the witness, the delivery lanes, statsd and the meter what was committed.
pub(super) struct Aftermath {
    /// Who looks on.
    pub(super) witness: Arc<dyn Witness>,
    /// Wakes the lanes; a lane that is not woken looks by itself a little later.
    pub(super) wakes: Wakes,
    /// Where measurements are sent, if anywhere.
    pub(super) statsd: Arc<ArcSwapOption<Sink>>,
    /// Who measures runs; none where there are none.
    pub(super) meter: Option<Arc<Meter>>,
    /// Measures how long messages take.
    pub(super) stamps: Arc<Stamps>,
}

/// Takes what people do, on whichever way it comes.
pub(super) fn acts(
    works: &Works,
    (store, judge): (&Arc<dyn Ledger>, &Arc<ProjectJudge>),
    (clock, witness): (&Arc<dyn Clock>, &Arc<dyn Witness>),
) -> Arc<Acts> {
    Arc::new(Acts {
        store: Arc::clone(store) as Arc<dyn Care>,
        judge: Arc::clone(judge),
        clock: Arc::clone(clock),
        observer: Arc::new(Aftermath::of(works, witness)),
    })
}

impl Aftermath {
    /// Tells those of `works` of what follows from no run.
    pub(super) fn of(works: &Works, witness: &Arc<dyn Witness>) -> Self {
        let (witness, wakes) = (Arc::clone(witness), works.lanes.wakes());
        let stamps = Arc::clone(&works.stamps);
        Self { witness, wakes, statsd: works.statsd(), meter: None, stamps }
    }

    /// Counts the incidents that began, by the kind of their subjects.
    fn count_opened<'a>(&self, all: impl Iterator<Item = (&'static str, &'a Transition)>) {
        let Some(statsd) = self.statsd.load_full() else { return };
        for (about, transition) in all {
            if transition.decisions.iter().any(|it| it.kind == DecisionKind::Opened) {
                statsd.tell_opened(about);
            }
        }
    }
}

impl ingest::Observer for Aftermath {
    fn on_recorded(&self, recorded: &[Recorded], reports: &[Report], handed: &[Channel]) {
        self.wakes.of(recorded.iter().flat_map(|it| &it.transition.owed), handed);
        for (recorded, report) in recorded.iter().zip(reports) {
            self.witness.recorded(recorded, report);
        }
        // A result by itself says something about its check alone.
        self.count_opened(recorded.iter().map(|it| ("check", &it.transition)));
        if let Some(meter) = &self.meter {
            meter.measure(recorded, reports);
        }
    }
}

impl tending::Observer for Aftermath {
    fn on_tended(&self, changes: &[Change]) {
        review::Observer::on_reviewed(self, changes);
    }
}

impl acts::Observer for Aftermath {
    fn on_acted(&self, change: &Change) {
        review::Observer::on_reviewed(self, std::slice::from_ref(change));
    }

    fn on_answered(&self, answered: &[Answered]) {
        for it in answered {
            self.stamps.answered(it);
        }
    }

    fn on_silenced(&self) {
        self.wakes.all();
    }
}

impl review::Observer for Aftermath {
    fn on_reviewed(&self, changes: &[Change]) {
        self.wakes.of(changes.iter().flat_map(|change| &change.transition.owed), &[]);
        for change in changes {
            self.witness.reviewed(change);
        }
        self.count_opened(changes.iter().map(|it| (it.subject.kind(), &it.transition)));
    }
}
