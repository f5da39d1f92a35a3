//! The one incident, found by what is said of it, and a glance at what people did.

use async_trait::async_trait;

use super::Remembered;
use crate::domain::Timestamp;
use crate::store::looking::{Glance, IncidentSearch, Looking, MessageSearch, Side};
use crate::store::{Error, IncidentRecord, NotificationRecord, Store};

#[async_trait]
impl Looking for Remembered {
    async fn find_incidents(&self, search: &IncidentSearch) -> Result<Vec<IncidentRecord>, Error> {
        let id = self.history.record.id;
        let Some(history) = self.incident(id).await? else { return Ok(Vec::new()) };
        let IncidentRecord { subject, incident, .. } = &history.record;
        let is_over = incident.resolved_at.is_some();
        let has = |text: &str| text.to_lowercase().contains(&search.text);
        let is_wanted = (search.side == Side::Resolved) == is_over
            && search.kind.is_none_or(|kind| subject.kind() == kind)
            && search.before.is_none_or(|before| id < before)
            && (has(&subject.to_string())
                || has(&incident.cause.error)
                || search.named.contains(subject));
        Ok(is_wanted.then_some(history.record).into_iter().collect())
    }

    async fn find_messages(&self, search: MessageSearch) -> Result<Vec<NotificationRecord>, Error> {
        self.mood().await?;
        let all = self.history.notifications.iter().rev();
        let found = all.filter(|it| search.state.is_none_or(|state| it.state == state));
        Ok(found.take(search.limit as usize).cloned().collect())
    }

    async fn glance(&self, _: Timestamp) -> Result<Glance, Error> {
        self.mood().await?;
        let acted = self.acted.lock().expect("no test panics with it");
        let silences = self.silences.lock().expect("no test panics with it");
        Ok(Glance {
            decision: acted.is_some().into(),
            silence: silences.last().map_or(0, |last| last.id.0),
            ..Glance::default()
        })
    }
}

impl Remembered {
    /// Every text of the incident that others wrote is this.
    pub(in crate::http) fn say(&mut self, text: &str) {
        let incident = &mut self.history.record.incident;
        incident.cause.error = text.to_owned();
        incident.cause.step = Some(text.to_owned());
        incident.story.held_by = Some(text.to_owned());
        for (_, decision) in &mut self.history.decisions {
            text.clone_into(&mut decision.reason);
        }
        for record in &mut self.history.notifications {
            record.reason = Some(text.to_owned());
            for delivery in &mut record.deliveries {
                text.clone_into(&mut delivery.detail);
            }
        }
    }

    /// It was decided so many times more, each with its number for a reason.
    pub(in crate::http) fn decide(&mut self, times: usize) {
        let first = self.history.decisions.clone();
        self.history.decisions.extend((1..times).filter_map(|number| {
            let (at, mut decision) = first.first()?.clone();
            decision.reason = format!("reason {number}");
            Some((at, decision))
        }));
    }
}
