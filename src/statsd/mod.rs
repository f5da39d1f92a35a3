//! statsd, in both directions: the metrics of runs are sent to a daemon, and what others send is
//! received.
//!
//! Out: [`Sink::record`] turns one report into lines, and others of its functions what is known of all
//! checks together. They hand them to a task of its own, which packs them into UDP packets.
//! docs/metrics.md names the metrics. In: a [`Listener`] reads lines and makes series of them, interval
//! by interval; docs/operators/metrics.md says which.
//!
//! Nothing here waits for the daemon, the network or a name server on behalf of a run: what cannot
//! be sent is dropped and counted. Nothing here reads configuration or knows the store.

mod aggregate;
mod codec;
mod dropped;
mod identity;
mod kernel;
mod listener;
mod metrics;
mod packet;
pub mod parse;
mod received;
mod relay;
mod route;
mod sink;
mod state;

pub use aggregate::{Aggregate, Rules, Signs};
pub use codec::Style;
pub use dropped::Dropped;
pub use listener::{BindError, Intervals, Listener, Listening};
pub use metrics::Share;
pub use received::{ABOUT, Count, LISTENING, Lost, Received, Way};
pub use sink::{Options, Sink};
