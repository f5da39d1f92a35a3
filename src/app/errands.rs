//! Runs that people ask for: the hub's rounds, and what the agent of this process runs of it.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::output::{Interest, Outlet, tap};
use super::share::Share;
use super::works::{self, Works};
use crate::agent::Agent;
use crate::clock::{Clock, Halt};
use crate::config::Settings;
use crate::domain::output::Numbered;
use crate::engine::acts::Acts;
use crate::engine::errands::{Errands, Parts, Rounds, Waiting};
use crate::engine::judge::ProjectJudge;
use crate::store::agents::Agents;
use crate::store::errands::Hand;
use crate::store::{Ledger, Standing, Store};

/// The most that one agent runs at a time.
const MOST: usize = 4;

/// How many an agent runs at a time, beside `scripts` runs at most: they take their places.
pub(super) fn at_once(scripts: usize) -> usize {
    (scripts / 4).clamp(1, MOST)
}

/// Takes wishes from now on, looks after errands, and runs those of the own region, until the works end.
pub(super) fn start(
    settings: &Settings,
    works: &Works,
    (store, judge): (&Arc<dyn Ledger>, &Arc<ProjectJudge>),
    (share, clock, acts): (&Arc<Share>, &Arc<dyn Clock>, &Arc<Acts>),
) -> Arc<Errands> {
    let errands = Arc::new(Errands::new(Parts {
        store: Arc::clone(store) as Arc<dyn crate::store::errands::Errands>,
        incidents: Arc::clone(store) as Arc<dyn Store>,
        judge: Arc::clone(judge),
        clock: Arc::clone(clock),
    }));
    let rounds = Rounds {
        errands: Arc::clone(&errands),
        agents: Arc::clone(store) as Arc<dyn Agents>,
        acts: Arc::clone(acts),
    };
    works.spawn(|halt| rounds.run(halt));
    let own = Own {
        errands: Arc::clone(&errands),
        agent: works.agent.clone(),
        share: Arc::clone(share),
        at_once: at_once(works::limits(&settings.agent).scripts),
    };
    works.spawn(|halt| own.run(halt));
    errands
}

/// The agent of this process, as far as it runs what was asked for.
struct Own {
    errands: Arc<Errands>,
    agent: Agent,
    share: Arc<Share>,
    at_once: usize,
}

impl Own {
    async fn run(self, halt: Halt) {
        let mut waiting = self.errands.waiting();
        let mut going = JoinSet::new();
        while !halt.is_asked() {
            tokio::select! {
                () = halt.asked() => break,
                Some(_) = going.join_next() => {}
                changed = waiting.changed(), if going.len() < self.at_once => {
                    if changed.is_err() {
                        break;
                    }
                }
            }
            self.take(&mut going).await;
        }
        // What runs is ended by the agent's stop; what came of it is brought while the store is open.
        while let Some(Some(_)) = halt.bound(going.join_next()).await {}
    }

    async fn take(&self, going: &mut JoinSet<()>) {
        let (region, name) = (self.share.region(), self.share.name());
        let most = self.at_once.saturating_sub(going.len());
        if most == 0 || !self.errands.has_for(&region, &name) {
            return;
        }
        match self.errands.take(&region, &name, most).await {
            Ok(taken) => {
                for waiting in taken {
                    let (errands, agent) = (Arc::clone(&self.errands), self.agent.clone());
                    going.spawn(attend(errands, agent, waiting, name.clone()));
                }
            }
            // The rounds tell of the store's trouble.
            Err(error) => tracing::debug!(%error, "runs that were asked for are not taken"),
        }
    }
}

/// Where a run of this process is told: in the store.
struct Kept<'a> {
    errands: &'a Errands,
    hand: Hand<'a>,
}

#[async_trait]
impl Outlet for Kept<'_> {
    async fn tell(&self, lines: Vec<Numbered>) -> Interest {
        match self.errands.tell(self.hand, &lines).await {
            Ok(Standing::Held) => Interest::Goes,
            Ok(Standing::Lost) | Err(_) => Interest::Ends,
        }
    }
}

async fn attend(errands: Arc<Errands>, agent: Agent, waiting: Waiting, name: String) {
    let hand = Hand { errand: waiting.errand, region: &waiting.region, agent: &name };
    let (observer, tapped) = tap();
    let run = agent.run_aside(waiting.slot(), waiting.run, Some(observer));
    let report = tapped.told(run, &Kept { errands: &errands, hand }).await;
    match errands.bring(hand, &report).await {
        Ok(Standing::Held) => {}
        Ok(Standing::Lost) => tracing::warn!(
            errand = %waiting.errand,
            check = waiting.check.as_str(),
            "a run that was asked for was given up as lost before it ended"
        ),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                errand = %waiting.errand,
                check = waiting.check.as_str(),
                error,
                "what came of a run that was asked for was not stored; it is lost"
            );
        }
    }
}
