//! Accounts against what happened: whatever becomes of hub, agents, clock and project, every slot
//! that was expected ends as exactly one run or inside exactly one gap, and is counted once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tripline::domain::Timestamp;
use tripline::domain::check::Check;
use tripline::domain::coverage::{Duty, Gap, GapReason, Watch};
use tripline::domain::edition::{Origin, Rank};
use tripline::domain::policy::Policy;
use tripline::domain::rendezvous::owner;
use tripline::domain::run::{Outcome, Report};
use tripline::domain::schedule::{Cron, Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::engine::accountant::{audit, count_hour, round, tallies};
use tripline::engine::judge::Rulebook;
use tripline::scheduler::Scheduler;
use tripline::store::Ledger;
use tripline::store::accounts::{Expectation, Expected, Process};

use super::scene::{check, region, report, rules_with, seconds};
use super::{postgres, sqlite};

/// How long after a slot its report may come.
const PATIENCE: Duration = Duration::from_secs(35);
/// Heartbeats and rounds are so far apart.
const BEAT: Duration = Duration::from_secs(10);
const NAMES: [&str; 3] = ["login", "search", "cart"];
const AGENTS: [(&str, &str); 4] = [("one", "eu"), ("two", "eu"), ("three", "eu"), ("four", "us")];

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// Time passes.
    Pass(u64),
    /// The clock of the machine jumps, either way.
    Jump(i64),
    /// The hub is killed, or started.
    Hub,
    /// An agent is killed, or started.
    Agent(usize),
    /// A check is put in, changed, switched off or taken out.
    Edit(usize, Option<(usize, Duty)>),
}

fn step() -> impl Strategy<Value = Step> {
    let duty = prop_oneof![3 => Just(Duty::Run), 1 => Just(Duty::Paused)];
    let terms = prop::option::weighted(0.8, (0..schedules().len(), duty));
    prop_oneof![
        6 => (10_u64..150).prop_map(Step::Pass),
        1 => prop_oneof![-4000_i64..-30, 30_i64..4000].prop_map(Step::Jump),
        1 => Just(Step::Hub),
        2 => (0..AGENTS.len()).prop_map(Step::Agent),
        2 => (0..NAMES.len(), terms).prop_map(|(at, terms)| Step::Edit(at, terms)),
    ]
}

fn schedules() -> Vec<Schedule> {
    let every = |interval| Schedule::Every(Interval::new(seconds(interval)).expect("in range"));
    let cron = |line, zone| Schedule::Cron(Box::new(Cron::parse(line, zone).expect("a line")));
    vec![
        every(10),
        every(45),
        every(300),
        cron("* * * * *", "Europe/Berlin"),
        // Named hours of the night in which Berlin's clocks are set.
        cron("*/7 1-3 * * *", "Europe/Berlin"),
        cron("*/5 2 * * *", "Europe/Berlin"),
        cron("*/20 * * * *", "Australia/Lord_Howe"),
    ]
}

/// A quiet hour, and the hours in which Berlin's clocks are set forward and back.
fn starts() -> impl Strategy<Value = Timestamp> {
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    let hours = ["2026-11-21T03:00:00Z", "2026-03-29T00:40:00Z", "2026-10-25T00:40:00Z"];
    (prop::sample::select(hours.map(time).to_vec()), 0_i64..1_000)
        .prop_map(|(hour, millis)| hour + TimeDelta::milliseconds(millis))
}

/// A project: what is expected of each check.
type Project = [Option<(usize, Duty)>; 3];

/// An agent, and what it knows.
struct Agent {
    name: &'static str,
    place: &'static str,
    /// The number of its start and its schedule, while it runs.
    life: Option<(u64, Scheduler)>,
    checks: Vec<Arc<Check>>,
    spool: Vec<Report>,
}

/// A hub that runs.
struct Hub {
    id: String,
    latest: Expectation,
    rank: Rank,
}

struct World<'a> {
    store: &'a dyn Ledger,
    rules: Rulebook,
    now: Timestamp,
    begin: Timestamp,
    project: Project,
    edited_at: Timestamp,
    hub: Option<Hub>,
    agents: Vec<Agent>,
    starts: u64,
    /// The latest time of all.
    end: Timestamp,
    /// What was expected by the word of the hub, and what it has taken.
    promised: BTreeSet<(String, String, Timestamp)>,
    taken: BTreeSet<(String, String, Timestamp)>,
    /// What was taken of a time of which other things were said after the clock was set back.
    relived: BTreeSet<(String, String, Timestamp)>,
}

fn key(slot: &Slot) -> (String, String, Timestamp) {
    (slot.check.to_string(), slot.region.to_string(), slot.at)
}

