//! What a script author sees after `tripline test`.

use std::time::Duration;

use super::*;
use crate::cli::look::{Colour, Glyphs};
use crate::domain::id::{CheckId, Region};
use crate::domain::run::{
    Comparison, Failure, FailureKind, LogLine, Measurement, Position, Request, Step, Timings, Trace,
};
use crate::domain::slot::Slot;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn check(id: &str, name: &str) -> Check {
    Check {
        name: name.into(),
        regions: vec![Region::new("eu-west-1").expect("a good name")],
        ..Check::example(id)
    }
}

fn login() -> Check {
    check("shop/login", "Sign in to the shop")
}

fn step(name: &str, parent: Option<u32>, start: u64, duration: Option<u64>) -> Step {
    Step { name: name.into(), parent, start: ms(start), duration: duration.map(ms), error: None }
}

fn request(step: u32, start: u64, method: &str, url: &str, status: u16) -> Request {
    Request {
        step: Some(step),
        start: ms(start),
        method: method.into(),
        url: url.into(),
        status: Some(status),
        remote: Some("203.0.113.7:443".into()),
        sent: 0,
        received: 12_345,
        timings: Timings { wait: Some(ms(150)), download: Some(ms(40)), ..Timings::default() },
        certificate_until: None,
        error: None,
        exchange: None,
    }
}

fn report(failure: Option<Failure>, duration: u64, trace: Trace) -> Report {
    let at = "2026-11-21T04:12:31.250Z".parse().expect("a time");
    let slot = Slot {
        check: CheckId::new("shop/login").expect("a good name"),
        region: Region::new("eu-west-1").expect("a good name"),
        at,
    };
    Report {
        slot,
        started_at: at,
        duration: ms(duration),
        failure,
        trace,
        clock_ahead: chrono::TimeDelta::zero(),
    }
}

fn passing() -> Report {
    let mut first = request(0, 12, "GET", "https://shop.example.com/login", 200);
    first.timings = Timings {
        dns: Some(ms(8)),
        connect: Some(ms(22)),
        tls: Some(ms(45)),
        wait: Some(ms(110)),
        download: Some(Duration::from_micros(700)),
    };
    first.certificate_until = "2027-02-01T23:59:59Z".parse().ok();
    let long = "https://shop.example.com/session/1790000000/redirect?return_to=%2Fhome&client=web";
    let trace = Trace {
        steps: vec![
            step("open the sign-in page", None, 10, Some(195)),
            step("sign in", None, 210, Some(590)),
            step("follow the redirect", Some(1), 400, Some(200)),
        ],
        requests: vec![
            first,
            request(1, 212, "POST", "https://shop.example.com/login", 303),
            request(2, 405, "GET", long, 200),
        ],
        logs: vec![
            LogLine { at: ms(208), level: LogLevel::Info, text: "token\tfound".into() },
            LogLine { at: ms(700), level: LogLevel::Warn, text: "slow\u{1b}[2J\nforged".into() },
        ],
        ..Trace::default()
    };
    report(None, 812, trace)
}

fn failing() -> Report {
    let mut report = passing();
    report.trace.steps.truncate(2);
    report.trace.steps[1].error = Some("expected 200, received 503".into());
    report.trace.requests.truncate(2);
    report.trace.requests[1].status = Some(503);
    report.trace.logs.clear();
    report.trace.dropped = vec!["12 log lines".into()];
    let failure = Failure::new(FailureKind::Expectation, "expected 200, received 503");
    report.failure = Some(Failure {
        step: Some("sign in".into()),
        comparison: Some(Comparison { expected: "200".into(), received: "503".into() }),
        position: Some(Position { file: "checks/shop/login.js".into(), line: 18, column: 23 }),
        frame: Some(
            "  17 | const home = await step(\"sign in\");\n> 18 | expect(home.status).toBe(200);\n     \
             |                     ^"
                .into(),
        ),
        ..failure
    });
    report
}

fn timed_out() -> Report {
    let steps =
        vec![step("open the sign-in page", None, 10, Some(195)), step("sign in", None, 210, None)];
    let message = "still waiting for POST https://shop.example.com/login after 20 s";
    let failure =
        Failure { step: Some("sign in".into()), ..Failure::new(FailureKind::Timeout, message) };
    let trace = Trace { steps, ..Trace::default() };
    report(Some(failure), 20_000, trace)
}

fn unreachable() -> Report {
    let mut refused = request(0, 11, "GET", "https://shop.example.com/login", 200);
    refused.status = None;
    refused.timings = Timings { dns: Some(ms(3)), ..Timings::default() };
    refused.error = Some("connection refused by 203.0.113.7:443".into());
    let mut opening = step("open the sign-in page", None, 10, Some(4));
    opening.error = refused.error.clone();
    let failure = Failure {
        step: Some(opening.name.clone()),
        ..Failure::new(FailureKind::Network, "connection refused by 203.0.113.7:443")
    };
    let trace = Trace { steps: vec![opening], requests: vec![refused], ..Trace::default() };
    report(Some(failure), 15, trace)
}

fn not_valid() -> Report {
    let message = "SyntaxError: expected `)`, found `;`";
    let failure = Failure {
        position: Some(Position { file: "checks/shop/login.js".into(), line: 3, column: 14 }),
        frame: Some("> 3 | step(\"sign in\";\n    |              ^".into()),
        ..Failure::new(FailureKind::Script, message)
    };
    report(Some(failure), 3, Trace::default())
}

fn rendered(report: &Report, look: Look) -> String {
    render(&Tested { check: &login(), report }, &look)
}

