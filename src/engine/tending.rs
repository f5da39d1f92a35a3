//! Tending: what time alone means for open incidents, when it is time.
//!
//! An acknowledgement that nobody renewed ends, a tier is due after so long, a silence is over. The
//! store knows when the next incident is due; this asks it, and has the judge decide. Hubs that share
//! a store may all ask: what one has decided is not due any more.
//!
//! Must not: decide anything, or wait longer than [`PAUSE`], since others may make an incident due.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::judge::ProjectJudge;
use crate::clock::{Clock, Halt};
use crate::domain::Timestamp;
use crate::domain::incident::Change;
use crate::store::{Error, Ledger};

/// One looks at least so often.
pub const PAUSE: Duration = Duration::from_secs(1);
/// One looks again at most so often.
const LEAST: Duration = Duration::from_millis(20);
/// So many incidents are decided about in one transaction.
const AT_ONCE: u32 = 200;

/// Is told what was decided, after it is stored. Must not block.
pub trait Observer: Send + Sync {
    /// At least one thing was.
    fn on_tended(&self, changes: &[Change]);
}

/// What tending works with.
pub struct Tending {
    /// Where the incidents are.
    pub store: Arc<dyn Ledger>,
    /// What they mean.
    pub judge: Arc<ProjectJudge>,
    /// When it is decided.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Tending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tending").finish_non_exhaustive()
    }
}

impl Tending {
    /// Has all decided that is due at `now`; says how long nothing will be, as far as is known.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; what was decided before stays so.
    pub async fn tick(&self, now: Timestamp) -> Result<Duration, Error> {
        let rulebook = self.judge.current();
        let changes = self.store.tend(&*rulebook, AT_ONCE, now).await?;
        if changes.iter().any(|change| !change.transition.decisions.is_empty()) {
            self.observer.on_tended(&changes);
        }
        let next = self.store.next_tending().await?;
        let wait = next.and_then(|next| (next - now).to_std().ok().or(Some(Duration::ZERO)));
        Ok(wait.unwrap_or(PAUSE).clamp(LEAST, PAUSE))
    }

    /// Goes on until `halt` is asked for.
    pub async fn run(self, halt: Halt) {
        let mut failing = false;
        let mut wait = Duration::ZERO;
        // Rules may have changed while nobody was there.
        if let Err(error) = self.store.reconsider(self.clock.now()).await {
            tracing::debug!(%error, "open incidents were not looked at anew");
        }
        while timeout(wait, halt.asked()).await.is_err() {
            wait = match self.tick(self.clock.now()).await {
                Ok(wait) => {
                    failing = false;
                    wait
                }
                // Said once; whoever stores results says why.
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "open incidents were not tended; tried again");
                    }
                    PAUSE
                }
            };
        }
    }
}
