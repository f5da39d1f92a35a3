//! Rules in files: what is refused and where, what the command line says, and the documentation.

use std::path::Path;

use tripline::app::rule_tests;
use tripline::cli::diagnostics::{self, Style};
use tripline::config::{Environment, Files, MissingSecrets, settings};

use super::world::rules;
use crate::support::tripline::Project;

const MISTAKES: &str = r#"[rules]
evry = "1m"

[[rule]]
name = "a"
expr = "rate(errors_total[5m) > 1"
notify = ["slack:#p2"]

[[rule]]
name = "b"
expr = """
sum(rate(errors_total[5m]))
  > on (host) 5"""
policy = "p2-then-p3"

[[rule]]
name = "c"
kind = "change"
metric = "rate(logins[5m])"
window = "5m"
compare_to = "same time yesteday"
falls_by = "120%"
mimimum = 10

[[rule]]
name = "d"
kind = "absent"
expr = "x"
metric = "logins"
window = "5m"
notify = ["slack:p2"]
annotations = { summary = "{{ $labls.host }} is gone" }

[[rule]]
name = "d"
kind = "absent"
metric = "logins"
window = "5m"
for = "2"

[[rule]]
name = "e"
expr = "x[5m]"

[[rule]]
name = "f"
expr = """
  '"abc"'"""
"#;

#[test]
fn mistakes_are_told_where_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("tripline.toml"), MISTAKES).expect("written");
    let (_, found) = settings::read(&Files::load(folder.path()), &Environment::default());
    insta::assert_snapshot!(diagnostics::to_text(&found, Style::Plain));
}

const PAGE: &str = include_str!("../../../docs/operators/rules.md");

fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    let blocks = PAGE.split(opening.as_str()).skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn every_example_of_the_page_is_valid() {
    let examples = blocks("toml");
    assert!(examples.len() >= 3, "the examples were not found");
    for example in examples {
        let _ = rules(example);
    }
}

#[test]
fn the_expression_on_the_page_is_what_is_printed() {
    let example = blocks("toml").into_iter().find(|it| it.contains("four weeks"));
    let rules = rules(example.expect("an example of a change"));
    let printed = rules.rules[0].rule.condition.expression();
    assert!(blocks("promql").iter().any(|it| it.trim() == printed.trim()), "{printed}");
}

#[test]
fn the_rule_test_on_the_page_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    let found = blocks("yaml");
    write("alerts.yml", found[0]).expect("written");
    write("tests.yml", found[1]).expect("written");
    assert_passes(&folder.path().join("tests.yml"));
}

fn assert_passes(file: &Path) {
    let environment =
        Environment { missing_secrets: MissingSecrets::Warn, ..Environment::default() };
    let tested = rule_tests::run(file, &environment).unwrap_or_else(|found| {
        panic!("{}", diagnostics::to_text(&found, Style::Plain));
    });
    assert!(tested.tests > 0);
    assert!(tested.failures.is_empty(), "{}", tested.failures.join("\n"));
}

/// promtool 2.42 says the same of these files, but for the labels of groups, which it does not know.
const ALERTS: &str = r#"
groups:
  - name: hosts
    labels: { group: hosts }
    rules:
      - record: job:up:avg
        expr: avg by (job) (up)
        labels: { made: here }
      - alert: Down
        expr: up == 0
        for: 5m
        keep_firing_for: 3m
        labels:
          severity: page
          where: '{{ $labels.instance | stripDomain | toUpper }}'
        annotations:
          summary: 'Instance {{ $labels.instance }} down'
          description: '{{ $value }} of {{ $labels.job }}, {{ with_no_meaning }}'
      - alert: Slow
        expr: latency_seconds > 0.5
        annotations:
          summary: '{{ $value | humanizeDuration }}, {{ printf "%.2f" $value }} in {{ $externalLabels.zone }}'
          share: '{{ if gt $value 1.0 }}{{ $value | humanizePercentage }}{{ else }}low{{ end }}'
"#;

const TESTS: &str = r#"
rule_files: [alerts*.yml]
evaluation_interval: 1m
tests:
  - name: an instance is down
    interval: 1m
    external_labels: { zone: eu }
    input_series:
      - series: 'up{job="shop", instance="web-1.example.com"}'
        values: '1 0x9 1x9'
      - series: 'up{job="shop", instance="web-2.example.com"}'
        values: '1x20'
      - series: 'latency_seconds{job="shop"}'
        values: '0.1 0.75+0.75x2 _x7 stale'
    alert_rule_test:
      - { eval_time: 5m, alertname: Down, exp_alerts: [] }
      - eval_time: 6m30s
        alertname: Down
        exp_alerts: &down
          - exp_labels:
              severity: page
              where: WEB-1
              job: shop
              group: hosts
              instance: web-1.example.com
            exp_annotations:
              summary: Instance web-1.example.com down
              description: 0 of shop
      - { eval_time: 12m, alertname: Down, exp_alerts: *down }
      - { eval_time: 15m, alertname: Down }
      - eval_time: 2m
        alertname: Slow
        exp_alerts:
          - exp_labels: { job: shop, group: hosts }
            exp_annotations: { summary: '1.5s, 1.50 in eu', share: '150%' }
    promql_expr_test:
      - expr: job:up:avg
        eval_time: 4m
        exp_samples:
          - { labels: 'job:up:avg{job="shop", made="here", group="hosts"}', value: 0.5 }
      - expr: ALERTS{alertstate="firing"} == 1 or absent(ALERTS)
        eval_time: 20m
        exp_samples:
          - { labels: '{}', value: 1 }
      - expr: count(ALERTS{alertname="Down"})
        eval_time: 3m
        exp_samples: [{ value: 1 }]
"#;

