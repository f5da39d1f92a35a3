//! Points of received series on their way into the store.
//!
//! They are stored in the order in which they come, a bounded number at a time. While the store
//! fails, an interval is tried again and the others wait (what it will never take is dropped); when no more can wait, whoever hands them in
//! loses the latest and counts it. Nothing here receives or evaluates.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::storing::{Outcome, Storing};
use crate::clock::{Clock, Halt};
use crate::query::Series;
use crate::statsd::{Intervals, Lost, Received};
use crate::store::metrics::{Metrics, Stored};

/// How many series are stored at a time.
const AT_ONCE: usize = 5_000;
/// The pause before the store is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Stores what a statsd listener received.
#[derive(Debug)]
pub struct Points {
    /// Where points are kept.
    pub metrics: Arc<dyn Metrics>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where it is counted what is not stored.
    pub received: Arc<Received>,
}

impl Points {
    /// Stores `intervals` until there are no more; after `halt` was asked for, as long as that
    /// allows.
    pub async fn store(self, mut intervals: Intervals, halt: Halt) {
        let (metrics, clock) = (Arc::clone(&self.metrics), Arc::clone(&self.clock));
        let mut storing = Storing::new(metrics, clock, "received metrics");
        let all = async {
            while let Some(interval) = intervals.recv().await {
                for series in interval.chunks(AT_ONCE) {
                    self.keep(series, &mut storing, &halt).await;
                }
            }
        };
        if halt.bound(all).await.is_none() {
            tracing::warn!("the last points of received metrics were not stored in time");
        }
    }

    /// Stores `series`, however often the store has to be tried; after the halt, once.
    async fn keep(&self, mut series: &[Series], storing: &mut Storing, halt: &Halt) {
        loop {
            let Outcome { stored, refused, left } = storing.attempt(series).await;
            self.count(stored, refused);
            series = &series[series.len() - left..];
            if series.is_empty() {
                return;
            }
            if halt.is_asked() || timeout(PAUSE, halt.asked()).await.is_ok() {
                let points = series.iter().map(|series| series.times().len() as u64).sum();
                return self.received.lose(Lost::Unstored, points);
            }
        }
    }

    fn count(&self, stored: Stored, refused: u64) {
        for (why, points) in [
            (Lost::TooOld, stored.too_old),
            (Lost::OverLimit, stored.over_limit),
            (Lost::Ahead, stored.ahead),
            (Lost::Refused, refused),
        ] {
            if points > 0 {
                self.received.lose(why, points);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use tokio::sync::mpsc;

    use super::*;
    use crate::clock::System;
    use crate::domain::Timestamp;
    use crate::query::{Labels, Matcher, Selection};
    use crate::store::Error;
    use crate::store::metrics::{Bounds, Found};

    /// Fails some times, then remembers how many series came at a time.
    #[derive(Debug, Default)]
    struct Moody {
        fails: Mutex<u32>,
        came: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl Metrics for Moody {
        async fn append(&self, series: &[Series], _: Timestamp) -> Result<Stored, Error> {
            let mut fails = self.fails.lock().expect("no test panics with it");
            if *fails > 0 {
                *fails -= 1;
                return Err(Error::Closed);
            }
            self.came.lock().expect("no test panics with it").push(series.len());
            Ok(Stored { new: 1, too_old: 2, over_limit: 3, ..Stored::default() })
        }

        async fn select(&self, _: &[Selection], _: Bounds) -> Result<Found, Error> {
            Ok(Found::Series(Vec::new()))
        }

        async fn measures(
            &self,
        ) -> Result<std::collections::BTreeMap<String, crate::query::Measure>, Error> {
            Ok(std::collections::BTreeMap::new())
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

    fn points(fails: u32) -> (Points, Arc<Moody>) {
        let metrics = Arc::new(Moody { fails: Mutex::new(fails), ..Moody::default() });
        let kept = Arc::clone(&metrics);
        (Points { metrics, clock: Arc::new(System), received: Arc::default() }, kept)
    }

    fn interval(series: usize) -> Vec<Series> {
        let one = |_| Series::new(Labels::default(), vec![1], vec![1.0]).expect("a series");
        (0..series).map(one).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_is_tried_again_and_nothing_is_lost() {
        let (points, kept) = points(3);
        let received = Arc::clone(&points.received);
        let (send, intervals) = mpsc::channel(4);
        for series in [3, AT_ONCE + 1] {
            send.try_send(interval(series)).expect("there is room");
        }
        drop(send);
        points.store(intervals, Halt::new()).await;
        assert_eq!(*kept.came.lock().expect("no test panics with it"), [3, AT_ONCE, 1]);
        assert_eq!(received.count().points_lost, 3 * 5);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_a_store_that_fails_is_tried_once() {
        let (points, _) = points(u32::MAX);
        let received = Arc::clone(&points.received);
        let (send, intervals) = mpsc::channel(4);
        send.try_send(interval(3)).expect("there is room");
        drop(send);
        let halt = Halt::new();
        halt.within(Duration::from_secs(1));
        halt.ask();
        points.store(intervals, halt).await;
        assert_eq!(received.count().points_lost, 3);
    }
}
