//! Shortfall: too few of a region's slots have a known result.
//!
//! What is missed here and there is nobody's incident by itself: no run of it is reported, or every
//! fifth ends unknown. [`Standing::of`] judges what the accounts say of a region over some time, and
//! [`review`] keeps one incident about it. Slots during which another incident told that nobody knows
//! are not to be counted.
//!
//! | what was seen | standing |
//! |---|---|
//! | a check that is due again and again is not run, though an agent is there | short |
//! | of enough slots, over a quarter of the time at least, less than the share is known; and so in the last quarter | short |
//! | in the last quarter the share is known, and no check may be silent | even |
//! | else | unclear: what is open stays open, and nothing is opened |
//!
//! Must not: open an incident about a region that has one already because nobody sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::changes::{Opening, end, opened};
use super::{Watched, first_tier, in_region};
use crate::domain::Timestamp;
use crate::domain::coverage::Tally;
use crate::domain::id::{CheckId, Region};
use crate::domain::incident::{Change, Incident};
use crate::domain::subject::Subject;

/// So many slots in a row without a run, though an agent is there, are a silent check.
pub const SILENT_AFTER: usize = 3;

/// The part of the time that is the present, and without which nothing is judged: one of so many.
const PARTS: u32 = 4;

/// When coverage is too low.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The share of slots, 0 to 1, whose result is to be known; 0 asks for nothing.
    pub below: f64,
    /// Over which time.
    pub over: Duration,
    /// Of how many slots at least.
    pub slots: u64,
}

impl Default for Rule {
    fn default() -> Self {
        Self { below: 0.9, over: Duration::from_hours(1), slots: 20 }
    }
}

impl Rule {
    /// Whether it can ever be broken.
    pub fn is_on(&self) -> bool {
        self.below > 0.0
    }

    /// The part of the time that is the present.
    pub fn recently(&self) -> Duration {
        self.over / PARTS
    }
}

/// A check that is due and not run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Silent {
    /// Since which slot.
    pub since: Timestamp,
    /// The check.
    pub check: CheckId,
}

/// What the accounts say of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The time that was looked at: slots after its first moment and up to its second.
    pub period: (Timestamp, Timestamp),
    /// What became of its slots.
    pub whole: Tally,
    /// What became of those of the present.
    pub recent: Tally,
    /// The checks that are not run, though an agent is there.
    pub silent: BTreeSet<Silent>,
    /// Whether a check was not run for as long, and agents came and went meanwhile.
    pub perhaps_silent: bool,
}

/// Whether enough is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Too little, since then; says what.
    Short(Timestamp, String),
    /// Enough.
    Even,
    /// It cannot be said.
    Unclear,
}

impl Standing {
    /// What `seen` means.
    pub fn of(seen: &Seen, rule: &Rule) -> Self {
        if !rule.is_on() {
            return Self::Even;
        }
        if let Some(first) = seen.silent.first() {
            return Self::Short(first.since, silence(&seen.silent, first));
        }
        let is_low = |tally: &Tally| tally.coverage().is_some_and(|share| share < rule.below);
        let (after, until) = seen.period;
        if !is_low(&seen.recent) {
            let is_even = seen.recent.expected > 0 && !seen.perhaps_silent;
            return if is_even { Self::Even } else { Self::Unclear };
        }
        let long =
            until - after >= chrono::TimeDelta::from_std(rule.recently()).unwrap_or_default();
        if long && is_low(&seen.whole) && seen.whole.expected >= rule.slots {
            return Self::Short(after, shortage(&seen.whole, (after, until), rule));
        }
        Self::Unclear
    }
}

fn silence(silent: &BTreeSet<Silent>, first: &Silent) -> String {
    let check = &first.check;
    match silent.len() {
        1 => format!("{check} is due and not run, though an agent is there"),
        count => {
            format!("{count} checks are due and not run, though an agent is there: {check} is one")
        }
    }
}

fn shortage(whole: &Tally, (after, until): (Timestamp, Timestamp), rule: &Rule) -> String {
    let percent = |share: f64| (share * 100.0).floor();
    format!(
        "of the {} slots of the last {} min the results of {} % are known, less than {} %: {} were \
         not run, {} ended unknown",
        whole.expected,
        (until - after).num_minutes(),
        percent(whole.coverage().unwrap_or_default()),
        percent(rule.below),
        whole.missed(),
        whole.unknown
    )
}

