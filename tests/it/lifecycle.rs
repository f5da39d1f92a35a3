//! What holds of decisions about incidents whatever happens: results, time, people, silences, maintenance,
//! reloads and restarts, decided by the rules of a project and kept by a real store. What then leaves, and
//! what is held although it was owed before, scenarios show (`acceptance`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tripline::domain::Timestamp;
use tripline::domain::check::{Check, Expectations, RequestSpec, Work};
use tripline::domain::id::{CheckId, IncidentId, PersonId, Region};
use tripline::domain::incident::acting::Act;
use tripline::domain::incident::{Change, DecisionKind, Transition};
use tripline::domain::notice::NoticeKind;
use tripline::domain::policy::{Condition, Policy, Quorum, Recipient, Roster, Target, Tier};
use tripline::domain::restraint::{Actor, Maintenance, Scope, SilenceId, Via, Window};
use tripline::domain::run::{Failure, FailureKind, Outcome, Report, Trace};
use tripline::domain::schedule::{Cron, Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::domain::subject::Subject;
use tripline::engine::judge::Rulebook;
use tripline::engine::replay::{Deeds, Message, World, replay};
use tripline::store::care::{Acted, Care as _, NewSilence};
use tripline::store::past::Past as _;
use tripline::store::sqlite::{Holder, SqliteStore};
use tripline::store::{IncidentFilter, RunFilter, Store as _};

const REGIONS: [&str; 2] = ["eu", "us"];
const CHECKS: [&str; 2] = ["login", "cart"];

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    /// A run of a check in a region ends.
    Result(usize, usize, Outcome),
    /// So many minutes go by.
    Wait(u32),
    /// Somebody acknowledges the incident of a check for so many minutes.
    Acknowledge(usize, u64),
    TakeBack(usize),
    Resolve(usize),
    Note(usize),
    /// Somebody asks not to be told for so many minutes: of a check, a region, or everything.
    Silence(Scope, i64),
    /// Somebody ends the silence of this number.
    EndSilence(i64),
}

/// What is done between any two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    Reload,
    Restart,
}

/// The rules of a project.
#[derive(Debug, Clone)]
struct Project {
    policy: Policy,
    maintenance: Vec<Maintenance>,
}

fn start() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a time")
}

fn check_id(number: usize) -> CheckId {
    CheckId::new(CHECKS[number]).expect("a good name")
}

fn region(number: usize) -> Region {
    Region::new(REGIONS[number]).expect("a good name")
}

impl Project {
    fn rulebook(&self) -> Rulebook {
        let check = |number: usize| Check {
            id: check_id(number),
            name: CHECKS[number].into(),
            schedule: Schedule::Every(Interval::new(Duration::from_mins(1)).expect("in range")),
            regions: (0..REGIONS.len()).map(region).collect(),
            timeout: Duration::from_secs(20),
            policy: self.policy.name.clone(),
            runbook: None,
            labels: BTreeMap::new(),
            bodies: tripline::domain::exchange::Bodies::Kept,
            work: Work::Request(Box::new(RequestSpec {
                method: "GET".into(),
                url: "http://127.0.0.1/".into(),
                headers: Vec::new(),
                body: None,
                expect: Expectations::default(),
            })),
        };
        let person = |name: &str| PersonId::new(name).expect("a good name");
        let roster = Roster {
            people: [(person("ana"), None), (person("bo"), None)].into(),
            teams: [("devops".to_owned(), vec![person("ana"), person("bo")])].into(),
            ..Roster::default()
        };
        let checks = (0..CHECKS.len()).map(check);
        let rulebook = Rulebook::new(checks, [self.policy.clone()], roster);
        rulebook.expect("it has its policy").with_maintenance(self.maintenance.clone())
    }
}

/// A store, the rules, and what was decided.
struct Life {
    folder: TempDir,
    store: Option<SqliteStore>,
    rulebook: Rulebook,
    now: Timestamp,
    /// All that was owed, in order: when, to whom, of what.
    owed: Vec<String>,
    /// Each result that was recorded, with when.
    recorded: Vec<(Report, Timestamp)>,
    promises: BTreeMap<Subject, Promise>,
}

/// What is known of the open incident of a subject.
#[derive(Default)]
struct Promise {
    open: bool,
    tiers: BTreeSet<u32>,
    told: BTreeSet<Recipient>,
    /// Until when somebody takes care.
    acknowledged: Option<Timestamp>,
}

