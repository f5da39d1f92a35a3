//! `[[rule]]` and `[rules]`: what is told of series.

mod change;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::people::Addresses;
use super::policy::read_target;
use super::{section, tables};
use crate::config::diagnostic::Span;
use crate::config::quoted;
use crate::config::reader::{Field, Report, Table, no_hint};
use crate::config::suggestion;
use crate::config::value::Kind;
use crate::domain::policy::{Policy, Target, Tier};
use crate::domain::rule::{Absent, Condition, OnMissing, Rule, RuleName, Template};
use crate::query::{Limits, parse};

/// All that the project says about rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The rules, in the order written.
    pub all: Vec<Arc<Rule>>,
    /// How long after its time a time of the grid is evaluated: so late may points come.
    pub settle: Duration,
    /// The names of all rules, with those that have mistakes.
    pub(super) names: BTreeSet<RuleName>,
}

/// The interval when nothing is written.
const EVERY: Duration = Duration::from_secs(30);
/// How late points may come when nothing is written.
const SETTLE: Duration = Duration::from_secs(10);

const INTERVALS: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_hours(24);
const SETTLES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(10);
const SPANS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(30 * 24);
const WINDOWS: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(7 * 24);

/// What rules may refer to.
pub(super) struct Around<'a> {
    pub(super) addresses: &'a Addresses,
    pub(super) policies: &'a BTreeMap<String, Policy>,
    /// The names of policies, with those that have mistakes.
    pub(super) known: &'a std::collections::BTreeSet<String>,
    /// What applies to rules that say nothing.
    pub(super) default_policy: Option<&'a str>,
}

