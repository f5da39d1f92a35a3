//! Forgetting what is older than it has to be kept.
//!
//! Runs are forgotten when their hour is counted, so that uptime can be told of longer than runs are
//! kept; while nobody counts, nothing is forgotten.
//!
//! Hubs that share a store take turns: whoever holds the lease on it does it, and the others only
//! look whether that one is still there.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::timeout;

use crate::clock::{Clock, Halt};
use crate::config::settings::Retention;
use crate::domain::Timestamp;
use crate::engine::turns::Turns;
use crate::http::access;
use crate::store::{Error, Horizons, Ledger, RENEWAL};

/// The name of the lease.
const PART: &str = "housekeeping";
/// How often old runs are looked for.
const PERIOD: Duration = Duration::from_mins(10);
/// The pause after which to go on while there is more.
const BREATH: Duration = Duration::from_secs(1);
/// How long the output of runs that somebody asked for is kept: they have their pages by then.
const OUTPUT_KEPT: TimeDelta = TimeDelta::hours(1);
/// How many runs are forgotten at a time.
const AT_ONCE: u32 = 5_000;

/// Forgets old runs from time to time.
pub(super) struct Housekeeping {
    store: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    turns: Turns,
}

impl Housekeeping {
    pub(super) fn new(
        store: &Arc<dyn Ledger>,
        clock: &Arc<dyn Clock>,
        retention: Retention,
    ) -> Self {
        let turns = Turns::new((store, clock), PART);
        Self { store: Arc::clone(store), clock: Arc::clone(clock), retention, turns }
    }

    /// Keeps house until `halt` is asked for, then leaves it to others.
    pub(super) async fn run(mut self, halt: Halt) {
        let mut troubled = false;
        loop {
            let turn = self.turn().await;
            let was_troubled = std::mem::replace(&mut troubled, turn.is_err());
            let more = turn.unwrap_or_else(|error| {
                if !was_troubled {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "old runs were not forgotten; tried again");
                }
                false
            });
            let pause = if more { BREATH } else { RENEWAL };
            if timeout(pause, halt.asked()).await.is_ok() {
                break;
            }
        }
        self.turns.leave().await;
    }

    /// Forgets some, if it is this hub's turn and time; says whether there may be more.
    async fn turn(&mut self) -> Result<bool, Error> {
        if !self.turns.is_due(PERIOD).await? {
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
        let more = forgotten >= u64::from(AT_ONCE);
        if !more {
            self.store.forget_accounts(now - self.retention.uptime).await?;
            self.store.forget_errands(wanted.failed).await?;
            self.store.forget_output(now - OUTPUT_KEPT).await?;
            self.store.forget_sessions(&access::horizons(now)).await?;
            self.turns.done();
        }
        Ok(more)
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
        // Each time it is another hub, which does not know when it was last done.
        let house = async || {
            let mut hub = Housekeeping::new(&store, &clock, retention);
            let more = hub.turn().await.expect("done");
            hub.turns.leave().await;
            more
        };
        let runs = async || {
            let all = RunFilter { limit: 500, ..RunFilter::default() };
            store.runs(&all).await.expect("listed").len()
        };
        // The slots are not accounted for: nobody knows yet what was missed.
        assert!(!house().await);
        assert_eq!(runs().await, 120);
        let account = async |after, until| {
            let standing = store
                .account(&[], Known { until: after, ..Known::default() }, until)
                .await
                .expect("accounted");
            assert_eq!(standing, Standing::Held);
            while accountant::count_hour(&*store).await.expect("counted").is_some() {}
        };
        let hour = start + Duration::from_hours(1);
        account(None, hour).await;
        house().await;
        assert_eq!(runs().await, 61, "up to the hour that is counted");
        account(Some(hour), start + Duration::from_hours(24)).await;
        house().await;
        assert_eq!(runs().await, 31);
        let period = (start, start + Duration::from_hours(2));
        let tallies = accountant::tallies(&*store, None, period).await.expect("read");
        assert_eq!(tallies[&(check.id, region)].passed, 120);
    }
}
