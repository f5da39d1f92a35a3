//! How fast counters and gauges move, as Prometheus' `extrapolatedRate` and `instantValue`.

use super::{Window, count, seconds};

/// The difference of the last and the first sample, with what was lost at `resets` (for counters),
/// extrapolated to the ends of the range where the samples come near them.
pub(super) fn extrapolated(
    window: &Window<'_>,
    resets: Option<&[usize]>,
    all: &[f64],
    per_second: bool,
) -> Option<f64> {
    if window.values.len() < 2 {
        return None;
    }
    let (first, last) = (*window.values.first()?, *window.values.last()?);
    let (first_time, last_time) = (*window.times.first()?, *window.times.last()?);
    let mut result = last - first;
    for reset in resets.unwrap_or_default() {
        result += all[reset - 1];
    }
    let sampled = seconds(last_time - first_time);
    let between = sampled / count(window.values.len() - 1);
    let mut to_start = seconds(first_time - window.span.start);
    let mut to_end = seconds(window.span.end - last_time);
    // Further from the end than a sample and a tenth: the series began or ended within the range,
    // half a sample away.
    let near = between * 1.1;
    if to_start >= near {
        to_start = between / 2.0;
    }
    if resets.is_some() && result > 0.0 && first >= 0.0 {
        // A counter was never below zero.
        to_start = to_start.min(sampled * (first / result));
    }
    if to_end >= near {
        to_end = between / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if per_second {
        factor /= seconds(window.span.end - window.span.start);
    }
    Some(result * factor)
}

/// The difference of the last two samples; for a rate by the second, and over a reset from zero.
pub(super) fn instant(window: &Window<'_>, per_second: bool) -> Option<f64> {
    let [.., before, last] = window.values else { return None };
    let [.., earlier, later] = window.times else { return None };
    let reset = per_second && last < before;
    let difference = if reset { *last } else { last - before };
    Some(if per_second { difference / seconds(later - earlier) } else { difference })
}
