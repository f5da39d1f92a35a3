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
mod story;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

pub use self::contacts::Contacts;
pub use self::outcome::{Attempted, Observer};
use self::pace::Paces;
pub use self::pace::Rate;
use crate::clock::{Clock, Halt, Stopwatch};
use crate::domain::Timestamp;
use crate::domain::backoff::Backoff;
use crate::domain::id::{NotificationId, stable_hash};
use crate::domain::notification::{
    Attempt, BACKOFF, Notification, NotificationState, PATIENCE, Settlement, Trials, put_off,
    settle,
};
use crate::domain::policy::{Channel, Recipient};
use crate::notify::{Outbound, Thread, Transport};
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
    /// How long a claim holds: longer than an attempt and the wait for its turn together, and less
    /// than the time within which a hub is replaced. Whoever waits wakes when it ends.
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
            Channel::Sms | Channel::Rota => (4, None),
        };
        Self {
            concurrent,
            rate,
            attempt: Duration::from_secs(9),
            lease: Duration::from_secs(14),
            poll: Duration::from_secs(5),
            retry: Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(5) },
        }
    }
}

/// How long the store may take to note that a repeat is about to leave; with an attempt and the wait
/// for its turn, less than a lease.
const NOTED_WITHIN: Duration = Duration::from_secs(2);
/// How long the store may take to say what was told before; what the wait for its turn leaves.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// The messages of one channel on their way.
#[derive(Debug)]
pub struct Lane {
    channel: Channel,
    parts: Parts,
    limits: Limits,
    wake: Arc<Notify>,
    sends: JoinSet<Finished>,
    /// By which claims something is on its way, by the task that sends it.
    under_way: HashMap<task::Id, Claim>,
    /// Outcomes that could not be recorded yet.
    unsettled: Vec<Finished>,
    /// What has been failing, as far as this lane tried it.
    trials: HashMap<NotificationId, Trials>,
    paces: Paces,
    pause: Option<Pause>,
}

/// Why something was not sent after all.
const TOO_LATE: &str = "not sent: the claim on it was about to end before its turn came";
const NOT_OURS: &str = "not sent: the claim on it was lost";

/// It was not sent after all.
#[derive(Debug)]
struct Stayed {
    reason: String,
    /// How long to wait before it is tried.
    wait: Duration,
}

