//! What people do about incidents, on whichever way they come: acknowledge, resolve, note, silence.
//!
//! An act is decided by the rules in force, stored with the messages that it owes, and then let known
//! to whoever sends them.
//!
//! Must not: decide who may act, or what an act means; that is for the way in and for
//! [`acting`](crate::domain::incident::acting).

use std::sync::Arc;

use super::judge::ProjectJudge;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::incident::acting::Act;
use crate::domain::incident::{Change, DecisionKind};
use crate::domain::restraint::{Actor, Silence, SilenceId};
use crate::store::Error;
use crate::store::care::{Acted, ActedOnce, Care, NewSilence};
use crate::store::gathering::Answered;

/// Is told what people did, after it is stored. Must not block.
pub trait Observer: Send + Sync {
    /// Something was done about an incident.
    fn on_acted(&self, change: &Change);

    /// It was acknowledged that these had been told.
    fn on_answered(&self, _answered: &[Answered]) {}

    /// A silence begins; of the incidents that it covers, those who follow are told.
    fn on_silenced(&self);
}

/// Takes what people do.
pub struct Acts {
    /// Where the incidents are.
    pub store: Arc<dyn Care>,
    /// What acts mean.
    pub judge: Arc<ProjectJudge>,
    /// When it is done.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Acts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acts").finish_non_exhaustive()
    }
}

impl Acts {
    /// Does something about an incident.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; nothing was done then.
    pub async fn act(
        &self,
        incident: IncidentId,
        act: &Act,
        actor: &Actor,
    ) -> Result<Acted, Error> {
        let rulebook = self.judge.current();
        let now = self.clock.now();
        let acted = self.store.act(incident, (act, actor), &*rulebook, now).await?;
        self.let_know(incident, &acted, now).await;
        Ok(acted)
    }

    /// Does something about an incident, once for all that comes with the same `key`: a message that
    /// somebody wrote, or a run that they asked for.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; nothing was done then.
    pub async fn act_once(
        &self,
        key: &str,
        incident: IncidentId,
        act: &Act,
        actor: &Actor,
    ) -> Result<ActedOnce, Error> {
        let rulebook = self.judge.current();
        let now = self.clock.now();
        let answered = self.store.act_once(key, incident, (act, actor), &*rulebook, now).await?;
        if let ActedOnce::Acted(acted) = &answered {
            self.let_know(incident, acted, now).await;
        }
        Ok(answered)
    }

    /// Lets know what was done by an act that was stored at `now`.
    async fn let_know(&self, incident: IncidentId, acted: &Acted, now: Timestamp) {
        if let Acted::Done(change) = acted {
            self.observer.on_acted(change);
            self.measure(incident, change, now).await;
        }
    }

    /// Tells what was acknowledged by an act that was stored at `now`. That it cannot be read takes nothing
    /// from the act.
    async fn measure(&self, incident: IncidentId, change: &Change, now: Timestamp) {
        let decisions = &change.transition.decisions;
        if !decisions.iter().any(|it| it.kind == DecisionKind::Acknowledged) {
            return;
        }
        match self.store.answered(incident, now).await {
            Ok(answered) => self.observer.on_answered(&answered),
            Err(error) => tracing::debug!(%error, "how long an answer took is not measured"),
        }
    }

    /// Begins a silence.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; there is no silence then.
    pub async fn silence(&self, wanted: &NewSilence) -> Result<Silence, Error> {
        let rulebook = self.judge.current();
        let silence = self.store.silence(wanted, &*rulebook, self.clock.now()).await?;
        tracing::info!(
            event.action = "silence-begun",
            silence = silence.id.0,
            scope = %silence.scope,
            by = %silence.by,
            until = %silence.until,
            reason = silence.reason,
            "a silence begins"
        );
        self.observer.on_silenced();
        Ok(silence)
    }

    /// Ends a silence now; `None` where there is no such one that is not over.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; the silence goes on then.
    pub async fn end_silence(&self, id: SilenceId) -> Result<Option<Silence>, Error> {
        let ended = self.store.end_silence(id, self.clock.now()).await?;
        if let Some(silence) = &ended {
            tracing::info!(
                event.action = "silence-ended",
                silence = id.0,
                scope = %silence.scope,
                "a silence was ended"
            );
        }
        Ok(ended)
    }

    /// The silences that are not over, by number.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed.
    pub async fn silences(&self) -> Result<Vec<Silence>, Error> {
        self.store.silences(self.clock.now()).await
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
