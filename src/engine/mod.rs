//! Results in, incidents decided, notifications out.

pub mod accountant;
pub mod acts;
pub mod answers;
pub mod calling;
pub mod clicks;
pub mod deliveries;
pub mod drills;
pub mod errands;
pub mod following;
pub mod groups;
pub mod holding;
pub mod ingest;
pub mod judge;
pub mod measuring;
pub mod points;
pub mod queries;
pub mod replay;
pub mod review;
pub mod rules;
pub mod shortfall;
pub mod stamps;
pub mod storing;
pub mod succession;
pub mod tending;
pub mod turns;
