//! The lane against a real store and a channel that remembers.

use std::sync::Mutex;

use async_trait::async_trait;
use chrono::TimeDelta;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::*;
use crate::clock::Manual;
use crate::domain::check::Check;
use crate::domain::id::{CheckId, IncidentId, PersonId, Region};
use crate::domain::notification::{Attempt, NotificationState as State};
use crate::domain::policy::{Policy, Roster, Target, Tier};
use crate::domain::run::{Failure, FailureKind, Report, Trace};
use crate::domain::slot::Slot;
use crate::engine::ingest::{self, Ingest, Pace};
use crate::engine::judge::Rulebook;
use crate::notify::memory::Memory;
use crate::notify::{Digest, Outbound};
use crate::store::Recorded;
use crate::store::sqlite::{Holder, SqliteStore};

fn start() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

fn after(seconds: u64) -> Timestamp {
    start() + Duration::from_secs(seconds)
}

fn roster() -> Roster {
    let ana = PersonId::new("ana").expect("a good name");
    Roster {
        people: [(ana.clone(), Some("+4930123456".into()))].into(),
        teams: [("devops".to_owned(), vec![ana])].into(),
        ..Roster::default()
    }
}

fn rules() -> Rulebook {
    let checks = ["login", "search", "pay"].map(Check::example);
    let rules = Rulebook::new(checks, [Policy::built_in(Some("devops"))], roster());
    rules.expect("it has its policy")
}

/// A failure of the check `name`, so many seconds after the start.
fn failed(name: &str, seconds: u64) -> Report {
    Report {
        slot: Slot {
            check: CheckId::new(name).expect("a good name"),
            region: Region::new("eu").expect("a good name"),
            at: after(seconds),
        },
        started_at: after(seconds),
        duration: Duration::ZERO,
        failure: Some(Failure::new(FailureKind::Expectation, "expected 200")),
        trace: Trace::default(),
        clock_ahead: chrono::TimeDelta::zero(),
    }
}

/// Remembers what followed from each attempt it was told of.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<State>>);

impl Seen {
    fn states(&self) -> Vec<State> {
        self.0.lock().expect("not poisoned").clone()
    }
}

impl Observer for Seen {
    fn on_attempt(&self, attempted: &Attempted<'_>) {
        self.0.lock().expect("not poisoned").push(attempted.settlement.state);
    }
}

/// Nobody wants to know what is recorded.
struct Nobody;

impl ingest::Observer for Nobody {
    fn on_recorded(&self, _: &[Recorded], _: &[Report], _: &[Channel]) {}
}

/// A store in a folder of its own, and what a lane on it did.
struct World {
    folder: TempDir,
    store: Arc<SqliteStore>,
    memory: Arc<Memory>,
    seen: Arc<Seen>,
    clock: Arc<Manual>,
}

impl World {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = Self::open(&folder).await;
        let clock = Arc::new(Manual::new(start()));
        Self { folder, store, memory: Arc::default(), seen: Arc::default(), clock }
    }

    async fn open(folder: &TempDir) -> Arc<SqliteStore> {
        let path = folder.path().join("tripline.db");
        let holder = Holder { command: "test".into(), since: start() };
        Arc::new(SqliteStore::open(&path, &holder).await.expect("a fresh store"))
    }

    /// `failures` in a row of the check `name`, one each second from the start.
    async fn fail(&self, name: &str, failures: u64) {
        for number in 0..failures {
            let reports = [failed(name, number)];
            self.store.record(&reports, &rules(), start()).await.expect("recorded");
        }
    }

    fn lane(&self, channel: Channel) -> Lane {
        self.lane_by(channel, self.memory.clone())
    }

    fn lane_by(&self, channel: Channel, transport: Arc<dyn Transport>) -> Lane {
        let link = |incident: IncidentId| Some(format!("https://t.example/{incident}"));
        let parts = Parts {
            store: self.store.clone(),
            transport,
            contacts: Arc::new(Contacts::new(roster(), link)),
            observer: self.seen.clone(),
            clock: self.clock.clone(),
        };
        Lane::new(channel, parts)
    }

    fn sent(&self) -> Vec<String> {
        let messages = self.memory.messages();
        messages.iter().map(|sent| sent.message.recipient.to_string()).collect()
    }

    async fn states(&self, incident: i64) -> Vec<State> {
        let history = self.store.incident(IncidentId(incident)).await.expect("read");
        history.expect("it exists").notifications.iter().map(|record| record.state).collect()
    }
}

