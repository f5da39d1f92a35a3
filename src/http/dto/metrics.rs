//! What others measured.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Time;

/// Points of series. `exposition` reads them.
#[derive(Debug, ToSchema)]
pub struct SentMetrics {
    /// The series.
    pub series: Vec<SentSeries>,
}

/// One series with its points.
#[derive(Debug, ToSchema)]
pub struct SentSeries {
    /// The name of the metric.
    pub name: String,
    /// What it measures; where nothing is said, its name tells.
    #[schema(rename = "type")]
    pub kind: Option<SentKind>,
    /// What tells it from others of the name.
    #[schema(required = false)]
    pub labels: BTreeMap<String, String>,
    /// The points, in any order.
    pub points: Vec<SentPoint>,
}

/// What a series measures. It counts when the series comes for the first time.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum SentKind {
    /// A total that only grows.
    Counter,
    /// What goes up and down.
    Gauge,
}

/// A value of a series.
#[derive(Debug, ToSchema)]
pub struct SentPoint {
    /// The value.
    pub value: f64,
    /// When it was so; now, if not given.
    pub at: Option<Time>,
}

/// What became of points.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct StoredMetrics {
    /// Stored now.
    pub new: u64,
    /// Of a time of which there is a point already.
    pub repeated: u64,
    /// Refused because they are older than what is kept.
    pub too_old: u64,
    /// Refused because there would be more series than are kept.
    pub over_limit: u64,
    /// More than an hour ahead of the hub's clock.
    pub ahead: u64,
    /// Exemplars that were passed over.
    pub exemplars_ignored: u64,
}
