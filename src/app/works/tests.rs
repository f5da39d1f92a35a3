//! The stop, with a store and a channel that can be told to hang, in a time that jumps.

mod carefree;
mod followed;
mod unasked;
mod undrilled;
mod ungathered;
mod unillustrated;
mod unmeasured;
mod unsigned;

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;
use crate::agent::{Assignments, Secrets, Stage};
use crate::app::housekeeping::Housekeeping;
use crate::clock::Manual;
use crate::config::settings::Retention;
use crate::config::{Diagnostic, Project};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::coverage::{Gap, Presence, Tally, Watch};
use crate::domain::edition::Rank;
use crate::domain::id::{CheckId, IncidentId, NotificationId, Region, RunId};
use crate::domain::incident::{Change, CheckState, Transition};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::{Attempt, Notification, Settlement};
use crate::domain::policy::{Channel, Policy, Recipient, Roster};
use crate::domain::run::Report;
use crate::domain::slot::Slot;
use crate::domain::subject::Subject;
use crate::engine::judge::Rulebook;
use crate::notify::printed::PrintedMessage;
use crate::notify::{Outbound, Transport};
use crate::sandbox::protocol::Job;
use crate::sandbox::{Host, Ran};
use crate::store::accounts::{self, Accounts, Expectation, Known, Place, Process};
use crate::store::agents::{self, AgentRecord, Agents, Claimed, TokenRecord};
use crate::store::{
    self, Backlog, Claim, DecisionRecord, Epoch, Horizons, IncidentFilter, IncidentHistory,
    IncidentRecord, Judge, Lease, Ledger, Novelty, Recorded, RunFilter, RunSummary, Standing,
};

const BUDGET: Duration = Duration::from_secs(10);

/// A store that owes some messages and remembers what it is told, until it hangs.
#[derive(Debug, Default)]
struct Shelf {
    owed: Mutex<Vec<Notification>>,
    recorded: Mutex<Vec<Report>>,
    settled: Mutex<Vec<NotificationId>>,
    hangs: AtomicBool,
    closed: AtomicBool,
}

