//! The one test binary: a file a subject.

mod architecture;
mod deliveries;
mod notify;
mod store;
mod support;