/// Sends what is due at `now` and records what came of it.
async fn pass(lane: &mut Lane, now: Timestamp) -> Option<Timestamp> {
    let next = lane.tick(now).await.expect("the store answers");
    while lane.settle_next().await {}
    next
}

fn retry(after: Option<u64>) -> Attempt {
    Attempt::Retry { reason: "busy".into(), after: after.map(Duration::from_secs) }
}

fn lost() -> Attempt {
    Attempt::Ambiguous { reason: "timed out".into() }
}

#[tokio::test]
async fn what_is_owed_is_sent_once_with_number_and_link() {
    let world = World::new().await;
    world.fail("login", 2).await;
    let mut slack = world.lane(Channel::Slack);
    pass(&mut slack, start()).await;
    let mut sent = world.sent();
    // Different recipients do not wait for each other.
    sent.sort();
    assert_eq!(sent, ["slack:#p1", "slack:#p2"]);
    assert_eq!(slack.tick(after(1)).await.expect("an answer"), None);
    let mut sms = world.lane(Channel::Sms);
    pass(&mut sms, start()).await;
    let messages = world.memory.messages();
    assert_eq!(messages[2].message.phone.as_deref(), Some("+4930123456"));
    assert!(messages[2].message.text.ends_with("https://t.example/1"));
    assert_eq!(world.states(1).await, [State::Sent; 3]);
    assert_eq!(world.seen.states(), [State::Sent; 3]);
}

#[tokio::test]
async fn what_is_handed_over_as_it_is_recorded_is_sent_without_being_looked_for() {
    let world = World::new().await;
    let mut lane = world.lane(Channel::Slack);
    let hatch = lane.hatch();
    assert_eq!(hatch.offer(start()), None, "it does not wait yet");
    lane.open_hatch(start());
    let offer = hatch.offer(start()).expect("it has room");
    let reports = [failed("login", 0)];
    let recorded = world.store.record_to_send(&reports, &rules(), start(), &[offer]).await;
    let (_, mut handed) = recorded.expect("recorded");
    hatch.pass(handed.remove(0), start(), Stopwatch::start()).expect("it is there");
    let passed = lane.passed.try_recv().expect("handed over");
    lane.start_all(passed);
    assert!(lane.settle_next().await);
    assert_eq!(world.sent(), ["slack:#p2"]);
    assert_eq!(world.states(1).await, [State::Sent]);
}

#[tokio::test]
async fn a_provider_that_wants_quiet_is_handed_nothing() {
    let world = World::new().await;
    world.fail("login", 1).await;
    world.memory.answer([retry(Some(30))]);
    let mut lane = world.lane(Channel::Slack);
    pass(&mut lane, start()).await;
    lane.open_hatch(after(1));
    assert_eq!(lane.hatch().offer(after(1)), None);
    lane.open_hatch(after(31));
    assert!(lane.hatch().offer(after(31)).is_some());
}

#[tokio::test]
async fn what_no_lane_takes_any_more_is_given_back_as_it_was() {
    let world = World::new().await;
    let mut lane = world.lane(Channel::Slack);
    lane.open_hatch(start());
    let parts = ingest::Parts {
        store: world.store.clone(),
        judge: Arc::new(ProjectJudge::new(rules())),
        clock: world.clock.clone(),
        observer: Arc::new(Nobody),
        hatches: vec![lane.hatch()],
    };
    // It was stopped after it offered to take something.
    drop(lane);
    let (ingest, committer) = Ingest::new(parts, Pace::default());
    let committer = tokio::spawn(committer.run(Halt::new()));
    ingest.submit(failed("login", 0)).await.expect("recorded");
    drop(ingest);
    committer.await.expect("it ended");
    assert_eq!(world.states(1).await, [State::Owed]);
    pass(&mut world.lane(Channel::Slack), start()).await;
    let messages = world.memory.messages();
    assert!(!messages[0].notification.possible_repeat, "it never left");
    assert_eq!(world.states(1).await, [State::Sent]);
}

#[tokio::test]
async fn what_a_dead_process_held_is_sent_again_as_soon_as_the_store_is_opened() {
    let world = World::new().await;
    world.fail("login", 1).await;
    world.lane(Channel::Slack).tick(start()).await.expect("an answer");
    world.store.close().await;
    let world = World { store: World::open(&world.folder).await, ..world };
    pass(&mut world.lane(Channel::Slack), after(1)).await;
    let messages = world.memory.messages();
    assert!(messages.last().expect("sent again").notification.possible_repeat);
    assert_eq!(world.states(1).await, [State::Sent]);
}

