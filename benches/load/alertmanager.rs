//! Ten thousand webhooks at once, by a lane on a store and by an Alertmanager beside it, in turns.
//!
//! Alertmanager is told of ten thousand alerts in one request, has each tell of itself alone and waits for
//! nothing; what is told is the time from that request to the last webhook. It keeps what it owes in memory.
//! Ours stand recorded before, and each is leased and settled on disk.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tripline::clock::{Clock, Stopwatch, System};

use crate::beside::{Beside, version};
use crate::client::client;
use crate::target::Target;
use crate::webhooks::{OWED, PATIENCE, from_sqlite};
use crate::{Priority, Row};

const PROGRAM: &str = "prometheus-alertmanager";
const ROUNDS: usize = 3;

/// Both in turns.
pub(crate) async fn alertmanager(priority: Priority) -> Result<Vec<Row>> {
    let target = Target::start(priority).await?;
    let mut rows = vec![
        Row::new("beside", version(PROGRAM)?),
        Row::new("load", format!("{OWED} webhooks at once to one receiver")),
    ];
    for _ in 0..ROUNDS {
        rows.push(from_sqlite(1, &target).await?);
        rows.push(from_alertmanager(&target).await?);
    }
    Ok(rows)
}

async fn from_alertmanager(target: &Target) -> Result<Row> {
    let folder = TempDir::new().context("failed to make a temporary folder")?;
    let client = client()?;
    let server = start(&client, folder.path(), target).await?;
    let alert = |number| json!({ "labels": { "alertname": "Failing", "check": number } });
    let alerts: Vec<Value> = (0..OWED).map(|number| alert(number.to_string())).collect();
    target.seen().await?;
    let began = System.now().timestamp_micros();
    let answer = client.post(format!("{}/api/v2/alerts", server.origin)).json(&alerts).send();
    answer.await?.error_for_status()?;
    let (watch, mut came) = (Stopwatch::start(), Vec::new());
    while came.len() < OWED {
        ensure!(watch.elapsed() < PATIENCE, "only {} of {OWED} webhooks came", came.len());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let seen = target.seen().await?;
        came.extend(seen.iter().filter(|it| it.path == "/sink").map(|it| it.came - began));
    }
    ensure!(came.len() == OWED, "{} webhooks came", came.len());
    let last = came.iter().max().copied().unwrap_or_default();
    Ok(Row::new("Alertmanager, receivers: 1", format!("the last left after {} ms", last / 1000)))
}

/// Starts one that tells `target` of each alert alone, and waits for none.
async fn start(client: &reqwest::Client, folder: &Path, target: &Target) -> Result<Beside> {
    let settings = folder.join("alertmanager.yml");
    let text = format!(
        "route: {{ receiver: sink, group_by: ['...'], group_wait: 0s }}\n\
         receivers: [{{ name: sink, webhook_configs: [{{ url: '{}/sink' }}] }}]\n",
        target.url(0)
    );
    fs::write(&settings, text)?;
    let mut command = Command::new(PROGRAM);
    command.arg("--config.file").arg(&settings).arg("--storage.path").arg(folder.join("data"));
    command.args(["--cluster.listen-address=", "--log.level=error"]);
    Beside::start(command, client).await
}
