//! Which slots are due.
//!
//! The scheduler is told the time and answers with the slots that are due and the moment at which it
//! wants to be asked again. It runs nothing, waits for nothing and reads no clock. Slots follow from
//! the schedules alone, so replacing the checks neither moves nor repeats a slot that stays.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::domain::slot::Slot;

/// Knows the slots of some checks in one region.
#[derive(Debug)]
pub struct Scheduler {
    region: Region,
    checks: Vec<Arc<Check>>,
    /// The next slot of each check, by index.
    next: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// Everything up to this moment has been handed out.
    done: Timestamp,
}

/// The answer to [`Scheduler::tick`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tick {
    /// The slots that are due, in order of time.
    pub due: Vec<Due>,
    /// When to ask again; `None` when nothing is scheduled.
    pub wake_at: Option<Timestamp>,
}

/// A slot that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The slot.
    pub slot: Slot,
    /// The check.
    pub check: Arc<Check>,
    /// Earlier slots of the same check that went by unasked, because the machine slept or its clock
    /// jumped. They collapse into this one.
    pub missed: u32,
}

/// A clock that goes back by less than this is only being corrected: what was handed out stays so.
const CORRECTION: TimeDelta = TimeDelta::seconds(30);

impl Scheduler {
    /// Schedules the `checks` that run in `region`, from the first slot after `now`.
    pub fn new(region: Region, checks: &[Arc<Check>], now: Timestamp) -> Self {
        let mut scheduler = Self { region, checks: Vec::new(), next: BinaryHeap::new(), done: now };
        scheduler.replace(checks);
        scheduler
    }

    /// Replaces the checks. Slots that were handed out are not handed out again, and none between
    /// the last tick and the next is lost.
    pub fn replace(&mut self, checks: &[Arc<Check>]) {
        let here = |check: &&Arc<Check>| check.regions.contains(&self.region);
        self.checks = checks.iter().filter(here).cloned().collect();
        self.restart(self.done);
    }

    /// Schedules the `checks` that run in another region from now on; otherwise as
    /// [`Self::replace`].
    pub fn replace_in(&mut self, region: Region, checks: &[Arc<Check>]) {
        self.region = region;
        self.replace(checks);
    }

    /// Hands out what is due at `now`.
    ///
    /// When the clock was set back, slots are handed out from the new time on. Those that come again
    /// have the ids of the first time: the store keeps the later run of each.
    pub fn tick(&mut self, now: Timestamp) -> Tick {
        if now < self.done - CORRECTION {
            self.restart(now);
        }
        let mut due = Vec::new();
        while let Some(&Reverse((at, index))) = self.next.peek()
            && at <= now
        {
            self.next.pop();
            due.extend(self.take(at, index, now));
        }
        self.done = self.done.max(now);
        Tick { due, wake_at: self.next.peek().map(|Reverse((at, _))| *at) }
    }

    /// The slot to run for a check whose next slot was `at`, skipping to the latest one if several
    /// went by.
    fn take(&mut self, at: Timestamp, index: usize, now: Timestamp) -> Option<Due> {
        let check = self.checks.get(index)?.clone();
        let (mut latest, mut missed) = (at, 0);
        let mut following = check.schedule.next_after(at, &check.id, &self.region);
        while let Some(next) = following
            && next <= now
        {
            (latest, missed) = (next, missed + 1);
            following = check.schedule.next_after(next, &check.id, &self.region);
        }
        if let Some(next) = following {
            self.next.push(Reverse((next, index)));
        }
        let slot = Slot { check: check.id.clone(), region: self.region.clone(), at: latest };
        Some(Due { slot, check, missed })
    }

