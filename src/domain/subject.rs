//! What an incident is about.
//!
//! | subject | text | the incident is |
//! |---|---|---|
//! | check | `check:shop/login` | the check fails |
//! | coverage | `coverage:shop/login` | nobody knows how the check is doing: its runs end unknown |
//! | region | `region:eu-west-1` | no check of the region gives an answer |
//! | shortfall | `shortfall:eu-west-1` | too few slots of the region have a known result |
//! | rule | `rule:logins collapse` | the rule is breached |
//! | unseen | `unseen:logins collapse` | nobody knows whether the rule is breached: it has no data, or cannot be evaluated |
//! | path | `path:slack:#p1` | messages do not arrive by that path, or nothing has shown lately that they do |
//! | drill | `drill:paths` | none: a round of messages that show whether paths work, which is over at once |
//!
//! The text is stored and shown; it never changes its meaning. The word before the first colon says
//! what follows it, so it is read back without doubt.

use std::fmt;
use std::str::FromStr;

use super::id::{CheckId, NameError, Region};
use super::path::{Path, PathError};
use super::rule::{RuleName, RuleNameError};

/// What an incident is about. There is at most one open incident about each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A check that fails.
    Check(CheckId),
    /// A check of which nobody knows how it is doing.
    Coverage(CheckId),
    /// A region from which no check gives an answer.
    Region(Region),
    /// A region of which too few slots have a known result.
    Shortfall(Region),
    /// A rule that is breached.
    Rule(RuleName),
    /// A rule of which nobody knows whether it is breached.
    Unseen(RuleName),
    /// A path that is broken, or that nothing has proven lately.
    Path(Path),
    /// A round of drills; never open.
    Drill,
}

/// Why a text names no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// There is no known word before a colon.
    #[error("`{0}` is not known as the subject of an incident")]
    Kind(String),
    /// What follows is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What follows is no name of a rule.
    #[error(transparent)]
    Rule(#[from] RuleNameError),
    /// What follows is no path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Subject {
    /// The words before the names of what an incident can be open about, in alphabetical order.
    pub const KINDS: [&str; 7] =
        ["check", "coverage", "path", "region", "rule", "shortfall", "unseen"];

    /// What rounds of drills are called.
    const PATHS: &str = "paths";

    /// All subjects that have to do with a check alone.
    pub fn of_check(check: &CheckId) -> [Self; 2] {
        [Self::Check(check.clone()), Self::Coverage(check.clone())]
    }

    /// The check, where it is about one.
    pub fn check(&self) -> Option<&CheckId> {
        match self {
            Self::Check(check) | Self::Coverage(check) => Some(check),
            _ => None,
        }
    }

    /// The rule, where it is about one.
    pub fn rule(&self) -> Option<&RuleName> {
        match self {
            Self::Rule(rule) | Self::Unseen(rule) => Some(rule),
            _ => None,
        }
    }

    /// The path, where it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The name without what it names.
    pub fn name(&self) -> &str {
        match self {
            Self::Check(check) | Self::Coverage(check) => check.as_str(),
            Self::Region(region) | Self::Shortfall(region) => region.as_str(),
            Self::Rule(rule) | Self::Unseen(rule) => rule.as_str(),
            Self::Path(path) => path.as_str(),
            Self::Drill => Self::PATHS,
        }
    }

    /// The word before the name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Check(_) => "check",
            Self::Coverage(_) => "coverage",
            Self::Region(_) => "region",
            Self::Shortfall(_) => "shortfall",
            Self::Rule(_) => "rule",
            Self::Unseen(_) => "unseen",
            Self::Path(_) => "path",
            Self::Drill => "drill",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("check", name)) => Ok(Self::Check(CheckId::new(name)?)),
            Some(("coverage", name)) => Ok(Self::Coverage(CheckId::new(name)?)),
            Some(("region", name)) => Ok(Self::Region(Region::new(name)?)),
            Some(("shortfall", name)) => Ok(Self::Shortfall(Region::new(name)?)),
            Some(("rule", name)) => Ok(Self::Rule(RuleName::new(name)?)),
            Some(("unseen", name)) => Ok(Self::Unseen(RuleName::new(name)?)),
            Some(("path", name)) => Ok(Self::Path(name.parse()?)),
            Some(("drill", Self::PATHS)) => Ok(Self::Drill),
            _ => Err(SubjectError::Kind(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_comes_back_from_its_text() {
        for text in [
            "check:shop/login",
            "coverage:shop/login",
            "region:eu",
            "shortfall:eu",
            "rule:a: b",
            "unseen:a",
            "path:slack:#p1",
            "path:sms",
        ] {
            let subject: Subject = text.parse().expect("a subject");
            assert_eq!(subject.to_string(), text);
            assert!(Subject::KINDS.contains(&subject.kind()), "{text}");
        }
        assert_eq!("drill:paths".parse(), Ok(Subject::Drill));
        for text in ["", "path:", "drill:", "login", "check:", "check:a:b", "Check:a", "rule:"] {
            assert!(text.parse::<Subject>().is_err(), "{text}");
        }
    }
}
