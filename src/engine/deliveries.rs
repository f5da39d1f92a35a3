//! Messages out: one lane per channel, so that a slow Slack never delays an SMS.
//!
//! A lane claims what is due under a lease, sends it, and records what came of it and what follows.
//! What follows is decided by [`settle`] alone. The lane computes no message, changes no incident,
//! and needs nothing that it remembers: the store knows what is owed, so a wake-up that is lost
//! costs at most the poll interval and a crash at most the lease.
//!
//! It claims only what it sends at once, because whatever it leaves behind when it dies may have
//! been sent and is repeated with a mark. The store hands out one notification per recipient at a
//! time, so a recipient that hangs holds up nobody else. An outcome that cannot be recorded is kept
//! and tried again; as long as this process lives, its message is not sent a second time.
//!
//! Nothing is sent by a claim that could end before the attempt does: a process that was frozen and
//! goes on must not send what another has claimed since.

mod contacts;
mod outcome;
mod pace;
#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

pub use self::contacts::Contacts;
pub use self::outcome::{Attempted, Observer};
use self::pace::Paces;
pub use self::pace::Rate;
use crate::clock::{Clock, Halt, Stopwatch};
use crate::domain::Timestamp;
use crate::domain::backoff::Backoff;
use crate::domain::id::stable_hash;
use crate::domain::notification::{Attempt, Notification, PATIENCE, put_off, settle};
use crate::domain::policy::{Channel, Recipient};
use crate::notify::{Outbound, Transport};
use crate::store::{self, Claim, Standing, Store};

/// What a lane works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where what is owed stands.
    pub store: Arc<dyn Store>,
    /// The channel.
    pub transport: Arc<dyn Transport>,
    /// Telephone numbers and links.
    pub contacts: Arc<Contacts>,
    /// Who wants to know of attempts.
    pub observer: Arc<dyn Observer>,
    /// Tells whether a claim still holds.
    pub clock: Arc<dyn Clock>,
}

/// How long and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many messages are on their way at once.
    pub concurrent: usize,
    /// How fast one recipient is sent messages; `None` for as fast as they come.
    pub rate: Option<Rate>,
    /// One attempt; a little more than what a transport promises.
    pub attempt: Duration,
    /// How long a claim holds: longer than an attempt and the wait for its turn together.
    pub lease: Duration,
    /// The store is asked at least this often, woken or not.
    pub poll: Duration,
    /// Waits between attempts while the store fails.
    pub retry: Backoff,
}

impl Limits {
    /// What suits a channel. Slack takes one message per second in a channel and tolerates short
    /// bursts (<https://docs.slack.dev/apis/web-api/rate-limits>); Twilio queues by itself.
    pub fn of(channel: Channel) -> Self {
        let (concurrent, rate) = match channel {
            Channel::Slack => (8, Some(Rate { every: Duration::from_secs(1), burst: 3 })),
            Channel::Sms => (4, None),
        };
        Self {
            concurrent,
            rate,
            attempt: Duration::from_secs(12),
            lease: Duration::from_secs(20),
            poll: Duration::from_secs(5),
            retry: Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(5) },
        }
    }
}

/// The messages of one channel on their way.
#[derive(Debug)]
pub struct Lane {
    channel: Channel,
    parts: Parts,
    limits: Limits,
    wake: Arc<Notify>,
    sends: JoinSet<Finished>,
    /// Outcomes that could not be recorded yet.
    unsettled: Vec<Finished>,
    paces: Paces,
    pause: Option<Pause>,
}

/// Why something was not sent after all.
const TOO_LATE: &str = "not sent: the claim on it was about to end before its turn came";

/// An attempt that ended.
#[derive(Debug)]
struct Finished {
    claim: Claim,
    attempt: Attempt,
    /// Whether there was one.
    made: bool,
    started_at: Timestamp,
    ended_at: Timestamp,
}

/// The provider asked for quiet.
#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Timestamp,
    length: Duration,
}

impl Lane {
    /// A lane for `channel` with the limits that suit it.
    pub fn new(channel: Channel, parts: Parts) -> Self {
        Self::with_limits(channel, parts, Limits::of(channel))
    }

    /// A lane with limits of the caller's.
    pub fn with_limits(channel: Channel, parts: Parts, limits: Limits) -> Self {
        Self {
            channel,
            parts,
            limits,
            wake: Arc::default(),
            sends: JoinSet::new(),
            unsettled: Vec::new(),
            paces: Paces::new(limits.rate),
            pause: None,
        }
    }

