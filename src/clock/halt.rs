//! The end of all work: when to take no more, and when the time is up.
//!
//! All parts of the daemon share one budget of time. It can only become shorter, and no part brings
//! a bound of its own, so the bounds cannot add up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How those who work are told to end. Clones are the same halt.
#[derive(Debug, Clone, Default)]
pub struct Halt {
    asked: CancellationToken,
    /// The moment at which the time is up; `None` until that is known.
    end: Arc<watch::Sender<Option<Instant>>>,
}

impl Halt {
    /// A halt that nobody has asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells everyone to take no more, and to end.
    pub fn ask(&self) {
        self.asked.cancel();
    }

    /// Gives everyone this long from now on. A later moment than one that was set before changes
    /// nothing.
    pub fn within(&self, budget: Duration) {
        let end = Instant::now() + budget;
        self.end.send_if_modified(|set| {
            let is_earlier = set.is_none_or(|set| end < set);
            if is_earlier {
                *set = Some(end);
            }
            is_earlier
        });
    }

    /// Whether it is time to end.
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Waits until it is time to end.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Waits until the time for that is up; for ever while none is set.
    pub async fn over(&self) {
        let mut end = self.end.subscribe();
        loop {
            let set = *end.borrow_and_update();
            let passed = async {
                match set {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => return,
                // The sender lives in `self`.
                Ok(()) = end.changed() => {}
            }
        }
    }

    /// Waits for `work`, but not longer than there is time; `None` when that was too short.
    pub async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.over() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_bound_by_the_time_that_is_left() {
        let (start, halt) = (Instant::now(), Halt::new());
        halt.within(Duration::from_secs(10));
        assert!(!halt.is_asked(), "a budget alone ends nothing");
        assert_eq!(halt.bound(std::future::pending::<()>()).await, None);
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert_eq!(halt.bound(std::future::ready(7)).await, Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_can_only_become_shorter_even_while_it_is_waited_for() {
        let (start, halt) = (Instant::now(), Halt::new());
        let waiting = tokio::spawn({
            let halt = halt.clone();
            async move { halt.over().await }
        });
        tokio::task::yield_now().await;
        for seconds in [10, 2, 5] {
            halt.within(Duration::from_secs(seconds));
            tokio::task::yield_now().await;
        }
        waiting.await.expect("it waits to the end");
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }
}