/// Decides about incidents of shortfall at `now`: `standings` are of the regions that were looked at,
/// `open` the open incidents, `others` what is decided about them meanwhile.
pub fn review(
    checks: &[Watched<'_>],
    standings: &BTreeMap<Region, Standing>,
    open: &BTreeMap<Subject, Incident>,
    others: &[Change],
    now: Timestamp,
) -> Vec<Change> {
    let is_gone = |region: &Region| in_region(checks, region).next().is_none();
    let ended = open.iter().filter_map(|(subject, incident)| {
        let Subject::Shortfall(region) = subject else { return None };
        let is_even = standings.get(region) == Some(&Standing::Even);
        (is_even || is_gone(region)).then(|| end(subject, incident, checks, now))
    });
    let is_told = |region: &Region| {
        let blind = Subject::Region(region.clone());
        let decided = others.iter().any(|change| change.subject == blind);
        decided || open.contains_key(&blind)
    };
    let begun = standings.iter().filter_map(|(region, standing)| {
        let Standing::Short(since, error) = standing else { return None };
        let subject = Subject::Shortfall(region.clone());
        if open.contains_key(&subject) || is_told(region) || is_gone(region) {
            return None;
        }
        let opening = Opening {
            region,
            since: *since,
            error: error.clone(),
            recipients: in_region(checks, region).flat_map(|it| first_tier(it.rules)).collect(),
            now,
        };
        Some(opened(&subject, opening, region.as_str(), None))
    });
    ended.chain(begun).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        start + TimeDelta::minutes(minute)
    }

    fn tally(expected: u64, known: u64, unknown: u64) -> Tally {
        Tally { expected, passed: known, unknown, ..Tally::default() }
    }

    fn seen(minutes: i64, whole: Tally, recent: Tally) -> Seen {
        let period = (at(60 - minutes), at(60));
        Seen { period, whole, recent, silent: BTreeSet::new(), perhaps_silent: false }
    }

    fn standing(seen: &Seen) -> Standing {
        Standing::of(seen, &Rule::default())
    }

    #[test]
    fn too_few_known_results_are_a_shortfall() {
        let low = seen(60, tally(120, 90, 10), tally(30, 20, 3));
        let said = "of the 120 slots of the last 60 min the results of 75 % are known, less than \
                    90 %: 20 were not run, 10 ended unknown";
        assert_eq!(standing(&low), Standing::Short(at(0), said.to_owned()));
        // The share itself is enough.
        assert_eq!(standing(&seen(60, tally(120, 108, 0), tally(30, 27, 0))), Standing::Even);
        // Too few slots, too short a time, and nothing due at all say nothing.
        for unclear in [
            seen(60, tally(19, 10, 0), tally(5, 1, 0)),
            seen(14, tally(120, 90, 10), tally(120, 90, 10)),
            seen(60, tally(120, 90, 10), Tally::default()),
            // Only the present is low.
            seen(60, tally(120, 110, 0), tally(30, 20, 0)),
        ] {
            assert_eq!(standing(&unclear), Standing::Unclear, "{unclear:?}");
        }
        // What is over is over.
        assert_eq!(standing(&seen(60, tally(120, 90, 10), tally(30, 30, 0))), Standing::Even);
    }

    #[test]
    fn a_silent_check_is_a_shortfall_however_much_else_is_known() {
        let check = CheckId::new("login").expect("a good name");
        let mut seen = seen(60, tally(1000, 990, 0), tally(250, 250, 0));
        seen.silent.insert(Silent { since: at(50), check });
        let said = "login is due and not run, though an agent is there";
        assert_eq!(standing(&seen), Standing::Short(at(50), said.to_owned()));
        let off = Rule { below: 0.0, ..Rule::default() };
        assert_eq!(Standing::of(&seen, &off), Standing::Even);
        // While it is not clear whether it still is, what is open stays open.
        seen.silent.clear();
        seen.perhaps_silent = true;
        assert_eq!(standing(&seen), Standing::Unclear);
    }

    proptest! {
        /// Whatever is seen: nothing is short where all is known.
        #[test]
        fn what_is_known_is_no_shortfall(slots in 0_u64..10_000, recent in 0_u64..10_000, minutes in 0_i64..60) {
            let seen = seen(minutes, tally(slots, slots, 0), tally(recent, recent, 0));
            prop_assert!(!matches!(standing(&seen), Standing::Short(..)));
        }
    }
}
