//! Series as the caller hands them in: labels and samples, times and values apart, so that a walk
//! over the one does not read the other.
//!
//! Times are milliseconds since 1970, strictly ascending. Nothing here evaluates.

use super::labels::Labels;

/// The value that says that a series ended here: a NaN of its own, as in Prometheus
/// (`value.StaleNaN`).
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether `value` is the marker of a series' end, and not just any NaN.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// What a series measures, as far as whoever brings it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A total that only grows, but for new beginnings.
    Counter,
    /// What goes up and down.
    Gauge,
}

impl Measure {
    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }

    /// The one that is called so.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Counter, Self::Gauge].into_iter().find(|it| it.as_str() == word)
    }
}

/// One series with its samples.
#[derive(Clone, Debug)]
pub struct Series {
    labels: Labels,
    measure: Option<Measure>,
    times: Vec<i64>,
    values: Vec<f64>,
}

/// Samples that are no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disorder {
    /// There is not one value for each time.
    #[error("{times} times and {values} values of {labels}")]
    Uneven {
        /// The series.
        labels: String,
        /// How many times there are.
        times: usize,
        /// How many values there are.
        values: usize,
    },
    /// A time is not later than the one before it.
    #[error("the samples of {labels} are not in the order of their times, at {time} ms")]
    Unordered {
        /// The series.
        labels: String,
        /// The first time that is not later than the one before it.
        time: i64,
    },
}

impl Series {
    /// Builds a series of `times` (milliseconds since 1970, strictly ascending) and their `values`.
    ///
    /// # Errors
    /// Where there is not one value for each time, or the times are not ascending.
    pub fn new(labels: Labels, times: Vec<i64>, values: Vec<f64>) -> Result<Self, Disorder> {
        if times.len() != values.len() {
            let labels = labels.to_string();
            return Err(Disorder::Uneven { labels, times: times.len(), values: values.len() });
        }
        if let Some(pair) = times.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(Disorder::Unordered { labels: labels.to_string(), time: pair[1] });
        }
        Ok(Self { labels, measure: None, times, values })
    }

    /// The same series, said to measure this.
    #[must_use]
    pub fn measuring(self, measure: Option<Measure>) -> Self {
        Self { measure, ..self }
    }

    /// What it measures, where that was said.
    pub fn measure(&self) -> Option<Measure> {
        self.measure
    }

    /// The labels, with the metric name.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The times of the samples, in milliseconds since 1970.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// The values of the samples; [`STALE`] where the series ended.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}
