//! Results in: queued, gathered, committed, acknowledged; those of one check in the order in which they
//! came.
//!
//! What may decide something is committed at once and carries nothing but what came of its check before;
//! results that only say that all is still well wait a moment for company, so that a thousand of them
//! cost a few transactions. Nothing is acknowledged before it is committed, and nothing that was taken
//! is dropped while the process lives: when the store fails, the batch is kept and tried again.

mod gathered;

use std::collections::HashSet;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::gathered::{Gathered, Waiting};
use super::deliveries::Hatch;
use super::judge::ProjectJudge;
use crate::clock::{Clock, Halt, Stopwatch};
use crate::domain::Timestamp;
use crate::domain::backoff::Backoff;
use crate::domain::id::{CheckId, Region};
use crate::domain::incident::CheckState;
use crate::domain::policy::Channel;
use crate::domain::run::{Outcome, Report};
use crate::failpoint::{self, Failpoint};
use crate::store::{self, Handed, Offer, Recorded, Store};

/// The result was not stored, because Tripline is stopping; whoever has it must keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result was not stored: Tripline is stopping")]
pub struct Stopped;

/// Is told what was committed, before it is acknowledged. Must not block.
pub trait Observer: Send + Sync {
    /// `recorded[n]` is what became of `reports[n]`; what is owed on the channels `handed` has been
    /// handed to their lanes.
    fn on_recorded(&self, recorded: &[Recorded], reports: &[Report], handed: &[Channel]);
}

/// How long and how much to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long calm results wait for company.
    pub gather: Duration,
    /// The most results in one transaction.
    pub batch: usize,
    /// The most results that wait; then those who submit do.
    pub queue: usize,
    /// Waits between attempts while the store fails.
    pub retry: Backoff,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(100),
            batch: 256,
            queue: 4096,
            retry: Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(5) },
        }
    }
}

/// A commit that takes longer is trouble, even if it ends well.
const SLOW: Duration = Duration::from_secs(5);
const NO_ANSWER: &str = "the store does not answer";
/// After so long without a result, the store is asked whether it answers: agents elsewhere bring nothing to a
/// hub that cannot ask it who they are, so nobody else would find out.
const IDLE: Duration = Duration::from_secs(5);

/// Why results are not being stored at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What the store says.
    pub reason: String,
}

/// What the committer works with.
#[derive(Clone)]
pub struct Parts {
    /// Where results go.
    pub store: Arc<dyn Store>,
    /// What they mean.
    pub judge: Arc<ProjectJudge>,
    /// When they are decided.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
    /// Where lanes are handed what is owed as soon as that is recorded.
    pub hatches: Vec<Hatch>,
}

/// The way in for results; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest {
    queue: mpsc::Sender<Waiting>,
    trouble: watch::Receiver<Option<Trouble>>,
}

impl Ingest {
    /// Makes the way in and the task behind it, which must be run.
    pub fn new(parts: Parts, pace: Pace) -> (Self, Committer) {
        let (queue, taken) = mpsc::channel(pace.queue.max(1));
        let (trouble, seen) = watch::channel(None);
        let committer = Committer {
            parts,
            pace,
            queue: taken,
            gathered: Gathered::default(),
            alert: None,
            trouble,
        };
        (Self { queue, trouble: seen }, committer)
    }

    /// Stores a result; returns when it is committed.
    ///
    /// # Errors
    ///
    /// [`Stopped`] when it was not, and will not be.
    pub async fn submit(&self, report: Report) -> Result<Recorded, Stopped> {
        self.queue(report).await?.stored().await
    }

    /// Stores results in order; returns when all are committed.
    ///
    /// # Errors
    ///
    /// [`Stopped`] when some were not; submitting all of them again later is safe.
    pub async fn submit_all(&self, reports: Vec<Report>) -> Result<Vec<Recorded>, Stopped> {
        let mut committed = Vec::with_capacity(reports.len());
        for report in reports {
            committed.push(self.queue(report).await?);
        }
        let mut recorded = Vec::with_capacity(committed.len());
        for one in committed {
            recorded.push(one.stored().await?);
        }
        Ok(recorded)
    }

    /// Why results are not being stored at the moment; `None` while they are.
    pub fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.trouble.clone()
    }

    /// Puts a result into the queue; returns when there is room for it. It is not given up then,
    /// whatever happens to the receipt; dropped before, this takes nothing.
    ///
    /// # Errors
    ///
    /// [`Stopped`] when it was not taken.
    pub async fn queue(&self, report: Report) -> Result<Receipt, Stopped> {
        let (acknowledge, committed) = oneshot::channel();
        self.queue.send(Waiting { report, acknowledge }).await.map_err(|_| Stopped)?;
        Ok(Receipt(committed))
    }
}

/// For a result that was taken and is not committed yet.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Recorded>);

impl Receipt {
    /// Waits until it is committed.
    ///
    /// # Errors
    ///
    /// [`Stopped`] when it was not, and will not be.
    pub async fn stored(self) -> Result<Recorded, Stopped> {
        self.0.await.map_err(|_| Stopped)
    }
}

