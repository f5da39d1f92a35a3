//! The rounds: what waits is offered to agents, what waited for too long is given up, and what came of
//! an errand is told.
//!
//! Every hub makes them, and the store sees to it that each thing is done once: a leg ends by one
//! statement, and what is told is an act that is stored once however many ask for it. So a hub that
//! dies in between loses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Errands, Waiting};
use crate::clock::Halt;
use crate::domain::Timestamp;
use crate::domain::errand::{Errand, Stage};
use crate::domain::id::Region;
use crate::domain::incident::acting::Act;
use crate::domain::rendezvous::owner;
use crate::engine::acts::Acts;
use crate::store::Error;
use crate::store::agents::Agents;

/// One looks at least so often: another hub may have been asked.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes the rounds.
pub struct Rounds {
    /// What is looked after.
    pub errands: Arc<Errands>,
    /// Who could run it.
    pub agents: Arc<dyn Agents>,
    /// Takes what came of it, once.
    pub acts: Arc<Acts>,
}

impl std::fmt::Debug for Rounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rounds").finish_non_exhaustive()
    }
}

impl Rounds {
    /// Makes them until `halt` is asked for.
    pub async fn run(self, halt: Halt) {
        let mut failing = false;
        while !halt.is_asked() {
            let made = self.make().await;
            let was_failing = std::mem::replace(&mut failing, made.is_err());
            if let Err(error) = made
                && !was_failing
            {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "runs that were asked for by hand are not looked after; tried again"
                );
            }
            tokio::select! {
                () = halt.asked() => {}
                () = self.errands.moved.notified(), if !failing => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Makes one.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; the next one goes on from there.
    pub async fn make(&self) -> Result<(), Error> {
        let parts = &self.errands.parts;
        let now = parts.clock.now();
        let mut untold = parts.store.untold().await?;
        if untold.iter().any(|errand| is_late(errand, now)) {
            let legs = parts.store.give_up(now).await?;
            tracing::warn!(
                event.action = "errand-given-up",
                legs,
                "no agent took a run that was asked for, or said what came of it"
            );
            untold = parts.store.untold().await?;
        }
        self.offer(&untold).await?;
        for errand in untold.iter().filter(|errand| errand.is_over()) {
            self.tell(errand, now).await?;
        }
        Ok(())
    }

    /// Offers what waits to agents.
    async fn offer(&self, untold: &[Errand]) -> Result<(), Error> {
        let mut waiting: Vec<Waiting> = untold.iter().flat_map(waiting_of).collect();
        if !waiting.is_empty() {
            let live = self.live().await?;
            for it in &mut waiting {
                let names = live.get(&it.region).into_iter().flatten().map(String::as_str);
                it.owner = owner(&it.check, names).map(ToOwned::to_owned);
            }
        }
        self.errands.waiting.send_if_modified(|offered| {
            // What still waits is offered again: an agent that had to leave it may have it by now.
            let is_news = !waiting.is_empty() || !offered.is_empty();
            *offered = Arc::new(waiting);
            is_news
        });
        Ok(())
    }

    /// The names of those who run checks by the schedule, by region.
    async fn live(&self) -> Result<BTreeMap<Region, Vec<String>>, Error> {
        let now = self.errands.parts.clock.now();
        let mut live: BTreeMap<Region, Vec<String>> = BTreeMap::new();
        for agent in self.agents.agents().await? {
            let knows = agent.presence.revision.is_some();
            if knows && agent.is_heard(now) && !agent.is_stalled() {
                live.entry(agent.presence.region).or_default().push(agent.presence.name);
            }
        }
        Ok(live)
    }

    /// Tells those who follow the incident what came of an errand, once.
    async fn tell(&self, errand: &Errand, now: Timestamp) -> Result<(), Error> {
        let parts = &self.errands.parts;
        let deed = errand.deed();
        tracing::info!(
            event.action = "errand-ended",
            errand = %errand.id,
            check = errand.check.as_str(),
            by = %errand.by,
            "a run that was asked for has ended: {} {deed}",
            errand.by
        );
        if let Some(incident) = errand.incident {
            let key = format!("errand:{}", errand.id);
            self.acts.act_once(&key, incident, &Act::Ran { deed }, &errand.by).await?;
        }
        parts.store.note_told(errand.id, now).await
    }
}

/// Whether the time of one of its legs is over.
fn is_late(errand: &Errand, now: Timestamp) -> bool {
    errand.legs.iter().any(|leg| match &leg.stage {
        Stage::Asked { until } | Stage::Taken { until, .. } => *until <= now,
        Stage::Ended(_) | Stage::Untaken | Stage::Lost { .. } => false,
    })
}

/// The legs of an errand that nobody has taken.
fn waiting_of(errand: &Errand) -> impl Iterator<Item = Waiting> {
    let is_asked = |leg: &&crate::domain::errand::Leg| matches!(leg.stage, Stage::Asked { .. });
    errand.legs.iter().filter(is_asked).map(|leg| Waiting {
        errand: errand.id,
        check: errand.check.clone(),
        region: leg.region.clone(),
        run: leg.run,
        asked_at: errand.asked_at,
        owner: None,
    })
}
