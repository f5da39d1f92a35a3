//! Medians and percentiles.

/// A sample of numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value below which `percent` of the sample lies (nearest rank); NaN of an empty sample.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((self.0.len() * percent / 100).min(last)).copied().unwrap_or(f64::NAN)
    }

    /// The middle value.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The largest value.
    pub(crate) fn largest(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// `p50 1.00 p99 2.00 max 3.00 ms (n 100)`.
    pub(crate) fn spread(&self) -> String {
        format!(
            "p50 {:.2}  p99 {:.2}  max {:.2} ms  (n {})",
            self.median(),
            self.percentile(99),
            self.largest(),
            self.len()
        )
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

/// A whole number as a double.
pub(crate) fn double(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
