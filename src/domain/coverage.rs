//! Coverage: what became of every slot that was expected.
//!
//! A [`Watch`] says during which time the slots of a check in a region were expected. Each of them
//! ends as a run, or inside a [`Gap`] that says why there is none. A run counts whenever it comes: a
//! gap explains the slots in it that have no run, and takes nothing from those that have one. So a
//! report that was spooled for a day repairs the coverage without a gap being rewritten.
//!
//! Must not: call a slot missed before it could have ended, or explain what the evidence does not.

use std::time::Duration;

use chrono::TimeDelta;

use super::Timestamp;
use super::id::{CheckId, Region};
use super::run::Outcome;
use super::schedule::Schedule;

/// Whether anybody is to run the slots of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duty {
    /// Its agents are.
    #[default]
    Run,
    /// Nobody is: it is switched off. What is not run then is told, and takes nothing from coverage.
    Paused,
}

/// A check in a region, as long as its schedule was the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// The check.
    pub check: CheckId,
    /// The region.
    pub region: Region,
    /// When its slots are.
    pub schedule: Schedule,
    /// Whether anybody is to run them.
    pub duty: Duty,
    /// Slots after this are expected.
    pub from: Timestamp,
    /// Slots after this are not; `None` while it goes on.
    pub until: Option<Timestamp>,
}

/// Why slots have no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// No hub was running.
    HubDown,
    /// No agent of the region was in touch.
    AgentLost,
    /// The check was put in, changed or taken out as the slot came due.
    ProjectChanged,
    /// The check was switched off.
    Paused,
    /// Hub and agent were there, and there is no run: the machine slept, its clock was set, it was
    /// too busy to keep the schedule, or the result was dropped where there was no room to keep it.
    Stalled,
}

impl GapReason {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::HubDown, Self::AgentLost, Self::ProjectChanged, Self::Paused, Self::Stalled];

    /// The word for it: `hub_down`, `agent_lost`, `project_changed`, `paused` or `stalled`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HubDown => "hub_down",
            Self::AgentLost => "agent_lost",
            Self::ProjectChanged => "project_changed",
            Self::Paused => "paused",
            Self::Stalled => "stalled",
        }
    }
}

/// Slots in a row without a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The check.
    pub check: CheckId,
    /// The region.
    pub region: Region,
    /// The first slot in it.
    pub first: Timestamp,
    /// The last slot in it.
    pub last: Timestamp,
    /// How many slots had no run when it was recorded.
    pub slots: u64,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// What of it lies up to `end`: `later` of its slots are after that. None where it begins later.
    pub fn up_to(self, end: Timestamp, later: u64) -> Option<Self> {
        let (last, slots) = (self.last.min(end), self.slots.saturating_sub(later));
        (self.first <= end).then_some(Self { last, slots, ..self })
    }
}

/// How long after it was last seen an agent may still be there: it says so every few seconds, and its
/// lease holds for so long.
pub const SEEN_FOR: Duration = Duration::from_secs(15);

/// A process that was running, as far as was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it started.
    pub from: Timestamp,
    /// When it was last seen.
    pub until: Timestamp,
}

/// Who was there: the evidence for the reason of a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    /// The hub's processes.
    pub hub: Vec<Life>,
    /// The agents of the region.
    pub agents: Vec<Life>,
}

/// A slot that came due this shortly before its watch ended may have been taken away with it, and one
/// this shortly after it began may have come before those who were to run it knew.
const CHANGING: Duration = Duration::from_secs(2);

impl Watch {
    /// The slots that were expected after `after` and up to `until`.
    pub fn slots(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
        let end = self.until.map_or(until, |ended| ended.min(until));
        let next = |at: Timestamp| self.schedule.next_after(at, &self.check, &self.region);
        std::iter::successors(next(after.max(self.from)), move |at| next(*at))
            .take_while(move |at| *at <= end)
    }

