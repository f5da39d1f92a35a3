//! The one test binary: a file a subject.

mod agent;
mod architecture;
mod net;
mod sandbox;
