//! A check: one thing to watch, with its options.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use super::exchange::Bodies;
use super::id::{CheckId, Region};
use super::schedule::Schedule;
use super::streak::Streak;
use super::{Timestamp, after};

/// One thing to watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Identifies the check in the store, in metrics and in URLs.
    pub id: CheckId,
    /// What people call it; the id when the author gave no name.
    pub name: String,
    /// When it runs.
    pub schedule: Schedule,
    /// Where it runs; never empty.
    pub regions: Vec<Region>,
    /// How long a run may take.
    pub timeout: Duration,
    /// The name of the policy that says who is told.
    pub policy: String,
    /// Where the recipient finds what to do.
    pub runbook: Option<String>,
    /// Free key-value pairs for filters and routes.
    pub labels: BTreeMap<String, String>,
    /// Whether heads and bodies of requests are kept of runs that did not pass.
    pub bodies: Bodies,
    /// What a run does.
    pub work: Work,
}

/// After so many intervals, a result does not speak of the present any more; but not before it is
/// this old: where runs are seconds apart, a busy machine is no reason to tell nobody.
const FRESH: (u32, TimeDelta) = (2, TimeDelta::seconds(10));

/// A region that has not answered for so many intervals, while others did, is not waited for; but
/// it has at least this time.
const PATIENCE: (u32, TimeDelta) = (10, TimeDelta::seconds(60));

impl Check {
    /// Whether what was seen at `seen` says nothing of `now` any more: two intervals have passed,
    /// and ten seconds.
    pub fn is_old(&self, seen: Timestamp, now: Timestamp) -> bool {
        self.are_gone(FRESH, seen, now)
    }

    fn are_gone(
        &self,
        (intervals, least): (u32, TimeDelta),
        since: Timestamp,
        now: Timestamp,
    ) -> bool {
        now - since > least && self.schedule.later_by(since, intervals) < now
    }

    /// Whether what is known of a region speaks of `now`.
    pub fn is_current(&self, streak: &Streak, now: Timestamp) -> bool {
        let seen = |slot| !self.is_old(after(slot, self.timeout), now);
        streak.last_slot.is_some_and(seen) && !streak.is_blind()
    }

    /// Whether a region with `streak` has been silent for long at `now`, while another one answers
    /// since `others_since` without a break. A silence in which nobody answered is not the
    /// region's own, and does not count.
    pub fn is_silent(&self, streak: &Streak, others_since: Timestamp, now: Timestamp) -> bool {
        let since = streak.heard_until().map_or(others_since, |heard| heard.max(others_since));
        self.are_gone(PATIENCE, since, now)
    }
}

/// What a run does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Runs the default function of an ES module in the sandbox.
    Script {
        /// The module, relative to the project folder, with forward slashes.
        entry: String,
    },
    /// Makes one request and compares the answer; needs no script and no child process.
    Request(Box<RequestSpec>),
}

/// One request and what must be true of its answer.
///
/// `url`, header values and `body` may name secrets as `${secret.NAME}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSpec {
    /// The method, in upper case.
    pub method: String,
    /// An `http` or `https` URL.
    pub url: String,
    /// Headers in the order written.
    pub headers: Vec<(String, String)>,
    /// The body, if one is sent.
    pub body: Option<String>,
    /// What must be true of the answer.
    pub expect: Expectations,
}

/// What must be true of an answer; all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectations {
    /// One of these; when empty, any status below 400.
    pub status: Vec<StatusRange>,
    /// Texts that must occur in the body.
    pub body: Vec<TextExpectation>,
    /// Values that must stand at places of a JSON body.
    pub json: Vec<JsonExpectation>,
    /// Headers (lower-case names) and what must occur in their values.
    pub header: Vec<(String, TextExpectation)>,
    /// The whole request may take this long.
    pub max_time: Option<Duration>,
}

/// Statuses from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The lowest status.
    pub first: u16,
    /// The highest status.
    pub last: u16,
}

impl StatusRange {
    /// Whether `status` is in the range.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl std::fmt::Display for StatusRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// How a text is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextExpectation {
    /// The text occurs.
    Contains(String),
    /// The text does not occur.
    Lacks(String),
    /// The regular expression (crate `regex` syntax) matches somewhere.
    Matches(String),
}

/// A place in a JSON document and the value that must stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonExpectation {
    /// The place as keys and indexes with dots: `user.roles.0`; empty for the whole document.
    pub path: String,
    /// The value as JSON text.
    pub equals: String,
}

#[cfg(test)]
impl Check {
    /// A script that runs every half a minute in `eu`, for tests.
    pub(crate) fn example(id: &str) -> Self {
        use super::policy::Policy;
        use super::schedule::Interval;
        let interval = Interval::new(Duration::from_secs(30)).expect("in range");
        Self {
            id: CheckId::new(id).expect("a good name"),
            name: id.into(),
            schedule: Schedule::Every(interval),
            regions: vec![Region::new("eu").expect("a good name")],
            timeout: Duration::from_secs(20),
            policy: Policy::DEFAULT_NAME.into(),
            runbook: None,
            labels: BTreeMap::new(),
            bodies: Bodies::default(),
            work: Work::Script { entry: format!("checks/{id}.js") },
        }
    }
}
