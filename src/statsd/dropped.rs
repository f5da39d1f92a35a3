//! What was not sent, counted and told.
//!
//! Telling is rate limited by being told of changes only; counting is exact but for packets that
//! the network lost without a word.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was not sent, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Reports that found the queue full.
    pub reports: u64,
    /// Metrics that fit no packet, because their names and tags are too long.
    pub lines: u64,
    /// Packets that had nowhere to go or were refused.
    pub packets: u64,
}

/// The counters behind [`Dropped`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) reports: AtomicU64,
    pub(super) lines: AtomicU64,
    pub(super) packets: AtomicU64,
}

impl Counters {
    /// Counts one more.
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts now.
    pub(super) fn read(&self) -> Dropped {
        Dropped {
            reports: self.reports.load(Ordering::Relaxed),
            lines: self.lines.load(Ordering::Relaxed),
            packets: self.packets.load(Ordering::Relaxed),
        }
    }
}

/// What changed about a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It began to grow.
    Began,
    /// It stopped growing.
    Ended,
}

/// Watches one counter for changes worth telling.
#[derive(Debug, Default)]
pub(super) struct Watch {
    growing: bool,
    /// The count at the last settlement.
    settled: u64,
}

impl Watch {
    /// Looks whether the counter began to grow.
    pub(super) fn look(&mut self, count: u64) -> Option<Change> {
        let began = !self.growing && count > self.settled;
        self.growing |= began;
        began.then_some(Change::Began)
    }

    /// Ends a period: a counter that did not grow in it has stopped.
    pub(super) fn settle(&mut self, count: u64) -> Option<Change> {
        let change = self.look(count);
        let ended = self.growing && count == self.settled;
        self.growing &= !ended;
        self.settled = count;
        if ended { Some(Change::Ended) } else { change }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once() {
        let mut watch = Watch::default();
        assert_eq!((watch.look(0), watch.settle(0)), (None, None));
        assert_eq!((watch.look(1), watch.look(2)), (Some(Change::Began), None));
        assert_eq!((watch.settle(3), watch.look(4), watch.settle(4)), (None, None, None));
        assert_eq!((watch.settle(4), watch.settle(4)), (Some(Change::Ended), None));
        assert_eq!(watch.settle(5), Some(Change::Began));
    }
}
