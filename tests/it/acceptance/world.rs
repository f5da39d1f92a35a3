//! A daemon with a clock that stands still, what it is told by agents, and what it tells.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use data_encoding::HEXLOWER;
use http::StatusCode;
use ring::hmac;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, Region};
use tripline::domain::run::{Failure, FailureKind, Report, Trace};
use tripline::domain::slot::Slot;
use tripline::failpoint;
use tripline::link::protocol::ReportMessage;

use super::scenario::{Act, Disturbance, Down, Odd, Silent, State, Up};
use super::setup::Setup;
use super::told::Told;
use crate::support::providers::{ANA, BO, Providers};
use crate::support::slack::channel_id;
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::{throughout, until, until_true};
use crate::support::wall::Wall;
use crate::support::{self, port};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Slack's channels by name, since the fake hears of some by id.
const CHANNELS: [&str; 4] = ["#p2", "#p1", "#shop", "#pay"];
/// People who are in no project by themselves.
const CY: (&str, &str) = ("+4930333333", "cy");

/// What Slack signs clicks with.
const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// How long it is looked whether something is offered that is not to be.
const A_WHILE: Duration = Duration::from_secs(2);
/// The file that names where the daemon is to die.
const DIE_AT: &str = "die-at";
/// How long a claim holds that a killed daemon leaves behind.
const LEASE: TimeDelta = TimeDelta::seconds(14);

/// Everything there is in a scenario.
pub(super) struct World {
    setup: Setup,
    start: Timestamp,
    /// What time it is.
    now: Timestamp,
    wall: Wall,
    providers: Providers,
    project: Project,
    daemon: Option<Daemon>,
    client: reqwest::Client,
    tokens: HashMap<String, String>,
    states: HashMap<(String, String), State>,
    told: Vec<Told>,
    /// The last errand that an agent took, and when it was asked for.
    errand: Option<(String, Timestamp)>,
    /// How many requests of each provider were looked at.
    seen: (usize, usize),
    /// Whether the daemon is to die.
    armed: bool,
    /// When the claims end that it left behind.
    left_behind: Option<Timestamp>,
}

impl World {
    /// Starts the daemon; none where no clock can be made to stand still.
    pub(super) async fn begin(setup: &Setup, start: Timestamp) -> Option<Self> {
        let providers = Providers::start().await;
        let project = providers.told_by(Project::new()).toml(&setup.toml());
        let wall = Wall::find(project.path())?;
        wall.stop_at(start);
        let environment = wall.environment().into_iter();
        let mut project = environment.fold(project, |it, (name, value)| it.env(&name, &value));
        if setup.clicks {
            let secret = "[slack]\nsigning_secret = { env = \"SLACK_SIGNING_SECRET\" }\n";
            project.change("[slack]\n", secret);
            project = project.env("SLACK_SIGNING_SECRET", SIGNING_SECRET);
        }
        let file = project.path().join(DIE_AT).display().to_string();
        let project = project.env(failpoint::VARIABLE, &file);
        let mut world = Self {
            setup: setup.clone(),
            start,
            now: start,
            wall,
            providers,
            project,
            daemon: None,
            client: support::http::client(),
            tokens: HashMap::new(),
            states: HashMap::new(),
            told: Vec::new(),
            errand: None,
            seen: (0, 0),
            armed: false,
            left_behind: None,
        };
        world.up().await;
        world.settle().await;
        Some(world)
    }

    async fn up(&mut self) {
        let listen = format!("127.0.0.1:{}", port::free());
        let regions: Vec<String> =
            self.setup.regions().iter().map(|it| format!("\"{it}\"")).collect();
        let hub = format!("regions = [{}]\n[hub]\nlisten = \"{listen}\"\n", regions.join(", "));
        let log = self.project.path().join("daemon.log");
        let starts = |text: &str| text.matches("watching").count();
        let before = starts(&std::fs::read_to_string(log).unwrap_or_default());
        let daemon =
            self.project.up_as(&hub, format!("http://{listen}"), support::http::client()).await;
        // It answers before it has looked at what is open.
        until_true("it watches", PATIENCE, async || starts(&daemon.log()) > before).await;
        self.daemon = Some(daemon);
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it is started")
    }

