//! A streak: failures in a row of a check in a region.

use std::time::Duration;

use chrono::TimeDelta;

use super::Timestamp;
use super::run::{self, Outcome};

/// What the last runs of a check in one region amount to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Streak {
    /// Failures in a row. Unknown runs neither add to it nor end it.
    pub failures: u32,
    /// Passed runs in a row since the last failure.
    pub passes: u32,
    /// Whether the region counts as down: from its first failure until it has passed often enough.
    pub down: bool,
    /// The slot of the first failure of the present stretch of being down.
    pub failing_since: Option<Timestamp>,
    /// The slot of the last passed run.
    pub last_success: Option<Timestamp>,
    /// The latest slot of which there is a result.
    pub last_slot: Option<Timestamp>,
    /// The outcome of the latest slot.
    pub last_outcome: Option<Outcome>,
    /// The slot since which it has answered (passed or failed) without a longer break.
    pub answering_since: Option<Timestamp>,
    /// The unknown runs since its last answer; `None` when there are none.
    pub unknowns: Option<Unknowns>,
    /// The latest slot that passed or failed; what passed or failed before it is not counted any
    /// more. An unknown run does not move it: the run before may still be going, and count.
    pub last_counted: Option<Timestamp>,
    /// Its last failures one by one, where a policy counts them otherwise than in a row.
    pub recent: Recent,
}

/// The last failures of a region among its answers (runs that passed or failed).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recent {
    /// How many answers there were since this is counted.
    pub answers: u64,
    /// Which of them failed, counted from 1, and their slots; oldest first.
    pub failed: Vec<(u64, Timestamp)>,
}

impl Recent {
    /// How many of the last `answers` answers failed, as far as that is remembered.
    pub fn failed_of_last(&self, answers: u32) -> u32 {
        let before = self.answers.saturating_sub(u64::from(answers));
        count(self.failed.iter().filter(|(number, _)| *number > before))
    }

    /// How many answers failed up to `span` before the last that did.
    pub fn failed_within(&self, span: Duration) -> u32 {
        let Some((_, last)) = self.failed.last() else { return 0 };
        let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
        count(self.failed.iter().filter(|(_, slot)| *last - *slot <= span))
    }

    /// With one more answer, of which `most` failures are remembered.
    fn with(&self, failed: bool, slot: Timestamp, most: usize) -> Self {
        if most == 0 {
            return Self::default();
        }
        let mut next = self.clone();
        next.answers += 1;
        if failed {
            next.failed.push((next.answers, slot));
        }
        next.failed.drain(..next.failed.len().saturating_sub(most));
        next
    }
}

fn count<T>(some: impl Iterator<Item = T>) -> u32 {
    u32::try_from(some.count()).unwrap_or(u32::MAX)
}

/// Unknown runs in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknowns {
    /// How many.
    pub count: u32,
    /// The slot of the first.
    pub since: Timestamp,
    /// Why the last one is unknown, in one line.
    pub reason: String,
}

impl Unknowns {
    /// Why the region is cut off, where that is why.
    pub fn why_cut_off(&self) -> Option<&str> {
        run::why_cut_off(&self.reason)
    }
}

/// After so many unknown runs in a row, it is not known any more how a check is doing in a region.
pub const BLIND_AFTER: u32 = 5;

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 300;

/// Up to this far ahead of the clock, a slot is that of an agent whose clock is not quite ours, or
/// our clock was only corrected; beyond it, the clock was set back.
const CORRECTION: TimeDelta = TimeDelta::seconds(30);

impl Streak {
    /// Whether it is neither down nor failing: a pass there decides nothing while no incident is open.
    pub fn is_calm(&self) -> bool {
        !self.down && self.failures == 0
    }

    /// Whether `slot` comes after all of which there is a result.
    pub fn is_latest(&self, slot: Timestamp) -> bool {
        self.last_slot.is_none_or(|last| slot > last)
    }

    /// Whether a result for `slot` is not made obsolete by one that came before it.
    pub fn is_news(&self, outcome: Outcome, slot: Timestamp) -> bool {
        match outcome {
            Outcome::Unknown => self.is_latest(slot),
            Outcome::Passed | Outcome::Failed => self.last_counted.is_none_or(|last| slot > last),
        }
    }

