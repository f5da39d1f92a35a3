//! The series of a store that remembers: logins of two regions, a point each minute.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::now;
use super::Remembered;
use crate::domain::Timestamp;
use crate::query::{Labels, Matcher, Selection, Series};
use crate::store::Error;
use crate::store::metrics::{Bounds, Found, Metrics, Stored};

fn remembered() -> Vec<Series> {
    let end = now().timestamp_millis();
    let of_region = |region: &str, growth: f64| {
        let labels = [("__name__", "logins_total"), ("region", region), ("http.status", "200")];
        let times = (-10..=0).map(|minute| end + minute * 60_000).collect();
        let values = (0..11).map(|minute| f64::from(minute) * growth).collect();
        Series::new(labels.into_iter().collect(), times, values).expect("in order")
    };
    vec![of_region("eu", 60.0), of_region("us", 30.0)]
}

fn selected(all: Vec<Series>, matchers: &[Matcher], after: i64, until: i64) -> Vec<Arc<Series>> {
    let within = |series: Series| {
        let points = series.times().iter().zip(series.values());
        let kept = points.filter(|(time, _)| (after < **time) && (**time <= until));
        let (times, values): (Vec<i64>, Vec<f64>) =
            kept.map(|(time, value)| (*time, *value)).unzip();
        Series::new(series.labels().clone(), times, values).expect("in order")
    };
    let selects = |series: &Series| matchers.iter().all(|matcher| matcher.selects(series.labels()));
    let found = all.into_iter().filter(selects).map(within);
    found.filter(|series| !series.times().is_empty()).map(Arc::new).collect()
}

#[async_trait]
impl Metrics for Remembered {
    async fn append(&self, series: &[Series], _: Timestamp) -> Result<Stored, Error> {
        self.mood().await?;
        self.series.lock().expect("no test panics with it").extend(series.iter().cloned());
        let points: usize = series.iter().map(|series| series.times().len()).sum();
        Ok(Stored { new: points as u64, ..Stored::default() })
    }

    async fn select(&self, selections: &[Selection], bounds: Bounds) -> Result<Found, Error> {
        self.mood().await?;
        assert!(bounds.series > 0 && bounds.points > 0);
        let came = self.series.lock().expect("no test panics with it").clone();
        let all = || remembered().into_iter().chain(came.iter().cloned()).collect();
        let one = |it: &Selection| selected(all(), &it.matchers, it.after, it.until);
        Ok(Found::Series(selections.iter().map(one).collect()))
    }

    async fn measures(
        &self,
    ) -> Result<std::collections::BTreeMap<String, crate::query::Measure>, Error> {
        self.mood().await?;
        let measured = |it: &Series| Some((it.labels().metric_name().to_owned(), it.measure()?));
        let came = self.series.lock().expect("no test panics with it").clone();
        Ok(came.iter().filter_map(measured).collect())
    }

    async fn labels(
        &self,
        matchers: &[Vec<Matcher>],
        after: i64,
        until: i64,
        limit: usize,
    ) -> Result<Vec<Labels>, Error> {
        self.mood().await?;
        let all = [Vec::new()];
        let matchers = if matchers.is_empty() { &all } else { matchers };
        let found =
            matchers.iter().flat_map(|matchers| selected(remembered(), matchers, after, until));
        let mut labels: Vec<Labels> = found.map(|series| series.labels().clone()).collect();
        labels.sort();
        labels.dedup();
        labels.truncate(limit);
        Ok(labels)
    }
}
