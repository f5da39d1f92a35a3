//! Turns: what one hub does at a time of those that share a store, and when it is due.
//!
//! Whoever holds the lease on a part renews it while it works and while it waits, and the others look
//! whether it still does; so one that is stopped, killed or frozen is replaced soon, however seldom
//! there is something to do. That a lease was held is no proof that it still is: what must not be
//! done twice is fenced where it is written.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::clock::{Clock, Stopwatch};
use crate::store::{Epoch, Error, LEASE, Ledger, RENEWAL};

/// The turns of this hub at one part.
pub(super) struct Turns {
    store: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    part: &'static str,
    /// Tells this hub from others, and from itself before a restart.
    holder: String,
    /// Which lease it holds, and since it was last renewed.
    held: Option<(Epoch, Stopwatch)>,
    /// Under which lease it last did what there is to do, and since when.
    done: Option<(Epoch, Stopwatch)>,
}

impl Turns {
    /// Turns at `part`.
    pub(super) fn new(
        (store, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
        part: &'static str,
    ) -> Self {
        let (store, clock) = (Arc::clone(store), Arc::clone(clock));
        let holder = Uuid::new_v4().to_string();
        Self { store, clock, part, holder, held: None, done: None }
    }

    /// Takes or renews the lease; whether it is this hub's turn.
    pub(super) async fn renew(&mut self) -> Result<bool, Error> {
        let (now, renewed) = (self.clock.now(), Stopwatch::start());
        self.held = None;
        let epoch = self.store.lease(self.part, &self.holder, now, now + LEASE).await?;
        self.held = epoch.map(|epoch| (epoch, renewed));
        Ok(epoch.is_some())
    }

    /// The same in the midst of work that has many steps, at the price of one now and then.
    pub(super) async fn go_on(&mut self) -> Result<bool, Error> {
        match self.held {
            Some((_, renewed)) if renewed.elapsed() < RENEWAL => Ok(true),
            _ => self.renew().await,
        }
    }

    /// Takes or renews the lease; whether it is this hub's turn and something is to be done that is
    /// due every `period`. Whoever comes by the lease does not know when it was done last, so it is.
    pub(super) async fn is_due(&mut self, period: Duration) -> Result<bool, Error> {
        if !self.renew().await? {
            return Ok(false);
        }
        let held = self.held.map(|(epoch, _)| epoch);
        let lately = |(epoch, since): (Epoch, Stopwatch)| {
            Some(epoch) == held && since.elapsed() + RENEWAL / 2 < period
        };
        Ok(!self.done.is_some_and(lately))
    }

    /// Whether the lease was this hub's when it was last asked for.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Notes that everything was done that was due.
    pub(super) fn done(&mut self) {
        self.done = self.held.map(|(epoch, _)| (epoch, Stopwatch::start()));
    }

    /// Leaves it to others.
    pub(super) async fn leave(&mut self) {
        self.held = None;
        let now = self.clock.now();
        if let Err(error) = self.store.lease(self.part, &self.holder, now, now).await {
            let part = self.part;
            tracing::debug!(%error, part, "a lease was not given back; it runs out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;
    use crate::domain::Timestamp;
    use crate::store::sqlite::{Holder, SqliteStore};

    /// What is promised when a hub is stopped, killed or frozen.
    const REPLACED_WITHIN: Duration = Duration::from_secs(15);

    #[tokio::test]
    async fn a_hub_that_is_gone_is_replaced_in_time_at_whatever_it_was_about_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let holder = Holder { command: "a test".into(), since: start };
        let store = SqliteStore::open(&folder.path().join("t.db"), &holder).await.expect("opened");
        let store: Arc<dyn Ledger> = Arc::new(store);
        let time = Arc::new(Manual::new(start));
        let clock: Arc<dyn Clock> = time.clone();
        let hub = |part| Turns::new((&store, &clock), part);
        let seldom = Duration::from_mins(10);
        for (part, offset) in [("a", 0), ("b", 1), ("c", 2_499), ("d", 4_999)] {
            let (mut one, mut other) = (hub(part), hub(part));
            assert!(one.is_due(seldom).await.expect("answered"), "nobody knows when it was done");
            one.done();
            // While both are there, the one keeps it, though it has nothing to do.
            for _ in 0..200 {
                time.advance(Duration::from_millis(offset));
                assert!(!other.is_due(seldom).await.expect("answered"));
                time.advance(RENEWAL.saturating_sub(Duration::from_millis(offset)));
                assert!(!one.is_due(seldom).await.expect("answered"), "it was done");
            }
            let gone = time.now();
            time.advance(Duration::from_millis(offset));
            while !other.is_due(seldom).await.expect("answered") {
                time.advance(RENEWAL);
            }
            let replaced = (time.now() - gone).to_std().expect("later");
            assert!(replaced <= REPLACED_WITHIN, "after {replaced:?}");
            assert!(!one.renew().await.expect("answered"), "it finds out when it goes on");
        }
    }

    #[tokio::test]
    async fn one_that_stops_leaves_it_to_others_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let holder = Holder { command: "a test".into(), since: start };
        let store = SqliteStore::open(&folder.path().join("t.db"), &holder).await.expect("opened");
        let store: Arc<dyn Ledger> = Arc::new(store);
        let clock: Arc<dyn Clock> = Arc::new(Manual::new(start));
        let hub = || Turns::new((&store, &clock), "a");
        let (mut one, mut other) = (hub(), hub());
        assert!(one.renew().await.expect("answered") && !other.renew().await.expect("answered"));
        one.leave().await;
        assert!(other.renew().await.expect("answered") && !one.renew().await.expect("answered"));
    }
}
