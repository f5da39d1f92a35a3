//! Letting slots in: a check never runs twice at the same time.
//!
//! A slot that meets the run before it is refused, unless that run is about to end: then it waits
//! for the end, so that a target which always takes as long as it may is still watched. A run that
//! somebody asked for comes in when nobody else is there, and gives way to the slot that comes next:
//! it keeps no slot out, and delays none for longer than its end takes. Nothing is run here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::Stopwatch;
use crate::domain::Timestamp;
use crate::domain::id::CheckId;
use crate::domain::slot::Slot;

/// How long before its deadline a run is about to end.
const LAST_MOMENTS: Duration = Duration::from_millis(250);
/// How long after its deadline a run has ended, with the end of its child and its last words.
const OVERTIME: Duration = Duration::from_secs(1);

/// The checks that are being run. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Admissions(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    going: Mutex<HashMap<CheckId, Going>>,
    /// Some check may be free now.
    freed: Notify,
}

/// The run of a check that is going, or waits for room.
#[derive(Debug)]
struct Going {
    slot_at: Timestamp,
    /// When it began, and how long it may take; `None` while it waits for room.
    began: Option<(Stopwatch, Duration)>,
    /// The slot that follows at once.
    next: Option<Successor>,
    /// What ends it when a slot comes, where it is none of a slot.
    gives_way: Option<CancellationToken>,
}

#[derive(Debug)]
struct Successor {
    slot_at: Timestamp,
    admission: oneshot::Sender<Admission>,
}

/// Whether a slot is let in.
#[derive(Debug)]
pub(super) enum Entrance {
    /// At once.
    Open(Admission),
    /// As soon as the run before it has ended.
    Soon(Waiting),
    /// Not at all.
    Closed(Occupied),
}

/// The previous run is still going; it is of this slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Occupied(pub(super) Timestamp);

/// A slot that was let in; its check is free for the next slot when this is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    admissions: Admissions,
    check: CheckId,
}

/// A slot that waits for the end of the run before it.
#[derive(Debug)]
pub(super) struct Waiting {
    admission: oneshot::Receiver<Admission>,
    at_most: Duration,
    before: Timestamp,
}

impl Going {
    fn of(slot_at: Timestamp) -> Self {
        Self { slot_at, began: None, next: None, gives_way: None }
    }

    /// How long a slot that comes now waits for the end at most; `None` if it does not wait.
    fn wait(&self) -> Option<Duration> {
        if self.next.as_ref().is_some_and(|next| !next.admission.is_closed()) {
            return None;
        }
        if let Some(gives_way) = &self.gives_way {
            gives_way.cancel();
            return Some(OVERTIME);
        }
        let (since, limit) = self.began?;
        let elapsed = since.elapsed();
        if elapsed + LAST_MOMENTS < limit {
            return None;
        }
        (limit + OVERTIME).checked_sub(elapsed)
    }
}

impl Admissions {
    /// How many runs are going, or wait for room.
    pub(super) fn running(&self) -> usize {
        self.going().len()
    }

    /// Lets a slot in unless the run before it is going and not about to end.
    pub(super) fn admit(&self, slot: &Slot) -> Entrance {
        let mut all = self.going();
        let Some(going) = all.get_mut(&slot.check) else {
            all.insert(slot.check.clone(), Going::of(slot.at));
            let admissions = self.clone();
            return Entrance::Open(Admission { admissions, check: slot.check.clone() });
        };
        let before = going.slot_at;
        let Some(at_most) = going.wait() else {
            return Entrance::Closed(Occupied(before));
        };
        let (sender, admission) = oneshot::channel();
        going.next = Some(Successor { slot_at: slot.at, admission: sender });
        Entrance::Soon(Waiting { admission, at_most, before })
    }

