//! What the API says: the serialisable twins of domain values.
//!
//! Keys and words are in `snake_case`; a moment is [`Time`]; a duration is a number of milliseconds
//! under a key that ends in `_ms`. A key that has no value is `null`, not left out. The twins are a
//! promise to whoever reads them: fields are added, not renamed. They decide nothing and read
//! nothing; each is made from domain values alone.

mod act;
mod agent;
mod check;
mod coverage;
mod drill;
mod errand;
mod group;
mod health;
mod incident;
mod index;
mod metrics;
mod run;
mod words;

use std::time::Duration;

use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};

pub use act::{
    Acknowledge, Acknowledgement, Note, Resolve, SentSilence, SentVia, Silence, Silences,
    Unacknowledge,
};
pub use agent::{Agent, AgentSpool, AgentState, Agents};
pub use check::{Check, Checks, LastRun, RegionState, RequestTarget, Schedule, status_of};
pub use coverage::{CheckUptime, Gap, Gaps, Lateness, LatenessClass, Uptime};
pub use drill::{Drill, DrillSchedule, Drills, PathDrill, PathProof, PathState, SentDrill};
pub use errand::{Errand, ErrandLeg, ErrandStage, Errands, SentErrand};
pub use group::{GroupCheck, GroupHealth};
pub use health::{
    Backlog, ChannelBacklog, FailingRule, Health, HeartbeatHealth, LoopsHealth, NotificationHealth,
    ResultsHealth, RulesHealth, SchedulerHealth, StatsdHealth, StatsdListenerHealth, StoreHealth,
};
pub use incident::{
    Cause, Decision, Delivery, Held, Incident, IncidentDetail, Incidents, Notice, Notification,
    Recipient, RunLink, SeenRegion,
};
pub use index::{Index, Link};
pub use metrics::{SentMetrics, SentPoint, SentSeries, StoredMetrics};
pub use run::{
    Comparison, Failure, LogLine, Measurement, Position, Request, Run, RunSummary, Runs, Step, Tag,
    Timings,
};
pub use words::{
    Channel, CheckStatus, DecisionKind, DeliveryOutcome, FailureKind, GapReason, HealthStatus,
    IncidentStatus, LogLevel, NoticeKind, NotificationState, Outcome, Via, WorkKind,
};

use crate::domain::Timestamp;

/// A moment: RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }
}

impl utoipa::PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("A moment: RFC 3339 in UTC with milliseconds."))
            .examples(["2026-11-21T04:12:31.250Z"]);
        time.build().into()
    }
}

impl utoipa::ToSchema for Time {}

/// What went wrong with a call (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says what sort of problem it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The status.
    pub status: u16,
    /// What went wrong, in a sentence.
    pub detail: String,
    /// The parameter that is wrong.
    pub parameter: Option<String>,
}

/// `duration` in milliseconds, to the microsecond.
pub fn millis(duration: Duration) -> f64 {
    // A duration that a double cannot hold to the microsecond is longer than 285 years.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// `duration` in whole milliseconds, for durations that people configured.
fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_durations_are_numbers() {
        let at: Timestamp = "2026-11-21T05:12:31.2+01:00".parse().expect("a time");
        let text = serde_json::to_string(&Time(at)).expect("a time can be written");
        assert_eq!(text, "\"2026-11-21T04:12:31.200Z\"");
        assert_eq!(millis(Duration::from_nanos(1_234_567)).to_string(), "1.235");
        assert_eq!(millis(Duration::from_secs(2)).to_string(), "2000");
    }
}
