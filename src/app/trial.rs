//! Runs checks once, here and now: nothing is stored and nobody is told.

use std::sync::Arc;

use async_trait::async_trait;

use super::assignments::{assignments, dialer};
use crate::agent::{Agent, Hub, Limits, Parts};
use crate::clock::Clock;
use crate::config::Project;
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::domain::run::Report;
use crate::domain::slot::Slot;
use crate::sandbox::Pool;

/// A hub for runs whose reports go to the caller alone.
struct Nowhere;

#[async_trait]
impl Hub for Nowhere {
    async fn deliver(&self, _: Report) {}
}

/// Runs checks of one project, one after the other.
#[derive(Debug)]
pub struct Trial {
    agent: Agent,
    clock: Arc<dyn Clock>,
    own_region: Region,
}

impl Trial {
    /// Makes ready to run checks of `project` in children of `pool`.
    pub fn new(project: &Project, pool: Arc<Pool>, clock: Arc<dyn Clock>) -> Self {
        let settings = &project.settings.agent;
        let dialer = dialer(settings);
        let hub = Arc::new(Nowhere);
        let parts = Parts { clock: Arc::clone(&clock), dialer, scripts: pool, hub };
        let agent = Agent::new(parts, Limits { scripts: 1, requests: 1 });
        agent.assign(assignments(project));
        Self { agent, clock, own_region: settings.region.clone() }
    }

    /// Runs a check as from `region`, or as from here where the check runs here, or else as from
    /// the first of its regions.
    pub async fn run(&self, check: &Check, region: Option<&Region>) -> Report {
        let here = check.regions.contains(&self.own_region).then_some(&self.own_region);
        let region = region.or(here).or(check.regions.first()).unwrap_or(&self.own_region);
        let slot = Slot { check: check.id.clone(), region: region.clone(), at: self.clock.now() };
        self.agent.run_now(slot, None).await
    }
}
