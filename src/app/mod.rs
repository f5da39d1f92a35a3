//! The composition root: builds the parts, introduces them to each other, runs the loops, stops
//! them in order.

mod accounting;
pub mod agent;
mod assignments;
pub mod channels;
pub mod daemon;
pub mod demo_site;
pub mod descriptors;
mod faces;
mod housekeeping;
mod hub;
pub mod import;
mod lanes;
mod listening;
mod membership;
mod metronome;
pub mod project;
mod publication;
mod share;
pub mod storage;
pub mod tokens;
pub mod trial;
mod unkept;
pub mod watch;
pub mod witness;
mod works;
