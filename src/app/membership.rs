//! The daemon's own agent among the agents of its region, and the daemon's eye on all agents.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::share::{Expected, Share};
use crate::agent::Agent;
use crate::clock::{Clock, Pulse, Stopwatch};
use crate::config::settings::Place;
use crate::domain::attendance::STALLED_AFTER;
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::link::protocol::{HEARTBEAT, LEASE};
use crate::store::agents::{Agents, Claim, Claimed, OWN_REVISION, Presence, Supersedes};
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
    name: OwnName,
    /// Since when another has that name.
    taken: Option<Stopwatch>,
    instance: Uuid,
}

/// What the agent of a daemon's process is called.
#[derive(Debug)]
pub(super) struct OwnName {
    /// Made from the host and, where hubs can share a store, the port.
    base: String,
    /// Which of those with that name on one host; the first has no number.
    number: u32,
    /// Whether another live process can have it: hubs that share a store may run on hosts of one name.
    can_be_anothers: bool,
}

/// How long a name of its own may be another's before it takes another name. A daemon that was killed
/// holds its own until its lease ends.
const WAIT_FOR_NAME: Duration = LEASE.saturating_mul(2);

impl OwnName {
    /// The name of the agent in the process of a daemon whose API listens at `api`: the same after a
    /// restart, and not that of an agent on this machine.
    pub(super) fn new(store: &Place, api: SocketAddr) -> Self {
        let (base, can_be_anothers) = match store {
            // Nobody else holds the file: whoever had the name was this daemon before its restart.
            Place::File(_) => (format!("{}-hub", host_name()), false),
            Place::Postgres { .. } => (format!("{}-hub-{}", host_name(), api.port()), true),
        };
        Self { base, number: 1, can_be_anothers }
    }

    fn text(&self) -> String {
        match self.number {
            1 => self.base.clone(),
            number => format!("{}-{number}", self.base),
        }
    }

    fn supersedes(&self) -> Supersedes {
        if self.can_be_anothers { Supersedes::Nobody } else { Supersedes::Anybody }
    }

    /// Another has had it for so long; whether this one takes the next.
    fn gives_way(&mut self, taken_for: Duration) -> bool {
        let gives_way = self.number > 1 || taken_for > WAIT_FOR_NAME;
        if gives_way {
            self.number += 1;
        }
        gives_way
    }
}

/// How long an agent that is gone is remembered, and how often those before are forgotten.
const AGENTS_KEPT: TimeDelta = TimeDelta::days(30);
const FORGETTING: Duration = Duration::from_mins(10);

/// How an agent is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attendance {
    There,
    Silent,
    Stalled,
}

/// How each agent was doing, by region and name.
type Seen = BTreeMap<(Region, String), Attendance>;

