//! A run: one execution of a check for a slot, and the report of what happened.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;

use super::exchange::Exchange;
use super::id::{CheckId, Region};
use super::slot::Slot;
use super::{Timestamp, after};

/// How a run ended.
///
/// Unknown is our own fault (a lost agent, a crashed worker, overload): it neither counts as a
/// failure in a row nor resets the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// All that was expected was seen.
    Passed,
    /// The target, or the script that watches it, did not do what was expected.
    Failed,
    /// We could not tell.
    Unknown,
}

impl Outcome {
    /// The word used in the store, in metrics, in JSON and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What went wrong, as far as it matters for what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// An expectation of the author was not met.
    Expectation,
    /// The script threw something else.
    Exception,
    /// The target could not be reached: name, connection, TLS or a broken answer.
    Network,
    /// The run was still going at its deadline.
    Timeout,
    /// The script ran into a limit of the sandbox: memory, stack, processor time, output.
    Limit,
    /// The script is not valid, or imports something that is not there.
    Script,
    /// The child process ended in a way that is no answer.
    Crashed,
    /// The previous run of the check in this region was still going.
    Overlap,
    /// The agent had no capacity in time.
    Overload,
    /// The agent was stopped.
    Interrupted,
    /// The agent could not do its part: it has no descriptors, memory, ports or certificate
    /// authorities left, or its own proxy does not serve it.
    Agent,
    /// None of the region's control targets answers either.
    CutOff,
}

impl FailureKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Expectation,
        Self::Exception,
        Self::Network,
        Self::Timeout,
        Self::Limit,
        Self::Script,
        Self::Crashed,
        Self::Overlap,
        Self::Overload,
        Self::Interrupted,
        Self::Agent,
        Self::CutOff,
    ];

    /// Whether this is the target's (or the script's) failure or our own.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Expectation
            | Self::Exception
            | Self::Network
            | Self::Timeout
            | Self::Limit
            | Self::Script => Outcome::Failed,
            Self::Crashed
            | Self::Overlap
            | Self::Overload
            | Self::Interrupted
            | Self::Agent
            | Self::CutOff => Outcome::Unknown,
        }
    }

    /// Whether it may come of something between us and the target, and so need not be the target's.
    pub fn may_be_on_the_way(self) -> bool {
        matches!(self, Self::Expectation | Self::Exception | Self::Network | Self::Timeout)
    }

    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expectation => "expectation",
            Self::Exception => "exception",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Script => "script",
            Self::Crashed => "crashed",
            Self::Overlap => "overlap",
            Self::Overload => "overload",
            Self::Interrupted => "interrupted",
            Self::Agent => "agent",
            Self::CutOff => "cut_off",
        }
    }
}

/// Why a run did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What sort of failure.
    pub kind: FailureKind,
    /// What happened, in words; the first line can stand alone.
    pub message: String,
    /// The name of the innermost step that was open, or failed first.
    pub step: Option<String>,
    /// What was expected and received, where an expectation failed.
    pub comparison: Option<Comparison>,
    /// Where in the script.
    pub position: Option<Position>,
    /// The lines of the script around the position, with a caret; plain text.
    pub frame: Option<String>,
    /// Whether the same check had passed again in the same region by the time that this was heard of
    /// ([`mark_overtaken`]). It says how the news came, and is stored with the run so that what was decided
    /// can be decided once more.
    pub overtaken: bool,
}

impl Failure {
    /// A failure of which no more is known than its message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            step: None,
            comparison: None,
            position: None,
            frame: None,
            overtaken: false,
        }
    }

    /// This failure, as one that says nothing of the target: no control target answers, which `why`
    /// says of each.
    #[must_use]
    pub fn cut_off(self, why: &str) -> Self {
        let why = shortened(why, LONGEST_WHY);
        let message = format!("{CUT_OFF}{why}{CUT_OFF_END}\nthe failure was: {}", self.message);
        Self { kind: FailureKind::CutOff, message, ..self }
    }

    /// The failure in one line of bounded length. A failed `expect` says what was expected and what
    /// came instead, after what the script says about it.
    pub fn headline(&self) -> String {
        let first = self.message.lines().next().unwrap_or_default();
        let call = self.comparison.as_ref().zip(first.split_once(CALL));
        match call {
            Some((comparison, (about, _))) => {
                let about = about.strip_prefix(EXPECTATION_ERROR).unwrap_or(about);
                shortened(about, LONGEST_VALUE) + &comparison.in_one_line()
            }
            None => shortened(first, LONGEST_HEADLINE),
        }
    }

    /// The message without the values that [`Self::comparison`] has.
    pub fn account(&self) -> &str {
        let values = self.comparison.as_ref().and_then(|comparison| {
            let Comparison { expected, received } = comparison;
            self.message.strip_suffix(&format!("\nexpected: {expected}\nreceived: {received}"))
        });
        values.unwrap_or(&self.message)
    }
}

