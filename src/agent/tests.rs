use std::sync::Mutex;

use tokio::sync::Notify;

use super::*;
use crate::clock::Manual;
use crate::domain::Timestamp;
use crate::domain::check::{Check, Expectations, RequestSpec, Work};
use crate::domain::id::{CheckId, Region};
use crate::domain::run::{FailureKind, Outcome};
use crate::sandbox::protocol::{Ending, Event, Job, Level, ScriptError, ScriptErrorKind};
use crate::sandbox::{End, Host, Ran};

/// What a script does, chosen by the name of its module.
#[derive(Default)]
struct FakeScripts {
    release: Notify,
}

struct FakeStage(Arc<FakeScripts>);

#[async_trait]
impl Scripts for Arc<FakeScripts> {
    async fn prepare(&self) -> Result<Box<dyn Stage>, String> {
        Ok(Box::new(FakeStage(Arc::clone(self))))
    }
}

#[async_trait]
impl Stage for FakeStage {
    async fn run(self: Box<Self>, job: Job, host: &dyn Host) -> Ran {
        let name = "sign in as hunter2!".to_owned();
        host.event(Duration::ZERO, Event::StepStarted { name, parent: None });
        let mut ending = Ending::Finished;
        match job.source.entry.as_str() {
            "checks/hold.js" => self.0.release.notified().await,
            "checks/panic.js" => panic!("the engine room is on fire"),
            "checks/throw.js" => {
                let level = Level::Info;
                let text = host.secret("PASSWORD").expect("it is there");
                host.event(Duration::ZERO, Event::Log { level, text });
                ending = Ending::Threw(ScriptError {
                    kind: ScriptErrorKind::Expectation,
                    message: "expected 200, received hunter2!".to_owned(),
                    expected: Some("200".to_owned()),
                    received: Some("hunter2!".to_owned()),
                    position: Some(("checks/throw.js".to_owned(), 2, 3)),
                    step: Some(0),
                });
            }
            _ => {}
        }
        let limits = crate::sandbox::Limits { timeout: job.timeout, processor_seconds: 10 };
        let step = ending.step();
        let (queued, duration) = (Duration::ZERO, Duration::from_secs(1));
        Ran { queued, duration, end: End::Said(ending), step, limits }
    }
}

/// A hub that remembers.
#[derive(Default)]
struct FakeHub {
    reports: Mutex<Vec<Report>>,
    delivered: Notify,
}

#[async_trait]
impl Hub for FakeHub {
    async fn deliver(&self, report: Report) {
        self.reports.lock().expect("nobody panicked").push(report);
        self.delivered.notify_one();
    }
}

impl FakeHub {
    /// Waits for that many reports.
    async fn reports(&self, count: usize) -> Vec<Report> {
        loop {
            let reports = self.reports.lock().expect("nobody panicked").clone();
            if reports.len() >= count {
                return reports;
            }
            self.delivered.notified().await;
        }
    }
}

struct World {
    agent: Agent,
    hub: Arc<FakeHub>,
    scripts: Arc<FakeScripts>,
}

fn at(second: i64) -> Timestamp {
    chrono::DateTime::from_timestamp(1_790_000_000 + second, 0).expect("in range")
}

fn slot(check: &str, second: i64) -> Slot {
    Slot {
        check: CheckId::new(check).expect("a name"),
        region: Region::new("eu").expect("a name"),
        at: at(second),
    }
}

fn check(id: &str, work: Work) -> Check {
    Check { work, ..Check::example(id) }
}

fn script(id: &str) -> Check {
    check(id, Work::Script { entry: format!("checks/{id}.js") })
}

fn request(id: &str, url: &str) -> Check {
    let spec = RequestSpec {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        expect: Expectations::default(),
    };
    check(id, Work::Request(Box::new(spec)))
}

