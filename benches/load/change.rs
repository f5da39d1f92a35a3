//! How long a change of the project takes to reach the agents of all regions, and what a hub of that
//! size needs.

use std::time::Duration;

use anyhow::{Result, ensure};
use tripline::clock::Stopwatch;

use crate::daemon::Daemon;
use crate::machine::{memory, processor_time};
use crate::project::Project;
use crate::regions::{Agent, REGIONS, check, tokens};
use crate::statistics::Sample;
use crate::target::Target;
use crate::{Priority, Row};

/// Each of them runs in every region.
const CHECKS: usize = 10_000;
const CHANGES: usize = 8;
const PATIENCE: Duration = Duration::from_secs(30);

/// Edits a project of [`CHECKS`] checks while real agents run it in four regions.
pub(crate) async fn change(priority: Priority) -> Result<Vec<Row>> {
    let target = Target::start(priority).await?;
    let mut project = Project::new(target.port)?;
    project.run_in(&REGIONS);
    for number in 0..CHECKS {
        // Agents, hub and target share the cores here, which they do nowhere else.
        project.url_check(&check(number), &target.url(number), "5m", "");
    }
    project.write()?;
    let hub = Daemon::start_written(&project, priority).await?;
    let tokens = tokens(&project, &REGIONS)?;
    let mut agents = Vec::new();
    for (region, token) in REGIONS.into_iter().zip(&tokens) {
        agents.push(Agent::start(&project, &hub.url, (region, token), priority)?);
    }
    for agent in &agents {
        agent.runs(CHECKS).await?;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (mut took, before) = (Vec::new(), processor_time(hub.id())?);
    for number in 0..CHANGES {
        project.url_check(&format!("more-{number}"), &target.url(0), "5m", "");
        let watch = Stopwatch::start();
        project.write()?;
        for agent in &agents {
            reached(agent, CHECKS + number + 1).await?;
        }
        took.push(watch.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let used = processor_time(hub.id())?.saturating_sub(before);
    let used = used.as_secs_f64() * 1e3 / f64::from(u32::try_from(CHANGES)?);
    let (of_hub, _) = memory(hub.id())?;
    let mut of_agents = Vec::new();
    for agent in &agents {
        of_agents.push(memory(agent.id())?.0);
    }
    let of_agents: Sample = of_agents.into_iter().collect();
    Ok(vec![
        Row::new("load", format!("{CHECKS} requests every 5 min in {} regions", REGIONS.len())),
        Row::new("edit to the last agent", took.into_iter().collect::<Sample>().spread()),
        Row::new(
            "processor time of the hub, a change",
            format!("{used:.0} ms, with what else it did"),
        ),
        Row::new("memory of the hub", format!("{of_hub:.0} MiB resident")),
        Row::new("memory of an agent, largest", format!("{:.0} MiB resident", of_agents.largest())),
    ])
}

async fn reached(agent: &Agent, checks: usize) -> Result<()> {
    let watch = Stopwatch::start();
    loop {
        if agent.status().await.is_some_and(|it| it["checks"] == checks) {
            return Ok(());
        }
        ensure!(watch.elapsed() < PATIENCE, "a change did not reach an agent");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
