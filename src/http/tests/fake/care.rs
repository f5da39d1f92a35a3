//! What people do about the one incident, and silences.

use async_trait::async_trait;

use super::Remembered;
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::incident::Change;
use crate::domain::incident::acting::Act;
use crate::domain::restraint::{Actor, Silence, SilenceId};
use crate::store::Error;
use crate::store::care::{Acted, ActedOnce, Care, Caretaker, Case, NewSilence};

#[async_trait]
impl Care for Remembered {
    async fn tend(&self, _: &dyn Caretaker, _: u32, _: Timestamp) -> Result<Vec<Change>, Error> {
        Ok(Vec::new())
    }

    async fn next_tending(&self) -> Result<Option<Timestamp>, Error> {
        Ok(None)
    }

    async fn reconsider(&self, _: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    async fn act(
        &self,
        incident: IncidentId,
        (act, actor): (&Act, &Actor),
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<Acted, Error> {
        self.mood().await?;
        let record = &self.history.record;
        if record.id != incident {
            return Ok(Acted::Unknown);
        }
        let mut open = self.acted.lock().expect("no test panics with it");
        let before = open.clone().unwrap_or_else(|| record.incident.clone());
        let case = Case { subject: &record.subject, open: &before, state: None, silences: &[] };
        let transition = match judge.act(case, act, actor, now) {
            Ok(transition) => transition,
            Err(refused) => return Ok(Acted::Refused(refused)),
        };
        open.clone_from(&transition.incident);
        Ok(Acted::Done(Box::new(Change { subject: record.subject.clone(), transition })))
    }

    async fn act_once(
        &self,
        _: &str,
        incident: IncidentId,
        by: (&Act, &Actor),
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<ActedOnce, Error> {
        Ok(ActedOnce::Acted(self.act(incident, by, judge, now).await?))
    }

    async fn answered(
        &self,
        _: IncidentId,
        _: Timestamp,
    ) -> Result<Vec<crate::store::gathering::Answered>, Error> {
        self.mood().await?;
        Ok(Vec::new())
    }

    async fn silence(
        &self,
        wanted: &NewSilence,
        _: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<Silence, Error> {
        self.mood().await?;
        let mut silences = self.silences.lock().expect("no test panics with it");
        let number = silences.last().map_or(1, |last| last.id.0 + 1);
        let NewSilence { scope, reason, by, until } = wanted.clone();
        let silence = Silence { id: SilenceId(number), scope, reason, by, from: now, until };
        silences.push(silence.clone());
        Ok(silence)
    }

    async fn end_silence(&self, id: SilenceId, now: Timestamp) -> Result<Option<Silence>, Error> {
        self.mood().await?;
        let mut silences = self.silences.lock().expect("no test panics with it");
        let found = silences.iter_mut().find(|it| it.id == id && it.until > now);
        Ok(found.map(|silence| {
            silence.until = now;
            silence.clone()
        }))
    }

    async fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, Error> {
        self.mood().await?;
        let silences = self.silences.lock().expect("no test panics with it");
        Ok(silences.iter().filter(|it| it.until > now).cloned().collect())
    }
}
