//! What Tripline knows about the world, without touching it.
//!
//! Checks, slots, runs, streaks, incidents, policies and deliveries are values here, and every
//! decision is a function from values to values. Nothing in this module reads a clock, a file, a
//! socket, the environment or a random number, nothing is `async`, and nothing is serialisable:
//! types that cross a wire have twins at the edge that converts them.

pub mod attendance;
pub mod backoff;
pub mod blindness;
pub mod check;
pub mod coverage;
pub mod drill;
pub mod edition;
pub mod errand;
pub mod exchange;
pub mod failed_request;
pub mod group;
pub mod heartbeat;
pub mod id;
pub mod incident;
pub mod notice;
pub mod notification;
pub mod output;
pub mod path;
pub mod policy;
pub mod proof;
pub mod rendezvous;
pub mod restraint;
pub mod rota;
pub mod route;
pub mod rule;
pub mod run;
pub mod schedule;
pub mod slot;
pub mod storm;
pub mod streak;
pub mod subject;
pub mod succession;
pub mod user;
pub mod zone;

/// A moment in time, in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// `moment` and `span`, or the end of time: what a peer says of its clock must not overflow.
pub fn after(moment: Timestamp, span: std::time::Duration) -> Timestamp {
    let span = chrono::TimeDelta::from_std(span).ok();
    span.and_then(|span| moment.checked_add_signed(span)).unwrap_or(Timestamp::MAX_UTC)
}
