//! Control targets: places that an agent reaches unless it is cut off.
//!
//! A run that fails while none of them answers says nothing of its own target. They are asked only
//! when a run has failed, all at once, and what came of it is kept for a moment, so that a thousand
//! failures are one question. Any HTTP status is an answer.
//!
//! Must not: reach what the agent's egress policy forbids, or delay a run that passed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt as _};
use http::header::USER_AGENT;
use http::{HeaderMap, Method};
use tokio::sync::Mutex;
use url::Url;

use super::visitor::NAME;
use crate::clock::Stopwatch;
use crate::net::{Budget, Client, DialError, Dialer, Error, Limits, Outgoing, Seen};

/// How long a target has to answer: enough for a lost packet to be sent again.
const WITHIN: Duration = Duration::from_secs(2);
/// How long what came of a question is good.
const KEPT: Duration = Duration::from_secs(2);
/// What is read of an answer.
const LIMITS: Limits = Limits { head: 64 << 10, body: 64 << 10 };

/// Whether the agent reaches anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// A control target answered.
    Reached,
    /// None did; why not, of each.
    CutOff(String),
    /// None could be asked, or there is none.
    Untold,
}

/// The control targets of a region.
#[derive(Default)]
pub(super) struct Control {
    targets: Vec<Url>,
    /// What is known. Whoever asks holds it.
    known: Mutex<Known>,
    /// Whether it was told that no target can be asked.
    told: AtomicBool,
}

/// What is known of the control targets.
#[derive(Default)]
struct Known {
    /// What came of the last question, and how long ago.
    last: Option<(Stopwatch, Standing)>,
    /// Why none of them answered when that was so for the last time, and how long ago.
    cut: Option<(Stopwatch, String)>,
}

/// Why a target gave no answer.
enum Silence {
    /// It was not reached.
    Cut(String),
    /// It was not asked: the policy forbids it, or this machine lacks what it takes.
    Unasked(String),
}

impl Control {
    pub(super) fn new(targets: Vec<Url>) -> Self {
        Self { targets, ..Self::default() }
    }

    /// Whether there is nothing to ask.
    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Whether any of them answers now, and did while a run went on that `lasted` so long and has ended.
    pub(super) async fn standing(
        &self,
        (dialer, budget): (&Arc<Dialer>, &Arc<Budget>),
        lasted: Duration,
    ) -> Standing {
        let mut known = self.known.lock().await;
        let standing = match &known.last {
            Some((since, standing)) if since.elapsed() < KEPT => standing.clone(),
            _ => {
                let standing = self.ask(dialer, budget).await;
                known.last = Some((Stopwatch::start(), standing.clone()));
                if let Standing::CutOff(why) = &standing {
                    known.cut = Some((Stopwatch::start(), why.clone()));
                }
                standing
            }
        };
        match (standing, &known.cut) {
            // What has just mended was still broken when the run began.
            (Standing::Reached, Some((since, why))) if since.elapsed() <= lasted + KEPT => {
                Standing::CutOff(why.clone())
            }
            (standing, _) => standing,
        }
    }

    async fn ask(&self, dialer: &Arc<Dialer>, budget: &Arc<Budget>) -> Standing {
        let asked = self.targets.iter().map(|target| ask_one(target, dialer, budget));
        let mut answers: FuturesUnordered<_> = asked.collect();
        let (mut cut, mut unasked) = (Vec::new(), Vec::new());
        while let Some((target, answer)) = answers.next().await {
            let host = target.host_str().unwrap_or_default();
            match answer {
                Ok(()) => return Standing::Reached,
                Err(Silence::Cut(why)) => cut.push(format!("{host}: {why}")),
                Err(Silence::Unasked(why)) => unasked.push(format!("{host}: {why}")),
            }
        }
        if !cut.is_empty() {
            cut.sort();
            return Standing::CutOff(cut.join("; "));
        }
        if !unasked.is_empty() && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                reason = unasked.join("; "),
                "no control target can be asked; failures count as if there were none"
            );
        }
        Standing::Untold
    }
}

async fn ask_one<'t>(
    target: &'t Url,
    dialer: &Arc<Dialer>,
    budget: &Arc<Budget>,
) -> (&'t Url, Result<(), Silence>) {
    let client = Client::new(Arc::clone(dialer), LIMITS, budget.share());
    let outgoing = Outgoing {
        method: Method::HEAD,
        url: target,
        headers: HeaderMap::from_iter([(USER_AGENT, NAME)]),
        body: Bytes::new(),
        within: WITHIN,
    };
    let answer = match client.exchange(outgoing, &mut Seen::default()).await {
        Ok(_) => Ok(()),
        Err(error @ Error::Dial(DialError::Refused(_))) => Err(Silence::Unasked(error.to_string())),
        Err(error) if error.is_ours() => Err(Silence::Unasked(error.to_string())),
        Err(error) => Err(Silence::Cut(error.to_string())),
    };
    (target, answer)
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("targets", &self.targets.len()).finish_non_exhaustive()
    }
}
