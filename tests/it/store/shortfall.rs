//! Too little that is known of a region, from the accounts to the incident.

use std::collections::BTreeMap;
use std::time::Duration;

use tripline::domain::Timestamp;
use tripline::domain::attendance::{Farewell, Listening, Lost};
use tripline::domain::blindness::shortfall::Standing;
use tripline::domain::coverage::Duty;
use tripline::domain::run::Outcome;
use tripline::domain::schedule::{Interval, Schedule};
use tripline::engine::accountant::{round, vouch};
use tripline::engine::judge::Overview;
use tripline::engine::shortfall::standings;
use tripline::store::accounts::{Expected, Process};
use tripline::store::{Ledger, Store};

use super::scene::{at, check_id, outbox, region, report, rules, seconds};

/// How long after its slot the report of a run may come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A hub with an agent of `eu`, in which `login` and `search` are due every 30 seconds.
struct Scene<'s, S> {
    store: &'s S,
    /// Up to which slot it is over.
    now: u32,
    /// Which start of the agent is there.
    agent: &'static str,
}

impl<'s, S: Ledger> Scene<'s, S> {
    async fn new(store: &'s S) -> Self {
        let expected = ["login", "search"].map(|name| Expected {
            check: check_id(name),
            region: region("eu"),
            schedule: Schedule::Every(Interval::new(seconds(30)).expect("in range")),
            duty: Duty::Run,
        });
        super::accounts::expect(store, &expected, at(0)).await;
        let scene = Self { store, now: 0, agent: "one" };
        scene.come_round(0).await;
        scene
    }

    async fn come_round(&self, slot: u32) {
        let present = [("one", None), (self.agent, Some(region("eu")))];
        let present = present.map(|(id, region)| Process { id: id.to_owned(), region });
        vouch(self.store, &present, at(slot)).await.expect("stored");
        round(self.store, at(slot), PATIENCE).await.expect("accounted");
    }

    /// `slots` more slots go by, and those of `name` are run that `runs` says.
    async fn pass(&mut self, slots: u32, runs: impl Fn(&str, u32) -> bool) {
        let (from, to) = (self.now, self.now + slots);
        let watches = self.store.watches(None, (at(from), at(to))).await.expect("read");
        for watch in watches {
            for (number, slot) in (0..).zip(watch.slots(at(from), at(to))) {
                if runs(watch.check.as_str(), number) {
                    let mut report = report(watch.check.as_str(), "eu", 0, Outcome::Passed);
                    (report.slot.at, report.started_at) = (slot, slot + seconds(1));
                    let (rules, now) = (rules(), slot + seconds(2));
                    self.store.record(&[report], &rules, now).await.expect("recorded");
                }
            }
        }
        self.now = to;
        self.come_round(to + 2).await;
    }

    /// What a review decides while the regions in `lost` have no agent: `shortfall:eu open`.
    async fn review_without(&self, lost: &[&str]) -> Vec<String> {
        let (rulebook, now) = (rules(), at(self.now + 2));
        let listening = (0..).map(at).take_while(|it| *it <= now);
        let listening = listening.flat_map(|it| [it, it + seconds(15)]);
        let listening = listening.fold(Listening::begun(at(0)), Listening::going_on);
        let found = standings(self.store, rulebook.coverage(), listening).await.expect("read");
        let lost = lost.iter().map(|name| (region(name), lost_at(now))).collect();
        self.decided(&Overview { rulebook: &rulebook, lost: &lost, standings: &found }, now).await
    }

    async fn review(&self) -> Vec<String> {
        self.review_without(&[]).await
    }

    async fn decided(&self, overview: &Overview<'_>, now: Timestamp) -> Vec<String> {
        let lease = super::review::turn(self.store, now).await;
        let changes = Store::review(self.store, overview, &lease, now).await.expect("reviewed");
        let words = changes.into_iter().map(|change| {
            let incident = change.transition.incident.expect("each changes one");
            let state = if incident.resolved_at.is_some() { "resolved" } else { "open" };
            format!("{} {state}", change.subject)
        });
        words.collect()
    }
}

fn lost_at(since: Timestamp) -> Lost {
    Lost { since, agent: "one".to_owned(), farewell: Farewell::None }
}

