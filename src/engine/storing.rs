//! Storing points that cannot be asked for again: what is worth another attempt, and what is not.
//!
//! A store that fails for now is tried again by whoever calls. What it will never take, such as points
//! of a series of which something is damaged, is found by halves, dropped, counted and told, so that
//! it keeps nothing else waiting. Nothing here waits.

use std::sync::Arc;

use crate::clock::Clock;
use crate::query::Series;
use crate::store::Error;
use crate::store::metrics::{Metrics, Stored};

/// So many times in a row parts that are refused are halved, before all of the rest that is refused is
/// given up: a store that takes nothing at all is not asked for each series.
const HALVINGS: u32 = 64;
/// The same in all, for a store that takes some here and there.
const MOST_HALVINGS: u32 = 4_096;

/// Stores points, and says in the log when that does not work and when it does again.
#[derive(Debug)]
pub struct Storing {
    metrics: Arc<dyn Metrics>,
    clock: Arc<dyn Clock>,
    /// Whose points they are, in a word or two for the log.
    whose: &'static str,
    is_troubled: bool,
    is_over_limit: bool,
}

/// What became of points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the store made of those that it took.
    pub stored: Stored,
    /// Those that it will never take.
    pub refused: u64,
    /// How many of the series are not stored yet, from the last one back: the store fails for now.
    pub left: usize,
}

impl Storing {
    /// Stores points of `whose` in `metrics`.
    pub fn new(metrics: Arc<dyn Metrics>, clock: Arc<dyn Clock>, whose: &'static str) -> Self {
        Self { metrics, clock, whose, is_troubled: false, is_over_limit: false }
    }

    /// Tries to store `series`, in their order.
    pub async fn attempt(&mut self, series: &[Series]) -> Outcome {
        let mut outcome = Outcome::default();
        let (mut halvings, mut in_a_row) = (0, 0);
        // The next one is the last.
        let mut parts: Vec<&[Series]> = vec![series];
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            match self.metrics.append(part, self.clock.now()).await {
                Ok(stored) => {
                    in_a_row = 0;
                    self.recover();
                    self.tell_of_limit(stored);
                    outcome.stored.add(stored);
                }
                Err(error) if !error.is_lasting() => {
                    self.tell(&error);
                    outcome.left = part.len() + parts.iter().map(|part| part.len()).sum::<usize>();
                    break;
                }
                Err(_) if part.len() > 1 && in_a_row < HALVINGS && halvings < MOST_HALVINGS => {
                    (in_a_row, halvings) = (in_a_row + 1, halvings + 1);
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => {
                    let points: u64 = part.iter().map(|it| it.times().len() as u64).sum();
                    outcome.refused += points;
                    let error = &error as &dyn std::error::Error;
                    let (whose, series) = (self.whose, part[0].labels());
                    tracing::error!(
                        event.action = "points-refused",
                        error, whose, %series, points,
                        "points are dropped: the store will never take them"
                    );
                }
            }
        }
        outcome
    }

    fn recover(&mut self) {
        if std::mem::take(&mut self.is_troubled) {
            tracing::info!(whose = self.whose, "points are stored again");
        }
    }

    fn tell(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.is_troubled, true) {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, whose = self.whose, "points are not stored; trying again");
        }
    }

    fn tell_of_limit(&mut self, stored: Stored) {
        let is_over = stored.over_limit > 0;
        if is_over && !self.is_over_limit {
            tracing::warn!(
                event.action = "series-refused",
                whose = self.whose,
                points = stored.over_limit,
                "points of new series are refused: there are as many series as [metrics] max_series \
                 says"
            );
        }
        if !is_over && self.is_over_limit && stored.new > 0 {
            tracing::info!(whose = self.whose, "points of all series are stored again");
        }
        self.is_over_limit = is_over;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::clock::System;
    use crate::domain::Timestamp;
    use crate::query::{Labels, METRIC_NAME, Matcher, Selection};
    use crate::store::metrics::{Bounds, Found};

    /// Never takes a series called `bad`, and nothing at all while it is closed.
    #[derive(Debug, Default)]
    struct Picky {
        is_closed: Mutex<bool>,
        attempts: Mutex<usize>,
    }

    #[async_trait]
    impl Metrics for Picky {
        async fn append(&self, series: &[Series], _: Timestamp) -> Result<Stored, Error> {
            *self.attempts.lock().expect("no test panics with it") += 1;
            if *self.is_closed.lock().expect("no test panics with it") {
                return Err(Error::Closed);
            }
            if series.iter().any(|it| it.labels().metric_name() == "bad") {
                return Err(Error::Unreadable { what: "chunk", reason: "it is damaged".into() });
            }
            Ok(Stored { new: series.len() as u64, ..Stored::default() })
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

    fn series(name: &str) -> Series {
        let labels = [(METRIC_NAME, name)].into_iter().collect();
        Series::new(labels, vec![1, 2], vec![1.0, 1.0]).expect("in order")
    }

    #[tokio::test]
    async fn what_is_never_taken_keeps_nothing_else_waiting() {
        let picky = Arc::<Picky>::default();
        let mut storing = Storing::new(picky.clone(), Arc::new(System), "tests");
        let mut all: Vec<Series> = (0..100).map(|_| series("good")).collect();
        all[37] = series("bad");
        let outcome = storing.attempt(&all).await;
        assert_eq!((outcome.stored.new, outcome.refused, outcome.left), (99, 2, 0));
        // Neither do several keep the others from being stored.
        let mut all: Vec<Series> = (0..5_000).map(|_| series("good")).collect();
        for place in (0..5_000).step_by(250) {
            all[place] = series("bad");
        }
        let outcome = storing.attempt(&all).await;
        assert_eq!((outcome.stored.new, outcome.refused, outcome.left), (4_980, 40, 0));
        // A store that takes nothing at all any more is not asked for each series.
        let bad: Vec<Series> = (0..5_000).map(|_| series("bad")).collect();
        *picky.attempts.lock().expect("no test panics with it") = 0;
        let outcome = storing.attempt(&bad).await;
        assert_eq!((outcome.stored.new, outcome.refused, outcome.left), (0, 10_000, 0));
        assert!(*picky.attempts.lock().expect("no test panics with it") < 200);
        // For now is not for ever.
        *picky.is_closed.lock().expect("no test panics with it") = true;
        let outcome = storing.attempt(&all).await;
        assert_eq!((outcome.stored.new, outcome.refused, outcome.left), (0, 0, 5_000));
    }
}
