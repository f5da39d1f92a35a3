//! Reviews: from time to time, what the states of all checks mean together.
//!
//! What one result means is decided when it comes; that nobody knows how a check or a region is
//! doing shows only when one looks. This decides nothing itself: the judge does, in the store's
//! transaction. Of hubs that share a store, the one that holds the lease on it looks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::judge::ProjectJudge;
use crate::clock::{Clock, Halt};
use crate::domain::Timestamp;
use crate::domain::incident::Change;
use crate::store::{Error, Store};

/// How often one looks.
pub const PAUSE: Duration = Duration::from_secs(5);
/// The name of the lease.
const PART: &str = "review";
/// How long a lease holds: so long nobody looks after a hub died.
const LEASE: Duration = Duration::from_secs(15);

/// Is told what was decided, after it is stored. Must not block.
pub trait Observer: Send + Sync {
    /// At least one thing was.
    fn on_reviewed(&self, changes: &[Change]);
}

/// What reviews work with.
pub struct Reviews {
    /// Where the states are and the decisions go.
    pub store: Arc<dyn Store>,
    /// What they mean.
    pub judge: Arc<ProjectJudge>,
    /// When it is decided.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
    /// Tells this hub from others, and from itself before a restart.
    pub holder: String,
}

impl std::fmt::Debug for Reviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviews").finish_non_exhaustive()
    }
}

impl Reviews {
    /// Looks once, at `now`, if it is this hub's turn.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; nothing was decided then.
    pub async fn tick(&self, now: Timestamp) -> Result<(), Error> {
        if self.store.lease(PART, &self.holder, now, now + LEASE).await?.is_none() {
            return Ok(());
        }
        let rulebook = self.judge.current();
        let changes = self.store.review(&*rulebook, now).await?;
        if !changes.is_empty() {
            self.observer.on_reviewed(&changes);
        }
        Ok(())
    }

    /// Looks again and again until `halt` is asked for, then leaves it to others.
    pub async fn run(self, pause: Duration, halt: Halt) {
        let mut failing = false;
        loop {
            if timeout(pause, halt.asked()).await.is_ok() {
                break;
            }
            match self.tick(self.clock.now()).await {
                Ok(()) => failing = false,
                // Said once; whoever stores results says why.
                Err(error) if !failing => {
                    failing = true;
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the checks were not reviewed; tried again");
                }
                Err(_) => {}
            }
        }
        let now = self.clock.now();
        if let Err(error) = self.store.lease(PART, &self.holder, now, now).await {
            tracing::debug!(%error, "the lease on reviews was not given back; it runs out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;
    use crate::domain::check::Check;
    use crate::domain::policy::Roster;
    use crate::engine::judge::Rulebook;
    use crate::store::sqlite::{Holder, SqliteStore};

    struct Nobody;

    impl Observer for Nobody {
        fn on_reviewed(&self, _: &[Change]) {}
    }

    #[tokio::test]
    async fn hubs_take_turns() {
        let folder = tempfile::tempdir().expect("a folder");
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let opened = Holder { command: "a test".into(), since: start };
        let store = SqliteStore::open(&folder.path().join("t.db"), &opened).await.expect("opened");
        let store: Arc<dyn Store> = Arc::new(store);
        let time = Arc::new(Manual::new(start));
        let rules = Rulebook::new(Vec::<Check>::new(), [], Roster::default())
            .expect("no check, no mistake");
        let judge = Arc::new(ProjectJudge::new(rules));
        let hub = |holder: &str| Reviews {
            store: Arc::clone(&store),
            judge: Arc::clone(&judge),
            clock: time.clone(),
            observer: Arc::new(Nobody),
            holder: holder.into(),
        };
        let holds = async |holder: &str| {
            let now = time.now();
            store.lease(PART, holder, now, now + LEASE).await.expect("answered").is_some()
        };
        hub("one").tick(start).await.expect("reviewed");
        hub("other").tick(start).await.expect("answered");
        assert!(holds("one").await && !holds("other").await);
        // One that stops leaves it to the other at once, one that is killed after its lease.
        let halt = Halt::new();
        halt.ask();
        hub("one").run(PAUSE, halt).await;
        assert!(holds("other").await);
        time.advance(LEASE);
        assert!(holds("one").await);
    }
}
