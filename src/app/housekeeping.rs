//! Forgetting what is older than it has to be kept.
//!
//! Hubs that share a store take turns: whoever holds the lease on it does it, and the others only
//! look whether that one is still there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use crate::clock::{Clock, Halt};
use crate::store::{Error, Store};

/// The name of the lease.
const PART: &str = "housekeeping";
/// How often old runs are looked for.
const PERIOD: Duration = Duration::from_mins(10);
/// The pause after which to go on while there is more.
const BREATH: Duration = Duration::from_secs(1);
/// How long a lease holds: until the next time and a little longer.
const LEASE: Duration = Duration::from_mins(11);
/// How many runs are forgotten at a time.
const AT_ONCE: u32 = 5_000;

/// Forgets old runs from time to time.
pub(super) struct Housekeeping {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    retention: Duration,
    /// Tells this hub from others, and from itself before a restart.
    holder: String,
}

impl Housekeeping {
    pub(super) fn new(store: &Arc<dyn Store>, clock: &Arc<dyn Clock>, retention: Duration) -> Self {
        let holder = Uuid::new_v4().to_string();
        Self { store: Arc::clone(store), clock: Arc::clone(clock), retention, holder }
    }

    /// Keeps house until `halt` is asked for, then leaves it to others.
    pub(super) async fn run(self, halt: Halt) {
        loop {
            let more = self.turn().await.unwrap_or_else(|error| {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "old runs were not forgotten");
                false
            });
            let pause = if more { BREATH } else { PERIOD };
            if timeout(pause, halt.asked()).await.is_ok() {
                break;
            }
        }
        let now = self.clock.now();
        if let Err(error) = self.store.lease(PART, &self.holder, now, now).await {
            tracing::debug!(%error, "the lease on housekeeping was not given back; it runs out");
        }
    }

    /// Forgets some, if it is this hub's turn; says whether there may be more.
    async fn turn(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        if self.store.lease(PART, &self.holder, now, now + LEASE).await?.is_none() {
            return Ok(false);
        }
        let forgotten = self.store.forget_runs(now - self.retention, AT_ONCE).await?;
        Ok(forgotten >= u64::from(AT_ONCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;
    use crate::domain::Timestamp;
    use crate::store::sqlite::{Holder, SqliteStore};

    #[tokio::test]
    async fn hubs_take_turns() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let holder = Holder { command: "a test".into(), since: start };
        let store = SqliteStore::open(&folder.path().join("t.db"), &holder).await.expect("opened");
        let store: Arc<dyn Store> = Arc::new(store);
        let time = Arc::new(Manual::new(start));
        let clock: Arc<dyn Clock> = time.clone();
        let hub = || Housekeeping::new(&store, &clock, Duration::from_hours(24));
        let (one, other) = (hub(), hub());
        let holds = async |hub: &Housekeeping| {
            let now = clock.now();
            store.lease(PART, &hub.holder, now, now + LEASE).await.expect("answered").is_some()
        };
        assert!(!one.turn().await.expect("answered"), "there is nothing to forget");
        assert!(holds(&one).await && !holds(&other).await);
        // One that stops leaves it to the other at once, one that is killed after its lease.
        let halt = Halt::new();
        halt.ask();
        one.run(halt).await;
        assert!(holds(&other).await);
        time.advance(LEASE);
        assert!(holds(&hub()).await);
    }
}
