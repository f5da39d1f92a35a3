//! Turns: what one hub does at a time of those that share a store, and when it is due.
//!
//! Whoever holds the lease on a part renews it while it works and while it waits, and the others look
//! whether it still does; so one that is stopped, killed or frozen is replaced soon, however seldom
//! there is something to do. That a lease was held is no proof that it still is: what must not be
//! done twice is fenced where it is written.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::clock::{Clock, Stopwatch};
use crate::domain::Timestamp;
use crate::store::{Epoch, Error, LEASE, Lease, Ledger, RENEWAL};

/// The turns of this hub at one part.
pub struct Turns {
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

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("part", &self.part).finish_non_exhaustive()
    }
}

impl Turns {
    /// Turns at `part`.
    pub fn new(parts: (&Arc<dyn Ledger>, &Arc<dyn Clock>), part: &'static str) -> Self {
        Self::of(parts, part, Uuid::new_v4().to_string())
    }

    /// The same of a hub that is called `holder`.
    pub fn of(
        (store, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
        part: &'static str,
        holder: String,
    ) -> Self {
        let (store, clock) = (Arc::clone(store), Arc::clone(clock));
        Self { store, clock, part, holder, held: None, done: None }
    }

    /// Takes or renews the lease; whether it is this hub's turn.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; it is not this hub's turn then.
    pub async fn renew(&mut self) -> Result<bool, Error> {
        let now = self.clock.now();
        self.hold(now, now + LEASE).await?;
        Ok(self.is_held())
    }

    /// Takes or renews the lease at `now` for a hub that has this edition of the project, or gives it
    /// back where a hub that has a later one is there; the lease, where it is this hub's turn.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; it is not this hub's turn then.
    pub async fn lead(
        &mut self,
        edition: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Lease>, Error> {
        self.held = None;
        let may_lead = match edition {
            Some(edition) => self.store.may_lead(edition, now).await?,
            None => true,
        };
        self.hold(now, if may_lead { now + LEASE } else { now }).await?;
        self.held = self.held.take().filter(|_| may_lead);
        Ok(self.lease())
    }

    /// The same for whoever asks often, at the price of one now and then.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; it is not this hub's turn then.
    pub async fn go_on_leading(
        &mut self,
        edition: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Lease>, Error> {
        match self.held {
            Some((_, renewed)) if renewed.elapsed() < RENEWAL => Ok(self.lease()),
            _ => self.lead(edition, now).await,
        }
    }

    async fn hold(&mut self, now: Timestamp, until: Timestamp) -> Result<(), Error> {
        self.held = None;
        let renewed = Stopwatch::start();
        let epoch = self.store.lease(self.part, &self.holder, now, until).await?;
        self.held = epoch.map(|epoch| (epoch, renewed));
        Ok(())
    }

    /// What shows the store that it is this hub's turn, if it was when the lease was last asked for.
    pub fn lease(&self) -> Option<Lease> {
        let (epoch, _) = self.held?;
        Some(Lease { part: self.part.to_owned(), holder: self.holder.clone(), epoch })
    }

    /// As [`Self::renew`] in the midst of work that has many steps, at the price of one now and then.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; it is not this hub's turn then.
    pub async fn go_on(&mut self) -> Result<bool, Error> {
        match self.held {
            Some((_, renewed)) if renewed.elapsed() < RENEWAL => Ok(true),
            _ => self.renew().await,
        }
    }

    /// Takes or renews the lease; whether it is this hub's turn and something is to be done that is
    /// due every `period`. Whoever comes by the lease does not know when it was done last, so it is.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; it is not this hub's turn then.
    pub async fn is_due(&mut self, period: Duration) -> Result<bool, Error> {
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
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Notes that everything was done that was due.
    pub fn done(&mut self) {
        self.done = self.held.map(|(epoch, _)| (epoch, Stopwatch::start()));
    }

    /// Asks for the lease anew before anything else is done: it was lost, or the store failed.
    pub fn doubt(&mut self) {
        self.held = None;
    }

    /// Leaves it to others.
    pub async fn leave(&mut self) {
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
