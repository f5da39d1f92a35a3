//! Accounting for slots while a hub runs: says which are expected, vouches for this process, and has
//! the accountant come round.
//!
//! Hubs that share a store take turns in coming round; each vouches for itself. Must not: run or
//! delay a slot, or stop the hub when the store fails.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use super::share;
use crate::clock::{Clock, Halt, Pulse, Stopwatch, haste};
use crate::config::Project;
use crate::config::settings::Agent as AgentSettings;
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::coverage::{Duty, Gap, GapReason, SEEN_FOR};
use crate::domain::edition::{Origin, Rank};
use crate::domain::id::Region;
use crate::engine::accountant::{self, Rest};
use crate::engine::judge::ProjectJudge;
use crate::engine::turns::Turns;
use crate::failpoint::{self, Failpoint};
use crate::http::{CheckSnapshot, Loops};
use crate::link::protocol as link;
use crate::store::accounts::{Expectation, Expected, Process};
use crate::store::{Error, Ledger, RENEWAL};

/// The name of the lease.
const PART: &str = "accounting";
/// How often it comes round. A process that is killed is missed after this time at the latest.
const PERIOD: Duration = Duration::from_secs(10);
// Between two signs of life an agent is not taken for lost.
const _: () = assert!(link::LEASE.as_secs() <= SEEN_FOR.as_secs());
/// After so long no further hour is counted in a turn: hubs and agents are to see that it goes on.
const COUNTING: Duration = Duration::from_secs(3);
/// How long after its timeout the report of a run may come.
const REPORTING: Duration = Duration::from_secs(15);

/// Accounts for the slots of a project.
#[derive(Debug)]
pub(super) struct Accounting {
    store: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    checks: CheckSnapshot,
    /// Tells this process from others, and from itself before a restart.
    id: String,
    /// Which the agent of this process serves.
    region: ArcSwap<Region>,
    judge: Arc<ProjectJudge>,
    expectations: Mutex<Expectations>,
    /// What the latest edition has run, while this hub has an earlier one.
    expected: share::Expected,
    /// Is told when it is to come round next.
    pulse: Arc<Pulse>,
}

/// When this hub last came round.
#[derive(Debug, Default)]
struct Came {
    /// Since when; `None` when it never did.
    round: Option<Stopwatch>,
    /// Whether it was its turn when it last looked.
    is_mine: bool,
}

/// What this hub has expected.
#[derive(Debug, Default)]
struct Expectations {
    /// In order, as far as that is not stored yet.
    unwritten: VecDeque<Expectation>,
    /// What it expects now.
    latest: Option<Expectation>,
    /// How that stands among what other hubs expect.
    rank: Option<Rank>,
    /// The edition whose absent checks are to have their incidents closed.
    absent: Option<String>,
}

