//! Accounting for slots while a hub runs: says which are expected, vouches for this process, and has
//! the accountant come round.
//!
//! Hubs that share a store take turns in coming round; each vouches for itself. Must not: run or
//! delay a slot, or stop the hub when the store fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::timeout;
use uuid::Uuid;

use crate::clock::{Clock, Halt, Pulse};
use crate::config::settings::Agent as AgentSettings;
use crate::domain::check::Check;
use crate::domain::coverage::{Gap, GapReason};
use crate::domain::id::Region;
use crate::engine::accountant;
use crate::http::{CheckSnapshot, Loops};
use crate::store::accounts::{Expected, Process};
use crate::store::{Error, Ledger};

/// The name of the lease.
const PART: &str = "accounting";
/// How often it comes round. A process that is killed is missed after this time at the latest.
const PERIOD: Duration = Duration::from_secs(10);
/// How long a lease holds.
const LEASE: Duration = Duration::from_secs(30);
/// How long after its timeout the report of a run may come.
const REPORTING: Duration = Duration::from_secs(15);

/// Accounts for the slots of a project.
#[derive(Debug)]
pub(super) struct Accounting {
    store: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    checks: CheckSnapshot,
    /// Tells this process from others, and from itself before a restart.
    id: String,
    /// Which the agent of this process serves.
    region: ArcSwap<Region>,
    /// Whether the store does not know yet what is expected.
    unsaid: AtomicBool,
    /// Is told when it is to come round next.
    pulse: Arc<Pulse>,
}

impl Accounting {
    /// Accounts for `checks`; `agent` is the one of this process. `loops` are told when it is
    /// to come round next.
    pub(super) fn new(
        (store, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
        checks: &CheckSnapshot,
        agent: &AgentSettings,
        loops: &Loops,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            clock: Arc::clone(clock),
            checks: Arc::clone(checks),
            id: Uuid::new_v4().to_string(),
            region: ArcSwap::from_pointee(agent.region.clone()),
            unsaid: AtomicBool::new(false),
            pulse: Arc::clone(&loops.accounting),
        })
    }

    /// From now on the agent of this process serves `region`.
    pub(super) fn serve(&self, region: Region) {
        self.region.store(Arc::new(region));
    }

    /// This hub, and the agent in its process.
    fn present(&self) -> [Process; 2] {
        let region = self.region.load().as_ref().clone();
        [None, Some(region)].map(|region| Process { id: self.id.clone(), region })
    }

    /// From now on the slots of the present checks are expected, and no others. What cannot be said to
    /// the store is said again when this comes round.
    pub(super) async fn expect(&self) -> Result<(), Error> {
        self.unsaid.store(false, Ordering::Relaxed);
        let expected: Vec<Expected> = self.checks.load().iter().flat_map(expected).collect();
        let said = self.store.expect(&expected, self.clock.now()).await;
        self.unsaid.fetch_or(said.is_err(), Ordering::Relaxed);
        said
    }

    /// Comes round until `halt` is asked for. The last thing it does is vouch for the processes, so
    /// that a stop in order is known to the moment.
    pub(super) async fn run(self: Arc<Self>, halt: Halt) {
        let mut troubled = false;
        let next = || Some(self.clock.now() + PERIOD);
        self.pulse.expect(next());
        loop {
            match self.turn().await {
                Ok(gaps) => {
                    tell(&gaps);
                    troubled = false;
                    self.pulse.expect(next());
                }
                Err(error) if !troubled => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "slots were not accounted for; that is made up for");
                    troubled = true;
                }
                Err(_) => {}
            }
            if timeout(PERIOD, halt.asked()).await.is_ok() {
                break;
            }
        }
        let now = self.clock.now();
        if let Err(error) = accountant::vouch(&*self.store, &self.present(), now).await {
            tracing::debug!(%error, "the end of this process was not noted to the moment");
        }
        let holder = &self.id;
        if let Err(error) = self.store.lease(PART, holder, now, now).await {
            tracing::debug!(%error, "the lease on accounting was not given back; it runs out");
        }
    }

    async fn turn(&self) -> Result<Vec<Gap>, Error> {
        let now = self.clock.now();
        accountant::vouch(&*self.store, &self.present(), now).await?;
        if self.unsaid.load(Ordering::Relaxed) {
            self.expect().await?;
        }
        let holder = &self.id;
        if self.store.lease(PART, holder, now, now + LEASE).await?.is_none() {
            return Ok(Vec::new());
        }
        accountant::round(&*self.store, now, self.patience()).await
    }

    /// How long after a slot its report may come.
    fn patience(&self) -> Duration {
        let longest = self.checks.load().iter().map(|check| check.timeout).max();
        longest.unwrap_or_default() + REPORTING
    }
}

fn expected(check: &Arc<Check>) -> impl Iterator<Item = Expected> + use<> {
    let check = Arc::clone(check);
    let regions = check.regions.clone().into_iter();
    regions.map(move |region| Expected {
        check: check.id.clone(),
        region,
        schedule: check.schedule.clone(),
    })
}

/// Says in one line for each reason how many slots were not run.
fn tell(gaps: &[Gap]) {
    let mut told: BTreeMap<GapReason, (usize, &Gap)> = BTreeMap::new();
    for gap in gaps {
        told.entry(gap.reason).or_insert((0, gap)).0 += 1;
    }
    for (reason, (checks, gap)) in told {
        tracing::warn!(
            reason = reason.as_str(),
            checks,
            check = %gap.check,
            region = %gap.region,
            since = %gap.first,
            slots = gap.slots,
            "slots were not run; the first check concerned is named"
        );
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};
    use tokio::sync::watch;

    use super::*;
    use crate::clock::Manual;
    use crate::config::settings::{PrivateAddresses, SandboxMode};
    use crate::domain::Timestamp;
    use crate::store::sqlite::{Holder, SqliteStore};

    #[tokio::test]
    async fn what_could_not_be_said_to_the_store_is_said_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("t.db");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let holder = Holder { command: "a test".into(), since: start };
        let store = SqliteStore::open(&file, &holder).await.expect("opened");
        let store: Arc<dyn Ledger> = Arc::new(store);
        let clock: Arc<dyn Clock> = Arc::new(Manual::new(start));
        let checks = Arc::new(ArcSwap::from_pointee(vec![Arc::new(Check::example("shop"))]));
        let agent = AgentSettings {
            region: Region::new("home").expect("a good name"),
            max_runs: 1,
            sandbox: SandboxMode::Require,
            private_addresses: PrivateAddresses::Allow,
            proxy: None,
        };
        let loops = Loops::new(watch::channel(None).1);
        let accounting = Accounting::new((&store, &clock), &checks, &agent, &loops);
        let url = format!("sqlite:{}", file.display());
        let mut aside = SqliteConnection::connect(&url).await.expect("opened");
        let mut run = async |sql: &'static str| {
            sqlx::raw_sql(sql).execute(&mut aside).await.expect("done");
        };
        let watches = async || {
            let period = (start - Duration::from_secs(1), start + Duration::from_secs(1));
            store.watches(None, period).await.expect("read").len()
        };
        run("ALTER TABLE watches RENAME TO away").await;
        assert!(accounting.expect().await.is_err());
        run("ALTER TABLE away RENAME TO watches").await;
        assert_eq!(watches().await, 0);
        accounting.turn().await.expect("accounted");
        assert_eq!(watches().await, 1);
    }
}
