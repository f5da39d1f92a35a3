//! Where things have their pages: the one place that knows.

use crate::domain::id::{CheckId, IncidentId};

/// The page of a check. Names need no escaping in a path.
pub(super) fn check(id: &CheckId) -> String {
    format!("/api/v1/checks/{}", id.as_str().replace('/', "%2F"))
}

/// The page of an incident.
pub(super) fn incident(id: IncidentId) -> String {
    format!("/api/v1/incidents/{id}")
}
