//! Uptime, coverage and gaps.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::Time;
use super::words::GapReason;
use crate::domain::Timestamp;
use crate::domain::coverage::{self, Lateness as Distribution, Tally};
use crate::store::accounts::Place;

/// How the slots of checks came out over some time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Uptime {
    /// Slots after this are counted.
    pub after: Time,
    /// Slots up to this are counted: every one of them is accounted for.
    pub until: Time,
    /// One entry for each check and region, in their order.
    pub checks: Vec<CheckUptime>,
    /// Where to go on; null when there are no more.
    pub next_after: Option<String>,
}

/// How the slots of a check in a region came out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CheckUptime {
    /// The id of the check.
    pub check: String,
    /// The region.
    pub region: String,
    /// The share of known results that passed, 0 to 1; null when nothing is known.
    pub uptime: Option<f64>,
    /// The share of expected slots whose result is known, 0 to 1; null when none was expected.
    pub coverage: Option<f64>,
    /// Slots that were expected.
    pub expected: u64,
    /// Runs that passed.
    pub passed: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that ended unknown.
    pub unknown: u64,
    /// Slots without a run.
    pub missed: u64,
    /// How late runs started.
    pub lateness: Lateness,
    /// How long they took.
    pub durations: Durations,
}

/// How late runs started: the upper end of the class in which the run at that share is; null without
/// runs, or when it was later than ten seconds.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Lateness {
    /// Of half of the runs.
    pub p50_ms: Option<u64>,
    /// Of 95 of 100 runs.
    pub p95_ms: Option<u64>,
    /// Of 99 of 100 runs.
    pub p99_ms: Option<u64>,
    /// How many runs were late by at most each time.
    pub classes: Vec<LatenessClass>,
}

/// Runs that were about as late as each other.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LatenessClass {
    /// The upper end; null for the last class, which has none.
    pub at_most_ms: Option<u64>,
    /// How many runs.
    pub runs: u64,
}

/// How long runs took: the upper end of the class in which the run at that share is; null without
/// runs, or when it took more than thirty seconds.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Durations {
    /// Of half of the runs.
    pub p50_ms: Option<u64>,
    /// Of 95 of 100 runs.
    pub p95_ms: Option<u64>,
    /// Of 99 of 100 runs.
    pub p99_ms: Option<u64>,
    /// How many runs took at most each time.
    pub classes: Vec<DurationClass>,
}

/// Runs that took about as long as each other.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DurationClass {
    /// The upper end; null for the last class, which has none.
    pub at_most_ms: Option<u64>,
    /// How many runs.
    pub runs: u64,
}

/// Slots that were not run.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Gaps {
    /// The gaps, the latest first.
    pub gaps: Vec<Gap>,
}

/// Slots in a row without a run.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Gap {
    /// The id of the check.
    pub check: String,
    /// The region.
    pub region: String,
    /// The first slot in it.
    pub first: Time,
    /// The last slot in it.
    pub last: Time,
    /// How many slots had no run when it was recorded.
    pub slots: u64,
    /// Why.
    pub reason: GapReason,
}

impl Uptime {
    /// Of the slots after the first moment of `period` and up to the second.
    pub fn new(period: (Timestamp, Timestamp), tallies: &BTreeMap<Place, Tally>) -> Self {
        let checks = tallies.iter().map(|((check, region), tally)| CheckUptime {
            check: check.as_str().to_owned(),
            region: region.as_str().to_owned(),
            uptime: tally.uptime(),
            coverage: tally.coverage(),
            expected: tally.expected,
            passed: tally.passed,
            failed: tally.failed,
            unknown: tally.unknown,
            missed: tally.missed(),
            lateness: Lateness::from(&tally.lateness),
            durations: Durations::from(&tally.durations),
        });
        Self {
            after: Time(period.0),
            until: Time(period.1),
            checks: checks.collect(),
            next_after: None,
        }
    }
}

impl From<&Distribution> for Lateness {
    fn from(lateness: &Distribution) -> Self {
        let millis = |late: Duration| u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        let at = |share: f64| lateness.at_most(share).map(millis);
        let bounds = Distribution::BOUNDS.map(Some).into_iter().chain([None]);
        let class = |(at_most_ms, runs): (Option<u64>, u64)| LatenessClass { at_most_ms, runs };
        Self {
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            classes: bounds.zip(lateness.0).map(class).collect(),
        }
    }
}

impl From<&coverage::Durations> for Durations {
    fn from(durations: &coverage::Durations) -> Self {
        let millis = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let at = |share: f64| durations.at_most(share).map(millis);
        let bounds = coverage::Durations::BOUNDS.map(Some).into_iter().chain([None]);
        let class = |(at_most_ms, runs): (Option<u64>, u64)| DurationClass { at_most_ms, runs };
        Self {
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            classes: bounds.zip(durations.0).map(class).collect(),
        }
    }
}

impl From<&coverage::Gap> for Gap {
    fn from(gap: &coverage::Gap) -> Self {
        Self {
            check: gap.check.as_str().to_owned(),
            region: gap.region.as_str().to_owned(),
            first: Time(gap.first),
            last: Time(gap.last),
            slots: gap.slots,
            reason: gap.reason.into(),
        }
    }
}
