use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::domain::id::{CheckId, Region};
use crate::domain::run::{Failure, FailureKind, Measurement, Request, Step, Timings, Trace};
use crate::domain::slot::Slot;
use crate::statsd::codec::Style;
use crate::statsd::codec::tests::is_metric;

const DOC: &str = include_str!("../../../docs/metrics.md");

/// A report with one of each metric that a run without TLS yields.
pub(in crate::statsd) fn sample() -> Report {
    let at = chrono::DateTime::from_timestamp(1_790_000_000, 0).expect("in range");
    let step = |name: &str, millis| Step {
        name: name.into(),
        parent: None,
        start: Duration::ZERO,
        duration: millis,
        error: None,
    };
    let trace = Trace {
        steps: vec![step("sign in", Some(Duration::from_micros(212_250))), step("leave", None)],
        measurements: vec![Measurement {
            name: "cart.items".into(),
            value: 3.0,
            tags: vec![("plan".into(), "free".into())],
        }],
        ..Trace::default()
    };
    Report {
        slot: Slot {
            check: CheckId::new("shop/login").expect("a good name"),
            region: Region::new("eu-west-1").expect("a good name"),
            at,
        },
        started_at: at + chrono::TimeDelta::milliseconds(4),
        duration: Duration::from_micros(348_100),
        failure: None,
        trace,
        clock_ahead: chrono::TimeDelta::zero(),
    }
}

fn text(report: &Report, style: Style) -> String {
    let lines = of_run(report, &Encoder::new("tripline", style));
    lines.entries().collect::<Vec<_>>().join("\n")
}

/// What docs/metrics.md shows: one of each metric.
fn everything(style: Style) -> String {
    let (mut report, encoder) = (sample(), Encoder::new("tripline", style));
    let until = report.finished_at() + chrono::TimeDelta::hours(62 * 24 + 12);
    report.trace.requests.push(Request {
        step: None,
        start: Duration::ZERO,
        method: "GET".into(),
        url: "https://shop.example.com/".into(),
        status: Some(200),
        remote: None,
        sent: 0,
        received: 0,
        timings: Timings::default(),
        certificate_until: Some(until),
        error: None,
        exchange: None,
    });
    let Slot { check, region, .. } = report.slot.clone();
    let share = Share { check, region, uptime: Some(0.998), coverage: Some(1.0) };
    let all = [
        of_run(&report, &encoder),
        of_shares(&[share], &encoder),
        of_open(&[("check", 2)].into(), &encoder),
        of_opened("check", &encoder),
        of_span("sent_to_accepted", "slack", Duration::from_millis(212), &encoder),
    ];
    all.iter().flat_map(Lines::entries).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_metric_is_written() {
    insta::assert_snapshot!(everything(Style::Plain), @r"
    tripline.runs.shop_login.eu-west-1.passed:1|c
    tripline.duration.shop_login.eu-west-1:348.1|ms
    tripline.lateness.shop_login.eu-west-1:4|ms
    tripline.certificate_days.shop_login.eu-west-1:62.5|g
    tripline.step.shop_login.eu-west-1.sign_in:212.25|ms
    tripline.script.cart.items.shop_login.eu-west-1:3|g
    tripline.uptime.shop_login.eu-west-1:0.998|g
    tripline.coverage.shop_login.eu-west-1:1|g
    tripline.incidents.open.check:2|g
    tripline.incidents.opened.check:1|c
    tripline.notification.sent_to_accepted.slack:212|ms
    ");
    insta::assert_snapshot!(everything(Style::Dogstatsd), @r"
    tripline.runs:1|c|#check:shop/login,region:eu-west-1,outcome:passed
    tripline.duration:348.1|ms|#check:shop/login,region:eu-west-1
    tripline.lateness:4|ms|#check:shop/login,region:eu-west-1
    tripline.certificate_days:62.5|g|#check:shop/login,region:eu-west-1
    tripline.step:212.25|ms|#check:shop/login,region:eu-west-1,step:sign_in
    tripline.script.cart.items:3|g|#check:shop/login,region:eu-west-1,plan:free
    tripline.uptime:0.998|g|#check:shop/login,region:eu-west-1
    tripline.coverage:1|g|#check:shop/login,region:eu-west-1
    tripline.incidents.open:2|g|#about:check
    tripline.incidents.opened:1|c|#about:check
    tripline.notification:212|ms|#span:sent_to_accepted,channel:slack
    ");
}

#[test]
fn only_runs_that_can_tell_are_timed() {
    let mut report = sample();
    report.trace = Trace::default();
    report.failure = Some(Failure::new(FailureKind::Timeout, "too slow"));
    let lines = text(&report, Style::Plain);
    assert!(lines.contains("failed:1|c") && lines.contains("duration"), "{lines}");
    report.failure = Some(Failure::new(FailureKind::Overload, "no capacity"));
    let lines = text(&report, Style::Plain);
    assert_eq!(lines, "tripline.runs.shop_login.eu-west-1.unknown:1|c");
}

#[test]
fn a_script_cannot_write_metrics_of_others() {
    let mut report = sample();
    let hostile = "x:1|c\ntripline.runs.shop_login.eu-west-1.passed:99|c|#a:b";
    report.trace.steps[0].name = hostile.into();
    report.trace.measurements[0].name = hostile.into();
    report.trace.measurements[0].tags =
        [("check", "other"), (hostile, hostile)].map(|(k, v)| (k.into(), v.into())).into();
    for style in [Style::Plain, Style::Dogstatsd] {
        let text = text(&report, style);
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.lines().all(is_metric), "{text}");
        assert_eq!(text.matches("check:").count() % 5, 0, "{text}");
    }
}

/// The rows of the table of metrics: name, type, unit, tags.
fn rows() -> BTreeSet<[String; 3]> {
    let rows = DOC.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &str| {
        let mut cells = row.split('|').skip(1).map(|cell| cell.trim().replace('`', ""));
        let mut next = || cells.next().expect("a cell");
        let (name, kind, _unit, tags) = (next(), next(), next(), next());
        [name, kind, tags]
    };
    rows.map(cells).collect()
}

#[test]
fn the_documentation_names_what_is_sent() {
    let kind = |letters: &str| match letters {
        "c" => "counter",
        "ms" => "timer",
        "g" => "gauge",
        _ => panic!("no type: {letters}"),
    };
    let row = |line: &str| {
        let (metric, tags) = line.split_once("|#").expect("tags");
        let (name, value) = metric.split_once(':').expect("a value");
        let (_, letters) = value.split_once('|').expect("a type");
        let keys = tags.split(',').filter_map(|tag| tag.split(':').next());
        let keys = keys.map(|key| if key == "plan" { "the script's own" } else { key });
        let name = name.replace("script.cart.items", "script.<name>");
        let name = name.strip_prefix("tripline.").expect("the prefix").to_owned();
        [name, kind(letters).to_owned(), keys.collect::<Vec<_>>().join(", ")]
    };
    let sent: BTreeSet<_> = everything(Style::Dogstatsd).lines().map(row).collect();
    assert_eq!(rows(), sent);
}

#[test]
fn the_documentation_shows_what_is_sent() {
    for style in [Style::Plain, Style::Dogstatsd] {
        let block = format!("```text\n{}\n```", everything(style));
        assert!(DOC.contains(&block), "not in docs/metrics.md:\n{block}");
    }
}
