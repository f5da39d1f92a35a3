//! Checks with their options and their state.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{CheckStatus, Incident, Outcome, Time, WorkKind, whole_millis};
use crate::domain::Timestamp;
use crate::domain::check::{self, Work};
use crate::domain::id::Region;
use crate::domain::incident::CheckState;
use crate::domain::run;
use crate::domain::schedule;
use crate::domain::slot::Slot;
use crate::domain::streak::Streak;
use crate::domain::subject::Subject;

/// Checks of the project, in the order of their ids.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Checks {
    /// The checks.
    pub checks: Vec<Check>,
    /// Where to go on; null when there are no more.
    pub next_after: Option<String>,
}

/// One thing to watch, and how it is doing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Check {
    /// Identifies it; may contain `/`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The gravest state of its regions: `down`, else `unknown`, else `up`, else `never_run`.
    /// Whether people are told depends on its policy; see `incident`.
    pub status: CheckStatus,
    /// The open incident.
    pub incident: Option<Incident>,
    /// How it is doing in each of its regions.
    pub regions: Vec<RegionState>,
    /// What a run does.
    pub kind: WorkKind,
    /// The script, relative to the project folder.
    pub script: Option<String>,
    /// The request, where a run makes just one.
    pub request: Option<RequestTarget>,
    /// When it runs.
    pub schedule: Schedule,
    /// How long a run may take.
    pub timeout_ms: u64,
    /// The policy that says who is told.
    pub policy: String,
    /// Where the recipient finds what to do.
    pub runbook: Option<String>,
    /// Free key-value pairs.
    pub labels: BTreeMap<String, String>,
}

/// The request that a run makes. Headers and body are not shown: they may hold credentials.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RequestTarget {
    /// The method.
    pub method: String,
    /// The URL without name and password.
    pub url: String,
}

/// When a check runs: either at an interval or by a crontab line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Schedule {
    /// The interval.
    pub every_ms: Option<u64>,
    /// The crontab line.
    pub cron: Option<String>,
    /// The time zone of the crontab line.
    pub timezone: Option<String>,
}

impl From<&schedule::Schedule> for Schedule {
    fn from(schedule: &schedule::Schedule) -> Self {
        match schedule {
            schedule::Schedule::Every(interval) => Self {
                every_ms: Some(whole_millis(interval.duration())),
                cron: None,
                timezone: None,
            },
            schedule::Schedule::Cron(cron) => Self {
                every_ms: None,
                cron: Some(cron.text().to_owned()),
                timezone: Some(cron.zone().to_owned()),
            },
        }
    }
}

/// How a check is doing in one region.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RegionState {
    /// The region.
    pub region: String,
    /// Whether it works there; unknown when there was no result lately, or none but unknown ones.
    pub status: CheckStatus,
    /// Failures in a row; unknown runs neither add to it nor end it.
    pub failures_in_a_row: u32,
    /// Passed runs in a row since the last failure.
    pub passes_in_a_row: u32,
    /// Unknown runs in a row since the last one that passed or failed.
    pub unknowns_in_a_row: u32,
    /// Why the last of them is unknown.
    pub unknown_reason: Option<String>,
    /// The first failed slot of the present stretch of being down.
    pub failing_since: Option<Time>,
    /// The slot of the last passed run.
    pub last_success_at: Option<Time>,
    /// The latest run.
    pub last_run: Option<LastRun>,
    /// The next slot.
    pub next_slot_at: Option<Time>,
}

/// The latest run of a check in a region.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LastRun {
    /// Its id.
    pub id: String,
    /// When it was to start.
    pub slot_at: Time,
    /// How it ended.
    pub outcome: Outcome,
}

impl Check {
    /// The twin of `check`, of which `state` is known, at `now`.
    pub fn new(check: &check::Check, state: Option<&CheckState>, now: Timestamp) -> Self {
        let regions = RegionState::all(check, state, now);
        let (kind, script, request) = match &check.work {
            Work::Script { entry } => (WorkKind::Script, Some(entry.clone()), None),
            Work::Request(spec) => {
                let target =
                    RequestTarget { method: spec.method.clone(), url: without_password(&spec.url) };
                (WorkKind::Request, None, Some(target))
            }
        };
        let incident = state.and_then(|state| state.incident.as_ref());
        Self {
            id: check.id.to_string(),
            name: check.name.clone(),
            status: regions
                .iter()
                .map(|region| region.status)
                .max()
                .unwrap_or(CheckStatus::NeverRun),
            incident: incident.map(|incident| {
                Incident::new(incident.id, &Subject::Check(check.id.clone()), incident)
            }),
            regions,
            kind,
            script,
            request,
            schedule: Schedule::from(&check.schedule),
            timeout_ms: whole_millis(check.timeout),
            policy: check.policy.clone(),
            runbook: check.runbook.clone(),
            labels: check.labels.clone(),
        }
    }
}

