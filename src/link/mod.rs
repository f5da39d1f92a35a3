//! The link between the hub and the agents of other regions.
//!
//! Agents dial out; a hub never does. What they say to each other is [`protocol`]; [`publication`]
//! is what a hub has to say, [`client`] how an agent asks for it; [`spool`] keeps reports until the
//! hub has them, and [`cache`] what the agent is to run, for when the hub is gone.
//!
//! Invariants:
//! - a report leaves the spool only when the hub has said that it is safe, or that it never will be
//!   taken, or, counted, when there is no room;
//! - a region is told the values of the secrets that its checks name, and no others;
//! - no value of a secret and no token is on the agent's disk in the clear, in a log or in `Debug`;
//! - whatever a peer sends is data: decoding it ends in a value or in a refusal with a reason.
//!
//! Nothing here runs, schedules or judges anything.

pub mod cache;
pub mod client;
pub mod protocol;
pub mod publication;
pub mod spool;
pub mod token;
