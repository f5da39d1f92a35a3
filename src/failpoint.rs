//! Failpoints: places between two steps at which a test has this process killed, as a crash there
//! would.
//!
//! Builds with debug assertions have them; a release reads nothing and ends nowhere. Must not: change
//! what the program does otherwise.

use std::path::PathBuf;
use std::sync::OnceLock;

/// The variable that names a file; in the file stands the name of the place.
pub const VARIABLE: &str = "TRIPLINE_DIE_AT";

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failpoint {
    /// A slot is handed over, and nobody has begun to run it.
    Due,
    /// A run is over, and its report is with nobody.
    Ran,
    /// A report is in an agent's spool, and the hub has not heard of it.
    Spooled,
    /// A result, what it changed and the messages that it owes are written, and not committed.
    Written,
    /// A result is committed with messages owed, and nobody was told that they are.
    Committed,
    /// A message is claimed, and nothing was sent.
    Claimed,
    /// The provider has taken a message, and that is not recorded.
    Accepted,
    /// It is written what a new project expects, and the old one is in force.
    Expected,
    /// A new project is in force, and incidents of what is not in it any more are open.
    InForce,
    /// Some of what is forgotten is deleted, and not committed.
    Forgotten,
    /// Some of a store is copied.
    Copied,
}

impl Failpoint {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Ran => "ran",
            Self::Spooled => "spooled",
            Self::Written => "written",
            Self::Committed => "committed",
            Self::Claimed => "claimed",
            Self::Accepted => "accepted",
            Self::Expected => "expected",
            Self::InForce => "in_force",
            Self::Forgotten => "forgotten",
            Self::Copied => "copied",
        }
    }
}

/// Whether a test has asked for `point`: what is done at once is done as far as there, then.
pub fn is_asked_for(point: Failpoint) -> bool {
    cfg!(debug_assertions) && asked_for().as_deref() == Some(point.as_str())
}

/// Dies at `point`, where a test has asked for that.
pub fn reach(point: Failpoint) {
    if is_asked_for(point) {
        let own = rustix::process::getpid();
        // It has no answer.
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
        std::process::abort();
    }
}

/// Where a test wants the process to die now.
fn asked_for() -> Option<String> {
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os(VARIABLE).map(PathBuf::from));
    std::fs::read_to_string(file.as_ref()?).ok()
}
