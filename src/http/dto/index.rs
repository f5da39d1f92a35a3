//! Where to begin.

use serde::Serialize;
use utoipa::ToSchema;

/// Where to go from here.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Index {
    /// Always `tripline`.
    pub name: &'static str,
    /// The version of the program.
    pub version: String,
    /// The routes to begin with.
    pub links: Vec<Link>,
}

/// One way to go.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Link {
    /// Its path, perhaps with a query.
    pub path: &'static str,
    /// What is there.
    pub about: &'static str,
}