/// What the message of a failure while a region is cut off begins with, and what follows the reason.
const CUT_OFF: &str = "region cut off: no control target answers (";
const CUT_OFF_END: &str = "), so this failure says nothing about the target";
/// The longest reason in it, in characters: it must fit into the one line that a streak keeps.
const LONGEST_WHY: usize = 180;

/// Why a region is cut off, by the headline of a failure there; `None` of any other failure.
pub fn why_cut_off(headline: &str) -> Option<&str> {
    let rest = headline.strip_prefix(CUT_OFF)?;
    Some(rest.split_once(CUT_OFF_END).map_or(rest, |(why, _)| why))
}

/// What the first line of a failed `expect` has where the values belong.
const CALL: &str = "expect(received)";
/// The name of the error that a failed `expect` throws.
const EXPECTATION_ERROR: &str = "ExpectationError: ";
/// The longest headline, and the longest value in one, in characters.
const LONGEST_HEADLINE: usize = 400;
const LONGEST_VALUE: usize = 120;

/// At most `limit` characters of `text`; what is cut ends in `…`.
fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some(_) => text.chars().take(limit - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// What was expected and what came instead, as the script would write the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What the author expected.
    pub expected: String,
    /// What came.
    pub received: String,
}

impl Comparison {
    /// "expected 200, received 503", with long values shortened.
    fn in_one_line(&self) -> String {
        let short = |value: &str| {
            shortened(&value.split_whitespace().collect::<Vec<_>>().join(" "), LONGEST_VALUE)
        };
        format!("expected {}, received {}", short(&self.expected), short(&self.received))
    }
}

/// A place in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file, relative to the project folder.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// A named part of a script, timed. Offsets count from the start of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The author's name for it.
    pub name: String,
    /// The index of the step around it.
    pub parent: Option<u32>,
    /// When it started.
    pub start: Duration,
    /// How long it took; `None` when the run ended first.
    pub duration: Option<Duration>,
    /// The first line of the error it ended with.
    pub error: Option<String>,
}

/// One request that a run made. Offsets count from the start of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The index of the step in which it was made.
    pub step: Option<u32>,
    /// When it started.
    pub start: Duration,
    /// The method.
    pub method: String,
    /// The URL, with secrets masked.
    pub url: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The address that was dialled, as `ip:port`.
    pub remote: Option<String>,
    /// Bytes of the body sent.
    pub sent: u64,
    /// Bytes of the body received, as they came over the wire.
    pub received: u64,
    /// Where the time went.
    pub timings: Timings,
    /// Until when the server's certificate is valid; `None` without TLS, or when it was not shown.
    pub certificate_until: Option<Timestamp>,
    /// Why there is no answer.
    pub error: Option<String>,
    /// What it carried and what came back, as far as that is kept.
    pub exchange: Option<Box<Exchange>>,
}

/// Where the time of a request went. A phase is `None` when it did not happen: a kept connection
/// needs no DNS, connect or TLS, an address in the URL no DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Resolving the name.
    pub dns: Option<Duration>,
    /// Opening the TCP connection.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request's first byte to the answer's first byte.
    pub wait: Option<Duration>,
    /// Reading the body.
    pub download: Option<Duration>,
}

/// The level of a line that a script wrote to its console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// `console.debug`
    Debug,
    /// `console.log` and `console.info`
    Info,
    /// `console.warn`
    Warn,
    /// `console.error`
    Error,
}

