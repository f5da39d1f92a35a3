//! Rule tests: files in promtool's format, over rules of Prometheus or of a project.
//!
//! Rules of Prometheus are evaluated as there, where what an expression does not yield is over; those
//! of a project as in the daemon, where missing data are not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_saphyr::{Location, Spanned};

use super::project::Reading;
use super::rules::compiled;
use crate::config::diagnostic::Document;
use crate::config::rule_tests::{
    self, AlertTest, ExpectedAlert, FileRule, InputSeries, QueryTest, RuleGroup, Test, TestFile,
    Text,
};
use crate::config::{Diagnostic, Environment};
use crate::domain::policy::Policy;
use crate::domain::rule::{Condition, OnMissing, Rule, RuleName, Template, span};
use crate::engine::rules::Compiled;
use crate::engine::rules::trial::{Alert, Item, Member, NO_SAMPLES, Stage, Trial};
use crate::query::{Expression, Labels, Limits, METRIC_NAME, Outcome, Sample, Series, parse};

/// What came of a file of rule tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// How many tests there are in it.
    pub tests: usize,
    /// What did not come out as expected, each as several lines.
    pub failures: Vec<String>,
}

/// Runs the tests of a file.
///
/// # Errors
///
/// The mistakes in the file and in those that it names.
pub fn run(file: &Path, environment: &Environment) -> Result<Tested, Vec<Diagnostic>> {
    let document = document(file).map_err(|it| vec![*it])?;
    let tests = rule_tests::read_tests(&document).map_err(|it| vec![*it])?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut items: Vec<(String, Vec<Member>)> = Vec::new();
    for name in &tests.rule_files {
        for path in expanded(folder, name).map_err(|it| vec![*it])? {
            items.extend(read_items(&path, environment)?);
        }
    }
    // Those that are named come first, in their order.
    let place = |name: &str| tests.group_eval_order.iter().position(|it| it == name);
    items.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    let members: Vec<Member> = items.into_iter().flat_map(|(_, members)| members).collect();
    let mut failures = Vec::new();
    for test in &tests.tests {
        let found = tested(&tests, test, &members).unwrap_or_else(|reason| vec![reason]);
        let name = if test.name.is_empty() {
            String::new()
        } else {
            format!("    name: {},\n", test.name)
        };
        failures.extend(found.into_iter().map(|it| format!("{name}{it}")));
    }
    Ok(Tested { tests: tests.tests.len(), failures })
}

fn document(path: &Path) -> Result<Document, Box<Diagnostic>> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Diagnostic::of_file(shown.as_str(), format!("cannot be read: {error}")))
        .map_err(Box::new)?;
    Ok(Document::new(shown, text))
}

