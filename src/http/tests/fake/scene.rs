//! What the store remembers of a small world: two checks with their runs, an incident and its message.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::Timestamp;
use crate::domain::check::{Check, Expectations, RequestSpec, Work};
use crate::domain::exchange::{Exchange, Message};
use crate::domain::id::{CheckId, IncidentId, NotificationId, Region};
use crate::domain::incident::{Cause, CheckState, Decision, DecisionKind, Incident};
use crate::domain::notice::{self, Notice, NoticeKind};
use crate::domain::notification::{Notification, NotificationState};
use crate::domain::policy::Recipient;
use crate::domain::run::{
    Comparison, Failure, FailureKind, LogLevel, LogLine, Measurement, Outcome, Position, Report,
    Request, Step, Timings, Trace,
};
use crate::domain::schedule::{Cron, Interval, Schedule};
use crate::domain::slot::Slot;
use crate::domain::streak::Streak;
use crate::domain::subject::Subject;
use crate::link::publication::{Part, Publication};
use crate::store::accounts::Place;
use crate::store::gathering::Stamps;
use crate::store::{Delivery, IncidentHistory, IncidentRecord, NotificationRecord};

use super::super::now;
use super::{Remembered, WORKS};

/// Two checks; the login has run twice in two regions and once in one, and is down in Europe.
pub(in crate::http) fn a_world() -> (Vec<Arc<Check>>, Remembered) {
    let login = CheckId::new("shop/login").expect("a good name");
    let (eu, us) = (region("eu-west-1"), region("us-east-1"));
    let first = now() - TimeDelta::seconds(62);
    let second = now() - TimeDelta::seconds(31);
    let third = now() - TimeDelta::seconds(1);
    let report = |region: &Region, at, failure| a_report(&login, region, at, failure);
    let reports = vec![
        report(&eu, third, Some(a_failure())),
        report(&us, third, None),
        report(&eu, second, Some(Failure::new(FailureKind::Crashed, "the worker was killed"))),
        report(&us, second, None),
        report(&us, first, None),
    ];
    let streak = |region: &Region| {
        let own = reports.iter().rev().filter(|report| report.slot.region == *region);
        own.fold(Streak::default(), |streak, report| {
            streak.counting(report.outcome(), report.slot.at, 1)
        })
    };
    let history = a_history(&login, &eu, third);
    let state = CheckState {
        streaks: [(eu.clone(), streak(&eu)), (us.clone(), streak(&us))].into(),
        incident: Some(Box::new(history.record.incident.clone())),
        closed: None,
    };
    let checks = vec![Arc::new(a_script(&login, vec![eu, us])), Arc::new(a_request())];
    let states = [(login, state)].into();
    (
        checks,
        Remembered {
            states,
            reports,
            history,
            mood: AtomicU8::new(WORKS),
            given_up_lately: AtomicBool::new(false),
            agents_upset: AtomicBool::new(false),
            rules_fail: OnceLock::new(),
            acted: Mutex::default(),
            silences: Mutex::default(),
            errands: Mutex::default(),
            errand_runs: Mutex::default(),
            output: Mutex::default(),
            series: Mutex::default(),
            sessions: Mutex::default(),
        },
    )
}

fn region(name: &str) -> Region {
    Region::new(name).expect("a good name")
}

fn a_script(id: &CheckId, regions: Vec<Region>) -> Check {
    let every = Interval::new(Duration::from_secs(30)).expect("a good interval");
    Check {
        id: id.clone(),
        name: "Sign in to the shop".into(),
        schedule: Schedule::Every(every),
        regions,
        timeout: Duration::from_secs(20),
        policy: "p2-then-p1".into(),
        runbook: Some("https://wiki.example.com/login".into()),
        labels: [("team".to_owned(), "shop".to_owned())].into(),
        bodies: crate::domain::exchange::Bodies::Kept,
        work: Work::Script { entry: "checks/shop/login.js".into() },
    }
}

fn a_request() -> Check {
    let spec = RequestSpec {
        method: "GET".into(),
        url: "https://ana:secret@example.com/".into(),
        headers: vec![("authorization".into(), "Bearer ${secret.TOKEN}".into())],
        body: None,
        expect: Expectations::default(),
    };
    Check {
        id: CheckId::new("front").expect("a good name"),
        name: "front".into(),
        schedule: Schedule::Cron(Box::new(Cron::parse("*/5 * * * *", "UTC").expect("good"))),
        runbook: None,
        labels: BTreeMap::new(),
        bodies: crate::domain::exchange::Bodies::Kept,
        work: Work::Request(Box::new(spec)),
        ..a_script(&CheckId::new("front").expect("a good name"), vec![region("eu-west-1")])
    }
}

fn a_failure() -> Failure {
    Failure {
        step: Some("sign in".into()),
        comparison: Some(Comparison { expected: "200".into(), received: "503".into() }),
        position: Some(Position { file: "checks/shop/login.js".into(), line: 18, column: 23 }),
        frame: Some(
            "  18 |   expect(home.status).toBe(200);\n     |                       ^".into(),
        ),
        ..Failure::new(FailureKind::Expectation, "expected 200, received 503")
    }
}