impl LogLevel {
    /// All levels.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The level of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }

    /// The word used in JSON and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A line that a script wrote to its console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When, from the start of the run.
    pub at: Duration,
    /// How grave.
    pub level: LogLevel,
    /// What; secrets masked.
    pub text: String,
}

/// A value that a script measured with `metric()`.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The name of the metric.
    pub name: String,
    /// The value; finite.
    pub value: f64,
    /// Tags as key and value.
    pub tags: Vec<(String, String)>,
}

/// What an agent reports of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was to be done.
    pub slot: Slot,
    /// When the run really started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Why it did not pass; `None` when it passed.
    pub failure: Option<Failure>,
    /// What was done and seen.
    pub trace: Trace,
    /// By how much the clock by which its slot was run was ahead of ours. It matters while the report
    /// is judged, and is not stored.
    pub clock_ahead: TimeDelta,
}

/// Marks the failures among reports that were handed over together after which the same check passed
/// in the same region, as another of these reports says: whoever is told of such a failure is told of
/// what is over.
pub fn mark_overtaken(reports: &mut [Report]) {
    let failed = |it: &Report| it.outcome() == Outcome::Failed;
    if reports.len() < 2 || !reports.iter().any(failed) {
        return;
    }
    let mut passed: HashMap<(CheckId, Region), Timestamp> = HashMap::new();
    for Report { slot, .. } in reports.iter().filter(|it| it.outcome() == Outcome::Passed) {
        let last = passed.entry((slot.check.clone(), slot.region.clone())).or_insert(slot.at);
        *last = slot.at.max(*last);
    }
    for report in reports.iter_mut().filter(|it| failed(it)) {
        let Slot { check, region, at } = &report.slot;
        let last = passed.get(&(check.clone(), region.clone()));
        if let (Some(failure), Some(last)) = (&mut report.failure, last) {
            failure.overtaken = last > at;
        }
    }
}

/// What was done and seen during a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// The steps in the order in which they started.
    pub steps: Vec<Step>,
    /// The requests in the order in which they started.
    pub requests: Vec<Request>,
    /// The console.
    pub logs: Vec<LogLine>,
    /// Values measured by the script.
    pub measurements: Vec<Measurement>,
    /// What was left out to keep the report within its limits, in words.
    pub dropped: Vec<String>,
}

impl Report {
    /// How the run ended: a failure decides it by its kind, so that no error can pass for success.
    pub fn outcome(&self) -> Outcome {
        self.failure.as_ref().map_or(Outcome::Passed, |failure| failure.kind.outcome())
    }

    /// The report with the times of a run by our clock, where those in it are by one that is `ahead`
    /// of ours. The slot stays: it is what was asked for, and names the run.
    #[must_use]
    pub fn by_a_clock_ahead(mut self, ahead: TimeDelta) -> Self {
        self.started_at = self.started_at.checked_sub_signed(ahead).unwrap_or(self.started_at);
        self.clock_ahead = ahead;
        self
    }

    /// When its slot was by our clock, for what is judged by time; the slot itself names the run.
    pub fn slot_by_our_clock(&self) -> Timestamp {
        self.slot.at.checked_sub_signed(self.clock_ahead).unwrap_or(self.slot.at)
    }

    /// How late the run started; zero when it started early.
    pub fn lateness(&self) -> Duration {
        (self.started_at - self.slot_by_our_clock()).to_std().unwrap_or_default()
    }

    /// When the run ended.
    pub fn finished_at(&self) -> Timestamp {
        after(self.started_at, self.duration)
    }

    /// When the run ended, as far as it is known at `now`: no later, since clocks are compared only
    /// roughly.
    pub fn finished_by(&self, now: Timestamp) -> Timestamp {
        self.finished_at().min(now)
    }

