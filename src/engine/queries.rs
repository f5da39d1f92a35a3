//! Expressions of the query language, answered from the store's series.
//!
//! What an expression needs is planned, read and evaluated; the evaluation happens on a thread that
//! may be busy, a few at a time, so that a hostile expression takes neither the hub's only runtime
//! thread nor all of its processors. What it may cost is counted by [`query`].
//!
//! All questions under way share one room for their points and values, which is the same on every
//! machine. Most need little: each is tried in a small part of the room first, and has to wait for a
//! large one only where that is too small. Whoever waits or works for too long is refused.
//!
//! Nothing here knows who asks or how an answer is written.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::clock::Stopwatch;
use crate::engine::reading::Reading;
use crate::query::{self, Answer, EvaluationError, Expression, Limits, ParseError, Settings, When};
use crate::store;
use crate::store::metrics::{Bounds, Found, Metrics};

/// So long one question may take at most, waiting included; Prometheus' default.
pub const LONGEST: Duration = Duration::from_mins(2);

/// What all questions under way may hold together, in values of 8 bytes: 480 MB.
const ROOM: u32 = 60_000_000;
/// Room is given in pieces of so many values.
const PIECE: u32 = 10_000;

/// What one question may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// Points that are read; each takes the room of two values.
    points: u32,
    /// Values that are computed.
    values: u32,
}

/// Enough for most.
const SMALL: Share = Share { points: 1_000_000, values: 2_000_000 };
/// The most that one may have.
const LARGE: Share = Share { points: 10_000_000, values: 20_000_000 };

impl Share {
    fn pieces(self) -> u32 {
        (2 * self.points + self.values).div_ceil(PIECE)
    }
}

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
    /// Others that are under way left no room and no processor for it in time; Prometheus' words.
    #[error("query timed out in query queue")]
    Crowded,
    /// It took too long; Prometheus' words.
    #[error("query timed out in expression evaluation")]
    TooLong,
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
    room: Arc<Semaphore>,
    /// How many series one question may be about.
    most_series: usize,
}

/// A question that was understood.
struct Question {
    expression: Arc<Expression>,
    reading: Reading,
    /// Where in the reading the series of each selector are.
    places: Vec<usize>,
    when: When,
    settings: Settings,
    begun: Stopwatch,
    within: Duration,
}

impl Question {
    fn left(&self) -> Duration {
        self.within.saturating_sub(self.begun.elapsed())
    }
}

/// What came of an attempt.
enum Attempt {
    Answered(Answer),
    /// Its share was too small, which is said like this.
    TooSmall(Refusal),
}

impl Queries {
    /// Queries of `metrics`. One processor is left to the watch, where there are several.
    pub fn of(metrics: Arc<dyn Metrics>) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        let turns = Arc::new(Semaphore::new(processors.saturating_sub(1).max(1)));
        let pieces = usize::try_from(ROOM / PIECE).unwrap_or(usize::MAX);
        let most_series = Limits::default().series;
        Self { metrics, turns, room: Arc::new(Semaphore::new(pieces)), most_series }
    }

    /// The same, of which one may be about so many series, whatever its settings say.
    #[must_use]
    pub fn about(self, most_series: usize) -> Self {
        Self { most_series, ..self }
    }

    /// The value of the expression `text`, within [`LONGEST`] and `within`.
    ///
    /// # Errors
    /// Where the text is no expression, costs more than `settings` allow, has no value, is not
    /// answered in time, or the series cannot be read.
    pub async fn ask(
        &self,
        text: &str,
        when: When,
        settings: &Settings,
        within: Duration,
    ) -> Result<Answer, Refusal> {
        let expression = query::parse(text, &settings.limits)?;
        self.value(expression, when, settings, within).await
    }

    /// The same of an expression that was read.
    ///
    /// # Errors
    /// Where it costs more than `settings` allow, has no value, is not answered in time, or the series
    /// cannot be read.
    pub async fn value(
        &self,
        expression: Expression,
        when: When,
        settings: &Settings,
        within: Duration,
    ) -> Result<Answer, Refusal> {
        let mut settings = *settings;
        settings.limits.series = self.most_series;
        let mut reading = Reading::default();
        let selections = query::plan(&expression, when, &settings)?;
        let places = selections.into_iter().map(|it| reading.place(it)).collect();
        let question = Question {
            expression: Arc::new(expression),
            reading,
            places,
            when,
            settings,
            begun: Stopwatch::start(),
            within: within.min(LONGEST),
        };
        if let Attempt::Answered(answer) = self.attempt(&question, SMALL).await? {
            return Ok(answer);
        }
        match self.attempt(&question, LARGE).await? {
            Attempt::Answered(answer) => Ok(answer),
            Attempt::TooSmall(refusal) => Err(refusal),
        }
    }

    /// Reads and evaluates in so large a part of the room.
    async fn attempt(&self, question: &Question, share: Share) -> Result<Attempt, Refusal> {
        let held = timeout(question.left(), self.place(share)).await;
        let held = held.map_err(|_| Refusal::Crowded)??;
        let mut settings = question.settings;
        settings.limits.samples = settings.limits.samples.min(share.values.into());
        let points = usize::try_from(share.points).unwrap_or(usize::MAX);
        let bounds = Bounds { series: settings.limits.series, points };
        let reading = self.metrics.select(question.reading.selections(), bounds);
        let read = timeout(question.left(), reading).await.map_err(|_| Refusal::TooLong)?;
        let read = match read? {
            Found::Series(series) => series,
            Found::TooMuch(sentence) => return Ok(Attempt::TooSmall(Refusal::TooMuch(sentence))),
        };
        let of = |place: &usize| read.get(*place).cloned().unwrap_or_default();
        let series: Vec<_> = question.places.iter().map(of).collect();
        drop(read);
        let (expression, when) = (Arc::clone(&question.expression), question.when);
        let (begun, within) = (question.begun, question.within);
        let evaluated = tokio::task::spawn_blocking(move || {
            let is_late = || begun.elapsed() > within;
            let answer = query::evaluate_until(&expression, when, &series, &settings, &is_late);
            drop(series);
            drop(held);
            answer
        });
        match evaluated.await.map_err(|_| Refusal::Broken)? {
            Ok(answer) => Ok(Attempt::Answered(answer)),
            Err(EvaluationError::Stopped) => Err(Refusal::TooLong),
            Err(EvaluationError::Excess(excess)) if excess.is_of_values() => {
                Ok(Attempt::TooSmall(EvaluationError::Excess(excess).into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Does what follows from an answer, and takes as long as finding it, by a turn like that.
    ///
    /// # Errors
    ///
    /// [`Refusal::Broken`] when it panicked.
    pub async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Refusal::Broken)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|_| Refusal::Broken)
    }

    /// Waits for room and for a turn. Whoever waits for the second has the first, so all come to it.
    async fn place(
        &self,
        share: Share,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), Refusal> {
        // Neither is ever closed.
        let room = Arc::clone(&self.room).acquire_many_owned(share.pieces()).await;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        Ok((room.map_err(|_| Refusal::Broken)?, turn.map_err(|_| Refusal::Broken)?))
    }
}

#[cfg(test)]
mod tests;
