//! How the agent is doing, for its own machine.

use async_trait::async_trait;

use super::Shared;
use crate::http::agents::status::{Source, Status};
use crate::link::cache::Cached;
use crate::link::protocol::{Assignments, HUB_LAG_WARNING};

#[async_trait]
impl Source for Shared {
    async fn status(&self) -> Status {
        let lag = self.pulse.lag(self.clock.now()).as_millis();
        let size = self.share.size();
        let spool = self.spool.state().await.ok().map(|spool| self.line.and(spool));
        let work = self.work.load_full();
        let shown =
            |work: &Cached| Assignments::shown_revision(&work.assignments.revision).to_owned();
        let contact = self.contact();
        Status {
            region: self.settings.region.to_string(),
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            hub: self.hub.clone(),
            hub_reachable: contact.trouble().is_none() && contact.last.is_some(),
            hub_trouble: contact.trouble().map(str::to_owned).or_else(|| contact.contest.clone()),
            last_contact: contact.last,
            hub_behind: contact.hub_lags.is_some_and(|lags| lags.worst().1 > HUB_LAG_WARNING),
            hub_lags: contact.hub_lags,
            skew_ms: contact.skew_us.map(|skew| skew / 1000),
            checks: size.all,
            own_checks: size.own,
            live: size.live,
            revision: work.as_deref().map(shown),
            spool,
            spool_trouble: self.trouble.reason(),
            token_good_until: contact.token_good_until,
            lag_ms: u64::try_from(lag).unwrap_or(u64::MAX),
            running: self.agent.running(),
        }
    }
}
