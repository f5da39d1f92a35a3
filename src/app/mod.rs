//! The composition root: builds the parts, introduces them to each other, runs the loops, stops
//! them in order.

pub mod demo_site;
pub mod imports;
pub mod metronome;
pub mod project;
pub mod watch;
