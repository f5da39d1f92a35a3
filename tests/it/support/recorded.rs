//! Metrics that a test can look at.

use std::sync::Mutex;

use async_trait::async_trait;
use tripline::domain::Timestamp;
use tripline::query::{Labels, Matcher, Selection, Series};
use tripline::store::Error;
use tripline::store::metrics::{Bounds, Found, Metrics, Stored};

/// Records what is appended, and finds nothing.
#[derive(Debug, Default)]
pub(crate) struct Recorded(pub(crate) Mutex<Vec<Series>>);

#[async_trait]
impl Metrics for Recorded {
    async fn append(&self, series: &[Series], _: Timestamp) -> Result<Stored, Error> {
        self.0.lock().expect("no test panics with it").extend_from_slice(series);
        let points: usize = series.iter().map(|series| series.times().len()).sum();
        Ok(Stored { new: points as u64, ..Stored::default() })
    }

    async fn select(&self, _: &[Selection], _: Bounds) -> Result<Found, Error> {
        Ok(Found::Series(Vec::new()))
    }

    async fn labels(
        &self,
        _: &[Vec<Matcher>],
        _: i64,
        _: i64,
        _: usize,
    ) -> Result<Vec<Labels>, Error> {
        Ok(Vec::new())
    }
}
