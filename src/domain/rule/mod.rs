//! A rule: an expression over series with a threshold; its being exceeded is a breach.
//!
//! Three kinds, of which the last two stand for an expression that they print
//! ([`Condition::expression`]):
//!
//! | kind | breached while |
//! |---|---|
//! | expression | it yields a sample; each sample's labels are breached for themselves |
//! | change | a metric rises or falls by so much against what is usual |
//! | absent | a metric has no point within a window |
//!
//! [`state`] is what is known of a rule and how an evaluation changes it, [`decision`] what that
//! means for its incidents, [`words`] what people read of it. All are functions of values; nothing
//! here knows where series are or how an expression is computed.

pub mod change;
pub mod decision;
mod labels;
pub mod state;
pub mod template;
pub mod words;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

pub use self::change::Change;
pub use self::labels::LabelSet;
pub use self::template::Template;
use super::policy::Policy;

/// The name of a rule: one line of text that people read, up to [`LONGEST_NAME`] characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleName(Arc<str>);

/// Why a text is no name of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleNameError {
    /// There is nothing in it.
    #[error("a rule's name must not be empty")]
    Empty,
    /// It is too long.
    #[error("a rule's name has at most {LONGEST_NAME} characters, this one has {0}")]
    TooLong(usize),
    /// It has control characters, or spaces around it.
    #[error("a rule's name is one line of plain text without spaces around it")]
    NotPlain,
}

/// The most characters in the name of a rule.
pub const LONGEST_NAME: usize = 120;

impl RuleName {
    /// Wraps a validated name.
    ///
    /// # Errors
    ///
    /// [`RuleNameError`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, RuleNameError> {
        let length = name.chars().count();
        if name.trim().is_empty() {
            return Err(RuleNameError::Empty);
        }
        if length > LONGEST_NAME {
            return Err(RuleNameError::TooLong(length));
        }
        if name.chars().any(char::is_control) || name.trim() != name {
            return Err(RuleNameError::NotPlain);
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Identifies it in the store and in messages.
    pub name: RuleName,
    /// What is exceeded.
    pub condition: Condition,
    /// The distance of the times at which it is evaluated: whole multiples since 1970.
    pub interval: Duration,
    /// For how long the condition must hold before it is a breach.
    pub hold: Duration,
    /// For how long a breach goes on after the condition held for the last time.
    pub keep_firing_for: Duration,
    /// What happens when its data are missing.
    pub on_missing: OnMissing,
    /// After which time missing data are told; where nobody is, a series that is gone ends its breach.
    pub missing_after: Duration,
    /// Labels that its breaches have besides those of their series.
    pub labels: BTreeMap<String, Template>,
    /// What is said of a breach.
    pub annotations: BTreeMap<String, Template>,
    /// Who is told; evaluations in a row that find a breach count as failures in a row.
    pub policy: Policy,
    /// Where the recipient finds what to do.
    pub runbook: Option<String>,
}

impl Rule {
    /// After which time missing data are told, where nothing is written.
    pub const MISSING_AFTER: Duration = Duration::from_mins(10);
    /// After which time a series without data is taken as gone, while others are there: until then
    /// its breach goes on.
    pub const GONE_AFTER: Duration = Duration::from_hours(24);

    /// The labels that all of its breaches have: those that no sample fills.
    pub fn fixed_labels(&self) -> BTreeMap<String, String> {
        let fixed = self.labels.iter().filter_map(|(name, it)| Some((name, it.fixed()?)));
        fixed.map(|(name, value)| (name.clone(), value.to_owned())).collect()
    }
}

/// What happens when a rule that had data has none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissing {
    /// It is an incident of its own.
    Tell,
    /// It is shown where one looks; nobody is told.
    Quiet,
}

/// What is exceeded.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `PromQL`: each sample it yields is a breach.
    Expression(String),
    /// How much a metric changes.
    Change(Change),
    /// A metric has no point within a window.
    Absent(Absent),
}

/// A metric that has no point within a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Absent {
    /// A selector of series.
    pub metric: String,
    /// How far to look back.
    pub window: Duration,
}

impl Condition {
    /// The expression that it stands for.
    pub fn expression(&self) -> String {
        match self {
            Self::Expression(text) => text.clone(),
            Self::Change(change) => change.expression(),
            Self::Absent(Absent { metric, window }) => {
                format!("absent_over_time({metric}[{}])", span(*window))
            }
        }
    }

    /// The word used in files and in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Expression(_) => "expr",
            Self::Change(_) => "change",
            Self::Absent(_) => "absent",
        }
    }
}

/// A duration as `PromQL` writes it: `1h30m`, `1w`, `500ms`.
pub fn span(duration: Duration) -> String {
    const UNITS: [(&str, u128); 6] = [
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut millis = duration.as_millis();
    let mut text = String::new();
    for (unit, length) in UNITS {
        // Weeks stand alone, as people write them.
        if unit == "w" && !millis.is_multiple_of(length) {
            continue;
        }
        if millis >= length {
            _ = write!(text, "{}{unit}", millis / length);
            millis %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_text() {
        assert!(RuleName::new("logins change: abnormally (eu/us)").is_ok());
        for wrong in ["", "  ", " a", "a\nb", &"x".repeat(121)] {
            assert!(RuleName::new(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn spans_are_written_as_promql_reads_them() {
        let text = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([text(300), text(5400), text(604_800)], ["5m", "1h30m", "1w"]);
        assert_eq!([text(604_801), text(0)], ["7d1s", "0s"]);
        assert_eq!(span(Duration::from_millis(1_500)), "1s500ms");
    }

    #[test]
    fn absence_stands_for_an_expression() {
        let window = Duration::from_mins(5);
        let absent = Condition::Absent(Absent { metric: "logins{env=\"a\"}".into(), window });
        assert_eq!(absent.expression(), "absent_over_time(logins{env=\"a\"}[5m])");
    }
}
