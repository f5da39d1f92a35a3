//! What others send by statsd, as it arrives in series.

mod clients;
mod etsy;
mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tripline::clock::Manual;
use tripline::statsd::{Count, Intervals, Listener, Listening, Rules, Signs};

use crate::support::wait::until_true;

const PATIENCE: Duration = Duration::from_secs(30);

/// The time at which the clock of the tests stands, in milliseconds.
const NOW: i64 = 1_795_234_351_500;

/// A listener whose clock stands still, so that all that it receives is of one interval, which ends
/// when it is stopped.
struct Heard {
    listener: Listener,
    intervals: Intervals,
}

fn nowhere() -> Listening {
    Listening {
        udp: None,
        tcp: None,
        unix: None,
        unix_stream: None,
        relay_to: None,
        rules: Rules {
            interval: Duration::from_secs(10),
            silent_after: Duration::from_hours(1),
            totals_silent_after: Duration::from_hours(1),
            most_series: 10_000,
            buckets: [10.0, 100.0, 1000.0].into(),
            signs: Signs::Differences,
            labels: Vec::new(),
        },
    }
}

fn udp() -> Listening {
    Listening { udp: Some("127.0.0.1:0".parse().expect("an address")), ..nowhere() }
}

impl Heard {
    fn start(listening: Listening) -> Self {
        let now = chrono::DateTime::from_timestamp_millis(NOW).expect("a time");
        let (listener, intervals) =
            Listener::start(listening, Arc::new(Manual::new(now))).expect("it can listen");
        Self { listener, intervals }
    }

    fn port(&self) -> u16 {
        self.listener.udp().or(self.listener.tcp()).expect("a port").port()
    }

    fn count(&self) -> Count {
        self.listener.received().count()
    }

    async fn until_lines(&self, lines: u64) {
        until_true(&format!("{lines} lines"), PATIENCE, async || {
            assert!(self.count().lines <= lines, "{:?}", self.count());
            self.count().lines == lines
        })
        .await;
    }

    /// Ends it, and tells the last value of each series that was sent.
    async fn end(mut self) -> BTreeMap<String, f64> {
        self.listener.stop();
        let mut values = BTreeMap::new();
        while let Some(interval) = self.intervals.recv().await {
            for series in interval {
                let name = series.labels().metric_name();
                if !name.starts_with("tripline_statsd_") {
                    let value = *series.values().last().expect("a point");
                    values.insert(series.labels().to_string(), value);
                }
            }
        }
        values
    }
}
