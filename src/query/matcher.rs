//! Matchers: which series a selector means.
//!
//! A missing label matches as an empty one, as in Prometheus.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

use super::labels::Labels;
use super::pattern;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, fully anchored
    Matches,
    /// `!~`, fully anchored
    MatchesNot,
}

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label that is looked at.
    pub name: Arc<str>,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what: a text or a pattern.
    pub value: Arc<str>,
    pattern: Option<Regex>,
}

impl Matcher {
    /// Builds a matcher, compiling the pattern.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(name: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        let pattern = match comparison {
            Comparison::Matches | Comparison::MatchesNot => Some(pattern::anchored(value)?),
            Comparison::Equal | Comparison::NotEqual => None,
        };
        Ok(Self { name: name.into(), comparison, value: value.into(), pattern })
    }

    /// Whether a label of this value satisfies the matcher; a missing label has the empty value.
    pub fn matches(&self, value: &str) -> bool {
        let found = || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(value));
        match self.comparison {
            Comparison::Equal => value == &*self.value,
            Comparison::NotEqual => value != &*self.value,
            Comparison::Matches => found(),
            Comparison::MatchesNot => !found(),
        }
    }

    /// Whether a series with these labels satisfies the matcher.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.matches(labels.value(&self.name))
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.comparison, &self.value) == (&other.name, other.comparison, &other.value)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.comparison {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Matches => "=~",
            Comparison::MatchesNot => "!~",
        };
        write!(f, "{}{sign}{:?}", self.name, self.value)
    }
}