#[tokio::test]
async fn promtools_tests_run_and_fail_as_there() {
    let project = Project::new();
    project.write("alerts.yml", &ALERTS.replace(", {{ with_no_meaning }}", ""));
    project.write("tests.yml", TESTS);
    assert_passes(&project.path().join("tests.yml"));
    let file = project.path().join("tests.yml").display().to_string();
    let (code, out, _) = project.run(&["rule", "test", &file]).await;
    assert_eq!((code, out), (Some(0), format!("Unit Testing:  {file}\n  SUCCESS\n\n")));
    // What is expected is wrong.
    project.write("tests.yml", &TESTS.replace("'150%'", "'15%'").replace("value: 0.5", "value: 1"));
    let (code, out, err) = project.run(&["rule", "test", &file]).await;
    assert_eq!(code, Some(4), "{err}");
    insta::assert_snapshot!(out.replace(&file, "tests.yml"));
    // What templates do not know is refused, with its name.
    project.write("alerts.yml", ALERTS);
    let (code, _, err) = project.run(&["rule", "test", &file]).await;
    assert_eq!(code, Some(3));
    assert!(err.contains("there is no function `with_no_meaning` in templates"), "{err}");
}

/// What comes of a file of rules and a file of tests, without what only a terminal needs.
fn tested(rules: &str, tests: &str) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    write("alerts.yml", rules).expect("written");
    write("tests.yml", tests).expect("written");
    let tested = rule_tests::run(&folder.path().join("tests.yml"), &Environment::default());
    let shown = |found: Vec<_>| diagnostics::to_text(&found, Style::Plain);
    let tested = tested.map_err(shown);
    tested.map(|it| it.failures).map_err(|it| it.replace(&folder.path().display().to_string(), ""))
}

const GROUP: &str = r"
groups:
  - name: hosts
    query_offset: 2m
    limit: 2
    rules:
      - { record: job:up:count, expr: count by (job) (up) }
      - { alert: Down, expr: up == 0 }
";

const OF_GROUP: &str = r#"
rule_files: [alerts.yml]
tests:
  - input_series:
      - { series: 'up{job="a"}', values: '1 1 1 1 0x10' }
      - { series: 'up{job="b"}', values: '1x10' }
    alert_rule_test:
      - { eval_time: 5m, alertname: Down }
      - { eval_time: 6m, alertname: Down, exp_alerts: [{ exp_labels: { job: a } }] }
    promql_expr_test:
      # Made at 7m, of 5m.
      - expr: timestamp(job:up:count{job="a"})
        eval_time: 7m
        exp_samples: [{ labels: '{job="a"}', value: 300 }]
"#;

#[test]
fn the_limit_and_the_offset_of_a_group_are_kept() {
    assert_eq!(tested(GROUP, OF_GROUP), Ok(Vec::new()));
    let few = GROUP.replace("limit: 2", "limit: 1");
    let failures = tested(&few, OF_GROUP).expect("no mistake");
    assert_eq!(failures, ["the rule `job:up:count`: exceeded limit of 1 with 2 series"]);
    let many = GROUP.replace("limit: 2", "limit: 0");
    assert_eq!(tested(&many, OF_GROUP), Ok(Vec::new()));
}

#[test]
fn what_is_no_sample_is_a_failure_where_samples_are_expected() {
    for expr in ["'up[5m]'", "'\"abc\"'"] {
        let query = format!("{{ expr: {expr}, eval_time: 1m }}");
        let tests = format!("tests:\n  - promql_expr_test: [{query}]\n");
        let failures = tested("groups: []", &tests).expect("no mistake");
        assert_eq!(failures.len(), 1);
        assert!(failures[0].contains("rule result is not a vector or scalar"), "{failures:?}");
    }
}

#[test]
fn mistakes_in_rules_of_prometheus_are_told_where_they_are() {
    let rules = r"
groups:
  - name: hosts
    rules:
      - record: job:up:count
        expr: count by (job (up)
      - alert: Down
        expr: up[5m]
      - { expr: up }
  - name: hosts
    rules:
      - alert: Slow
        expr: up
        annotations: { summary: '{{ with_no_meaning }}' }
";
    let found = tested(rules, "rule_files: [alerts.yml]").expect_err("mistakes");
    insta::assert_snapshot!(found);
}

const PROJECT: &str = r#"
[[rule]]
name = "logins collapse"
kind = "change"
metric = "logins_total"
window = "5m"
compare_to = "same time yesterday"
falls_by = "50%"
every = "1m"
labels = { severity = "page" }
notify = ["slack:#p2"]
"#;

const OF_PROJECT: &str = r"
rule_files: [tripline.toml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: logins_total
        values: 0+100x1450 145000x3 _x100
    alert_rule_test:
      - { eval_time: 1450m, alertname: logins collapse }
      # Half an hour without any data: the breach is not over by that.
      - eval_time: 1500m
        alertname: logins collapse
        exp_alerts:
          - exp_labels: { severity: page }
";

#[tokio::test]
async fn rules_of_a_project_are_tested_as_they_are_evaluated() {
    let project = Project::new().toml(PROJECT);
    project.write("tests.yml", OF_PROJECT);
    project.write("tripline.toml", PROJECT);
    assert_passes(&project.path().join("tests.yml"));
    let (code, out, err) = project.run(&["rule", "show", "logins collapse"]).await;
    assert_eq!(code, Some(0), "{err}");
    for shown in [
        "(sum(rate(logins_total[5m])) * 60\n",
        ")) < (sum(rate(logins_total[5m] offset 1d)) * 60\n",
        "  )) * 0.5\n",
    ] {
        assert!(out.contains(shown), "{out}");
    }
    let (code, _, err) = project.run(&["rule", "show", "logins"]).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("there is no rule called `logins`; there is: logins collapse"), "{err}");
}
