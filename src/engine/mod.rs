//! Results in, incidents decided, notifications out.

pub mod accountant;
pub mod deliveries;
pub mod holding;
pub mod ingest;
pub mod judge;
pub mod points;
pub mod review;
pub mod shortfall;