async fn open(folder: &Path) -> SqliteStore {
    let holder = Holder { command: "a test".into(), since: start() };
    SqliteStore::open(&folder.join("t.db"), &holder).await.expect("opened")
}

impl Life {
    async fn begin(project: &Project) -> Self {
        // In memory where that is possible: disks are slow, and nothing here is about them.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder");
        let store = Some(open(folder.path()).await);
        Self {
            folder,
            store,
            rulebook: project.rulebook(),
            now: start(),
            owed: Vec::new(),
            recorded: Vec::new(),
            promises: BTreeMap::new(),
        }
    }

    fn store(&self) -> &SqliteStore {
        self.store.as_ref().expect("it is open")
    }

    /// All that was owed as the store has it, in no order: when, to whom, of which check, what.
    async fn told(&self) -> Vec<String> {
        let filter = IncidentFilter { limit: 1000, ..IncidentFilter::default() };
        let mut told = Vec::new();
        for record in self.store().incidents(&filter).await.expect("read") {
            let history = self.store().incident(record.id).await.expect("read");
            for it in history.expect("it is there").notifications {
                let (it, about) = (it.notification, record.subject.name());
                let kind = it.notice.kind.as_str();
                told.push(format!("{} {} {about} {kind}", it.owed_at, it.recipient));
            }
        }
        told.sort_unstable();
        told
    }

    async fn live(&mut self, project: &Project, events: &[Event], between: Between) {
        for event in events {
            match between {
                Between::Nothing => {}
                Between::Reload => {
                    self.rulebook = project.rulebook();
                    self.store().reconsider(self.now).await.expect("stored");
                    self.tend().await;
                }
                Between::Restart => {
                    self.store.take().expect("it is open").close().await;
                    self.store = Some(open(self.folder.path()).await);
                    self.store().reconsider(self.now).await.expect("stored");
                    self.tend().await;
                }
            }
            // All slots are whole minutes apart from those of other regions and checks.
            self.pass(TimeDelta::seconds(30)).await;
            self.happen(event).await;
            self.tend().await;
            self.look().await;
        }
    }

    /// Lets time go by, with whatever it alone changes.
    async fn pass(&mut self, time: TimeDelta) {
        let end = self.now + time;
        while let Some(due) =
            self.store().next_tending().await.expect("read").filter(|it| *it < end)
        {
            self.now = due.max(self.now);
            self.tend().await;
        }
        self.now = end;
        self.tend().await;
    }

    /// Has all decided that is due.
    async fn tend(&mut self) {
        for _ in 0..20 {
            let changes = self.store().tend(&self.rulebook, 200, self.now).await.expect("stored");
            for Change { subject, transition } in changes {
                self.hear(&subject, &transition);
            }
            let next = self.store().next_tending().await.expect("read");
            if next.is_none_or(|next| next > self.now) {
                return;
            }
        }
        panic!("at {} something is due again and again", self.now);
    }

    async fn happen(&mut self, event: &Event) {
        // Two people take incidents over from each other.
        let is_second = matches!(event, Event::Acknowledge(_, lasts) if lasts % 2 == 1);
        let name = if is_second { "finn" } else { "eva" };
        let actor = Actor { name: name.into(), via: Via::Cli };
        let minutes = |count: i64| TimeDelta::minutes(count);
        match event {
            Event::Result(check, place, outcome) => {
                let report = report(*check, *place, self.now, *outcome);
                self.record(report).await;
            }
            Event::Wait(count) => self.pass(minutes((*count).into())).await,
            Event::Acknowledge(check, lasts) => {
                let lasts = Some(Duration::from_mins(*lasts));
                self.act(*check, &Act::Acknowledge { reason: None, lasts }, &actor).await;
            }
            Event::TakeBack(check) => self.act(*check, &Act::TakeBack, &actor).await,
            Event::Resolve(check) => self.act(*check, &Act::Resolve { reason: None }, &actor).await,
            Event::Note(check) => {
                self.act(*check, &Act::Note { text: "it is the database".into() }, &actor).await;
            }
            Event::Silence(scope, lasts) => {
                let until = self.now + minutes(*lasts);
                let wanted = NewSilence {
                    scope: scope.clone(),
                    reason: "a deploy".into(),
                    by: actor,
                    until,
                };
                let begun = self.store().silence(&wanted, &self.rulebook, self.now).await;
                begun.expect("stored");
            }
            Event::EndSilence(number) => {
                let ended = self.store().end_silence(SilenceId(*number), self.now).await;
                ended.expect("stored");
            }
        }
    }

