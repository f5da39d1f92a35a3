//! What a query may cost, and the account of what it has cost.
//!
//! Everything is counted before it is allocated or computed. There is no clock: work is counted in
//! samples looked at and values computed, so that the same query is refused on every machine. Whoever
//! has a clock is asked now and then, where work is counted, whether it is to stop.

use std::cell::Cell;

/// The most a query may cost. Each excess is an error that names its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest expression, in bytes.
    pub expression_bytes: usize,
    /// The deepest nesting of an expression: operators, calls and parentheses.
    pub depth: usize,
    /// The most regular expressions in one expression.
    pub patterns: usize,
    /// The most selectors in one expression.
    pub selectors: usize,
    /// The most steps of a range query, and of each subquery.
    pub steps: usize,
    /// The most different series that may be handed in, and the most that any part of an expression
    /// may yield.
    pub series: usize,
    /// The most values that all parts of an expression may yield together; 8 bytes each, not all of
    /// which are held at one time.
    pub samples: u64,
    /// The most samples that may be looked at, values that may be computed and labels that may be
    /// copied; a hundred million take about a second.
    pub work: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expression_bytes: 16 * 1024,
            depth: 100,
            patterns: 50,
            selectors: 200,
            steps: 11_000,
            series: 200_000,
            samples: 20_000_000,
            work: 500_000_000,
        }
    }
}

/// What values that are held are called.
const SAMPLES: &str = "samples";
/// After so much work one asks whether to stop: a few milliseconds.
const ASKING: u64 = 1_000_000;

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the query exceeds the limit of {most} {what}")]
pub struct Excess {
    /// What there is too much of.
    pub what: &'static str,
    /// How much of it is allowed.
    pub most: u64,
}

impl Excess {
    /// Whether it is about values that are held, of which there may be room for more elsewhere.
    pub fn is_of_values(&self) -> bool {
        self.what == SAMPLES
    }

    pub(super) fn of(what: &'static str, most: usize) -> Self {
        Self { what, most: most as u64 }
    }
}

/// What one evaluation has cost so far.
pub(super) struct Account<'s> {
    limits: Limits,
    samples: Cell<u64>,
    work: Cell<u64>,
    stop: &'s dyn Fn() -> bool,
    is_stopped: Cell<bool>,
}

impl<'s> Account<'s> {
    /// Nothing yet. `stop` is asked whether to go on.
    pub(super) fn new(limits: Limits, stop: &'s dyn Fn() -> bool) -> Self {
        let (samples, work) = (Cell::new(0), Cell::new(0));
        Self { limits, samples, work, stop, is_stopped: Cell::new(false) }
    }

    /// Whether an excess is none, but the word of whoever was asked.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.get()
    }

    /// Counts `series` that a part yields, of at most `steps` values each, before they exist.
    pub(super) fn hold(&self, series: usize, steps: usize) -> Result<(), Excess> {
        if series > self.limits.series {
            return Err(Excess::of("series", self.limits.series));
        }
        let values = (series as u64).saturating_mul(steps as u64);
        let held = self.samples.get().saturating_add(values);
        self.samples.set(held);
        if held > self.limits.samples {
            return Err(Excess { what: SAMPLES, most: self.limits.samples });
        }
        self.work(values)
    }

    /// Counts samples to be looked at or values to be computed.
    pub(super) fn work(&self, amount: u64) -> Result<(), Excess> {
        let before = self.work.get();
        let done = before.saturating_add(amount);
        self.work.set(done);
        if before / ASKING != done / ASKING && (self.stop)() {
            self.is_stopped.set(true);
        }
        if self.is_stopped.get() || done > self.limits.work {
            return Err(Excess { what: "units of work", most: self.limits.work });
        }
        Ok(())
    }

    /// Whether a grid may have so many steps.
    pub(super) fn steps(&self, steps: i64) -> Result<usize, Excess> {
        let excess = Excess::of("steps", self.limits.steps);
        usize::try_from(steps).ok().filter(|steps| *steps <= self.limits.steps).ok_or(excess)
    }
}
