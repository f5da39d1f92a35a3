//! Results in, with a store that can be told to fail and a time that jumps.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::task::Poll;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::clock::Manual;
use crate::domain::check::Check;
use crate::domain::id::{IncidentId, RunId};
use crate::domain::incident::Change;
use crate::domain::policy::{Channel, Policy, Roster};
use crate::domain::run::{Failure, FailureKind, Trace};
use crate::domain::slot::Slot;
use crate::engine::judge::Rulebook;
use crate::store::{
    Backlog, DecisionRecord, Horizons, IncidentFilter, IncidentHistory, IncidentRecord, Judge,
    Lease, Novelty, RunFilter, RunSummary,
};

/// A store that keeps states in memory and remembers each batch; it fails while told to.
#[derive(Debug, Default)]
struct Ledger {
    states: Mutex<BTreeMap<CheckId, CheckState>>,
    batches: Mutex<Vec<(Instant, Vec<String>)>>,
    failing: Mutex<bool>,
}

fn refused() -> store::Error {
    let source = sqlx::Error::Io(std::io::Error::other("no space left on device"));
    store::Error::Database { what: "write the runs", source }
}

#[async_trait]
impl Store for Ledger {
    async fn record(
        &self,
        reports: &[Report],
        judge: &dyn Judge,
        now: Timestamp,
    ) -> Result<Vec<Recorded>, store::Error> {
        tokio::task::yield_now().await;
        if *self.failing.lock().expect("not poisoned") {
            return Err(refused());
        }
        let names = reports.iter().map(name_of).collect();
        self.batches.lock().expect("not poisoned").push((Instant::now(), names));
        let mut states = self.states.lock().expect("not poisoned");
        let one = |report: &Report| {
            let state = states.entry(report.slot.check.clone()).or_default();
            let transition = judge.judge(state, report, &[], now);
            if let Some(streak) = &transition.streak {
                state.streaks.insert(report.slot.region.clone(), streak.clone());
            }
            if let Some(incident) = &transition.incident {
                let is_open = incident.resolved_at.is_none();
                state.incident = is_open.then(|| Box::new(incident.clone()));
            }
            let run = report.slot.run_id();
            Recorded { run, novelty: Novelty::New, incident: None, transition }
        };
        Ok(reports.iter().map(one).collect())
    }

    async fn check_states(&self) -> Result<BTreeMap<CheckId, CheckState>, store::Error> {
        if *self.failing.lock().expect("not poisoned") {
            return Err(refused());
        }
        Ok(self.states.lock().expect("not poisoned").clone())
    }

