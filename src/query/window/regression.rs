//! Lines and smoothed values through the samples of a range.

use super::super::functions::math;
use super::super::number;
use super::{Refusal, Window, count, seconds};

/// A line: by the second, and at the time that was asked for.
pub(super) struct Line {
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

/// The line of least squares, with its value at `origin` (Prometheus' `linearRegression`).
pub(super) fn line(window: &Window<'_>, origin: i64) -> Option<Line> {
    let first = *window.values.first()?;
    if window.values.len() < 2 {
        return None;
    }
    #[expect(clippy::float_cmp, reason = "a constant is the same value again and again")]
    if window.values.iter().all(|value| *value == first) {
        let flat = if first.is_infinite() { f64::NAN } else { first };
        let slope = if first.is_infinite() { f64::NAN } else { 0.0 };
        return Some(Line { slope, intercept: flat });
    }
    // Of x, y, x * y and x * x, with what rounding took from each.
    let (mut sums, mut losses) = ([0.0; 4], [0.0; 4]);
    for (time, value) in window.times.iter().zip(window.values) {
        let x = seconds(time - origin);
        for (at, term) in [x, *value, x * value, x * x].into_iter().enumerate() {
            (sums[at], losses[at]) = math::add(term, sums[at], losses[at]);
        }
    }
    let [x, y, product, square] = [0, 1, 2, 3].map(|at| sums[at] + losses[at]);
    let n = count(window.values.len());
    let slope = (product - x * y / n) / (square - x * x / n);
    Some(Line { slope, intercept: y / n - slope * x / n })
}

/// The last of the values smoothed twice: by a factor of their own and one of their trend.
pub(super) fn smoothed(
    window: &Window<'_>,
    [smoothing, trend_factor]: [f64; 2],
) -> Result<Option<f64>, Refusal> {
    let factors = [("smoothing", "sf", smoothing), ("trend", "tf", trend_factor)];
    for (factor, short, value) in factors {
        // A NaN is no valid factor, but Prometheus lets it through to a result of NaN.
        if value <= 0.0 || value >= 1.0 {
            let value =
                if value.is_finite() { format!("{value:.6}") } else { number::plain(value) };
            return Err(Refusal::Factor { factor, short, value });
        }
    }
    let [first, second, ..] = window.values else { return Ok(None) };
    let (mut before, mut level, mut trend) = (0.0, *first, second - first);
    for (at, value) in window.values.iter().enumerate().skip(1) {
        if at > 1 {
            trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (level + trend);
        (before, level) = (level, next);
    }
    Ok(Some(level))
}
