//! What a series' samples within a range become.
//!
//! A range slides over a series from step to step. Where it begins and ends is found by going on
//! from the last step, never by searching anew; resets, changes and extremes are kept from step to
//! step too. Sums and regressions are computed anew for each range, as Prometheus does: what is
//! subtracted again from a running sum would leave its rounding behind. Ranges are open on the left
//! (Prometheus 3).

mod extreme;
mod rate;
mod regression;

use super::functions::math;
use super::limits::{Account, Excess};
use extreme::Extreme;

/// What is computed from a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Deriv,
    PredictLinear,
    Smoothing,
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Quantile,
    Stddev,
    Stdvar,
    Mad,
    First,
    Last,
    Present,
    Changes,
    Resets,
    TimeOfFirst,
    TimeOfLast,
    TimeOfMin,
    TimeOfMax,
}

impl Over {
    /// Whether the result is still the metric that the samples are of.
    pub(super) fn keeps_the_name(self) -> bool {
        matches!(self, Self::First | Self::Last)
    }

    /// The units of work that a range of so many samples costs: what is kept from step to step
    /// costs the same for all ranges.
    fn cost(self, samples: usize) -> u64 {
        let samples = samples as u64;
        match self {
            Self::Avg | Self::Sum | Self::TimeOfMin | Self::TimeOfMax | Self::Smoothing => samples,
            Self::Deriv | Self::PredictLinear | Self::Stddev | Self::Stdvar => 2 * samples,
            Self::Quantile => 3 * samples,
            Self::Mad => 6 * samples,
            _ => 1,
        }
    }
}

/// Samples of one series, none of them stale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) times: &'a [i64],
    pub(super) values: &'a [f64],
}

/// A range at one step: after `start`, until `end`; milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
    /// The time of the step.
    pub(super) now: i64,
}

/// The samples of one series in one range.
#[derive(Clone, Copy, Debug)]
struct Window<'a> {
    times: &'a [i64],
    values: &'a [f64],
    span: Span,
    /// Where the range begins and ends among all samples of the series.
    from: usize,
    to: usize,
}

/// A wrong parameter, in Prometheus' words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Excess(#[from] Excess),
    #[error("invalid {factor} factor. Expected: 0 < {short} < 1, got: {value}")]
    Factor { factor: &'static str, short: &'static str, value: String },
}

/// Computes one range of a series after the other; the ranges never go back.
pub(super) struct Slide<'a> {
    over: Over,
    run: Run<'a>,
    from: usize,
    to: usize,
    /// The samples that are smaller than (or, for changes, other than) the one before.
    marks: Vec<usize>,
    extreme: Extreme,
    scratch: Vec<f64>,
}

impl<'a> Slide<'a> {
    pub(super) fn new(over: Over, run: Run<'a>) -> Self {
        let pairs = || run.values.windows(2).enumerate();
        let both_nan = |pair: &[f64]| pair[0].is_nan() && pair[1].is_nan();
        #[expect(clippy::float_cmp, reason = "a change is any difference")]
        let marks = match over {
            Over::Rate | Over::Increase | Over::Resets => {
                pairs().filter(|(_, pair)| pair[1] < pair[0]).map(|(at, _)| at + 1).collect()
            }
            Over::Changes => pairs()
                .filter(|(_, pair)| pair[1] != pair[0] && !both_nan(pair))
                .map(|(at, _)| at + 1)
                .collect(),
            _ => Vec::new(),
        };
        let extreme = Extreme::new(over == Over::Max);
        Self { over, run, from: 0, to: 0, marks, extreme, scratch: Vec::new() }
    }

    /// The value of the next range, which begins and ends no earlier than the one before.
    pub(super) fn next(
        &mut self,
        span: Span,
        parameters: [f64; 2],
        account: &Account<'_>,
    ) -> Result<Option<f64>, Refusal> {
        let times = self.run.times;
        while self.to < times.len() && times[self.to] <= span.end {
            self.to += 1;
        }
        while self.from < self.to && times[self.from] <= span.start {
            self.from += 1;
        }
        if self.from == self.to {
            return Ok(None);
        }
        let (from, to) = (self.from, self.to);
        account.work(self.over.cost(to - from))?;
        let values = &self.run.values[from..to];
        let window = Window { times: &times[from..to], values, span, from, to };
        Ok(match self.over {
            Over::Min | Over::Max => Some(self.extreme.of(self.run.values, from, to)),
            Over::Smoothing => regression::smoothed(&window, parameters)?,
            Over::Quantile | Over::Mad => {
                self.scratch.clear();
                self.scratch.extend_from_slice(values);
                Some(self.ranked(parameters[0]))
            }
            _ => self.computed(&window, parameters[0]),
        })
    }

    /// The quantile of the samples in `scratch`, or their median's deviation.
    fn ranked(&mut self, quantile: f64) -> f64 {
        if self.over == Over::Quantile {
            return math::quantile(quantile, &mut self.scratch);
        }
        let median = math::quantile(0.5, &mut self.scratch);
        for value in &mut self.scratch {
            *value = (*value - median).abs();
        }
        math::quantile(0.5, &mut self.scratch)
    }

    /// The marks within a range: the first sample has none before it.
    fn marked(&self, window: &Window<'_>) -> &[usize] {
        let first = self.marks.partition_point(|at| *at <= window.from);
        let last = self.marks.partition_point(|at| *at < window.to);
        &self.marks[first..last.max(first)]
    }

    fn computed(&self, window: &Window<'_>, parameter: f64) -> Option<f64> {
        let values = window.values;
        let (first, last) = (values.first()?, values.last()?);
        Some(match self.over {
            Over::Rate | Over::Increase => {
                return rate::extrapolated(
                    window,
                    Some(self.marked(window)),
                    self.run.values,
                    self.over == Over::Rate,
                );
            }
            Over::Delta => return rate::extrapolated(window, None, self.run.values, false),
            Over::Irate => return rate::instant(window, true),
            Over::Idelta => return rate::instant(window, false),
            Over::Deriv => {
                let line = regression::line(window, *window.times.first()?)?;
                line.slope
            }
            Over::PredictLinear => {
                let line = regression::line(window, window.span.now)?;
                line.slope * parameter + line.intercept
            }
            Over::Avg => math::mean(values),
            Over::Sum => math::sum(values),
            Over::Count => count(values.len()),
            Over::Stddev => math::variance(values).sqrt(),
            Over::Stdvar => math::variance(values),
            Over::First => *first,
            Over::Last => *last,
            Over::Present => 1.0,
            Over::Changes | Over::Resets => count(self.marked(window).len()),
            Over::TimeOfFirst => seconds(*window.times.first()?),
            Over::TimeOfLast => seconds(*window.times.last()?),
            Over::TimeOfMin => seconds(extreme::time(window.times, values, |a, b| a <= b)?),
            Over::TimeOfMax => seconds(extreme::time(window.times, values, |a, b| a >= b)?),
            Over::Min | Over::Max | Over::Quantile | Over::Mad | Over::Smoothing => return None,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer samples than 2^52")]
fn count(samples: usize) -> f64 {
    samples as f64
}

/// Milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "times are far below 2^52 milliseconds")]
pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests;
