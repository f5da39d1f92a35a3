//! Results in, incidents decided, notifications out.

pub mod accountant;
pub mod deliveries;
pub mod ingest;
pub mod judge;
