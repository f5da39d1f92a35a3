//! What Prometheus says beside a result: warnings (the result may be wrong) and remarks (the
//! expression may be wrong). The texts are Prometheus' own (`util/annotations`), without positions.

use std::collections::BTreeSet;

/// How many different notes a query may gather; more are dropped.
const MOST: usize = 100;

/// Warnings and infos, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    warnings: BTreeSet<String>,
    infos: BTreeSet<String>,
}

impl Notes {
    /// The warnings, each beginning with `PromQL warning: `.
    pub fn warnings(&self) -> impl ExactSizeIterator<Item = &str> {
        self.warnings.iter().map(String::as_str)
    }

    /// The infos, each beginning with `PromQL info: `.
    pub fn infos(&self) -> impl ExactSizeIterator<Item = &str> {
        self.infos.iter().map(String::as_str)
    }

    fn warn(&mut self, text: &str) {
        if self.warnings.len() < MOST {
            self.warnings.insert(format!("PromQL warning: {text}"));
        }
    }

    fn inform(&mut self, text: &str) {
        if self.infos.len() < MOST {
            self.infos.insert(format!("PromQL info: {text}"));
        }
    }

    pub(super) fn invalid_quantile(&mut self, quantile: f64) {
        let value = super::number::general(quantile);
        self.warn(&format!("quantile value should be between 0 and 1, got {value}"));
    }

    pub(super) fn invalid_ratio(&mut self, ratio: f64, bound: f64) {
        let (value, bound) = (super::number::general(ratio), super::number::general(bound));
        let text = "ratio value should be between -1 and 1";
        self.warn(&format!("{text}, got {value}, capping to {bound}"));
    }

    pub(super) fn bad_bucket(&mut self, metric: &str, bound: &str) {
        self.warn(&format!(
            "bucket label \"le\" is missing or has a malformed value of {bound:?} for metric name \
             {metric:?}"
        ));
    }

    pub(super) fn no_counter(&mut self, metric: &str) {
        self.inform(&format!(
            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \
             {metric:?}"
        ));
    }

    pub(super) fn forced_monotonicity(&mut self, metric: &str) {
        self.inform(&format!(
            "input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) \
             for metric name {metric:?}"
        ));
    }
}