#[tokio::test]
async fn a_provider_that_wants_quiet_gets_it() {
    let world = World::new().await;
    world.fail("login", 1).await;
    world.memory.answer([retry(Some(30))]);
    let mut lane = world.lane(Channel::Slack);
    pass(&mut lane, start()).await;
    world.fail("search", 1).await;
    let until = lane.tick(after(1)).await.expect("an answer").expect("a time");
    assert!(until >= after(30), "{until}");
    assert!(!lane.settle_next().await, "the other incident waits, too");
    // A clock set back by an hour does not make it an hour longer.
    let until = lane.tick(start() - Duration::from_hours(1)).await.expect("an answer");
    assert!(until.is_some_and(|until| until < after(0)));
    pass(&mut lane, after(31)).await;
    pass(&mut lane, after(40)).await;
    assert_eq!(world.sent().len(), 3);
    assert_eq!(world.states(1).await, [State::Sent]);
    assert_eq!(world.states(2).await, [State::Sent]);
}

#[tokio::test]
async fn no_answer_is_repeated_once_with_a_mark() {
    let world = World::new().await;
    world.fail("login", 1).await;
    world.memory.answer([lost(), lost()]);
    let mut lane = world.lane(Channel::Slack);
    let due = |next: Option<Timestamp>| next.expect("owed");
    pass(&mut lane, start()).await;
    let next = due(lane.tick(start()).await.expect("an answer"));
    assert!(next > start() && next <= after(2), "{next}");
    pass(&mut lane, next).await;
    let marks: Vec<bool> =
        world.memory.messages().iter().map(|sent| sent.notification.possible_repeat).collect();
    assert_eq!(marks, [false, true]);
    assert_eq!(world.states(1).await, [State::GivenUp]);
    assert_eq!(world.seen.states(), [State::Owed, State::GivenUp]);
}

#[tokio::test]
async fn a_lane_that_died_leaves_a_possible_repeat() {
    let world = World::new().await;
    world.fail("login", 1).await;
    let mut lane = world.lane(Channel::Slack);
    lane.tick(start()).await.expect("an answer");
    drop(lane);
    let mut lane = world.lane(Channel::Slack);
    let next = lane.tick(after(1)).await.expect("an answer");
    assert_eq!(next, Some(after(14)), "the lease holds");
    pass(&mut lane, after(20)).await;
    let messages = world.memory.messages();
    assert!(messages.last().expect("sent again").notification.possible_repeat);
    assert_eq!(world.states(1).await, [State::Sent]);
}

#[tokio::test]
async fn however_often_a_lane_dies_a_message_leaves_twice_at_most() {
    let world = World::new().await;
    world.fail("login", 1).await;
    let gate = Gate::new("slack:#p2");
    for life in 1..=4 {
        let mut lane = world.lane_by(Channel::Slack, gate.clone());
        lane.tick(after(60 * life)).await.expect("an answer");
        // What it has begun gets as far as the provider, and no further.
        while lane.sends.len() > gate.arrived.available_permits() {
            tokio::task::yield_now().await;
        }
        if life < 3 {
            gate.arrived.acquire().await.expect("never closed").forget();
        }
        assert_eq!(lane.sends.len(), usize::from(life < 3), "life {life}");
    }
    assert_eq!(world.states(1).await, [State::GivenUp]);
    let history = world.store.incident(IncidentId(1)).await.expect("read").expect("it exists");
    let reason = history.notifications[0].reason.as_deref().expect("it says why");
    assert!(reason.contains("no answer a second time"), "{reason}");
    assert!(gate.order().is_empty());
}

#[tokio::test]
async fn a_clock_set_forward_sends_nothing_twice() {
    let world = World::new().await;
    world.fail("login", 1).await;
    let gate = Gate::new("slack:#p2");
    let mut lane = world.lane_by(Channel::Slack, gate.clone());
    lane.tick(start()).await.expect("an answer");
    gate.arrived.acquire().await.expect("never closed").forget();
    lane.tick(after(3600)).await.expect("an answer");
    assert_eq!(lane.sends.len(), 1);
    gate.open.add_permits(1);
    assert!(lane.settle_next().await && lane.under_way.is_empty());
    assert_eq!(world.states(1).await, [State::Sent]);
    assert_eq!(gate.order(), ["slack:#p2"]);
}

