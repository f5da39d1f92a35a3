//! How fast the JSON API answers over many stored runs, while results come in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::SecondsFormat;
use serde_json::Value;
use tripline::clock::{Clock, Stopwatch, System};
use tripline::engine::accountant;
use tripline::store::Ledger;
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::{Holder, SqliteStore};

use crate::daemon::Daemon;
use crate::fill::{Amount, Empty, fill};
use crate::ingest::durable;
use crate::machine::memory;
use crate::postgres::Database;
use crate::project::Project;
use crate::regions::{REGIONS, check, tokens};
use crate::sender::{Counts, Sender};
use crate::statistics::Sample;
use crate::{Priority, Row, client, target};

const CHECKS: usize = 10_000;
const EVERY: Duration = Duration::from_mins(5);
const ASKED: usize = 40;

/// Over `runs` runs in SQLite.
pub(crate) async fn on_sqlite(priority: Priority, runs: u64) -> Result<Vec<Row>> {
    over(None, runs, priority).await
}

/// Over `runs` runs in PostgreSQL.
pub(crate) async fn on_postgres(priority: Priority, runs: u64) -> Result<Vec<Row>> {
    let database = durable().await;
    let rows = over(Some(&database), runs, priority).await;
    database.discard().await;
    rows
}

async fn over(database: Option<&Database>, runs: u64, priority: Priority) -> Result<Vec<Row>> {
    let mut project = Project::new(target::free_port()?)?;
    project.run_in(&REGIONS);
    if let Some(database) = database {
        project.store(database.url());
    }
    for number in 0..CHECKS {
        project.url_check(&check(number), "https://www.example.com/", "5m", "");
    }
    project.write()?;
    // This makes the store.
    drop(Daemon::start_written(&project, priority).await?);
    let tokens = tokens(&project, &REGIONS)?;
    let amount = Amount { checks: CHECKS, every: EVERY, runs };
    let file = project.path().join("tripline.db");
    let watch = Stopwatch::start();
    let bytes = fill(database.map_or(Empty::Sqlite(&file), Empty::Postgres), amount).await?;
    let filled = watch.elapsed();
    let watch = Stopwatch::start();
    let hours = count_hours(database, &file).await?;
    let counted = watch.elapsed();
    let hub = Daemon::start_written(&project, priority).await?;
    let (counts, mut senders) = (Arc::new(Counts::default()), tokio::task::JoinSet::new());
    for (region, token) in REGIONS.into_iter().zip(&tokens) {
        let sender = Sender::new(region, (&hub.url, token), (CHECKS, EVERY), &counts)?;
        senders.spawn(sender.run());
    }
    tokio::time::sleep(Duration::from_secs(15)).await;
    let mut rows = vec![
        Row::new("load", format!("{CHECKS} requests every 5 min in {} regions", REGIONS.len())),
        Row::new(
            "runs stored",
            format!("{runs} in {} MiB, filled in {} s", bytes >> 20, filled.as_secs()),
        ),
        Row::new("hours counted", format!("{hours} in {} s", counted.as_secs())),
        Row::new("start to first answer", format!("{} ms", hub.start_up.as_millis())),
    ];
    rows.extend(ask_all(&hub).await?);
    let (resident, _) = memory(hub.id())?;
    let counted = counts.take();
    rows.push(Row::new("memory of the hub", format!("{resident:.0} MiB resident")));
    rows.push(Row::new(
        "meanwhile",
        format!("{} results, until the answer {}", counted.accepted, counted.answers.spread()),
    ));
    senders.shutdown().await;
    Ok(rows)
}

/// Counts the hours that are over, as a hub does when they end; says how many.
async fn count_hours(database: Option<&Database>, file: &Path) -> Result<u32> {
    let store: Arc<dyn Ledger> = if let Some(database) = database {
        Arc::new(PostgresStore::open(database.url()).await?)
    } else {
        let holder = Holder { command: "a benchmark".into(), since: System.now() };
        Arc::new(SqliteStore::open(file, &holder).await?)
    };
    let mut hours = 0;
    while accountant::count_hour(&*store).await?.is_some() {
        hours += 1;
    }
    store.close().await;
    Ok(hours)
}

