//! One file a command; prints; no logic.

mod agent;
pub mod args;
mod chart;
mod demo;
pub mod diagnostics;
mod env_file;
pub mod exit;
pub mod init;
pub mod live;
pub mod log;
pub mod look;
mod metrics;
mod oncall;
mod onlooker;
mod query;
pub mod report;
mod rule;
pub mod run;
mod store;
mod tell;
mod terminal;
mod test;
mod token;
mod up;
mod uptime;
pub mod validate;