/// An attempt that ended.
#[derive(Debug)]
struct Finished {
    claim: Claim,
    attempt: Attempt,
    /// How long it is put off, where there was no attempt after all.
    put_off: Option<Duration>,
    started_at: Timestamp,
    ended_at: Timestamp,
    /// Since when attempts to send it have been failing, if this one failed.
    since: Timestamp,
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
            under_way: HashMap::new(),
            unsettled: Vec::new(),
            trials: HashMap::new(),
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
        // The store takes its time, too; what a provider asks for counts from its answer.
        let told = Stopwatch::start();
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
        let claimed = self.parts.store.claim_due(self.channel, now, lease_until, limit).await?;
        let full = claimed.len() >= room;
        for claim in claimed {
            self.start(claim, now, told);
        }
        unrecorded?;
        if full { Ok(None) } else { self.parts.store.next_due(self.channel).await }
    }

    /// Waits for the next attempt to end and records it; `false` when none is on its way. Must be
    /// awaited to its end, or an outcome may go unrecorded.
    pub async fn settle_next(&mut self) -> bool {
        let Some(joined) = self.sends.join_next_with_id().await else {
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
                Some(joined) = self.sends.join_next_with_id() => Some(joined),
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

    /// Starts to send; `told` has been running since it was `now`.
    fn start(&mut self, claim: Claim, now: Timestamp, told: Stopwatch) {
        let id = claim.notification.id;
        let unsettled = self.unsettled.iter_mut().map(|ended| &mut ended.claim);
        if let Some(held) =
            unsettled.chain(self.under_way.values_mut()).find(|held| held.notification.id == id)
        {
            // The store does not know yet what we know: it went, and its outcome is kept, or is
            // still to come after the clock was set forward over the end of its lease. It is
            // recorded by the claim that is held now, and means what it means for what was sent.
            (held.epoch, held.until) = (claim.epoch, claim.until);
            return;
        }
        let recipient = &claim.notification.recipient;
        let hold = self.paces.turn(recipient, now);
        let phone = match recipient {
            Recipient::Sms(person) => self.parts.contacts.phone(person),
            Recipient::Slack(_) | Recipient::Rota(_) => None,
        };
        let link = self.parts.contacts.link(claim.notification.incident);
        let (parts, limits, claimed) = (self.parts.clone(), self.limits, claim.clone());
        let task = self.sends.spawn(async move {
            // The store is asked while the message waits for its turn.
            let ((), read) = tokio::join!(sleep(hold), thread(&parts, &claim));
            let started_at = now + told.elapsed();
            let left = async {
                let thread = read?;
                may_leave(&parts, limits, &claim, told).await?;
                let message = Outbound {
                    notification: &claim.notification,
                    phone: phone.as_deref(),
                    link: link.as_deref(),
                    thread: thread.as_ref(),
                };
                Ok(attempt(parts.transport.as_ref(), message, limits.attempt).await)
            };
            let (attempt, put_off) = match left.await {
                Ok(attempt) => (attempt, None),
                Err(Stayed { reason, wait }) => {
                    (Attempt::Retry { reason, after: None }, Some(wait))
                }
            };
            let ended_at = now + told.elapsed();
            Finished { attempt, put_off, started_at, ended_at, since: ended_at, claim }
        });
        self.under_way.insert(task.id(), claimed);
    }

    async fn joined(&mut self, joined: Result<(task::Id, Finished), JoinError>) {
        match joined {
            Ok((task, finished)) => {
                let claim = self.under_way.remove(&task).unwrap_or_else(|| finished.claim.clone());
                let finished = self.tried(Finished { claim, ..finished });
                self.ended(finished).await;
            }
            // Its lease runs out, and it is repeated with a mark.
            Err(error) => {
                self.under_way.remove(&error.id());
                tracing::error!(%error, "an attempt ended without an outcome");
            }
        }
    }

    /// Counts an attempt among those before it.
    fn tried(&mut self, ended: Finished) -> Finished {
        if ended.put_off.is_some() {
            return ended;
        }
        let id = ended.claim.notification.id;
        let before = self.trials.remove(&id);
        let ended =
            Finished { since: Trials::since(before, ended.started_at, ended.ended_at), ..ended };
        // Others may have been settled without us, such as by a recovery.
        self.trials.retain(|_, trials| trials.due_at + PATIENCE > ended.ended_at);
        let settlement = ended.settlement();
        if settlement.state == NotificationState::Owed {
            let trials = Trials { since: ended.since, due_at: settlement.due_at };
            self.trials.insert(id, trials);
        }
        ended
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
        } else {
            self.parts.observer.on_recorded(settlement.state);
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
    fn settlement(&self) -> Settlement {
        let notification = &self.claim.notification;
        if let Some(wait) = self.put_off {
            return put_off(notification, self.ended_at + wait, self.attempt.detail());
        }
        let jitter = jitter(notification);
        settle(notification, &self.attempt, self.since, self.ended_at, jitter)
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

/// What was said before: without that, a message would not find its place.
async fn thread(parts: &Parts, claim: &Claim) -> Result<Option<Thread>, Stayed> {
    let stayed = |reason: String| Stayed { reason, wait: BACKOFF.first };
    match timeout(READ_WITHIN, story::read(parts.store.as_ref(), &claim.notification)).await {
        Ok(Ok(thread)) => Ok(thread),
        Ok(Err(error)) => Err(stayed(format!("not sent: {error}"))),
        Err(_) => Err(stayed("not sent: the store did not say in time what was told".to_owned())),
    }
}

/// Whether a message may leave now: `claim`, made when `told` was started, outlives the attempt, and
/// if it is a repeat, it is noted that it is about to leave. A first attempt needs no note, because
/// one that is lost may be repeated anyway.
async fn may_leave(
    parts: &Parts,
    limits: Limits,
    claim: &Claim,
    told: Stopwatch,
) -> Result<(), Stayed> {
    // By both clocks: one may have been set back, the other stops while a machine sleeps.
    let in_time = || {
        let limit = limits.attempt;
        if told.elapsed() + limit <= limits.lease && parts.clock.now() + limit <= claim.until {
            return Ok(());
        }
        Err(Stayed { reason: TOO_LATE.to_owned(), wait: Duration::ZERO })
    };
    in_time()?;
    if !claim.notification.possible_repeat {
        return Ok(());
    }
    let stayed = |reason: String| Err(Stayed { reason, wait: BACKOFF.first });
    match timeout(NOTED_WITHIN, parts.store.note_departure(claim)).await {
        // It took its time, too.
        Ok(Ok(Standing::Held)) => in_time(),
        Ok(Ok(Standing::Lost)) => stayed(NOT_OURS.to_owned()),
        Ok(Err(error)) => stayed(format!("not sent: {error}")),
        Err(_) => stayed("not sent: the store did not note the repeat in time".to_owned()),
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
