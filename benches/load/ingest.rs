//! How many results a hub takes from the agents of other regions, with incidents stepped.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tripline::clock::Stopwatch;

use crate::daemon::Daemon;
use crate::machine::{memory, own_processor_time, processor_time};
use crate::postgres::Database;
use crate::project::Project;
use crate::regions::{REGIONS, check, tokens};
use crate::sender::{Counts, Sender};
use crate::{Priority, Row, target};

/// Each of them runs in every region.
const CHECKS: usize = 10_000;
const WARM_UP: Duration = Duration::from_secs(25);
const STEADY: Duration = Duration::from_secs(30);
const HURRIED: Duration = Duration::from_secs(15);

/// On SQLite; on PostgreSQL with one hub; with two.
pub(crate) async fn ingest(priority: Priority) -> Result<Vec<Row>> {
    let mut rows = vec![Row::new("SQLite", "")];
    rows.extend(on(None, 1, Duration::from_secs(20), priority).await?);
    for hubs in [1, 2] {
        let database = durable().await;
        rows.push(Row::new(format!("PostgreSQL, hubs: {hubs}"), ""));
        rows.extend(on(Some(&database), hubs, Duration::from_secs(10), priority).await?);
        database.discard().await;
    }
    Ok(rows)
}

/// An empty database on a server set up by those who want to keep what they store.
pub(crate) async fn durable() -> Database {
    let database = Database::empty().await;
    for setting in ["fsync", "full_page_writes"] {
        database.execute(&format!("ALTER SYSTEM SET {setting} = on")).await;
    }
    database.execute("SELECT pg_reload_conf()").await;
    database
}

/// A project of [`CHECKS`] checks that run in all regions.
pub(crate) fn project(database: Option<&Database>, every: Duration) -> Result<Project> {
    // Nobody listens there: what statsd is sent is not what is measured.
    let mut project = Project::new(target::free_port()?)?;
    project.run_in(&REGIONS);
    if let Some(database) = database {
        project.store(database.url());
    }
    for number in 0..CHECKS {
        let every = format!("{}s", every.as_secs());
        project.url_check(&check(number), "https://www.example.com/", &every, "");
    }
    project.write()?;
    Ok(project)
}

async fn on(
    database: Option<&Database>,
    hubs: usize,
    every: Duration,
    priority: Priority,
) -> Result<Vec<Row>> {
    let project = project(database, every)?;
    let mut daemons = Vec::new();
    for _ in 0..hubs {
        daemons.push(Daemon::start_written(&project, priority).await?);
    }
    let tokens = tokens(&project, &REGIONS)?;
    let counts = Arc::new(Counts::default());
    let mut senders = tokio::task::JoinSet::new();
    for (number, (region, token)) in REGIONS.into_iter().zip(&tokens).enumerate() {
        let to = (daemons[number % hubs].url.as_str(), token.as_str());
        senders.spawn(Sender::new(region, to, (CHECKS, every), &counts)?.run());
    }
    // Every check must have been seen once: the first result of each is dearer.
    tokio::time::sleep(WARM_UP).await;
    let wanted = CHECKS * REGIONS.len() / usize::try_from(every.as_secs())?;
    let mut rows = measured(&format!("{wanted} a second sent"), &counts, &daemons, STEADY).await?;
    let (steady, _) = memory(daemons[0].id())?;
    counts.hurry();
    tokio::time::sleep(Duration::from_secs(1)).await;
    rows.extend(measured("as many as are taken", &counts, &daemons, HURRIED).await?);
    let (resident, _) = memory(daemons[0].id())?;
    rows.push(Row::new(
        "  memory of a hub",
        format!("{steady:.0} MiB resident, then {resident:.0} MiB"),
    ));
    ensure!(senders.try_join_next().is_none(), "a sender ended");
    senders.shutdown().await;
    Ok(rows)
}

async fn measured(
    what: &str,
    counts: &Counts,
    daemons: &[Daemon],
    time: Duration,
) -> Result<Vec<Row>> {
    let hubs =
        || -> Result<Duration> { daemons.iter().map(|daemon| processor_time(daemon.id())).sum() };
    let everything = || processor_time(std::process::id());
    counts.take();
    let before = (hubs()?, everything()?, own_processor_time());
    let watch = Stopwatch::start();
    tokio::time::sleep(time).await;
    let (counted, passed) = (counts.take(), watch.elapsed());
    let hubs = hubs()?.saturating_sub(before.0);
    let own = own_processor_time().saturating_sub(before.2);
    let server = everything()?.saturating_sub(before.1).saturating_sub(hubs).saturating_sub(own);
    ensure!(counted.accepted > 0, "nothing was accepted");
    let accepted = f64::from(u32::try_from(counted.accepted)?);
    let each = |time: Duration| time.as_secs_f64() * 1e3 / accepted;
    let share = |time: Duration| 100.0 * time.as_secs_f64() / passed.as_secs_f64();
    Ok(vec![
        Row::new(
            format!("  {what}"),
            format!(
                "{:.0} results a second, {} failing, {} in trouble",
                accepted / passed.as_secs_f64(),
                counted.failing,
                counted.trouble
            ),
        ),
        Row::new("  until the answer", counted.answers.spread()),
        Row::new(
            "  processor time, hub / database / sender",
            format!(
                "{:.3} / {:.3} / {:.3} ms each; {:.0} / {:.0} / {:.0} % of a core",
                each(hubs),
                each(server),
                each(own),
                share(hubs),
                share(server),
                share(own)
            ),
        ),
    ])
}
