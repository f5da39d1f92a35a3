//! Reviews: from time to time, what the states of all checks and agents mean together.
//!
//! What one result means is decided when it comes; that nobody knows how a check or a region is
//! doing, that a region's agents are gone, or that too little is known of it, shows only when one
//! looks. This decides nothing itself: the judge does, in the store's transaction. Of hubs that share a store, the one that holds the lease on it looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::timeout;

use super::judge::{Overview, ProjectJudge, Rulebook};
use super::shortfall;
use super::turns::Turns;
use crate::clock::{Clock, Halt, Pulse};
use crate::domain::Timestamp;
use crate::domain::attendance::{self, Farewell, Heard, Listening};
use crate::domain::blindness::shortfall::Standing;
use crate::domain::id::Region;
use crate::domain::incident::Change;
use crate::store::agents::AgentRecord;
use crate::store::{Error, Ledger, RENEWAL};

/// How often one looks.
pub const PAUSE: Duration = RENEWAL;
/// How often one looks at the accounts, too.
const ACCOUNTS_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// The name of the lease.
pub const PART: &str = "review";

/// Is told what was decided, after it is stored. Must not block.
pub trait Observer: Send + Sync {
    /// At least one thing was.
    fn on_reviewed(&self, changes: &[Change]);
}

/// What reviews work with.
pub struct Reviews {
    /// Where the states and the agents are and the decisions go.
    pub store: Arc<dyn Ledger>,
    /// What they mean.
    pub judge: Arc<ProjectJudge>,
    /// When it is decided.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
    /// The turns of this hub at [`PART`].
    pub turns: Turns,
    /// In which time this hub heard what agents said.
    pub listening: Listening,
    /// When this hub last looked at the accounts.
    pub looked: Option<Timestamp>,
    /// Is told when the next look is due.
    pub pulse: Arc<Pulse>,
}

impl std::fmt::Debug for Reviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviews").finish_non_exhaustive()
    }
}

