//! Forgetting what is older than it has to be kept.
//!
//! Runs are forgotten when their hour is counted, so that uptime can be told of longer than runs are
//! kept; while nobody counts, nothing is forgotten.
//!
//! Hubs that share a store take turns: whoever holds the lease on it does it, and the others only
//! look whether that one is still there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use crate::clock::{Clock, Halt};
use crate::config::settings::Retention;
use crate::domain::Timestamp;
use crate::store::{Error, Horizons, Ledger};

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
    store: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    /// Tells this hub from others, and from itself before a restart.
    holder: String,
}

impl Housekeeping {
    pub(super) fn new(
        store: &Arc<dyn Ledger>,
        clock: &Arc<dyn Clock>,
        retention: Retention,
    ) -> Self {
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
        // By the clock as the lease has set it, where it is the database's.
        let now = self.clock.now();
        let wanted = self.horizons(now);
        // Hours are counted by whoever accounts for their slots. Should this hub stand still from
        // here on, what it forgets when it goes on is still counted, and older than it has to be.
        let counted = self.store.tallied().await?.map(|(_, until)| until);
        let counted = counted.unwrap_or(Timestamp::UNIX_EPOCH);
        let forgotten = self.store.forget(&wanted.up_to(counted), AT_ONCE).await?;
        self.store.forget_accounts(now - self.retention.uptime).await?;
        Ok(forgotten >= u64::from(AT_ONCE))
    }

    /// Before which times what is forgotten at `now`.
    fn horizons(&self, now: Timestamp) -> Horizons {
        let Retention { details, passed, failed, incidents, uptime: _ } = self.retention;
        Horizons {
            details: now - details,
            passed: now - passed,
            failed: now - failed,
            incidents: incidents.map(|kept| now - kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;
    use crate::domain::check::Check;
    use crate::domain::policy::{Policy, Roster};
    use crate::domain::run::{Report, Trace};
    use crate::domain::slot::Slot;
    use crate::engine::accountant;
    use crate::engine::judge::Rulebook;
    use crate::store::accounts::Known;
    use crate::store::sqlite::{Holder, SqliteStore};
    use crate::store::{RunFilter, Standing};

    #[tokio::test]
    async fn hubs_take_turns() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let holder = Holder { command: "a test".into(), since: start };
        let store = SqliteStore::open(&folder.path().join("t.db"), &holder).await.expect("opened");
        let store: Arc<dyn Ledger> = Arc::new(store);
        let time = Arc::new(Manual::new(start));
        let clock: Arc<dyn Clock> = time.clone();
        let hub =
            || Housekeeping::new(&store, &clock, Retention::of_runs(Duration::from_hours(24)));
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

    #[tokio::test]
    async fn nothing_is_forgotten_that_is_not_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let holder = Holder { command: "a test".into(), since: start };
        let store = SqliteStore::open(&folder.path().join("t.db"), &holder).await.expect("opened");
        let store: Arc<dyn Ledger> = Arc::new(store);
        let check = Check::example("login");
        let rules = Rulebook::new([check.clone()], [Policy::built_in(None)], Roster::default());
        let judge = rules.expect("it has its policy");
        let region = check.regions[0].clone();
        for minute in 1..=120 {
            let at = start + Duration::from_mins(minute);
            let slot = Slot { check: check.id.clone(), region: region.clone(), at };
            let report = Report {
                slot,
                started_at: at,
                duration: Duration::from_secs(1),
                failure: None,
                trace: Trace::default(),
                clock_ahead: chrono::TimeDelta::zero(),
            };
            store.record(&[report], &judge, at).await.expect("recorded");
        }
        let clock: Arc<dyn Clock> =
            Arc::new(Manual::new(start + Duration::from_hours(25) + Duration::from_mins(30)));
        let retention = Retention::of_runs(Duration::from_hours(24));
        let house = Housekeeping::new(&store, &clock, retention);
        let runs = async || {
            let all = RunFilter { limit: 500, ..RunFilter::default() };
            store.runs(&all).await.expect("listed").len()
        };
        // The slots are not accounted for: nobody knows yet what was missed.
        assert!(!house.turn().await.expect("done"));
        assert_eq!(runs().await, 120);
        let account = async |after, until| {
            let standing = store
                .account(&[], Known { until: after, watches: 0 }, until)
                .await
                .expect("accounted");
            assert_eq!(standing, Standing::Held);
            while accountant::count_hour(&*store).await.expect("counted").is_some() {}
        };
        let hour = start + Duration::from_hours(1);
        account(None, hour).await;
        house.turn().await.expect("done");
        assert_eq!(runs().await, 61, "up to the hour that is counted");
        account(Some(hour), start + Duration::from_hours(24)).await;
        house.turn().await.expect("done");
        assert_eq!(runs().await, 31);
        let period = (start, start + Duration::from_hours(2));
        let tallies = accountant::tallies(&*store, None, period).await.expect("read");
        assert_eq!(tallies[&(check.id, region)].passed, 120);
    }
}