    async fn review(
        &self,
        _: &dyn Judge,
        _: &Lease,
        _: Timestamp,
    ) -> Result<Vec<Change>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn close_absent(
        &self,
        _: &dyn Judge,
        _: &str,
        _: Timestamp,
    ) -> Result<Option<Vec<IncidentId>>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn claim_due(
        &self,
        _: Channel,
        _: Timestamp,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<store::Claim>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn next_due(&self, _: Channel) -> Result<Option<Timestamp>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn note_departure(&self, _: &store::Claim) -> Result<store::Standing, store::Error> {
        unreachable!("ingest only records")
    }

    async fn hand_on(
        &self,
        _: &store::Claim,
        _: &crate::domain::rota::Call,
        _: Timestamp,
    ) -> Result<store::Standing, store::Error> {
        unreachable!("ingest only records")
    }

    async fn settle_all(
        &self,
        _: &[store::Ended<'_>],
    ) -> Result<Vec<store::Standing>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn lease(
        &self,
        _: &str,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Option<store::Epoch>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn runs(&self, _: &RunFilter) -> Result<Vec<RunSummary>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn run(&self, _: RunId) -> Result<Option<Report>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn incidents(&self, _: &IncidentFilter) -> Result<Vec<IncidentRecord>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn incident(&self, _: IncidentId) -> Result<Option<IncidentHistory>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn decisions(&self, _: &CheckId, _: u32) -> Result<Vec<DecisionRecord>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn backlog(&self, _: Timestamp) -> Result<Vec<Backlog>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn forget(&self, _: &Horizons, _: u32) -> Result<u64, store::Error> {
        unreachable!("ingest only records")
    }

    async fn close(&self) {}
}

/// Remembers how many results it was told of.
#[derive(Debug, Default)]
struct Audience(Mutex<usize>);

#[async_trait]
impl store::gathering::Gathering for Ledger {
    async fn background(
        &self,
        _: &store::gathering::Asked<'_>,
    ) -> Result<store::gathering::Background, store::Error> {
        unreachable!("ingest only records")
    }

    async fn gather(
        &self,
        _: &store::Claim,
        _: &[crate::domain::id::NotificationId],
    ) -> Result<Option<store::gathering::Gathered>, store::Error> {
        unreachable!("ingest only records")
    }

    async fn hold(
        &self,
        _: &store::Claim,
        _: &[crate::domain::id::NotificationId],
        _: Timestamp,
        _: &str,
    ) -> Result<store::Standing, store::Error> {
        unreachable!("ingest only records")
    }
}

impl Observer for Audience {
    fn on_recorded(&self, recorded: &[Recorded], reports: &[Report], _: &[Channel]) {
        assert_eq!(recorded.len(), reports.len());
        *self.0.lock().expect("not poisoned") += recorded.len();
    }
}

struct Scene {
    ledger: Arc<Ledger>,
    audience: Arc<Audience>,
    ingest: Ingest,
    halt: Halt,
    committer: JoinHandle<()>,
    start: Instant,
}

fn scene(pace: Pace) -> Scene {
    let checks = ["a", "b", "c"].map(Check::example);
    let rulebook = Rulebook::new(checks, [Policy::built_in(None)], Roster::default());
    let (ledger, audience) = (Arc::new(Ledger::default()), Arc::new(Audience::default()));
    let parts = Parts {
        store: Arc::clone(&ledger) as Arc<dyn Store>,
        judge: Arc::new(ProjectJudge::new(rulebook.expect("each has its policy"))),
        clock: Arc::new(Manual::new(at(0))),
        observer: Arc::clone(&audience) as Arc<dyn Observer>,
        hatches: Vec::new(),
    };
    let (ingest, committer) = Ingest::new(parts, pace);
    let halt = Halt::new();
    let committer = tokio::spawn(committer.run(halt.clone()));
    Scene { ledger, audience, ingest, halt, committer, start: Instant::now() }
}

impl Scene {
    /// `0 a1 b1`: milliseconds since the start, and what was committed then.
    fn batches(&self) -> Vec<String> {
        let batches = self.ledger.batches.lock().expect("not poisoned");
        let words = batches.iter().map(|(when, names)| {
            format!("{} {}", when.duration_since(self.start).as_millis(), names.join(" "))
        });
        words.collect()
    }

    fn submit(&self, report: Report) -> JoinHandle<Result<Recorded, Stopped>> {
        let ingest = self.ingest.clone();
        tokio::spawn(async move { ingest.submit(report).await })
    }

    fn fail(&self, failing: bool) {
        *self.ledger.failing.lock().expect("not poisoned") = failing;
    }
}

/// Lets the paused clock jump on once everyone waits; nobody really sleeps.
async fn pass(time: Duration) {
    sleep(time).await;
}

fn at(slot: u64) -> Timestamp {
    let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
    start + Duration::from_secs(30 * slot)
}

fn name_of(report: &Report) -> String {
    format!("{}{}", report.slot.check, (report.slot.at - at(0)).num_seconds() / 30)
}

fn passed(check: &str, slot: u64) -> Report {
    Report {
        slot: Slot {
            check: CheckId::new(check).expect("a good name"),
            region: Region::new("eu").expect("a good name"),
            at: at(slot),
        },
        started_at: at(slot),
        duration: Duration::from_millis(100),
        failure: None,
        trace: Trace::default(),
        clock_ahead: chrono::TimeDelta::zero(),
    }
}

fn failed(check: &str, slot: u64) -> Report {
    Report { failure: Some(Failure::new(FailureKind::Exception, "no")), ..passed(check, slot) }
}

#[tokio::test(start_paused = true)]
async fn calm_results_wait_for_company() {
    let scene = scene(Pace::default());
    let first = scene.submit(passed("a", 1));
    pass(Duration::from_millis(60)).await;
    let second = scene.submit(passed("b", 1));
    let recorded = first.await.expect("it ran").expect("committed");
    assert_eq!(recorded.run, passed("a", 1).slot.run_id());
    second.await.expect("it ran").expect("committed");
    assert_eq!(scene.batches(), ["100 a1 b1"]);
    assert_eq!(*scene.audience.0.lock().expect("not poisoned"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_may_decide_something_waits_for_nothing() {
    let scene = scene(Pace::default());
    let calm = scene.submit(passed("a", 1));
    pass(Duration::from_millis(10)).await;
    let before = scene.submit(passed("b", 1));
    tokio::task::yield_now().await;
    scene.ingest.submit(failed("b", 2)).await.expect("committed");
    before.await.expect("it ran").expect("committed with it: it came before");
    assert!(!calm.is_finished(), "it has nothing to do with it");
    // The next pass of b resolves its incident; the one after it has nothing to hurry for.
    scene.ingest.submit(passed("b", 3)).await.expect("committed");
    scene.ingest.submit(passed("b", 4)).await.expect("committed");
    calm.await.expect("it ran").expect("committed in its time");
    assert_eq!(scene.batches(), ["10 b1 b2", "10 b3", "100 a1 b4"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_calm_does_not_wait_for_longer_because_something_else_is_urgent() {
    let scene = scene(Pace::default());
    let calm = scene.submit(passed("a", 1));
    for slot in 1..=5 {
        pass(Duration::from_millis(30)).await;
        scene.ingest.submit(failed("b", slot)).await.expect("committed");
    }
    calm.await.expect("it ran").expect("committed");
    assert_eq!(scene.batches(), ["30 b1", "60 b2", "90 b3", "100 a1", "120 b4", "150 b5"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_does_not_wait() {
    let scene = scene(Pace { batch: 4, ..Pace::default() });
    let reports = (1..=9).map(|slot| passed("a", slot)).collect();
    let recorded = scene.ingest.submit_all(reports).await.expect("committed");
    let runs: Vec<RunId> = recorded.iter().map(|recorded| recorded.run).collect();
    let order: Vec<RunId> = (1..=9).map(|slot| passed("a", slot).slot.run_id()).collect();
    assert_eq!(runs, order);
    assert_eq!(scene.batches(), ["0 a1 a2 a3 a4", "0 a5 a6 a7 a8", "100 a9"]);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_fails_everything_is_kept_in_order() {
    let scene = scene(Pace::default());
    scene.fail(true);
    let first = scene.submit(failed("a", 1));
    let mut trouble = scene.ingest.trouble();
    trouble.changed().await.expect("it is told");
    let reason = trouble.borrow_and_update().clone().expect("there is trouble").reason;
    assert_eq!(
        reason,
        "the store failed to write the runs: error communicating with database: no space left on device"
    );
    let second = scene.submit(passed("a", 2));
    let third = scene.submit(failed("b", 1));
    pass(Duration::from_mins(1)).await;
    assert!(!first.is_finished() && !second.is_finished() && !third.is_finished());
    scene.fail(false);
    for waiting in [first, second, third] {
        waiting.await.expect("it ran").expect("committed in the end");
    }
    let batches = scene.batches();
    let names: Vec<&str> =
        batches.iter().filter_map(|line| Some(line.split_once(' ')?.1)).collect();
    assert_eq!(names, ["a1", "a2 b1"]);
    assert!(trouble.borrow().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_while_nothing_comes_is_found_out() {
    let scene = scene(Pace::default());
    let mut trouble = scene.ingest.trouble();
    pass(IDLE * 3).await;
    assert!(trouble.borrow().is_none());
    scene.fail(true);
    trouble.changed().await.expect("it is told");
    assert!(trouble.borrow_and_update().is_some());
    scene.fail(false);
    trouble.changed().await.expect("it is told");
    assert!(trouble.borrow().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_came_before_stopping_is_committed() {
    let scene = scene(Pace { batch: 2, ..Pace::default() });
    let waiting: Vec<_> = (1..=5).map(|slot| scene.submit(passed("a", slot))).collect();
    tokio::task::yield_now().await;
    scene.halt.ask();
    scene.committer.await.expect("it ended");
    for one in waiting {
        one.await.expect("it ran").expect("committed");
    }
    assert_eq!(scene.ingest.submit(passed("a", 9)).await, Err(Stopped));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_at_the_end_is_not_acknowledged() {
    let scene = scene(Pace::default());
    scene.fail(true);
    let first = scene.submit(failed("a", 1));
    let second = scene.submit(passed("b", 1));
    tokio::task::yield_now().await;
    scene.halt.ask();
    let stopping = Instant::now();
    scene.halt.within(Duration::from_secs(3));
    scene.committer.await.expect("it ended");
    assert_eq!(stopping.elapsed(), Duration::from_secs(3));
    assert_eq!(first.await.expect("it ran"), Err(Stopped));
    assert_eq!(second.await.expect("it ran"), Err(Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_those_who_submit_wait() {
    let scene = scene(Pace { queue: 2, batch: 1, ..Pace::default() });
    scene.fail(true);
    let waiting: Vec<_> = (1..=6).map(|slot| scene.submit(failed("a", slot))).collect();
    pass(Duration::from_secs(1)).await;
    let mut one_more = std::pin::pin!(scene.ingest.submit(passed("c", 1)));
    assert_eq!(futures::poll!(&mut one_more), Poll::Pending);
    scene.fail(false);
    one_more.await.expect("committed");
    for one in waiting {
        one.await.expect("it ran").expect("committed");
    }
}
