//! Quantiles and shares of classic histograms, as Prometheus' `BucketQuantile` and
//! `BucketFraction`.

/// The relative difference of counts that is taken for rounding.
const ROUNDING: f64 = 1e-12;

/// A cumulative bucket.
#[derive(Clone, Copy, Debug)]
pub(in crate::query) struct Bucket {
    /// The upper bound, inclusive.
    pub(in crate::query) bound: f64,
    /// How many observations were at most `bound`.
    pub(in crate::query) count: f64,
}

/// The quantile, and whether counts that fell from one bucket to the next were raised for it.
pub(in crate::query) fn quantile(quantile: f64, buckets: &mut Vec<Bucket>) -> (f64, bool) {
    if quantile.is_nan() {
        return (f64::NAN, false);
    }
    if quantile < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if quantile > 1.0 {
        return (f64::INFINITY, false);
    }
    if !prepare(buckets) {
        return (f64::NAN, false);
    }
    let forced = make_monotonic(buckets);
    let [.., before_last, last] = &buckets[..] else { return (f64::NAN, false) };
    if last.count == 0.0 {
        return (f64::NAN, false);
    }
    let mut rank = quantile * last.count;
    let others = &buckets[..buckets.len() - 1];
    let Some(at) = others.iter().position(|bucket| bucket.count >= rank) else {
        return (before_last.bound, forced);
    };
    let bucket = others[at];
    if at == 0 && bucket.bound <= 0.0 {
        return (bucket.bound, forced);
    }
    let (mut start, mut count) = (0.0, bucket.count);
    if let Some(below) = at.checked_sub(1).map(|below| others[below]) {
        start = below.bound;
        count -= below.count;
        rank -= below.count;
    }
    (start + (bucket.bound - start) * (rank / count), forced)
}

/// The share of observations after `lower` and until `upper`.
pub(in crate::query) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !prepare(buckets) {
        return f64::NAN;
    }
    let total = buckets.last().map_or(0.0, |bucket| bucket.count);
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank(upper, buckets, total) - rank(lower, buckets, total)) / total
}

/// How many observations are at most `value`, interpolated within its bucket.
fn rank(value: f64, buckets: &[Bucket], total: f64) -> f64 {
    let mut below = 0.0;
    let mut start = f64::NEG_INFINITY;
    for (at, bucket) in buckets.iter().enumerate() {
        if at == 0 && bucket.bound > 0.0 {
            start = 0.0;
        }
        if start >= value {
            return below;
        }
        if bucket.bound > value {
            let share = (value - start) / (bucket.bound - start);
            let found = below + (bucket.count - below) * share;
            return found.min(total);
        }
        below = bucket.count;
        start = bucket.bound;
    }
    total
}

/// Sorts the buckets and merges those with one bound; false where the last one is not infinite.
fn prepare(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    buckets.dedup_by(|next, kept| {
        #[expect(clippy::float_cmp, reason = "the same bound, written in two ways")]
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    buckets.last().is_some_and(|bucket| bucket.bound == f64::INFINITY)
}

fn make_monotonic(buckets: &mut [Bucket]) -> bool {
    let mut forced = false;
    let Some(mut before) = buckets.first().map(|bucket| bucket.count) else { return false };
    for bucket in &mut buckets[1..] {
        if nearly_equal(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count < before {
            bucket.count = before;
            forced = true;
        } else {
            before = bucket.count;
        }
    }
    forced
}

/// Prometheus' `almost.Equal`.
fn nearly_equal(a: f64, b: f64) -> bool {
    #[expect(clippy::float_cmp, reason = "the shortcut for what is exactly equal")]
    if a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < ROUNDING * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < ROUNDING
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|(bound, count)| Bucket { bound: *bound, count: *count }).collect()
    }

    #[test]
    fn a_quantile_is_interpolated_within_its_bucket() {
        let mut three = buckets(&[(f64::INFINITY, 10.0), (1.0, 2.0), (3.0, 6.0)]);
        assert_eq!(quantile(0.4, &mut three), (2.0, false));
        assert_eq!(quantile(0.99, &mut three), (3.0, false));
        assert!(quantile(0.5, &mut buckets(&[(1.0, 2.0)])).0.is_nan());
    }

    #[test]
    fn counts_that_fall_are_raised_and_said() {
        let mut falling = buckets(&[(1.0, 5.0), (2.0, 3.0), (f64::INFINITY, 10.0)]);
        assert!(quantile(0.5, &mut falling).1);
        let mut rounded = buckets(&[(1.0, 5.0), (2.0, 5.0 - 1e-13), (f64::INFINITY, 10.0)]);
        assert!(!quantile(0.5, &mut rounded).1);
    }
}
