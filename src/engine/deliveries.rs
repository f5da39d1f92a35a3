//! Messages out: one lane per channel, so that a slow Slack never delays an SMS.
//!
//! A lane claims what is due under a lease, sends it, and records what came of it and what follows.
//! What follows is decided by [`settle`](crate::domain::notification::settle) alone, and whether it goes
//! out alone by [`storm`](crate::domain::storm). The lane computes no message, changes no incident,
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
//!
//! What ended while outcomes were being recorded is recorded together, in one transaction; nothing
//! waits for company.

mod contacts;
mod departure;
mod finished;
mod hatch;
mod outcome;
mod pace;
mod recording;
mod restrained;
mod story;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::sleep;

pub use self::contacts::{Contacts, Sms};
use self::departure::Departure;
use self::finished::Finished;
pub use self::hatch::Hatch;
use self::hatch::Passed;
pub use self::outcome::{Attempted, Observer};
use self::pace::Paces;
pub use self::pace::Rate;
use crate::clock::{Clock, Halt, Stopwatch};
use crate::domain::Timestamp;
use crate::domain::backoff::Backoff;
use crate::domain::id::NotificationId;
use crate::domain::notification::{PATIENCE, Trials};
use crate::domain::policy::Channel;
use crate::domain::storm::{Bounds, Limit, Strain};
use crate::engine::judge::ProjectJudge;
use crate::engine::stamps::Stamps;
use crate::notify::Transport;
use crate::store::gathering::Background;
use crate::store::{self, Claim, Handed, Store};

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
    /// How many are claimed at once; more are claimed while these are on their way.
    pub batch: usize,
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
    /// bursts (<https://docs.slack.dev/apis/web-api/rate-limits>); Twilio queues by itself; a program
    /// that wants webhooks takes many at once, and one that hangs leaves room for others.
    pub fn of(channel: Channel) -> Self {
        let (concurrent, batch, rate) = match channel {
            Channel::Slack => (8, 8, Some(Rate { every: Duration::from_secs(1), burst: 3 })),
            Channel::Webhook => (512, 128, None),
            _ => (4, 4, None),
        };
        Self {
            concurrent,
            batch,
            rate,
            attempt: Duration::from_secs(9),
            lease: Duration::from_secs(14),
            poll: Duration::from_secs(5),
            retry: Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(5) },
        }
    }
}

/// So long after a pause that it asked for, a provider counts as strained.
const STRAINED: Duration = Duration::from_mins(1);

/// After handing out messages, a lane asks so much later what is due next.
const SOON: Duration = Duration::from_millis(20);

/// The messages of one channel on their way.
#[derive(Debug)]
pub struct Lane {
    channel: Channel,
    parts: Parts,
    limits: Limits,
    wake: Arc<Notify>,
    /// Whether something is due, as far as it was said or seen since it was last taken.
    is_expected: bool,
    /// Whether nothing was found to be due the last time that it was looked for.
    is_idle: bool,
    hatch: Hatch,
    passed: mpsc::UnboundedReceiver<Passed>,
    sends: JoinSet<Option<Finished>>,
    /// By which claims something is on its way, by the task that sends it.
    under_way: HashMap<task::Id, Claim>,
    /// Outcomes that could not be recorded yet.
    unsettled: Vec<Finished>,
    /// What has been failing, as far as this lane tried it.
    trials: HashMap<NotificationId, Trials>,
    paces: Paces,
    pause: Option<Pause>,
    /// Until when the provider counts as strained.
    strained_until: Option<Timestamp>,
    bounds: Arc<ArcSwap<Bounds>>,
    stamps: Arc<Stamps>,
    judge: Option<Arc<ProjectJudge>>,
}