    /// How many slots were expected after `after` and up to `until`.
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let Schedule::Every(interval) = &self.schedule else {
            return u64::try_from(self.slots(after, until).count()).unwrap_or(u64::MAX);
        };
        // A day of a check that runs each second is too much to be counted one by one.
        let Some(first) = self.slots(after, until).next() else { return 0 };
        let end = self.until.map_or(until, |ended| ended.min(until));
        let (millis, every) = ((end - first).num_milliseconds(), interval.duration().as_millis());
        let more = u128::try_from(millis).unwrap_or_default() / every.max(1);
        u64::try_from(more).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The slots after `after` and up to `until` that `ran` denies, as gaps. A run may end
    /// `patience` after its slot; a process that went away in that time is why it did not.
    pub fn gaps(
        &self,
        (after, until): (Timestamp, Timestamp),
        ran: impl Fn(Timestamp) -> bool,
        presence: &Presence,
        patience: Duration,
    ) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = Vec::new();
        let mut unbroken = false;
        for at in self.slots(after, until) {
            if ran(at) {
                unbroken = false;
                continue;
            }
            let reason = self.reason(at, presence, patience);
            match gaps.last_mut() {
                Some(gap) if unbroken && gap.reason == reason => {
                    gap.last = at;
                    gap.slots += 1;
                }
                _ => gaps.push(Gap {
                    check: self.check.clone(),
                    region: self.region.clone(),
                    first: at,
                    last: at,
                    slots: 1,
                    reason,
                }),
            }
            unbroken = true;
        }
        gaps
    }

    fn reason(&self, at: Timestamp, presence: &Presence, patience: Duration) -> GapReason {
        // The hub that accounts has seen itself right before; of an agent it knows the last sign of
        // life, which is seconds old. A slot that came due after that sign is never explained by it.
        let there = |lives: &[Life], silence: Duration| {
            let is_there = |life: &Life| life.from <= at && at + patience <= life.until + silence;
            lives.iter().any(is_there)
        };
        if self.duty == Duty::Paused {
            GapReason::Paused
        } else if at <= self.from + CHANGING
            || self.until.is_some_and(|ended| ended <= at + CHANGING)
        {
            GapReason::ProjectChanged
        } else if !there(&presence.hub, Duration::ZERO) {
            GapReason::HubDown
        } else if !there(&presence.agents, SEEN_FOR.min(patience)) {
            GapReason::AgentLost
        } else {
            GapReason::Stalled
        }
    }
}

/// How late runs started: how many by at most each of [`Lateness::BOUNDS`], and how many later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lateness(pub [u64; 10]);

impl Lateness {
    /// The upper ends of the classes, in milliseconds; the last class has none.
    pub const BOUNDS: [u64; 9] = [1, 2, 5, 10, 50, 100, 500, 1_000, 10_000];

    /// By how much at most `share` (0 to 1) of the runs were late: the upper end of the class in
    /// which that run is. `None` without runs, or when it is in the class without an end.
    pub fn at_most(&self, share: f64) -> Option<Duration> {
        at_most(&self.0, &Self::BOUNDS, share)
    }
}

/// How long runs took: how many at most each of [`Durations::BOUNDS`], and how many longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durations(pub [u64; 12]);

impl Durations {
    /// The upper ends of the classes, in milliseconds; the last class has none.
    pub const BOUNDS: [u64; 11] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

    /// How long at most `share` (0 to 1) of the runs took: the upper end of the class in which that
    /// run is. `None` without runs, or when it is in the class without an end.
    pub fn at_most(&self, share: f64) -> Option<Duration> {
        at_most(&self.0, &Self::BOUNDS, share)
    }
}

fn at_most(classes: &[u64], bounds: &[u64], wanted: f64) -> Option<Duration> {
    let all: u64 = classes.iter().sum();
    let mut seen = 0;
    let class = classes.iter().position(|runs| {
        seen += runs;
        share(seen, all).is_some_and(|part| part >= wanted)
    })?;
    bounds.get(class).copied().map(Duration::from_millis)
}

fn sum<const N: usize>(mut classes: [u64; N], others: [u64; N]) -> [u64; N] {
    for (class, more) in classes.iter_mut().zip(others) {
        *class += more;
    }
    classes
}

fn difference<const N: usize>(mut classes: [u64; N], others: [u64; N]) -> [u64; N] {
    for (class, less) in classes.iter_mut().zip(others) {
        *class = class.saturating_sub(less);
    }
    classes
}

