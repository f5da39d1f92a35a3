//! Reports that wait in memory to be kept: in order, and within a bound.
//!
//! Most leave at once, for the disk. Where that takes none, they gather here, and beyond the bound the
//! oldest reports of passed runs give way first, then the oldest of the others, as in the spool.
//! Nothing here waits, tries or counts for ever: what gave way is told to whoever brought the next.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Stopwatch;
use crate::link::protocol::SpoolState;
use crate::link::spool::{OVERHEAD, Written};

/// When there is no room, this part of the bound is made free at once: one in so many.
const SLACK: usize = 50;

/// All reports that wait.
#[derive(Debug)]
pub(super) struct Line {
    /// How large they may be together, in bytes.
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// How large all are, in bytes, those in hand included.
    bytes: usize,
    /// How many were taken out and are not settled.
    in_hand: usize,
}

/// A report that waits. Whoever brought it goes on when this is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) report: Written,
    /// When the hub last wanted it later.
    put_off: Option<Stopwatch>,
    _done: oneshot::Sender<()>,
}

impl Waiting {
    /// Notes that the hub wants it later.
    pub(super) fn put_off(&mut self) {
        self.put_off = Some(Stopwatch::start());
    }

    /// As the spool counts it, so that what is taken together is as large there and here.
    fn size(&self) -> usize {
        self.report.text().len() + usize::try_from(OVERHEAD).unwrap_or_default()
    }
}

/// What became of a report that was brought.
#[derive(Debug)]
pub(super) struct Brought {
    /// Is over when it waits no longer.
    pub(super) done: oneshot::Receiver<()>,
    /// What gave way to it.
    pub(super) gone: Vec<Written>,
}

impl Line {
    /// Nobody waits in it yet; it holds about `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Puts a report at the end.
    pub(super) fn join(&self, report: Written) -> Brought {
        let (tell, done) = oneshot::channel();
        let waiting = Waiting { report, put_off: None, _done: tell };
        let mut state = self.state();
        let gone = if state.bytes + waiting.size() > self.limit {
            state.make_room(self.limit.saturating_sub(waiting.size() + self.limit / SLACK))
        } else {
            Vec::new()
        };
        state.bytes += waiting.size();
        state.waiting.push_back(waiting);
        Brought { done, gone }
    }

    /// Takes out the oldest.
    pub(super) fn take_first(&self) -> Option<Waiting> {
        let mut state = self.state();
        let first = state.waiting.pop_front();
        state.in_hand += usize::from(first.is_some());
        first
    }

    /// Takes out the oldest that the hub has not put off within `rest`, at most `most`, and, unless
    /// the first alone is larger, at most `bytes`.
    pub(super) fn take(&self, most: usize, bytes: usize, rest: Duration) -> Vec<Waiting> {
        let mut state = self.state();
        let (mut taken, mut left, mut sum) = (Vec::new(), VecDeque::new(), 0);
        while let Some(next) = state.waiting.pop_front() {
            if next.put_off.is_some_and(|since| since.elapsed() < rest) {
                left.push_back(next);
                continue;
            }
            sum += next.size();
            if taken.len() == most || (!taken.is_empty() && sum > bytes) {
                left.push_back(next);
                break;
            }
            taken.push(next);
        }
        left.append(&mut state.waiting);
        state.waiting = left;
        state.in_hand += taken.len();
        taken
    }

    /// Puts back what was taken out, in front of all others.
    pub(super) fn put_back(&self, taken: Vec<Waiting>) {
        let mut state = self.state();
        state.in_hand = state.in_hand.saturating_sub(taken.len());
        for waiting in taken.into_iter().rev() {
            state.waiting.push_front(waiting);
        }
    }

    /// What was taken out is kept, or need not be.
    pub(super) fn settle(&self, taken: Vec<Waiting>) {
        let mut state = self.state();
        for waiting in taken {
            state.in_hand = state.in_hand.saturating_sub(1);
            state.bytes = state.bytes.saturating_sub(waiting.size());
        }
    }

