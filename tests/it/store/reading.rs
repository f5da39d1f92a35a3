//! Looking back: lists, states, and what is forgotten.

use tripline::domain::Timestamp;
use tripline::domain::id::{IncidentId, RunId};
use tripline::domain::incident::DecisionKind;
use tripline::domain::run::Outcome::{Failed, Passed, Unknown};
use tripline::domain::slot::Slot;
use tripline::store::{Horizons, IncidentFilter, Novelty, RunFilter, Store};

use super::scene::{at, check_id, history, region, report, rules, tell, tell_one};

/// `login eu 3 failed`, one for each run found.
async fn found(store: &dyn Store, filter: RunFilter) -> Vec<String> {
    let runs = store.runs(&filter).await.expect("listed");
    let words = runs.iter().map(|run| {
        assert_eq!(run.id, run.slot.run_id());
        assert_eq!(run.failure.is_none(), run.outcome == Passed);
        let slot = (run.slot.at - at(0)).num_seconds() / 30;
        format!("{} {} {slot} {}", run.slot.check, run.slot.region, run.outcome.as_str())
    });
    words.collect()
}

pub(super) async fn runs_are_filtered_and_the_latest_come_first(store: &dyn Store) {
    for (slot, outcome) in [(1, Passed), (2, Failed), (3, Unknown)] {
        tell_one(store, &report("login", "eu", slot, outcome)).await;
    }
    tell_one(store, &report("login", "us", 4, Passed)).await;
    tell_one(store, &report("search", "eu", 5, Failed)).await;
    let all = RunFilter { limit: 10, ..RunFilter::default() };
    let login = RunFilter { check: Some(check_id("login")), ..all.clone() };
    assert_eq!(
        found(store, all.clone()).await,
        [
            "search eu 5 failed",
            "login us 4 passed",
            "login eu 3 unknown",
            "login eu 2 failed",
            "login eu 1 passed",
        ]
    );
    assert_eq!(found(store, RunFilter { limit: 1, ..login.clone() }).await, ["login us 4 passed"]);
    let here = RunFilter { region: Some(region("eu")), before: Some(at(3)), ..login.clone() };
    assert_eq!(found(store, here).await, ["login eu 2 failed", "login eu 1 passed"]);
    let failed = RunFilter { outcome: Some(Failed), ..all.clone() };
    assert_eq!(found(store, failed).await, ["search eu 5 failed", "login eu 2 failed"]);
    let passed = RunFilter { outcome: Some(Passed), before: Some(at(4)), ..all };
    assert_eq!(found(store, passed).await, ["login eu 1 passed"]);
}

pub(super) async fn incidents_are_filtered_and_the_latest_come_first(store: &dyn Store) {
    tell(store, 1, &[Failed, Passed, Failed]).await;
    tell_one(store, &report("search", "eu", 1, Failed)).await;
    let found = async |filter: IncidentFilter| -> Vec<i64> {
        let records = store.incidents(&filter).await.expect("listed");
        records.iter().map(|record| record.id.0).collect()
    };
    let all = IncidentFilter { limit: 10, ..IncidentFilter::default() };
    assert_eq!(found(all.clone()).await, [3, 2, 1]);
    assert_eq!(found(IncidentFilter { limit: 1, ..all.clone() }).await, [3]);
    assert_eq!(found(IncidentFilter { open_only: true, ..all.clone() }).await, [3, 2]);
    let before = IncidentFilter { before: Some(IncidentId(3)), ..all.clone() };
    assert_eq!(found(before).await, [2, 1]);
    let login = IncidentFilter { check: Some(check_id("login")), ..all };
    assert_eq!(found(login.clone()).await, [2, 1]);
    assert_eq!(found(IncidentFilter { open_only: true, ..login }).await, [2]);
}

pub(super) async fn decisions_say_why_nobody_was_told(store: &dyn Store) {
    tell(store, 1, &[Failed, Failed, Failed]).await;
    // Late, and about no open incident of its check.
    tell_one(store, &report("search", "eu", 5, Passed)).await;
    let late = report("search", "eu", 4, Failed);
    tell_one(store, &late).await;
    let login = store.decisions(&check_id("login"), 2).await.expect("read");
    let kinds: Vec<DecisionKind> = login.iter().map(|it| it.decision.kind).collect();
    assert_eq!(kinds, [DecisionKind::NotTold, DecisionKind::Escalated]);
    assert!(login.iter().all(|it| it.incident == Some(IncidentId(1))));
    let search = store.decisions(&check_id("search"), 10).await.expect("read");
    assert_eq!(search.len(), 1);
    assert_eq!((search[0].incident, search[0].run), (None, Some(late.slot.run_id())));
    assert!(search[0].decision.reason.contains("after a later one"));
}