    /// Waits until nobody runs the check, and lets in a run at `slot` that is none of a slot; it is to
    /// end when `gives_way` is cancelled.
    pub(super) async fn admit_aside(
        &self,
        slot: &Slot,
        gives_way: &CancellationToken,
    ) -> Admission {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // From here on nothing that ends is missed.
            freed.as_mut().enable();
            if let Some(admission) = self.try_admit_aside(slot, gives_way) {
                return admission;
            }
            freed.await;
        }
    }

    fn try_admit_aside(&self, slot: &Slot, gives_way: &CancellationToken) -> Option<Admission> {
        let mut all = self.going();
        if all.contains_key(&slot.check) {
            return None;
        }
        let going = Going { gives_way: Some(gives_way.clone()), ..Going::of(slot.at) };
        all.insert(slot.check.clone(), going);
        Some(Admission { admissions: self.clone(), check: slot.check.clone() })
    }

    /// The run of `check` begins now, and may take so long.
    pub(super) fn began(&self, check: &CheckId, limit: Duration) {
        if let Some(going) = self.going().get_mut(check) {
            going.began = Some((Stopwatch::start(), limit));
        }
    }

    /// Makes room for the next slot, and lets in the one that waits for it.
    fn end(&self, check: &CheckId) {
        let mut all = self.going();
        let next = all.remove(check).and_then(|going| going.next);
        let Some(next) = next.filter(|next| !next.admission.is_closed()) else {
            self.0.freed.notify_waiters();
            return;
        };
        all.insert(check.clone(), Going::of(next.slot_at));
        // Whoever does not wait any more drops the admission, which needs the lock.
        drop(all);
        let admission = Admission { admissions: self.clone(), check: check.clone() };
        drop(next.admission.send(admission));
    }

    fn going(&self) -> MutexGuard<'_, HashMap<CheckId, Going>> {
        self.0.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Waits for the end of the run before, for a moment.
    pub(super) async fn admission(self) -> Result<Admission, Occupied> {
        match timeout(self.at_most, self.admission).await {
            Ok(Ok(admission)) => Ok(admission),
            Ok(Err(_)) | Err(_) => Err(Occupied(self.before)),
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.admissions.end(&self.check);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Region;

    fn slot(second: i64) -> Slot {
        Slot {
            check: CheckId::new("login").expect("a name"),
            region: Region::new("eu").expect("a name"),
            at: chrono::DateTime::from_timestamp(second, 0).expect("in range"),
        }
    }

    /// A run that has begun and may take `limit`.
    fn begun(limit: Duration) -> (Admissions, Admission) {
        let admissions = Admissions::default();
        let Entrance::Open(first) = admissions.admit(&slot(0)) else { panic!("nobody is in") };
        admissions.began(&first.check, limit);
        (admissions, first)
    }

    #[tokio::test]
    async fn a_slot_waits_for_a_run_that_is_about_to_end() {
        let (admissions, first) = begun(LAST_MOMENTS);
        let Entrance::Soon(second) = admissions.admit(&slot(1)) else { panic!("it waits") };
        let Entrance::Closed(occupied) = admissions.admit(&slot(2)) else { panic!("one does") };
        assert_eq!(occupied, Occupied(slot(0).at));
        drop(first);
        let second = second.admission().await.expect("the first is over");
        let Entrance::Closed(occupied) = admissions.admit(&slot(3)) else { panic!("it is in") };
        assert_eq!(occupied, Occupied(slot(1).at));
        drop(second);
        assert_eq!(admissions.running(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_wait_for_ever() {
        let (admissions, first) = begun(LAST_MOMENTS);
        let Entrance::Soon(second) = admissions.admit(&slot(1)) else { panic!("it waits") };
        assert_eq!(second.admission().await.expect_err("no end"), Occupied(slot(0).at));
        let Entrance::Soon(third) = admissions.admit(&slot(2)) else { panic!("nobody waits now") };
        drop((first, third));
        assert_eq!(admissions.running(), 0, "who waits no longer keeps nobody out");
    }

    #[tokio::test]
    async fn a_run_that_was_asked_for_gives_way_to_the_slot_that_comes() {
        let admissions = Admissions::default();
        let gives_way = CancellationToken::new();
        let aside = admissions.admit_aside(&slot(0), &gives_way).await;
        admissions.began(&aside.check, Duration::from_secs(20));
        let Entrance::Soon(second) = admissions.admit(&slot(1)) else { panic!("it waits") };
        assert!(gives_way.is_cancelled());
        drop(aside);
        let second = second.admission().await.expect("the other is over");
        let other = CancellationToken::new();
        let asked = slot(2);
        let mut waiting = std::pin::pin!(admissions.admit_aside(&asked, &other));
        assert!(futures::poll!(waiting.as_mut()).is_pending(), "a slot keeps it out");
        assert!(matches!(admissions.admit(&slot(3)), Entrance::Closed(_)), "as ever");
        drop(second);
        drop(waiting.await);
        assert_eq!(admissions.running(), 0);
    }

    #[test]
    fn a_run_that_has_time_is_not_waited_for() {
        let (admissions, first) = begun(Duration::from_secs(20));
        assert!(matches!(admissions.admit(&slot(1)), Entrance::Closed(_)));
        drop(first);
        assert!(matches!(admissions.admit(&slot(2)), Entrance::Open(_)));
    }
}
