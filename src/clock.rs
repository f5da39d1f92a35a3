//! The only reader of time.
//!
//! Everything that needs the time of day holds a [`Clock`] or is told the time; everything that
//! measures a duration holds a [`Stopwatch`]. Tests bring a [`Manual`] clock. What ends with the
//! program holds a [`Halt`], which is told how long it may take. Hubs that share a store go by its
//! time, with a [`Guided`] clock.

mod guided;
mod halt;
pub mod haste;
mod pulse;

use std::sync::Mutex;
use std::time::Duration;

pub use guided::Guided;
pub use halt::Halt;
pub use pulse::Pulse;

use crate::domain::Timestamp;

/// Tells the time of day.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        chrono::Utc::now()
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct Manual(Mutex<Timestamp>);

impl Manual {
    /// A clock that shows `at`.
    pub fn new(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        *self.shown() += by;
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, to: Timestamp) {
        *self.shown() = to;
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for Manual {
    fn now(&self) -> Timestamp {
        *self.shown()
    }
}

/// Measures how long something takes, unmoved by changes of the clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