impl Accounting {
    /// Accounts for `checks`; `agent` is the one of this process. `loops` are told when it is
    /// to come round next.
    pub(super) fn new(
        (store, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
        (checks, judge): (&CheckSnapshot, &Arc<ProjectJudge>),
        agent: &AgentSettings,
        loops: &Loops,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            clock: Arc::clone(clock),
            checks: Arc::clone(checks),
            judge: Arc::clone(judge),
            id: Uuid::new_v4().to_string(),
            region: ArcSwap::from_pointee(agent.region.clone()),
            expectations: Mutex::default(),
            expected: Arc::default(),
            pulse: Arc::clone(&loops.accounting),
        })
    }

    /// The same for a project, which is expected from now on. Before its schedule begins: what that hands
    /// out is what is expected.
    pub(super) async fn of(
        project: &Project,
        kept: (&Arc<dyn Ledger>, &Arc<dyn Clock>),
        judged: (&CheckSnapshot, &Arc<ProjectJudge>),
        loops: &Loops,
    ) -> Result<Arc<Self>, Error> {
        let accounting = Self::new(kept, judged, &project.settings.agent, loops);
        accounting.expect(project).await?;
        Ok(accounting)
    }

    /// What the agent of this process is to run, while not all that its project says.
    pub(super) fn expected(&self) -> share::Expected {
        Arc::clone(&self.expected)
    }

    /// From now on the agent of this process serves `region`.
    pub(super) fn serve(&self, region: Region) {
        self.region.store(Arc::new(region));
    }

    /// This hub, and the agent in its process.
    fn present(&self) -> [Process; 2] {
        let region = self.region.load().as_ref().clone();
        [None, Some(region)].map(|region| Process { id: self.id.clone(), region })
    }

    /// From now on the slots of the checks of `project` are expected, and no others, unless another hub
    /// has a later edition of it. What cannot be written now is written before anything else is
    /// accounted for, as of now.
    pub(super) async fn expect(&self, project: &Project) -> Result<(), Error> {
        let mut expectations = self.expectations.lock().await;
        let origin =
            expectations.digest().map_or(Origin::Start, |before| Origin::Reload { before });
        let now = self.clock.now();
        let expectation = expectation(project, origin, now);
        expectations.latest = Some(expectation.clone());
        expectations.unwritten.push_back(expectation);
        self.write(&mut expectations).await?;
        failpoint::reach(Failpoint::Expected);
        self.keep_to(expectations.rank).await
    }

    /// Closes the incidents of checks that the rules in force do not have any more, unless another
    /// hub has a later edition; whether there were any. What cannot be done now is done later.
    pub(super) async fn close_absent(&self) -> Result<bool, Error> {
        failpoint::reach(Failpoint::InForce);
        let mut expectations = self.expectations.lock().await;
        expectations.absent = expectations.digest();
        self.close(&mut expectations).await
    }

    async fn close(&self, expectations: &mut Expectations) -> Result<bool, Error> {
        let (Some(absent), Some(Rank::Latest)) = (&expectations.absent, expectations.rank) else {
            return Ok(false);
        };
        let rules = self.judge.current();
        // By another hub's later edition, they may not be absent.
        let Some(closed) = self.store.close_absent(&*rules, absent, self.clock.now()).await? else {
            return Ok(false);
        };
        expectations.absent = None;
        Ok(!closed.is_empty())
    }

    /// Lets the agent of this process run what is expected, which is what its project says while that
    /// is the latest.
    async fn keep_to(&self, rank: Option<Rank>) -> Result<(), Error> {
        if rank != Some(Rank::Earlier) {
            self.expected.store(None);
            return Ok(());
        }
        let now = self.clock.now();
        let watches = self.store.watches(None, (now, now + Duration::from_millis(1))).await?;
        let open = watches.into_iter().filter(|watch| watch.until.is_none());
        let by_place = open.map(|watch| ((watch.check.clone(), watch.region.clone()), watch));
        self.expected.store(Some(Arc::new(by_place.collect())));
        Ok(())
    }

    /// Writes what is expected and was not written yet, in order.
    async fn write(&self, expectations: &mut Expectations) -> Result<(), Error> {
        while let Some(expectation) = expectations.unwritten.front() {
            let rank = self.store.expect(expectation, self.clock.now()).await?;
            expectations.unwritten.pop_front();
            expectations.note(rank);
        }
        Ok(())
    }

    /// Says that this hub has what it has, where that is the latest; else looks whether it is now,
    /// because no other hub has anything later any more.
    async fn stand(&self, expectations: &mut Expectations) -> Result<(), Error> {
        let Some(latest) = &mut expectations.latest else { return Ok(()) };
        let now = self.clock.now();
        let is_latest = expectations.rank == Some(Rank::Latest);
        // What is expected since a time to come, because the clock was set back, begins now.
        let rank = if is_latest && latest.since <= now {
            self.store.hold_edition(&latest.edition.digest, now).await?
        } else {
            // How it was come by is past: else two hubs would take each other's place for ever.
            (latest.since, latest.edition.origin) = (now, Origin::Behind);
            self.store.expect(latest, now).await?
        };
        expectations.note(rank);
        Ok(())
    }

    /// Comes round until `halt` is asked for. The last thing it does is vouch for the processes, so
    /// that a stop in order is known to the moment.
    pub(super) async fn run(self: Arc<Self>, halt: Halt) {
        let mut troubled = false;
        let mut turns = Turns::new((&self.store, &self.clock), PART);
        let mut came = Came::default();
        let next = || Some(self.clock.now() + RENEWAL);
        self.pulse.expect(next());
        loop {
            match self.look(&mut turns, &mut came).await {
                Ok(gaps) => {
                    tell(&gaps);
                    troubled = false;
                    self.pulse.expect(next());
                }
                Err(error) if !troubled => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "slots were not accounted for; that is made up for");
                    troubled = true;
                }
                Err(_) => {}
            }
            if timeout(haste::pause(RENEWAL), halt.asked()).await.is_ok() {
                break;
            }
        }
        let now = self.clock.now();
        if let Err(error) = accountant::vouch(&*self.store, &self.present(), now).await {
            tracing::debug!(%error, "the end of this process was not noted to the moment");
        }
        turns.leave().await;
    }

    /// Looks whose turn it is, and comes round when it is time, or when another hub was to and is gone.
    async fn look(&self, turns: &mut Turns, came: &mut Came) -> Result<Vec<Gap>, Error> {
        let (is_mine, was_mine) = (turns.renew().await?, came.is_mine);
        came.is_mine = is_mine;
        let is_time =
            came.round.is_none_or(|since| since.elapsed() + RENEWAL / 2 >= haste::pause(PERIOD));
        if !is_time && (was_mine || !is_mine) {
            return Ok(Vec::new());
        }
        let gaps = self.turn(turns).await?;
        came.round = Some(Stopwatch::start());
        Ok(gaps)
    }

    async fn turn(&self, turns: &mut Turns) -> Result<Vec<Gap>, Error> {
        // The time is asked for after the lease, which sets the clock right where it is the database's.
        let mut is_mine = turns.go_on().await?;
        let now = self.clock.now();
        accountant::vouch(&*self.store, &self.present(), now).await?;
        let mut expectations = self.expectations.lock().await;
        self.write(&mut expectations).await?;
        self.stand(&mut expectations).await?;
        self.keep_to(expectations.rank).await?;
        if self.close(&mut expectations).await? {
            tracing::info!("incidents of checks that are gone were closed");
        }
        drop(expectations);
        let mut gaps = BTreeMap::new();
        // After a long absence, or where runs are many, this takes longer than a lease holds.
        while is_mine {
            let done = accountant::period(&*self.store, now, self.patience()).await?;
            for gap in done.gaps {
                gaps.insert((gap.check.clone(), gap.region.clone(), gap.first), gap);
            }
            if done.rest == Rest::Nothing {
                self.count_hours(turns).await?;
                break;
            }
            is_mine = turns.go_on().await?;
        }
        Ok(gaps.into_values().collect())
    }

    /// Counts the hours that are over, for as long as a turn may take.
    async fn count_hours(&self, turns: &mut Turns) -> Result<(), Error> {
        let watch = Stopwatch::start();
        while watch.elapsed() < COUNTING && turns.go_on().await? {
            let Some(hour) = accountant::count_hour(&*self.store).await? else { break };
            tracing::debug!(%hour, took_ms = watch.elapsed().as_millis(), "an hour was counted");
        }
        Ok(())
    }

    /// How long after a slot its report may come.
    fn patience(&self) -> Duration {
        let longest = self.checks.load().iter().map(|check| check.timeout).max();
        longest.unwrap_or_default() + REPORTING
    }
}