impl<'a> World<'a> {
    async fn new(store: &'a dyn Ledger, now: Timestamp) -> Self {
        let agents = AGENTS.map(|(name, place)| {
            let (checks, spool) = (Vec::new(), Vec::new());
            Agent { name, place, life: None, checks, spool }
        });
        let mut world = Self {
            store,
            rules: rules_with(Policy::built_in(None), &NAMES),
            now,
            begin: now,
            project: [Some((0, Duty::Run)), Some((3, Duty::Run)), None],
            edited_at: now,
            hub: None,
            agents: agents.into(),
            starts: 0,
            end: now,
            promised: BTreeSet::new(),
            taken: BTreeSet::new(),
            relived: BTreeSet::new(),
        };
        world.toggle_hub().await;
        for at in [0, 1, 3] {
            world.toggle_agent(at);
        }
        world
    }

    async fn does(&mut self, step: Step) {
        match step {
            Step::Pass(time) => self.pass(seconds(time)).await,
            Step::Jump(by) => {
                self.now += TimeDelta::seconds(by);
                self.end = self.end.max(self.now);
            }
            Step::Hub => self.toggle_hub().await,
            Step::Agent(at) => self.toggle_agent(at),
            Step::Edit(at, terms) => {
                self.project[at] = terms;
                self.edited_at = self.now;
                if let Some(hub) = &self.hub {
                    let before = hub.latest.edition.digest.clone();
                    self.expect(Origin::Reload { before }).await;
                }
            }
        }
    }

    /// What the project has expected.
    fn expected(&self) -> Vec<Expected> {
        let schedules = schedules();
        let of_check = |(name, terms): (&str, &Option<(usize, Duty)>)| {
            let Some((schedule, duty)) = *terms else { return Vec::new() };
            let expected = ["eu", "us"].map(|place| Expected {
                check: super::scene::check_id(name),
                region: region(place),
                schedule: schedules[schedule].clone(),
                duty,
            });
            expected.into()
        };
        NAMES.into_iter().zip(&self.project).flat_map(of_check).collect()
    }

    async fn toggle_hub(&mut self) {
        if self.hub.take().is_none() {
            self.expect(Origin::Start).await;
        }
    }

    async fn expect(&mut self, origin: Origin) {
        let latest = Expectation::new(self.expected(), self.edited_at, origin, self.now);
        let rank = self.store.expect(&latest, self.now).await.expect("stored");
        self.unsay();
        self.starts += 1;
        let fresh = format!("hub-{}", self.starts);
        let id = self.hub.take().map_or(fresh, |hub| hub.id);
        self.hub = Some(Hub { id, latest, rank });
    }

    /// What was said of a time that is to come again, because the clock was set back, is said anew.
    fn unsay(&mut self) {
        self.promised.retain(|slot| slot.2 <= self.now);
        self.relived.extend(self.taken.iter().filter(|slot| slot.2 > self.now).cloned());
    }

    fn toggle_agent(&mut self, at: usize) {
        self.starts += 1;
        let agent = &mut self.agents[at];
        if agent.life.take().is_none() {
            let scheduler = Scheduler::new(region(agent.place), &agent.checks, self.now);
            agent.life = Some((self.starts, scheduler));
        }
    }

