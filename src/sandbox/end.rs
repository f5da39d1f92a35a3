//! How a run ended, and what that means.
//!
//! Pure. The table stands in [`End::failure`]: what the script did to itself is its own failure,
//! and whatever cannot be explained is ours, so that no accident passes for an outage or a success.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use super::caps::{Ledger, MAX_SAID, clip};
use super::child::{MESSAGE_TOO_LONG, PANICKED};
use super::process::Remains;
use super::protocol::{Ending, MAX_FRAME_FROM_CHILD, ScriptError, ScriptErrorKind};
use super::seal;
use crate::domain::run::{Comparison, Failure, FailureKind, Position};

/// The longest message of an error that is kept, in bytes.
const MAX_MESSAGE: usize = 8 << 10;
/// The longest value of a failed expectation that is kept, in bytes.
const MAX_VALUE: usize = 4 << 10;

/// The number of SIGXCPU on every Linux but MIPS.
const SIGXCPU: i32 = 24;
const SIGKILL: i32 = 9;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// The child said so.
    Said(Ending),
    /// It was not done at its deadline: it gave up while it computed, or was killed soon after.
    Deadline {
        /// Whether it was computing, rather than waiting.
        computing: bool,
    },
    /// It ended without a word, by itself or by another's hand.
    Died(Remains),
    /// It said what no engine of ours says, and was killed.
    Broke(String),
    /// It said too much, and was killed.
    Flooded,
    /// The script is too long to be handed to a child.
    TooLong(String),
    /// There was no child.
    Unstarted(String),
}

/// The limits that a run was under, for the words about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long the script might take.
    pub timeout: Duration,
    /// How much processor time the child might use, in seconds.
    pub processor_seconds: u32,
}

impl End {
    /// Why the run did not pass; `None` when it passed. The step is not named.
    pub fn failure(&self, limits: Limits) -> Option<Failure> {
        let timeout = Spoken(limits.timeout);
        let (kind, message) = match self {
            Self::Said(Ending::Finished) => return None,
            Self::Said(Ending::Threw(error)) => return Some(thrown(error)),
            Self::Said(Ending::TimedOut { waiting_for, .. }) if waiting_for.is_empty() => {
                (FailureKind::Timeout, format!("not done after {timeout}"))
            }
            Self::Said(Ending::TimedOut { waiting_for, .. }) => {
                (FailureKind::Timeout, format!("still waiting for {waiting_for} after {timeout}"))
            }
            Self::Deadline { computing: true } => (
                FailureKind::Limit,
                format!("the script was still computing at its deadline of {timeout}"),
            ),
            Self::Deadline { computing: false } => {
                (FailureKind::Timeout, format!("not done after {timeout}"))
            }
            Self::Died(remains) => died(remains, limits),
            Self::Broke(what) => (FailureKind::Limit, format!("sandbox violation: {what}")),
            Self::Flooded => (
                FailureKind::Limit,
                format!("the script wrote more than {} MiB of output", MAX_SAID >> 20),
            ),
            Self::TooLong(what) => (FailureKind::Script, format!("the script is too long: {what}")),
            Self::Unstarted(why) => (FailureKind::Crashed, format!("failed to {why}")),
        };
        Some(Failure::new(kind, message))
    }
}

/// What it means that a child ended without a word.
fn died(remains: &Remains, limits: Limits) -> (FailureKind, String) {
    let Remains { status, words } = remains;
    let signal = status.and_then(|status| status.signal());
    let code = status.and_then(|status| status.code());
    let limit = |what: String| (FailureKind::Limit, format!("the script {what}"));
    if words.contains("memory allocation of") || words.contains("cannot allocate memory") {
        return limit(format!("ran into the memory limit of {} MiB", seal::ADDRESS_SPACE >> 20));
    }
    if words.contains("has overflowed its stack") {
        return limit("ran into the stack limit: something is nested too deeply".to_owned());
    }
    match (signal, code) {
        (Some(SIGXCPU), _) => {
            limit(format!("used more than {} s of processor time", limits.processor_seconds))
        }
        (_, Some(MESSAGE_TOO_LONG)) => limit(format!(
            "made a message longer than {} MiB, such as the body of a request",
            MAX_FRAME_FROM_CHILD >> 20
        )),
        (_, Some(PANICKED)) => {
            (FailureKind::Crashed, format!("engine error: {}", last_line(words)))
        }
        (Some(SIGKILL), _) => {
            let message = "the sandbox process was killed from outside, perhaps for lack of memory";
            (FailureKind::Crashed, message.to_owned())
        }
        _ => {
            let how = status.map_or_else(|| "unknown status".to_owned(), |s| s.to_string());
            let words = last_line(words);
            (FailureKind::Crashed, format!("the sandbox process ended by itself: {how} {words}"))
        }
    }
}

fn last_line(words: &str) -> String {
    clip(words.lines().next_back().unwrap_or_default(), 512)
}

fn thrown(error: &ScriptError) -> Failure {
    let kind = match error.kind {
        ScriptErrorKind::Expectation => FailureKind::Expectation,
        ScriptErrorKind::Exception => FailureKind::Exception,
        ScriptErrorKind::Network => FailureKind::Network,
        ScriptErrorKind::Script => FailureKind::Script,
        ScriptErrorKind::Limit => FailureKind::Limit,
    };
    let comparison = match (&error.expected, &error.received) {
        (None, None) => None,
        (expected, received) => Some(Comparison {
            expected: expected.clone().unwrap_or_default(),
            received: received.clone().unwrap_or_default(),
        }),
    };
    let position = error.position.clone();
    let position = position.map(|(file, line, column)| Position { file, line, column });
    Failure { comparison, position, ..Failure::new(kind, error.message.clone()) }
}

