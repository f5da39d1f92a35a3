//! What Tripline knows about the world, without touching it.
//!
//! Checks, slots, runs, streaks, incidents, policies and deliveries are values here, and every
//! decision is a function from values to values. Nothing in this module reads a clock, a file, a
//! socket, the environment or a random number, nothing is `async`, and nothing is serialisable:
//! types that cross a wire have twins at the edge that converts them.

pub mod backoff;
pub mod check;
pub mod coverage;
pub mod id;
pub mod incident;
pub mod notice;
pub mod notification;
pub mod policy;
pub mod run;
pub mod schedule;
pub mod slot;
pub mod streak;

/// A moment in time, in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
