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
use crate::store::{Error, Store};

/// How often one looks.
pub const PAUSE: Duration = Duration::from_secs(5);

/// What reviews work with.
pub struct Reviews {
    /// Where the states are and the decisions go.
    pub store: Arc<dyn Store>,
    /// What they mean.
    pub judge: Arc<ProjectJudge>,
    /// When it is decided.
    pub clock: Arc<dyn Clock>,
    /// Is called when messages are owed.
    pub wake: Box<dyn Fn() + Send + Sync>,
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
        for change in &changes {
            let id = change.transition.incident.as_ref().and_then(|incident| incident.id);
            let incident = id.map_or(0, |id| id.0);
            for decision in &change.transition.decisions {
                let (subject, kind) = (&change.subject, decision.kind.as_str());
                tracing::info!(%subject, incident, kind, reason = decision.reason);
            }
        }
        if changes.iter().any(|change| !change.transition.owed.is_empty()) {
            (self.wake)();
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
