//! The composition root: builds the parts, introduces them to each other, runs the loops, stops
//! them in order.

mod assignments;
pub mod channels;
pub mod daemon;
pub mod demo_site;
mod housekeeping;
mod hub;
mod lanes;
mod metronome;
pub mod project;
mod storage;
pub mod trial;
pub mod watch;
pub mod witness;
mod works;
