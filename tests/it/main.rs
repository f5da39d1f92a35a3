//! The one test binary: a file a subject.

mod architecture;
mod configuration;
mod store;