fn json(tested: &[Tested<'_>]) -> String {
    to_json(tested).expect("JSON can be written")
}

fn xml(tested: &[Tested<'_>]) -> String {
    to_junit(tested).expect("XML can be written")
}

#[test]
fn a_run_that_passed() {
    insta::assert_snapshot!(rendered(&passing(), Look::plain(100)));
}

#[test]
fn an_expectation_that_was_not_met() {
    insta::assert_snapshot!(rendered(&failing(), Look::plain(100)));
}

#[test]
fn a_run_that_took_too_long() {
    insta::assert_snapshot!(rendered(&timed_out(), Look::plain(100)));
}

#[test]
fn a_target_that_could_not_be_reached() {
    insta::assert_snapshot!(rendered(&unreachable(), Look::plain(100)));
}

#[test]
fn a_script_that_is_not_valid() {
    insta::assert_snapshot!(rendered(&not_valid(), Look::plain(100)));
}

#[test]
fn narrow_and_plain_terminals_get_what_they_can_show() {
    insta::assert_snapshot!(rendered(
        &passing(),
        Look { glyphs: Glyphs::Ascii, ..Look::plain(72) }
    ));
    insta::assert_snapshot!(rendered(&passing(), Look::plain(36)));
}

#[test]
fn nothing_of_a_report_controls_the_terminal() {
    let hostile = "x\u{1b}[31m\u{202e}\n";
    let mut report = failing();
    report.trace.steps[0].name = hostile.into();
    report.trace.requests[0].url = hostile.into();
    report.trace.requests[0].method = hostile.into();
    report.trace.requests[0].error = Some(hostile.into());
    report.trace.dropped = vec![hostile.into()];
    if let Some(failure) = &mut report.failure {
        failure.message = hostile.into();
        failure.frame = Some(hostile.into());
        failure.step = Some(hostile.into());
        failure.comparison =
            Some(Comparison { expected: hostile.into(), received: hostile.into() });
    }
    let check = check("shop/login", hostile);
    let tested = [Tested { check: &check, report: &report }];
    let texts = [render(&tested[0], &Look::plain(100)), json(&tested), xml(&tested)];
    for text in texts {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
    // Colours are ours alone.
    let ansi = Look { colour: Colour::Ansi, ..Look::plain(100) };
    let coloured = render(&tested[0], &ansi);
    assert!(!coloured.contains("\u{1b}[31mx") && coloured.contains("\\u{1b}[31m"));
}

#[test]
fn nothing_of_the_tree_is_wider_than_the_terminal() {
    let mut long = passing();
    long.trace.steps[0].name = "a name that is much longer than there is room for".repeat(3);
    long.trace.requests[1].error = Some("no answer for many reasons ".repeat(6));
    for width in [60, 80, 100, 120, 200] {
        for report in [passing(), timed_out(), unreachable(), long.clone()] {
            let look = Look::plain(width);
            let lines = waterfall::lines(&report, &look);
            assert!(!lines.is_empty());
            for line in lines {
                assert!(crate::cli::look::columns(&line) <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn what_a_script_measured_is_shown() {
    let mut report = passing();
    let tags = vec![("plan".to_owned(), "free".to_owned())];
    report.trace.measurements = vec![
        Measurement { name: "cart".into(), value: 3.0, tags: Vec::new() },
        Measurement { name: "queue\u{1b}".into(), value: 0.25, tags },
    ];
    let (check, look) = (login(), Look::plain(100));
    let text = render(&Tested { check: &check, report: &report }, &look);
    assert!(
        text.contains("  measured\n    cart  3\n    queue\\u{1b}  0.25  plan=free\n"),
        "{text}"
    );
}

#[test]
fn whatever_a_report_holds_it_can_be_shown() {
    let mut odd = passing();
    odd.duration = Duration::ZERO;
    odd.trace.steps[0].parent = Some(0);
    odd.trace.steps[1].parent = Some(u32::MAX);
    odd.trace.steps[2].start = Duration::MAX;
    odd.trace.requests[0].step = Some(77);
    odd.trace.requests[1].start = Duration::MAX;
    for deep in 0..5_000u32 {
        odd.trace.steps.push(step("deep", Some(deep), 0, None));
    }
    for width in [0, 1, 30, 100, 1_000] {
        let text = rendered(&odd, Look::plain(width));
        assert_eq!(text.matches("deep").count(), 5_000);
        assert_eq!(text.matches("POST").count(), 1);
    }
}

#[test]
fn all_together() {
    let (login, front) = (login(), check("front", "front"));
    let (passed, failed, mut lost) = (passing(), failing(), not_valid());
    lost.failure = Some(Failure::new(FailureKind::Crashed, "the worker was killed"));
    let tested = [
        Tested { check: &login, report: &passed },
        Tested { check: &login, report: &failed },
        Tested { check: &front, report: &lost },
    ];
    let look = Look::plain(100);
    assert_eq!(summary(&tested, &look), "3 checks: 1 passed, 1 failed, 1 unknown  in 1.63 s\n");
    assert_eq!(summary(&[], &look), "0 checks\n");
    insta::assert_snapshot!(xml(&tested));

    let all: serde_json::Value = serde_json::from_str(&json(&tested)).expect("JSON");
    let runs = &all["runs"];
    assert_eq!(runs.as_array().map(Vec::len), Some(3));
    assert_eq!(runs[1]["failure"]["comparison"]["received"], "503");
    assert_eq!(runs[0]["logs"][1]["text"], "slow\u{1b}[2J\nforged");
}