impl Reviews {
    /// Looks once, at `now`, if it is this hub's turn.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; nothing was decided then.
    pub async fn tick(&mut self, now: Timestamp) -> Result<(), Error> {
        let rulebook = self.judge.current();
        let turn = self.turns.lead(rulebook.edition(), now).await?;
        let agents = self.store.agents().await?;
        // While the store fails, agents are not heard.
        self.listening = self.listening.going_on(now);
        let Some(lease) = turn else { return Ok(()) };
        let lost = attendance::lost(agents.iter().map(heard), self.listening, now);
        let standings = self.standings(&rulebook, &agents, now).await;
        let overview = Overview { rulebook: &rulebook, lost: &lost, standings: &standings };
        let changes = match self.store.review(&overview, &lease, now).await {
            Ok(changes) => changes,
            Err(Error::LeaseLost { part }) => {
                tracing::info!(part, "this hub stood still, and another goes on with it");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !changes.is_empty() {
            self.observer.on_reviewed(&changes);
        }
        Ok(())
    }

    /// How the regions stand that agents serve, if it is time to look at the accounts.
    async fn standings(
        &mut self,
        rulebook: &Rulebook,
        agents: &[AgentRecord],
        now: Timestamp,
    ) -> BTreeMap<Region, Standing> {
        let is_due = |looked: Timestamp| !(looked..looked + ACCOUNTS_PAUSE).contains(&now);
        if !self.looked.is_none_or(is_due) {
            return BTreeMap::new();
        }
        self.looked = Some(now);
        let found = shortfall::standings(&*self.store, rulebook.coverage(), self.listening).await;
        let mut standings = found.unwrap_or_else(|error| {
            // What else there is to decide does not wait for the accounts.
            tracing::debug!(%error, "the accounts were not looked at");
            BTreeMap::new()
        });
        let is_served = |region: &Region| agents.iter().any(|it| it.presence.region == *region);
        // For a region that no agent ever served, somebody is about to start one.
        standings.retain(|region, it| !matches!(it, Standing::Short(..)) || is_served(region));
        standings
    }

    /// Looks again and again until `halt` is asked for, then leaves it to others.
    pub async fn run(mut self, pause: Duration, halt: Halt) {
        let mut failing = false;
        self.pulse.expect(Some(self.clock.now() + pause));
        loop {
            if timeout(pause, halt.asked()).await.is_ok() {
                break;
            }
            match self.tick(self.clock.now()).await {
                Ok(()) => {
                    failing = false;
                    self.pulse.expect(Some(self.clock.now() + pause));
                }
                // Said once; whoever stores results says why.
                Err(error) if !failing => {
                    failing = true;
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the checks were not reviewed; tried again");
                }
                Err(_) => {}
            }
        }
        self.turns.leave().await;
    }
}

fn heard(agent: &AgentRecord) -> Heard<'_> {
    let (at, farewell) = match agent.left_at {
        Some(left) => (left, Farewell::Stopped),
        // What it says since it kept its schedule for the last time does not count.
        None if agent.is_stalled() => (agent.last_seen - agent.presence.lag(), Farewell::Stalled),
        None => (agent.last_seen, Farewell::None),
    };
    Heard { region: &agent.presence.region, agent: &agent.presence.name, at, farewell }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use uuid::Uuid;

    use super::*;
    use crate::clock::Manual;
    use crate::domain::check::{Check, Work};
    use crate::domain::edition::{Origin, Rank, SILENT};
    use crate::domain::id::CheckId;
    use crate::domain::policy::{Policy, Roster};
    use crate::domain::schedule::{Interval, Schedule};
    use crate::store::LEASE;
    use crate::store::accounts::Expectation;
    use crate::store::agents::{Claim, Claimed, Presence, Supersedes};
    use crate::store::sqlite::{Holder, SqliteStore};

    /// What was decided: `opened region:eu`.
    #[derive(Default)]
    struct Decided(Mutex<Vec<String>>);

    impl Decided {
        fn taken(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
        }
    }

    impl Observer for Decided {
        fn on_reviewed(&self, changes: &[Change]) {
            let words = changes.iter().flat_map(|Change { subject, transition }| {
                let decisions = transition.decisions.iter();
                decisions.map(move |it| format!("{} {subject}", it.kind.as_str()))
            });
            self.0.lock().expect("nobody panics with it").extend(words);
        }
    }

    /// A store, and hubs that share it.
    struct World {
        _folder: tempfile::TempDir,
        store: Arc<dyn Ledger>,
        time: Arc<Manual>,
        judge: Arc<ProjectJudge>,
        decided: Arc<Decided>,
    }

    impl World {
        async fn new(rules: Rulebook) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
            let opened = Holder { command: "a test".into(), since: start };
            let store = SqliteStore::open(&folder.path().join("t.db"), &opened).await;
            Self {
                _folder: folder,
                store: Arc::new(store.expect("opened")),
                time: Arc::new(Manual::new(start)),
                judge: Arc::new(ProjectJudge::new(rules)),
                decided: Arc::default(),
            }
        }

        /// A hub that is started now.
        fn hub(&self, holder: &str) -> Reviews {
            let clock: Arc<dyn Clock> = self.time.clone();
            Reviews {
                turns: Turns::of((&self.store, &clock), PART, holder.into()),
                store: Arc::clone(&self.store),
                judge: Arc::clone(&self.judge),
                clock,
                observer: self.decided.clone(),
                listening: Listening::begun(self.time.now()),
                looked: None,
                pulse: Arc::default(),
            }
        }

        async fn holds(&self, holder: &str) -> bool {
            let now = self.time.now();
            self.store.lease(PART, holder, now, now + LEASE).await.expect("answered").is_some()
        }

        /// Lets time pass with `hub` looking, up to when something is decided or `most` is over;
        /// how long that took.
        async fn look(&self, hub: &mut Reviews, most: TimeDelta) -> (TimeDelta, Vec<String>) {
            let start = self.time.now();
            loop {
                self.time.advance(PAUSE);
                hub.tick(self.time.now()).await.expect("reviewed");
                let (took, decided) = (self.time.now() - start, self.decided.taken());
                if !decided.is_empty() || took >= most {
                    return (took, decided);
                }
            }
        }

        /// An agent of `eu` says that it lives.
        async fn beat(&self, instance: Uuid) {
            self.beat_behind(instance, 0).await;
        }

        /// The same of one whose schedule is so far behind.
        async fn beat_behind(&self, instance: Uuid, lag_ms: u64) {
            let presence = Presence {
                region: eu(),
                name: "one".into(),
                instance,
                version: "1.2.3".into(),
                skew_us: 0,
                lag_ms,
                spool_reports: 0,
                spool_bytes: 0,
                thinned: 0,
                lost: 0,
                revision: None,
            };
            let now = self.time.now();
            let supersedes = Supersedes::Nobody;
            let claim = Claim { presence, supersedes, now, lease_until: now + LEASE };
            let claimed = self.store.claim_name(&claim).await.expect("answered");
            assert!(matches!(claimed, Claimed::Granted(_)), "{claimed:?}");
        }
    }

    fn eu() -> Region {
        Region::new("eu").expect("a good name")
    }

    fn check(name: &str) -> Check {
        Check {
            id: CheckId::new(name).expect("a good name"),
            name: name.into(),
            schedule: Schedule::Every(Interval::new(Duration::from_secs(30)).expect("in range")),
            regions: vec![eu()],
            timeout: Duration::from_secs(20),
            policy: "default".into(),
            runbook: None,
            labels: std::collections::BTreeMap::new(),
            bodies: crate::domain::exchange::Bodies::Kept,
            work: Work::Script { entry: "checks/a.js".into() },
        }
    }

