//! The labels of a breaching sample, without the metric's name.

use std::fmt;
use std::sync::Arc;

/// Labels, sorted by name; what tells the breaches of one rule apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSet(Arc<[(Arc<str>, Arc<str>)]>);

impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        let mut pairs: Vec<(Arc<str>, Arc<str>)> = pairs.collect();
        pairs.sort();
        pairs.dedup_by(|later, first| later.0 == first.0);
        Self(pairs.into())
    }
}

impl LabelSet {
    /// The pairs, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The value of a label; nothing where there is none.
    pub fn value(&self, name: &str) -> &str {
        self.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `{region="eu", host="a"}`; nothing where there is no label.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        let pairs: Vec<String> =
            self.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        write!(f, "{{{}}}", pairs.join(", "))
    }
}
