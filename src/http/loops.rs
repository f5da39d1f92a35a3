//! The loops without which a hub decides nothing, and how far each is behind.
//!
//! It is shown on the health page and said to agents, so that a hub which answers and does not work is
//! noticed by another process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Pulse;
use crate::domain::Timestamp;
use crate::engine::ingest::Trouble;

/// The loops of a hub.
#[derive(Debug, Clone)]
pub struct Loops {
    /// The one that looks at all checks and agents together.
    pub review: Arc<Pulse>,
    /// The one that accounts for slots.
    pub accounting: Arc<Pulse>,
    /// The one that evaluates rules.
    pub rules: Arc<Pulse>,
    /// Why results are not being stored.
    pub results: watch::Receiver<Option<Trouble>>,
}

/// How far each loop is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lags {
    /// The one that looks at all checks and agents together.
    pub review: Duration,
    /// The one that accounts for slots.
    pub accounting: Duration,
    /// The one that evaluates rules.
    pub rules: Duration,
    /// How long results have not been stored.
    pub results: Duration,
}

impl Loops {
    /// Loops that have not begun, and results that are stored unless `results` says otherwise.
    pub fn new(results: watch::Receiver<Option<Trouble>>) -> Self {
        let [review, accounting, rules] = [Arc::default(), Arc::default(), Arc::default()];
        Self { review, accounting, rules, results }
    }

    /// How far each is behind at `now`.
    pub fn lags(&self, now: Timestamp) -> Lags {
        let trouble = self.results.borrow();
        let since = trouble.as_ref().map(|trouble| now - trouble.since);
        Lags {
            review: self.review.lag(now),
            accounting: self.accounting.lag(now),
            rules: self.rules.lag(now),
            results: since.and_then(|since| since.to_std().ok()).unwrap_or_default(),
        }
    }
}
