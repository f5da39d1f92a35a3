//! Reviews: from time to time, what the states of all checks mean together.
//!
//! What one result means is decided when it comes; that nobody knows how a check or a region is
//! doing shows only when one looks. This decides nothing itself: the judge does, in the store's
//! transaction.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::judge::ProjectJudge;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::domain::incident::Change;
use crate::store::{Error, Store};

/// How often one looks.
pub const PAUSE: Duration = Duration::from_secs(5);

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
}

impl std::fmt::Debug for Reviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviews").finish_non_exhaustive()
    }
}

impl Reviews {
    /// Looks once, at `now`.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; nothing was decided then.
    pub async fn tick(&self, now: Timestamp) -> Result<(), Error> {
        let rulebook = self.judge.current();
        let changes = self.store.review(&*rulebook, now).await?;
        if !changes.is_empty() {
            self.observer.on_reviewed(&changes);
        }
        Ok(())
    }

    /// Looks again and again until `stop` is cancelled.
    pub async fn run(self, pause: Duration, stop: CancellationToken) {
        let mut failing = false;
        loop {
            if tokio::time::timeout(pause, stop.cancelled()).await.is_ok() {
                return;
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
    }
}
