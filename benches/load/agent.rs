//! What an agent of another region does with ten thousand checks: how late, in how much memory, and
//! how soon after a restart.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tripline::clock::{Clock, Stopwatch, System};

use crate::control::control;
use crate::daemon::Daemon;
use crate::lateness::lateness_in;
use crate::machine::{memory, processor_time};
use crate::project::{Project, short_script};
use crate::regions::{Agent, REGIONS, check, tokens};
use crate::statistics::double;
use crate::target::Target;
use crate::{Priority, Row};

const CHECKS: usize = 10_000;
const SCRIPTS: usize = 2_000;
const EVERY: Duration = Duration::from_secs(20);
const REGION: &str = REGIONS[0];

/// Requests on schedule, then a restart, then the memory of scripts.
pub(crate) async fn agent(priority: Priority) -> Result<Vec<Row>> {
    let target = Target::start(priority).await?;
    let mut rows = vec![Row::new("load", format!("{CHECKS} requests every 20 s in one region"))];
    let empty = World::start(&target, priority, 1, Work::Request).await?.settled().await?;
    rows.extend(requests(&target, empty, priority).await?);
    let scripts = World::start(&target, priority, SCRIPTS, Work::Script).await?.settled().await?;
    rows.push(Row::new(
        format!("memory for each of {SCRIPTS} scripts"),
        format!("{:.1} KiB", 1024.0 * (scripts - empty) / double(SCRIPTS)),
    ));
    Ok(rows)
}

async fn requests(target: &Target, empty: f64, priority: Priority) -> Result<Vec<Row>> {
    control(target.port, CHECKS, EVERY, Duration::from_secs(25), priority).await?;
    let seen = target.seen().await?;
    let bare =
        lateness_in(crate::project::REGION, &seen, EVERY, |name| name.starts_with("control-"))?;
    let world = World::start(target, priority, CHECKS, Work::Request).await?;
    // The first of each opens doors that stay open.
    tokio::time::sleep(Duration::from_secs(5)).await;
    target.seen().await?;
    let before = processor_time(world.agent.id())?;
    tokio::time::sleep(2 * EVERY).await;
    let seen = target.seen().await?;
    let used = processor_time(world.agent.id())?.saturating_sub(before);
    let late = lateness_in(REGION, &seen, EVERY, |name| name.starts_with("check-"))?;
    let (resident, _) = memory(world.agent.id())?;
    let restart = world.restart(target, priority).await?;
    Ok(vec![
        Row::new("late at the target", late.spread()),
        Row::new("bare timers beside it", bare.spread()),
        Row::new("reached the target", format!("{} of about {} slots", late.all.len(), 2 * CHECKS)),
        Row::new(
            "processor time of the agent",
            format!("{:.3} ms a check", used.as_secs_f64() * 1e3 / double(late.all.len())),
        ),
        Row::new("memory of the agent", format!("{resident:.1} MiB resident")),
        Row::new(
            "memory for each request",
            format!("{:.1} KiB", 1024.0 * (resident - empty) / double(CHECKS)),
        ),
        Row::new("restart to first request", format!("{restart:.0} ms")),
    ])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Request,
    Script,
}

/// A hub and one agent.
struct World {
    project: Project,
    hub: Daemon,
    agent: Agent,
    token: String,
}

impl World {
    async fn start(target: &Target, priority: Priority, checks: usize, work: Work) -> Result<Self> {
        let mut project = Project::new(target.port)?;
        project.run_in(&[REGION]);
        for number in 0..checks {
            let (name, url) = (check(number), target.url(number));
            match work {
                Work::Request => project.url_check(&name, &format!("{url}/{name}"), "20s", ""),
                Work::Script => project.script(&name, &short_script(&name, &url, "20s"))?,
            }
        }
        project.write()?;
        let hub = Daemon::start_written(&project, priority).await?;
        let token = tokens(&project, &[REGION])?.pop().context("no token")?;
        let agent = Agent::start(&project, &hub.url, (REGION, &token), priority)?;
        agent.runs(checks).await?;
        Ok(Self { project, hub, agent, token })
    }

    /// The resident memory of the agent after a while, in MiB.
    async fn settled(self) -> Result<f64> {
        tokio::time::sleep(EVERY + Duration::from_secs(5)).await;
        Ok(memory(self.agent.id())?.0)
    }

    /// Starts the agent anew on what it remembers; until its first request, in milliseconds.
    async fn restart(self, target: &Target, priority: Priority) -> Result<f64> {
        let Self { project, hub, agent, token } = self;
        drop(agent);
        // Beyond the lease of the hub's word, the agent has what it remembers and nothing else.
        let url = hub.url.clone();
        drop(hub);
        target.seen().await?;
        let (began, watch) = (System.now().timestamp_micros(), Stopwatch::start());
        let agent = Agent::start(&project, &url, (REGION, &token), priority)?;
        let first = loop {
            if let Some(first) = target.seen().await?.first() {
                break first.came;
            }
            ensure!(watch.elapsed() < EVERY, "nothing reached the target after the restart");
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        drop(agent);
        Ok(f64::from(i32::try_from(first - began).context("a long start")?) / 1e3)
    }
}
