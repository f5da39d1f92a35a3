//! The daemon's own agent among the agents of its region, and the daemon's eye on all agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::share::Share;
use crate::agent::Agent;
use crate::clock::{Clock, Stopwatch};
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::http::Pulse;
use crate::link::protocol::{HEARTBEAT, LEASE};
use crate::store::agents::{Agents, Claim, Claimed, Presence, Supersedes};
use crate::store::{self};

/// What keeps the daemon's agent a member.
pub(super) struct Membership {
    /// Who is an agent.
    agents: Arc<dyn Agents>,
    /// Tells the time.
    clock: Arc<dyn Clock>,
    /// How far the schedule is behind.
    pulse: Arc<Pulse>,
    /// What is shared with the others.
    pub(super) share: Arc<Share>,
    region: Region,
    name: String,
    instance: Uuid,
}

/// What it runs is what the project says, always.
const REVISION: &str = "own";

/// Whether each agent was lost, by region and name.
type Seen = BTreeMap<(Region, String), bool>;

impl Membership {
    /// Joins the agents of `region`, and begins to run `checks` with its agent.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(super) fn join(
        region: Region,
        checks: Vec<Arc<Check>>,
        clock: &Arc<dyn Clock>,
        agents: Arc<dyn Agents>,
        to: (Agent, Arc<Pulse>),
    ) -> std::io::Result<Self> {
        // Another process on this machine may be an agent of the region by the machine's name.
        let name = format!("{}-hub", host_name());
        let pulse = Arc::clone(&to.1);
        let share = Share::start(name.clone(), region.clone(), checks, clock, to)?;
        let (share, clock) = (Arc::new(share), Arc::clone(clock));
        Ok(Self { agents, clock, pulse, share, region, name, instance: Uuid::new_v4() })
    }

    /// Says regularly that the agent lives, until `stop`, and then that it does not.
    pub(super) async fn run(self, stop: CancellationToken) {
        let (mut seen, since) = (None, Stopwatch::start());
        loop {
            // After an absence of the hub, agents need a moment to come back.
            let is_settled = since.elapsed() > 2 * LEASE;
            if let Err(error) = self.beat(&mut seen, is_settled).await {
                // The store's trouble is told where results are stored.
                tracing::debug!(%error, "the agents were not looked at");
            }
            if tokio::time::timeout(HEARTBEAT, stop.cancelled()).await.is_ok() {
                break;
            }
        }
        let now = self.clock.now();
        let released = self.agents.release_name(&self.region, &self.name, self.instance, now).await;
        if let Err(error) = released {
            tracing::debug!(%error, "the agent of this process was not signed off");
        }
    }

    async fn beat(&self, seen: &mut Option<Seen>, is_settled: bool) -> Result<(), store::Error> {
        let now = self.clock.now();
        let lag = self.pulse.lag(now).as_millis();
        let claim = Claim {
            presence: Presence {
                region: self.region.clone(),
                name: self.name.clone(),
                instance: self.instance,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                skew_us: 0,
                lag_ms: u64::try_from(lag).unwrap_or(u64::MAX),
                spool_reports: 0,
                spool_bytes: 0,
                thinned: 0,
                lost: 0,
                revision: Some(REVISION.to_owned()),
            },
            // Whoever had the name was this daemon before its restart.
            supersedes: Supersedes::Anybody,
            now,
            lease_until: now + LEASE,
        };
        if let Claimed::Granted(live) = self.agents.claim_name(&claim).await? {
            self.share.replace_live(live);
        }
        if !is_settled {
            return Ok(());
        }
        let records = self.agents.agents().await?;
        let states = records.into_iter().map(|record| {
            let lost = record.is_lost(now);
            ((record.presence.region, record.presence.name), lost)
        });
        let states: Seen = states.collect();
        tell_changes(seen.as_ref(), &states);
        *seen = Some(states);
        Ok(())
    }
}

fn tell_changes(before: Option<&Seen>, now: &Seen) {
    for ((region, agent), lost) in now {
        let was_lost = before.and_then(|seen| seen.get(&(region.clone(), agent.clone())));
        let (region, agent) = (region.as_str(), agent.as_str());
        match (was_lost, lost) {
            (None | Some(false), true) => tracing::warn!(
                event.action = "agent-lost",
                region,
                agent,
                "an agent is lost: nothing was heard of it for {} s",
                LEASE.as_secs()
            ),
            (Some(true), false) => {
                tracing::info!(event.action = "agent-back", region, agent, "an agent is back");
            }
            _ => {}
        }
    }
}

/// The name of this machine, as far as it can stand in a name.
pub(super) fn host_name() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = host.chars().filter(fits).take(100).collect();
    if name.is_empty() { "agent".to_owned() } else { name }
}
