//! A thousand counters of a day and an hour, a sample every 15 seconds: what queries are measured over.

use std::sync::Arc;

use tripline::query::{Labels, Series};

pub(crate) const STEP: i64 = 15_000;
pub(crate) const DAY: i64 = 86_400_000;

const SERIES: u32 = 1_000;

/// The counters from `begin` on, in milliseconds since 1970; each begins anew now and then.
pub(crate) fn counters(begin: i64) -> Vec<Arc<Series>> {
    (0..SERIES).map(|number| counter(number, begin)).collect()
}

fn counter(number: u32, begin: i64) -> Arc<Series> {
    let labels = [
        ("__name__".to_owned(), "x_total".to_owned()),
        ("instance".to_owned(), format!("host-{number}")),
        ("job".to_owned(), format!("job-{}", number % 10)),
    ];
    let labels: Labels = labels.into_iter().collect();
    let times: Vec<i64> = (0..(DAY + 3_600_000) / STEP).map(|at| begin + at * STEP).collect();
    let (mut value, mut state) = (0.0, u64::from(number) + 1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let random = u32::try_from(state >> 33).expect("31 bits");
        value = if random.is_multiple_of(997) { 0.0 } else { value + f64::from(random % 10) };
        value
    };
    let values = times.iter().map(|_| next()).collect();
    Arc::new(Series::new(labels, times, values).expect("ascending times"))
}
