//! One file a command; prints; no logic.

pub mod args;
pub mod diagnostics;
pub mod exit;
pub mod init;
pub mod live;
pub mod log;
pub mod look;
pub mod report;
pub mod validate;
