//! A store that remembers what a test gave it, fails and hangs when told, and writes nothing.

mod accounts;
mod care;
mod drills;
pub(in crate::http) mod errands;
mod gathering;
mod looking;
mod metrics;
pub(super) mod rules;
mod sessions;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::domain::Timestamp;
use crate::domain::check::{Check, Expectations, RequestSpec, Work};
use crate::domain::errand::Errand;
use crate::domain::exchange::{Exchange, Message};
use crate::domain::id::{CheckId, IncidentId, NotificationId, Region, RunId};
use crate::domain::incident::{Cause, Change, CheckState, Decision, DecisionKind, Incident};
use crate::domain::notice::{self, Notice, NoticeKind};
use crate::domain::notification::{Notification, NotificationState};
use crate::domain::output::Numbered;
use crate::domain::policy::{Channel, Recipient};
use crate::domain::restraint::Silence;
use crate::domain::run::{
    Comparison, Failure, FailureKind, LogLevel, LogLine, Measurement, Outcome, Position, Report,
    Request, Step, Timings, Trace,
};
use crate::domain::schedule::{Cron, Interval, Schedule};
use crate::domain::slot::Slot;
use crate::domain::streak::Streak;
use crate::domain::subject::Subject;
use crate::link::publication::{Part, Publication};
use crate::query::Series;
use crate::store::accounts::Place;
use crate::store::gathering::Stamps;
use crate::store::{
    Backlog, DecisionRecord, Delivery, Error, Horizons, IncidentFilter, IncidentHistory,
    IncidentRecord, Judge, Lease, NotificationRecord, Recorded, RunFilter, RunSummary, Store,
};

const WORKS: u8 = 0;
const FAILS: u8 = 1;
const HANGS: u8 = 2;

#[derive(Debug)]
pub(in crate::http) struct Remembered {
    states: BTreeMap<CheckId, CheckState>,
    /// The latest first.
    reports: Vec<Report>,
    history: IncidentHistory,
    mood: AtomicU8,
    /// Whether messages were given up a moment ago, rather than hours ago.
    given_up_lately: AtomicBool,
    /// Whether the agents have wrong clocks and do not keep their schedules.
    pub(super) agents_upset: AtomicBool,
    /// Why no rule can be evaluated.
    pub(super) rules_fail: OnceLock<&'static str>,
    /// The incident as people left it.
    pub(super) acted: Mutex<Option<Incident>>,
    /// The silences.
    pub(super) silences: Mutex<Vec<Silence>>,
    /// The runs that people asked for, and those of them that ended.
    errands: Mutex<Vec<Errand>>,
    errand_runs: Mutex<BTreeMap<RunId, Report>>,
    output: Mutex<BTreeMap<RunId, Vec<Numbered>>>,
    /// The series that came, in the order in which they came.
    pub(super) series: Mutex<Vec<Series>>,
    /// Who is signed in, and how often that was tried.
    sessions: Mutex<sessions::Kept>,
}

impl Remembered {
    pub(super) fn fail(&self) {
        self.mood.store(FAILS, Ordering::Relaxed);
    }

    pub(super) fn hang(&self) {
        self.mood.store(HANGS, Ordering::Relaxed);
    }

    pub(super) fn give_up(&self) {
        self.given_up_lately.store(true, Ordering::Relaxed);
    }

    pub(super) fn upset_agents(&self) {
        self.agents_upset.store(true, Ordering::Relaxed);
    }

    pub(super) fn fail_rules(&self, error: &'static str) {
        self.rules_fail.set(error).expect("set once");
    }