fn world(limits: Limits) -> World {
    let (hub, scripts) = (Arc::new(FakeHub::default()), Arc::new(FakeScripts::default()));
    let parts = Parts {
        clock: Arc::new(Manual::new(at(0))),
        dialer: Arc::new(Dialer::default()),
        scripts: Arc::new(Arc::clone(&scripts)),
        hub: Arc::clone(&hub) as Arc<dyn Hub>,
    };
    let agent = Agent::new(parts, limits);
    let checks = ["hold", "panic", "throw", "fine"].map(script).into_iter().chain([
        request("lost", "http://shop.example/?token=${secret.NONE}"),
        request("metadata", "http://169.254.169.254/latest"),
    ]);
    let throw = "export default function () {\n  expect(1).toBe(\"hunter2!\");\n}";
    let modules = vec![("checks/throw.js".to_owned(), throw.to_owned())];
    let secrets = Secrets::new([("PASSWORD".to_owned(), "hunter2!".to_owned())]);
    agent.assign(Arc::new(Assignments::with_modules(checks, &modules, secrets)));
    World { agent, hub, scripts }
}

/// The kinds of failure of the reports, by check.
fn kinds(reports: &[Report]) -> Vec<(&str, Option<FailureKind>)> {
    let kind = |report: &Report| report.failure.as_ref().map(|failure| failure.kind);
    reports.iter().map(|report| (report.slot.check.as_str(), kind(report))).collect()
}

#[tokio::test]
async fn a_check_never_runs_twice_at_the_same_time() {
    let World { agent, hub, scripts } = world(Limits::default());
    agent.start(slot("hold", 0));
    agent.start(slot("hold", 30));
    agent.start(slot("fine", 30));
    let reports = hub.reports(2).await;
    assert_eq!(kinds(&reports), [("hold", Some(FailureKind::Overlap)), ("fine", None)]);
    assert_eq!(reports[0].slot.at, at(30));
    assert_eq!(reports[0].outcome(), Outcome::Unknown);
    assert_eq!(agent.running(), 1);
    scripts.release.notify_one();
    let reports = hub.reports(3).await;
    assert_eq!((reports[2].slot.at, reports[2].outcome()), (at(0), Outcome::Passed));
    agent.start(slot("hold", 60));
    scripts.release.notify_one();
    assert_eq!(hub.reports(4).await[3].outcome(), Outcome::Passed);
}

#[tokio::test]
async fn what_is_asked_for_waits_for_the_slot_before_it_and_gives_way_to_the_next() {
    let World { agent, hub, scripts } = world(Limits::default());
    let id = RunId(uuid::Uuid::from_u128(7));
    agent.start(slot("hold", 0));
    tokio::task::yield_now().await;
    let aside = agent.clone();
    let aside = tokio::spawn(async move { aside.run_aside(slot("hold", 3), id, None).await });
    tokio::task::yield_now().await;
    assert_eq!(agent.running(), 1, "it waits");
    scripts.release.notify_one();
    assert_eq!(hub.reports(1).await[0].outcome(), Outcome::Passed);
    // It has begun, and holds.
    while agent.running() == 0 {
        tokio::task::yield_now().await;
    }
    agent.start(slot("hold", 30));
    let report = aside.await.expect("no panic");
    let failure = report.failure.expect("it was cut off");
    assert_eq!(failure.kind, FailureKind::Overlap);
    assert!(failure.message.contains("the scheduled run came due"), "{}", failure.message);
    scripts.release.notify_one();
    let reports = hub.reports(2).await;
    assert_eq!((reports[1].slot.at, reports[1].outcome()), (at(30), Outcome::Passed));
}

#[tokio::test(start_paused = true)]
async fn without_room_in_time_a_slot_is_overload() {
    let World { agent, hub, .. } = world(Limits { scripts: 1, requests: 1 });
    agent.start(slot("hold", 0));
    agent.start(slot("fine", 0));
    let reports = hub.reports(1).await;
    assert_eq!(kinds(&reports), [("fine", Some(FailureKind::Overload))]);
    let message = &reports[0].failure.as_ref().expect("failed").message;
    assert_eq!(message, "no room within 10.0 s: all 1 places are taken");
}

#[tokio::test]
async fn a_panic_ends_in_a_report() {
    let World { agent, hub, .. } = world(Limits::default());
    agent.start(slot("panic", 0));
    let reports = hub.reports(1).await;
    let failure = reports[0].failure.as_ref().expect("failed");
    assert_eq!(failure.kind, FailureKind::Crashed);
    assert!(failure.message.ends_with("the engine room is on fire"), "{failure:?}");
    assert_eq!(failure.step.as_deref(), Some("sign in as ***"));
    assert_eq!(reports[0].trace.steps.len(), 1, "what was seen is kept");
    assert_eq!(agent.running(), 0);
}

