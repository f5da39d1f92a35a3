//! How soon many webhooks leave that are owed at once, by the lane of a hub on a real store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use tempfile::TempDir;
use tokio::sync::watch::{self, Sender};
use tokio::time::timeout;
use tripline::clock::{Clock, Halt, Stopwatch, System};
use tripline::domain::check::{Check, Work};
use tripline::domain::id::{CheckId, Region};
use tripline::domain::notification::NotificationState;
use tripline::domain::policy::{Channel, Policy, Roster, Target as Told, Tier};
use tripline::domain::run::{Failure, FailureKind, Report, Trace};
use tripline::domain::schedule::{Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::engine::deliveries::{Attempted, Contacts, Lane, Observer, Parts};
use tripline::engine::judge::Rulebook;
use tripline::notify::webhook::{Access, Webhooks};
use tripline::store::Store;
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::{Holder, SqliteStore};

use crate::ingest::durable;
use crate::project::REGION;
use crate::target::Target;
use crate::{Priority, Row};

pub(crate) const OWED: usize = 10_000;
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Counts what is recorded as sent: asking the store meanwhile would keep it from its work.
#[derive(Debug)]
struct Tally(Sender<usize>);

impl Observer for Tally {
    fn on_attempt(&self, _: &Attempted<'_>) {}

    fn on_recorded(&self, state: NotificationState) {
        self.0.send_modify(|sent| *sent += usize::from(state == NotificationState::Sent));
    }
}

/// To one receiver from SQLite; to ten; to one from PostgreSQL.
pub(crate) async fn webhooks(priority: Priority) -> Result<Vec<Row>> {
    let target = Target::start(priority).await?;
    let mut rows = vec![Row::new("load", format!("{OWED} webhooks owed at once"))];
    for receivers in [1, 10] {
        rows.push(from_sqlite(receivers, &target).await?);
    }
    let database = durable().await;
    let store = PostgresStore::open(database.url()).await?;
    rows.push(send("PostgreSQL", Arc::new(store), 1, &target).await?);
    database.discard().await;
    Ok(rows)
}

/// As many to so many receivers from a new store.
pub(crate) async fn from_sqlite(receivers: usize, target: &Target) -> Result<Row> {
    let folder = TempDir::new().context("failed to make a temporary folder")?;
    let holder = Holder { command: "a benchmark".into(), since: System.now() };
    let store = SqliteStore::open(&folder.path().join("tripline.db"), &holder).await?;
    send("SQLite", Arc::new(store), receivers, target).await
}

fn check(number: usize, receivers: usize) -> Result<Check> {
    Ok(Check {
        id: CheckId::new(&format!("check-{number}"))?,
        name: format!("Check {number}"),
        schedule: Schedule::Every(Interval::new(Duration::from_secs(30))?),
        regions: vec![Region::new(REGION)?],
        timeout: Duration::from_secs(20),
        policy: format!("sink-{}", number % receivers),
        runbook: None,
        labels: BTreeMap::new(),
        bodies: tripline::domain::exchange::Bodies::Kept,
        work: Work::Script { entry: "checks/login.js".into() },
    })
}

/// Has one failure of each check told by a webhook.
async fn owe(store: &dyn Store, receivers: usize) -> Result<()> {
    let checks = (0..OWED).map(|number| check(number, receivers)).collect::<Result<Vec<_>>>()?;
    let policies = (0..receivers).map(|number| {
        let name = format!("sink-{number}");
        Policy::of(&name, vec![Tier::after(1, vec![Told::Webhook(name.clone())])])
    });
    let rules = Rulebook::new(checks.clone(), policies, Roster::default())?;
    let now = System.now();
    let failed = |check: &Check| Report {
        slot: Slot { check: check.id.clone(), region: check.regions[0].clone(), at: now },
        started_at: now,
        duration: Duration::from_millis(80),
        failure: Some(Failure::new(FailureKind::Expectation, "expected 200, received 503")),
        trace: Trace::default(),
        clock_ahead: TimeDelta::zero(),
    };
    for some in checks.chunks(500) {
        let reports: Vec<Report> = some.iter().map(failed).collect();
        store.record(&reports, &rules, now).await?;
    }
    Ok(())
}

async fn owed(store: &dyn Store) -> Result<u64> {
    let backlog = store.backlog(System.now()).await?;
    Ok(backlog.iter().filter(|it| it.channel == Channel::Webhook).map(|it| it.owed).sum())
}

async fn send(what: &str, store: Arc<dyn Store>, receivers: usize, target: &Target) -> Result<Row> {
    owe(&*store, receivers).await?;
    target.seen().await?;
    let names: Vec<String> = (0..receivers).map(|number| format!("sink-{number}")).collect();
    let urls: Vec<String> = (0..receivers).map(|it| format!("{}/sink", target.url(it))).collect();
    let hooks = names
        .iter()
        .zip(&urls)
        .map(|(name, url)| (name.as_str(), Access { url, ..Access::default() }));
    let (sent, mut counted) = watch::channel(0);
    let parts = Parts {
        store: Arc::clone(&store),
        transport: Arc::new(Webhooks::new(hooks)?),
        contacts: Arc::new(Contacts::new(Roster::default(), |_| None)),
        observer: Arc::new(Tally(sent)),
        clock: Arc::new(System),
    };
    // As the daemon has it.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let halt = Halt::new();
    let (since, began) = (Stopwatch::start(), System.now().timestamp_micros());
    let lane = runtime.spawn(Lane::new(Channel::Webhook, parts).run(halt.clone()));
    let all = timeout(PATIENCE, counted.wait_for(|sent| *sent >= OWED)).await.map(|_| ());
    let recorded = since.elapsed();
    halt.ask();
    lane.await?;
    all.context("not all webhooks left")?;
    ensure!(owed(&*store).await? == 0, "some webhooks are owed still");
    store.close().await;
    // The store's connections were made in it.
    runtime.shutdown_background();
    let seen = target.seen().await?;
    let came: Vec<i64> = seen.iter().filter(|it| it.path == "/sink").map(|it| it.came).collect();
    ensure!(came.len() == OWED, "{} webhooks came", came.len());
    let last = came.iter().max().map_or(0, |last| last - began);
    Ok(Row::new(
        format!("{what}, receivers: {receivers}"),
        format!(
            "the last left after {} ms, recorded after {} ms",
            last / 1000,
            recorded.as_millis()
        ),
    ))
}