fn a_report(check: &CheckId, region: &Region, at: Timestamp, failure: Option<Failure>) -> Report {
    let millis = Duration::from_millis;
    Report {
        slot: Slot { check: check.clone(), region: region.clone(), at },
        started_at: at + TimeDelta::milliseconds(4),
        duration: Duration::from_micros(812_345),
        trace: Trace {
            steps: vec![Step {
                name: "sign in".into(),
                parent: None,
                start: millis(10),
                duration: None,
                error: failure.as_ref().map(Failure::headline),
            }],
            requests: vec![Request {
                step: Some(0),
                start: millis(11),
                method: "POST".into(),
                url: "https://shop.example.com/login".into(),
                status: Some(503),
                remote: Some("203.0.113.7:443".into()),
                sent: 40,
                received: 1234,
                timings: Timings {
                    dns: Some(millis(1)),
                    wait: Some(millis(700)),
                    ..Timings::default()
                },
                certificate_until: "2027-02-01T23:59:59Z".parse().ok(),
                error: None,
                exchange: failure.is_some().then(an_exchange).map(Box::new),
            }],
            logs: vec![LogLine { at: millis(12), level: LogLevel::Warn, text: "slow".into() }],
            measurements: vec![Measurement {
                name: "logins".into(),
                value: 17.5,
                tags: vec![("shop".into(), "de".into())],
            }],
            dropped: vec!["3 log lines".into()],
        },
        failure,
        clock_ahead: chrono::TimeDelta::zero(),
    }
}

fn an_exchange() -> Exchange {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let sent = Message {
        headers: vec![header("cookie", "sid=***")],
        body: Some("user=ana&password=***".into()),
        length: 40,
    };
    let received = Message {
        headers: vec![header("content-type", "text/html")],
        body: Some("<script>alert(1)</script>…".into()),
        length: 5_000,
    };
    Exchange { sent, received: Some(received) }
}

fn a_history(check: &CheckId, eu: &Region, at: Timestamp) -> IncidentHistory {
    let recipient = Recipient::Slack("#p2".into());
    let error = "expected 200, received 503".to_owned();
    let cause = Cause { step: Some("sign in".into()), ..Cause::new(eu.clone(), error.as_str()) };
    let incident = Incident {
        id: Some(IncidentId(7)),
        tiers: [1].into(),
        told: [recipient.clone()].into(),
        ..Incident::opening(at, at, cause)
    };
    let notice = Notice {
        check_name: "Sign in to the shop".into(),
        down: vec![eu.clone()],
        regions: vec![notice::RegionState {
            region: eu.clone(),
            outcome: Outcome::Failed,
            failures_in_a_row: 1,
        }],
        step: Some("sign in".into()),
        error,
        failures_in_a_row: 1,
        ..Notice::new(
            NoticeKind::Failing { tier: 1 },
            Subject::Check(check.clone()),
            eu.clone(),
            at,
        )
    };
    let notification = Notification {
        id: NotificationId(3),
        incident: IncidentId(7),
        recipient,
        notice,
        first_word: true,
        owed_at: at,
        failures: 1,
        possible_repeat: false,
    };
    let reason = "first failure in eu-west-1: tier 1 of policy p2-then-p1 tells slack:#p2";
    IncidentHistory {
        record: IncidentRecord {
            id: IncidentId(7),
            subject: Subject::Check(check.clone()),
            incident,
        },
        decisions: vec![(at, Decision { kind: DecisionKind::Opened, reason: reason.into() })],
        notifications: vec![NotificationRecord {
            notification,
            state: NotificationState::Owed,
            due_at: at + TimeDelta::seconds(1),
            reason: Some("429; again in 1.0 s".into()),
            deliveries: vec![Delivery {
                started_at: at,
                ended_at: at + TimeDelta::milliseconds(80),
                outcome: "retry".into(),
                detail: "429".into(),
                proof: None,
            }],
            digest: None,
            stamps: Stamps::default(),
            succession: None,
        }],
    }
}

/// The slots of `login`: half of those in a day were run, and a quarter is explained.
pub(super) fn place() -> Place {
    (CheckId::new("login").expect("a good name"), Region::new("eu").expect("a good name"))
}

/// These checks in their regions, and the script of the login.
pub(in crate::http) fn a_publication(checks: &[Arc<Check>]) -> Publication {
    let text = "// <script>alert(1)</script>\nexport default async function () {}\n".to_owned();
    let modules = vec![("checks/shop/login.js".to_owned(), text)];
    let mut parts: BTreeMap<Region, Part> = BTreeMap::new();
    parts.entry(region("eu-west-1")).or_default().modules = modules;
    for check in checks {
        for region in &check.regions {
            parts.entry(region.clone()).or_default().checks.push(Arc::clone(check));
        }
    }
    Publication::new(parts)
}
