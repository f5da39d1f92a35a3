//! Groups of checks, for load balancers and DNS.

use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::groups::{CheckStanding, GroupStanding};

/// How a group of checks stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupHealth {
    /// Its name.
    pub group: String,
    /// Whether it is well; the status of the answer says the same.
    pub healthy: bool,
    /// Its checks, in the order of their ids.
    pub checks: Vec<GroupCheck>,
}

/// How a check of a group stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupCheck {
    /// Its id.
    pub id: String,
    /// Whether it is well.
    pub healthy: bool,
    /// The regions in which it is not.
    pub ill_in: Vec<String>,
}

impl GroupHealth {
    /// What is said of the group called `name`.
    pub fn new(name: String, standing: &GroupStanding) -> Self {
        let checks = standing.checks.iter().map(GroupCheck::from).collect();
        Self { group: name, healthy: standing.is_well, checks }
    }
}

impl From<&CheckStanding> for GroupCheck {
    fn from(standing: &CheckStanding) -> Self {
        Self {
            id: standing.check.to_string(),
            healthy: standing.is_well,
            ill_in: standing.ill_in.iter().map(ToString::to_string).collect(),
        }
    }
}