    async fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let before = self.now;
            self.now += BEAT;
            self.end = self.end.max(self.now);
            if self.hub.is_some() {
                self.beat(before).await;
            }
            self.run();
            if self.hub.is_some() {
                self.deliver().await;
                self.account().await;
            }
        }
    }

    /// Who is there says so, and agents are told what is to be run and who else is there.
    async fn beat(&mut self, before: Timestamp) {
        let hub = self.hub.as_ref().expect("it runs");
        let own = Process { id: hub.id.clone(), region: None };
        self.store.seen(&own, self.now).await.expect("stored");
        for agent in &self.agents {
            let Some((number, _)) = &agent.life else { continue };
            let process = Process {
                id: format!("{}-{number}", agent.name),
                region: Some(region(agent.place)),
            };
            self.store.seen(&process, self.now).await.expect("stored");
        }
        let watches = self.open_watches().await;
        if hub.rank == Rank::Latest && hub.latest.since <= before {
            for it in &hub.latest.expected {
                let slots = slots_of(it, before, self.now);
                self.promised.extend(slots.map(|at| {
                    let (check, region) = (it.check.clone(), it.region.clone());
                    key(&Slot { check, region, at })
                }));
            }
        }
        for at in 0..self.agents.len() {
            let checks = self.share(at, &watches);
            let agent = &mut self.agents[at];
            if agent.checks != checks
                && let Some((_, scheduler)) = &mut agent.life
            {
                scheduler.replace(&checks);
                agent.checks = checks;
            }
        }
    }

    /// What goes on being watched.
    async fn open_watches(&self) -> Vec<Watch> {
        let moment = Duration::from_millis(1);
        let watches = self.store.watches(None, (self.now, self.end + moment)).await;
        let mut watches = watches.expect("read");
        watches.retain(|watch| watch.until.is_none() && watch.duty == Duty::Run);
        watches
    }

    /// The checks that are this agent's, by the names of those who are there.
    fn share(&self, at: usize, watches: &[Watch]) -> Vec<Arc<Check>> {
        let (own, place) = (self.agents[at].name, self.agents[at].place);
        let live = self.agents.iter().filter(|it| it.place == place && it.life.is_some());
        let names: Vec<&str> = live.map(|it| it.name).collect();
        let here = watches.iter().filter(|watch| watch.region.as_str() == place);
        let mine = here.filter(|it| owner(&it.check, names.iter().copied()) == Some(own));
        let to_check = |watch: &Watch| {
            let schedule = watch.schedule.clone();
            Arc::new(Check { schedule, ..check(watch.check.as_str()) })
        };
        let mut checks: Vec<_> = mine.map(to_check).collect();
        checks.sort_by(|one, other| one.id.cmp(&other.id));
        checks
    }

    /// Each agent runs what is due, by what it knows.
    fn run(&mut self) {
        for agent in &mut self.agents {
            let Some((_, scheduler)) = &mut agent.life else { continue };
            for due in scheduler.tick(self.now).due {
                let blank = report("login", agent.place, 0, Outcome::Passed);
                agent.spool.push(Report { slot: due.slot, started_at: self.now, ..blank });
            }
        }
    }

    /// The hub takes what was expected. What is of a time to come by its clock comes later.
    async fn deliver(&mut self) {
        let mut reports = Vec::new();
        for agent in self.agents.iter_mut().filter(|agent| agent.life.is_some()) {
            let of_now = |report: &mut Report| report.slot.at <= self.now;
            reports.extend(agent.spool.extract_if(.., of_now));
        }
        let times = || reports.iter().map(|it| it.slot.at);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
        let moment = Duration::from_millis(1);
        let watches = self.store.watches(None, (first - moment, last)).await.expect("read");
        reports.retain(|it| watches.iter().any(|watch| is_slot_of(&it.slot, watch)));
        self.taken.extend(reports.iter().map(|it| key(&it.slot)));
        self.store.record(&reports, &self.rules, self.now).await.expect("recorded");
    }

    async fn account(&mut self) {
        let hub = self.hub.as_mut().expect("it runs");
        if hub.rank == Rank::Latest && hub.latest.since <= self.now {
            let digest = &hub.latest.edition.digest;
            hub.rank = self.store.hold_edition(digest, self.now).await.expect("held");
        } else {
            (hub.latest.since, hub.latest.edition.origin) = (self.now, Origin::Behind);
            hub.rank = self.store.expect(&hub.latest, self.now).await.expect("stored");
            self.unsay();
        }
        round(self.store, self.now, PATIENCE).await.expect("accounted");
        while count_hour(self.store).await.expect("counted").is_some() {}
    }

    /// Goes on until all that was expected is accounted for, and holds what is so of each slot.
    async fn verdict(mut self) -> Result<(), TestCaseError> {
        if self.hub.is_none() {
            self.toggle_hub().await;
        }
        self.now = self.now.max(self.end);
        self.end = self.now;
        self.pass(PATIENCE * 3).await;
        let until = self.store.accounted_until().await.expect("read").expect("accounted for");
        prop_assert!(until >= self.now - PATIENCE);
        let whole = (self.begin - TimeDelta::hours(3), until);
        let found = Found::read(self.store, whole).await;
        let mut expected = BTreeMap::new();
        for watch in &found.watches {
            for at in watch.slots(whole.0, until) {
                let slot = Slot { check: watch.check.clone(), region: watch.region.clone(), at };
                prop_assert!(expected.insert(key(&slot), watch.duty).is_none(), "twice: {slot:?}");
                found.holds(&slot, watch.duty, self.relived.contains(&key(&slot)))?;
            }
        }
        for slot in self.promised.iter().filter(|slot| slot.2 <= until) {
            prop_assert!(expected.contains_key(slot), "nobody expects {slot:?}");
        }
        self.taken.retain(|slot| slot.2 <= until);
        let apart: Vec<_> = found.ran.symmetric_difference(&self.taken).collect();
        prop_assert!(apart.is_empty(), "not stored, or not taken: {apart:?}");
        let audit = audit(self.store, whole.0).await.expect("read");
        prop_assert_eq!(&audit.unaccounted, &vec![]);
        prop_assert_eq!(audit.expected, expected.len() as u64);
        let counted = tallies(self.store, None, whole).await.expect("read");
        let passed: u64 = counted.values().map(|tally| tally.passed).sum();
        let all: u64 = counted.values().map(|tally| tally.expected).sum();
        let run = expected.values().filter(|duty| **duty == Duty::Run).count();
        prop_assert_eq!((all, passed), (run as u64, found.ran.len() as u64));
        Ok(())
    }
}

