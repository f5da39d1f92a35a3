//! The one test binary: a file a subject.

mod architecture;
mod net;
mod sandbox;