/// A task that ended.
type Joined = Result<(task::Id, Option<Finished>), JoinError>;

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
        let (sender, passed) = mpsc::unbounded_channel();
        let bounds = Arc::<ArcSwap<Bounds>>::default();
        let room = Arc::new(AtomicU32::new(0));
        let hatch = Hatch { channel, limits, bounds: Arc::clone(&bounds), room, passed: sender };
        Self {
            channel,
            parts,
            limits,
            wake: Arc::default(),
            is_expected: false,
            is_idle: false,
            hatch,
            passed,
            sends: JoinSet::new(),
            under_way: HashMap::new(),
            unsettled: Vec::new(),
            trials: HashMap::new(),
            paces: Paces::new(limits.rate),
            pause: None,
            strained_until: None,
            bounds,
            stamps: Arc::default(),
            judge: None,
        }
    }

    /// The same with other bounds on what goes out one by one, which may change, and with somebody who
    /// measures how long messages take.
    #[must_use]
    pub fn bounded(mut self, bounds: Arc<ArcSwap<Bounds>>, stamps: Arc<Stamps>) -> Self {
        self.hatch.bounds = Arc::clone(&bounds);
        Self { bounds, stamps, ..self }
    }

    /// The same with what keeps people from being woken.
    #[must_use]
    pub fn restrained(self, judge: Arc<ProjectJudge>) -> Self {
        Self { judge: Some(judge), ..self }
    }

    /// Wakes the lane when something may be owed; `notify_one` on it.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Where it is handed what is owed while it waits.
    pub fn hatch(&self) -> Hatch {
        self.hatch.clone()
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
        if self.room() == 0 {
            return unrecorded.map(|()| None);
        }
        let was_idle = std::mem::replace(&mut self.is_idle, true);
        let mut is_full = self.claim(now, told).await?;
        // What is on its way goes on meanwhile.
        while is_full && self.has_room_for_a_batch() && !self.is_as_much_as_one_takes() {
            is_full = self.claim(now + told.elapsed(), Stopwatch::start()).await?;
        }
        unrecorded?;
        match (is_full, self.is_idle) {
            // Others may be owed more beside one that takes no more now.
            (true, _) if self.room() > 0 => Ok(Some(now)),
            (true, _) => Ok(None),
            // What is on its way comes first.
            (false, false) => Ok(Some(now + SOON)),
            // Where something is on its way to whoever takes no more, its end says when to look again.
            (false, true) if !was_idle && !self.sends.is_empty() => Ok(Some(now + SOON)),
            (false, true) => self.parts.store.next_due(self.channel).await,
        }
    }

    /// Starts sending what is due at `now`, as much of it as is claimed at once; whether that was as much as
    /// it asked for. `told` has been running since it was `now`.
    async fn claim(&mut self, now: Timestamp, told: Stopwatch) -> Result<bool, store::Error> {
        let bound = self.bounds.load().of(self.channel);
        let offer = hatch::offer(self.channel, (&self.limits, bound), self.room(), now);
        let limit = offer.limit;
        let store = &self.parts.store;
        // Where nothing is expected, nobody who writes is to be kept waiting.
        let handed = if std::mem::take(&mut self.is_expected) {
            store.claim_to_send(&offer, now).await?
        } else {
            let claims = store.claim_due(self.channel, now, offer.lease_until, limit).await?;
            Handed::alone(self.channel, claims)
        };
        let is_full = handed.claims.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        self.is_idle &= handed.claims.is_empty();
        self.start_all(Passed { handed, now, told });
        // Where as much is on its way as a recipient takes, more is likely to wait for it.
        self.is_expected = is_full || self.is_as_much_as_one_takes();
        Ok(is_full)
    }

    fn has_room_for_a_batch(&self) -> bool {
        self.limits.concurrent.saturating_sub(self.sends.len()) >= self.limits.batch
    }

    /// Whether so much is on its way that it may be all that one recipient takes, where one takes many.
    fn is_as_much_as_one_takes(&self) -> bool {
        let most = self.channel.abreast().and_then(|most| usize::try_from(most).ok());
        most.is_some_and(|most| self.sends.len() >= most)
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
        let (mut failures, mut is_passed) = (0, false);
        while !halt.is_asked() {
            let now = clock.now();
            // What is on its way comes first.
            let next = if std::mem::take(&mut is_passed) {
                Ok(Some(now + SOON))
            } else {
                self.tick(now).await
            };
            let wait = match next {
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
            self.open_hatch(now);
            let wake = Arc::clone(&self.wake);
            // Only waiting can be abandoned; recording an outcome cannot.
            let joined = tokio::select! {
                Some(joined) = self.sends.join_next_with_id() => Some(joined),
                Some(passed) = self.passed.recv() => {
                    self.start_all(passed);
                    is_passed = true;
                    None
                }
                () = halt.asked() => None,
                () = wake.notified() => {
                    self.is_expected = true;
                    None
                }
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
        self.passed.close();
        while let Ok(passed) = self.passed.try_recv() {
            self.start_all(passed);
        }
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

    /// How the provider takes our messages; a clock that is set back does not strain it for longer.
    fn strain(&self, now: Timestamp) -> Strain {
        let is_strained = |until: Timestamp| now < until && until <= now + PATIENCE + STRAINED;
        if self.strained_until.is_some_and(is_strained) { Strain::Limited } else { Strain::None }
    }

    /// How many more may be on their way.
    fn room(&self) -> u32 {
        let room = self.limits.concurrent.saturating_sub(self.sends.len());
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    /// Says how many it takes while it waits.
    fn open_hatch(&mut self, now: Timestamp) {
        let room = if self.paused(now).is_some() { 0 } else { self.room() };
        self.hatch.room.store(room, Ordering::Relaxed);
    }

    /// Until when the provider wants quiet.
    fn paused(&mut self, now: Timestamp) -> Option<Timestamp> {
        let Pause { until, length } = self.pause?;
        // A clock that is set back does not lengthen the pause.
        let until = until.min(now + length);
        self.pause = (until > now).then_some(Pause { until, length });
        self.pause.map(|pause| pause.until)
    }

    /// Starts to send all that was handed out.
    fn start_all(&mut self, passed: Passed) {
        let Passed { handed, now, told } = passed;
        let (bound, mut known) = (self.bounds.load().of(self.channel), handed.background);
        for claim in handed.claims {
            self.start(claim, (bound, known.take()), now, told);
        }
    }

    /// Starts to send; `told` has been running since it was `now`.
    fn start(
        &mut self,
        claim: Claim,
        (limit, known): (Option<Limit>, Option<Box<Background>>),
        now: Timestamp,
        told: Stopwatch,
    ) {
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
        let hold = self.paces.turn(&claim.notification.recipient, now);
        let departure = Departure {
            parts: self.parts.clone(),
            limits: self.limits,
            judge: self.judge.clone(),
            limit,
            known,
            strain: self.strain(now),
            hold,
            now,
            told,
        };
        let claimed = claim.clone();
        let task = self.sends.spawn(departure.go(claim));
        self.under_way.insert(task.id(), claimed);
    }
}
