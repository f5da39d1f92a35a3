//! The lanes between a real store and providers that misbehave.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tripline::clock::{Clock, Halt, System};
use tripline::domain::check::{Check, Work};
use tripline::domain::id::{CheckId, IncidentId, PersonId, Region};
use tripline::domain::notification::NotificationState as State;
use tripline::domain::policy::{Channel, Policy, Roster};
use tripline::domain::run::{Failure, FailureKind, Report, Trace};
use tripline::domain::schedule::{Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::engine::deliveries::{Attempted, Contacts, Lane, Observer, Parts};
use tripline::engine::judge::Rulebook;
use tripline::notify::Transport;
use tripline::notify::slack::{self, Slack};
use tripline::notify::twilio::{self, Twilio};
use tripline::store::Store;
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::{Holder, SqliteStore};

use crate::support::postgres::Database;
use crate::support::provider::Answer;
use crate::support::slack::{FakeSlack, TOKEN as SLACK_TOKEN};
use crate::support::twilio::{ACCOUNT, FakeTwilio, TOKEN as TWILIO_TOKEN};

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const ANA: &str = "+4930123456";
const BO: &str = "+4930654321";

fn roster() -> Roster {
    let person = |name: &str| PersonId::new(name).expect("a good name");
    let people = [(person("ana"), Some(ANA.into())), (person("bo"), Some(BO.into()))];
    let teams = [("devops".to_owned(), vec![person("ana"), person("bo")])];
    Roster { people: people.into(), teams: teams.into(), ..Roster::default() }
}

pub(crate) fn login() -> Check {
    Check {
        id: CheckId::new("login").expect("a good name"),
        name: "Sign in".into(),
        schedule: Schedule::Every(Interval::new(Duration::from_secs(30)).expect("in range")),
        regions: vec![Region::new("eu").expect("a good name")],
        timeout: Duration::from_secs(20),
        policy: Policy::DEFAULT_NAME.into(),
        runbook: None,
        labels: BTreeMap::new(),
        bodies: tripline::domain::exchange::Bodies::Kept,
        work: Work::Script { entry: "checks/login.js".into() },
    }
}

/// Looks on and does nothing: the store says what came of the messages.
#[derive(Debug)]
struct Nobody;

impl Observer for Nobody {
    fn on_attempt(&self, _: &Attempted<'_>) {}
}

/// Two lanes on each store, as a hub has them, and the providers they send to.
struct Hub {
    slack: FakeSlack,
    twilio: FakeTwilio,
    /// One, or several openings of the same.
    stores: Vec<Arc<dyn Store>>,
    lanes: JoinSet<()>,
    halt: Halt,
    /// Where a store in a file lies.
    folder: Option<TempDir>,
}

impl Hub {
    /// Records failures of `login`, then starts the lanes: they find what is owed by themselves.
    async fn after(failures: u32, prepare: impl FnOnce(&FakeSlack, &FakeTwilio)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let holder = Holder { command: "test".into(), since: System.now() };
        let store = SqliteStore::open(&folder.path().join("tripline.db"), &holder).await;
        let mut hub = Self::on(vec![Arc::new(store.expect("a fresh store"))], prepare).await;
        hub.folder = Some(folder);
        hub.fail(&login(), failures).await;
        hub.start();
        hub
    }

    async fn on(
        stores: Vec<Arc<dyn Store>>,
        prepare: impl FnOnce(&FakeSlack, &FakeTwilio),
    ) -> Self {
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (slack, twilio) = (FakeSlack::slack().await, FakeTwilio::twilio().await);
        prepare(&slack, &twilio);
        Self { slack, twilio, stores, lanes: JoinSet::new(), halt: Halt::new(), folder: None }
    }

    async fn fail(&self, check: &Check, failures: u32) {
        let rules = Rulebook::new([check.clone()], [Policy::built_in(Some("devops"))], roster());
        let rules = rules.expect("it has its policy");
        let now = System.now();
        for number in 0..failures {
            let at = now - Duration::from_mins(1) + Duration::from_secs(30) * number;
            let report = Report {
                slot: Slot { check: check.id.clone(), region: check.regions[0].clone(), at },
                started_at: at,
                duration: Duration::from_millis(80),
                failure: Some(Failure::new(FailureKind::Expectation, "expected 200")),
                trace: Trace::default(),
                clock_ahead: chrono::TimeDelta::zero(),
            };
            self.stores[0].record(&[report], &rules, now).await.expect("recorded");
        }
    }

    fn start(&mut self) {
        let (api_url, origin) = (self.slack.api_url(), self.twilio.origin());
        let access = slack::Access {
            api_url: &api_url,
            bot_token: Some(SLACK_TOKEN),
            ..slack::Access::default()
        };
        let slack = Slack::new(&access).expect("a good address");
        let access = twilio::Access {
            api_url: &origin,
            account_sid: ACCOUNT,
            auth_token: TWILIO_TOKEN,
            from: "+15005550006",
        };
        let twilio = Twilio::new(&access).expect("a good address");
        let contacts = Arc::new(Contacts::new(roster(), |_| None));
        let transports: [(Channel, Arc<dyn Transport>); 2] =
            [(Channel::Slack, Arc::new(slack)), (Channel::Sms, Arc::new(twilio))];
        for store in &self.stores {
            for (channel, transport) in &transports {
                let parts = Parts {
                    store: Arc::clone(store),
                    transport: Arc::clone(transport),
                    contacts: contacts.clone(),
                    observer: Arc::new(Nobody),
                    clock: Arc::new(System),
                };
                self.lanes.spawn(Lane::new(*channel, parts).run(self.halt.clone()));
            }
        }
    }

    async fn stop(&mut self) {
        self.halt.ask();
        while let Some(ended) = self.lanes.join_next().await {
            ended.expect("a lane ends");
        }
    }

    /// `slack:#p2 sent`, one for each notification of the incident.
    async fn outbox(&self) -> Vec<String> {
        let history =
            self.stores[0].incident(IncidentId(1)).await.expect("read").expect("it exists");
        let notifications = history.notifications.iter();
        notifications
            .map(|it| format!("{} {}", it.notification.recipient, it.state.as_str()))
            .collect()
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens long before")
}

#[tokio::test]
async fn everybody_is_told_once() {
    let mut hub = Hub::after(2, |_, _| {}).await;
    soon(async { tokio::join!(hub.slack.arrived(2), hub.twilio.arrived(2)) }).await;
    soon(hub.stop()).await;
    let told = ["slack:#p2 sent", "slack:#p1 sent", "sms:ana sent", "sms:bo sent"];
    assert_eq!(hub.outbox().await, told);
    assert_eq!((hub.slack.texts("#p2").len(), hub.slack.texts("#p1").len()), (1, 1));
    assert_eq!((hub.twilio.texts(ANA).len(), hub.twilio.texts(BO).len()), (1, 1));
}

#[tokio::test]
async fn a_silent_slack_delays_no_sms() {
    let mut hub = Hub::after(2, |slack, _| slack.answer_all(Answer::Hang)).await;
    soon(hub.twilio.arrived(2)).await;
    assert!(hub.slack.accepted().is_empty());
    hub.slack.answer_all(Answer::Accept);
    hub.lanes.abort_all();
    while hub.lanes.join_next().await.is_some() {}
    let states = hub.outbox().await;
    assert_eq!(states[..2], ["slack:#p2 owed", "slack:#p1 owed"]);
}

#[tokio::test]
async fn what_fails_for_now_arrives_after_the_wait() {
    let mut hub = Hub::after(1, |slack, _| {
        slack.answer([Answer::Status(503), Answer::Cut]);
    })
    .await;
    soon(hub.slack.arrived(3)).await;
    soon(hub.stop()).await;
    let arrivals = hub.slack.arrivals();
    let answers: Vec<Answer> = arrivals.iter().map(|arrival| arrival.answer).collect();
    assert_eq!(answers, [Answer::Status(503), Answer::Cut, Answer::Accept]);
    let gaps = arrivals.windows(2).map(|pair| pair[1].at - pair[0].at);
    assert!(gaps.min().is_some_and(|gap| gap >= chrono::TimeDelta::milliseconds(900)));
    let marked = |arrival: &crate::support::provider::Arrival<_>| {
        let post: &Option<crate::support::slack::SlackPost> = &arrival.message;
        post.as_ref().is_some_and(|post| post.text.contains("(possible repeat)"))
    };
    let marks: Vec<bool> = arrivals.iter().map(marked).collect();
    assert_eq!(marks, [false, false, true], "only what may have arrived before is marked");
    assert_eq!(hub.outbox().await, ["slack:#p2 sent"]);
}

#[tokio::test]
async fn what_is_refused_for_good_is_kept() {
    let mut hub = Hub::after(2, |_, twilio| {
        twilio.answer([Answer::Coded(400, 21610), Answer::Accept]);
    })
    .await;
    soon(async { tokio::join!(hub.slack.arrived(2), hub.twilio.arrived(2)) }).await;
    soon(hub.stop()).await;
    let states = hub.outbox().await;
    let ended = |state: State| states.iter().filter(|line| line.ends_with(state.as_str())).count();
    assert_eq!((ended(State::GivenUp), ended(State::Sent)), (1, 3), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_on_one_database_tell_everybody_once() {
    const CHECKS: u32 = 6;
    let database = Database::with_store().await;
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..2 {
        stores.push(Arc::new(PostgresStore::open(database.url()).await.expect("opened")));
    }
    // Some answers are lost or late, so that retries of one hub meet the other.
    let mut hub = Hub::on(stores, |slack, twilio| {
        slack.answer([Answer::Status(503), Answer::Accept, Answer::Status(500)]);
        twilio.answer([Answer::Accept, Answer::Status(503)]);
    })
    .await;
    hub.start();
    for number in 0..CHECKS {
        let id = CheckId::new(&format!("login-{number}")).expect("a good name");
        hub.fail(&Check { id, ..login() }, 2).await;
    }
    soon(async { tokio::join!(hub.slack.arrived(14), hub.twilio.arrived(13)) }).await;
    soon(hub.stop()).await;
    for incident in 1..=i64::from(CHECKS) {
        let history = hub.stores[0].incident(IncidentId(incident)).await.expect("read");
        let notifications = history.expect("it exists").notifications;
        assert_eq!(notifications.len(), 4);
        for told in notifications {
            assert_eq!(told.state, State::Sent);
            let accepted = told.deliveries.iter().filter(|it| it.outcome == "accepted").count();
            assert_eq!(accepted, 1, "{told:#?}");
        }
    }
    let checks = usize::try_from(CHECKS).expect("small");
    assert_eq!((hub.slack.texts("#p2").len(), hub.slack.texts("#p1").len()), (checks, checks));
    assert_eq!((hub.twilio.texts(ANA).len(), hub.twilio.texts(BO).len()), (checks, checks));
    for store in &hub.stores {
        store.close().await;
    }
    database.discard().await;
}
