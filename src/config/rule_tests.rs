//! Files in promtool's formats: rule tests, and the rules that they test.
//!
//! Formats: <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/> and
//! <https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/>. Unknown keys are
//! mistakes. Nothing here evaluates anything.

mod notation;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

pub use self::notation::{NotationError, labels, points};
use super::diagnostic::{Diagnostic, Document};

/// A file of rule tests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// The files with the rules, relative to this one; `*` stands for any part of a name.
    #[serde(default)]
    pub rule_files: Vec<String>,
    /// How far the steps of the evaluation are apart.
    #[serde(default = "minute")]
    pub evaluation_interval: Span,
    /// In which order the groups are evaluated, where that matters.
    #[serde(default)]
    pub group_eval_order: Vec<String>,
    /// Whether values that differ only by rounding count as equal.
    #[serde(default)]
    pub fuzzy_compare: bool,
    /// The tests.
    #[serde(default)]
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// How far the points of the series are apart; the evaluation interval where nothing is written.
    pub interval: Option<Span>,
    /// The series.
    #[serde(default)]
    pub input_series: Vec<InputSeries>,
    /// Which alerts are to fire.
    #[serde(default)]
    pub alert_rule_test: Vec<AlertTest>,
    /// Which values expressions are to have.
    #[serde(default)]
    pub promql_expr_test: Vec<QueryTest>,
    /// What templates know as `$externalLabels`.
    #[serde(default)]
    pub external_labels: BTreeMap<String, String>,
    /// What templates know as `$externalURL`.
    #[serde(default)]
    pub external_url: String,
}

/// A series that is written down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSeries {
    /// Its name and labels.
    pub series: String,
    /// Its points.
    pub values: Text,
}

/// Which alerts of one name are to fire at a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertTest {
    /// When, since the first point.
    pub eval_time: Span,
    /// The name.
    pub alertname: String,
    /// The alerts.
    #[serde(default)]
    pub exp_alerts: Vec<ExpectedAlert>,
}

/// An alert that is to fire.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAlert {
    /// Its labels, without its name.
    #[serde(default)]
    pub exp_labels: BTreeMap<String, Text>,
    /// What is said of it.
    #[serde(default)]
    pub exp_annotations: BTreeMap<String, Text>,
}

/// Which values an expression is to have at a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryTest {
    /// The expression.
    pub expr: Text,
    /// When, since the first point.
    pub eval_time: Span,
    /// Its samples.
    #[serde(default)]
    pub exp_samples: Vec<ExpectedSample>,
}

/// A sample that an expression is to have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedSample {
    /// Its name and labels.
    #[serde(default)]
    pub labels: String,
    /// Its value.
    #[serde(default)]
    pub value: f64,
}

/// A file of rules.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The groups.
    #[serde(default)]
    pub groups: Vec<RuleGroup>,
}

/// A group of rules.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleGroup {
    /// What it is called.
    pub name: Spanned<String>,
    /// How often it is evaluated; a test says that itself.
    pub interval: Option<Span>,
    /// How many series or alerts each of its rules may make; any number where it is 0.
    pub limit: Option<usize>,
    /// Of how long before its time its rules are evaluated.
    pub query_offset: Option<Span>,
    /// Labels of all its rules.
    #[serde(default)]
    pub labels: BTreeMap<String, Text>,
    /// The rules, with their places.
    #[serde(default)]
    pub rules: Vec<Spanned<FileRule>>,
}

/// A rule of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRule {
    /// The name, if it alerts.
    pub alert: Option<String>,
    /// The name of the series, if it makes some.
    pub record: Option<String>,
    /// The expression.
    pub expr: Spanned<Text>,
    /// For how long it must hold.
    #[serde(rename = "for")]
    pub hold: Option<Span>,
    /// For how long it goes on.
    pub keep_firing_for: Option<Span>,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, Text>,
    /// What is said of its alerts.
    #[serde(default)]
    pub annotations: BTreeMap<String, Text>,
}

/// A text; what looks like a number or a truth value is one as well, where a text is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Text(pub String);

/// A duration as Prometheus writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Text")]
pub struct Span(pub Duration);

impl TryFrom<Text> for Span {
    type Error = NotationError;

    fn try_from(Text(text): Text) -> Result<Self, Self::Error> {
        notation::span(&text).map(Self)
    }
}

fn minute() -> Span {
    Span(Duration::from_mins(1))
}

/// Reads a file of rule tests.
///
/// # Errors
///
/// The first mistake, with its place.
pub fn read_tests(document: &Document) -> Result<TestFile, Box<Diagnostic>> {
    read(document, "rule tests in promtool's format")
}

/// Reads a file of rules.
///
/// # Errors
///
/// The first mistake, with its place.
pub fn read_rules(document: &Document) -> Result<RuleFile, Box<Diagnostic>> {
    read(document, "rules in Prometheus' format")
}

/// A mistake at a place of the file.
pub fn mistake(document: &Document, at: Location, message: impl Into<String>) -> Diagnostic {
    let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    Diagnostic::at_position(document, index(at.line()), index(at.column()), message)
}

fn read<'d, T: Deserialize<'d>>(document: &'d Document, what: &str) -> Result<T, Box<Diagnostic>> {
    serde_saphyr::from_str(&document.text).map_err(|error| {
        let place = error.location();
        let plain = error.without_snippet().to_string();
        // The place is shown beside it.
        let text = plain.split(" at line ").next().unwrap_or(&plain).to_owned();
        let mut diagnostic = match place {
            Some(place) => mistake(document, place, text),
            None => Diagnostic::error(document, 0..0, text),
        };
        diagnostic.advise(format!("the file holds {what}, in YAML"));
        Box::new(diagnostic)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_have_a_place() {
        let text = "rule_files: [a.yml]\ntests:\n  - interval: 1m\n    input_serie: []\n";
        let wrong = read_tests(&Document::new("t.yml", text)).expect_err("a mistake");
        assert_eq!(wrong.position().0, 4, "{wrong:?}");
        assert!(wrong.message.contains("input_serie"), "{}", wrong.message);
        let text = "evaluation_interval: soon\n";
        let wrong = read_tests(&Document::new("t.yml", text)).expect_err("a mistake");
        assert!(wrong.message.contains("`soon` is no duration"), "{}", wrong.message);
    }

    #[test]
    fn numbers_stand_for_texts() {
        let text = "groups: [{name: g, rules: [{alert: A, expr: 1, labels: {level: 2, x: yes}}]}]";
        let file = read_rules(&Document::new("r.yml", text)).expect("a good file");
        let rule = &file.groups[0].rules[0].value;
        assert_eq!((rule.expr.value.0.as_str(), rule.labels["level"].0.as_str()), ("1", "2"));
        assert_eq!(rule.labels["x"].0, "yes");
    }
}