pub(super) async fn states_come_back_as_they_were_decided(store: &dyn Store) {
    let recorded = tell(store, 1, &[Passed, Failed, Unknown, Failed]).await;
    tell_one(store, &report("search", "us", 1, Unknown)).await;
    let lost = tell_one(store, &report("search", "us", 2, Unknown)).await;
    let states = store.check_states().await.expect("read");
    let mut of_one = states.clone();
    of_one.retain(|check, _| *check == check_id("login"));
    let asked = [check_id("login"), check_id("nobody")];
    assert_eq!(store.states_of(&asked).await.expect("read"), of_one);
    assert!(store.states_of(&[]).await.expect("read").is_empty());
    assert_eq!(states.len(), 2);
    let search = states[&check_id("search")].streaks.get(&region("us"));
    assert_eq!(search, lost[0].transition.streak.as_ref());
    let unknowns = search.and_then(|streak| streak.unknowns.clone()).expect("it is unknown");
    assert_eq!((unknowns.count, unknowns.since), (2, at(1)));
    assert_eq!(unknowns.reason, "no capacity");
    let login = &states[&check_id("login")];
    assert_eq!(login.streaks.get(&region("eu")), recorded[3].transition.streak.as_ref());
    assert_eq!(login.incident.as_deref(), recorded[3].transition.incident.as_ref());
    assert!(states[&check_id("search")].incident.is_none());
}

/// The slot with which the second day begins: 21 hours after slot 0, and slots are 30 s apart.
const MIDNIGHT: u32 = 21 * 120;

pub(super) async fn old_runs_are_forgotten_but_not_those_of_incidents(store: &dyn Store) {
    // The failure that opened the incident and the pass that resolved it stay.
    tell(store, 1, &[Passed, Passed, Failed, Passed, Passed, Passed]).await;
    tell_one(store, &report("login", "eu", 2, Failed)).await;
    tell_one(store, &report("login", "us", 0, Passed)).await;
    tell_one(store, &report("login", "eu", MIDNIGHT, Passed)).await;
    assert_eq!(forgotten(store, at(0)).await, 0, "all are of the same day or a later one");
    assert_eq!(forgotten(store, at(MIDNIGHT)).await, 5);
    assert_eq!(forgotten(store, at(MIDNIGHT)).await, 0);
    let all = RunFilter { limit: 10, ..RunFilter::default() };
    let kept = ["login eu 2520 passed", "login eu 4 passed", "login eu 3 failed"];
    assert_eq!(found(store, all.clone()).await, kept);
    let failed = RunFilter { outcome: Some(Failed), check: Some(check_id("login")), ..all.clone() };
    assert_eq!(found(store, failed).await, ["login eu 3 failed"]);
    assert_eq!(found(store, RunFilter { limit: 2, ..all.clone() }).await, kept[..2]);
    let earlier = RunFilter { before: Some(at(4)), ..all.clone() };
    assert_eq!(found(store, earlier).await, ["login eu 3 failed"]);
    let opened = report("login", "eu", 3, Failed);
    assert_eq!(store.run(opened.slot.run_id()).await.expect("read"), Some(opened.clone()));
    assert_eq!(history(store, 1).await.decisions.len(), 2);
    // What was counted is still known, so nothing forgotten can be counted again.
    let late = [report("login", "eu", 5, Failed)];
    let again = store.record(&late, &rules(), at(MIDNIGHT)).await.expect("recorded");
    assert!(again[0].transition.owed.is_empty() && again[0].transition.streak.is_none());
    // And what was kept is not stored again.
    assert_eq!(tell_one(store, &opened).await[0].novelty, Novelty::Repeated);
    assert_eq!(found(store, all).await.len(), 4);
}

/// Forgets the runs before `before` as the housekeeping does; says how many there were.
async fn forgotten(store: &dyn Store, before: Timestamp) -> u64 {
    let mut all = 0;
    loop {
        let some = store.forget(&Horizons::of_runs(before), 2).await.expect("forgotten");
        all += some;
        if some < 2 {
            return all;
        }
    }
}

pub(super) async fn what_is_not_there_is_none(store: &dyn Store) {
    let nowhere = Slot { check: check_id("login"), region: region("eu"), at: at(1) };
    let id: RunId = nowhere.run_id();
    assert!(store.run(id).await.expect("read").is_none());
    assert!(store.incident(IncidentId(1)).await.expect("read").is_none());
    assert!(store.decisions(&check_id("login"), 5).await.expect("read").is_empty());
    assert_eq!(store.close_absent(&rules(), "", at(1)).await.expect("closed"), Some(Vec::new()));
    assert_eq!(store.forget(&Horizons::of_runs(at(1)), 5).await.expect("forgotten"), 0);
}
