//! Series in memory, under the contract of those that are kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use tripline::domain::Timestamp;
use tripline::query::{Labels, Matcher, Selection, Series};
use tripline::store::Error;
use tripline::store::metrics::{Bounds, Found, Metrics, Stored};

/// Series in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    series: Mutex<BTreeMap<Labels, BTreeMap<i64, f64>>>,
    /// What selections of this metric are answered with, instead of series.
    refused: Mutex<Option<(String, String)>>,
    /// The metric of which something is damaged.
    damaged: Mutex<Option<String>>,
}

impl Memory {
    /// Adds a point.
    pub(crate) fn add(&self, labels: &[(&str, &str)], at: Timestamp, value: f64) {
        let labels: Labels = labels.iter().copied().collect();
        let mut series = self.series.lock().expect("not poisoned");
        series.entry(labels).or_default().entry(at.timestamp_millis()).or_insert(value);
    }

    /// From now on something of `metric` is damaged.
    pub(crate) fn damage(&self, metric: Option<&str>) {
        *self.damaged.lock().expect("not poisoned") = metric.map(str::to_owned);
    }

    /// From now on whoever asks for `metric` is told that it is too much.
    pub(crate) fn refuse(&self, metric: Option<(&str, &str)>) {
        let metric = metric.map(|(metric, why)| (metric.to_owned(), why.to_owned()));
        *self.refused.lock().expect("not poisoned") = metric;
    }
}

#[async_trait]
impl Metrics for Memory {
    async fn append(&self, series: &[Series], _: Timestamp) -> Result<Stored, Error> {
        let mut stored = Stored::default();
        let mut known = self.series.lock().expect("not poisoned");
        for one in series {
            let points = known.entry(one.labels().clone()).or_default();
            for (time, value) in one.times().iter().zip(one.values()) {
                points.entry(*time).or_insert(*value);
                stored.new += 1;
            }
        }
        Ok(stored)
    }

    async fn select(&self, selections: &[Selection], _: Bounds) -> Result<Found, Error> {
        let known = self.series.lock().expect("not poisoned");
        let refused = self.refused.lock().expect("not poisoned").clone();
        let damaged = self.damaged.lock().expect("not poisoned").clone();
        let mut all = Vec::with_capacity(selections.len());
        for Selection { matchers, after, until } in selections {
            if let Some((metric, why)) = &refused
                && matchers.iter().any(|it| *it.value == **metric)
            {
                return Ok(Found::TooMuch(why.clone()));
            }
            if let Some(metric) = &damaged
                && matchers.iter().any(|it| *it.value == **metric)
            {
                return Err(Error::Unreadable { what: "chunk", reason: "it is damaged".into() });
            }
            let matching =
                known.iter().filter(|(labels, _)| matchers.iter().all(|it| it.selects(labels)));
            let within = matching.filter_map(|(labels, points)| {
                let points = points.range(after + 1..=*until);
                let (times, values): (Vec<i64>, Vec<f64>) = points.map(|(t, v)| (*t, *v)).unzip();
                let series = Series::new(labels.clone(), times, values).expect("in order");
                (!series.times().is_empty()).then(|| Arc::new(series))
            });
            all.push(within.collect());
        }
        Ok(Found::Series(all))
    }

    async fn measures(
        &self,
    ) -> Result<std::collections::BTreeMap<String, tripline::query::Measure>, Error> {
        Ok(std::collections::BTreeMap::new())
    }

    async fn labels(
        &self,
        _: &[Vec<Matcher>],
        _: i64,
        _: i64,
        limit: usize,
    ) -> Result<Vec<Labels>, Error> {
        let known = self.series.lock().expect("not poisoned");
        Ok(known.keys().take(limit).cloned().collect())
    }
}
