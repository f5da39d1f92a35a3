//! What a notification says, before any channel gives it its form.

use std::time::Duration;

use super::Timestamp;
use super::failed_request::FailedRequest;
use super::id::Region;
use super::run::Outcome;
use super::subject::Subject;

/// The facts of one message. It is stored with the notification when that is owed, so that what is
/// sent later speaks of the moment it was decided, not of the moment it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What there is to say.
    pub kind: NoticeKind,
    /// What it is about.
    pub subject: Subject,
    /// What people call that.
    pub check_name: String,
    /// The region whose result led to this.
    pub region: Region,
    /// All regions that are down, in order.
    pub down: Vec<Region>,
    /// How the check is doing in each of its regions, failing ones first, `region` before the
    /// others; empty in notices that were stored before this was known.
    pub regions: Vec<RegionState>,
    /// The first failing step of the latest failure.
    pub step: Option<String>,
    /// The request on which that failed, where it failed on one.
    pub request: Option<FailedRequest>,
    /// The latest failure in one line.
    pub error: String,
    /// The first failed slot, or the first unknown one.
    pub since: Timestamp,
    /// Failures in a row in `region`.
    pub failures_in_a_row: u32,
    /// When it was decided.
    pub at: Timestamp,
    /// Where the recipient finds what to do.
    pub runbook: Option<String>,
    /// What else there is to say, in a sentence: that it fails again, that a silence is over, who
    /// did what.
    pub note: Option<String>,
    /// Whether it had been over, and fails again.
    pub fails_again: bool,
}

/// How a check is doing in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionState {
    /// The region.
    pub region: Region,
    /// How its last runs ended: unknown as well when there were none lately.
    pub outcome: Outcome,
    /// Failures in a row, when it failed; otherwise 0.
    pub failures_in_a_row: u32,
}

/// What there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// The check is failing and a tier, counted from 1, was reached.
    Failing {
        /// Which tier.
        tier: u32,
    },
    /// Nobody knows how the check is doing, or any check of the region.
    Blind,
    /// What was wrong is over.
    Recovered,
    /// What was wrong is taken as over because its data are gone: nobody saw it end.
    Lost,
    /// The check was taken out of the project while that was so.
    Withdrawn,
    /// Somebody says that it is over.
    Closed,
    /// Somebody takes care of it.
    Acknowledged,
    /// Somebody said something about it, or asked that nobody be told.
    Noted,
    /// Nothing: it shows that messages arrive.
    Drill,
}

impl NoticeKind {
    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failing { .. } => "failing",
            Self::Blind => "blind",
            Self::Recovered => "recovered",
            Self::Lost => "lost",
            Self::Withdrawn => "withdrawn",
            Self::Closed => "closed",
            Self::Acknowledged => "acknowledged",
            Self::Noted => "noted",
            Self::Drill => "drill",
        }
    }

    /// Whether it says that something is wrong; such news are held back where nobody is to be told.
    pub fn is_alarm(self) -> bool {
        matches!(self, Self::Failing { .. } | Self::Blind)
    }

    /// Whether it says that it is over.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Recovered | Self::Lost | Self::Withdrawn | Self::Closed)
    }
}

impl Notice {
    /// The least there is to say of `subject` at `at`: it is called as in the project, and has been so
    /// since now, for no known reason.
    pub fn new(kind: NoticeKind, subject: Subject, region: Region, at: Timestamp) -> Self {
        Self {
            kind,
            check_name: subject.name().to_owned(),
            subject,
            region,
            down: Vec::new(),
            regions: Vec::new(),
            step: None,
            request: None,
            error: String::new(),
            since: at,
            failures_in_a_row: 0,
            at,
            runbook: None,
            note: None,
            fails_again: false,
        }
    }

    /// How long it had lasted when this was decided.
    pub fn lasted(&self) -> Duration {
        (self.at - self.since).to_std().unwrap_or_default()
    }
}