    /// How long the certificates that the run saw were still valid when it ended: the least of them,
    /// negative when one had expired meanwhile; `None` when it saw none.
    pub fn certificate_left(&self) -> Option<TimeDelta> {
        let until = self.trace.requests.iter().filter_map(|it| it.certificate_until).min()?;
        Some(until - self.finished_at())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_of_failure_passes() {
        assert!(FailureKind::ALL.iter().all(|kind| kind.outcome() != Outcome::Passed));
    }

    #[test]
    fn the_headline_is_one_line() {
        let failure = Failure::new(FailureKind::Exception, "Error: no\nmore");
        assert_eq!(failure.headline(), "Error: no");
        let long = Failure::new(FailureKind::Exception, "é".repeat(1000));
        assert_eq!(long.headline().chars().count(), LONGEST_HEADLINE);
    }

    #[test]
    fn what_passed_in_the_same_place_later_overtakes_a_failure() {
        let report = |check: &str, region: &str, second: i64, kind: Option<FailureKind>| Report {
            slot: Slot {
                check: CheckId::new(check).expect("a name"),
                region: Region::new(region).expect("a name"),
                at: Timestamp::UNIX_EPOCH + TimeDelta::seconds(second),
            },
            started_at: Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
            failure: kind.map(|kind| Failure::new(kind, "no")),
            trace: Trace::default(),
            clock_ahead: TimeDelta::zero(),
        };
        let failed = Some(FailureKind::Network);
        let mut reports = [
            report("shop", "eu", 1, failed),
            report("shop", "eu", 2, None),
            report("shop", "eu", 3, failed),
            report("shop", "us", 1, failed),
            report("cart", "eu", 1, failed),
            report("shop", "eu", 0, Some(FailureKind::Interrupted)),
        ];
        mark_overtaken(&mut reports);
        let overtaken = reports.map(|it| it.failure.is_some_and(|failure| failure.overtaken));
        assert_eq!(overtaken, [true, false, false, false, false, false]);
    }

    fn unmet(about: &str, expected: &str, received: &str) -> Failure {
        let message = format!(
            "ExpectationError: {about}expect(received).toContain(expected)\nexpected: {expected}\n\
             received: {received}"
        );
        let comparison = Comparison { expected: expected.into(), received: received.into() };
        let failure = Failure::new(FailureKind::Expectation, message);
        Failure { comparison: Some(comparison), ..failure }
    }

    #[test]
    fn the_headline_of_a_failed_expect_has_both_values() {
        let failure = unmet("", "to contain 'Welcome'", "'Sign in'");
        assert_eq!(failure.headline(), "expected to contain 'Welcome', received 'Sign in'");
        assert_eq!(failure.account(), "ExpectationError: expect(received).toContain(expected)");
        let about = unmet("the greeting: ", "'Welcome'", "[\n  1,\n  2\n]");
        let said = "the greeting: expected 'Welcome', received [ 1, 2 ]";
        assert_eq!(about.headline(), said);
    }

    #[test]
    fn a_long_value_leaves_room_for_the_other() {
        let headline = unmet("", &"e".repeat(2000), &"r".repeat(2000)).headline();
        assert!(headline.chars().count() < 300, "{headline}");
        assert!(headline.contains("eee…, received rrr"), "{headline}");
    }

    #[test]
    fn a_region_that_is_cut_off_is_told_from_its_headline() {
        let failure = unmet("the greeting: ", "'Welcome'", "'Sign in'").cut_off("one: gone");
        assert_eq!(failure.kind.outcome(), Outcome::Unknown);
        let headline = failure.headline();
        assert_eq!(headline, {
            "region cut off: no control target answers (one: gone), so this failure says nothing \
             about the target"
        });
        assert_eq!(why_cut_off(&headline), Some("one: gone"));
        assert!(failure.message.contains("received: 'Sign in'"), "what it was is kept");
        let long = Failure::new(FailureKind::Network, "").cut_off(&"x".repeat(1000)).headline();
        assert!(long.chars().count() < 300 && why_cut_off(&long).is_some(), "{long}");
        assert_eq!(why_cut_off("TypeError: region cut off"), None);
    }

    #[test]
    fn a_message_that_has_its_values_is_the_headline() {
        let comparison = Comparison { expected: "200".into(), received: "503".into() };
        let failure = Failure::new(FailureKind::Expectation, "expected status 200, received 503");
        let failure = Failure { comparison: Some(comparison), ..failure };
        assert_eq!(failure.headline(), "expected status 200, received 503");
        assert_eq!(failure.account(), failure.message);
    }
}