/// The class of `time` among those that end with `bounds`, in milliseconds; the last has no end.
fn class_of(time: Duration, bounds: &[u64]) -> usize {
    bounds.partition_point(|bound| Duration::from_millis(*bound) < time)
}

/// How the runs of a check in a region ended over some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Slots that were expected.
    pub expected: u64,
    /// Runs that passed.
    pub passed: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that ended unknown.
    pub unknown: u64,
    /// How late they started.
    pub lateness: Lateness,
    /// How long they took.
    pub durations: Durations,
}

/// Slots are counted by the hour when all of it are accounted for; those of an hour are after its
/// beginning and up to its end.
pub const HOUR: Duration = Duration::from_hours(1);

/// The beginning of the hour in which the slot `at` is counted.
pub fn hour_of(at: Timestamp) -> Timestamp {
    let hour = i64::try_from(HOUR.as_millis()).unwrap_or(i64::MAX);
    let start = (at.timestamp_millis() - 1).div_euclid(hour) * hour;
    Timestamp::from_timestamp_millis(start).unwrap_or(at)
}

/// The beginning of the first hour that begins at `at` or later.
pub fn next_hour(at: Timestamp) -> Timestamp {
    hour_of(at) + HOUR
}

/// The end of the last hour that ends at `at` or earlier.
pub fn last_hour(at: Timestamp) -> Timestamp {
    hour_of(at + Duration::from_millis(1))
}

impl Tally {
    /// One run that started `late` after its slot and took so long.
    pub fn of_run(outcome: Outcome, late: TimeDelta, took: Duration) -> Self {
        let mut tally = Self::default();
        match outcome {
            Outcome::Passed => tally.passed = 1,
            Outcome::Failed => tally.failed = 1,
            Outcome::Unknown => tally.unknown = 1,
        }
        let late = late.to_std().unwrap_or_default();
        tally.lateness.0[class_of(late, &Lateness::BOUNDS)] = 1;
        tally.durations.0[class_of(took, &Durations::BOUNDS)] = 1;
        tally
    }

    /// Takes out what `other` counted.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            expected: self.expected.saturating_sub(other.expected),
            passed: self.passed.saturating_sub(other.passed),
            failed: self.failed.saturating_sub(other.failed),
            unknown: self.unknown.saturating_sub(other.unknown),
            lateness: Lateness(difference(self.lateness.0, other.lateness.0)),
            durations: Durations(difference(self.durations.0, other.durations.0)),
        }
    }

    /// Adds what `other` counted.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            expected: self.expected + other.expected,
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            unknown: self.unknown + other.unknown,
            lateness: Lateness(sum(self.lateness.0, other.lateness.0)),
            durations: Durations(sum(self.durations.0, other.durations.0)),
        }
    }

    /// Slots without a run.
    pub fn missed(&self) -> u64 {
        self.expected.saturating_sub(self.passed + self.failed + self.unknown)
    }

    /// The share of known results that passed, 0 to 1; `None` when nothing is known.
    pub fn uptime(&self) -> Option<f64> {
        share(self.passed, self.passed + self.failed)
    }

    /// The share of expected slots whose result is known, 0 to 1; `None` when none was expected.
    pub fn coverage(&self) -> Option<f64> {
        share((self.passed + self.failed).min(self.expected), self.expected)
    }
}

