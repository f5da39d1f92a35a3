//! What hub and agents say to each other: JSON over HTTP, under `/agent/v1/`.
//!
//! The types here are the serialisable twins of domain values. They are a promise to programs of
//! other versions: a field is added with a default and never renamed, unknown fields are ignored,
//! and a list whose items may be of a later version is decoded item by item, so that one item that
//! is not understood costs that item. Versions whose protocol numbers are one apart work together.
//!
//! | route | asks | answers |
//! |---|---|---|
//! | `POST /agent/v1/hello` | [`Beat`] | [`Pulse`]; the name is the agent's until its lease ends |
//! | `POST /agent/v1/heartbeat` | [`Beat`], every [`HEARTBEAT`] | [`Pulse`] |
//! | `GET /agent/v1/assignments?revision=&wait_ms=&errands=` | | [`Assignments`], or 204 when `wait_ms` went by and nothing had changed, or errands wait for the agent that `errands` names ([`ERRANDS_HEADER`]) |
//! | `GET /agent/v1/modules/{sha256}` | | the module's text |
//! | `POST /agent/v1/reports` | [`Batch`] | [`Verdict`], when all that is not refused is committed |
//! | `POST /agent/v1/errands` | [`TakeErrands`] | [`TakenErrands`], which are the agent's now |
//! | `POST /agent/v1/errands/{id}` | [`ErrandReport`] | 204 when it is committed; 410 when the errand is not the agent's, or was given up |
//! | `POST /agent/v1/errands/{id}/output` | [`OutputMessage`], while it is run | 204; 410 when the errand is not the agent's, or is over |
//! | `POST /agent/v1/goodbye` | [`Goodbye`] | 204 |
//!
//! Every request carries a bearer token, [`PROTOCOL_HEADER`] and [`VERSION_HEADER`]. Errors are
//! problem details (RFC 9457): 401 a token that is none or was revoked, 403 a token of another
//! region, 409 a name that a live agent has, 426 a protocol more than one apart.

mod bounds;
mod check;
mod errand;
mod exchange;
mod item;
mod output;
mod report;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use check::CheckMessage;
pub use errand::{
    ERRANDS_HEADER, ERRANDS_WAIT, ErrandMessage, ErrandReport, MOST_ERRANDS, TakeErrands,
    TakenErrands,
};
pub use item::Item;
pub use output::{ENOUGH_OUTPUT, LONGEST_OUTPUT, MOST_OUTPUT_LINES, OutputMessage};
pub use report::ReportMessage;

use crate::domain::Timestamp;

/// The number of this protocol.
pub const PROTOCOL: u32 = 1;
/// The header that carries the protocol's number.
pub const PROTOCOL_HEADER: &str = "tripline-protocol";
/// The header that carries the version of the program.
pub const VERSION_HEADER: &str = "tripline-version";

/// How often an agent says that it lives.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long after the last heartbeat an agent counts as live.
pub const LEASE: Duration = Duration::from_secs(15);
/// The longest that a question for assignments is left open.
pub const LONGEST_WAIT: Duration = Duration::from_secs(25);
/// The longest body with reports, in bytes.
pub const LONGEST_BATCH: usize = 8 << 20;
/// The most reports in a body.
pub const MOST_REPORTS: usize = 500;
/// The longest body without reports, in bytes.
pub const LONGEST_BEAT: usize = 16 << 10;
/// A hub that is further behind is worth a warning.
pub const HUB_LAG_WARNING: Duration = Duration::from_secs(30);
/// Clocks that differ by more than this are worth a warning.
pub const SKEW_WARNING: Duration = Duration::from_secs(2);

/// Whether this program understands one that speaks protocol `other`.
pub fn understands(other: u32) -> bool {
    PROTOCOL.abs_diff(other) <= 1
}

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    /// Its region; the token's, or it is refused.
    pub region: String,
    /// Its name, one in its region.
    pub name: String,
    /// Made anew at each start.
    pub instance: Uuid,
    /// The instance that used the same data folder before, which therefore does not live.
    #[serde(default)]
    pub replaces: Option<Uuid>,
    /// When this was sent, by the agent's clock.
    pub sent_at: Timestamp,
    /// How long the last heartbeat took, there and back, in microseconds.
    #[serde(default)]
    pub round_trip_us: u64,
    /// What is waiting to be reported.
    #[serde(default)]
    pub spool: SpoolState,
    /// How far its schedule is behind, in milliseconds.
    #[serde(default)]
    pub lag_ms: u64,
    /// The revision of the assignments that it runs.
    #[serde(default)]
    pub revision: Option<String>,
}

