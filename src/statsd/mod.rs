//! The metrics of runs, sent to a statsd daemon.
//!
//! [`Sink::record`] turns one report into lines and hands them to a task of its own, which packs
//! them into UDP packets. docs/metrics.md names the metrics.
//!
//! Nothing here waits for the daemon, the network or a name server on behalf of a run: what cannot
//! be sent is dropped and counted. Nothing here reads configuration or knows the store.

mod codec;
mod dropped;
mod metrics;
mod packet;
mod route;
mod sink;

pub use codec::Style;
pub use dropped::Dropped;
pub use sink::{Options, Sink};
