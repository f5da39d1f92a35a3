//! One file a command; prints; no logic.

pub mod args;
pub mod exit;
pub mod live;
pub mod log;
pub mod look;
pub mod report;
