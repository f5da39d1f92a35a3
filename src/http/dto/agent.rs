//! Agents.

use serde::Serialize;
use utoipa::ToSchema;

use super::Time;
use crate::domain::Timestamp;
use crate::store::agents::AgentRecord;

/// A list of agents.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Agents {
    /// The agents.
    pub agents: Vec<Agent>,
}

/// An agent: a process that runs the checks of a region.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Agent {
    /// Its region.
    #[schema(example = "eu-west-1")]
    pub region: String,
    /// Its name, one in its region.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// Whether it lives.
    pub state: AgentState,
    /// Whether it stopped saying that it lives without having stopped in order.
    pub lost: bool,
    /// When it was first seen.
    pub first_seen: Time,
    /// When it was last seen.
    pub last_seen: Time,
    /// By how much its clock is ahead of the hub's; below zero when it is behind.
    pub skew_ms: f64,
    /// How far its schedule is behind.
    pub lag_ms: u64,
    /// Whether that is so far that it counts as lost, although it says that it lives.
    pub stalled: bool,
    /// What it still has to report.
    pub spool: AgentSpool,
    /// The revision of the checks that it runs.
    pub revision: Option<String>,
}

/// Whether an agent lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It said so less than 15 seconds ago.
    Live,
    /// It stopped saying so, or its schedule has not moved for 30 seconds.
    Lost,
    /// It stopped in order.
    Left,
}

/// What an agent still has to report.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct AgentSpool {
    /// How many reports wait.
    pub reports: u64,
    /// How large they are.
    pub bytes: u64,
    /// How many reports of passed runs were thinned out for want of room, ever.
    pub thinned: u64,
    /// How many others were lost for want of room, ever.
    pub lost: u64,
}

impl Agent {
    /// What `record` says at `now`.
    pub fn new(record: &AgentRecord, now: Timestamp) -> Self {
        let it = &record.presence;
        let state = match (record.left_at, record.is_lost(now)) {
            (Some(_), _) => AgentState::Left,
            (None, true) => AgentState::Lost,
            (None, false) => AgentState::Live,
        };
        // A double holds microseconds exactly for 285 years.
        #[expect(clippy::cast_precision_loss, reason = "clocks differ by less than 285 years")]
        let skew_ms = it.skew_us as f64 / 1e3;
        Self {
            region: it.region.to_string(),
            name: it.name.clone(),
            version: it.version.clone(),
            state,
            lost: state == AgentState::Lost,
            first_seen: Time(record.first_seen),
            last_seen: Time(record.last_seen),
            skew_ms,
            lag_ms: it.lag_ms,
            stalled: record.is_stalled(),
            spool: AgentSpool {
                reports: it.spool_reports,
                bytes: it.spool_bytes,
                thinned: it.thinned,
                lost: it.lost,
            },
            revision: it.revision.clone(),
        }
    }
}
