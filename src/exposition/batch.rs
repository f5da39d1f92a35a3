//! Samples in any order, gathered into series.

use std::collections::{BTreeMap, HashMap};

use super::Sample;
use crate::query::{Labels, Measure, Series};

/// Samples that wait to be stored together.
#[derive(Debug, Default)]
pub struct Batch {
    series: HashMap<Labels, (Option<Measure>, BTreeMap<i64, f64>)>,
    points: usize,
    repeated: u64,
}

impl Batch {
    /// Adds a sample, which was at `now` unless it says otherwise. Of one series the first of a time
    /// holds.
    pub fn push(&mut self, sample: Sample, now: i64) {
        let (measure, points) = self.series.entry(sample.labels).or_default();
        *measure = measure.or(sample.measure);
        let before = points.len();
        points.entry(sample.at.unwrap_or(now)).or_insert(sample.value);
        if points.len() == before {
            self.repeated += 1;
        } else {
            self.points += 1;
        }
    }

    /// How many points there are.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The series with their points, and how many samples were of a time that was there already;
    /// the batch is empty after that.
    ///
    /// # Panics
    ///
    /// Never: times in a map ascend.
    pub fn take(&mut self) -> (Vec<Series>, u64) {
        let all = std::mem::take(self);
        let series = all.series.into_iter().map(|(labels, (measure, points))| {
            let (times, values) = points.into_iter().unzip();
            let series = Series::new(labels, times, values);
            series.expect("the times ascend, with one value for each").measuring(measure)
        });
        let mut series: Vec<Series> = series.collect();
        series.sort_unstable_by(|a, b| a.labels().cmp(b.labels()));
        (series, all.repeated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_time_holds() {
        let mut batch = Batch::default();
        let labels: Labels = [("__name__", "a")].into_iter().collect();
        for (at, value) in [(Some(2), 1.0), (None, 2.0), (Some(2), 3.0), (Some(1), 4.0)] {
            batch.push(Sample { labels: labels.clone(), measure: None, at, value }, 9);
        }
        assert_eq!(batch.points(), 3);
        let (series, repeated) = batch.take();
        assert_eq!((series[0].times(), series[0].values()), (&[1, 2, 9][..], &[4.0, 1.0, 2.0][..]));
        assert_eq!((series.len(), repeated, batch.points()), (1, 1, 0));
    }
}