    async fn record(&mut self, report: Report) {
        let reports = std::slice::from_ref(&report);
        let recorded = self.store().record(reports, &self.rulebook, self.now).await;
        let subject = Subject::Check(report.slot.check.clone());
        for one in recorded.expect("stored") {
            self.hear(&subject, &one.transition);
        }
        self.recorded.push((report, self.now));
    }

    async fn act(&mut self, check: usize, act: &Act, actor: &Actor) {
        let filter = IncidentFilter {
            check: Some(check_id(check)),
            open_only: true,
            limit: 10,
            ..IncidentFilter::default()
        };
        let open = self.store().incidents(&filter).await.expect("read");
        let Some(open) = open.first() else { return };
        let acted = self.store().act(open.id, (act, actor), &self.rulebook, self.now).await;
        if let Acted::Done(change) = acted.expect("stored") {
            let Change { subject, transition } = *change;
            self.hear(&subject, &transition);
        }
    }

    /// Takes down what was decided, and holds the promises about it.
    fn hear(&mut self, subject: &Subject, transition: &Transition) {
        let now = self.now;
        let promise = self.promises.entry(subject.clone()).or_default();
        let decided = |kind| transition.decisions.iter().any(|it| it.kind == kind);
        if decided(DecisionKind::Opened) || decided(DecisionKind::Reopened) {
            assert!(!promise.open, "{now}: a second incident about {subject}");
            let told = std::mem::take(&mut promise.told);
            *promise = Promise { open: true, ..Promise::default() };
            if decided(DecisionKind::Reopened) {
                promise.told = told;
            }
        }
        let alarms = transition.owed.iter().filter(|it| it.notice.kind.is_alarm());
        let alarms: Vec<&Recipient> = alarms.map(|owed| &owed.recipient).collect();
        // Nobody is paged after the end.
        assert!(alarms.is_empty() || promise.open, "{now}: {subject} is over: {alarms:?}");
        if let Some(incident) = &transition.incident {
            if promise.open && incident.resolved_at.is_none() {
                // Tiers only rise.
                let lost: Vec<_> = promise.tiers.difference(&incident.tiers).collect();
                assert!(lost.is_empty(), "{now}: tiers {lost:?} are no longer reached");
                promise.tiers.clone_from(&incident.tiers);
            }
            let until = incident.story.acknowledged.as_ref().map(|it| it.until);
            promise.acknowledged = until.filter(|until| *until > now);
        }
        if promise.acknowledged.is_some_and(|until| now < until) {
            // Of what is acknowledged, nothing is decided that wakes anybody.
            assert!(alarms.is_empty(), "{now}: {subject} is acknowledged: {alarms:?}");
        }
        let mut ended = BTreeSet::new();
        for owed in &transition.owed {
            let (to, kind) = (&owed.recipient, owed.notice.kind);
            match kind {
                NoticeKind::Failing { .. } | NoticeKind::Blind => {
                    promise.told.insert(to.clone());
                }
                NoticeKind::Acknowledged | NoticeKind::Noted => {
                    assert!(matches!(to, Recipient::Slack(_)), "{now}: {to} is woken by {kind:?}");
                    assert!(promise.told.contains(to), "{now}: {to} never heard of {subject}");
                }
                _ => assert!(ended.insert(to.clone()), "{now}: {to} is told twice"),
            }
            let note = owed.notice.note.clone().unwrap_or_default();
            self.owed.push(format!("{now} {to} {} {note} #{}", kind.as_str(), owed.telling));
        }
        if transition.incident.as_ref().is_some_and(|it| it.resolved_at.is_some()) {
            // The end is told to those who were told of the beginning, and to nobody else.
            assert_eq!(ended, promise.told, "{now}: the end of {subject}");
            promise.open = false;
            promise.acknowledged = None;
        }
    }

    /// What the store shows agrees with what was decided.
    async fn look(&self) {
        let filter = IncidentFilter { open_only: true, limit: 100, ..IncidentFilter::default() };
        let open = self.store().incidents(&filter).await.expect("read");
        let subjects: BTreeSet<String> = open.iter().map(|it| it.subject.to_string()).collect();
        assert_eq!(subjects.len(), open.len(), "one open incident for each subject");
        let known = self.promises.iter().filter(|(_, it)| it.open);
        let known: BTreeSet<String> = known.map(|(subject, _)| subject.to_string()).collect();
        assert_eq!(subjects, known);
    }

