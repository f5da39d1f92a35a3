//! Where things have their pages: the one place that knows.

use crate::domain::id::{CheckId, IncidentId, RunId};

/// The page of a check. Names need no escaping in a path.
pub(super) fn check(id: &CheckId) -> String {
    format!("/api/v1/checks/{}", id.as_str().replace('/', "%2F"))
}

/// The page of an incident.
pub(super) fn incident(id: IncidentId) -> String {
    format!("/incidents/{id}")
}

/// The page of a run.
pub(super) fn run(id: RunId) -> String {
    format!("/api/v1/runs/{id}")
}

/// The page of the run with this id.
pub(super) fn run_called(id: &str) -> String {
    format!("/api/v1/runs/{id}")
}
