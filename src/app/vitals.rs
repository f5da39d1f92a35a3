//! Tripline's own measurements as series: what `GET /metrics` shows now, kept for later.
//!
//! Each hub measures itself and says which one it is; agents are measured by every hub alike, and so
//! are messages. When the store fails, points are missing, and nobody waits for them.

use std::time::Duration;

use tokio::time::timeout;

use crate::clock::Halt;
use crate::engine::measuring::INCIDENTS_OPEN;
use crate::http::Api;
use crate::http::spans;
use crate::http::vitals::{Vital, vitals};
use crate::query::{Labels, METRIC_NAME, Measure, Series};

/// How far apart points are; the longest that `rate(x[1m])` has enough of.
const INTERVAL: Duration = Duration::from_secs(15);

/// Measures the hub called `hub` until `halt` is asked for.
pub(super) async fn keep(api: Api, hub: String, halt: Halt) {
    while timeout(INTERVAL, halt.asked()).await.is_err() {
        let (mut measured, now) = (vitals(&api).await, api.clock.now());
        // Kept by what they are about, once for all hubs, with what is measured of all checks.
        measured.retain(|vital| vital.about.stem != INCIDENTS_OPEN);
        let one = |vital: Vital| {
            let name = (METRIC_NAME.to_owned(), vital.about.name());
            let own = vital.labels.into_iter().map(|(name, value)| (name.to_owned(), value));
            let labels: Labels = own.chain([name, ("hub".to_owned(), hub.clone())]).collect();
            let series = Series::new(labels, vec![now.timestamp_millis()], vec![vital.value]);
            Some(series.ok()?.measuring(Some(vital.about.kind.measure())))
        };
        let mut series: Vec<Series> = measured.into_iter().filter_map(one).collect();
        let spans = spans::series(&api.stamps.distributions()).into_iter();
        series.extend(spans.filter_map(|(name, own, value)| {
            let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
            let whose = [(METRIC_NAME, name), ("hub", &hub)];
            let whose = whose.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let labels: Labels = own.chain(whose).collect();
            let series = Series::new(labels, vec![now.timestamp_millis()], vec![value]);
            Some(series.ok()?.measuring(Some(Measure::Counter)))
        }));
        if let Err(error) = api.metrics.append(&series, now).await {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "the hub's own measurements are not kept");
        }
    }
}
