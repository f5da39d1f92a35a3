//! The composition root: builds the parts, introduces them to each other, runs the loops, stops
//! them in order.

pub mod agent;
mod assignments;
mod channels;
pub mod daemon;
pub mod demo_site;
mod faces;
mod hub;
mod lanes;
mod membership;
mod metronome;
pub mod project;
mod publication;
mod share;
pub mod tokens;
pub mod trial;
pub mod watch;
pub mod witness;