/// What is waiting to be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpoolState {
    /// How many reports wait.
    #[serde(default)]
    pub reports: u64,
    /// How large they are, in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// How many reports of passed runs were thinned out for want of room, ever.
    #[serde(default)]
    pub thinned: u64,
    /// How many others were lost for want of room, and how many of any kind because the hub can never
    /// take them, ever.
    #[serde(default)]
    pub lost: u64,
}

/// What the hub answers to a beat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pulse {
    /// The version of the hub.
    pub version: String,
    /// By how much the agent's clock is ahead of the hub's, in microseconds.
    #[serde(default)]
    pub skew_us: i64,
    /// The names of the region's live agents that know what to run, which share its checks.
    #[serde(default)]
    pub live: Vec<String>,
    /// How far the hub's own loops are behind, as far as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lags: Option<HubLags>,
    /// Until when the agent's token is good, where another took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_good_until: Option<Timestamp>,
}

/// How far the hub's own loops are behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HubLags {
    /// The one that looks at all checks and agents together, in milliseconds.
    #[serde(default)]
    pub review_ms: u64,
    /// The one that accounts for slots, in milliseconds.
    #[serde(default)]
    pub accounting_ms: u64,
    /// How long results have not been stored, in milliseconds.
    #[serde(default)]
    pub results_ms: u64,
}

impl HubLags {
    /// The one that is furthest behind, in words, and how far.
    pub fn worst(&self) -> (&'static str, Duration) {
        let (name, millis) = [
            ("its review of checks and agents", self.review_ms),
            ("its accounting for slots", self.accounting_ms),
            ("its storing of results", self.results_ms),
        ]
        .into_iter()
        .max_by_key(|(_, millis)| *millis)
        .unwrap_or_default();
        (name, Duration::from_millis(millis))
    }
}

/// What the agents of a region are to run.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignments {
    /// Changes whenever anything here does.
    pub revision: String,
    /// The region.
    pub region: String,
    /// The checks, each a [`CheckMessage`].
    #[serde(default)]
    pub checks: Vec<Item>,
    /// The modules of their scripts.
    #[serde(default)]
    pub modules: Vec<Module>,
    /// The secrets that they name.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// URLs of which one at least must answer before a failure counts; empty where all count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<String>,
}

impl Assignments {
    /// The part of the revision that does not depend on secrets, and may be shown.
    pub fn shown_revision(revision: &str) -> &str {
        revision.split_once('-').map_or(revision, |(shown, _)| shown)
    }
}

impl fmt::Debug for Assignments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assignments")
            .field("region", &self.region)
            .field("checks", &self.checks.len())
            .field("modules", &self.modules.len())
            .field("secrets", &self.secrets.keys())
            .finish_non_exhaustive()
    }
}

/// A module by what is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Module {
    /// The path, relative to the project folder.
    pub path: String,
    /// The SHA-256 of its text, in hexadecimal.
    pub sha256: String,
}

/// Reports, in the order in which their runs ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The name of the agent.
    pub name: String,
    /// The reports, each a [`ReportMessage`].
    pub reports: Vec<Item>,
}

/// What became of a batch: what is not named is safe.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// What will never be taken.
    #[serde(default)]
    pub refused: Vec<Refused>,
    /// What the hub cannot take yet and is to be offered again, counted from 0 in the batch: it is
    /// of a time that has not come by the hub's clock, or of a slot that the hub does not know yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<usize>,
    /// Why the first of those cannot be taken yet, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later_reason: Option<String>,
}

/// A report that will never be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which, counted from 0 in the batch.
    pub index: usize,
    /// Why, in a sentence.
    pub reason: String,
}

/// An agent stops in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodbye {
    /// Its name.
    pub name: String,
    /// Its instance.
    pub instance: Uuid,
}

/// Why a message was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    fn new(what: &str, reason: impl fmt::Display) -> Self {
        Self(format!("{what}: {reason}"))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
