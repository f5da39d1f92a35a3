//! The labels of a series: sorted by name, cheap to clone and to compare.
//!
//! A label with an empty value is the same as no label, as in Prometheus. Nothing here knows what a
//! sample is.

use std::fmt;
use std::sync::Arc;

/// What the names of Tripline's own series begin with; nobody else may write such.
pub const OWN: &str = "tripline_";

/// The label that holds a series' metric name.
pub const METRIC_NAME: &str = "__name__";

/// One name and its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The name, unique in its set.
    pub name: Arc<str>,
    /// The value, never empty.
    pub value: Arc<str>,
}

/// A set of labels, ordered by name.
///
/// Ordering follows Prometheus' `labels.Compare`: label by label, name before value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[Label]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for Labels {
    /// Takes pairs in any order; the last value of a name wins, and empty values are left out.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut draft = Draft { labels: Vec::new() };
        for (name, value) in pairs {
            draft.set(name.into(), value.into());
        }
        draft.finish()
    }
}

impl Labels {
    /// The value of `name`, or the empty text where there is none.
    pub fn value(&self, name: &str) -> &str {
        let found = self.0.binary_search_by(|label| (*label.name).cmp(name));
        found.map_or("", |at| &*self.0[at].value)
    }

    /// The metric name, or the empty text.
    pub fn metric_name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// The labels in the order of their names.
    pub fn iter(&self) -> std::slice::Iter<'_, Label> {
        self.0.iter()
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy to change.
    pub fn draft(&self) -> Draft {
        Draft { labels: self.0.to_vec() }
    }

    /// These labels without the metric name.
    #[must_use]
    pub fn nameless(&self) -> Self {
        if self.metric_name().is_empty() { self.clone() } else { self.without(&[METRIC_NAME]) }
    }

    /// Only the labels in `names`.
    #[must_use]
    pub fn only<S: AsRef<str>>(&self, names: &[S]) -> Self {
        self.filtered(|name| names.iter().any(|kept| kept.as_ref() == name))
    }

    /// All labels but those in `names`.
    #[must_use]
    pub fn without<S: AsRef<str>>(&self, names: &[S]) -> Self {
        self.filtered(|name| !names.iter().any(|dropped| dropped.as_ref() == name))
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|label| keep(&label.name)).cloned().collect())
    }

    /// A number that is the same for equal labels on every machine and in every version: FNV-1a
    /// over the labels with separators that no text contains, then mixed.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for label in self {
            let text = label.name.bytes().chain([0xff]).chain(label.value.bytes()).chain([0xfe]);
            for byte in text {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = &'a Label;
    type IntoIter = std::slice::Iter<'a, Label>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Labels {
    /// As Prometheus writes a series: `{a="b", c="d"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, label) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}={:?}", label.name, label.value)?;
        }
        f.write_str("}")
    }
}

/// Labels that are being changed.
#[derive(Clone, Debug)]
pub struct Draft {
    labels: Vec<Label>,
}

impl Draft {
    /// Sets `name` to `value`; an empty value removes the label.
    pub fn set(&mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) {
        let (name, value) = (name.into(), value.into());
        let found = self.labels.binary_search_by(|label| label.name.cmp(&name));
        match (found, value.is_empty()) {
            (Ok(at), true) => {
                self.labels.remove(at);
            }
            (Ok(at), false) => self.labels[at].value = value,
            (Err(_), true) => {}
            (Err(at), false) => self.labels.insert(at, Label { name, value }),
        }
    }

    /// The changed labels.
    pub fn finish(self) -> Labels {
        Labels(self.labels.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_empty_values_are_absent() {
        let labels: Labels = [("z", "1"), ("a", "2"), ("m", ""), ("a", "3")].into_iter().collect();
        assert_eq!(labels.to_string(), r#"{a="3", z="1"}"#);
        assert_eq!(labels.value("z"), "1");
        assert_eq!(labels.value("m"), "");
        let mut draft = labels.draft();
        draft.set("z", "");
        assert_eq!(draft.finish(), labels.only(&["a"]));
    }

    #[test]
    fn the_fingerprint_tells_neighbours_apart() {
        let one: Labels = [("a", "aa"), ("b", "bb")].into_iter().collect();
        let two: Labels = [("a", "a"), ("b", "abb")].into_iter().collect();
        assert_ne!(one.fingerprint(), two.fingerprint());
        assert_eq!(one.fingerprint(), one.clone().fingerprint());
    }
}
