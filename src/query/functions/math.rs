//! Arithmetic on single values that the standard library does not name.

/// Radians as degrees.
pub(in crate::query) fn degrees(value: f64) -> f64 {
    value * 180.0 / std::f64::consts::PI
}

/// Degrees as radians.
pub(in crate::query) fn radians(value: f64) -> f64 {
    value * std::f64::consts::PI / 180.0
}

/// -1, 0 or 1; NaN stays NaN.
pub(in crate::query) fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

/// `value` between the bounds, as Go's `math.Max(least, math.Min(most, value))`: a NaN anywhere is
/// the answer.
pub(in crate::query) fn clamp(value: f64, least: f64, most: f64) -> f64 {
    if value.is_nan() || least.is_nan() || most.is_nan() {
        return f64::NAN;
    }
    least.max(most.min(value))
}

/// `value` rounded to a multiple of `nearest`, ties up.
pub(in crate::query) fn round(value: f64, nearest: f64) -> f64 {
    // The inverse loses less than a division by `nearest`.
    let inverse = 1.0 / nearest;
    (value * inverse + 0.5).floor() / inverse
}

/// Adds `value` to a sum and what it lost to rounding (Kahan and Neumaier, as Prometheus'
/// `kahanSumInc`).
#[inline]
pub(in crate::query) fn add(value: f64, sum: f64, lost: f64) -> (f64, f64) {
    let total = sum + value;
    if total.is_infinite() {
        return (total, 0.0);
    }
    let more = if sum.abs() >= value.abs() { (sum - total) + value } else { (value - total) + sum };
    (total, lost + more)
}

/// The sum of `values`, exact to the last bit or two.
pub(in crate::query) fn sum(values: &[f64]) -> f64 {
    let (mut total, mut lost) = (0.0, 0.0);
    for value in values {
        (total, lost) = add(*value, total, lost);
    }
    if total.is_infinite() { total } else { total + lost }
}

/// The mean of `values`: of their sum while that is finite, else step by step.
pub(in crate::query) fn mean(values: &[f64]) -> f64 {
    let Some((first, rest)) = values.split_first() else { return f64::NAN };
    let (mut total, mut lost, mut stepwise) = (*first, 0.0, false);
    let mut count = 1.0;
    for value in rest {
        count += 1.0;
        if !stepwise {
            let (next, more) = add(*value, total, lost);
            if !next.is_infinite() {
                (total, lost) = (next, more);
                continue;
            }
            stepwise = true;
            total /= count - 1.0;
            lost /= count - 1.0;
        }
        let share = (count - 1.0) / count;
        (total, lost) = add(value / count, share * total, share * lost);
    }
    if stepwise { total + lost } else { total / count + lost / count }
}

/// The variance of `values` (population), after Welford with compensation.
pub(in crate::query) fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut mean_lost, mut squares, mut squares_lost) =
        (0.0, 0.0, 0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean + mean_lost);
        (mean, mean_lost) = add(delta / count, mean, mean_lost);
        let product = delta * (value - (mean + mean_lost));
        (squares, squares_lost) = add(product, squares, squares_lost);
    }
    (squares + squares_lost) / count
}

/// The quantile of `values`, whose order this changes; between two of them it is interpolated.
pub(in crate::query) fn quantile(quantile: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || quantile.is_nan() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    let last = values.len() - 1;
    #[expect(clippy::cast_precision_loss, reason = "there are fewer values than 2^52")]
    let rank = quantile * last as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of values"
    )]
    let lower = (rank.floor().max(0.0) as usize).min(last);
    let weight = rank - rank.floor();
    // Two neighbours in the order are found without sorting all.
    let (_, low, above) = values.select_nth_unstable_by(lower, |a, b| ascending(*a, *b));
    let next = |a: f64, b: f64| if ascending(a, b).is_gt() { b } else { a };
    let high = above.iter().copied().reduce(next).unwrap_or(*low);
    *low * (1.0 - weight) + high * weight
}

/// The order of values with NaN before all others.
pub(in crate::query) fn ascending(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// The order of values from the largest, with NaN after all others.
pub(in crate::query) fn descending(a: f64, b: f64) -> std::cmp::Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(found: f64, expected: f64) {
        assert_eq!(found.to_bits(), expected.to_bits(), "{found} is not {expected}");
    }

    #[test]
    fn sums_keep_what_plain_addition_loses() {
        is(sum(&[5.0, 1e100, 1.0, -1e100]), 6.0);
        is(sum(&[1e308, 1e308]), f64::INFINITY);
        is(mean(&[1e308, 1e308]), 1e308);
        is(mean(&[0.1; 10]), 0.1);
        is(variance(&[1.599_050_563_727_786_8; 3]), 0.0);
    }

    #[test]
    fn quantiles_interpolate_and_put_nan_first() {
        is(quantile(0.5, &mut [3.0, 1.0, 2.0, 4.0]), 2.5);
        assert!(quantile(0.0, &mut [3.0, f64::NAN]).is_nan());
        is(quantile(1.1, &mut [1.0]), f64::INFINITY);
        is(quantile(-0.1, &mut [1.0]), f64::NEG_INFINITY);
        assert!(quantile(0.5, &mut []).is_nan());
    }

    #[test]
    fn ties_round_up() {
        is(round(-2.5, 1.0), -2.0);
        is(round(2.5, 1.0), 3.0);
        assert!(clamp(f64::NAN, 0.0, 1.0).is_nan());
    }
}