impl RegionState {
    /// How `check`, of which `state` is known, is doing at `now` in each of its regions.
    pub fn all(check: &check::Check, state: Option<&CheckState>, now: Timestamp) -> Vec<Self> {
        check.regions.iter().map(|region| region_state(check, region, state, now)).collect()
    }
}

fn region_state(
    check: &check::Check,
    region: &Region,
    state: Option<&CheckState>,
    now: Timestamp,
) -> RegionState {
    let streak = state.and_then(|state| state.streaks.get(region)).cloned().unwrap_or_default();
    let last_run = streak.last_slot.zip(streak.last_outcome).map(|(at, outcome)| {
        let slot = Slot { check: check.id.clone(), region: region.clone(), at };
        LastRun { id: slot.run_id().to_string(), slot_at: Time(at), outcome: outcome.into() }
    });
    RegionState {
        region: region.to_string(),
        status: status_of(check, Some(&streak), now),
        failures_in_a_row: streak.failures,
        passes_in_a_row: streak.passes,
        unknowns_in_a_row: streak.unknowns.as_ref().map_or(0, |unknowns| unknowns.count),
        unknown_reason: streak.unknowns.map(|unknowns| unknowns.reason),
        failing_since: streak.failing_since.map(Time),
        last_success_at: streak.last_success.map(Time),
        last_run,
        next_slot_at: check.schedule.next_after(now, &check.id, region).map(Time),
    }
}

/// Whether `check` works at `now` in the region of `streak`; unknown when there was no result lately.
pub fn status_of(check: &check::Check, streak: Option<&Streak>, now: Timestamp) -> CheckStatus {
    match streak {
        None => CheckStatus::NeverRun,
        Some(streak) if streak.last_outcome.is_none() || check.is_current(streak, now) => {
            status(streak)
        }
        Some(_) => CheckStatus::Unknown,
    }
}

/// Whether it works by its last results.
fn status(streak: &Streak) -> CheckStatus {
    match streak.last_outcome {
        _ if streak.down => CheckStatus::Down,
        None => CheckStatus::NeverRun,
        Some(run::Outcome::Unknown) => CheckStatus::Unknown,
        Some(run::Outcome::Passed | run::Outcome::Failed) => CheckStatus::Up,
    }
}

/// `url` without name and password; a text that is no URL by itself (it may name secrets) is cut at
/// the `@` of its authority.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::Outcome;

    #[test]
    fn a_region_is_down_until_it_has_passed_often_enough() {
        let at = |minute: u32| -> Timestamp {
            format!("2026-11-21T04:{minute:02}:00Z").parse().expect("a time")
        };
        let never = Streak::default();
        let failed = never.counting(Outcome::Failed, at(1), 2);
        let passed_once = failed.counting(Outcome::Passed, at(2), 2);
        let lost = passed_once.counting(Outcome::Unknown, at(3), 2);
        let passed_twice = lost.counting(Outcome::Passed, at(4), 2);
        let lost_again = passed_twice.counting(Outcome::Unknown, at(5), 2);
        let states = [never, failed, passed_once, lost, passed_twice, lost_again];
        assert_eq!(
            states.map(|streak| status(&streak)),
            [
                CheckStatus::NeverRun,
                CheckStatus::Down,
                CheckStatus::Down,
                CheckStatus::Down,
                CheckStatus::Up,
                CheckStatus::Unknown
            ]
        );
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        assert_eq!(without_password("https://a:b@example.com/x@y"), "https://example.com/x@y");
        assert_eq!(without_password("https://${secret.A}@example.com"), "https://example.com");
        assert_eq!(without_password("https://example.com/?q=a@b"), "https://example.com/?q=a@b");
    }
}