/// The one task that commits results.
pub struct Committer {
    parts: Parts,
    pace: Pace,
    queue: mpsc::Receiver<Waiting>,
    gathered: Gathered,
    /// None until the store has said what state the checks are in; until then all is urgent.
    alert: Option<Alert>,
    trouble: watch::Sender<Option<Trouble>>,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer").field("pace", &self.pace).finish_non_exhaustive()
    }
}

/// The work ends: it was stopped and the time to store the rest is over.
struct TimeIsUp;

impl Committer {
    /// Commits what comes until `halt` is asked for and the queue is empty, or the time for that
    /// is over, or everyone who could submit is gone.
    pub async fn run(mut self, halt: Halt) {
        let mut end = pin!(halt.over());
        loop {
            let gathered = async { if self.gather().await { Gather::More } else { Gather::Last } };
            let next = tokio::select! {
                biased;
                () = halt.asked() => Gather::Stopped,
                next = gathered => next,
            };
            if next == Gather::Stopped {
                break;
            }
            let committed = self.commit(end.as_mut()).await;
            if committed.is_err() || next == Gather::Last {
                return;
            }
        }
        self.drain(end).await;
    }

    /// Stores what is left. Dropping a waiting result tells whoever submitted it.
    async fn drain(&mut self, mut end: Pin<&mut impl Future<Output = ()>>) {
        self.queue.close();
        loop {
            while self.gathered.len() < self.pace.batch {
                match self.queue.try_recv() {
                    Ok(waiting) => self.take(waiting),
                    Err(_) => break,
                }
            }
            let finished = self.gathered.is_empty();
            if finished || self.commit(end.as_mut()).await.is_err() {
                break;
            }
        }
    }

    /// Takes results until they should be committed; false when no more can come.
    /// May be dropped while it waits: what it took stays gathered.
    async fn gather(&mut self) -> bool {
        self.learn().await;
        if self.gathered.is_empty() {
            match self.first().await {
                Some(waiting) => self.take(waiting),
                None => return false,
            }
        }
        let until = self.gathered.until().unwrap_or_else(Instant::now);
        let mut patience = pin!(sleep_until(until));
        loop {
            while self.gathered.len() < self.pace.batch
                && let Ok(waiting) = self.queue.try_recv()
            {
                self.take(waiting);
            }
            if self.gathered.is_urgent() || self.gathered.len() >= self.pace.batch {
                return true;
            }
            tokio::select! {
                biased;
                next = self.queue.recv() => match next {
                    Some(waiting) => self.take(waiting),
                    None => return true,
                },
                () = &mut patience => return true,
            }
        }
    }

    /// Waits for the next result; `None` when no more can come.
    async fn first(&mut self) -> Option<Waiting> {
        loop {
            let store = Arc::clone(&self.parts.store);
            let asked = async {
                sleep(IDLE).await;
                timeout(SLOW, store.states_of(&[])).await
            };
            let asked = tokio::select! {
                biased;
                next = self.queue.recv() => return next,
                asked = asked => asked,
            };
            let now = self.parts.clock.now();
            match asked {
                Ok(Ok(_)) => self.note_success(),
                Ok(Err(error)) => self.note_trouble(now, || with_cause(&error)),
                Err(_) => self.note_trouble(now, || NO_ANSWER.to_owned()),
            }
        }
    }

    fn take(&mut self, waiting: Waiting) {
        let urgent = self.alert.as_ref().is_none_or(|alert| alert.is_urgent(&waiting.report));
        self.gathered.add(waiting, urgent, Instant::now() + self.pace.gather);
    }

    /// Asks the store, where that has not been done, which checks are not calm.
    async fn learn(&mut self) {
        if self.alert.is_none() {
            match self.parts.store.restless().await {
                Ok(states) => self.alert = Some(Alert::new(&states)),
                Err(error) => tracing::debug!(%error, "the states of the checks are not known yet"),
            }
        }
    }

