//! Where things have their pages: the one place that knows.

use url::form_urlencoded::byte_serialize;

use crate::domain::id::{CheckId, IncidentId};
use crate::domain::rule::RuleName;

/// The page of a check. Names need no escaping in a path.
pub(super) fn check(id: &CheckId) -> String {
    format!("/api/v1/checks/{}", id.as_str().replace('/', "%2F"))
}

/// The page of an incident.
pub(super) fn incident(id: IncidentId) -> String {
    format!("/api/v1/incidents/{id}")
}

/// The page of a rule.
pub(super) fn rule(name: &RuleName) -> String {
    // In a path, a plus is no space.
    let name: String = byte_serialize(name.as_str().as_bytes()).collect();
    format!("/rules/{}", name.replace('+', "%20"))
}
