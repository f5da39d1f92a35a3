//! Series as others write them: OpenMetrics text and JSON, read into points.
//!
//! Pure. Reading never stops half-way: a text is points, or the first [`Mistake`] with its line and
//! column. Histograms and summaries are the classic series that their lines name; exemplars are
//! passed over and counted. Nothing here stores, sends or tells the time.

mod batch;
mod bounds;
mod cursor;
mod json;
mod openmetrics;
mod write;

pub use batch::Batch;
pub use json::read as read_json;
pub use openmetrics::Reader;
pub use write::write;

use crate::query::{Labels, Measure};

/// The content type of OpenMetrics text.
pub const OPENMETRICS: &str = "application/openmetrics-text";

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The series, with its metric name.
    pub labels: Labels,
    /// What the series measures, where that is said.
    pub measure: Option<Measure>,
    /// When it was so, in milliseconds since 1970; now, where nothing is said.
    pub at: Option<i64>,
    /// The value; it may be infinite or no number.
    pub value: f64,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Mistake {
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// The latest time there may be, in milliseconds since 1970 (the year 2255): what lies beyond was
/// meant in another unit.
const LATEST: i64 = 9_000_000_000_000;
