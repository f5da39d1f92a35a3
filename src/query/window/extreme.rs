//! The smallest and the largest value of a sliding range, each sample looked at once.

use std::collections::VecDeque;

/// The candidates: places of samples whose values get worse from front to back.
pub(super) struct Extreme {
    largest: bool,
    candidates: VecDeque<usize>,
    /// How many samples were taken in.
    seen: usize,
}

impl Extreme {
    pub(super) fn new(largest: bool) -> Self {
        Self { largest, candidates: VecDeque::new(), seen: 0 }
    }

    /// The extreme of `values[from..to]`; NaN where all of them are.
    pub(super) fn of(&mut self, values: &[f64], from: usize, to: usize) -> f64 {
        self.seen = self.seen.max(from);
        while self.seen < to {
            let value = values[self.seen];
            if !value.is_nan() {
                let beaten = |other: f64| if self.largest { other < value } else { other > value };
                while self.candidates.back().is_some_and(|at| beaten(values[*at])) {
                    self.candidates.pop_back();
                }
                self.candidates.push_back(self.seen);
            }
            self.seen += 1;
        }
        while self.candidates.front().is_some_and(|at| *at < from) {
            self.candidates.pop_front();
        }
        self.candidates.front().map_or(f64::NAN, |at| values[*at])
    }
}

/// The time of the last sample that is as good as the best.
pub(super) fn time(
    times: &[i64],
    values: &[f64],
    is_better: impl Fn(f64, f64) -> bool,
) -> Option<i64> {
    let (mut best, mut found) = (*values.first()?, *times.first()?);
    for (time, value) in times.iter().zip(values) {
        if best.is_nan() || is_better(*value, best) {
            (best, found) = (*value, *time);
        }
    }
    Some(found)
}