    /// All decisions and notifications of all incidents.
    async fn stored(&self) -> Vec<String> {
        let filter = IncidentFilter { limit: 1000, ..IncidentFilter::default() };
        let mut incidents = self.store().incidents(&filter).await.expect("read");
        incidents.sort_by_key(|it| it.id);
        let mut all = Vec::new();
        for IncidentId(id) in incidents.into_iter().map(|it| it.id) {
            let history = self.store().incident(IncidentId(id)).await.expect("read");
            let history = history.expect("it is there");
            all.push(format!("{:?}", history.record));
            all.extend(history.decisions.iter().map(|it| format!("{id} {it:?}")));
            all.extend(history.notifications.iter().map(|it| format!("{id} {it:?}")));
        }
        for number in 0..CHECKS.len() {
            let decided = self.store().decisions(&check_id(number), 10_000).await.expect("read");
            all.extend(decided.iter().map(|it| format!("{it:?}")));
        }
        all
    }
}

fn report(check: usize, place: usize, at: Timestamp, outcome: Outcome) -> Report {
    let failure = match outcome {
        Outcome::Passed => None,
        Outcome::Failed => {
            Some(Failure::new(FailureKind::Expectation, "expected 200, received 503"))
        }
        Outcome::Unknown => Some(Failure::new(FailureKind::Overload, "no capacity")),
    };
    Report {
        slot: Slot { check: check_id(check), region: region(place), at },
        started_at: at,
        duration: Duration::from_millis(1),
        failure,
        trace: Trace::default(),
        clock_ahead: TimeDelta::zero(),
    }
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::default()),
        (0..CHECKS.len())
            .prop_map(|it| Scope { checks: [check_id(it)].into(), ..Scope::default() }),
        (0..REGIONS.len())
            .prop_map(|it| Scope { regions: [region(it)].into(), ..Scope::default() }),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let quorum = prop_oneof![2 => Just(Quorum::Count(1)), 1 => Just(Quorum::All)];
    let first = prop_oneof![
        Just(Condition::FailuresInARow(1)),
        Just(Condition::FailuresOfLast { failures: 2, of_last: 3 }),
        Just(Condition::FailuresWithin { failures: 2, within: Duration::from_mins(10) }),
    ];
    let repeat_every = proptest::option::of((5u64..30).prop_map(Duration::from_mins));
    let reopen_within = (0u64..20).prop_map(Duration::from_mins);
    (quorum, first, 1u32..3, repeat_every, reopen_within, 5u64..30).prop_map(
        |(quorum, first, recover_after, repeat_every, reopen_within, minutes)| {
            let slack = |name: &str| Target::Slack(name.into());
            let time = Duration::from_mins(minutes);
            let tiers = vec![
                Tier { when: first, notify: vec![slack("#p2")] },
                Tier::after(3, vec![slack("#p1"), Target::Sms("devops".into())]),
                Tier {
                    when: Condition::UnacknowledgedFor(time),
                    notify: vec![Target::Sms("bo".into()), slack("#p2")],
                },
                Tier { when: Condition::OpenFor(2 * time), notify: vec![slack("#all")] },
            ];
            Policy {
                quorum,
                recover_after,
                repeat_every,
                reopen_within,
                ..Policy::of("any", tiers)
            }
        },
    )
}

fn any_project() -> impl Strategy<Value = Project> {
    let window = prop_oneof![
        (0i64..120, 1i64..60).prop_map(|(from, lasts)| {
            let from = start() + TimeDelta::minutes(from);
            Window::Once { from, until: from + TimeDelta::minutes(lasts) }
        }),
        (1u64..15).prop_map(|lasts| Window::Recurring {
            begins: Box::new(Cron::parse("*/30 * * * *", "UTC").expect("a line")),
            lasts: Duration::from_mins(lasts),
        }),
    ];
    let maintenance = (any_scope(), window).prop_map(|(scope, window)| Maintenance {
        name: "move".into(),
        scope,
        window,
    });
    (any_policy(), proptest::collection::vec(maintenance, 0..2))
        .prop_map(|(policy, maintenance)| Project { policy, maintenance })
}

