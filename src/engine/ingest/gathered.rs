//! What was taken from the queue and is not committed yet, and which of it goes first.
//!
//! Pure but for the receipts that it carries.

use std::collections::HashSet;
use std::mem::take;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::domain::id::CheckId;
use crate::domain::run::Report;
use crate::store::Recorded;

/// A result that waits to be committed.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) report: Report,
    pub(super) acknowledge: oneshot::Sender<Recorded>,
}

/// Taken from the queue, not yet committed.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) reports: Vec<Report>,
    pub(super) acknowledge: Vec<oneshot::Sender<Recorded>>,
    /// The checks of those that may decide something.
    urgent: HashSet<CheckId>,
    /// Until when the first of them waits for company.
    until: Option<Instant>,
}

impl Gathered {
    /// Adds one that waits until `until` at most, if it is the first.
    pub(super) fn add(&mut self, waiting: Waiting, is_urgent: bool, until: Instant) {
        if is_urgent {
            self.urgent.insert(waiting.report.slot.check.clone());
        }
        self.until.get_or_insert(until);
        self.reports.push(waiting.report);
        self.acknowledge.push(waiting.acknowledge);
    }

    pub(super) fn len(&self) -> usize {
        self.reports.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// Whether some may decide something.
    pub(super) fn is_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// Until when the first of them waits for company; `None` where there is none.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Takes what is to be committed at `now`: all that waited long enough or is `enough`; else what may
    /// decide something, with all of the same checks, which it must not overtake.
    pub(super) fn take_due(&mut self, now: Instant, enough: usize) -> Self {
        let is_over = self.until.is_none_or(|until| until <= now);
        if is_over || self.urgent.is_empty() || self.len() >= enough {
            return take(self);
        }
        let Self { reports, acknowledge, urgent, until } = take(self);
        let mut due = Self { urgent, ..Self::default() };
        for (report, acknowledge) in reports.into_iter().zip(acknowledge) {
            let part = if due.urgent.contains(&report.slot.check) { &mut due } else { &mut *self };
            part.reports.push(report);
            part.acknowledge.push(acknowledge);
        }
        self.until = until.filter(|_| !self.is_empty());
        due
    }
}