#[tokio::test]
async fn a_stopped_agent_reports_everything() {
    let World { agent, hub, .. } = world(Limits { scripts: 1, requests: 1 });
    agent.start(slot("hold", 0));
    // The script begins, and holds the only place.
    tokio::task::yield_now().await;
    agent.start(slot("fine", 0));
    agent.stop(Duration::from_millis(1), Duration::from_secs(20)).await;
    agent.start(slot("throw", 30));
    let reports = hub.reports(3).await;
    let interrupted = Some(FailureKind::Interrupted);
    let expected = [("fine", interrupted), ("hold", interrupted), ("throw", interrupted)];
    assert_eq!(kinds(&reports), expected);
    assert_eq!(reports[1].trace.steps.len(), 1, "the trace so far");
    assert_eq!(
        reports[1].failure.as_ref().and_then(|it| it.step.as_deref()),
        Some("sign in as ***")
    );
}

#[tokio::test]
async fn a_failure_is_told_with_its_place_and_without_secrets() {
    let World { agent, .. } = world(Limits::default());
    let report = agent.run_now(slot("throw", 0), None).await;
    assert_eq!(report.duration, Duration::from_secs(1));
    assert_eq!(report.started_at, at(0));
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    let failure = report.failure.expect("failed");
    assert_eq!(failure.step.as_deref(), Some("sign in as ***"));
    assert_eq!(failure.message, "expected 200, received ***");
    insta::assert_snapshot!(failure.frame.expect("the module is known"), @r#"
      1 | export default function () {
    > 2 |   expect(1).toBe("***");
        |   ^
      3 | }
    "#);
}

#[tokio::test]
async fn what_cannot_be_run_is_said() {
    let World { agent, .. } = world(Limits::default());
    let failed = async |check: &str| {
        let failure = agent.run_now(slot(check, 0), None).await.failure.expect("failed");
        (failure.kind, failure.message)
    };
    let (kind, message) = failed("lost").await;
    assert_eq!((kind, message.as_str()), (FailureKind::Script, "there is no secret `NONE`"));
    let (kind, message) = failed("gone").await;
    assert_eq!(kind, FailureKind::Interrupted);
    assert_eq!(message, "the check `gone` is not assigned to this agent");
    let (kind, message) = failed("metadata").await;
    assert_eq!(kind, FailureKind::Network);
    assert_eq!(message, "169.254.169.254 is refused: it is a metadata service of a cloud");
}

#[tokio::test]
async fn a_run_keeps_its_assignments() {
    let World { agent, hub, scripts } = world(Limits::default());
    agent.start(slot("hold", 0));
    tokio::task::yield_now().await;
    agent.assign(Arc::new(Assignments::default()));
    scripts.release.notify_one();
    assert_eq!(hub.reports(1).await[0].outcome(), Outcome::Passed);
    assert!(agent.assignments().is_empty());
}

#[derive(Default)]
struct Witness(Mutex<Vec<Happening>>);

impl Observer for Witness {
    fn saw(&self, happening: Happening) {
        self.0.lock().expect("nobody panicked").push(happening);
    }
}

#[tokio::test]
async fn a_run_can_be_watched() {
    let World { agent, .. } = world(Limits::default());
    let witness = Arc::new(Witness::default());
    let observer = Some(Arc::clone(&witness) as Arc<dyn Observer>);
    agent.run_now(slot("throw", 0), observer).await;
    let seen = witness.0.lock().expect("nobody panicked");
    assert!(matches!(&seen[0], Happening::StepStarted(step) if step.name == "sign in as ***"));
    assert!(matches!(&seen[1], Happening::Logged(line) if line.text == "***"));
}

#[tokio::test]
async fn who_watches_a_run_that_was_asked_for_reads_no_secret() {
    let World { agent, .. } = world(Limits::default());
    let witness = Arc::new(Witness::default());
    let observer = Some(Arc::clone(&witness) as Arc<dyn Observer>);
    agent.run_aside(slot("throw", 0), RunId(uuid::Uuid::from_u128(7)), observer).await;
    let seen = std::mem::take(&mut *witness.0.lock().expect("nobody panicked"));
    let said: Vec<String> =
        seen.into_iter().filter_map(Happening::line).map(|line| line.shown().1).collect();
    assert_eq!(said[..2], ["sign in as ***", "***"]);
}
