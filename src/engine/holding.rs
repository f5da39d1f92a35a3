//! Results of this process that are not safe yet, within bounds.
//!
//! While the store fails, runs go on and their results wait. They wait whole as long as there is
//! memory for that, then without their traces, and beyond a number the oldest of those that passed
//! give way: what failed, and why, is kept longest. What was given up is counted, and told once a
//! minute. Nothing here stores, and nothing that was taken into the queue of the store is touched.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Stopwatch;
use crate::domain::run::{Outcome, Report, Trace};

/// What is said at most this often.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// How much may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Results; more than the queue of the store and a batch together, or there is nothing that
    /// could give way.
    pub results: usize,
    /// Bytes of results with their traces, as [`weight`] counts them.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { results: 8192, bytes: 64 << 20 }
    }
}

/// What is held, and what was given up since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Results that are held.
    pub held: usize,
    /// Their size, in bytes.
    pub bytes: usize,
    /// Results that were held without their traces.
    pub without_trace: u64,
    /// Results that were given up.
    pub dropped: u64,
}

/// All results that are held.
#[derive(Debug)]
pub struct Holding {
    bounds: Bounds,
    state: Mutex<State>,
    without_trace: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    held: usize,
    bytes: usize,
    next: u64,
    /// Those that can give way, by age.
    passed: BTreeMap<u64, CancellationToken>,
    others: BTreeMap<u64, CancellationToken>,
    told: Option<Stopwatch>,
    /// The counts that were told last.
    told_of: (u64, u64),
}

/// One result that is held; it is not any more when this is dropped.
#[derive(Debug)]
pub struct Held {
    holding: Arc<Holding>,
    number: u64,
    bytes: usize,
    gives_way: CancellationToken,
}

impl Default for Holding {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl Holding {
    /// Nothing is held yet.
    pub fn new(bounds: Bounds) -> Self {
        let (without_trace, dropped) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { bounds, state: Mutex::default(), without_trace, dropped }
    }

    /// Holds `report`, without its trace where there is no room for that; `None` when it has to be
    /// given up itself.
    pub fn hold(self: &Arc<Self>, report: &mut Report) -> Option<Held> {
        let passed = report.outcome() == Outcome::Passed;
        let mut state = self.state();
        if state.held >= self.bounds.results && !state.make_room(passed) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.tell(&mut state);
            return None;
        }
        let mut bytes = weight(report);
        if state.bytes.saturating_add(bytes) > self.bounds.bytes {
            let left_out = "the whole trace: results could not be stored, and too many waited";
            report.trace = Trace { dropped: vec![left_out.to_owned()], ..Trace::default() };
            bytes = weight(report);
            self.without_trace.fetch_add(1, Ordering::Relaxed);
            self.tell(&mut state);
        }
        state.held += 1;
        state.bytes += bytes;
        let (number, gives_way) = (state.next, CancellationToken::new());
        state.next += 1;
        let list = if passed { &mut state.passed } else { &mut state.others };
        list.insert(number, gives_way.clone());
        Some(Held { holding: Arc::clone(self), number, bytes, gives_way })
    }

    /// What is held, and what was given up.
    pub fn count(&self) -> Count {
        let state = self.state();
        Count {
            held: state.held,
            bytes: state.bytes,
            without_trace: self.without_trace.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }

    /// Says what was given up, unless that was said a moment ago.
    fn tell(&self, state: &mut State) {
        if state.told.as_ref().is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.tell_now(state);
        }
    }

    fn tell_now(&self, state: &mut State) {
        let without_trace = self.without_trace.load(Ordering::Relaxed);
        let dropped = self.dropped.load(Ordering::Relaxed);
        let (told_without, told_dropped) = state.told_of;
        tracing::error!(
            without_trace = without_trace - told_without,
            dropped = dropped - told_dropped,
            waiting = state.held,
            "too many results wait to be stored: traces are left out, then the oldest passed \
             results are dropped"
        );
        state.told_of = (without_trace, dropped);
        state.told = Some(Stopwatch::start());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes the oldest that passed give way, or else the oldest; false when the new one has to.
    fn make_room(&mut self, is_passed: bool) -> bool {
        let oldest = match self.passed.pop_first() {
            Some(oldest) => Some(oldest),
            None if is_passed => None,
            None => self.others.pop_first(),
        };
        oldest.map(|(_, gives_way)| gives_way.cancel()).is_some()
    }
}

impl Held {
    /// Waits until it has to give way; from then on it is to be dropped.
    pub async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }

    /// It has left for the queue of the store and does not give way any more.
    pub fn leave(&self) {
        let mut state = self.holding.state();
        state.passed.remove(&self.number);
        state.others.remove(&self.number);
    }