    /// All that was told so far.
    pub(super) fn told(&self) -> &[Told] {
        &self.told
    }

    /// Ends the daemon in order.
    pub(super) async fn end(mut self) {
        let daemon = self.daemon.take().expect("it is started");
        assert!(daemon.stop().await.success());
    }

    /// Lets everything happen up to `end`.
    pub(super) async fn run(
        &mut self,
        acts: Vec<(Duration, Act)>,
        end: Duration,
        disturbance: Disturbance,
    ) {
        let end = self.start + end;
        let mut acts = acts.into_iter().map(|(at, act)| (self.start + at, act)).collect::<Vec<_>>();
        acts.sort_by_key(|(at, _)| *at);
        let mut acts = acts.into_iter().peekable();
        loop {
            while acts.peek().is_some_and(|(at, _)| *at <= self.now) {
                let Some((_, act)) = acts.next() else { break };
                self.perform(act).await;
                self.settle().await;
            }
            self.report_due().await;
            self.settle().await;
            let next = acts.peek().map(|(at, _)| *at);
            let next = next.into_iter().chain(self.next_slot()).chain(self.next_tending().await);
            let next = next.chain(self.left_behind.filter(|end| *end > self.now));
            let Some(next) = next.min().filter(|next| *next <= end) else { break };
            self.disturb(disturbance).await;
            self.now = next;
            self.wall.stop_at(next);
            self.settle().await;
        }
        self.now = end;
        self.wall.stop_at(end);
        self.settle().await;
        assert!(!self.armed, "the daemon never came to where it was to die");
    }

    async fn disturb(&mut self, disturbance: Disturbance) {
        if self.daemon.is_none() {
            return;
        }
        match disturbance {
            Disturbance::None => return,
            Disturbance::Reload => self.reload().await,
            Disturbance::Restart => self.restart().await,
            Disturbance::Kill => self.kill().await,
        }
        self.settle().await;
    }

    async fn perform(&mut self, act: Act) {
        match act {
            Act::Target { check, region, state } => {
                let regions = match region {
                    Some(region) => vec![region],
                    None => self.setup.check(&check).regions.clone(),
                };
                for region in regions {
                    self.states.insert((check.clone(), region), state);
                }
            }
            Act::Report { check, region, slot, state } => {
                let report = report(&check, &region, self.start + slot, state);
                self.send(&region, &[report]).await;
            }
            Act::Post { path, body } => {
                let url = format!("{}{path}", self.daemon().url());
                let answer = self.client.post(&url).json(&body).send().await;
                let answer = answer.expect("the daemon answers");
                let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
                assert!(status.is_success(), "{url} {body}: {status} {text}");
            }
            Act::Click { action, incident } => self.click(action, incident).await,
            Act::Take { region, legs } => self.take(&region, legs).await,
            Act::Bring { check, region, state } => self.bring(&check, &region, state).await,
            Act::Unsilence(silence) => {
                let url = format!("{}/api/v1/silences/{silence}", self.daemon().url());
                let answer = self.client.delete(&url).send().await.expect("the daemon answers");
                assert!(answer.status().is_success(), "{url}: {}", answer.status());
            }
            Act::Edit(edit) => {
                let old = self.setup.toml();
                edit(&mut self.setup);
                self.project.change(&old, &self.setup.toml());
                if self.daemon.is_some() {
                    self.reload().await;
                }
            }
            Act::Mistake(tables) => {
                let path = self.project.path().join("tripline.toml");
                let text = std::fs::read_to_string(&path).expect("it was written");
                self.project.write("tripline.toml", &format!("{text}\n{tables}"));
                self.daemon().signal(Signal::HUP);
                let is_refused = || self.daemon().log().contains("the one before stays in force");
                until_true("the mistake is found", PATIENCE, async || is_refused()).await;
            }
            Act::Restart => self.restart().await,
            Act::Kill => self.kill().await,
            Act::Stop => self.daemon.take().expect("it is started").kill().await,
            Act::Start => self.up().await,
            Act::DieAt(point) => {
                self.project.write(DIE_AT, point.as_str());
                self.armed = true;
            }
            Act::TwilioNext(answers) => self.providers.twilio.answer(answers),
            Act::Slack(answer) => self.providers.slack.answer_all(answer),
            Act::Twilio(answer) => self.providers.twilio.answer_all(answer),
        }
    }