    /// Wakes the lane when something may be owed; `notify_one` on it.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Starts sending all that is due at `now` and has room, and says when to be called again at
    /// the latest; `None` when there is nothing to wait for but what is on its way.
    ///
    /// # Errors
    ///
    /// [`store::Error`] when the store cannot be asked; nothing is lost, call again.
    pub async fn tick(&mut self, now: Timestamp) -> Result<Option<Timestamp>, store::Error> {
        let unrecorded = self.settle_again().await;
        if let Some(until) = self.paused(now) {
            return unrecorded.map(|()| Some(until));
        }
        let room = self.limits.concurrent.saturating_sub(self.sends.len());
        if room == 0 {
            return unrecorded.map(|()| None);
        }
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let lease_until = now + self.limits.lease;
        let claimed_since = Stopwatch::start();
        let claimed = self.parts.store.claim_due(self.channel, now, lease_until, limit).await?;
        let full = claimed.len() >= room;
        for claim in claimed {
            self.start(claim, now, claimed_since);
        }
        unrecorded?;
        if full { Ok(None) } else { self.parts.store.next_due(self.channel).await }
    }

    /// Waits for the next attempt to end and records it; `false` when none is on its way. Must be
    /// awaited to its end, or an outcome may go unrecorded.
    pub async fn settle_next(&mut self) -> bool {
        let Some(joined) = self.sends.join_next().await else {
            return false;
        };
        self.joined(joined).await;
        true
    }

    /// Sends what becomes due until `halt` is asked for, then waits for what is on its way until
    /// that is recorded or the time is over.
    pub async fn run(mut self, halt: Halt) {
        let clock = Arc::clone(&self.parts.clock);
        let mut failures = 0;
        while !halt.is_asked() {
            let now = clock.now();
            let wait = match self.tick(now).await {
                Ok(next) => {
                    failures = 0;
                    self.wait(next, now)
                }
                Err(error) => {
                    failures += 1;
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(channel = self.channel.as_str(), error, "cannot send");
                    self.limits.retry.after(failures, 0.0)
                }
            };
            let wake = Arc::clone(&self.wake);
            // Only waiting can be abandoned; recording an outcome cannot.
            let joined = tokio::select! {
                Some(joined) = self.sends.join_next() => Some(joined),
                () = halt.asked() => None,
                () = wake.notified() => None,
                () = sleep(wait) => None,
            };
            if let Some(joined) = joined {
                self.joined(joined).await;
            }
        }
        self.drain(&halt).await;
    }

    fn wait(&self, next: Option<Timestamp>, now: Timestamp) -> Duration {
        // The floor keeps a store that names a moment in the past from being asked without end.
        const LEAST: Duration = Duration::from_millis(10);
        let wait = next.map_or(self.limits.poll, |next| (next - now).to_std().unwrap_or_default());
        wait.clamp(LEAST, self.limits.poll)
    }

    /// Waits for what is on its way, while there is time, and records it.
    async fn drain(mut self, halt: &Halt) {
        let drained = halt.bound(async {
            while self.settle_next().await {}
            let mut failures = 0;
            while self.settle_again().await.is_err() {
                failures += 1;
                sleep(self.limits.retry.after(failures, 0.0)).await;
            }
        });
        if drained.await.is_none() {
            tracing::warn!(
                channel = self.channel.as_str(),
                on_their_way = self.sends.len(),
                unrecorded = self.unsettled.len(),
                "stopped with messages whose outcome is not recorded; they are repeated with a mark"
            );
        }
    }

    /// Until when the provider wants quiet.
    fn paused(&mut self, now: Timestamp) -> Option<Timestamp> {
        let Pause { until, length } = self.pause?;
        // A clock that is set back does not lengthen the pause.
        let until = until.min(now + length);
        self.pause = (until > now).then_some(Pause { until, length });
        self.pause.map(|pause| pause.until)
    }

