//! A scenario: what happens when, what is wanted of it, and its run.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tripline::domain::Timestamp;
use tripline::failpoint::Failpoint;

use super::ledger::Backend;
use super::setup::{Setup, Watched};
use super::shown::Shown;
use super::told::{Message, Told, Want, Window, clock, compare};
use super::world::World;
use crate::support::provider::Answer;

/// How a check is doing where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its runs pass.
    Up,
    /// Its runs fail.
    Down,
    /// Its runs end unknown.
    Odd,
    /// Its agent reports nothing.
    Silent,
}

pub(super) use State::{Down, Odd, Silent, Up};

type Edit = Arc<dyn Fn(&mut Setup) + Send + Sync>;

/// Something that happens.
#[derive(Clone)]
pub(super) enum Act {
    /// A check is doing so from now on, in one region or in all.
    Target { check: String, region: Option<String>, state: State },
    /// The result of a slot arrives, beside those that arrive by themselves.
    Report { check: String, region: String, slot: Duration, state: State },
    /// Somebody asks the API for this.
    Post { path: String, body: Value },
    /// Somebody clicks on a button in Slack.
    Click { who: String, action: String, incident: u32 },
    /// Somebody sends an SMS.
    Answer { from: String, text: String },
    /// An agent of a region takes what is to be run at once: so many legs.
    Take { region: String, legs: usize },
    /// It brings what came of the last of them.
    Bring { check: String, region: String, state: State },
    /// Somebody ends a silence.
    Unsilence(u32),
    /// Somebody edits the project.
    Edit(Edit),
    /// Somebody adds a mistake to it.
    Mistake(String),
    /// The daemon is stopped and started.
    Restart,
    /// The daemon is killed and started.
    Kill,
    /// The daemon is killed, and stays so until it is started.
    Stop,
    /// The daemon is started.
    Start,
    /// The daemon dies when it reaches this place.
    DieAt(Failpoint),
    /// Somebody looks at the health page, which has this status and says this.
    Health { status: u16, says: String },
    /// The agent of a region comes or goes.
    Agents { region: String, are_there: bool },
    /// Slack answers so from now on.
    Slack(Answer),
    /// Twilio answers so from now on.
    Twilio(Answer),
    /// Twilio answers its next requests so.
    TwilioNext(Vec<Answer>),
    /// Slack does.
    SlackNext(Vec<Answer>),
    /// What the providers hold goes on so.
    GoOn(Answer),
}

/// What is done to the daemon between any two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disturbance {
    None,
    Reload,
    Restart,
    Kill,
}

/// What happens, and what is wanted of it.
#[derive(Clone)]
pub(super) struct Scenario {
    setup: Setup,
    start: Timestamp,
    clock: Duration,
    acts: Vec<(Duration, Act)>,
    wants: Vec<Want>,
    unwanted: Vec<(Window, Message)>,
    reasons: Vec<String>,
    incidents: Option<Vec<String>>,
    disturbance: Disturbance,
    backends: Vec<Backend>,
    end: Duration,
}

/// A scenario about one check, `login`, with the built-in policy.
pub(super) fn login() -> Scenario {
    scenario(vec![Watched::new("login")])
}

/// A scenario about some checks. It begins on a Monday at ten.
pub(super) fn scenario(checks: Vec<Watched>) -> Scenario {
    Scenario {
        setup: Setup { checks, ..Setup::default() },
        start: "2026-11-23T10:00:00Z".parse().expect("a time"),
        clock: Duration::ZERO,
        acts: Vec::new(),
        wants: Vec::new(),
        unwanted: Vec::new(),
        reasons: Vec::new(),
        incidents: None,
        disturbance: Disturbance::None,
        backends: vec![Backend::Sqlite],
        end: Duration::ZERO,
    }
}

impl Scenario {
    /// Adds tables to the project.
    pub(super) fn toml(mut self, tables: &str) -> Self {
        self.setup.tables.push_str(tables);
        self.setup.tables.push('\n');
        self
    }

    /// Holds with a store in PostgreSQL as well.
    pub(super) fn on_postgres_too(mut self) -> Self {
        self.backends.push(Backend::Postgres);
        self
    }

    /// Time passes in small steps, at each of which agents say that they live and the daemon looks at
    /// agents, accounts and rules. What such a look leads to is told a step later at most.
    pub(super) fn closely(mut self) -> Self {
        self.setup.closely = true;
        self
    }

    /// Begins at another moment.
    pub(super) fn starting(mut self, moment: &str) -> Self {
        self.start = moment.parse().expect("a moment");
        self
    }

    /// What follows happens then. What happens at the time of a slot happens before it is run.
    pub(super) fn at(mut self, moment: Duration) -> Self {
        self.clock = moment;
        self
    }

    fn act(mut self, act: Act) -> Self {
        self.acts.push((self.clock, act));
        self
    }

    /// A check does so from now on, wherever it runs.
    pub(super) fn target(self, check: &str, state: State) -> Self {
        self.act(Act::Target { check: check.into(), region: None, state })
    }

