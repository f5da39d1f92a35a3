//! Expressions of the query language, answered from the store's series.
//!
//! What an expression needs is planned, read and evaluated; the evaluation happens on a thread that
//! may be busy, a few at a time, so that a hostile expression takes neither the hub's only runtime
//! thread nor all of its processors. What it may cost is counted by [`query`], not timed.
//!
//! Nothing here knows who asks or how an answer is written.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;

use crate::query::{self, Answer, EvaluationError, ParseError, Settings, When};
use crate::store;
use crate::store::metrics::{Bounds, Found, Metrics};

/// The most points that are read for one question; 16 bytes each.
const MOST_POINTS: usize = 10_000_000;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The text is no expression.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The expression has no value.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// It would read too much.
    #[error("{0}")]
    TooMuch(String),
    /// The series could not be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The evaluation did not come to its end, which is a mistake of ours.
    #[error("the evaluation broke off")]
    Broken,
}

/// Where expressions are asked.
#[derive(Debug, Clone)]
pub struct Queries {
    metrics: Arc<dyn Metrics>,
    turns: Arc<Semaphore>,
}

impl Queries {
    /// Queries of `metrics`. One processor is left to the watch, where there are several.
    pub fn of(metrics: Arc<dyn Metrics>) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self { metrics, turns: Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))) }
    }

    /// The value of the expression `text`.
    ///
    /// # Errors
    /// Where the text is no expression, costs more than `settings` allow, has no value, or the
    /// series cannot be read.
    pub async fn ask(
        &self,
        text: &str,
        when: When,
        settings: &Settings,
    ) -> Result<Answer, Refusal> {
        let expression = query::parse(text, &settings.limits)?;
        let selections = query::plan(&expression, when, settings)?;
        // Never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Refusal::Broken)?;
        let bounds = Bounds { series: settings.limits.series, points: MOST_POINTS };
        let series = match self.metrics.select(&selections, bounds).await? {
            Found::Series(series) => series,
            Found::TooMuch(sentence) => return Err(Refusal::TooMuch(sentence)),
        };
        let settings = *settings;
        let evaluated = tokio::task::spawn_blocking(move || {
            let answer = query::evaluate(&expression, when, &series, &settings);
            drop(turn);
            answer
        });
        Ok(evaluated.await.map_err(|_| Refusal::Broken)??)
    }
}
