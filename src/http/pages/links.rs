//! Where things have their pages: the one place that knows.

use std::fmt::Display;

use crate::domain::id::{CheckId, IncidentId};

/// The page of a check. Names need no escaping in a path.
pub(super) fn check(id: &CheckId) -> String {
    format!("/checks/{id}")
}

/// The page of an incident.
pub(super) fn incident(id: IncidentId) -> String {
    format!("/incidents/{id}")
}

/// The page of a run.
pub(super) fn run(id: impl Display) -> String {
    format!("/runs/{id}")
}