    pub(super) async fn mood(&self) -> Result<(), Error> {
        match self.mood.load(Ordering::Relaxed) {
            FAILS => Err(broken()),
            HANGS => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

fn broken() -> Error {
    Error::Database { what: "read", source: sqlx::Error::PoolClosed }
}

#[async_trait]
impl Store for Remembered {
    async fn record(
        &self,
        _: &[Report],
        _: &dyn Judge,
        _: Timestamp,
    ) -> Result<Vec<Recorded>, Error> {
        Err(broken())
    }

    async fn review(&self, _: &dyn Judge, _: &Lease, _: Timestamp) -> Result<Vec<Change>, Error> {
        Ok(Vec::new())
    }

    async fn close_absent(
        &self,
        _: &dyn Judge,
        _: &str,
        _: Timestamp,
    ) -> Result<Option<Vec<IncidentId>>, Error> {
        Err(broken())
    }

    async fn claim_due(
        &self,
        _: Channel,
        _: Timestamp,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<crate::store::Claim>, Error> {
        Err(broken())
    }

    async fn next_due(&self, _: Channel) -> Result<Option<Timestamp>, Error> {
        Err(broken())
    }

    async fn note_departure(
        &self,
        _: &crate::store::Claim,
    ) -> Result<crate::store::Standing, Error> {
        Err(broken())
    }

    async fn hand_on(
        &self,
        _: &crate::store::Claim,
        _: &crate::domain::rota::Call,
        _: Timestamp,
    ) -> Result<crate::store::Standing, Error> {
        Err(broken())
    }

    async fn settle_all(
        &self,
        _: &[crate::store::Ended<'_>],
    ) -> Result<Vec<crate::store::Standing>, Error> {
        Err(broken())
    }

    async fn lease(
        &self,
        _: &str,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Option<crate::store::Epoch>, Error> {
        Err(broken())
    }

    async fn check_states(&self) -> Result<BTreeMap<CheckId, CheckState>, Error> {
        self.mood().await?;
        Ok(self.states.clone())
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, Error> {
        self.mood().await?;
        let wanted = |report: &&Report| {
            filter.check.as_ref().is_none_or(|check| report.slot.check == *check)
                && filter.region.as_ref().is_none_or(|region| report.slot.region == *region)
                && filter.outcome.is_none_or(|outcome| report.outcome() == outcome)
                && filter.before.is_none_or(|before| report.slot.at < before)
        };
        let limit = usize::try_from(filter.limit).expect("a small number");
        let summary = |report: &Report| RunSummary {
            id: report.slot.run_id(),
            slot: report.slot.clone(),
            started_at: report.started_at,
            duration: report.duration,
            outcome: report.outcome(),
            failure: report.failure.clone(),
        };
        Ok(self.reports.iter().filter(wanted).take(limit).map(summary).collect())
    }

    async fn run(&self, id: RunId) -> Result<Option<Report>, Error> {
        self.mood().await?;
        Ok(self.reports.iter().find(|report| report.slot.run_id() == id).cloned())
    }

    async fn incidents(&self, filter: &IncidentFilter) -> Result<Vec<IncidentRecord>, Error> {
        self.mood().await?;
        let record = &self.history.record;
        let wanted =
            filter.check.as_ref().is_none_or(|check| record.subject.check() == Some(check));
        Ok(wanted.then(|| record.clone()).into_iter().collect())
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<IncidentHistory>, Error> {
        self.mood().await?;
        let mut history = self.history.clone();
        if let Some(acted) = &*self.acted.lock().expect("no test panics with it") {
            history.record.incident = acted.clone();
        }
        Ok((history.record.id == id).then_some(history))
    }

    async fn decisions(&self, check: &CheckId, _: u32) -> Result<Vec<DecisionRecord>, Error> {
        self.mood().await?;
        let opening = self.history.decisions.iter().rev().map(|(at, decision)| DecisionRecord {
            subject: Subject::Check(check.clone()),
            incident: Some(self.history.record.id),
            run: self.reports.first().map(|report| report.slot.run_id()),
            at: *at,
            decision: decision.clone(),
        });
        Ok(opening.collect())
    }

    async fn backlog(&self, since: Timestamp) -> Result<Vec<Backlog>, Error> {
        self.mood().await?;
        let oldest = Some(super::now() - TimeDelta::seconds(30));
        let lately = self.given_up_lately.load(Ordering::Relaxed);
        let is_long = since < super::now() - TimeDelta::hours(2);
        let given_up = if lately || is_long { 2 } else { 0 };
        Ok(vec![
            Backlog { channel: Channel::Slack, owed: 1, oldest, given_up },
            Backlog { channel: Channel::Sms, owed: 0, oldest: None, given_up: 0 },
        ])
    }

    async fn forget(&self, _: &Horizons, _: u32) -> Result<u64, Error> {
        Err(broken())
    }

    async fn close(&self) {}
}

/// Two checks; the login has run twice in two regions and once in one, and is down in Europe.
pub(in crate::http) fn a_world() -> (Vec<Arc<Check>>, Remembered) {
    let login = CheckId::new("shop/login").expect("a good name");
    let (eu, us) = (region("eu-west-1"), region("us-east-1"));
    let first = super::now() - TimeDelta::seconds(62);
    let second = super::now() - TimeDelta::seconds(31);
    let third = super::now() - TimeDelta::seconds(1);
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
        incident: Some(history.record.incident.clone()),
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
fn place() -> Place {
    (CheckId::new("login").expect("a good name"), Region::new("eu").expect("a good name"))
}

/// The script of the login.
pub(in crate::http) fn a_publication() -> Publication {
    let text = "// <script>alert(1)</script>\nexport default async function () {}\n".to_owned();
    let modules = vec![("checks/shop/login.js".to_owned(), text)];
    Publication::new([(region("eu-west-1"), Part { modules, ..Part::default() })])
}