#[tokio::test]
async fn patience_counts_from_the_first_attempt_and_anew_after_a_pause() {
    let world = World::new().await;
    world.fail("login", 1).await;
    world.memory.answer((0..100).map(|_| retry(None)));
    // It was owed twenty minutes ago, and we were down since.
    let mut now = after(1200);
    pass(&mut world.lane(Channel::Slack), now).await;
    assert_eq!(world.states(1).await, [State::Owed]);
    let mut lane = world.lane(Channel::Slack);
    for _ in 0..2 {
        // The clock is set forward.
        now += Duration::from_hours(1);
        pass(&mut lane, now).await;
        assert_eq!(world.states(1).await, [State::Owed]);
    }
    let first = now;
    while let Some(due) = world.store.next_due(Channel::Slack).await.expect("an answer") {
        now = due;
        pass(&mut lane, now).await;
    }
    assert_eq!(world.states(1).await, [State::GivenUp]);
    let tried = now - first;
    assert!(tried > TimeDelta::minutes(13) && tried <= TimeDelta::minutes(15), "{tried}");
    assert!(lane.trials.is_empty());
}

#[tokio::test]
async fn a_clock_set_back_holds_no_message() {
    let world = World::new().await;
    world.fail("login", 1).await;
    world.memory.answer([retry(None)]);
    let mut lane = world.lane(Channel::Slack);
    pass(&mut lane, after(10_800)).await;
    pass(&mut lane, after(7200)).await;
    assert_eq!(world.states(1).await, [State::Sent]);
    // Owed, and being sent by someone who dies, before the clock is set back further.
    world.fail("search", 1).await;
    world.lane(Channel::Slack).tick(after(7200)).await.expect("an answer");
    pass(&mut lane, after(3600)).await;
    pass(&mut lane, after(3620)).await;
    assert_eq!(world.states(2).await, [State::Sent]);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_recorded_is_kept_and_not_sent_again() {
    let world = World::new().await;
    world.fail("login", 1).await;
    let mut lane = world.lane(Channel::Slack);
    lane.tick(start()).await.expect("an answer");
    world.store.close().await;
    assert!(lane.settle_next().await);
    assert_eq!(lane.unsettled.len(), 1);
    assert!(lane.tick(after(1)).await.is_err());
    let reopened = World::open(&world.folder).await;
    lane.parts.store = reopened.clone();
    // The lease has run out meanwhile; the store would have it repeated.
    pass(&mut lane, after(60)).await;
    assert_eq!(world.sent().len(), 1);
    let history = reopened.incident(IncidentId(1)).await.expect("read").expect("it exists");
    assert_eq!(history.notifications[0].state, State::Sent);
    assert!(lane.unsettled.is_empty());
}

#[tokio::test]
async fn a_lane_that_was_frozen_does_not_send_and_loses_nothing() {
    let world = World::new().await;
    world.fail("login", 1).await;
    let mut lane = world.lane(Channel::Slack);
    // The process stands still for an hour after it asked for the time.
    world.clock.advance(Duration::from_hours(1));
    lane.tick(start()).await.expect("an answer");
    assert!(lane.settle_next().await);
    assert_eq!(world.sent(), [""; 0]);
    assert_eq!(world.states(1).await, [State::Owed]);
    // Longer than any message is tried, but this one was not tried.
    pass(&mut lane, after(3600)).await;
    let messages = world.memory.messages();
    assert_eq!(messages.len(), 1);
    assert!(!messages[0].notification.possible_repeat, "it is known that it did not go before");
    assert_eq!(world.states(1).await, [State::Sent]);
}

#[tokio::test]
async fn a_lane_that_was_frozen_leaves_what_another_has_claimed_to_it() {
    let world = World::new().await;
    world.fail("login", 1).await;
    let (mut frozen, mut other) = (world.lane(Channel::Slack), world.lane(Channel::Slack));
    world.clock.advance(Duration::from_mins(1));
    frozen.tick(start()).await.expect("an answer");
    other.tick(after(60)).await.expect("an answer");
    assert!(frozen.settle_next().await);
    assert_eq!(world.states(1).await, [State::Owed], "it is the other's");
    while other.settle_next().await {}
    assert_eq!(world.sent(), ["slack:#p2"]);
    assert_eq!(world.states(1).await, [State::Sent]);
    let history = world.store.incident(IncidentId(1)).await.expect("read").expect("it exists");
    let outcomes = history.notifications[0].deliveries.iter().map(|it| it.outcome.as_str());
    assert_eq!(outcomes.collect::<Vec<_>>(), ["ambiguous", "accepted"]);
}

/// Holds messages to one recipient until it is let go.
#[derive(Debug)]
struct Gate {
    held: &'static str,
    open: Semaphore,
    arrived: Semaphore,
    order: Mutex<Vec<String>>,
}

impl Gate {
    fn new(held: &'static str) -> Arc<Self> {
        let (open, arrived) = (Semaphore::new(0), Semaphore::new(0));
        Arc::new(Self { held, open, arrived, order: Mutex::default() })
    }

    fn order(&self) -> Vec<String> {
        self.order.lock().expect("no panic while locked").clone()
    }
}

#[async_trait]
impl Transport for Gate {
    async fn send(&self, message: Outbound<'_>) -> Attempt {
        let recipient = message.notification.recipient.to_string();
        self.arrived.add_permits(1);
        if recipient == self.held {
            let _permit = self.open.acquire().await.expect("never closed");
        }
        self.order.lock().expect("no panic while locked").push(recipient);
        Attempt::Accepted { receipt: "gate".into() }
    }

    async fn send_digest(&self, digest: &Digest<'_>) -> Attempt {
        let message = Outbound {
            notification: digest.head,
            phone: None,
            email: None,
            at: digest.head.owed_at,
            link: None,
            thread: None,
        };
        self.send(message).await
    }
}

#[tokio::test]
async fn a_recipient_that_hangs_holds_up_nobody_else() {
    let world = World::new().await;
    for name in ["login", "search"] {
        world.fail(name, 2).await;
    }
    let gate = Gate::new("slack:#p2");
    let mut lane = world.lane_by(Channel::Slack, gate.clone());
    lane.tick(start()).await.expect("an answer");
    assert!(lane.settle_next().await);
    lane.tick(after(1)).await.expect("an answer");
    assert!(lane.settle_next().await);
    assert_eq!(gate.order(), ["slack:#p1", "slack:#p1"]);
    assert_eq!(lane.sends.len(), 1, "one at a time to #p2");
    gate.open.add_permits(1);
    assert!(lane.settle_next().await);
    pass(&mut lane, after(2)).await;
    assert_eq!(gate.order()[2..], ["slack:#p2", "slack:#p2"]);
}

#[tokio::test]
async fn a_receiver_of_many_webhooks_that_hangs_holds_up_no_other() {
    const EACH: usize = 700;
    let world = World::new().await;
    let (mut checks, mut policies) = (Vec::new(), Vec::new());
    for to in ["held", "other"] {
        policies.push(Policy::of(to, vec![Tier::after(1, vec![Target::Webhook(to.into())])]));
        let check =
            |number| Check { policy: to.into(), ..Check::example(&format!("{to}-{number}")) };
        checks.extend((0..EACH).map(check));
    }
    let reports: Vec<Report> = checks.iter().map(|check| failed(check.id.as_str(), 0)).collect();
    let rules = Rulebook::new(checks, policies, roster()).expect("each has its policy");
    world.store.record(&reports, &rules, start()).await.expect("recorded");
    let gate = Gate::new("webhook:held");
    let mut lane = world.lane_by(Channel::Webhook, gate.clone());
    let all_others = async {
        while gate.order().len() < EACH {
            let next = lane.tick(start()).await.expect("an answer");
            lane.open_hatch(start());
            assert!(lane.hatch().offer(start()).is_none_or(|it| it.limit <= 128), "{lane:?}");
            let at_once = next.is_some_and(|next| next <= start() + SOON);
            assert!(
                at_once || lane.room() == 0,
                "what is owed to the other is waited for: {next:?}"
            );
            let is_held = |claim: &Claim| claim.notification.recipient.address() == "held";
            let held = lane.under_way.values().filter(|claim| is_held(claim)).count();
            assert!(held < 384, "{held}");
            if lane.sends.len() > held {
                assert!(lane.settle_next().await);
            }
        }
    };
    timeout(Duration::from_mins(2), all_others).await.expect("nobody is waited for");
    assert!(gate.order().iter().all(|to| to == "webhook:other"));
}

#[derive(Debug)]
struct Broken;

#[async_trait]
impl Transport for Broken {
    async fn send(&self, _: Outbound<'_>) -> Attempt {
        panic!("as a transport must not")
    }
}

#[tokio::test]
async fn a_transport_that_panics_may_have_sent() {
    let world = World::new().await;
    world.fail("login", 1).await;
    let mut lane = world.lane_by(Channel::Slack, Arc::new(Broken));
    pass(&mut lane, start()).await;
    let history = world.store.incident(IncidentId(1)).await.expect("read").expect("it exists");
    assert_eq!(history.notifications[0].deliveries[0].outcome, "ambiguous");
    assert!(history.notifications[0].notification.possible_repeat);
}

#[tokio::test]
async fn a_lane_wakes_sends_and_ends_what_it_began() {
    let world = World::new().await;
    let gate = Gate::new("slack:#p2");
    let lane = world.lane_by(Channel::Slack, gate.clone());
    let (wake, halt) = (lane.wake(), Halt::new());
    let running = tokio::spawn(lane.run(halt.clone()));
    world.fail("login", 1).await;
    wake.notify_one();
    gate.arrived.acquire().await.expect("never closed").forget();
    halt.ask();
    gate.open.add_permits(1);
    running.await.expect("it ends");
    assert_eq!(gate.order(), ["slack:#p2"]);
    assert_eq!(world.states(1).await, [State::Sent]);
}

/// A lane that tells one incident in a minute by itself.
fn stormy(world: &World, transport: Arc<dyn Transport>) -> Lane {
    let bounds = Bounds { incidents: 1, ..Bounds::default() };
    let bounds = Arc::new(ArcSwap::from_pointee(bounds));
    world.lane_by(Channel::Slack, transport).bounded(bounds, Arc::default())
}

#[tokio::test]
async fn what_comes_together_is_told_together() {
    let world = World::new().await;
    let mut lane = stormy(&world, world.memory.clone());
    for name in ["login", "search", "pay"] {
        world.fail(name, 1).await;
    }
    pass(&mut lane, start()).await;
    assert_eq!(world.sent().len(), 1);
    // The others wait for company, and then go out in one message.
    pass(&mut lane, start()).await;
    assert_eq!(world.states(2).await, [State::Owed]);
    let due = lane.tick(after(1)).await.expect("an answer");
    assert_eq!((world.sent().len(), due), (1, Some(after(2))));
    pass(&mut lane, after(2)).await;
    assert_eq!(world.sent().len(), 2);
    assert!(world.memory.messages()[1].message.text.starts_with("2 more incidents"));
    assert_eq!([world.states(2).await, world.states(3).await], [[State::Sent], [State::InDigest]]);
    let spans = lane.stamps.distributions();
    assert!(spans.iter().all(|it| it.count() == 3), "each of them is measured: {spans:?}");
}

#[tokio::test]
async fn a_digest_that_was_lost_is_repeated_once_and_says_so() {
    let world = World::new().await;
    let gate = Gate::new("slack:#p2");
    gate.open.add_permits(1);
    let mut lane = stormy(&world, gate.clone());
    for name in ["login", "search", "pay"] {
        world.fail(name, 1).await;
    }
    pass(&mut lane, start()).await;
    gate.arrived.acquire().await.expect("never closed").forget();
    lane.tick(after(2)).await.expect("an answer");
    gate.arrived.acquire().await.expect("never closed").forget();
    // It is killed while the digest is with the provider.
    drop(lane);
    let mut lane = stormy(&world, world.memory.clone());
    pass(&mut lane, after(30)).await;
    let messages = world.memory.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].message.text.starts_with("2 more incidents (possible repeat)"));
    assert_eq!([world.states(2).await, world.states(3).await], [[State::Sent], [State::InDigest]]);
}

#[tokio::test]
async fn quiet_that_a_provider_asks_for_gathers_what_waits() {
    let world = World::new().await;
    for name in ["login", "search", "pay"] {
        world.fail(name, 1).await;
    }
    world.memory.answer([retry(Some(20))]);
    let mut lane = world.lane(Channel::Slack);
    pass(&mut lane, start()).await;
    assert_eq!(world.sent().len(), 1);
    pass(&mut lane, after(21)).await;
    assert_eq!(world.sent().len(), 2, "all three in one");
    assert_eq!([world.states(1).await, world.states(3).await], [[State::Sent], [State::InDigest]]);
}
