//! One file a command; prints; no logic.

pub mod diagnostics;
pub mod init;
pub mod validate;
