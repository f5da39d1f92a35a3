//! Results in, incidents decided, notifications out.

pub mod ingest;
pub mod judge;
