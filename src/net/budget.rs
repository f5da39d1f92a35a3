//! How much memory the bodies of answers may take: of one run, and of all runs together.
//!
//! A body claims its bytes while it is read and keeps them until it has been handed on. Where there
//! are none left, reading waits, and with it the server that sends: that is no failure. So that a
//! hundred bodies that are half read cannot wait for each other for ever, one of them may always go
//! on beyond the budget, up to the limit of a body. Nothing is read here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::seen::Seen;

/// What is claimed at a time, in bytes.
const UNIT: usize = 64 << 10;

/// The memory for the bodies of all runs of a process.
#[derive(Debug)]
pub struct Budget {
    all: Arc<Semaphore>,
    /// For the one body that may go on.
    spare: Arc<Semaphore>,
    of_one: usize,
}

impl Budget {
    /// Bytes for all runs together.
    pub const ALL: usize = 192 << 20;
    /// Bytes for one run: two bodies of the largest size, or many of the usual one.
    pub const OF_ONE: usize = 24 << 20;

    /// `all` bytes, and of them `of_one` at most for one run.
    pub fn new(all: usize, of_one: usize) -> Self {
        let all = Arc::new(Semaphore::new(all / UNIT));
        Self { all, spare: Arc::new(Semaphore::new(1)), of_one: of_one / UNIT }
    }

    /// The share of one run.
    pub fn share(self: &Arc<Self>) -> Share {
        let own = Arc::new(Semaphore::new(self.of_one));
        Share { own, budget: Arc::clone(self), kept: Mutex::default() }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::ALL, Self::OF_ONE)
    }
}

/// What one run may take of the budget, and what it has taken for bodies that are read.
#[derive(Debug)]
pub struct Share {
    own: Arc<Semaphore>,
    budget: Arc<Budget>,
    /// With the lengths of the bodies.
    kept: Mutex<VecDeque<(usize, Claim)>>,
}

impl Share {
    /// For a body that is to be read.
    pub(super) fn claim(&self) -> Claim {
        Claim {
            own: Arc::clone(&self.own),
            budget: Arc::clone(&self.budget),
            held: Vec::new(),
            units: 0,
            is_spare: false,
        }
    }

    /// Keeps the claim of a body of `length` bytes that has been read, until it is let go.
    pub(super) fn keep(&self, length: usize, claim: Claim) {
        if length > 0 {
            self.kept().push_back((length, claim));
        }
    }

    /// A body of `length` bytes has been handed on.
    pub(super) fn let_go(&self, length: usize) {
        let mut kept = self.kept();
        if let Some(at) = kept.iter().position(|(other, _)| *other == length) {
            kept.remove(at);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<(usize, Claim)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory of one body; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    own: Arc<Semaphore>,
    budget: Arc<Budget>,
    held: Vec<OwnedSemaphorePermit>,
    units: usize,
    is_spare: bool,
}

impl Claim {
    /// Makes the claim one of `bytes`; waits while there are not so many.
    pub(super) async fn grow(&mut self, bytes: usize, seen: &mut Seen) {
        let wanted = bytes.div_ceil(UNIT);
        if self.is_spare || wanted <= self.units {
            return;
        }
        let more = u32::try_from(wanted - self.units).unwrap_or(u32::MAX);
        let own = Arc::clone(&self.own).acquire_many_owned(more);
        let Some(own) = self.or_spare(own).await else { return };
        // What others take up is not this run's doing.
        seen.at_memory = true;
        let all = Arc::clone(&self.budget.all).acquire_many_owned(more);
        let all = self.or_spare(all).await;
        seen.at_memory = false;
        let Some(all) = all else { return };
        self.held.extend([own, all]);
        self.units = wanted;
    }

    /// Waits for a permit, or for being the one body that goes on without.
    async fn or_spare(
        &mut self,
        permit: impl Future<Output = Result<OwnedSemaphorePermit, tokio::sync::AcquireError>>,
    ) -> Option<OwnedSemaphorePermit> {
        let spare = Arc::clone(&self.budget.spare).acquire_owned();
        tokio::select! {
            biased;
            permit = permit => permit.ok(),
            spare = spare => {
                self.is_spare = true;
                self.held.extend(spare.ok());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    const LARGEST: usize = 10 << 20;

    /// Reads `bodies` of the largest size piece by piece, all at once, in each of `runs`; how much
    /// was claimed at most.
    async fn peak(budget: &Arc<Budget>, runs: usize, bodies: usize) -> usize {
        let (now, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut reading = JoinSet::new();
        for _ in 0..runs {
            let share = Arc::new(budget.share());
            for _ in 0..bodies {
                let (share, now, peak) = (Arc::clone(&share), now.clone(), peak.clone());
                reading.spawn(async move {
                    let (mut claim, mut seen) = (share.claim(), Seen::default());
                    for bytes in (UNIT..=LARGEST).step_by(UNIT) {
                        claim.grow(bytes, &mut seen).await;
                        let all = now.fetch_add(UNIT, Ordering::SeqCst) + UNIT;
                        peak.fetch_max(all, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                    }
                    share.keep(LARGEST, claim);
                    // Handed on a little later.
                    tokio::task::yield_now().await;
                    now.fetch_sub(LARGEST, Ordering::SeqCst);
                    share.let_go(LARGEST);
                });
            }
        }
        while let Some(ended) = reading.join_next().await {
            ended.expect("it was read to its end");
        }
        assert_eq!(now.load(Ordering::SeqCst), 0);
        peak.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn fifty_large_bodies_of_a_run_stay_within_its_share_and_all_are_read() {
        let budget = Arc::new(Budget::default());
        let peak = peak(&budget, 1, 50).await;
        assert!(peak <= Budget::OF_ONE + LARGEST, "{peak}");
        assert!(peak > LARGEST, "more than one is read at a time");
        assert_eq!(budget.all.available_permits(), Budget::ALL / UNIT);
    }

    #[tokio::test]
    async fn many_runs_stay_within_the_budget_and_all_are_read() {
        let budget = Arc::new(Budget::new(40 << 20, 24 << 20));
        let peak = peak(&budget, 8, 6).await;
        assert!(peak <= (40 << 20) + LARGEST, "{peak}");
        assert_eq!(budget.all.available_permits(), (40 << 20) / UNIT);
    }

    #[tokio::test]
    async fn a_run_that_takes_its_share_leaves_the_others_theirs() {
        let budget = Arc::new(Budget::default());
        let (greedy, modest) = (budget.share(), budget.share());
        let mut seen = Seen::default();
        let mut claims = [greedy.claim(), greedy.claim(), greedy.claim()];
        for claim in &mut claims {
            claim.grow(LARGEST, &mut seen).await;
        }
        let mut one_more = greedy.claim();
        let waits = futures::poll!(std::pin::pin!(one_more.grow(LARGEST, &mut seen)));
        assert!(waits.is_pending() && !seen.is_at_memory(), "it waits for itself");
        let mut claim = modest.claim();
        let goes_on = futures::poll!(std::pin::pin!(claim.grow(LARGEST, &mut seen)));
        assert!(goes_on.is_ready());
    }
}
