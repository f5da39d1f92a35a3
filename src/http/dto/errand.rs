//! Errands: runs that somebody asked for, and what came of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Failure, Outcome, SentVia, Time, Via, millis};
use crate::domain::errand::{self, Stage};

/// Somebody asks that a check be run at once.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentErrand {
    /// Who: one line of at most 100 characters. Must be given where nobody signs in; elsewhere it is
    /// whoever signed in, and this is not looked at.
    pub by: Option<String>,
    /// How.
    pub via: Option<SentVia>,
    /// Where; in all regions of the check if not given.
    pub region: Option<String>,
}

/// Runs that people asked for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Errands {
    /// The last asked for first.
    pub errands: Vec<Errand>,
}

/// A check that somebody asked to be run at once. It counts for nothing but what is read here.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Errand {
    /// Its id, a UUID.
    pub id: String,
    /// The id of the check.
    pub check: String,
    /// The incident whose followers are told what came of it.
    pub incident: Option<i64>,
    /// Who asked.
    pub by: String,
    /// How.
    pub via: Via,
    /// When.
    pub asked_at: Time,
    /// Whether nothing is left to be run.
    pub is_over: bool,
    /// Where it is run.
    pub legs: Vec<ErrandLeg>,
}

/// An errand in one region.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrandLeg {
    /// Where.
    pub region: String,
    /// How far it is.
    pub stage: ErrandStage,
    /// What came of it, or how far it is, in words.
    pub summary: String,
    /// The agent that took it.
    pub agent: Option<String>,
    /// The id of the run; it can be read once it has ended.
    pub run: String,
    /// When it started.
    pub started_at: Option<Time>,
    /// How long it took.
    pub duration_ms: Option<f64>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it did not pass.
    pub failure: Option<Failure>,
}

/// How far an errand is in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrandStage {
    /// No agent has taken it.
    Asked,
    /// An agent is running it.
    Taken,
    /// It ended.
    Ended,
    /// No agent took it in time.
    Untaken,
    /// The agent that took it did not say what came of it.
    Lost,
}

impl From<&Stage> for ErrandStage {
    fn from(stage: &Stage) -> Self {
        match stage {
            Stage::Asked { .. } => Self::Asked,
            Stage::Taken { .. } => Self::Taken,
            Stage::Ended(_) => Self::Ended,
            Stage::Untaken => Self::Untaken,
            Stage::Lost { .. } => Self::Lost,
        }
    }
}

impl From<&errand::Errand> for Errand {
    fn from(errand: &errand::Errand) -> Self {
        Self {
            id: errand.id.to_string(),
            check: errand.check.to_string(),
            incident: errand.incident.map(|incident| incident.0),
            by: errand.by.name.clone(),
            via: errand.by.via.into(),
            asked_at: Time(errand.asked_at),
            is_over: errand.is_over(),
            legs: errand.legs.iter().map(ErrandLeg::from).collect(),
        }
    }
}

impl From<&errand::Leg> for ErrandLeg {
    fn from(leg: &errand::Leg) -> Self {
        let (agent, ended) = match &leg.stage {
            Stage::Taken { agent, .. } | Stage::Lost { agent } => (Some(agent.clone()), None),
            Stage::Ended(ended) => (Some(ended.agent.clone()), Some(ended)),
            Stage::Asked { .. } | Stage::Untaken => (None, None),
        };
        Self {
            region: leg.region.to_string(),
            stage: ErrandStage::from(&leg.stage),
            summary: leg.sentence(),
            agent,
            run: leg.run.to_string(),
            started_at: ended.map(|it| Time(it.started_at)),
            duration_ms: ended.map(|it| millis(it.duration)),
            outcome: ended.map(|it| it.outcome.into()),
            failure: ended.and_then(|it| it.failure.as_ref()).map(Failure::from),
        }
    }
}