    /// The same in one region.
    pub(super) fn target_in(self, check: &str, region: &str, state: State) -> Self {
        self.act(Act::Target { check: check.into(), region: Some(region.into()), state })
    }

    /// The result of the slot at `slot` arrives now.
    pub(super) fn report(self, check: &str, region: &str, slot: Duration, state: State) -> Self {
        self.act(Act::Report { check: check.into(), region: region.into(), slot, state })
    }

    /// The agent of a region says nothing any more; what its checks report is said elsewhere.
    pub(super) fn lose_agent(self, region: &str) -> Self {
        self.act(Act::Agents { region: region.into(), are_there: false })
    }

    /// It is back.
    pub(super) fn find_agent(self, region: &str) -> Self {
        self.act(Act::Agents { region: region.into(), are_there: true })
    }

    /// People can click on buttons and answer SMS.
    pub(super) fn answered(mut self) -> Self {
        self.setup.answers = true;
        self
    }

    /// Somebody clicks on a button of an incident's message.
    pub(super) fn click(self, who: &str, action: &str, incident: u32) -> Self {
        self.act(Act::Click { who: who.into(), action: action.into(), incident })
    }

    /// Somebody sends an SMS: ana or bo.
    pub(super) fn answer(self, from: &str, text: &str) -> Self {
        self.act(Act::Answer { from: from.into(), text: text.into() })
    }

    /// Eva acknowledges an incident.
    pub(super) fn acknowledge(self, incident: u32) -> Self {
        self.incident(incident, "acknowledge", json!({"by": "eva"}))
    }

    /// The same for so long, such as `10m`.
    pub(super) fn acknowledge_for(self, incident: u32, lasts: &str) -> Self {
        self.incident(incident, "acknowledge", json!({"by": "eva", "for": lasts}))
    }

    /// Eva takes it back.
    pub(super) fn take_back(self, incident: u32) -> Self {
        self.incident(incident, "unacknowledge", json!({"by": "eva"}))
    }

    /// Eva says that it is over.
    pub(super) fn resolve(self, incident: u32) -> Self {
        self.incident(incident, "resolve", json!({"by": "eva", "reason": "rolled back"}))
    }

    /// Eva says something.
    pub(super) fn note(self, incident: u32, text: &str) -> Self {
        self.incident(incident, "note", json!({"by": "eva", "text": text}))
    }

    fn incident(self, incident: u32, act: &str, body: Value) -> Self {
        self.act(Act::Post { path: format!("/api/v1/incidents/{incident}/{act}"), body })
    }

    /// Eva has a check run at once.
    pub(super) fn run_now(self, check: &str) -> Self {
        let path = format!("/api/v1/checks/{check}/errands");
        self.act(Act::Post { path, body: json!({"by": "eva"}) })
    }

    /// An agent of a region takes what is to be run at once there, which is so much.
    pub(super) fn take(self, region: &str, legs: usize) -> Self {
        self.act(Act::Take { region: region.into(), legs })
    }

    /// It brings what came of the last of them.
    pub(super) fn bring(self, check: &str, region: &str, state: State) -> Self {
        self.act(Act::Bring { check: check.into(), region: region.into(), state })
    }

    /// Eva asks that nobody be told: `{"checks": ["login"], "for": "10m"}`.
    pub(super) fn silence(self, mut body: Value) -> Self {
        body["by"] = "eva".into();
        body["reason"] = "a deploy".into();
        self.act(Act::Post { path: "/api/v1/silences".into(), body })
    }

    /// Somebody ends a silence.
    pub(super) fn unsilence(self, silence: u32) -> Self {
        self.act(Act::Unsilence(silence))
    }

    /// Somebody edits the project.
    pub(super) fn edit(self, edit: impl Fn(&mut Setup) + Send + Sync + 'static) -> Self {
        self.act(Act::Edit(Arc::new(edit)))
    }

    /// The project is so from the beginning.
    pub(super) fn edit_before(mut self, edit: impl FnOnce(&mut Setup)) -> Self {
        edit(&mut self.setup);
        self
    }

    /// Somebody adds this to the project, which then has a mistake.
    pub(super) fn mistake(self, tables: &str) -> Self {
        self.act(Act::Mistake(tables.into()))
    }

    /// The daemon is stopped and started.
    pub(super) fn restart(self) -> Self {
        self.act(Act::Restart)
    }

    /// The daemon is killed and started.
    pub(super) fn kill(self) -> Self {
        self.act(Act::Kill)
    }

    /// The daemon is killed, and nothing runs until it is started.
    pub(super) fn stop(self) -> Self {
        self.act(Act::Stop)
    }

    /// The daemon dies when it reaches this place, once, and is started again a second later.
    pub(super) fn die_at(self, point: Failpoint) -> Self {
        self.act(Act::DieAt(point))
    }

    /// Twilio answers its next requests so, one each.
    pub(super) fn twilio_next(self, answers: &[Answer]) -> Self {
        self.act(Act::TwilioNext(answers.to_vec()))
    }