    async fn reload(&mut self) {
        let reloads = |it: &Daemon| it.log().matches("the project was read again").count();
        let before = reloads(self.daemon());
        self.daemon().signal(Signal::HUP);
        let is_armed = self.armed;
        let daemon = self.daemon.as_mut().expect("it is started");
        until_true("the project is read again", PATIENCE, async || {
            reloads(daemon) > before || is_armed && daemon.ended().is_some()
        })
        .await;
        self.revive().await;
    }

    /// Starts the daemon again if it died where it was to die.
    async fn revive(&mut self) {
        let is_dead = |it: &mut Daemon| it.ended().is_some();
        if !self.armed || !self.daemon.as_mut().is_some_and(is_dead) {
            return;
        }
        self.armed = false;
        self.project.remove(DIE_AT);
        self.take_down();
        self.left_behind = Some(self.now + LEASE);
        // What the new one claims ends later.
        self.now += TimeDelta::seconds(1);
        self.wall.stop_at(self.now);
        self.up().await;
    }

    async fn restart(&mut self) {
        let daemon = self.daemon.take().expect("it is started");
        assert!(daemon.stop().await.success());
        self.up().await;
    }

    async fn kill(&mut self) {
        let daemon = self.daemon.take().expect("it is started");
        daemon.kill().await;
        self.up().await;
    }

    /// The next slot of any check.
    fn next_slot(&self) -> Option<Timestamp> {
        self.setup.checks.iter().filter_map(|it| it.next_after(self.now)).min()
    }

    /// Reports the slots of now.
    async fn report_due(&mut self) {
        if self.now == self.start || self.daemon.is_none() {
            return;
        }
        let mut due: HashMap<String, Vec<Value>> = HashMap::new();
        for check in self.setup.checks.iter().filter(|it| it.is_due(self.now)) {
            for region in &check.regions {
                let state = self.states.get(&(check.id.clone(), region.clone()));
                match state.copied().unwrap_or(Up) {
                    Silent => {}
                    state => due
                        .entry(region.clone())
                        .or_default()
                        .push(report(&check.id, region, self.now, state)),
                }
            }
        }
        let mut due: Vec<_> = due.into_iter().collect();
        due.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (region, reports) in due {
            self.send(&region, &reports).await;
        }
    }

    /// Makes sure that agents of `region` have a token.
    async fn admit(&mut self, region: &str) {
        if !self.tokens.contains_key(region) {
            let (code, token, words) =
                self.project.run(&["token", "create", "--region", region]).await;
            assert_eq!(code, Some(0), "{words}");
            self.tokens.insert(region.to_owned(), token.trim().to_owned());
        }
    }

    /// Says something as the agent `one` of `region`.
    async fn say(&mut self, region: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        self.admit(region).await;
        let url = format!("{}/agent/v1/{path}", self.daemon().url());
        let request = self.client.post(url).bearer_auth(&self.tokens[region]).json(body);
        let answer = request.header("tripline-protocol", "1").send().await.expect("it answers");
        let status = answer.status();
        (status, answer.json().await.unwrap_or_default())
    }

    /// What an agent of `region` is given that asks for what is to be run at once.
    async fn offered(&mut self, region: &str) -> Vec<Value> {
        let body = json!({"name": "one", "most": 9});
        let (status, answer) = self.say(region, "errands", &body).await;
        assert!(status.is_success(), "{status}: {answer}");
        answer["errands"].as_array().cloned().unwrap_or_default()
    }

    /// Takes what is to be run at once in `region`, when it is offered; none, where there is none.
    async fn take(&mut self, region: &str, legs: usize) {
        if legs == 0 {
            let nothing = async || self.offered(region).await.is_empty();
            return throughout("nothing is offered", A_WHILE, nothing).await;
        }
        let mut taken = Vec::new();
        until_true("it is offered", PATIENCE, async || {
            taken.extend(self.offered(region).await);
            taken.len() >= legs
        })
        .await;
        assert_eq!(taken.len(), legs, "{taken:?}");
        if let Some(last) = taken.last() {
            let id = last["id"].as_str().expect("an id").to_owned();
            let asked_at = last["asked_at"].as_str().expect("a time").parse().expect("a time");
            self.errand = Some((id, asked_at));
        }
    }

