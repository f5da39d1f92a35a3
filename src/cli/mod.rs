//! One file a command; prints; no logic.

pub mod args;
mod demo;
pub mod diagnostics;
pub mod exit;
pub mod init;
pub mod live;
pub mod log;
pub mod look;
mod onlooker;
pub mod report;
pub mod run;
mod tell;
mod terminal;
mod test;
mod up;
pub mod validate;
