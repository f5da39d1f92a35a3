//! Rotas out: hands on what is owed to a rota to whoever is on duty.
//!
//! It claims what is due as a delivery lane does, asks who is called now, and has the store owe the
//! same to them. It sends nothing itself and decides nothing: who is called is [`rota::call`]'s, how a
//! message leaves is the lanes'. A crash costs at most the lease, and what is handed on twice is owed
//! once.
//!
//! [`rota::call`]: crate::domain::rota::call

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::deliveries::Contacts;
use crate::clock::{Clock, Halt};
use crate::domain::Timestamp;
use crate::domain::backoff::Backoff;
use crate::domain::policy::Channel;
use crate::store::{self, Claim, Standing, Store};

/// How many rotas are claimed at once.
const AT_ONCE: u32 = 16;
/// How long a claim holds: longer than the store takes, and less than the time within which a hub is
/// replaced.
const LEASE: Duration = Duration::from_secs(14);
/// The store is asked at least this often, woken or not.
const POLL: Duration = Duration::from_secs(5);
/// Keeps a store that names a moment in the past from being asked without end.
const LEAST: Duration = Duration::from_millis(10);
/// Waits between attempts while the store fails.
const RETRY: Backoff = Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(5) };

/// Hands on what is owed to rotas.
#[derive(Debug)]
pub struct Calling {
    store: Arc<dyn Store>,
    contacts: Arc<Contacts>,
    clock: Arc<dyn Clock>,
    /// Those who send what is handed on.
    lanes: Vec<Arc<Notify>>,
    wake: Arc<Notify>,
}

impl Calling {
    /// Hands on to the people of `contacts`, and wakes `lanes` when it has.
    pub fn new(
        store: Arc<dyn Store>,
        contacts: Arc<Contacts>,
        clock: Arc<dyn Clock>,
        lanes: Vec<Arc<Notify>>,
    ) -> Self {
        Self { store, contacts, clock, lanes, wake: Arc::default() }
    }

    /// Wakes it when something may be owed; `notify_one` on it.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Hands on all that is due at `now`, and says when to be called again at the latest.
    ///
    /// # Errors
    ///
    /// [`store::Error`] when the store cannot be asked; nothing is lost, call again.
    pub async fn tick(&self, now: Timestamp) -> Result<Option<Timestamp>, store::Error> {
        let mut next: Option<Timestamp> = None;
        for channel in Channel::ROTAS {
            let due = self.tick_of(channel, now).await?;
            next = next.into_iter().chain(due).min();
        }
        Ok(next)
    }

    /// The same for the rotas of one channel.
    async fn tick_of(
        &self,
        channel: Channel,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, store::Error> {
        loop {
            let until = now + LEASE;
            let claims = self.store.claim_due(channel, now, until, AT_ONCE).await?;
            if claims.is_empty() {
                return self.store.next_due(channel).await;
            }
            for claim in &claims {
                self.hand_on(claim, now).await?;
            }
            self.lanes.iter().for_each(|lane| lane.notify_one());
        }
    }

    async fn hand_on(&self, claim: &Claim, now: Timestamp) -> Result<(), store::Error> {
        let rota = claim.notification.recipient.address();
        let incident = claim.notification.incident;
        let call = self.contacts.call(&claim.notification.recipient, now);
        let standing = self.store.hand_on(claim, &call, now).await?;
        let reason = &call.reason;
        match standing {
            Standing::Held if call.people.is_empty() => {
                tracing::error!(%incident, rota, reason, "nobody can be told in place of a rota");
            }
            Standing::Held => tracing::info!(%incident, rota, reason, "called whoever is on duty"),
            Standing::Lost => tracing::warn!(%incident, rota, "the claim was lost meanwhile"),
        }
        Ok(())
    }

    /// Hands on what becomes due until `halt` is asked for.
    pub async fn run(self, halt: Halt) {
        let mut failures = 0;
        while !halt.is_asked() {
            let now = self.clock.now();
            let wait = match self.tick(now).await {
                Ok(next) => {
                    failures = 0;
                    let wait = next.map_or(POLL, |next| (next - now).to_std().unwrap_or_default());
                    wait.clamp(LEAST, POLL)
                }
                Err(error) => {
                    failures += 1;
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "cannot call whoever is on duty");
                    RETRY.after(failures, 0.0)
                }
            };
            tokio::select! {
                () = halt.asked() => {}
                () = self.wake.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