/// The files that a name means, in which `*` stands for any part of the last one.
fn expanded(folder: &Path, name: &str) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let path = folder.join(name);
    let pattern = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    if !pattern.contains('*') {
        return Ok(vec![path]);
    }
    let parts: Vec<String> = pattern.split('*').map(regex::escape).collect();
    let refused =
        |reason: String| Box::new(Diagnostic::of_file(path.display().to_string(), reason));
    let matches = regex::Regex::new(&format!("^{}$", parts.join(".*")));
    let matches = matches.map_err(|error| refused(error.to_string()))?;
    let parent = path.parent().unwrap_or(folder);
    let entries = std::fs::read_dir(parent).map_err(|error| refused(error.to_string()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| matches.is_match(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    if found.is_empty() { Err(refused("no file is called so".to_owned())) } else { Ok(found) }
}

/// The rules of a file, group by group.
fn read_items(
    path: &Path,
    environment: &Environment,
) -> Result<Vec<(String, Vec<Member>)>, Vec<Diagnostic>> {
    if path.extension().is_some_and(|it| it == "toml") {
        return of_project(path, environment);
    }
    let document = document(path).map_err(|it| vec![*it])?;
    let file = rule_tests::read_rules(&document).map_err(|it| vec![*it])?;
    let (mut groups, mut found) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    for group in file.groups {
        let name = group.name.value.clone();
        if !names.insert(name.clone()) {
            let message = format!("a group called `{name}` is there already");
            let mut diagnostic = rule_tests::mistake(&document, group.name.referenced, message);
            diagnostic.advise("each group of a file has a name of its own");
            found.push(diagnostic);
        }
        let (members, wrong) = members(&group, &document);
        found.extend(wrong);
        groups.push((name, members));
    }
    if found.is_empty() { Ok(groups) } else { Err(found) }
}

/// The rules of a group, and what is wrong with others.
fn members(group: &RuleGroup, document: &Document) -> (Vec<Member>, Vec<Diagnostic>) {
    let (mut members, mut found) = (Vec::new(), Vec::new());
    let query_offset = millis(group.query_offset.map_or(Duration::ZERO, |it| it.0));
    let limit = group.limit.filter(|limit| *limit > 0);
    for rule in &group.rules {
        match item(rule, &group.labels) {
            Ok(item) => members.push(Member { item, limit, query_offset }),
            Err((at, reason)) => {
                let mut diagnostic = rule_tests::mistake(document, at, reason);
                diagnostic.advise(format!("in the group `{}`", group.name.value));
                found.push(diagnostic);
            }
        }
    }
    (members, found)
}

fn of_project(
    path: &Path,
    environment: &Environment,
) -> Result<Vec<(String, Vec<Member>)>, Vec<Diagnostic>> {
    let file = path.display().to_string();
    if path.file_name().is_none_or(|name| name != crate::config::settings::FILE) {
        let message = "rules of a project are in its `tripline.toml`";
        return Err(vec![Diagnostic::of_file(file, message)]);
    }
    let settings = Reading::begin(path.parent().unwrap_or(path), environment).settings()?;
    let rules = compiled(&settings.rules.all, path).map_err(|it| vec![*it])?;
    let member = |it| Member { item: Item::Alert(Box::new(it)), limit: None, query_offset: 0 };
    Ok(vec![(file, rules.into_iter().map(member).collect())])
}

/// A rule of Prometheus; where it is wrong, the place and what.
fn item(
    rule: &Spanned<FileRule>,
    of_group: &BTreeMap<String, Text>,
) -> Result<Item, (Location, String)> {
    let (place, rule) = (rule.referenced, &rule.value);
    let mut labels = of_group.clone();
    labels.extend(rule.labels.clone());
    let ((Some(name), None) | (None, Some(name))) = (&rule.alert, &rule.record) else {
        return Err((place, "a rule has either `alert` or `record`".to_owned()));
    };
    let expression = parse(&rule.expr.value.0, &Limits::default())
        .and_then(Expression::condition)
        .map_err(|error| (rule.expr.referenced, format!("the expression of `{name}`: {error}")))?;
    if rule.alert.is_some() {
        let alert = alert(name, rule, &labels).map_err(|reason| (place, reason))?;
        return Ok(Item::Alert(Box::new(alert)));
    }
    let labels = labels.into_iter().map(|(name, Text(value))| (name, value)).collect();
    Ok(Item::Record { name: name.clone(), expression: Box::new(expression), labels })
}

fn alert(name: &str, rule: &FileRule, labels: &BTreeMap<String, Text>) -> Result<Compiled, String> {
    let templates = |texts: &BTreeMap<String, Text>| {
        let read = |(key, Text(text)): (&String, &Text)| {
            let template = Template::parse(text)
                .map_err(|error| format!("`{key}` of the rule `{name}`: {error}"))?;
            Ok((key.clone(), template))
        };
        texts.iter().map(read).collect::<Result<BTreeMap<_, _>, String>>()
    };
    let policy = Policy::of("", Vec::new());
    let rule = Rule {
        name: RuleName::new(name).map_err(|error| format!("`{name}`: {error}"))?,
        condition: Condition::Expression(rule.expr.value.0.clone()),
        interval: Duration::from_mins(1),
        hold: rule.hold.map_or(Duration::ZERO, |it| it.0),
        keep_firing_for: rule.keep_firing_for.map_or(Duration::ZERO, |it| it.0),
        on_missing: OnMissing::Quiet,
        missing_after: Rule::MISSING_AFTER,
        labels: templates(labels)?,
        annotations: templates(&rule.annotations)?,
        policy,
        runbook: None,
    };
    let settings = crate::query::Settings::default();
    let compiled = Compiled::new(Arc::new(rule), &settings).map_err(|error| error.to_string())?;
    Ok(compiled.as_in_prometheus())
}

/// What did not come out as expected.
fn tested(file: &TestFile, one: &Test, members: &[Member]) -> Result<Vec<String>, String> {
    let interval = one.interval.unwrap_or(file.evaluation_interval).0;
    let trial = Trial {
        members: members.to_vec(),
        external_labels: one.external_labels.clone(),
        external_url: one.external_url.clone(),
        ..Trial::default()
    };
    let series = one.input_series.iter().map(|it| series(it, interval));
    let mut stage = trial.begin(series.collect::<Result<Vec<_>, _>>()?);
    let alerts = one.alert_rule_test.iter().map(|it| it.eval_time.0);
    let queries = one.promql_expr_test.iter().map(|it| it.eval_time.0);
    let last = alerts.chain(queries).max().unwrap_or_default();
    let every = file.evaluation_interval.0;
    if every.is_zero() {
        return Err("the evaluation interval must be more than nothing".to_owned());
    }
    let mut failures = Vec::new();
    let mut at = Duration::ZERO;
    while at <= last {
        stage.step(millis(at))?;
        let due =
            one.alert_rule_test.iter().filter(|it| (at..at + every).contains(&it.eval_time.0));
        failures.extend(due.filter_map(|it| compared(it, &stage)));
        at += every;
    }
    for query in &one.promql_expr_test {
        failures.extend(queried(query, &stage));
    }
    Ok(failures)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn series(input: &InputSeries, interval: Duration) -> Result<Series, String> {
    let labels = rule_tests::labels(&input.series).map_err(|error| error.to_string())?;
    let points = rule_tests::points(&input.values.0).map_err(|error| error.to_string())?;
    let (mut times, mut values) = (Vec::new(), Vec::new());
    for (index, point) in (0_i64..).zip(points) {
        if let Some(value) = point {
            times.push(index.saturating_mul(millis(interval)));
            values.push(value);
        }
    }
    Series::new(labels, times, values).map_err(|error| format!("`{}`: {error}", input.series))
}

fn compared(test: &AlertTest, stage: &Stage<'_>) -> Option<String> {
    let plain = |texts: &BTreeMap<String, Text>| {
        let pairs = texts.iter().map(|(name, Text(text))| (name.clone(), text.clone()));
        pairs.collect::<BTreeMap<_, _>>()
    };
    let wanted = |it: &ExpectedAlert| {
        let mut labels = plain(&it.exp_labels);
        labels.insert("alertname".into(), test.alertname.clone());
        Alert { labels, annotations: plain(&it.exp_annotations) }
    };
    let mut expected: Vec<Alert> = test.exp_alerts.iter().map(wanted).collect();
    expected.sort();
    let got = stage.firing(&test.alertname);
    (expected != got).then(|| {
        format!(
            "    alertname: {}, time: {}, \n        exp:{}, \n        got:{}",
            test.alertname,
            span(test.eval_time.0),
            listed(&expected),
            listed(&got)
        )
    })
}

fn listed(alerts: &[Alert]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let mut text = "[".to_owned();
    for (index, alert) in alerts.iter().enumerate() {
        let comma = if index + 1 < alerts.len() { "," } else { "" };
        let _ = write!(
            text,
            "\n            {index}:\n              Labels:{}\n              Annotations:{}{comma}",
            pairs(&alert.labels),
            pairs(&alert.annotations)
        );
    }
    text + "\n            ]"
}

fn pairs(pairs: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn queried(query: &QueryTest, stage: &Stage<'_>) -> Option<String> {
    let Text(text) = &query.expr;
    let told = |rest: String| {
        Some(format!("    expr: {text:?}, time: {},\n        {rest}", span(query.eval_time.0)))
    };
    let expression = match parse(text, &Limits::default()) {
        Ok(expression) => expression,
        Err(error) => return told(format!("err: {error}")),
    };
    let got = match stage.query(&expression, millis(query.eval_time.0)) {
        Ok(outcome) => match samples(outcome) {
            Some(samples) => samples,
            None => return told(format!("err: {NO_SAMPLES}")),
        },
        Err(error) => return told(format!("err: {error}")),
    };
    let wanted = query.exp_samples.iter().map(|it| {
        Ok::<_, String>((
            rule_tests::labels(&it.labels).map_err(|error| error.to_string())?,
            it.value,
        ))
    });
    let mut wanted: Vec<(Labels, f64)> = match wanted.collect() {
        Ok(wanted) => wanted,
        Err(error) => return told(format!("err: {error}")),
    };
    let mut got: Vec<(Labels, f64)> = got;
    for samples in [&mut wanted, &mut got] {
        samples.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    }
    let same = wanted.len() == got.len()
        && wanted.iter().zip(&got).all(|(a, b)| a.0 == b.0 && is_same(a.1, b.1));
    if same {
        return None;
    }
    told(format!("exp: {}\n        got: {}", shown(&wanted), shown(&got)))
}

/// The samples of an outcome that is many numbers or one.
fn samples(outcome: Outcome) -> Option<Vec<(Labels, f64)>> {
    match outcome {
        Outcome::Vector(samples) => {
            Some(samples.into_iter().map(|Sample { labels, value }| (labels, value)).collect())
        }
        Outcome::Scalar(value) => Some(vec![(Labels::default(), value)]),
        Outcome::Matrix(_) | Outcome::Text(_) => None,
    }
}

/// Equal but for rounding: sums may be made in another order than in Prometheus.
fn is_same(a: f64, b: f64) -> bool {
    let near = (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
    near || a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn shown(samples: &[(Labels, f64)]) -> String {
    if samples.is_empty() {
        return "nil".to_owned();
    }
    let sample = |(labels, value): &(Labels, f64)| {
        let pairs: Vec<String> = labels
            .iter()
            .filter(|it| &*it.name != METRIC_NAME)
            .map(|it| format!("{}={:?}", it.name, it.value))
            .collect();
        let name = labels.metric_name();
        let braces = if pairs.is_empty() && !name.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", pairs.join(", "))
        };
        format!("{name}{braces} {value:E}")
    };
    samples.iter().map(sample).collect::<Vec<_>>().join(", ")
}