    /// What waits on disk, and here.
    pub(super) fn and(&self, mut spool: SpoolState) -> SpoolState {
        let state = self.state();
        spool.reports += (state.waiting.len() + state.in_hand) as u64;
        spool.bytes += state.bytes as u64;
        spool
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets the oldest passed runs go, then the oldest of the others, until `target` bytes are left.
    fn make_room(&mut self, target: usize) -> Vec<Written> {
        let mut gone = Vec::new();
        for passed in [true, false] {
            let mut stay = VecDeque::with_capacity(self.waiting.len());
            for waiting in self.waiting.drain(..) {
                if self.bytes > target && waiting.report.passed() == passed {
                    self.bytes = self.bytes.saturating_sub(waiting.size());
                    gone.push(waiting.report);
                } else {
                    stay.push_back(waiting);
                }
            }
            self.waiting = stay;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    const REST: Duration = Duration::from_mins(1);

    /// A report with a number that counts as 100 bytes.
    fn report(number: usize, passed: bool) -> Written {
        Written::example(&format!("{number:0>36}"), passed)
    }

    fn numbers<'a>(reports: impl IntoIterator<Item = &'a Written>) -> Vec<usize> {
        let number = |report: &Written| report.text().parse().expect("a number");
        reports.into_iter().map(number).collect()
    }

    fn size(line: &Line) -> (u64, u64) {
        let state = line.and(SpoolState::default());
        (state.reports, state.bytes)
    }

    #[test]
    fn what_is_not_kept_goes_back_to_its_place() {
        let line = Line::new(1 << 20);
        let mut brought: Vec<Brought> =
            (0..5).map(|number| line.join(report(number, true))).collect();
        let first = line.take_first().expect("one");
        assert_eq!(size(&line), (5, 500), "what is in hand waits, too");
        line.put_back(vec![first]);
        let first = line.take(9, 1, REST);
        assert_eq!(numbers(first.iter().map(|it| &it.report)), [0], "one, however large it is");
        line.put_back(first);

        let mut some = line.take(3, 250, REST);
        assert_eq!(numbers(some.iter().map(|it| &it.report)), [0, 1]);
        some[0].put_off();
        line.put_back(some);
        let rest = line.take(9, 1 << 20, REST);
        assert_eq!(numbers(rest.iter().map(|it| &it.report)), [1, 2, 3, 4], "0 is put off");
        assert!(brought[4].done.try_recv().is_err_and(|error| error == TryRecvError::Empty));
        line.settle(rest);
        assert!(brought[4].done.try_recv().is_err_and(|error| error == TryRecvError::Closed));
        assert_eq!(size(&line), (1, 100));
        assert_eq!(numbers(line.take_first().iter().map(|it| &it.report)), [0]);
    }

    proptest! {
        #[test]
        fn the_bound_holds_and_the_oldest_passed_runs_go_first(
            passed in proptest::collection::vec(any::<bool>(), 1..80),
        ) {
            let line = Line::new(1000);
            let mut gone = Vec::new();
            for (number, passed) in passed.iter().enumerate() {
                gone.extend(line.join(report(number, *passed)).gone);
                prop_assert!(size(&line).1 <= 1000);
            }
            let left = line.take(usize::MAX, usize::MAX, REST);
            let left = numbers(left.iter().map(|it| &it.report));
            prop_assert!(left.is_sorted(), "{left:?}");
            prop_assert_eq!(left.len() + gone.len(), passed.len());
            for of in [true, false] {
                let of_kind = |number: &usize| passed[*number] == of;
                let gone: Vec<usize> = numbers(&gone).into_iter().filter(of_kind).collect();
                prop_assert!(gone.is_sorted(), "{gone:?}");
                let oldest = left.iter().copied().find(of_kind);
                prop_assert!(gone.last().copied() < oldest || oldest.is_none() || gone.is_empty());
            }
        }
    }
}