    /// The streak as it goes on with `slot` at `now`. Where its latest slot is still to come, the
    /// clock was set back, and slots come again: then their results count once more, and failures
    /// in a row stay so, because they did follow each other.
    #[must_use]
    pub fn going_on(mut self, slot: Timestamp, now: Timestamp) -> Self {
        let is_ahead = |last: Timestamp| slot <= last && last > now + CORRECTION;
        if self.last_slot.is_some_and(is_ahead) {
            self.last_slot = None;
            self.last_counted = None;
            self.failing_since = self.failing_since.map(|since| since.min(slot));
            for (_, failed) in &mut self.recent.failed {
                *failed = slot.min(*failed);
            }
            self.answering_since = None;
            if let Some(unknowns) = &mut self.unknowns {
                unknowns.since = unknowns.since.min(slot);
            }
        }
        self
    }

    /// Counts one result. `recover_after` passed runs in a row end being down.
    #[must_use]
    pub fn counting(&self, outcome: Outcome, slot: Timestamp, recover_after: u32) -> Self {
        let mut next = self.clone();
        if self.is_latest(slot) {
            next.last_slot = Some(slot);
            next.last_outcome = Some(outcome);
        }
        if outcome != Outcome::Unknown {
            next.last_counted = Some(slot);
        }
        match outcome {
            Outcome::Unknown => {
                let unknowns = next.unknowns.get_or_insert_with(|| Unknowns {
                    count: 0,
                    since: slot,
                    reason: String::new(),
                });
                unknowns.count = unknowns.count.saturating_add(1);
                return next;
            }
            Outcome::Failed => {
                next.failures = self.failures.saturating_add(1);
                next.passes = 0;
                next.down = true;
                next.failing_since = self.failing_since.or(Some(slot));
            }
            Outcome::Passed => {
                next.failures = 0;
                next.passes = self.passes.saturating_add(1);
                next.last_success = Some(slot);
                if next.passes >= recover_after {
                    next.down = false;
                    next.failing_since = None;
                }
            }
        }
        next.unknowns = None;
        next.answering_since = self.answering_since.or(Some(slot));
        next
    }

    /// Remembers the answer in `slot` among the last ones, and at most `most` failures of them.
    #[must_use]
    pub fn remembering(mut self, outcome: Outcome, slot: Timestamp, most: usize) -> Self {
        if outcome != Outcome::Unknown {
            self.recent = self.recent.with(outcome == Outcome::Failed, slot, most);
        }
        self
    }

    /// Says why the last run is unknown, if it is.
    #[must_use]
    pub fn explained(mut self, reason: &str) -> Self {
        if let Some(unknowns) = &mut self.unknowns {
            unknowns.reason = reason.chars().take(LONGEST_REASON).collect();
        }
        self
    }

    /// Says that the last run is unknown, if it is, and `reason` does not say why: whatever does, is kept.
    #[must_use]
    pub fn unexplained(self, reason: &str) -> Self {
        match &self.unknowns {
            Some(unknowns) if unknowns.why_cut_off().is_some() => self,
            _ => self.explained(reason),
        }
    }

    /// Says why runs are unknown by one of `slot` that ended after later ones were known to be; `None` where
    /// it is not among them, or does not say it of the whole region.
    pub fn explained_late(&self, slot: Timestamp, reason: &str) -> Option<Self> {
        let unknowns = self.unknowns.as_ref()?;
        let is_among = self.last_counted.is_none_or(|counted| slot > counted);
        let is_said = run::why_cut_off(reason).is_some() && unknowns.why_cut_off().is_none();
        (is_among && is_said).then(|| self.clone().explained(reason))
    }

    /// Says that there was a break before the answer in `slot`.
    #[must_use]
    pub fn after_a_break(mut self, slot: Timestamp) -> Self {
        self.answering_since = Some(slot);
        self
    }

    /// Its latest answer as of `now`; `None` also where the clock was set back behind it.
    pub fn answered_by(&self, now: Timestamp) -> Option<Timestamp> {
        self.last_counted.filter(|last| *last <= now + CORRECTION)
    }