/// The ending with texts of bounded length and no step that was not kept.
pub(super) fn bounded(ending: Ending, ledger: &Ledger) -> Ending {
    match ending {
        Ending::Finished => Ending::Finished,
        Ending::Threw(error) => Ending::Threw(bounded_error(error, ledger)),
        Ending::TimedOut { waiting_for, step } => Ending::TimedOut {
            waiting_for: clip(&waiting_for, MAX_MESSAGE),
            step: ledger.known_step(step),
        },
    }
}

/// The error with texts of bounded length and no step that was not kept.
pub(super) fn bounded_error(error: ScriptError, ledger: &Ledger) -> ScriptError {
    let value = |text: Option<String>| text.map(|text| clip(&text, MAX_VALUE));
    let message = if error.message.trim().is_empty() {
        "an error without a message".to_owned()
    } else {
        clip(&error.message, MAX_MESSAGE)
    };
    ScriptError {
        kind: error.kind,
        message,
        expected: value(error.expected),
        received: value(error.received),
        position: error.position.map(|(file, line, column)| (clip(&file, 1024), line, column)),
        step: ledger.known_step(error.step),
    }
}

/// A duration as people say it: `20 s`, `1.5 s`, `250 ms`.
struct Spoken(Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis < 1000 {
            return write!(f, "{millis} ms");
        }
        write!(
            f,
            "{} s",
            Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use super::*;

    const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), processor_seconds: 10 };

    fn words(end: &End) -> String {
        end.failure(LIMITS).map_or_else(
            || "passed".to_owned(),
            |failure| format!("{}: {}", failure.kind.as_str(), failure.message),
        )
    }

    /// A wait status as the kernel encodes it: a signal below, an exit code above.
    fn died(status: i32, words: &str) -> End {
        End::Died(Remains { status: Some(ExitStatus::from_raw(status)), words: words.to_owned() })
    }

    fn exited(code: i32, words: &str) -> End {
        died(code << 8, words)
    }

    #[test]
    fn every_death_has_its_words() {
        let table = [
            (
                died(6, "memory allocation of 4096 bytes failed"),
                "limit: the script ran into the memory limit of 384 MiB",
            ),
            (
                died(
                    6,
                    "\nthread 'engine' (7) has overflowed its stack\nfatal runtime error: stack overflow, aborting",
                ),
                "limit: the script ran into the stack limit: something is nested too deeply",
            ),
            (died(24, ""), "limit: the script used more than 10 s of processor time"),
            (
                exited(102, ""),
                "limit: the script made a message longer than 8 MiB, such as the body of a request",
            ),
            (
                exited(101, "panicked at boa_engine-0.22.0/src/vm.rs:7"),
                "crashed: engine error: panicked at boa_engine-0.22.0/src/vm.rs:7",
            ),
            (
                died(9, ""),
                "crashed: the sandbox process was killed from outside, perhaps for lack of memory",
            ),
            (died(11, ""), "crashed: the sandbox process ended by itself: signal: 11 (SIGSEGV) "),
            (exited(0, ""), "crashed: the sandbox process ended by itself: exit status: 0 "),
            (
                End::Died(Remains { status: None, words: String::new() }),
                "crashed: the sandbox process ended by itself: unknown status ",
            ),
        ];
        for (end, expected) in table {
            assert_eq!(words(&end), expected);
        }
    }

    #[test]
    fn the_deadline_blames_the_script_only_when_it_computes() {
        assert_eq!(
            words(&End::Deadline { computing: true }),
            "limit: the script was still computing at its deadline of 20 s"
        );
        assert_eq!(words(&End::Deadline { computing: false }), "timeout: not done after 20 s");
        let waiting_for = "the answer of GET https://x/".to_owned();
        assert_eq!(
            words(&End::Said(Ending::TimedOut { waiting_for, step: None })),
            "timeout: still waiting for the answer of GET https://x/ after 20 s"
        );
    }

    #[test]
    fn only_a_finished_script_passes() {
        assert_eq!(words(&End::Said(Ending::Finished)), "passed");
        assert_eq!(words(&End::Broke("x".to_owned())), "limit: sandbox violation: x");
        assert_eq!(words(&End::Flooded), "limit: the script wrote more than 32 MiB of output");
        assert_eq!(words(&End::Unstarted("start it".to_owned())), "crashed: failed to start it");
    }

    #[test]
    fn an_error_keeps_its_place_and_its_values_within_bounds() {
        let error = ScriptError {
            kind: ScriptErrorKind::Expectation,
            message: "x".repeat(MAX_MESSAGE + 1),
            expected: Some("200".to_owned()),
            received: Some("500".to_owned()),
            position: Some(("checks/a.js".to_owned(), 3, 7)),
            step: Some(9),
        };
        let ending = bounded(Ending::Threw(error), &Ledger::default());
        assert_eq!(ending.step(), None, "a step that never began");
        let end = End::Said(ending);
        let failure = end.failure(LIMITS).expect("failed");
        assert!(failure.message.len() <= MAX_MESSAGE + "…".len());
        assert_eq!(failure.comparison.expect("compared").received, "500");
        assert_eq!(failure.position.expect("known").line, 3);
    }

    #[test]
    fn durations_are_spoken() {
        let spoken = |millis| Spoken(Duration::from_millis(millis)).to_string();
        assert_eq!([spoken(250), spoken(1500), spoken(20_000)], ["250 ms", "1.5 s", "20 s"]);
    }
}