impl Membership {
    /// Joins the agents of a region by a name, and begins to run `checks` with its agent.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(super) fn join(
        (region, name): (Region, OwnName),
        checks: Vec<Arc<Check>>,
        clock: &Arc<dyn Clock>,
        agents: Arc<dyn Agents>,
        to: (Agent, Arc<Pulse>, Expected),
    ) -> std::io::Result<Self> {
        let pulse = Arc::clone(&to.1);
        let share = Share::start(name.text(), region.clone(), checks, clock, to)?;
        let (share, clock) = (Arc::new(share), Arc::clone(clock));
        let instance = Uuid::new_v4();
        Ok(Self { agents, clock, pulse, share, region, name, taken: None, instance })
    }

    /// Says regularly that the agent lives, until `stop`, and then that it does not.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (mut seen, since) = (None, Stopwatch::start());
        let mut forgotten = None;
        loop {
            if forgotten.is_none_or(|it: Stopwatch| it.elapsed() > FORGETTING) {
                self.forget().await;
                forgotten = Some(Stopwatch::start());
            }
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
        if let Err(error) = self.leave().await {
            tracing::debug!(%error, "the agent of this process was not signed off");
        }
    }

    /// Several hubs may do so at once.
    async fn forget(&self) {
        if let Err(error) = self.agents.forget_agents(self.clock.now() - AGENTS_KEPT).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "agents that are gone were not forgotten");
        }
    }

    async fn leave(&self) -> Result<(), store::Error> {
        let (region, now) = (&self.region, self.clock.now());
        self.agents.release_name(region, &self.name.text(), self.instance, now).await.map(|_| ())
    }

    fn give_way(&mut self) {
        let taken = self.taken.get_or_insert_with(Stopwatch::start);
        if self.name.gives_way(taken.elapsed()) {
            let name = self.name.text();
            tracing::warn!(
                event.action = "agent-renamed",
                agent = name,
                "another hub on a host of the same name has the name of this one's agent; it takes \
                 this one. What both receive by statsd has the same label `hub`, so that their series \
                 are one: give the hosts different names, or the hubs different ports"
            );
            self.share.rename(&name);
        }
    }

    async fn beat(&mut self, seen: &mut Option<Seen>, settled: bool) -> Result<(), store::Error> {
        let region = self.share.region();
        if region != self.region {
            self.leave().await?;
            self.region = region;
        }
        let now = self.clock.now();
        let lag = self.pulse.lag(now).as_millis();
        let claim = Claim {
            presence: Presence {
                region: self.region.clone(),
                name: self.name.text(),
                instance: self.instance,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                skew_us: 0,
                lag_ms: u64::try_from(lag).unwrap_or(u64::MAX),
                spool_reports: 0,
                spool_bytes: 0,
                thinned: 0,
                lost: 0,
                revision: Some(OWN_REVISION.to_owned()),
            },
            supersedes: self.name.supersedes(),
            now,
            lease_until: now + LEASE,
        };
        match self.agents.claim_name(&claim).await? {
            Claimed::Granted(live) => {
                self.taken = None;
                self.share.replace_live(&self.region, live);
            }
            Claimed::Taken(_) => self.give_way(),
        }
        if !settled {
            return Ok(());
        }
        let records = self.agents.agents().await?;
        let states = records.into_iter().map(|record| {
            let attendance = match (record.is_lost(now), record.is_heard(now)) {
                (false, _) => Attendance::There,
                (true, true) => Attendance::Stalled,
                (true, false) => Attendance::Silent,
            };
            ((record.presence.region, record.presence.name), attendance)
        });
        let states: Seen = states.collect();
        tell_changes(seen.as_ref(), &states);
        *seen = Some(states);
        Ok(())
    }
}

fn tell_changes(before: Option<&Seen>, now: &Seen) {
    for ((region, agent), attendance) in now {
        let before = before.and_then(|seen| seen.get(&(region.clone(), agent.clone())));
        let before = before.copied().unwrap_or(Attendance::There);
        let (region, agent) = (region.as_str(), agent.as_str());
        match (before, attendance) {
            (before, after) if before == *after => {}
            (_, Attendance::Silent) => tracing::warn!(
                event.action = "agent-lost",
                region,
                agent,
                "an agent is lost: nothing was heard of it for {} s",
                LEASE.as_secs()
            ),
            (_, Attendance::Stalled) => tracing::warn!(
                event.action = "agent-stalled",
                region,
                agent,
                "an agent is as good as lost: it says that it lives, and its schedule has not moved \
                 for {} s",
                STALLED_AFTER.as_secs()
            ),
            (_, Attendance::There) => {
                tracing::info!(event.action = "agent-back", region, agent, "an agent is back");
            }
        }
    }
}

/// What the hub whose API listens at `api` is called among others.
pub(super) fn hub_name(api: SocketAddr) -> String {
    format!("{}:{}", host_name(), api.port())
}

/// The name of this machine, as far as it can stand in a name.
pub(super) fn host_name() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = host.chars().filter(fits).take(100).collect();
    if name.is_empty() { "agent".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn hubs_that_share_a_store_do_not_supersede_each_other() {
        let api = "127.0.0.1:7676".parse().expect("an address");
        let shared =
            Place::Postgres { url: Secret::new("postgres://h/d"), shown: "postgres://h/d".into() };
        let mut name = OwnName::new(&shared, api);
        let first = name.text();
        assert!(first.ends_with("-hub-7676"), "{first}");
        assert_eq!(name.supersedes(), Supersedes::Nobody);
        // It may be its own, from before it was killed.
        assert!(!name.gives_way(LEASE) && name.text() == first);
        assert!(name.gives_way(WAIT_FOR_NAME + HEARTBEAT));
        assert_eq!(name.text(), format!("{first}-2"));
        assert!(name.gives_way(Duration::ZERO));
        assert_eq!(name.text(), format!("{first}-3"));
        let alone = OwnName::new(&Place::File("tripline.db".into()), api);
        assert_eq!(alone.supersedes(), Supersedes::Anybody);
    }
}
