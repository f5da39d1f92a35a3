//! How long messages take, as series: each distribution as Prometheus keeps a histogram.
//!
//! `GET /metrics` shows them as they are now, and the hub keeps them, under the same names. Nothing here
//! measures.

use crate::engine::stamps::{BUCKETS, Distribution};

/// The name without the unit.
pub(super) const STEM: &str = "tripline_notification";
/// The name.
pub const NAME: &str = "tripline_notification_seconds";
/// What it says, a sentence.
pub const HELP: &str = "How long it took from one stamp of a notification to another.";

/// The name of a series, its labels and its value.
pub type One = (&'static str, Vec<(&'static str, String)>, f64);

/// All series of `distributions`, which only grow.
pub fn series(distributions: &[Distribution]) -> Vec<One> {
    distributions.iter().flat_map(of).collect()
}

fn of(it: &Distribution) -> Vec<One> {
    let labels =
        || vec![("span", it.span.as_str().to_owned()), ("channel", it.channel.as_str().to_owned())];
    let bounds = BUCKETS.iter().map(|most| format!("{most:?}")).chain(["+Inf".to_owned()]);
    let mut sum = 0;
    let bucket = |(most, count): (String, &u64)| {
        sum += count;
        let labels = labels().into_iter().chain([("le", most)]).collect();
        ("tripline_notification_seconds_bucket", labels, whole(sum))
    };
    let mut all: Vec<One> = bounds.zip(&it.counts).map(bucket).collect();
    all.push(("tripline_notification_seconds_count", labels(), whole(it.count())));
    all.push(("tripline_notification_seconds_sum", labels(), it.sum));
    all
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 9e15")]
fn whole(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Channel;
    use crate::engine::stamps::Span;

    #[test]
    fn buckets_hold_all_below_them() {
        let mut counts = [0; BUCKETS.len() + 1];
        (counts[0], counts[2], counts[BUCKETS.len()]) = (1, 2, 4);
        let one =
            Distribution { span: Span::SentToAccepted, channel: Channel::Slack, counts, sum: 9.5 };
        let all = series(&[one]);
        let of = |le: &str| {
            let is_it = |(_, labels, _): &&One| labels.iter().any(|(_, value)| value == le);
            all.iter().find(is_it).map(|(.., value)| *value)
        };
        assert_eq!([of("0.001"), of("0.005"), of("14400.0"), of("+Inf")], {
            [Some(1.0), Some(3.0), Some(3.0), Some(7.0)]
        });
        let last = &all[all.len() - 1];
        assert_eq!((last.0, last.2), ("tripline_notification_seconds_sum", 9.5));
        assert!(all.iter().all(|(name, ..)| name.starts_with(NAME)));
    }
}
