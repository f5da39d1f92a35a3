//! The only door to the network: dialer, egress guard, TLS roots, one HTTP exchange with timings.
//!
//! Scripts and plain checks reach the outside through a [`Client`] and through nothing else.
//!
//! Invariants:
//! - the address that is dialled is the address that the [`guard`] was asked about; a name that is
//!   left to a [`proxy`] is judged as a name only;
//! - a URL is parsed once, by the `url` crate, and the same value is judged and dialled;
//! - nothing is read without a cap, nor without a claim on the [`Budget`] of all runs, and nothing is awaited without a deadline;
//! - redirects, cookies and secrets are not known here: an exchange is one request and its answer.

mod body;
mod budget;
mod client;
mod dialer;
mod exchange;
mod fickle;
pub mod guard;
mod link;
pub mod outward;
pub mod proxy;
mod seen;
mod stream;
pub mod tls;

pub use budget::{Budget, Share};
pub use client::Client;
pub use dialer::{Dialer, Error as DialError, Names};
pub use exchange::{Answer, Error, Limits, Outgoing};
pub use fickle::Fickle;
pub use proxy::Proxy;
pub use seen::{Phase, Seen};