/// What the store says in the end.
struct Found {
    watches: Vec<Watch>,
    ran: BTreeSet<(String, String, Timestamp)>,
    gaps: HashMap<(String, String), Vec<Gap>>,
}

impl Found {
    async fn read(store: &dyn Ledger, period: (Timestamp, Timestamp)) -> Self {
        let watches = store.watches(None, period).await.expect("read");
        let mut ran = BTreeSet::new();
        for ((check, region), slots) in store.ran(period).await.expect("read") {
            ran.extend(slots.into_iter().map(|at| (check.to_string(), region.to_string(), at)));
        }
        let mut gaps: HashMap<_, Vec<Gap>> = HashMap::new();
        for gap in store.gaps(None, period, u32::MAX).await.expect("read") {
            gaps.entry((gap.check.to_string(), gap.region.to_string())).or_default().push(gap);
        }
        Self { watches, ran, gaps }
    }

    /// A slot has a run or is inside one gap, and that says what its watch says; one that was run
    /// before the clock was set back may have been paused since.
    fn holds(&self, slot: &Slot, duty: Duty, is_relived: bool) -> Result<(), TestCaseError> {
        let place = (slot.check.to_string(), slot.region.to_string());
        let gaps = self.gaps.get(&place).into_iter().flatten();
        let inside: Vec<&Gap> =
            gaps.filter(|gap| gap.first <= slot.at && slot.at <= gap.last).collect();
        prop_assert!(inside.len() <= 1, "{slot:?}: {inside:#?}");
        if self.ran.contains(&key(slot)) {
            prop_assert!(duty == Duty::Run || is_relived, "nobody was to run {slot:?}");
        } else {
            let reason = inside.first().map(|gap| gap.reason);
            prop_assert!(reason.is_some(), "{slot:?} is not accounted for");
            prop_assert_eq!(reason == Some(GapReason::Paused), duty == Duty::Paused);
        }
        Ok(())
    }
}

fn slots_of(it: &Expected, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
    let next = |at: Timestamp| it.schedule.next_after(at, &it.check, &it.region);
    std::iter::successors(next(after), move |at| next(*at)).take_while(move |at| *at <= until)
}

fn is_slot_of(slot: &Slot, watch: &Watch) -> bool {
    let before = slot.at - TimeDelta::milliseconds(1);
    let is_here = watch.check == slot.check && watch.region == slot.region;
    is_here && watch.duty == Duty::Run && watch.slots(before, slot.at).next() == Some(slot.at)
}

async fn holds(
    store: &dyn Ledger,
    start: Timestamp,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let mut world = World::new(store, start).await;
    for step in steps {
        world.does(step).await;
    }
    world.verdict().await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn histories(
    cases: u32,
    steps: usize,
    one: impl Fn(Timestamp, Vec<Step>) -> Result<(), TestCaseError>,
) {
    let config = ProptestConfig { cases, max_shrink_iters: 40, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let histories = (starts(), prop::collection::vec(step(), 1..steps));
    runner.run(&histories, |(start, steps)| one(start, steps)).expect("all is accounted for");
}

/// What happens, on a fresh store in SQLite.
fn happens(start: Timestamp, steps: Vec<Step>) -> Result<(), TestCaseError> {
    runtime().block_on(async {
        let fresh = sqlite::Fresh::new().await;
        let held = holds(&fresh.store, start, steps).await;
        fresh.close().await;
        held
    })
}

#[test]
fn a_slot_that_was_run_before_the_clock_was_set_back_is_accounted_for_whatever_is_said_since() {
    let start = "2026-11-21T03:00:00Z".parse().expect("a time");
    let said = [Some((1, Duty::Paused)), Some((0, Duty::Paused)), Some((1, Duty::Run)), None];
    for terms in said {
        let steps = vec![Step::Pass(31), Step::Jump(-32), Step::Edit(0, terms)];
        happens(start, steps).unwrap_or_else(|why| panic!("{terms:?}: {why}"));
    }
}

#[test]
fn whatever_happens_every_slot_is_accounted_for_once_on_sqlite() {
    histories(16, 20, happens);
}

#[test]
fn whatever_happens_every_slot_is_accounted_for_once_on_postgresql() {
    histories(4, 12, |start, steps| {
        runtime().block_on(async {
            let fresh = postgres::Fresh::new().await;
            let held = holds(&fresh.store, start, steps).await;
            fresh.close().await;
            held
        })
    });
}