fn any_event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        5 => Just(Outcome::Failed),
        3 => Just(Outcome::Passed),
        1 => Just(Outcome::Unknown),
    ];
    let check = || 0..CHECKS.len();
    prop_oneof![
        20 => (check(), 0..REGIONS.len(), outcome).prop_map(|(a, b, c)| Event::Result(a, b, c)),
        2 => (1u32..25).prop_map(Event::Wait),
        2 => (check(), 1u64..20).prop_map(|(check, lasts)| Event::Acknowledge(check, lasts)),
        1 => check().prop_map(Event::TakeBack),
        1 => check().prop_map(Event::Resolve),
        1 => check().prop_map(Event::Note),
        2 => (any_scope(), 1i64..30).prop_map(|(scope, lasts)| Event::Silence(scope, lasts)),
        1 => (1i64..6).prop_map(Event::EndSilence),
    ]
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(any_event(), 1..50)
}

/// Lives through the events; what was owed, and what is stored.
async fn lived(
    project: &Project,
    events: &[Event],
    between: Between,
) -> (Vec<String>, Vec<String>) {
    let mut life = Life::begin(project).await;
    life.live(project, events, between).await;
    (life.owed.clone(), life.stored().await)
}

/// Tells another store the results that are stored, when they came.
async fn replayed(project: &Project, life: &Life) -> Vec<String> {
    let mut again = Life::begin(project).await;
    for (report, at) in &life.recorded {
        let stored = life.store().run(report.slot.run_id()).await.expect("read");
        // What only time changes is decided between results.
        again.pass(*at - again.now).await;
        again.record(stored.expect("each result is there")).await;
        again.tend().await;
    }
    again.pass(life.now - again.now).await;
    again.stored().await
}

/// What a replay of the past says would have been told.
async fn retold(project: &Project, life: &Life) -> Vec<String> {
    let (store, rulebook) = (life.store(), project.rulebook());
    let period = (start() - TimeDelta::hours(1), life.now + TimeDelta::milliseconds(1));
    let acts = store.past_acts(period).await.expect("read");
    let silences = store.past_silences(period).await.expect("read");
    let deeds = Deeds::of(&acts, &silences);
    let mut worlds = [World::new(&rulebook, &deeds, period.0, 10_000)];
    let all = BTreeSet::new();
    replay(store, &mut worlds, period, &all, &mut |_| {}).await.expect("read");
    let named =
        |it: &Message| format!("{} {} {} {}", it.at, it.recipient, it.check, it.kind.as_str());
    let mut told: Vec<String> = worlds[0].messages.iter().map(named).collect();
    told.sort_unstable();
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_reload_or_a_restart_between_any_two_steps_changes_nothing(
        project in any_project(),
        events in any_events(),
    ) {
        let runtime = Runtime::new().expect("a runtime");
        let (owed, _) = runtime.block_on(lived(&project, &events, Between::Nothing));
        let (reloaded, _) = runtime.block_on(lived(&project, &events, Between::Reload));
        prop_assert_eq!(&owed, &reloaded, "reloaded");
        let (restarted, _) = runtime.block_on(lived(&project, &events, Between::Restart));
        prop_assert_eq!(&owed, &restarted, "restarted");
    }

    #[test]
    fn a_replay_of_the_past_tells_what_was_told(
        project in any_project(),
        events in any_events(),
    ) {
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut life = Life::begin(&project).await;
            life.live(&project, &events, Between::Nothing).await;
            let (told, again) = (life.told().await, retold(&project, &life).await);
            prop_assert_eq!(told, again);
            Ok(())
        })?;
    }

    #[test]
    fn stored_results_lead_to_what_is_stored_when_they_are_replayed(
        project in any_project(),
        events in any_events(),
    ) {
        let is_of_itself = |it: &&Event| matches!(it, Event::Result(..) | Event::Wait(_));
        let events: Vec<Event> = events.iter().filter(is_of_itself).cloned().collect();
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut life = Life::begin(&project).await;
            life.live(&project, &events, Between::Nothing).await;
            let filter = RunFilter {
                check: None, region: None, outcome: None, before: None, limit: 1000,
            };
            let runs = life.store().runs(&filter).await.expect("read");
            prop_assert_eq!(runs.len(), life.recorded.len(), "each result is a run");
            let (stored, again) = (life.stored().await, replayed(&project, &life).await);
            prop_assert_eq!(stored, again);
            Ok(())
        })?;
    }
}
