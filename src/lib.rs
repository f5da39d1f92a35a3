//! Tripline: synthetic monitoring and alerting in one binary.
//!
//! The modules are floors of one house; ARCHITECTURE.md says what each is for and what it must not
//! know. Arrows between them point down only, and a test holds that.

pub mod agent;
pub mod app;
pub mod chart;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod engine;
pub mod exposition;
pub mod failpoint;
pub mod http;
pub mod link;
pub mod net;
pub mod notify;
pub mod password;
pub mod payload;
pub mod query;
pub mod sandbox;
pub mod scheduler;
pub mod statsd;
pub mod store;