    #[tokio::test]
    async fn a_hub_that_is_behind_looks_only_while_no_other_is_there() {
        let nothing = Rulebook::new(Vec::<Check>::new(), [], Roster::default());
        let nothing = nothing.expect("no check, no mistake").of_edition("an earlier one".into());
        let world = World::new(nothing).await;
        let now = world.time.now();
        let latest = Expectation::new(Vec::new(), now, Origin::Start, now);
        assert_eq!(world.store.expect(&latest, now).await.expect("said"), Rank::Latest);
        let mut behind = world.hub("behind");
        behind.tick(now).await.expect("answered");
        assert!(world.holds("another").await, "it left the lease to others");
        world.time.advance(SILENT);
        behind.tick(world.time.now()).await.expect("reviewed");
        assert!(!world.holds("another").await, "nobody else was there");
        let held = world.store.hold_edition(&latest.edition.digest, world.time.now()).await;
        assert_eq!(held.expect("said"), Rank::Latest);
        behind.tick(world.time.now()).await.expect("answered");
        assert!(world.holds("another").await, "it gave the lease back");
    }

    #[tokio::test]
    async fn hubs_take_turns() {
        let nothing = Rulebook::new(Vec::<Check>::new(), [], Roster::default());
        let world = World::new(nothing.expect("no check, no mistake")).await;
        let start = world.time.now();
        world.hub("one").tick(start).await.expect("reviewed");
        world.hub("other").tick(start).await.expect("answered");
        assert!(world.holds("one").await && !world.holds("other").await);
        // One that stops leaves it to the other at once, one that is killed after its lease.
        let halt = Halt::new();
        halt.ask();
        world.hub("one").run(PAUSE, halt).await;
        assert!(world.holds("other").await);
        world.time.advance(LEASE);
        assert!(world.holds("one").await);
    }

    #[tokio::test]
    async fn a_region_whose_agent_falls_silent_is_told_of_once() {
        let policy = Policy { name: "default".into(), ..Policy::built_in(None) };
        let rules = Rulebook::new([check("a"), check("b")], [policy], Roster::default());
        let world = World::new(rules.expect("its policy is there")).await;
        let (mut hub, agent) = (world.hub("one"), Uuid::new_v4());
        // Of an agent that never came nobody is told.
        let long = TimeDelta::minutes(10);
        assert_eq!(world.look(&mut hub, long).await, (long, Vec::new()));
        world.beat(agent).await;
        world.look(&mut hub, TimeDelta::seconds(25)).await;
        world.beat(agent).await;
        let lost = (attendance::LOST_AFTER, vec!["opened region:eu".to_owned()]);
        assert_eq!(world.look(&mut hub, long).await, lost);
        assert_eq!(world.look(&mut hub, long).await, (long, Vec::new()));
    }

    #[tokio::test]
    async fn a_region_whose_agents_only_say_that_they_live_is_lost() {
        let policy = Policy { name: "default".into(), ..Policy::built_in(None) };
        let rules = Rulebook::new([check("a")], [policy], Roster::default());
        let world = World::new(rules.expect("its policy is there")).await;
        let (mut hub, agent) = (world.hub("one"), Uuid::new_v4());
        world.beat(agent).await;
        let mut decided = Vec::new();
        for behind in 0..8 {
            let (_, more) = world.look(&mut hub, TimeDelta::seconds(5)).await;
            decided.extend(more.into_iter().map(|it| (behind, it)));
            world.beat_behind(agent, 5_000 * (behind + 1)).await;
        }
        assert_eq!(decided, [(6, "opened region:eu".to_owned())], "after half a minute");
    }

    #[tokio::test]
    async fn a_hub_that_was_away_waits_for_agents_to_come_back() {
        let policy = Policy { name: "default".into(), ..Policy::built_in(None) };
        let rules = Rulebook::new([check("a")], [policy], Roster::default());
        let world = World::new(rules.expect("its policy is there")).await;
        let agent = Uuid::new_v4();
        world.beat(agent).await;
        world.time.advance(Duration::from_hours(9));
        let mut hub = world.hub("one");
        let nothing = (TimeDelta::seconds(25), Vec::new());
        assert_eq!(world.look(&mut hub, TimeDelta::seconds(25)).await, nothing);
        // So does one that stood still.
        world.time.advance(Duration::from_hours(1));
        assert_eq!(world.look(&mut hub, TimeDelta::seconds(25)).await, nothing);
        world.beat(agent).await;
        assert_eq!(world.look(&mut hub, TimeDelta::seconds(25)).await, nothing);
        let (_, decided) = world.look(&mut hub, TimeDelta::seconds(5)).await;
        assert_eq!(decided, ["opened region:eu"]);
    }
}