    /// Slack does.
    pub(super) fn slack_next(self, answers: &[Answer]) -> Self {
        self.act(Act::SlackNext(answers.to_vec()))
    }

    /// What was sent and [held](Answer::Hold) is answered now. The daemon waits for that no longer than a
    /// few seconds of its clock.
    pub(super) fn answered_at_last(self) -> Self {
        self.act(Act::GoOn(Answer::Accept))
    }

    /// It is never answered: the connections are cut now, and the daemon is left in doubt.
    pub(super) fn cut_at_last(self) -> Self {
        self.act(Act::GoOn(Answer::Cut))
    }

    /// The daemon is started.
    pub(super) fn start(self) -> Self {
        self.act(Act::Start)
    }

    /// Slack answers so from now on.
    pub(super) fn slack(self, answer: Answer) -> Self {
        self.act(Act::Slack(answer))
    }

    /// Twilio answers so from now on.
    pub(super) fn twilio(self, answer: Answer) -> Self {
        self.act(Act::Twilio(answer))
    }

    /// This is done between any two steps.
    pub(super) fn disturbed(mut self, disturbance: Disturbance) -> Self {
        self.disturbance = disturbance;
        self
    }

    /// A message is wanted.
    pub(super) fn want(mut self, window: Window, message: Message) -> Self {
        self.wants.push(Want { window, message, optional: false });
        self
    }

    /// A message may come, or not: which of two things at the same moment is first is nobody's promise.
    pub(super) fn may(mut self, window: Window, message: Message) -> Self {
        self.wants.push(Want { window, message, optional: true });
        self
    }

    /// The same message is wanted by each of these: `#p1`, `ana`.
    pub(super) fn want_all(mut self, window: Window, to: &[&str], says: &str) -> Self {
        for to in to {
            self = self.want(window, super::told::slack(to).saying(says));
        }
        self
    }

    /// No such message is wanted. All that is not wanted is refused anyway; this says what the scenario
    /// is about.
    pub(super) fn want_none(mut self, window: Window, message: Message) -> Self {
        self.unwanted.push((window, message));
        self
    }

    /// The health page has this status now, and its reasons have this in them.
    pub(super) fn want_health(self, status: u16, says: &str) -> Self {
        self.act(Act::Health { status, says: says.into() })
    }

    /// Some decision has this in its reason.
    pub(super) fn want_reason(mut self, text: &str) -> Self {
        self.reasons.push(text.into());
        self
    }

    /// These incidents there are at the end: `check:login open`, in the order of their numbers.
    pub(super) fn want_incidents(mut self, incidents: &[&str]) -> Self {
        self.incidents = Some(incidents.iter().map(|it| (*it).to_owned()).collect());
        self
    }

    /// Lets it happen up to then, and holds that all is as wanted.
    pub(super) async fn until(mut self, end: Duration) {
        self.end = end;
        for backend in self.backends.clone() {
            self.hold_on(backend).await;
        }
    }

    /// Lets it happen up to then; all that people were shown. None where no clock can be stopped.
    pub(super) async fn shown(self, end: Duration) -> Option<Vec<Shown>> {
        let mut world = World::begin(&self.setup, self.start, Backend::Sqlite).await?;
        world.run(self.acts, end, Disturbance::None).await;
        let shown = world.shown().to_vec();
        world.end().await;
        Some(shown)
    }

    async fn hold_on(&self, backend: Backend) {
        let world = World::begin(&self.setup, self.start, backend).await;
        let Some(mut world) = world else { return };
        world.run(self.acts.clone(), self.end, self.disturbance).await;
        let (told, reasons, incidents) =
            (world.told().to_vec(), world.reasons().await, world.incidents().await);
        world.end().await;
        self.judge(backend, &told, &reasons, &incidents);
    }

    fn judge(&self, backend: Backend, told: &[Told], reasons: &[String], incidents: &[String]) {
        let story = || {
            let told: Vec<String> = told.iter().map(|it| format!("{it:?}")).collect();
            format!(
                "\non {backend:?}, told:\n{}\ndecided:\n{}\nincidents: {incidents:?}",
                told.join("\n"),
                reasons.join("\n")
            )
        };
        if let Err(wrong) = compare(&self.wants, told) {
            panic!("{wrong}\n{}", story());
        }
        for (window, message) in &self.unwanted {
            let want = Want { window: *window, message: message.clone(), optional: false };
            assert!(compare(&[want], told).is_err_and(|it| it.contains("missing")), "{}", story());
        }
        for text in &self.reasons {
            let is_there = reasons.iter().any(|reason| reason.contains(text.as_str()));
            assert!(is_there, "no decision says `{text}`{}", story());
        }
        if let Some(wanted) = &self.incidents {
            assert_eq!(incidents, wanted, "{}", story());
        }
        let late = told.iter().find(|it| it.at > self.end);
        assert!(late.is_none(), "after {}: {late:?}", clock(self.end));
    }
}