impl Expectations {
    /// Tells the edition that this hub has from others; none before it has one.
    fn digest(&self) -> Option<String> {
        self.latest.as_ref().map(|it| it.edition.digest.clone())
    }

    /// Notes how what this hub expects stands, and says so where that changes.
    fn note(&mut self, rank: Rank) {
        match (self.rank.replace(rank), rank) {
            (None | Some(Rank::Latest), Rank::Earlier) => tracing::warn!(
                "another hub that shares the store has a later edition of the project; what it \
                 watches stays as it is until this hub has that, too, or no hub has it any more"
            ),
            (Some(Rank::Earlier), Rank::Latest) => {
                tracing::info!("this hub has the latest edition of the project");
                // By what others had meanwhile, incidents began of checks that it does not have.
                self.absent = self.digest();
            }
            _ => {}
        }
    }
}

/// What a project has expected since `since`.
fn expectation(project: &Project, origin: Origin, since: Timestamp) -> Expectation {
    let run = project.checks.values().map(|check| (check, Duty::Run));
    let paused = project.disabled.values().map(|check| (check, Duty::Paused));
    let expected = run.chain(paused).flat_map(|(check, duty)| expected(check, duty)).collect();
    Expectation::new(expected, project.edited_at, origin, since)
        .with_rules(&project.settings.rules.all)
}

/// Tells a project from others: equal where the same is watched by the same rules.
pub(super) fn edition(project: &Project) -> String {
    expectation(project, Origin::Start, project.edited_at).edition.digest
}

fn expected(check: &Arc<Check>, duty: Duty) -> impl Iterator<Item = Expected> + use<> {
    let check = Arc::clone(check);
    let regions = check.regions.clone().into_iter();
    regions.map(move |region| Expected {
        check: check.id.clone(),
        region,
        schedule: check.schedule.clone(),
        duty,
    })
}