pub(super) async fn too_little_known_is_one_incident_until_enough_is(store: &impl Ledger) {
    let mut scene = Scene::new(store).await;
    scene.pass(60, |_, _| true).await;
    assert!(scene.review().await.is_empty());
    // Every third slot of half an hour is not run: 200 of 240 are known.
    scene.pass(60, |_, slot| slot % 3 != 0).await;
    assert_eq!(scene.review().await, ["shortfall:eu open"]);
    assert!(scene.review().await.is_empty());
    assert_eq!(outbox(store, 1).await, ["slack:#p2 blind owed"]);
    let incident = store.incident(tripline::domain::id::IncidentId(1)).await.expect("read");
    let error = incident.expect("it is there").record.incident.cause.error;
    assert!(
        error.starts_with("of the 240 slots of the last 60 min the results of 83 %"),
        "{error}"
    );
    // It is over when a quarter of an hour was seen well, and is not told again for what it told.
    scene.pass(10, |_, _| true).await;
    assert!(scene.review().await.is_empty());
    scene.pass(20, |_, _| true).await;
    assert_eq!(scene.review().await, ["shortfall:eu resolved"]);
    scene.pass(4, |_, slot| slot % 2 == 0).await;
    assert!(scene.review().await.is_empty());
}

pub(super) async fn a_check_that_falls_silent_is_told_of(store: &impl Ledger) {
    let mut scene = Scene::new(store).await;
    scene.pass(10, |_, _| true).await;
    scene.pass(2, |name, _| name == "login").await;
    assert!(scene.review().await.is_empty());
    scene.pass(2, |name, _| name == "login").await;
    assert_eq!(scene.review().await, ["shortfall:eu open"]);
    scene.pass(30, |_, _| true).await;
    assert_eq!(scene.review().await, ["shortfall:eu resolved"]);
    assert_eq!(outbox(store, 1).await, ["slack:#p2 blind superseded", "slack:#p2 recovered owed"]);
}

pub(super) async fn runs_that_come_late_end_a_silence(store: &impl Ledger) {
    let mut scene = Scene::new(store).await;
    scene.pass(10, |_, _| true).await;
    // Ten slots are missed, and their runs come before anybody looks, and before the next slot.
    scene.pass(10, |name, _| name == "login").await;
    for slot in super::accounts::slots_of(store, "search", (at(10), at(20))).await {
        let mut report = report("search", "eu", 0, Outcome::Passed);
        (report.slot.at, report.started_at) = (slot, slot + seconds(1));
        store.record(&[report], &rules(), at(22)).await.expect("recorded");
    }
    assert!(scene.review().await.is_empty());
}

pub(super) async fn a_silence_goes_on_while_agents_come_and_go(store: &impl Ledger) {
    let mut scene = Scene::new(store).await;
    scene.pass(60, |_, _| true).await;
    scene.pass(3, |name, _| name == "login").await;
    assert_eq!(scene.review().await, ["shortfall:eu open"]);
    // Another agent takes the place of the first: what is lost with that says nothing of the check.
    scene.agent = "two";
    scene.pass(2, |name, _| name == "login").await;
    assert!(scene.review().await.is_empty(), "nobody runs it yet");
    scene.pass(40, |_, _| true).await;
    assert_eq!(scene.review().await, ["shortfall:eu resolved"]);
}

pub(super) async fn slots_that_a_wrong_clock_accounted_for_are_no_silence(store: &impl Ledger) {
    let mut scene = Scene::new(store).await;
    scene.pass(60, |_, _| true).await;
    // The clock is an hour ahead for a moment, then set right; runs go on as before.
    for second in [0, 5] {
        let present = super::accounts::hub("one");
        let now = at(scene.now + 122) + seconds(second);
        vouch(store, &present, now).await.expect("stored");
        round(store, now, PATIENCE).await.expect("accounted");
    }
    for _ in 0..5 {
        assert!(scene.review().await.is_empty());
        scene.pass(1, |_, _| true).await;
    }
}

pub(super) async fn a_lost_region_is_not_told_of_twice(store: &impl Ledger) {
    let mut scene = Scene::new(store).await;
    scene.pass(60, |_, _| true).await;
    scene.pass(40, |_, _| false).await;
    assert_eq!(scene.review_without(&["eu"]).await, ["region:eu open"]);
    scene.pass(20, |_, _| false).await;
    assert!(scene.review_without(&["eu"]).await.is_empty());
    // Nor when it is seen again, though the hour before was blind.
    scene.pass(4, |_, _| true).await;
    assert_eq!(scene.review().await, ["region:eu resolved"]);
    scene.pass(40, |_, _| true).await;
    assert!(scene.review().await.is_empty());
    let nobody = BTreeMap::new();
    let (rulebook, short) = (rules(), Standing::Short(at(0), "little".to_owned()));
    let standings = [(region("nowhere"), short)].into();
    let overview = Overview { rulebook: &rulebook, lost: &nobody, standings: &standings };
    assert!(scene.decided(&overview, at(200)).await.is_empty(), "no check runs there");
}