    /// Brings what came of what was taken last.
    async fn bring(&mut self, check: &str, region: &str, state: State) {
        let (id, asked_at) = self.errand.clone().expect("it was taken");
        let body = json!({"name": "one", "report": report(check, region, asked_at, state)});
        let (status, answer) = self.say(region, &format!("errands/{id}"), &body).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }

    /// Clicks on a button, as Slack tells of it.
    async fn click(&self, action: &str, incident: u32) {
        let payload = json!({
            "type": "block_actions",
            "user": {"id": "UEVA", "username": "eva"},
            "channel": {"id": channel_id("#p2")},
            "trigger_id": "1",
            "actions": [{"action_id": action, "value": incident.to_string()}],
        });
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        let at = self.now.timestamp();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING_SECRET.as_bytes());
        let seal = hmac::sign(&key, format!("v0:{at}:{body}").as_bytes());
        let url = format!("{}/api/v1/slack/interactivity", self.daemon().url());
        let request = self.client.post(url).body(body);
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", at.to_string())
            .header("x-slack-signature", format!("v0={}", HEXLOWER.encode(seal.as_ref())));
        let answer = request.send().await.expect("the daemon answers");
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Sends reports as an agent of `region` would; all must be taken.
    async fn send(&mut self, region: &str, reports: &[Value]) {
        self.admit(region).await;
        let url = format!("{}/agent/v1/reports", self.daemon().url());
        let body = json!({"name": "one", "reports": reports});
        let request = self.client.post(url).bearer_auth(&self.tokens[region]).json(&body);
        let answer = request.header("tripline-protocol", "1").send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                assert!(self.armed, "the daemon answers: {error}");
                let daemon = self.daemon.as_mut().expect("it is started");
                daemon.end().await;
                self.revive().await;
                // As an agent does whose reports nobody has acknowledged.
                return Box::pin(self.send(region, reports)).await;
            }
        };
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        assert!(status.is_success(), "{status}: {text}");
        let verdict: Value = serde_json::from_str(&text).expect("JSON");
        let is_taken = verdict["refused"].as_array().is_none_or(Vec::is_empty)
            && verdict["later"].as_array().is_none_or(Vec::is_empty);
        assert!(is_taken, "{body}: {text}");
    }

    /// Waits until nothing is left to do at this time, and takes down what was told.
    async fn settle(&mut self) {
        while self.daemon.is_some() && !self.is_settled().await {
            self.revive().await;
        }
        self.take_down();
    }

    /// Waits until nothing is left to do at this time; whether the daemon lived to see it.
    async fn is_settled(&mut self) -> bool {
        let mut store = self.store().await;
        let (now, left_behind) = (self.now, self.left_behind.filter(|end| *end > self.now));
        let is_armed = self.armed;
        let daemon = self.daemon.as_mut().expect("it is started");
        let settled = until("nothing is left to do", PATIENCE, async || {
            let left: (i64, i64, i64) = sqlx::query_as(
                "SELECT (SELECT count(*) FROM notifications AS mine WHERE state = 'owed' AND \
                 (due_at <= ?1 OR lease_until > ?1) AND lease_until IS NOT ?2 AND NOT EXISTS \
                 (SELECT 1 FROM notifications AS it WHERE it.incident_id = mine.incident_id AND \
                 it.channel = mine.channel AND it.address = mine.address AND it.state = 'owed' \
                 AND it.id < mine.id)), (SELECT count(*) FROM incidents WHERE resolved_at IS NULL \
                 AND due_at <= ?1), (SELECT count(*) FROM errands WHERE told_at IS NULL AND NOT \
                 EXISTS (SELECT 1 FROM errand_legs WHERE errand_id = errands.id AND \
                 state IN ('asked', 'taken') AND until_at > ?1))",
            )
            .bind(now.timestamp_millis())
            .bind(left_behind.map_or(-1, |end| end.timestamp_millis()))
            .fetch_one(&mut store)
            .await
            .expect("read");
            let is_dead = is_armed && daemon.ended().is_some();
            (left == (0, 0, 0) || is_dead).then_some(!is_dead)
        })
        .await;
        store.close().await.expect("closed");
        settled
    }

    /// When time alone changes something next.
    async fn next_tending(&self) -> Option<Timestamp> {
        let mut store = self.store().await;
        let due: Option<i64> =
            sqlx::query_scalar("SELECT min(due_at) FROM incidents WHERE resolved_at IS NULL")
                .fetch_one(&mut store)
                .await
                .expect("read");
        store.close().await.expect("closed");
        due.and_then(Timestamp::from_timestamp_millis).filter(|due| *due > self.now)
    }

    /// Why everything was decided.
    pub(super) async fn reasons(&self) -> Vec<String> {
        let mut store = self.store().await;
        let query = "SELECT at, kind || ': ' || reason FROM decisions ORDER BY id";
        let rows: Vec<(i64, String)> =
            sqlx::query_as(query).fetch_all(&mut store).await.expect("read");
        store.close().await.expect("closed");
        let at = |millis| Timestamp::from_timestamp_millis(millis).unwrap_or_default();
        let since = |millis| (at(millis) - self.start).to_std().unwrap_or_default();
        rows.into_iter()
            .map(|(at, text)| format!("{:>8} {text}", super::told::clock(since(at))))
            .collect()
    }

    /// All incidents, as `check:login open`.
    pub(super) async fn incidents(&self) -> Vec<String> {
        let mut store = self.store().await;
        let query = "SELECT subject || CASE WHEN resolved_at IS NULL THEN ' open' ELSE ' over' END \
                     FROM incidents ORDER BY id";
        let rows = sqlx::query_scalar(query).fetch_all(&mut store).await.expect("read");
        store.close().await.expect("closed");
        rows
    }

    async fn store(&self) -> SqliteConnection {
        let path = self.project.path().join("tripline.db");
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        options.busy_timeout(PATIENCE).connect().await.expect("connected")
    }

    fn take_down(&mut self) {
        let at = (self.now - self.start).to_std().unwrap_or_default();
        let posts = self.providers.slack.arrivals();
        for post in posts.iter().skip(self.seen.0).filter(|it| it.accepted) {
            let Some(post) = post.message.as_ref().filter(|it| it.edits.is_none()) else {
                continue;
            };
            let is_it = |name: &&&str| post.channel == channel_id(name);
            let to = CHANNELS.iter().find(is_it).map_or(post.channel.as_str(), |name| name);
            let body = post.body.to_string();
            self.told.push(Told { at, to: to.into(), text: post.text.clone(), body });
        }
        let texts = self.providers.twilio.arrivals();
        for sms in texts.iter().skip(self.seen.1).filter(|it| it.accepted) {
            let Some(sms) = sms.message.as_ref() else { continue };
            let people = [(ANA, "ana"), (BO, "bo"), CY];
            let person = people.iter().find(|(number, _)| *number == sms.to);
            let to = person.map_or(sms.to.as_str(), |(_, person)| person);
            let (text, body) = (sms.body.clone(), sms.body.clone());
            self.told.push(Told { at, to: to.into(), text, body });
        }
        self.seen = (posts.len(), texts.len());
    }
}

/// What an agent says of a slot.
fn report(check: &str, region: &str, slot: Timestamp, state: State) -> Value {
    let failure = match state {
        Down => Some(Failure::new(FailureKind::Expectation, "expected 200, received 503")),
        Odd => Some(Failure::new(FailureKind::Overload, "the agent had no capacity")),
        Up | Silent => None,
    };
    let report = Report {
        slot: Slot {
            check: CheckId::new(check).expect("a name"),
            region: Region::new(region).expect("a name"),
            at: slot,
        },
        started_at: slot,
        duration: Duration::from_millis(1),
        failure,
        trace: Trace::default(),
        clock_ahead: TimeDelta::zero(),
    };
    serde_json::to_value(ReportMessage::from(&report)).expect("it can be written")
}