/// Says in one line for each reason how many slots were not run.
fn tell(gaps: &[Gap]) {
    let mut told: BTreeMap<GapReason, (usize, &Gap)> = BTreeMap::new();
    // That nobody runs what was switched off is no news.
    for gap in gaps.iter().filter(|gap| gap.reason != GapReason::Paused) {
        told.entry(gap.reason).or_insert((0, gap)).0 += 1;
    }
    for (reason, (checks, gap)) in told {
        tracing::warn!(
            reason = reason.as_str(),
            checks,
            check = %gap.check,
            region = %gap.region,
            since = %gap.first,
            slots = gap.slots,
            "slots were not run; the first check concerned is named"
        );
    }
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use sqlx::{Connection as _, SqliteConnection};
    use tokio::sync::watch;

    use super::*;
    use crate::clock::Manual;
    use crate::config::{Environment, Files, settings};
    use crate::engine::judge::Rulebook;
    use crate::store::sqlite::{Holder, SqliteStore};

    fn project(folder: &std::path::Path, checks: &str) -> Project {
        std::fs::write(folder.join("tripline.toml"), checks).expect("written");
        let files = Files::load(folder);
        let settings = settings::read(&files, &Environment::new([]));
        Project::assemble(files, settings, &[]).expect("it has no mistakes")
    }

    /// A store in `folder`.
    async fn ledger(folder: &std::path::Path, start: Timestamp) -> Arc<dyn Ledger> {
        let opened = Holder { command: "a test".to_owned(), since: start };
        let store = SqliteStore::open(&folder.join("t.db"), &opened).await;
        Arc::new(store.expect("opened"))
    }

    /// A hub on that store.
    fn hub(store: &Arc<dyn Ledger>, clock: &Arc<dyn Clock>, of: &Project) -> Arc<Accounting> {
        let snapshot: CheckSnapshot = Arc::new(ArcSwap::from_pointee(Vec::new()));
        let judge = Arc::new(ProjectJudge::new(Rulebook::default()));
        let loops = Loops::new(watch::channel(None).1);
        Accounting::new((store, clock), (&snapshot, &judge), &of.settings.agent, &loops)
    }

    fn check(name: &str, more: &str) -> String {
        let url = "url = \"https://example.com/\"";
        format!("[[check]]\nname = \"{name}\"\n{url}\nevery = \"30s\"\n{more}\n")
    }

    /// Lets `hubs` come round a few times, one after the other; how their projects stand each time.
    async fn come_round(
        store: &Arc<dyn Ledger>,
        (time, clock): (&Manual, &Arc<dyn Clock>),
        hubs: [&Arc<Accounting>; 2],
    ) -> Vec<[Option<Rank>; 2]> {
        let mut stood = Vec::new();
        for _ in 0..4 {
            let mut ranks = [None; 2];
            for (hub, rank) in hubs.into_iter().zip(&mut ranks) {
                time.advance(PERIOD / 2);
                hub.turn(&mut Turns::new((store, clock), PART)).await.expect("accounted");
                *rank = hub.expectations.lock().await.rank;
            }
            stood.push(ranks);
        }
        stood
    }

    #[tokio::test]
    async fn what_one_hub_takes_back_stays_so_while_another_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let store = ledger(folder.path(), start).await;
        let time = Arc::new(Manual::new(start));
        let clock: Arc<dyn Clock> = time.clone();
        let dated = |text: &str| {
            let mut project = project(folder.path(), text);
            project.edited_at = start - Duration::from_hours(1);
            project
        };
        let old = dated(&check("front", ""));
        let new = dated(&format!("{}{}", check("front", ""), check("back", "")));
        let hubs = [(); 2].map(|()| hub(&store, &clock, &old));
        for edit in [&old, &new] {
            for hub in &hubs {
                time.advance(Duration::from_secs(1));
                hub.expect(edit).await.expect("written");
            }
        }
        let [one, other] = &hubs;
        one.expect(&old).await.expect("written");
        let stood = come_round(&store, (&time, &clock), [one, other]).await;
        let apart = [Some(Rank::Latest), Some(Rank::Earlier)];
        assert_eq!(stood, [apart; 4], "nobody edited anything");
        // What the latest edition does not have, the agent of the other does not run.
        let run = other.expected().load_full().expect("it keeps to what the other has");
        let run: Vec<&str> = run.keys().map(|(check, _)| check.as_str()).collect();
        assert_eq!(run, ["front"]);
        other.expect(&old).await.expect("written");
        let stood = come_round(&store, (&time, &clock), [one, other]).await;
        assert_eq!(stood, [[Some(Rank::Latest); 2]; 4]);
        assert!(other.expected().load().is_none(), "it has all that it has");
    }

    #[tokio::test]
    async fn what_was_put_in_force_by_a_clock_that_was_ahead_is_expected_when_it_is_set_right() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let store = ledger(folder.path(), start).await;
        let time = Arc::new(Manual::new(start + Duration::from_hours(1)));
        let clock: Arc<dyn Clock> = time.clone();
        let project = project(folder.path(), &check("front", ""));
        let hub = hub(&store, &clock, &project);
        hub.expect(&project).await.expect("written");
        let turn = async || hub.turn(&mut Turns::new((&store, &clock), PART)).await;
        turn().await.expect("accounted");
        time.set(start);
        turn().await.expect("accounted");
        let hour = (start, start + Duration::from_hours(1));
        let watches = store.watches(None, hour).await.expect("read");
        let from: Vec<_> = watches.iter().map(|watch| (watch.from, watch.until)).collect();
        assert_eq!(from, [(start, None)]);
    }

    #[tokio::test]
    async fn an_edit_that_others_are_past_stays_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let store = ledger(folder.path(), start).await;
        let time = Arc::new(Manual::new(start));
        let clock: Arc<dyn Clock> = time.clone();
        let old = project(folder.path(), &check("front", ""));
        let [one, other] = [(); 2].map(|()| hub(&store, &clock, &old));
        for hub in [&one, &other] {
            hub.expect(&old).await.expect("written");
        }
        // One reads an edit and stands still; another reads the next one.
        let second = project(folder.path(), &check("front", "enabled = false"));
        let late = {
            let expectations = other.expectations.lock().await;
            let before = expectations.latest.clone().expect("it has one").edition.digest;
            let off = second.disabled.values();
            let off = off.flat_map(|it| expected(it, Duty::Paused)).collect();
            Expectation::new(off, start, Origin::Reload { before }, time.now())
        };
        time.advance(Duration::from_secs(1));
        one.expect(&project(folder.path(), &check("back", ""))).await.expect("written");
        {
            let mut expectations = other.expectations.lock().await;
            expectations.latest = Some(late.clone());
            expectations.unwritten.push_back(late);
        }
        let stood = come_round(&store, (&time, &clock), [&one, &other]).await;
        assert_eq!(stood, [[Some(Rank::Latest), Some(Rank::Earlier)]; 4]);
    }

    #[tokio::test]
    async fn what_is_expected_is_written_as_of_its_time_before_anything_is_accounted_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let (store, path) = (ledger(folder.path(), start).await, folder.path().join("t.db"));
        let time = Arc::new(Manual::new(start));
        let clock: Arc<dyn Clock> = time.clone();
        let check = |name: &str, every: &str, more: &str| {
            let url = "url = \"https://example.com/\"";
            format!("[[check]]\nname = \"{name}\"\n{url}\nevery = \"{every}\"\n{more}\n")
        };
        let first = project(folder.path(), &check("front", "30s", ""));
        let accounting = hub(&store, &clock, &first);
        accounting.expect(&first).await.expect("written");
        let watches = async || -> Vec<(String, Duration, Duty)> {
            let all = store.watches(None, (start, time.now())).await.expect("read");
            let told = all.iter().map(|watch| {
                let since = (watch.from - start).to_std().expect("it began then");
                (watch.check.to_string(), since, watch.duty)
            });
            told.collect()
        };
        // Two edits come in while the disk is full.
        let mut disk = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await;
        let disk = disk.as_mut().expect("opened");
        let full = "CREATE TRIGGER full BEFORE INSERT ON watches BEGIN \
             SELECT RAISE(ABORT, 'the disk is full'); END";
        sqlx::raw_sql(full).execute(&mut *disk).await.expect("filled");
        let edits = [check("front", "60s", ""), check("front", "60s", "enabled = false\n")];
        for edit in &edits {
            time.advance(Duration::from_secs(100));
            accounting.expect(&project(folder.path(), edit)).await.expect_err("it is full");
        }
        time.advance(Duration::from_secs(100));
        let mut turns = Turns::new((&store, &clock), PART);
        accounting.turn(&mut turns).await.expect_err("it is full");
        assert_eq!(store.accounted_until().await.expect("read"), None);
        assert_eq!(watches().await.len(), 1);
        sqlx::raw_sql("DROP TRIGGER full").execute(&mut *disk).await.expect("there is room");
        accounting.turn(&mut turns).await.expect("accounted");
        assert!(store.accounted_until().await.expect("read").is_some());
        let told = [(0, Duty::Run), (100, Duty::Run), (200, Duty::Paused)];
        let told = told.map(|(since, duty)| ("front".to_owned(), Duration::from_secs(since), duty));
        assert_eq!(watches().await, told);
    }
}
