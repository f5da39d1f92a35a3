//! What came of attempts: counted, told, and recorded together; kept where it cannot be recorded.

use super::finished::{Finished, Follows};
use super::outcome::Attempted;
use super::{Joined, Lane, Pause, STRAINED};
use crate::domain::notification::{Attempt, Notification, NotificationState, PATIENCE, Trials};
use crate::store::{self, Standing};

impl Lane {
    /// Records an attempt that ended, with all others that have ended by now.
    pub(super) async fn joined(&mut self, first: Joined) {
        let (mut ended, mut next) = (Vec::new(), Some(first));
        while let Some(joined) = next {
            ended.extend(self.taken(joined));
            next = self.sends.try_join_next_with_id();
        }
        for it in &ended {
            self.tell(it);
        }
        if let Err(error) = self.record(ended).await {
            let (kept, error) = (self.unsettled.len(), &error as &dyn std::error::Error);
            let channel = self.channel.as_str();
            tracing::error!(channel, kept, error, "cannot record what came of attempts; kept");
        }
    }

    /// What a task that ended brings; `None` where nothing came of it.
    fn taken(&mut self, joined: Joined) -> Option<Finished> {
        match joined {
            // It was held, and is claimed again in its time.
            Ok((task, None)) => {
                self.under_way.remove(&task);
                None
            }
            Ok((task, Some(finished))) => {
                let held = self.under_way.remove(&task);
                Some(self.tried(finished.by(held)))
            }
            // Its lease runs out, and it is repeated with a mark.
            Err(error) => {
                self.under_way.remove(&error.id());
                tracing::error!(%error, "an attempt ended without an outcome");
                None
            }
        }
    }

    /// Counts an attempt among those before it, for all that it was to tell.
    fn tried(&mut self, mut ended: Finished) -> Finished {
        if ended.is_put_off() {
            return ended;
        }
        ended.count(&mut self.trials);
        // Others may have been settled without us, such as by a recovery.
        self.trials.retain(|_, trials| trials.due_at + PATIENCE > ended.ended_at);
        for (id, since, settlement) in ended.settlements() {
            if settlement.state == NotificationState::Owed {
                self.trials.insert(id, Trials { since, due_at: settlement.due_at });
            }
        }
        ended
    }

    /// Tells of an attempt, which is not recorded yet.
    fn tell(&mut self, ended: &Finished) {
        if let Attempt::Retry { after: Some(after), .. } = ended.attempt
            && self.channel.has_one_provider()
        {
            let length = after.min(PATIENCE);
            self.pause = Some(Pause { until: ended.ended_at + length, length });
            self.strained_until = Some(ended.ended_at + length + STRAINED);
        }
        let attempted = Attempted {
            notification: &ended.claim.notification,
            attempt: &ended.attempt,
            settlement: &ended.settlement(),
        };
        self.parts.observer.on_attempt(&attempted);
        ended.measure(&self.stamps);
    }

    /// Records what could not be recorded before; keeps what still cannot.
    pub(super) async fn settle_again(&mut self) -> Result<(), store::Error> {
        let unsettled = std::mem::take(&mut self.unsettled);
        self.record(unsettled).await
    }

    /// Records all of `ended` in one transaction; keeps what cannot be recorded.
    async fn record(&mut self, ended: Vec<Finished>) -> Result<(), store::Error> {
        match self.attempt_to_record(&ended).await {
            Err(error) if error.is_lasting() && ended.len() > 1 => {
                // What the store will not take must not keep the others from being recorded.
                let mut failed = Ok(());
                for one in ended {
                    if let Err(error) = self.attempt_to_record(std::slice::from_ref(&one)).await {
                        failed = Err(error);
                        self.unsettled.push(one);
                    }
                }
                failed
            }
            Err(error) => {
                self.unsettled.extend(ended);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    async fn attempt_to_record(&self, ended: &[Finished]) -> Result<(), store::Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let follows: Vec<Follows> = ended.iter().map(Finished::follows).collect();
        let all: Vec<_> = ended.iter().zip(&follows).map(|(it, then)| it.ended(then)).collect();
        let standings = self.parts.store.settle_all(&all).await?;
        for ((it, follows), standing) in ended.iter().zip(&follows).zip(standings) {
            if standing == Standing::Lost {
                let Notification { incident, recipient, .. } = &it.claim.notification;
                let outcome = it.attempt.as_str();
                tracing::warn!(%incident, %recipient, outcome, "the claim was lost meanwhile");
            }
            self.parts.observer.on_recorded(follows.settlement.state);
        }
        Ok(())
    }
}
