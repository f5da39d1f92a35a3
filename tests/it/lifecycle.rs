//! What holds of decisions about incidents whatever happens: results, time, people, silences, maintenance,
//! reloads and restarts, decided by the rules of a project and kept by a real store. What then leaves, and
//! what is held although it was owed before, scenarios show (`acceptance`).

mod life;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tripline::domain::Timestamp;
use tripline::domain::check::{Check, Expectations, RequestSpec, Work};
use tripline::domain::id::{CheckId, PersonId, Region};
use tripline::domain::policy::{Condition, Policy, Quorum, Roster, Target, Tier};
use tripline::domain::restraint::{Maintenance, Scope, Window};
use tripline::domain::run::Outcome;
use tripline::domain::schedule::{Cron, Interval, Schedule};
use tripline::engine::judge::Rulebook;
use tripline::engine::replay::{Deeds, Message, World, replay};
use tripline::store::past::Past as _;
use tripline::store::{RunFilter, Store as _};

use self::life::Life;

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
