//! What recording a run costs: processor time of the whole process and time that passes, per run.
//!
//! `cargo bench --bench store`, in SQLite and in a PostgreSQL that is started for it (or the one that
//! `TRIPLINE_TEST_POSTGRES` names); of the latter, processor time is that of this process alone. The
//! stores lie in the folder for temporary files, so what a commit that must survive a power cut
//! takes is the time of that disk.

#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

#[path = "../tests/it/support/port.rs"]
mod port;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tripline::clock::{Halt, Stopwatch, System};
use tripline::domain::Timestamp;
use tripline::domain::check::{Check, Work};
use tripline::domain::exchange::Bodies;
use tripline::domain::id::{CheckId, Region};
use tripline::domain::policy::{Channel, Policy, Roster};
use tripline::domain::run::{Failure, FailureKind, Outcome, Report, Request, Step, Timings, Trace};
use tripline::domain::schedule::{Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::engine::ingest::{Ingest, Observer, Pace, Parts};
use tripline::engine::judge::{ProjectJudge, Rulebook};
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::{Holder, SqliteStore};
use tripline::store::{Recorded, RunFilter, Store};

const CHECKS: u32 = 1000;

fn start() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

fn name(check: u32) -> CheckId {
    CheckId::new(&format!("shop/check-{check}")).expect("a good name")
}

fn region() -> Region {
    Region::new("eu-west-1").expect("a good name")
}

fn rules() -> Rulebook {
    let check = |number: u32| Check {
        id: name(number),
        name: format!("Check {number}"),
        schedule: Schedule::Every(Interval::new(Duration::from_secs(30)).expect("in range")),
        regions: vec![region()],
        timeout: Duration::from_secs(20),
        policy: Policy::DEFAULT_NAME.into(),
        runbook: None,
        labels: BTreeMap::new(),
        bodies: Bodies::Kept,
        work: Work::Script { entry: format!("checks/{number}.js") },
    };
    let policy = Policy::built_in(None);
    Rulebook::new((0..CHECKS).map(check), [policy], Roster::default()).expect("it has its policy")
}

/// Two steps and three requests, as a script that signs in has.
fn sign_in() -> Trace {
    let millis = Duration::from_millis;
    let step = |title: &str, start: u64| Step {
        name: title.into(),
        parent: None,
        start: millis(start),
        duration: Some(millis(120)),
        error: None,
    };
    let request = |path: &str, start: u64| Request {
        step: Some(0),
        start: millis(start),
        method: "GET".into(),
        url: format!("https://app.example.com/{path}"),
        status: Some(200),
        remote: Some("192.0.2.17:443".into()),
        sent: 0,
        received: 18_231,
        certificate_until: None,
        exchange: None,
        timings: Timings {
            dns: Some(millis(2)),
            connect: Some(millis(9)),
            tls: Some(millis(14)),
            wait: Some(millis(60)),
            download: Some(millis(3)),
        },
        error: None,
    };
    Trace {
        steps: vec![step("open the sign-in page", 0), step("sign in", 125)],
        requests: vec![request("login", 0), request("session", 125), request("home", 190)],
        ..Trace::default()
    }
}

/// The results of all checks, again and again.
struct Results {
    next: u32,
    trace: Trace,
}

impl Results {
    fn passed(&mut self) -> Report {
        let (round, check) = (self.next / CHECKS, self.next % CHECKS);
        self.next += 1;
        let at = start() + Duration::from_secs(30) * round + Duration::from_millis(29) * check;
        Report {
            slot: Slot { check: name(check), region: region(), at },
            started_at: at + Duration::from_millis(3),
            duration: Duration::from_millis(245),
            failure: None,
            trace: self.trace.clone(),
            clock_ahead: chrono::TimeDelta::zero(),
        }
    }

    fn failed(&mut self) -> Report {
        let failure = Some(Failure::new(FailureKind::Expectation, "expected 200, received 503"));
        Report { failure, ..self.passed() }
    }
}

fn processor() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(spent.tv_sec), u32::try_from(spent.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

struct Bench {
    store: Arc<dyn Store>,
    results: Results,
    rules: Rulebook,
}

impl Bench {
    async fn batches(&mut self, what: &str, count: u32, size: u32) {
        let batches: Vec<Vec<Report>> =
            (0..count / size).map(|_| (0..size).map(|_| self.results.passed()).collect()).collect();
        self.measure(what, count, &batches).await;
    }

    async fn measure(&self, what: &str, count: u32, batches: &[Vec<Report>]) {
        let (passed, spent) = (Stopwatch::start(), processor());
        for batch in batches {
            let now = batch[0].finished_at();
            self.store.record(batch, &self.rules, now).await.expect("recorded");
        }
        print(what, count, passed.elapsed(), processor().saturating_sub(spent));
    }

    /// What looking at the last runs takes.
    async fn lists(&self) {
        const TIMES: u32 = 200;
        let all = RunFilter { limit: 50, ..RunFilter::default() };
        let one = RunFilter { check: Some(name(17)), ..all.clone() };
        let failed = RunFilter { outcome: Some(Outcome::Failed), ..all.clone() };
        for (what, filter) in
            [("lists 50", all), ("lists 50 of a check", one), ("lists 50 that failed", failed)]
        {
            let (passed, spent) = (Stopwatch::start(), processor());
            for _ in 0..TIMES {
                let runs = self.store.runs(&filter).await.expect("listed");
                assert_eq!(runs.len(), 50);
            }
            print(what, TIMES, passed.elapsed(), processor().saturating_sub(spent));
        }
    }

    async fn through_ingest(&mut self, count: u32) {
        let parts = Parts {
            store: Arc::clone(&self.store),
            judge: Arc::new(ProjectJudge::new(rules())),
            clock: Arc::new(System),
            observer: Arc::new(Nobody),
            hatches: Vec::new(),
        };
        let (ingest, committer) = Ingest::new(parts, Pace::default());
        let committer = tokio::spawn(committer.run(Halt::new()));
        let reports: Vec<Report> = (0..count).map(|_| self.results.passed()).collect();
        let (passed, spent) = (Stopwatch::start(), processor());
        let submitted: Vec<_> = reports
            .into_iter()
            .map(|report| {
                let ingest = ingest.clone();
                tokio::spawn(async move { ingest.submit(report).await })
            })
            .collect();
        for one in submitted {
            one.await.expect("it ran").expect("committed");
        }
        print("calm, through ingest", count, passed.elapsed(), processor().saturating_sub(spent));
        drop(ingest);
        committer.await.expect("it ended");
    }
}

struct Nobody;

impl Observer for Nobody {
    fn on_recorded(&self, _: &[Recorded], _: &[Report], _: &[Channel]) {}
}

fn print(what: &str, count: u32, passed: Duration, spent: Duration) {
    let per_run = |time: Duration| time.as_secs_f64() * 1e3 / f64::from(count);
    println!(
        "{what:<28} {count:>6} runs: {:>7.4} ms of processor, {:>7.4} ms each",
        per_run(spent),
        per_run(passed)
    );
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let holder = Holder { command: "a benchmark".into(), since: start() };
    let store = SqliteStore::open(&folder.path().join("tripline.db"), &holder).await;
    println!("SQLite");
    measure_all(Arc::new(store.expect("a new store"))).await;
    let database = postgres::Database::empty().await;
    // As a server is set up by those who want to keep what they store.
    for setting in ["fsync", "full_page_writes"] {
        database.execute(&format!("ALTER SYSTEM SET {setting} = on")).await;
    }
    database.execute("SELECT pg_reload_conf()").await;
    let store = PostgresStore::open(database.url()).await;
    println!("PostgreSQL");
    measure_all(Arc::new(store.expect("a new store"))).await;
    database.discard().await;
}

async fn measure_all(store: Arc<dyn Store>) {
    for (kind, trace) in [("no trace", Trace::default()), ("sign-in", sign_in())] {
        println!("  {kind}");
        let next = if kind == "no trace" { 0 } else { 1_000_000 };
        let results = Results { next, trace };
        let mut bench = Bench { store: Arc::clone(&store), results, rules: rules() };
        bench.batches("calm, the first of each", 1000, 100).await;
        bench.batches("calm, single", 10_000, 1).await;
        bench.batches("calm, 10 at once", 20_000, 10).await;
        bench.batches("calm, 100 at once", 50_000, 100).await;
        bench.batches("calm, 256 at once", 51_200, 256).await;
        bench.through_ingest(20_000).await;
        let failing: Vec<_> = (0..CHECKS).map(|_| vec![bench.results.failed()]).collect();
        bench.measure("opens an incident", CHECKS, &failing).await;
        let passing: Vec<_> = (0..CHECKS).map(|_| vec![bench.results.passed()]).collect();
        bench.measure("resolves it", CHECKS, &passing).await;
        bench.lists().await;
    }
    store.close().await;
}