    fn restart(&mut self, from: Timestamp) {
        self.done = from;
        let region = &self.region;
        let first = |(index, check): (usize, &Arc<Check>)| {
            let at = check.schedule.next_after(from, &check.id, region)?;
            Some(Reverse((at, index)))
        };
        self.next = self.checks.iter().enumerate().filter_map(first).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::*;
    use crate::domain::check::{Expectations, RequestSpec, Work};
    use crate::domain::id::CheckId;
    use crate::domain::schedule::{Interval, Schedule};

    fn at(seconds: f64) -> Timestamp {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().expect("a time");
        start + Duration::from_secs_f64(seconds)
    }

    fn region(name: &str) -> Region {
        Region::new(name).expect("a good name")
    }

    fn check(id: &str, every: u64) -> Arc<Check> {
        let interval = Interval::new(Duration::from_secs(every)).expect("in range");
        Arc::new(Check {
            id: CheckId::new(id).expect("a good name"),
            name: id.to_owned(),
            schedule: Schedule::Every(interval),
            regions: vec![region("eu")],
            timeout: Duration::from_secs(1),
            policy: "default".into(),
            runbook: None,
            labels: BTreeMap::new(),
            bodies: crate::domain::exchange::Bodies::Kept,
            work: Work::Request(Box::new(RequestSpec {
                method: "GET".into(),
                url: "http://127.0.0.1/".into(),
                headers: vec![],
                body: None,
                expect: Expectations::default(),
            })),
        })
    }

    /// Ticks whenever asked to, until `end`.
    fn run(scheduler: &mut Scheduler, end: Timestamp) -> Vec<Slot> {
        let mut slots = Vec::new();
        let mut now = scheduler.done;
        loop {
            let tick = scheduler.tick(now);
            slots.extend(tick.due.into_iter().map(|due| due.slot));
            match tick.wake_at {
                Some(wake_at) if wake_at <= end => now = wake_at,
                _ => return slots,
            }
        }
    }

    #[test]
    fn each_check_has_its_slots() {
        let checks = [check("a", 10), check("b", 20)];
        let mut scheduler = Scheduler::new(region("eu"), &checks, at(0.0));
        let slots = run(&mut scheduler, at(100.0));
        let count = |id: &str| slots.iter().filter(|slot| slot.check.as_str() == id).count();
        assert_eq!((count("a"), count("b")), (10, 5));
        assert!(slots.is_sorted_by_key(|slot| slot.at));
    }

    #[test]
    fn other_regions_are_not_ours() {
        let mut scheduler = Scheduler::new(region("us"), &[check("a", 10)], at(0.0));
        assert_eq!(scheduler.tick(at(60.0)), Tick::default());
    }

    #[test]
    fn replacing_neither_loses_nor_repeats() {
        let checks = [check("a", 10), check("b", 20)];
        let steady = run(&mut Scheduler::new(region("eu"), &checks, at(0.0)), at(100.0));
        let mut scheduler = Scheduler::new(region("eu"), &checks, at(0.0));
        let mut slots = Vec::new();
        for end in [7.0, 33.3, 33.4, 80.0, 100.0] {
            slots.extend(run(&mut scheduler, at(end)));
            scheduler.replace(&checks);
        }
        assert_eq!(slots, steady);
    }

    #[test]
    fn slots_that_went_by_collapse_into_the_latest() {
        let mut scheduler = Scheduler::new(region("eu"), &[check("a", 10)], at(0.0));
        let tick = scheduler.tick(at(3600.0));
        let [due] = tick.due.as_slice() else { panic!("one run, not {}", tick.due.len()) };
        assert_eq!(due.missed, 359);
        assert!(at(3600.0) - due.slot.at < TimeDelta::seconds(10));
        assert!(tick.wake_at.is_some_and(|wake_at| wake_at > at(3600.0)));
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_checks() {
        let mut scheduler = Scheduler::new(region("eu"), &[check("a", 10)], at(7200.0));
        let before = run(&mut scheduler, at(7300.0));
        let tick = scheduler.tick(at(3600.0));
        assert!(tick.due.is_empty());
        assert!(tick.wake_at.is_some_and(|wake_at| wake_at <= at(3610.0)));
        assert_eq!(before.iter().map(Slot::run_id).collect::<BTreeSet<_>>().len(), before.len());
    }

    #[test]
    fn a_small_step_back_repeats_nothing() {
        let mut scheduler = Scheduler::new(region("eu"), &[check("a", 1)], at(0.0));
        let first = run(&mut scheduler, at(5.0));
        let tick = scheduler.tick(at(4.0));
        assert!(tick.due.is_empty() && !first.is_empty());
    }
}