    /// It was dropped, having given way.
    pub fn drop_it(self) {
        self.holding.dropped.fetch_add(1, Ordering::Relaxed);
        self.holding.tell(&mut self.holding.state());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leave();
        let mut state = self.holding.state();
        state.held -= 1;
        state.bytes -= self.bytes;
        // The last words, when all is well again.
        if state.held == 0 && state.told.take().is_some() {
            let all = (
                self.holding.without_trace.load(Ordering::Relaxed),
                self.holding.dropped.load(Ordering::Relaxed),
            );
            if all != state.told_of {
                self.holding.tell_now(&mut state);
                state.told = None;
            }
        }
    }
}

/// About how much memory a result takes, in bytes.
pub fn weight(report: &Report) -> usize {
    let Trace { steps, requests, logs, measurements, dropped } = &report.trace;
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let failure = report.failure.as_ref().map_or(0, |it| {
        let compared = it.comparison.as_ref();
        let compared = compared.map_or(0, |it| it.expected.len() + it.received.len());
        it.message.len() + optional(&it.frame) + compared
    });
    let steps: usize = steps.iter().map(|it| size_of_val(it) + it.name.len()).sum();
    let requests: usize = requests.iter().map(|it| size_of_val(it) + it.url.len()).sum();
    let logs: usize = logs.iter().map(|it| size_of_val(it) + it.text.len()).sum();
    let tags = |tags: &[(String, String)]| -> usize {
        tags.iter().map(|it| size_of_val(it) + it.0.len() + it.1.len()).sum()
    };
    let measurements: usize =
        measurements.iter().map(|it| size_of_val(it) + it.name.len() + tags(&it.tags)).sum();
    let dropped: usize = dropped.iter().map(|it| size_of_val(it) + it.len()).sum();
    size_of::<Report>() + failure + steps + requests + logs + measurements + dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{CheckId, Region};
    use crate::domain::run::{Failure, FailureKind, LogLevel, LogLine};
    use crate::domain::slot::Slot;

    fn report(passed: bool, logged: usize) -> Report {
        let at = "2026-11-21T03:00:00Z".parse().expect("a time");
        let log = LogLine { at: Duration::ZERO, level: LogLevel::Info, text: "x".repeat(logged) };
        Report {
            slot: Slot {
                check: CheckId::new("shop").expect("a good name"),
                region: Region::new("eu").expect("a good name"),
                at,
            },
            started_at: at,
            duration: Duration::ZERO,
            failure: (!passed).then(|| Failure::new(FailureKind::Network, "refused")),
            trace: Trace { logs: vec![log], ..Trace::default() },
            clock_ahead: chrono::TimeDelta::zero(),
        }
    }

    fn held(holding: &Arc<Holding>, passed: bool) -> Held {
        holding.hold(&mut report(passed, 1)).expect("there is room")
    }

    #[test]
    fn beyond_the_memory_only_traces_are_left_out() {
        let bounds = Bounds { results: 100, bytes: 100_000 };
        let holding = Arc::new(Holding::new(bounds));
        let mut kept = Vec::new();
        for number in 0..10 {
            let mut report = report(number % 2 == 0, 30_000);
            kept.push(holding.hold(&mut report).expect("there is room"));
            let whole = number < 3;
            assert_eq!(report.trace.logs.len() == 1, whole, "{number}");
            assert_eq!(report.failure.is_some(), number % 2 == 1, "why it failed is kept");
        }
        let count = holding.count();
        assert!(count.bytes <= bounds.bytes, "{count:?}");
        assert_eq!((count.held, count.without_trace, count.dropped), (10, 7, 0));
        kept.clear();
        assert_eq!((holding.count().held, holding.count().bytes), (0, 0));
    }

    #[test]
    fn the_oldest_that_passed_give_way_first() {
        let holding = Arc::new(Holding::new(Bounds { results: 4, bytes: 1 << 20 }));
        let queued = held(&holding, true);
        queued.leave();
        let (bad, first, second) =
            (held(&holding, false), held(&holding, true), held(&holding, true));
        let gave_way = |it: &Held| it.gives_way.is_cancelled();
        let third = held(&holding, false);
        assert!(gave_way(&first) && !gave_way(&second) && !gave_way(&bad));
        first.drop_it();
        let fourth = held(&holding, true);
        assert!(gave_way(&second));
        second.drop_it();
        let fifth = held(&holding, false);
        assert!(gave_way(&fourth));
        fourth.drop_it();
        assert!(holding.hold(&mut report(true, 1)).is_none(), "the new one is the oldest passed");
        let sixth = held(&holding, false);
        assert!(gave_way(&bad), "there is nothing else");
        bad.drop_it();
        assert!(![&queued, &third, &fifth, &sixth].into_iter().any(gave_way));
        assert_eq!((holding.count().held, holding.count().dropped), (4, 5));
    }
}