impl Rules {
    pub(super) fn read(root: &mut Table<'_>, around: &Around<'_>, report: &mut Report) -> Self {
        let (mut every, mut settle) = (EVERY, SETTLE);
        if let Some(mut table) = section(root, "rules", report) {
            let written = table.optional("every").and_then(|it| it.duration(INTERVALS, report));
            every = written.unwrap_or(every);
            let written = table.optional("settle").and_then(|it| it.duration(SETTLES, report));
            settle = written.unwrap_or(settle);
            table.finish(report, no_hint);
        }
        let mut places: BTreeMap<RuleName, Span> = BTreeMap::new();
        let mut all = Vec::new();
        let written = root.optional("rule");
        for table in written.map(|it| tables("rule", &it, report)).unwrap_or_default() {
            let (name, rule) = read_rule(table, every, around, report);
            // Its name counts, whatever else is wrong with it.
            let Some((name, span)) = name else { continue };
            if let Some(first) = places.get(&name) {
                let message = format!("a rule called `{name}` is there already");
                report.error(&span, message).relate(first.clone(), "here");
                continue;
            }
            places.insert(name, span);
            all.extend(rule.map(Arc::new));
        }
        Self { all, settle, names: places.into_keys().collect() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Expression,
    Change,
    Absent,
}

fn read_rule(
    mut table: Table<'_>,
    every: Duration,
    around: &Around<'_>,
    report: &mut Report,
) -> (Option<(RuleName, Span)>, Option<Rule>) {
    const SORTS: [(&str, Sort); 3] =
        [("expr", Sort::Expression), ("change", Sort::Change), ("absent", Sort::Absent)];
    let name = table.required("name", "messages begin with it", report);
    let name = name.and_then(|it| Some((it.parsed(RuleName::new, report)?, it.span)));
    let sort = match table.optional("kind") {
        Some(field) => field.word(&SORTS, report),
        None => Some(Sort::Expression),
    };
    let condition = match sort {
        Some(Sort::Expression) => read_expression(&mut table, report),
        Some(Sort::Change) => change::read(&mut table, report).map(Condition::Change),
        Some(Sort::Absent) => read_absent(&mut table, report).map(Condition::Absent),
        None => {
            // What is missing is the kind; none of the keys that one has is wrong.
            for key in ["expr", "by"].iter().chain(&OF_CHANGE) {
                let _ = table.optional(key);
            }
            None
        }
    };
    let mut span = |key, range| table.optional(key).map(|it| it.duration(range, report));
    let interval = span("every", INTERVALS).unwrap_or(Some(every));
    let hold = span("for", SPANS).unwrap_or(Some(Duration::ZERO));
    let keep_firing_for = span("keep_firing_for", SPANS).unwrap_or(Some(Duration::ZERO));
    let missing_after = span("missing_after", SPANS).unwrap_or(Some(Rule::MISSING_AFTER));
    let on_missing = table.optional("on_missing").map_or(Some(OnMissing::Tell), |it| {
        it.word(&[("tell", OnMissing::Tell), ("quiet", OnMissing::Quiet)], report)
    });
    let labels = read_templates(table.optional("labels"), report);
    let annotations = read_templates(table.optional("annotations"), report);
    let runbook = table.optional("runbook").and_then(|it| it.web_url(report));
    let policy = read_policy(&mut table, around, report);
    table.finish(report, |key| hint(key, sort));
    let rule = || {
        Some(Rule {
            name: name.as_ref()?.0.clone(),
            condition: condition?,
            interval: interval?,
            hold: hold?,
            keep_firing_for: keep_firing_for?,
            on_missing: on_missing?,
            missing_after: missing_after?,
            labels,
            annotations,
            policy: policy?,
            runbook: runbook.map(String::from),
        })
    };
    let rule = rule();
    (name, rule)
}

/// The keys of `kind = "change"` beside `by`.
const OF_CHANGE: [&str; 8] =
    ["metric", "window", "compare_to", "rises_by", "falls_by", "minimum", "hysteresis", "reads"];

/// What was probably meant by a key that this kind of rule does not have.
fn hint(key: &str, sort: Option<Sort>) -> Option<String> {
    match (key, sort) {
        ("alert", _) => Some("a rule is called by its `name`".into()),
        ("interval", _) => Some("did you mean `every`?".into()),
        ("metric" | "window", Some(Sort::Expression)) => {
            Some("this belongs to `kind = \"change\"` or `kind = \"absent\"`".into())
        }
        (key, Some(Sort::Expression | Sort::Absent)) if OF_CHANGE.contains(&key) => {
            Some("this belongs to `kind = \"change\"`".into())
        }
        ("expr", Some(_)) => Some(
            "this kind stands for an expression of its own; `tripline rule show` prints it".into(),
        ),
        _ => None,
    }
}

fn read_expression(table: &mut Table<'_>, report: &mut Report) -> Option<Condition> {
    let help = "write PromQL, such as `expr = \"rate(errors_total[5m]) > 1\"`, or a `kind`";
    let field = table.required("expr", help, report)?;
    let text = field.filled_text(report)?;
    let expression = match parse(text, &Limits::default()) {
        Ok(expression) => expression,
        Err(error) => {
            let help = error.unsupported.then_some("Prometheus knows it; this version does not");
            let message = format!("`expr` is not valid PromQL: {}", error.message);
            within(&field, error.at, message, help, report);
            return None;
        }
    };
    if let Err(error) = expression.condition() {
        let message = format!("`expr` is no condition: {}", error.message);
        let help = "give a range to a function and compare: `rate(errors_total[5m]) > 1`";
        within(&field, error.at, message, Some(help), report);
        return None;
    }
    Some(Condition::Expression(text.trim().to_owned()))
}

/// Notes a mistake at the byte `at` of a text.
fn within(field: &Field<'_>, at: usize, message: String, help: Option<&str>, report: &mut Report) {
    let document = report.document();
    let raw = document.text.get(field.span.clone()).unwrap_or_default();
    let start = field.span.start + quoted::place(raw, at);
    let width = document.text[start.min(document.text.len())..].chars().next();
    let span = start..start + width.map_or(0, char::len_utf8);
    let diagnostic = report.error(&span, message);
    if let Some(help) = help {
        diagnostic.advise(help);
    }
}

/// A selector of series, without a range.
fn read_metric(table: &mut Table<'_>, report: &mut Report) -> Option<String> {
    let help = "name what is counted, such as `metric = \"logins\"`";
    let field = table.required("metric", help, report)?;
    let text = field.filled_text(report)?.trim();
    let limits = Limits::default();
    let wrong = match parse(text, &limits) {
        Err(error) => Some((error.at, error.message)),
        // Only a selector can be followed by both.
        Ok(_) => parse(&format!("{text}[1m] offset 1m"), &limits).err().map(|_| {
            let message = "only a metric, with labels in braces, is possible here";
            (0, message.to_owned())
        }),
    };
    let Some((at, message)) = wrong else { return Some(text.to_owned()) };
    let message = format!("`metric` selects no series: {message}");
    within(&field, at, message, Some("such as `logins` or `logins{env=\"prod\"}`"), report);
    None
}

fn read_window(table: &mut Table<'_>, report: &mut Report) -> Option<Duration> {
    let help = "how far to look back: `window = \"5m\"`";
    table.required("window", help, report)?.duration(WINDOWS, report)
}

fn read_absent(table: &mut Table<'_>, report: &mut Report) -> Option<Absent> {
    let metric = read_metric(table, report);
    let window = read_window(table, report);
    Some(Absent { metric: metric?, window: window? })
}

fn read_templates(field: Option<Field<'_>>, report: &mut Report) -> BTreeMap<String, Template> {
    let mut templates = BTreeMap::new();
    let wanted = "a table of texts, such as `{ severity = \"page\" }`";
    let Some(table) = field.and_then(|it| it.table(wanted, report)) else { return templates };
    for field in table.all() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !field.name.chars().all(is_name) || field.name.starts_with(|c: char| c.is_ascii_digit())
        {
            let message = format!("`{}` cannot be the name of a label", field.name);
            report.error(&field.key_span, message).advise("use letters, digits and `_`");
            continue;
        }
        let Some(text) = field.text(report) else { continue };
        match Template::parse(text) {
            Ok(template) => _ = templates.insert(field.name.to_owned(), template),
            Err(error) => within(&field, error.at, error.message, None, report),
        }
    }
    templates
}

/// Who is told: `notify`, or a `policy`, or what applies where nothing is written.
fn read_policy(table: &mut Table<'_>, around: &Around<'_>, report: &mut Report) -> Option<Policy> {
    let policy = table.optional("policy");
    if let Some(notify) = table.optional("notify") {
        if let Some(policy) = &policy {
            let message = "a rule has either `notify` or a `policy`";
            report.error(&policy.key_span, message).relate(notify.key_span.clone(), "here");
        }
        let mut targets: Vec<Target> = Vec::new();
        for item in notify.one_or_more(report)? {
            let Some(target) = read_target(&item, around.addresses, report) else { continue };
            if targets.contains(&target) {
                report.warning(&item.span, format!("`{target}` is named twice in this rule"));
                continue;
            }
            targets.push(target);
        }
        return Some(Policy::of("notify", vec![Tier::after(1, targets)]));
    }
    let Some(field) = policy else {
        let found = around.default_policy.and_then(|name| around.policies.get(name));
        if found.is_none() && around.default_policy.is_none() {
            let message = "it is not said who is told";
            report
                .error(&table.span, message)
                .advise("write `notify = [\"slack:#p2\"]`, or name a `policy`");
        }
        return found.cloned();
    };
    let name = field.text(report)?;
    let found = around.policies.get(name);
    if found.is_none() && !around.known.contains(name) {
        let help = suggestion::did_you_mean(name, around.known.iter().map(String::as_str));
        report.error(&field.span, format!("there is no policy called `{name}`")).help = help;
    }
    found.cloned()
}

/// A number that is finite and not below zero.
fn amount(field: &Field<'_>, report: &mut Report) -> Option<f64> {
    let found = match field.kind() {
        Kind::Integer(number) => i32::try_from(*number).ok().map(f64::from),
        Kind::Float(number) => Some(*number),
        _ => None,
    };
    let found = found.filter(|it| it.is_finite() && *it >= 0.0);
    if found.is_none() {
        field.unfit("a number from 0 on", report);
    }
    found
}
