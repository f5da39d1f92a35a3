//! The composition root: builds the parts, introduces them to each other, runs the loops, stops
//! them in order.

mod accounting;
pub mod agent;
mod alarm;
pub mod asking;
mod assignments;
pub mod channels;
mod clicks;
pub mod daemon;
pub mod demo_site;
pub mod descriptors;
mod emitting;
mod faces;
mod housekeeping;
mod hub;
pub mod import;
mod lanes;
mod listening;
mod membership;
mod metering;
mod metronome;
mod people;
pub mod project;
mod publication;
pub mod replays;
pub mod rule_tests;
pub mod rules;
mod share;
pub mod storage;
pub mod tokens;
pub mod trial;
mod turns;
mod vitals;
pub mod watch;
pub mod witness;
mod works;
