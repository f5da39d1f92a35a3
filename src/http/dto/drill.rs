//! Whether messages would arrive.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Channel, NotificationState, Time, millis};
use crate::domain::Timestamp;
use crate::domain::drill::{Known, Record, Terms, verdict};
use crate::domain::policy::Recipient;

/// Which paths are to be drilled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentDrill {
    /// Their names, such as `slack:#p1`; all where none is named.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// A round of drills that began.
#[derive(Debug, Serialize, ToSchema)]
pub struct Drill {
    /// The number under which its messages are shown.
    pub incident: i64,
}

/// All paths.
#[derive(Debug, Serialize, ToSchema)]
pub struct Drills {
    /// When they are drilled; `null` where they are not by themselves.
    pub schedule: Option<DrillSchedule>,
    /// The paths, by name.
    pub paths: Vec<PathState>,
}

/// When paths are drilled.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrillSchedule {
    /// As a crontab line.
    pub cron: String,
    /// The time zone of that.
    pub timezone: String,
    /// When the next round is.
    pub next_at: Option<Time>,
    /// How long a proof holds.
    pub proven_within_ms: f64,
}

/// A path, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct PathState {
    /// Its name, such as `slack:#p1`.
    pub path: String,
    /// By what it leads.
    pub channel: Channel,
    /// `broken`, `failed`, `unproven`, `waiting`, `proven` or `untried`; `printed` where its channel has no
    /// credentials, so that messages are only shown where the hub runs.
    pub standing: &'static str,
    /// Why, where it does not tell people.
    pub reason: Option<String>,
    /// The last that is known to have arrived; `null` where nothing is.
    pub proof: Option<PathProof>,
    /// The round of its last drill; `null` where there was none.
    pub drill: Option<PathDrill>,
}

/// What is known to have arrived.
#[derive(Debug, Serialize, ToSchema)]
pub struct PathProof {
    /// When that was known.
    pub at: Time,
    /// `delivered`, or `accepted` where a channel says nothing later.
    pub evidence: &'static str,
    /// The provider's name for the message.
    pub receipt: String,
}

/// The last drill of a path.
#[derive(Debug, Serialize, ToSchema)]
pub struct PathDrill {
    /// The number under which it is shown.
    pub incident: i64,
    /// When it was owed.
    pub owed_at: Time,
    /// How the message stands.
    pub state: NotificationState,
    /// What its provider said last; `null` where it says nothing.
    pub status: Option<&'static str>,
}

impl Drills {
    /// What is known at `now`.
    pub fn new(terms: &Terms, known: &Known, now: Timestamp) -> Self {
        let schedule = terms.plan.as_ref().map(|plan| DrillSchedule {
            cron: plan.schedule.text().to_owned(),
            timezone: plan.schedule.zone().to_owned(),
            next_at: terms.next_round(now).map(Time),
            proven_within_ms: millis(plan.proven_within),
        });
        let mut paths: Vec<&Recipient> = terms.paths.iter().chain(terms.printed.keys()).collect();
        paths.sort_unstable();
        let paths = paths.into_iter().map(|path| PathState::new(terms, known, path, now));
        Self { schedule, paths: paths.collect() }
    }
}

impl PathState {
    fn new(terms: &Terms, known: &Known, path: &Recipient, now: Timestamp) -> Self {
        let verdict = verdict(terms, known, path, now);
        let record = known.records.get(path);
        let proof = record.and_then(|record| record.proof.as_ref());
        Self {
            path: path.to_string(),
            channel: path.channel().into(),
            standing: verdict.standing.as_str(),
            reason: Some(verdict.reason).filter(|reason| !reason.is_empty()),
            proof: proof.map(|proof| PathProof {
                at: Time(proof.at),
                evidence: proof.by.as_str(),
                receipt: proof.receipt.clone(),
            }),
            drill: record.and_then(PathDrill::of),
        }
    }
}

impl PathDrill {
    fn of(record: &Record) -> Option<Self> {
        record.trial.as_ref().map(|trial| Self {
            incident: trial.incident.0,
            owed_at: Time(trial.owed_at),
            state: trial.state.into(),
            status: trial.status.map(crate::domain::proof::Status::as_str),
        })
    }
}
