//! What a person sees while `tripline up` runs.

use chrono::TimeDelta;

use super::*;
use crate::cli::look::{Colour, Glyphs};
use crate::domain::id::NotificationId;
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::{Attempt, Notification, settle};
use crate::domain::policy::Recipient;
use crate::domain::run::{FailureKind, Trace};
use crate::domain::slot::Slot;
use crate::domain::subject::Subject;

fn id(name: &str) -> CheckId {
    CheckId::new(name).expect("a good name")
}

fn region(name: &str) -> Region {
    Region::new(name).expect("a good name")
}

fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T04:12:30Z".parse().expect("a time");
    start + TimeDelta::seconds(second)
}

fn check(name: &str, regions: &[&str]) -> Arc<Check> {
    let regions = regions.iter().map(|name| region(name)).collect();
    Arc::new(Check { regions, ..Check::example(name) })
}

fn report(check: &str, place: &str, second: i64, failure: Option<Failure>) -> Report {
    Report {
        slot: Slot { check: id(check), region: region(place), at: at(second) },
        started_at: at(second),
        duration: Duration::from_millis(812),
        failure,
        trace: Trace::default(),
        clock_ahead: chrono::TimeDelta::zero(),
    }
}

fn failed() -> Failure {
    let failure = Failure::new(FailureKind::Expectation, "expected 200, received 503\nmore");
    Failure { step: Some("sign in".into()), ..failure }
}

fn lost() -> Failure {
    Failure::new(FailureKind::Crashed, "the worker was killed\u{1b}[2J")
}

fn decision(kind: DecisionKind, reason: &str) -> Decision {
    Decision { kind, reason: reason.into() }
}

fn notification(kind: NoticeKind, recipient: &str) -> Notification {
    Notification {
        id: NotificationId(1),
        incident: IncidentId(7),
        recipient: Recipient::Slack(recipient.into()),
        notice: Notice {
            check_name: "Login".into(),
            error: "no".into(),
            failures_in_a_row: 1,
            ..Notice::new(kind, Subject::Check(id("login")), region("eu-west-1"), at(0))
        },
        first_word: true,
        owed_at: at(0),
        failures: 0,
        possible_repeat: false,
    }
}

/// A morning: one of each line.
fn a_morning(look: Look) -> String {
    let mut live = Live::new(look, &[check("login", &["eu-west-1", "us-east-1"])]);
    let settled = |second, notification: &Notification, attempt: Attempt| {
        let settlement = settle(notification, &attempt, at(second), at(second), 0.0);
        (at(second), notification.clone(), settlement, attempt)
    };
    let mut lines = vec![
        live.run(&report("login", "eu-west-1", 0, None)).expect("a line"),
        live.run(&report("login", "us-east-1", 1, None)).expect("a line"),
        live.run(&report("login", "eu-west-1", 2, Some(failed()))).expect("a line"),
        live.decision(
            at(3),
            "login",
            Some(IncidentId(7)),
            &decision(DecisionKind::Opened, "first failure in eu-west-1: tier 1 tells slack:#p2"),
        ),
    ];
    let p2 = notification(NoticeKind::Failing { tier: 1 }, "#p2");
    let repeat = Notification { possible_repeat: true, ..p2.clone() };
    let over = notification(NoticeKind::Recovered, "#p1\n\u{1b}[2J");
    for (at, notification, settlement, attempt) in [
        settled(4, &p2, Attempt::Retry { reason: "429".into(), after: None }),
        settled(5, &p2, Attempt::Ambiguous { reason: "timed out".into() }),
        settled(6, &repeat, Attempt::Accepted { receipt: "C024/1.7".into() }),
        settled(7, &over, Attempt::GiveUp { reason: "channel_not_found".into() }),
    ] {
        lines.push(live.attempt(at, &notification, &attempt, &settlement));
    }
    let text = ":rotating_light: Login is failing in eu-west-1\nStep sign in: expected 200, received 503, and \
                a rather long explanation that goes on\nhttps://wiki.example.com/login\u{202e}";
    lines.push(live.shown(at(8), &Recipient::Slack("#p2".into()), text));
    lines.push(live.run(&report("login", "us-east-1", 9, Some(lost()))).expect("a line"));
    for (second, kind, reason) in [
        (10, DecisionKind::Escalated, "2 failures in a row in eu-west-1: tier 2 tells slack:#p1"),
        (11, DecisionKind::NotTold, "failed 3 times in a row in eu-west-1; no further tier"),
        (12, DecisionKind::Ignored, "passed in eu-west-1, still down in us-east-1"),
        (13, DecisionKind::Resolved, "passed in eu-west-1; no region is down any more"),
    ] {
        let incident = (kind != DecisionKind::Ignored).then_some(IncidentId(7));
        lines.push(live.decision(at(second), "login", incident, &decision(kind, reason)));
    }
    lines.join("\n")
}

#[test]
fn everything_that_happens_has_a_line() {
    insta::assert_snapshot!(a_morning(Look::plain(72)));
}

#[test]
fn a_terminal_may_lack_signs_and_have_colours() {
    insta::assert_snapshot!(a_morning(Look { glyphs: Glyphs::Ascii, ..Look::plain(72) }));
    let coloured = a_morning(Look { colour: Colour::Ansi, ..Look::plain(72) });
    let plain = coloured
        .replace("\u{1b}[0m", "")
        .replace("\u{1b}[1m", "")
        .replace("\u{1b}[2m", "")
        .replace("\u{1b}[31;1m", "")
        .replace("\u{1b}[32m", "")
        .replace("\u{1b}[33m", "")
        .replace("\u{1b}[36m", "");
    assert_eq!(plain, a_morning(Look::plain(72)));
}

#[test]
fn much_that_passes_is_folded_and_what_changes_is_not() {
    let names: Vec<String> = (0..13).map(|n| format!("check-{n}")).collect();
    let checks: Vec<_> = names.iter().map(|name| check(name, &["eu"])).collect();
    let mut live = Live::new(Look::plain(72), &checks);
    let mut run = |second: i64, failure: Option<Failure>| {
        let lines =
            names.iter().filter_map(|name| live.run(&report(name, "eu", second, failure.clone())));
        lines.count()
    };
    assert_eq!([run(0, None), run(1, None), run(2, Some(failed()))], [13, 0, 13]);
    assert_eq!([run(3, Some(failed())), run(4, None), run(5, None)], [13, 13, 0]);
    let summary = live.summary(at(10)).expect("26 runs were folded");
    assert_eq!(summary, "04:12:40  ✓ 26 runs passed  (slowest check-0 eu 812 ms)");
    assert_eq!(live.summary(at(20)), None);
}
