//! A daemon with a clock that stands still, what it is told by agents, and what it tells.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use rustix::process::Signal;
use tripline::clock::haste;
use tripline::domain::Timestamp;
use tripline::failpoint;

use super::beats::Beats;
use super::ledger::{Backend, CLAIM, Ledger};
use super::people;
use super::scenario::{Act, Disturbance, State};
use super::setup::Setup;
use super::shown::Shown;
use super::told::Told;
use crate::support::providers::{ANA, BO, Providers};
use crate::support::slack::channel_id;
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::until_true;
use crate::support::wall::Wall;
use crate::support::{self, port};

mod agents;
mod errands;

use agents::report;

/// How long anything may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// Slack's channels by name, since the fake hears of some by id.
const CHANNELS: [&str; 4] = ["#p2", "#p1", "#shop", "#pay"];
/// People who are in no project by themselves.
const CY: (&str, &str) = ("+4930333333", "cy");

/// The file that names where the daemon is to die.
const DIE_AT: &str = "die-at";
/// How long a claim holds that a killed daemon leaves behind.
const LEASE: TimeDelta = TimeDelta::seconds(14);
/// A daemon that is to look closely must not be let stand still for longer.
const STEP: TimeDelta = TimeDelta::seconds(14);
/// So much later it looks again.
const AGAIN: TimeDelta = TimeDelta::seconds(1);
/// So late a minute's rules are evaluated, unless the project says otherwise.
const SETTLE: TimeDelta = TimeDelta::seconds(10);

/// Everything there is in a scenario.
pub(super) struct World {
    setup: Setup,
    start: Timestamp,
    /// What time it is.
    now: Timestamp,
    wall: Wall,
    providers: Providers,
    project: Project,
    ledger: Ledger,
    daemon: Option<Daemon>,
    client: reqwest::Client,
    tokens: HashMap<String, String>,
    states: HashMap<(String, String), State>,
    beats: Beats,
    told: Vec<Told>,
    /// The last errand that an agent took, and when it was asked for.
    errand: Option<(String, Timestamp)>,
    shown: Vec<Shown>,
    /// How many requests of each provider were looked at.
    seen: (usize, usize),
    /// Whether the daemon is to die.
    armed: bool,
    /// When the claims end that it left behind.
    left_behind: Option<Timestamp>,
}