    /// Commits what is due of what was gathered, however often that must be tried.
    async fn commit(
        &mut self,
        mut end: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), TimeIsUp> {
        let due = self.gathered.take_due(Instant::now(), self.pace.batch);
        if due.is_empty() {
            return Ok(());
        }
        let urgent = due.is_urgent();
        let Gathered { reports, acknowledge, .. } = due;
        let mut failures = 0;
        let (recorded, handed, leased) = loop {
            let (rulebook, now) = (self.parts.judge.current(), self.parts.clock.now());
            let told = Stopwatch::start();
            let offers = if urgent { self.offers(now) } else { Vec::new() };
            let mut attempt = self.parts.store.record_to_send(&reports, &*rulebook, now, &offers);
            let attempt = tokio::select! {
                biased;
                attempt = &mut attempt => attempt,
                () = &mut end => return Err(TimeIsUp),
                () = sleep(SLOW) => {
                    self.note_trouble(now, || NO_ANSWER.to_owned());
                    tokio::select! {
                        biased;
                        attempt = &mut attempt => attempt,
                        () = &mut end => return Err(TimeIsUp),
                    }
                }
            };
            match attempt {
                Ok((recorded, handed)) => break (recorded, handed, (now, told)),
                Err(error) => self.note_trouble(now, || with_cause(&error)),
            }
            failures += 1;
            tokio::select! {
                () = sleep(self.pace.retry.after(failures, 0.0)) => {}
                () = &mut end => return Err(TimeIsUp),
            }
        };
        self.note_success();
        if let Some(alert) = &mut self.alert {
            alert.update(&reports, &recorded);
        }
        if recorded.iter().any(|recorded| !recorded.transition.owed.is_empty()) {
            failpoint::reach(Failpoint::Committed);
        }
        let channels: Vec<Channel> = handed.iter().map(|it| it.channel).collect();
        for handed in handed {
            self.hand_over(handed, leased).await;
        }
        if !channels.is_empty() {
            // What is to be sent goes before what is to be shown.
            yield_now().await;
        }
        self.parts.observer.on_recorded(&recorded, &reports, &channels);
        for (acknowledge, recorded) in acknowledge.into_iter().zip(recorded) {
            // Whoever submitted it may have gone away; it is stored all the same.
            acknowledge.send(recorded).ok();
        }
        Ok(())
    }

    /// What the lanes take at `now`.
    fn offers(&self, now: Timestamp) -> Vec<Offer> {
        self.parts.hatches.iter().filter_map(|hatch| hatch.offer(now)).collect()
    }

    /// Hands to its lane what was leased. Where that has ended, it is given back, to be sent by whoever is
    /// next.
    async fn hand_over(&self, handed: Handed, (now, told): (Timestamp, Stopwatch)) {
        let hatch = self.parts.hatches.iter().find(|hatch| hatch.channel() == handed.channel);
        let refused = match hatch {
            Some(hatch) => hatch.pass(handed, now, told).err(),
            None => Some(handed),
        };
        for claim in refused.into_iter().flat_map(|it| it.claims) {
            let id = claim.notification.id;
            let given_back = self.parts.store.hold(&claim, &[], now, "Tripline was stopping");
            if let Err(error) = given_back.await {
                tracing::warn!(notification = %id, %error, "not given back; its lease will end");
            }
        }
    }

    fn note_trouble(&self, now: Timestamp, reason: impl FnOnce() -> String) {
        if self.trouble.borrow().is_some() {
            return;
        }
        let reason = reason();
        tracing::error!(reason, "results cannot be stored; they are kept and tried again");
        self.trouble.send_replace(Some(Trouble { since: now, reason }));
    }

    fn note_success(&self) {
        if self.trouble.borrow().is_some() {
            tracing::info!("results can be stored again");
            self.trouble.send_replace(None);
        }
    }
}

fn with_cause(error: &store::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gather {
    More,
    Last,
    Stopped,
}

/// The checks that are not calm: their next result may decide something, even if it passed.
#[derive(Debug, Default)]
struct Alert {
    streaks: HashSet<(CheckId, Region)>,
    incidents: HashSet<CheckId>,
}

impl Alert {
    fn new<'a>(states: impl IntoIterator<Item = (&'a CheckId, &'a CheckState)>) -> Self {
        let mut alert = Self::default();
        for (check, state) in states {
            for (region, streak) in &state.streaks {
                if !streak.is_calm() {
                    alert.streaks.insert((check.clone(), region.clone()));
                }
            }
            if state.incident.is_some() {
                alert.incidents.insert(check.clone());
            }
        }
        alert
    }

    fn is_urgent(&self, report: &Report) -> bool {
        if report.outcome() != Outcome::Passed {
            return true;
        }
        let slot = &report.slot;
        let known = || (slot.check.clone(), slot.region.clone());
        self.incidents.contains(&slot.check)
            || !self.streaks.is_empty() && self.streaks.contains(&known())
    }

    fn update(&mut self, reports: &[Report], recorded: &[Recorded]) {
        for (report, recorded) in reports.iter().zip(recorded) {
            let slot = &report.slot;
            if let Some(streak) = &recorded.transition.streak {
                if !streak.is_calm() {
                    self.streaks.insert((slot.check.clone(), slot.region.clone()));
                } else if !self.streaks.is_empty() {
                    self.streaks.remove(&(slot.check.clone(), slot.region.clone()));
                }
            }
            if let Some(incident) = &recorded.transition.incident {
                if incident.resolved_at.is_none() {
                    self.incidents.insert(slot.check.clone());
                } else {
                    self.incidents.remove(&slot.check);
                }
            } else if report.outcome() == Outcome::Passed
                && recorded.transition.decisions.is_empty()
            {
                // Either its incident was closed by other means, or this pass does not matter to it;
                // those that do are known by their streak.
                self.incidents.remove(&slot.check);
            }
        }
    }
}

#[cfg(test)]
mod tests;