    /// Until when its answers came: its latest answer, or the first of those that are unknown.
    pub fn heard_until(&self) -> Option<Timestamp> {
        self.unknowns.as_ref().map(|unknowns| unknowns.since).or(self.last_counted)
    }

    /// Whether so many runs in a row were unknown that its last answer says nothing any more.
    pub fn is_blind(&self) -> bool {
        self.unknowns.as_ref().is_some_and(|unknowns| unknowns.count >= BLIND_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Failed, Passed, Unknown};
    use super::*;

    fn at(second: i64) -> Timestamp {
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        start + TimeDelta::seconds(second)
    }

    #[test]
    fn what_overlaps_does_not_hide_that_a_region_is_cut_off() {
        let why =
            "region cut off: no control target answers (one: gone), so this failure says nothing";
        let overlap = "the run before had not ended";
        let streak = Streak::default().counting(Passed, at(0), 1);
        let streak = streak.counting(Unknown, at(20), 1).unexplained(overlap);
        let why_cut_off =
            |streak: &Streak| streak.unknowns.clone()?.why_cut_off().map(str::to_owned);
        assert_eq!(why_cut_off(&streak), None);
        assert_eq!(streak.explained_late(at(0), why), None, "it is not among them");
        assert_eq!(streak.explained_late(at(10), "no sandbox"), None, "it is of the check alone");
        let streak = streak.explained_late(at(10), why).expect("it is among them");
        assert_eq!(streak.unknowns.as_ref().map(|it| it.count), Some(1), "and not counted again");
        let streak = streak.counting(Unknown, at(30), 1).unexplained(overlap);
        assert!(why_cut_off(&streak).is_some(), "{streak:?}");
        assert_eq!(streak.explained_late(at(25), why), None, "nothing changes");
        let streak = streak.counting(Unknown, at(40), 1).explained("no sandbox");
        assert_eq!(why_cut_off(&streak), None);
    }

    #[test]
    fn a_run_that_ends_after_the_next_slot_was_refused_still_counts() {
        let streak = Streak::default().counting(Failed, at(0), 1).counting(Unknown, at(20), 1);
        assert!(streak.is_news(Failed, at(10)) && !streak.is_news(Unknown, at(10)));
        let streak = streak.counting(Failed, at(10), 1);
        assert_eq!(streak.failures, 2);
        assert_eq!((streak.last_slot, streak.last_outcome), (Some(at(20)), Some(Unknown)));
        assert!(!streak.is_news(Passed, at(10)) && streak.is_news(Passed, at(20)));
    }

    #[test]
    fn failures_are_counted_among_the_last_answers_and_within_a_time() {
        let mut streak = Streak::default();
        let mut answer = |second: i64, outcome: run::Outcome| {
            streak = streak.counting(outcome, at(second), 1).remembering(outcome, at(second), 3);
            let within = streak.recent.failed_within(Duration::from_secs(20));
            (streak.recent.failed_of_last(3), within)
        };
        assert_eq!(answer(0, Failed), (1, 1));
        assert_eq!(answer(10, Passed), (1, 1));
        assert_eq!(answer(15, Unknown), (1, 1));
        assert_eq!(answer(20, Failed), (2, 2));
        assert_eq!(answer(30, Failed), (2, 2));
        assert_eq!(answer(40, Failed), (3, 3));
        assert_eq!(answer(90, Failed), (3, 1));
        assert_eq!(streak.recent.failed.len(), 3);
    }

    #[test]
    fn a_clock_set_back_does_not_blind() {
        let before = Streak::default().counting(Failed, at(3600), 1);
        let back = before.clone().going_on(at(10), at(11));
        assert!(back.is_news(Failed, at(10)) && back.is_news(Unknown, at(10)));
        let next = back.counting(Failed, at(10), 1);
        assert_eq!((next.failures, next.last_slot), (2, Some(at(10))));
        assert_eq!(next.failing_since, Some(at(10)));
        // A correction, a slot to come, and a late result are no such thing.
        for (slot, now) in [(3590, 3580), (3610, 3500), (3590, 3601)] {
            assert_eq!(before.clone().going_on(at(slot), at(now)), before);
        }
    }
}
