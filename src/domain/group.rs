//! A group of checks that answers, as one, whether what they watch is well: for load balancers and DNS.
//!
//! A check is ill in a region after so many failures in a row there, and well again after so many passed
//! runs in a row; an unknown run neither adds to either nor ends it. A check is ill while it is so in as
//! many of its regions as the quorum wants, and the group while fewer of its checks are well than it needs.
//! What has not failed so often since it is watched is well, so that a new check brings nothing down; a
//! group without checks is not well, because nobody watches for it.
//!
//! Must not: tell anybody; that is what incidents are for.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Check;
use super::id::CheckId;
use super::policy::Quorum;
use super::run::Outcome;
use super::streak::Streak;

/// Results in a row after which a check counts as ill, or as well again, where nothing is written.
pub const IN_A_ROW: u32 = 3;

/// Which checks, and what they must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name, the last part of its path.
    pub name: String,
    /// Checks that it has by name.
    pub checks: BTreeSet<CheckId>,
    /// Checks with all of these labels, too, where there are any.
    pub labels: BTreeMap<String, String>,
    /// Failures in a row by which a check is ill in a region.
    pub failures: u32,
    /// Passed runs in a row by which it is well there again.
    pub passes: u32,
    /// In how many of its regions a check must be ill to be so.
    pub quorum: Quorum,
    /// How many of the checks must be well.
    pub needs: Quorum,
}

impl Group {
    /// Whether `check` belongs to it.
    pub fn has(&self, check: &Check) -> bool {
        let fits = |(key, value): (&String, &String)| check.labels.get(key) == Some(value);
        self.checks.contains(&check.id) || (!self.labels.is_empty() && self.labels.iter().all(fits))
    }

    /// Whether a check is well in a region, where its streak alone says so.
    pub fn by_streak(&self, streak: &Streak) -> Option<bool> {
        if streak.failures >= self.failures {
            return Some(false);
        }
        (streak.passes >= self.passes).then_some(true)
    }

    /// Whether a check is well in a region, by its outcomes there, the latest first; `None` where none
    /// of them are enough in a row.
    pub fn by_outcomes(&self, latest_first: impl IntoIterator<Item = Outcome>) -> Option<bool> {
        let (mut failures, mut passes) = (0, 0);
        for outcome in latest_first {
            match outcome {
                Outcome::Failed => (failures, passes) = (failures + 1, 0),
                Outcome::Passed => (failures, passes) = (0, passes + 1),
                Outcome::Unknown => {}
            }
            if failures >= self.failures {
                return Some(false);
            }
            if passes >= self.passes {
                return Some(true);
            }
        }
        None
    }

    /// Whether a check is well that is ill in `ill` of its `regions`.
    pub fn is_check_well(&self, ill: usize, regions: usize) -> bool {
        ill < self.quorum.of(regions)
    }

    /// Whether it is well while `well` of its `checks` are.
    pub fn is_well(&self, well: usize, checks: usize) -> bool {
        well >= self.needs.of(checks)
    }
}

#[cfg(test)]
mod tests {
    use Outcome::{Failed, Passed, Unknown};

    use super::*;

    fn group() -> Group {
        Group {
            name: "shop".into(),
            checks: [CheckId::new("login").expect("a name")].into(),
            labels: BTreeMap::new(),
            failures: IN_A_ROW,
            passes: IN_A_ROW,
            quorum: Quorum::Majority,
            needs: Quorum::All,
        }
    }

    #[test]
    fn three_in_a_row_decide_in_both_directions() {
        let by = |latest_first: &[Outcome]| group().by_outcomes(latest_first.iter().copied());
        assert_eq!(by(&[Failed, Failed, Passed, Passed, Passed]), Some(true), "two are too few");
        assert_eq!(by(&[Failed, Failed, Failed, Passed, Passed, Passed]), Some(false));
        assert_eq!(by(&[Passed, Passed, Failed, Failed, Failed]), Some(false), "not yet again");
        assert_eq!(by(&[Passed, Passed, Passed, Failed, Failed, Failed]), Some(true));
        assert_eq!(by(&[Failed, Unknown, Failed, Unknown, Failed]), Some(false), "neutral");
        assert_eq!(by(&[Passed, Failed, Passed, Failed]), None);
        assert_eq!(by(&[]), None);
    }

    #[test]
    fn a_streak_says_the_same_as_the_outcomes_where_it_says_anything() {
        let slot = |at: i64| chrono::DateTime::from_timestamp(at, 0).expect("a time");
        let mut bits = 0_u32;
        while bits < 1 << 10 {
            let outcomes: Vec<Outcome> =
                (0..10).map(|at| if bits >> at & 1 == 1 { Failed } else { Passed }).collect();
            let count = |streak: Streak, (at, outcome): (i64, &Outcome)| {
                streak.counting(*outcome, slot(at), 1)
            };
            let streak = (0..).zip(&outcomes).fold(Streak::default(), count);
            let said = group().by_streak(&streak);
            let by_outcomes = group().by_outcomes(outcomes.iter().rev().copied());
            assert!(said.is_none() || said == by_outcomes, "{outcomes:?}: {said:?}");
            bits += 1;
        }
    }

    #[test]
    fn a_check_is_ill_by_quorum_and_a_group_by_what_it_needs() {
        let group = group();
        assert!(group.is_check_well(1, 3) && !group.is_check_well(2, 3));
        assert!(!group.is_check_well(1, 1));
        assert!(group.is_well(2, 2) && !group.is_well(1, 2));
        assert!(!group.is_well(0, 0), "nobody watches for it");
        let lenient = Group { needs: Quorum::Count(1), ..group };
        assert!(lenient.is_well(1, 5) && !lenient.is_well(0, 5));
    }
}