/// A part of a whole.
#[expect(clippy::cast_precision_loss, reason = "counts of slots are far below 2^53")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::rendezvous::owner;
    use crate::domain::schedule::{Cron, Interval};

    fn at(seconds: u32) -> Timestamp {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().expect("a time");
        start + Duration::from_secs(seconds.into())
    }

    fn life(from: u32, until: u32) -> Life {
        Life { from: at(from), until: at(until) }
    }

    fn watch(until: Option<u32>) -> Watch {
        let every = Interval::new(Duration::from_secs(10)).expect("in range");
        Watch {
            check: CheckId::new("login").expect("a good name"),
            region: Region::new("eu").expect("a good name"),
            schedule: Schedule::Every(every),
            duty: Duty::Run,
            from: at(0),
            until: until.map(at),
        }
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    fn reasons(gaps: &[Gap]) -> Vec<(GapReason, u64)> {
        gaps.iter().map(|gap| (gap.reason, gap.slots)).collect()
    }

    #[test]
    fn the_reason_is_who_was_away() {
        let presence = Presence {
            hub: vec![life(0, 1000), life(2000, 5000)],
            agents: vec![life(0, 1000), life(2000, 3000)],
        };
        let gaps = watch(None).gaps((at(1000), at(4000)), |_| false, &presence, PATIENCE);
        let expected =
            [(GapReason::HubDown, 100), (GapReason::Stalled, 99), (GapReason::AgentLost, 101)];
        assert_eq!(reasons(&gaps), expected);
    }

    #[test]
    fn an_agent_that_lives_is_not_missed_between_two_signs_of_life() {
        // It was last seen 4 s before the accountant comes round, and will be 1 s later.
        let presence = |seen| Presence { hub: vec![life(0, 1000)], agents: vec![life(0, seen)] };
        let come_round = |seen, patience| {
            let window = (at(900), at(1000) - patience);
            reasons(&watch(None).gaps(window, |_| false, &presence(seen), patience))
        };
        assert_eq!(come_round(996, PATIENCE), [(GapReason::Stalled, 7)]);
        assert_eq!(come_round(985, PATIENCE), [(GapReason::Stalled, 7)]);
        // What came due after the last sign of life has the death for its reason, however little
        // patience there is.
        for patience in [PATIENCE, Duration::from_secs(15), Duration::ZERO] {
            let told = come_round(910, patience);
            let (reason, slots) = told.last().copied().expect("a gap");
            let after = (100 - patience.as_secs()) / 10 - 1;
            assert!(reason == GapReason::AgentLost && slots >= after, "{patience:?}: {told:?}");
        }
    }

    #[test]
    fn a_slot_that_went_with_its_check_is_told_from_others() {
        let presence = Presence { hub: vec![life(0, 1000)], agents: vec![life(0, 1000)] };
        let whole = watch(None);
        let last = whole.slots(at(0), at(100)).last().expect("a slot");
        let ended = Watch { until: Some(last + Duration::from_millis(3)), ..whole };
        let gaps = ended.gaps((at(0), at(500)), |slot| slot < last, &presence, PATIENCE);
        assert_eq!(reasons(&gaps), [(GapReason::ProjectChanged, 1)]);
        // So does one that came with it: nobody knew of it in time.
        let begun = Watch { from: at(100), until: None, ..ended.clone() };
        let first = begun.slots(at(100), at(200)).next().expect("a slot");
        let begun = Watch { from: first - Duration::from_millis(3), ..begun };
        let gaps = begun.gaps((at(100), first), |_| false, &presence, PATIENCE);
        assert_eq!(reasons(&gaps), [(GapReason::ProjectChanged, 1)]);
        let gaps = begun.gaps((first, at(200)), |_| false, &presence, PATIENCE);
        assert!(matches!(reasons(&gaps)[..], [(GapReason::Stalled, _)]), "what comes later");
        let paused = Watch { duty: Duty::Paused, ..ended };
        let gaps = paused.gaps((at(0), at(500)), |slot| slot < last, &presence, PATIENCE);
        assert_eq!(reasons(&gaps), [(GapReason::Paused, 1)], "whatever happens meanwhile");
    }

    #[test]
    fn shares_are_of_what_is_known_and_of_what_was_expected() {
        let tally = Tally { expected: 10, passed: 6, failed: 2, unknown: 1, ..Tally::default() };
        assert_eq!((tally.uptime(), tally.coverage()), (Some(0.75), Some(0.8)));
        assert_eq!(tally.missed(), 1);
        assert_eq!((Tally::default().uptime(), Tally::default().coverage()), (None, None));
    }

    #[test]
    fn lateness_is_read_off_its_classes() {
        let mut classes = [0; 10];
        (classes[0], classes[2], classes[9]) = (50, 49, 1);
        let lateness = Lateness(classes);
        assert_eq!(lateness.at_most(0.5), Some(Duration::from_millis(1)));
        assert_eq!(lateness.at_most(0.99), Some(Duration::from_millis(5)));
        assert_eq!(lateness.at_most(1.0), None);
        assert_eq!(Lateness::default().at_most(0.5), None);
    }

    #[test]
    fn a_slot_belongs_to_the_hour_that_it_ends() {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let hour = |text| hour_of(time(text));
        assert_eq!(hour("2026-11-21T03:00:00.001Z"), time("2026-11-21T03:00:00Z"));
        assert_eq!(hour("2026-11-21T04:00:00.000Z"), time("2026-11-21T03:00:00Z"));
        assert_eq!(hour("1970-01-01T00:00:00Z"), time("1969-12-31T23:00:00Z"));
        let (on, after) = (time("2026-11-21T04:00:00Z"), time("2026-11-21T04:00:00.001Z"));
        assert_eq!((next_hour(on), last_hour(on)), (on, on));
        assert_eq!((next_hour(after), last_hour(after)), (time("2026-11-21T05:00:00Z"), on));
    }

    #[test]
    fn a_run_is_counted_in_the_classes_that_it_fits() {
        let run = |late, took| {
            let (late, took) = (TimeDelta::milliseconds(late), Duration::from_micros(took));
            let tally = Tally::of_run(Outcome::Failed, late, took);
            let class = |classes: &[u64]| classes.iter().position(|runs| *runs == 1);
            (class(&tally.lateness.0), class(&tally.durations.0))
        };
        assert_eq!(run(-5, 0), (Some(0), Some(0)));
        assert_eq!(run(1, 10_000), (Some(0), Some(0)));
        assert_eq!(run(2, 10_001), (Some(1), Some(1)));
        assert_eq!(run(10_001, 30_000_001), (Some(9), Some(11)));
        let one = Tally::of_run(Outcome::Passed, TimeDelta::zero(), Duration::ZERO);
        let other = Tally::of_run(Outcome::Unknown, TimeDelta::days(1), Duration::from_hours(1));
        assert_eq!(one.and(other).without(one), other);
    }

    /// When somebody edits a check, and what is expected of it from then on.
    type Edits = std::collections::BTreeMap<u32, Option<(usize, bool)>>;
    /// An agent: its name, its region, when it starts, and for how long it runs.
    type Agents = Vec<(usize, usize, u32, u32)>;

    /// The end of a history, in seconds.
    const END: u32 = 6 * 3_600;
    const NAMES: [&str; 3] = ["one", "two", "three"];

    fn schedule(number: usize) -> Schedule {
        let every = |seconds| {
            Schedule::Every(Interval::new(Duration::from_secs(seconds)).expect("in range"))
        };
        let cron = |line, zone| Schedule::Cron(Box::new(Cron::parse(line, zone).expect("a line")));
        match number {
            0 => every(30),
            1 => every(97),
            2 => cron("*/5 * * * *", "Europe/Berlin"),
            // In the hours that are skipped, and come twice.
            3 => cron("*/10 1-3 * * *", "Europe/Berlin"),
            _ => cron("*/15 * * * *", "Australia/Lord_Howe"),
        }
    }

    /// The watches that the edits leave behind in a region.
    fn watches(edits: &Edits, region: usize, time: impl Fn(u32) -> Timestamp) -> Vec<Watch> {
        let ends = edits.keys().skip(1).map(|at| Some(time(*at))).chain([None]);
        let begun = edits.iter().zip(ends).filter_map(|((from, terms), until)| {
            let (number, is_paused) = (*terms)?;
            let duty = if is_paused { Duty::Paused } else { Duty::Run };
            let region = Region::new(["eu", "us"][region]).expect("a good name");
            let (schedule, from) = (schedule(number), time(*from));
            Some(Watch { region, schedule, duty, from, until, ..watch(None) })
        });
        begun.collect()
    }

    /// Whether somebody ran a slot: whoever has the check, of those who were there.
    fn is_run(watch: &Watch, slot: Timestamp, agents: &[(&str, Life)]) -> bool {
        let there = agents.iter().filter(|(_, life)| life.from <= slot && slot <= life.until);
        watch.duty == Duty::Run && owner(&watch.check, there.map(|(name, _)| *name)).is_some()
    }

    /// Whether the evidence is for the reason of a slot, and for no other.
    fn is_sound(watch: &Watch, slot: Timestamp, reason: GapReason, presence: &Presence) -> bool {
        let covers = |lives: &[Life], silence: Duration| {
            lives.iter().any(|it| it.from <= slot && slot + PATIENCE <= it.until + silence)
        };
        let hub = covers(&presence.hub, Duration::ZERO);
        let agent = covers(&presence.agents, SEEN_FOR);
        let changing = slot - watch.from <= TimeDelta::seconds(2)
            || watch.until.is_some_and(|end| end - slot <= TimeDelta::seconds(2));
        match reason {
            GapReason::Paused => watch.duty == Duty::Paused,
            GapReason::ProjectChanged => watch.duty == Duty::Run && changing,
            GapReason::HubDown => watch.duty == Duty::Run && !changing && !hub,
            GapReason::AgentLost => watch.duty == Duty::Run && !changing && hub && !agent,
            GapReason::Stalled => watch.duty == Duty::Run && !changing && hub && agent,
        }
    }

    proptest! {
        /// Every expected slot of every region has exactly one run or is in exactly one gap, with the
        /// reason that the evidence gives: whatever is edited or switched off, whoever starts and
        /// ends, wherever clocks are set forward and back, and however often, late or by however
        /// wrong a clock somebody comes round.
        #[test]
        fn every_slot_is_accounted_for(
            night in prop::sample::select(vec!["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"]),
            edits in prop::collection::btree_map(
                0..END, prop::option::weighted(0.8, (0_usize..5, prop::bool::weighted(0.2))), 1..6,
            ),
            hubs in prop::collection::vec((0..END, 0..END), 0..4),
            agents in prop::collection::vec((0..3_usize, 0..2_usize, 0..END, 0..END), 0..8),
            rounds in prop::collection::vec(0..2 * END, 0..30),
        ) {
            let start: Timestamp = night.parse().expect("a time");
            let time = |seconds: u32| start + Duration::from_secs(seconds.into());
            let lasts = |from, long| Life { from: time(from), until: time(from + long) };
            let hub: Vec<Life> = hubs.into_iter().map(|(from, long)| lasts(from, long)).collect();
            for region in 0..2 {
                let here: Vec<(&str, Life)> = living(&agents, region, lasts);
                let lives = here.iter().map(|(_, life)| *life).collect();
                let presence = Presence { hub: hub.clone(), agents: lives };
                let watches = watches(&edits, region, time);
                let gaps = accounted(&watches, &rounds, time, &here, &presence);
                let mut slots = 0;
                for watch in &watches {
                    for slot in watch.slots(start, time(END)) {
                        let inside: Vec<&Gap> =
                            gaps.iter().filter(|it| it.first <= slot && slot <= it.last).collect();
                        let ran = is_run(watch, slot, &here);
                        prop_assert_eq!(inside.len() + usize::from(ran), 1, "{}", slot);
                        if let Some(gap) = inside.first() {
                            prop_assert!(is_sound(watch, slot, gap.reason, &presence), "{gap:?}");
                            slots += 1;
                        }
                    }
                    let all = watch.slots(start, time(END)).count() as u64;
                    prop_assert_eq!(watch.count(start, time(END)), all);
                }
                prop_assert_eq!(gaps.iter().map(|gap| gap.slots).sum::<u64>(), slots);
            }
        }
    }

    /// The agents of a region, by name.
    fn living(
        agents: &Agents,
        region: usize,
        lasts: impl Fn(u32, u32) -> Life,
    ) -> Vec<(&'static str, Life)> {
        let here = agents.iter().filter(|(_, place, ..)| *place == region);
        here.map(|(name, _, from, long)| (NAMES[*name], lasts(*from, *long))).collect()
    }

    /// The gaps that are recorded by whoever comes round at these times, in this order, and at the end.
    /// What is accounted for is not looked at again.
    fn accounted(
        watches: &[Watch],
        rounds: &[u32],
        time: impl Fn(u32) -> Timestamp,
        agents: &[(&str, Life)],
        presence: &Presence,
    ) -> Vec<Gap> {
        let (mut gaps, mut until) = (Vec::new(), time(0));
        for round in rounds.iter().map(|at| time(*at).min(time(END))).chain([time(END)]) {
            let period = (until, round.max(until));
            for watch in watches {
                let ran = |slot| is_run(watch, slot, agents);
                gaps.extend(watch.gaps(period, ran, presence, PATIENCE));
            }
            until = period.1;
        }
        gaps
    }
}