impl World {
    /// Starts the daemon; none where no clock can be made to stand still.
    pub(super) async fn begin(setup: &Setup, start: Timestamp, on: Backend) -> Option<Self> {
        let providers = Providers::start().await;
        let project = providers.told_by(Project::new());
        let project = if setup.answers { people::answering(project) } else { project };
        let project = project.toml(&setup.toml());
        let wall = Wall::find(project.path())?;
        wall.stop_at(start);
        let environment = wall.environment().into_iter();
        let project = environment.fold(project, |it, (name, value)| it.env(&name, &value));
        let file = project.path().join(DIE_AT).display().to_string();
        let project = project.env(failpoint::VARIABLE, &file);
        let project =
            if setup.is_looked_at() { project.env(haste::VARIABLE, "1") } else { project };
        let (ledger, project) = Ledger::of(on, project, &wall).await;
        let mut world = Self {
            setup: setup.clone(),
            start,
            now: start,
            wall,
            providers,
            project,
            ledger,
            daemon: None,
            client: support::http::client(),
            tokens: HashMap::new(),
            states: HashMap::new(),
            beats: Beats::default(),
            told: Vec::new(),
            errand: None,
            shown: Vec::new(),
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
        let url = if self.setup.answers { people::URL } else { "" };
        let hub =
            format!("regions = [{}]\n[hub]\nlisten = \"{listen}\"\n{url}", regions.join(", "));
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

    /// All that people were shown so far.
    pub(super) fn shown(&self) -> &[Shown] {
        &self.shown
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
            self.look().await;
            let next = acts.peek().map(|(at, _)| *at);
            let next = next.into_iter().chain(self.next_slot()).chain(self.next_tending().await);
            let next = next.chain(self.left_behind.filter(|end| *end > self.now));
            let next = next.chain(self.next_look());
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
            Act::Target { check, region, state } => self.target(&check, region, state),
            Act::Report { check, region, slot, state } => {
                let at = self.start + slot;
                let report = report(self.setup.check(&check), &region, at, state);
                self.send(&region, &[report]).await;
            }
            Act::Post { path, body } => {
                let url = format!("{}{path}", self.daemon().url());
                let answer = self.client.post(&url).json(&body).send().await;
                let answer = answer.expect("the daemon answers");
                let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
                assert!(status.is_success(), "{url} {body}: {status} {text}");
            }
            Act::Take { region, legs } => self.take(&region, legs).await,
            Act::Bring { check, region, state } => self.bring(&check, &region, state).await,
            Act::Click { who, action, incident } => {
                let click = (who.as_str(), action.as_str(), incident);
                people::click(&self.client, self.daemon(), self.now, click).await;
            }
            Act::Answer { from, text } => {
                let said = people::answer(&self.client, self.daemon(), (&from, &text)).await;
                self.shown.push(Shown::answer(self.now, &from, (&text, &said)));
            }
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
            Act::Health { status, says } => {
                let (found, reasons) = self.daemon().health().await;
                assert!(found == status && reasons.contains(&says), "{found}: {reasons}");
            }
            Act::Agents { region, are_there } => self.beats.let_be(&region, are_there),
            Act::TwilioNext(answers) => self.providers.twilio.answer(answers),
            Act::SlackNext(answers) => self.providers.slack.answer(answers),
            Act::GoOn(how) => {
                self.providers.slack.go_on(how);
                self.providers.twilio.go_on(how);
            }
            Act::Slack(answer) => self.providers.slack.answer_all(answer),
            Act::Twilio(answer) => self.providers.twilio.answer_all(answer),
        }
    }

    fn target(&mut self, check: &str, region: Option<String>, state: State) {
        let regions = match region {
            Some(region) => vec![region],
            None => self.setup.check(check).regions.clone(),
        };
        for region in regions {
            self.states.insert((check.to_owned(), region), state);
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

    /// Waits until nothing is left to do at this time, and takes down what was told.
    async fn settle(&mut self) {
        while self.daemon.is_some() && !self.is_settled().await {
            self.revive().await;
        }
        self.take_down();
    }

    /// Waits until nothing is left to do at this time; whether the daemon lived to see it.
    async fn is_settled(&mut self) -> bool {
        let (now, left_behind) = (self.now, self.left_behind.filter(|end| *end > self.now));
        let is_armed = self.armed;
        let daemon = self.daemon.as_mut().expect("it is started");
        let is_dead = || is_armed && daemon.ended().is_some();
        let (slack, twilio) = (&self.providers.slack, &self.providers.twilio);
        let held = || slack.held() + twilio.held();
        self.ledger.settled(now, left_behind, (held, is_dead)).await
    }

    /// When there is something to look at next, where the daemon is to look at rules or closely.
    fn next_look(&self) -> Option<Timestamp> {
        if self.setup.closely {
            return Some(self.now + STEP);
        }
        let minute = (self.now - SETTLE).timestamp().div_euclid(60) + 1;
        let next = Timestamp::from_timestamp(minute * 60, 0).map(|it| it + SETTLE);
        next.filter(|_| self.setup.has_rules())
    }

    /// Waits until the daemon has looked at all that it is to look at as of now.
    async fn look(&mut self) {
        if self.daemon.is_none() {
            return;
        }
        if self.setup.has_rules() {
            let latest = (self.now - SETTLE).timestamp().div_euclid(60) * 60;
            until_true("the rules are evaluated", PATIENCE, async || {
                let until = self.ledger.evaluated_until().await;
                until.is_some_and(|until| until.timestamp() >= latest)
            })
            .await;
        }
        if self.setup.closely {
            self.live().await;
            // When a look has begun at a later moment, the one before it is over.
            for moment in [self.now, self.now + AGAIN] {
                self.wall.stop_at(moment);
                until_true("all is looked at", PATIENCE, async || {
                    let until = self.ledger.reviewed_until().await;
                    until.is_some_and(|until| until >= moment + CLAIM)
                })
                .await;
            }
            self.now += AGAIN;
        }
        self.settle().await;
    }

    /// When time alone changes something next.
    async fn next_tending(&self) -> Option<Timestamp> {
        self.ledger.next_tending().await.filter(|due| *due > self.now)
    }

    /// Why everything was decided.
    pub(super) async fn reasons(&self) -> Vec<String> {
        let since = |at: Timestamp| (at - self.start).to_std().unwrap_or_default();
        let decisions = self.ledger.decisions().await.into_iter();
        decisions.map(|(at, text)| format!("{:>8} {text}", super::told::clock(since(at)))).collect()
    }

    /// All incidents, as `check:login open`.
    pub(super) async fn incidents(&self) -> Vec<String> {
        self.ledger.incidents().await
    }

    fn take_down(&mut self) {
        let at = (self.now - self.start).to_std().unwrap_or_default();
        let posts = self.providers.slack.arrivals();
        for post in posts.iter().skip(self.seen.0).filter(|it| it.accepted) {
            let Some(post) = post.message.as_ref() else { continue };
            let is_it = |name: &&&str| post.channel == channel_id(name);
            let to = CHANNELS.iter().find(is_it).map_or(post.channel.as_str(), |name| name);
            self.shown.push(Shown::post(self.now, to, post));
            if post.edits.is_none() {
                let body = post.body.to_string();
                self.told.push(Told { at, to: to.into(), text: post.text.clone(), body });
            }
        }
        let texts = self.providers.twilio.arrivals();
        for sms in texts.iter().skip(self.seen.1).filter(|it| it.accepted) {
            let Some(sms) = sms.message.as_ref() else { continue };
            let people = [(ANA, "ana"), (BO, "bo"), CY];
            let person = people.iter().find(|(number, _)| *number == sms.to);
            let to = person.map_or(sms.to.as_str(), |(_, person)| person);
            self.shown.push(Shown::sms(self.now, to, &sms.body));
            let (text, body) = (sms.body.clone(), sms.body.clone());
            self.told.push(Told { at, to: to.into(), text, body });
        }
        self.seen = (posts.len(), texts.len());
    }
}