/// Asks for everything, with other words each time.
async fn ask_all(hub: &Daemon) -> Result<Vec<Row>> {
    let client = client::client()?;
    let first = client::text(&client, &format!("{}/api/v1/runs?limit=500", hub.url)).await?;
    let first: Value = serde_json::from_str(&first).context("runs are JSON")?;
    let ids: Vec<&str> =
        first["runs"].as_array().into_iter().flatten().filter_map(|it| it["id"].as_str()).collect();
    ensure!(!ids.is_empty(), "no runs are listed");
    let some = |number: usize| check(number * 241 % CHECKS);
    let region = |number: usize| REGIONS[number % REGIONS.len()];
    let ways: [(&str, &dyn Fn(usize) -> String); 22] = [
        ("/healthz", &|_| "/healthz".into()),
        ("/checks", &|_| "/api/v1/checks".into()),
        ("/checks?limit=100&after=", &|it| format!("/api/v1/checks?limit=100&after={}", some(it))),
        ("/checks/{id}", &|it| format!("/api/v1/checks/{}", some(it))),
        ("/runs", &|_| "/api/v1/runs".into()),
        ("/runs?before=", &|it| {
            let hours = Duration::from_mins(30 * u64::try_from(it).unwrap_or(0));
            let before = (System.now() - hours).to_rfc3339_opts(SecondsFormat::Millis, true);
            format!("/api/v1/runs?before={before}")
        }),
        ("/runs?check=", &|it| format!("/api/v1/runs?check={}", some(it))),
        ("/runs?check=&region=", &|it| {
            format!("/api/v1/runs?check={}&region={}", some(it), region(it))
        }),
        ("/runs?check=&outcome=failed", &|it| {
            format!("/api/v1/runs?check={}&outcome=failed", some(it))
        }),
        ("/runs?region=", &|it| format!("/api/v1/runs?region={}", region(it))),
        ("/runs?outcome=failed", &|_| "/api/v1/runs?outcome=failed".into()),
        ("/runs?outcome=unknown", &|_| "/api/v1/runs?outcome=unknown".into()),
        ("/runs?region=&outcome=failed", &|it| {
            format!("/api/v1/runs?region={}&outcome=failed", region(it))
        }),
        ("/runs/{id}", &|it| format!("/api/v1/runs/{}", ids[it * 7 % ids.len()])),
        ("/incidents", &|_| "/api/v1/incidents".into()),
        ("/incidents?open_only=true", &|_| "/api/v1/incidents?open_only=true".into()),
        ("/incidents?check=", &|it| format!("/api/v1/incidents?check={}", some(it))),
        ("/incidents/{id}", &|it| format!("/api/v1/incidents/{}", 1 + it * 311)),
        ("/uptime?check=", &|it| format!("/api/v1/uptime?check={}", some(it))),
        ("/uptime?limit=100&after=", &|it| format!("/api/v1/uptime?limit=100&after={}", some(it))),
        ("/uptime?since=7d&limit=100&after=", &|it| {
            format!("/api/v1/uptime?since=7d&limit=100&after={}", some(it))
        }),
        ("/gaps", &|_| "/api/v1/gaps".into()),
    ];
    let mut rows = Vec::new();
    for (what, path) in ways {
        rows.push(Row::new(what, asked(&client, hub, path).await));
    }
    Ok(rows)
}

/// How long answers take to what `path` makes of a number.
pub(crate) async fn asked(
    client: &reqwest::Client,
    hub: &Daemon,
    path: &dyn Fn(usize) -> String,
) -> String {
    let (mut took, mut bytes, mut unanswered) = (Vec::new(), 0, 0);
    for number in 0..ASKED {
        let watch = Stopwatch::start();
        let answer = client.get(format!("{}{}", hub.url, path(number))).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(answer) => bytes = answer.bytes().await.map_or(bytes, |body| body.len()),
            Err(_) => unanswered += 1,
        }
        took.push(watch.elapsed().as_secs_f64() * 1e3);
        // What takes long is asked less often.
        if took.iter().sum::<f64>() > 20_000.0 {
            break;
        }
    }
    let took: Sample = took.into_iter().collect();
    format!(
        "p50 {:.1}  p95 {:.1}  max {:.1} ms  (n {}, {} KiB, without an answer {unanswered})",
        took.median(),
        took.percentile(95),
        took.largest(),
        took.len(),
        bytes >> 10
    )
}