impl Shelf {
    async fn answer(&self) {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Store for Shelf {
    async fn record(
        &self,
        reports: &[Report],
        _: &dyn Judge,
        _: Timestamp,
    ) -> Result<Vec<Recorded>, store::Error> {
        self.answer().await;
        self.recorded.lock().expect("not poisoned").extend_from_slice(reports);
        let one = |report: &Report| Recorded {
            run: report.slot.run_id(),
            novelty: Novelty::New,
            incident: None,
            transition: Transition::default(),
        };
        Ok(reports.iter().map(one).collect())
    }

    async fn claim_due(
        &self,
        channel: Channel,
        _: Timestamp,
        until: Timestamp,
        _: u32,
    ) -> Result<Vec<Claim>, store::Error> {
        self.answer().await;
        let mut owed = self.owed.lock().expect("not poisoned");
        let due = owed.extract_if(.., |it| it.recipient.channel() == channel);
        let claim = |notification| Claim {
            notification,
            epoch: Epoch(1),
            until,
            failed_at: None,
            gathered: None,
        };
        Ok(due.map(claim).collect())
    }

    async fn next_due(&self, _: Channel) -> Result<Option<Timestamp>, store::Error> {
        self.answer().await;
        Ok(None)
    }

    async fn note_departure(&self, _: &Claim) -> Result<Standing, store::Error> {
        self.answer().await;
        Ok(Standing::Held)
    }

    async fn hand_on(
        &self,
        _: &Claim,
        _: &crate::domain::rota::Call,
        _: Timestamp,
    ) -> Result<Standing, store::Error> {
        self.answer().await;
        Ok(Standing::Held)
    }

    async fn settle_all(&self, ended: &[store::Ended<'_>]) -> Result<Vec<Standing>, store::Error> {
        self.answer().await;
        let ids = ended.iter().map(|it| it.claim.notification.id);
        self.settled.lock().expect("not poisoned").extend(ids);
        Ok(vec![Standing::Held; ended.len()])
    }

    async fn lease(
        &self,
        _: &str,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Option<Epoch>, store::Error> {
        self.answer().await;
        Ok(Some(Epoch(1)))
    }

    async fn check_states(&self) -> Result<BTreeMap<CheckId, CheckState>, store::Error> {
        self.answer().await;
        Ok(BTreeMap::new())
    }

    async fn forget(&self, _: &Horizons, _: u32) -> Result<u64, store::Error> {
        self.answer().await;
        Ok(0)
    }

    async fn close(&self) {
        self.answer().await;
        self.closed.store(true, Ordering::SeqCst);
    }

    async fn close_absent(
        &self,
        _: &dyn Judge,
        _: &str,
        _: Timestamp,
    ) -> Result<Option<Vec<IncidentId>>, store::Error> {
        unreachable!("the works do not ask for it")
    }

    async fn review(
        &self,
        _: &dyn Judge,
        _: &Lease,
        _: Timestamp,
    ) -> Result<Vec<Change>, store::Error> {
        unreachable!("the works do not ask for it")
    }

    async fn runs(&self, _: &RunFilter) -> Result<Vec<RunSummary>, store::Error> {
        unreachable!("the works do not ask for it")
    }

    async fn run(&self, _: RunId) -> Result<Option<Report>, store::Error> {
        unreachable!("the works do not ask for it")
    }

    async fn incidents(&self, _: &IncidentFilter) -> Result<Vec<IncidentRecord>, store::Error> {
        unreachable!("the works do not ask for it")
    }

    async fn incident(&self, _: IncidentId) -> Result<Option<IncidentHistory>, store::Error> {
        self.answer().await;
        Ok(None)
    }

    async fn decisions(&self, _: &CheckId, _: u32) -> Result<Vec<DecisionRecord>, store::Error> {
        unreachable!("the works do not ask for it")
    }

    async fn backlog(&self, _: Timestamp) -> Result<Vec<Backlog>, store::Error> {
        unreachable!("the works do not ask for it")
    }
}

/// A channel that takes messages and answers after `answers_after`, if at all.
#[derive(Debug)]
struct Slow {
    begun: Notify,
    sends: AtomicUsize,
    answers_after: Option<Duration>,
}

#[async_trait]
impl Transport for Slow {
    async fn send(&self, _: Outbound<'_>) -> Attempt {
        self.sends.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_one();
        match self.answers_after {
            Some(wait) => tokio::time::sleep(wait).await,
            None => std::future::pending().await,
        }
        Attempt::Accepted { receipt: "taken".into() }
    }
}

/// Scripts that never end.
#[derive(Default)]
struct Endless(Arc<Notify>);

#[async_trait]
impl Scripts for Endless {
    async fn prepare(&self) -> Result<Box<dyn Stage>, String> {
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Stage for Endless {
    async fn run(self: Box<Self>, _: Job, _: &dyn Host) -> Ran {
        self.0.notify_one();
        std::future::pending().await
    }
}

struct Nobody;

impl Witness for Nobody {
    fn recorded(&self, _: &Recorded, _: &Report) {}
    fn reviewed(&self, _: &Change) {}
    fn attempted(&self, _: &Notification, _: &Attempt, _: &Settlement) {}
    fn printed(&self, _: &PrintedMessage) {}
    fn reloaded(&self, _: &Project) {}
    fn refused(&self, _: &[Diagnostic]) {}
}

fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

fn login() -> CheckId {
    CheckId::new("login").expect("a good name")
}

fn region() -> Region {
    Region::new("eu").expect("a good name")
}

fn owed() -> Notification {
    Notification {
        id: NotificationId(7),
        incident: IncidentId(1),
        recipient: Recipient::Slack("#p2".into()),
        notice: Notice {
            check_name: "Sign in".into(),
            error: "expected 200".into(),
            failures_in_a_row: 1,
            ..Notice::new(NoticeKind::Failing { tier: 1 }, Subject::Check(login()), region(), now())
        },
        first_word: true,
        owed_at: now(),
        failures: 0,
        possible_repeat: false,
    }
}

/// It keeps no accounts.
#[async_trait]
impl Accounts for Shelf {
    async fn expect(&self, _: &Expectation, _: Timestamp) -> Result<Rank, store::Error> {
        Err(store::Error::Closed)
    }

    async fn hold_edition(&self, _: &str, _: Timestamp) -> Result<Rank, store::Error> {
        Err(store::Error::Closed)
    }

    async fn may_lead(&self, _: &str, _: Timestamp) -> Result<bool, store::Error> {
        Err(store::Error::Closed)
    }

    async fn known(&self) -> Result<Known, store::Error> {
        Err(store::Error::Closed)
    }

    async fn watches(
        &self,
        _: Option<&[CheckId]>,
        _: (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn seen(&self, _: &Process, _: Timestamp) -> Result<(), store::Error> {
        Err(store::Error::Closed)
    }

    async fn presence(
        &self,
        _: (Timestamp, Timestamp),
    ) -> Result<HashMap<Option<Region>, Presence>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn accounted_until(&self) -> Result<Option<Timestamp>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn ran(&self, _: (Timestamp, Timestamp)) -> Result<accounts::Ran, store::Error> {
        Err(store::Error::Closed)
    }

    async fn latest_gaps(&self, _: &[Place]) -> Result<HashMap<Place, Gap>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn account(&self, _: &[Gap], _: Known, _: Timestamp) -> Result<Standing, store::Error> {
        Err(store::Error::Closed)
    }

    async fn gaps(
        &self,
        _: Option<&CheckId>,
        _: (Timestamp, Timestamp),
        _: u32,
    ) -> Result<Vec<Gap>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn tallies(
        &self,
        _: Option<&[CheckId]>,
        _: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn first_ran(&self) -> Result<Option<Timestamp>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn forgotten_until(&self) -> Result<Option<Timestamp>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn tallied(&self) -> Result<Option<(Timestamp, Timestamp)>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn tally(
        &self,
        _: (Timestamp, Timestamp),
        _: &BTreeMap<Place, u64>,
    ) -> Result<Standing, store::Error> {
        Err(store::Error::Closed)
    }

    async fn tallied_hours(
        &self,
        _: Option<&[CheckId]>,
        _: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn forget_accounts(&self, _: Timestamp) -> Result<(), store::Error> {
        Err(store::Error::Closed)
    }
}

/// It knows no agents.
#[async_trait]
impl store::rules::Rules for Shelf {
    async fn rule_records(&self) -> Result<store::rules::RuleRecords, store::Error> {
        Err(store::Error::Closed)
    }

    async fn pass(
        &self,
        _: Option<Timestamp>,
        _: Timestamp,
        _: &dyn store::rules::RuleJudge,
        _: Timestamp,
    ) -> Result<Option<Vec<Change>>, store::Error> {
        Err(store::Error::Closed)
    }
}

#[async_trait]
impl Agents for Shelf {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn claim_name(&self, _: &agents::Claim) -> Result<Claimed, store::Error> {
        Err(store::Error::Closed)
    }

    async fn release_name(
        &self,
        _: &Region,
        _: &str,
        _: uuid::Uuid,
        _: Timestamp,
    ) -> Result<bool, store::Error> {
        Err(store::Error::Closed)
    }

    async fn agent(&self, _: &Region, _: &str) -> Result<Option<AgentRecord>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn agents(&self) -> Result<Vec<AgentRecord>, store::Error> {
        Err(store::Error::Closed)
    }

    async fn forget_agents(&self, _: Timestamp) -> Result<u64, store::Error> {
        Err(store::Error::Closed)
    }
}

struct World {
    works: Works,
    shelf: Arc<Shelf>,
    slack: Arc<Slow>,
}

impl World {
    /// Works with a run that does not end by itself, and a message on its way.
    async fn busy(answers_after: Option<Duration>) -> Self {
        let shelf = Arc::new(Shelf { owed: Mutex::new(vec![owed()]), ..Shelf::default() });
        let (begun, sends) = (Notify::new(), AtomicUsize::new(0));
        let slack = Arc::new(Slow { begun, sends, answers_after });
        let check = Check { timeout: Duration::from_mins(1), ..Check::example("login") };
        let rules = Rulebook::new([check.clone()], [Policy::built_in(None)], Roster::default());
        let scripts = Endless::default();
        let running = Arc::clone(&scripts.0);
        let works = Works::start(Parts {
            store: Arc::clone(&shelf) as Arc<dyn Store>,
            judge: Arc::new(ProjectJudge::new(rules.expect("it has its policy"))),
            clock: Arc::new(Manual::new(now())),
            witness: Arc::new(Nobody),
            transports: vec![(Channel::Slack, Arc::clone(&slack) as Arc<dyn Transport>)],
            contacts: (Arc::new(Contacts::new(Roster::default(), |_| None)), Bounds::default()),
            statsd: None,
            scripts: Arc::new(scripts),
            dialer: Arc::new(Dialer::default()),
            limits: Limits::default(),
            meter: Meter::new(&Arc::default()).0,
        });
        let store = Arc::clone(&shelf) as Arc<dyn Ledger>;
        let clock: Arc<dyn Clock> = Arc::new(Manual::new(now()));
        let housekeeping = Housekeeping::new(&store, &clock, Retention::of_runs(BUDGET));
        works.spawn(|halt| housekeeping.run(halt));
        let module = ("checks/login.js".to_owned(), String::new());
        let assigned = Assignments::with_modules(vec![check], &vec![module], Secrets::default());
        works.agent.assign(Arc::new(assigned));
        works.agent.start(Slot { check: login(), region: region(), at: now() });
        tokio::join!(running.notified(), slack.begun.notified());
        Self { works, shelf, slack }
    }

    /// Stops the works and says how long that took.
    async fn stop(&self) -> Duration {
        let begun = Instant::now();
        self.works.stop(BUDGET).await;
        begun.elapsed()
    }

    fn outcomes(&self) -> Vec<&'static str> {
        let recorded = self.shelf.recorded.lock().expect("not poisoned");
        recorded.iter().map(|report| report.outcome().as_str()).collect()
    }

    fn settled(&self) -> usize {
        self.shelf.settled.lock().expect("not poisoned").len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_interrupted_and_a_message_finished_in_time() {
    let world = World::busy(Some(Duration::from_secs(8))).await;
    assert!(world.stop().await < BUDGET);
    assert_eq!(world.outcomes(), ["unknown"]);
    assert_eq!((world.slack.sends.load(Ordering::SeqCst), world.settled()), (1, 1));
    assert!(world.shelf.closed.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_hangs_costs_no_result() {
    let world = World::busy(None).await;
    assert!(world.stop().await <= BUDGET);
    assert_eq!(world.outcomes(), ["unknown"]);
    assert_eq!(world.settled(), 1, "that nobody knows whether it arrived");
    assert!(world.shelf.closed.load(Ordering::SeqCst), "there is time left to close the store");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_left_alone_in_time() {
    let world = World::busy(Some(Duration::from_secs(1))).await;
    world.shelf.hangs.store(true, Ordering::SeqCst);
    assert!(world.stop().await <= BUDGET);
    assert!(world.outcomes().is_empty());
    assert_eq!(world.slack.sends.load(Ordering::SeqCst), 1, "nothing is sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_a_hurry_ends_at_once_and_still_stores_the_run() {
    let world = World::busy(None).await;
    let hurried = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.works.hurry();
    };
    let (took, ()) = tokio::join!(world.stop(), hurried);
    assert!(took <= Duration::from_secs(2), "{took:?}");
    assert_eq!(world.outcomes(), ["unknown"]);
    assert!(world.shelf.closed.load(Ordering::SeqCst));
}