    fn start(&mut self, claim: Claim, now: Timestamp, claimed_since: Stopwatch) {
        let id = claim.notification.id;
        if let Some(ended) = self.unsettled.iter_mut().find(|it| it.claim.notification.id == id) {
            // The store does not know yet what we know: it went, and its outcome is kept. It is
            // recorded by the claim that is held now.
            ended.claim = claim;
            return;
        }
        let recipient = &claim.notification.recipient;
        let hold = self.paces.turn(recipient, now);
        let phone = match recipient {
            Recipient::Sms(person) => self.parts.contacts.phone(person),
            Recipient::Slack(_) => None,
        };
        let link = self.parts.contacts.link(claim.notification.incident);
        let (transport, clock) = (Arc::clone(&self.parts.transport), Arc::clone(&self.parts.clock));
        let Limits { attempt: limit, lease, .. } = self.limits;
        self.sends.spawn(async move {
            if !hold.is_zero() {
                sleep(hold).await;
            }
            // By both clocks: one may have been set back, the other stops while a machine sleeps.
            let in_time =
                claimed_since.elapsed() + limit <= lease && clock.now() + limit <= claim.until;
            let stopwatch = Stopwatch::start();
            let attempt = if in_time {
                let message = Outbound {
                    notification: &claim.notification,
                    phone: phone.as_deref(),
                    link: link.as_deref(),
                };
                attempt(transport.as_ref(), message, limit).await
            } else {
                Attempt::Retry { reason: TOO_LATE.into(), after: None }
            };
            let started_at = now + hold;
            let ended_at = started_at + stopwatch.elapsed();
            Finished { attempt, made: in_time, started_at, ended_at, claim }
        });
    }

    async fn joined(&mut self, joined: Result<Finished, JoinError>) {
        match joined {
            Ok(finished) => self.ended(finished).await,
            // Its lease runs out, and it is repeated with a mark.
            Err(error) => tracing::error!(%error, "an attempt ended without an outcome"),
        }
    }

    /// Tells of an attempt, then records it; keeps it if that fails.
    async fn ended(&mut self, ended: Finished) {
        if let Attempt::Retry { after: Some(after), .. } = ended.attempt {
            let length = after.min(PATIENCE);
            self.pause = Some(Pause { until: ended.ended_at + length, length });
        }
        let settlement = ended.settlement();
        let attempted = Attempted {
            notification: &ended.claim.notification,
            attempt: &ended.attempt,
            settlement: &settlement,
        };
        self.parts.observer.on_attempt(&attempted);
        if let Err(error) = ended.record(self.parts.store.as_ref()).await {
            let notification = &ended.claim.notification;
            let (incident, recipient) = (notification.incident, &notification.recipient);
            let error = &error as &dyn std::error::Error;
            tracing::error!(%incident, %recipient, error, "cannot record an attempt; kept");
            self.unsettled.push(ended);
        }
    }

    /// Records what could not be recorded before; keeps the rest when the store still fails.
    async fn settle_again(&mut self) -> Result<(), store::Error> {
        let mut failed = Ok(());
        let mut kept = Vec::new();
        for ended in std::mem::take(&mut self.unsettled) {
            if let Err(error) = ended.record(self.parts.store.as_ref()).await {
                failed = Err(error);
                kept.push(ended);
            }
        }
        self.unsettled = kept;
        failed
    }
}

impl Finished {
    fn settlement(&self) -> crate::domain::notification::Settlement {
        let notification = &self.claim.notification;
        if self.made {
            settle(notification, &self.attempt, self.ended_at, jitter(notification))
        } else {
            put_off(notification, self.ended_at, TOO_LATE)
        }
    }

    async fn record(&self, store: &dyn Store) -> Result<(), store::Error> {
        let settlement = self.settlement();
        let (started, ended) = (self.started_at, self.ended_at);
        match store.settle(&self.claim, started, ended, &self.attempt, &settlement).await? {
            Standing::Held => {}
            Standing::Lost => {
                let Notification { incident, recipient, .. } = &self.claim.notification;
                let outcome = self.attempt.as_str();
                tracing::warn!(%incident, %recipient, outcome, "the claim was lost meanwhile");
            }
        }
        Ok(())
    }
}

/// One attempt. A transport that breaks its promises may still have sent the message.
async fn attempt(transport: &dyn Transport, message: Outbound<'_>, limit: Duration) -> Attempt {
    let sent = AssertUnwindSafe(transport.send(message)).catch_unwind();
    match timeout(limit, sent).await {
        Ok(Ok(attempt)) => attempt,
        Ok(Err(_)) => Attempt::Ambiguous { reason: "the channel failed unexpectedly".into() },
        Err(_) => Attempt::Ambiguous { reason: "the channel did not end in time".into() },
    }
}

/// Spreads the retries of many notifications: from the notification's number and its failures, so
/// that the same history always leads to the same waits.
fn jitter(notification: &Notification) -> f64 {
    let hash = stable_hash(&[&notification.id.to_string(), &notification.failures.to_string()]);
    f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
