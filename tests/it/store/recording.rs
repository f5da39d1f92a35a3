//! Results in: stored once, judged once, all or nothing.

use std::time::Duration;

use tripline::domain::incident::DecisionKind;
use tripline::domain::policy::{Channel, Policy, Quorum};
use tripline::domain::run::Outcome::{self, Failed, Passed, Unknown};
use tripline::domain::run::{
    Comparison, Failure, FailureKind, LogLevel, LogLine, Measurement, Position, Report, Request,
    Step, Timings, Trace,
};
use tripline::store::{IncidentFilter, Novelty, RunFilter, Store};

use super::scene::{
    at, check_id, claim, history, outbox, report, rules, rules_with, seconds, tell, tell_one,
};
use super::sqlite::Fresh;

fn everything() -> RunFilter {
    RunFilter { limit: 1000, ..RunFilter::default() }
}

pub(super) async fn a_run_is_stored_once(store: &dyn Store) {
    let failed = report("login", "eu", 1, Failed);
    let twice = [failed.clone(), failed.clone()];
    let recorded = store.record(&twice, &rules(), at(1)).await.expect("recorded");
    assert_eq!(
        recorded.iter().map(|it| it.novelty).collect::<Vec<_>>(),
        [Novelty::New, Novelty::Repeated]
    );
    assert!(recorded[1].transition.owed.is_empty() && recorded[1].incident.is_none());
    // A report that differs is still of the same slot.
    let changed = Report { failure: None, ..failed.clone() };
    assert_eq!(tell_one(store, &changed).await[0].novelty, Novelty::Repeated);
    let runs = store.runs(&everything()).await.expect("listed");
    assert_eq!(runs.iter().map(|run| run.outcome).collect::<Vec<_>>(), [Failed]);
    assert_eq!(outbox(store, 1).await, ["slack:#p2 failing owed"]);
}

pub(super) async fn an_unknown_result_does_not_hide_the_run_before_it(store: &dyn Store) {
    // The second slot was refused while the first was still going, which then failed.
    let order = [(2, Unknown), (1, Failed), (4, Unknown), (3, Failed)];
    for (slot, outcome) in order {
        tell_one(store, &report("login", "eu", slot, outcome)).await;
    }
    assert_eq!(outbox(store, 1).await.len(), 4, "the second failure in a row");
    assert_eq!(store.runs(&everything()).await.expect("listed").len(), 4);
}

pub(super) async fn slots_that_come_again_after_the_clock_was_set_back_count(store: &dyn Store) {
    tell(store, 1, &[Passed, Passed, Passed, Passed, Passed]).await;
    // The clock is set back by two minutes; slots 2 and 3 come again.
    let again = |slot| {
        let first = report("login", "eu", slot, Failed);
        Report { started_at: first.started_at + Duration::from_millis(7), ..first }
    };
    for slot in [2, 3] {
        let recorded = tell_one(store, &again(slot)).await;
        assert_eq!(recorded[0].novelty, Novelty::New);
        let twice = tell_one(store, &again(slot)).await;
        assert_eq!(twice[0].novelty, Novelty::Repeated, "this one is the same run");
    }
    assert_eq!(outbox(store, 1).await.len(), 4, "two failures in a row");
    let runs = store.runs(&everything()).await.expect("listed");
    let outcomes: Vec<Outcome> = runs.iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Passed, Passed, Failed, Failed, Passed], "the later run is kept");
    // One that is not counted takes nobody's place.
    let late = Report { failure: None, ..again(1) };
    let recorded = store.record(&[late], &rules(), at(4)).await.expect("recorded");
    assert_eq!(recorded[0].novelty, Novelty::Repeated);
}

pub(super) async fn a_run_of_a_forgotten_streak_is_still_stored_once(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    let nothing = rules_with(Policy::built_in(None), &[]);
    store.close_absent(&nothing, "", at(2)).await.expect("closed");
    let again = tell(store, 1, &[Failed]).await;
    assert_eq!(again[0].novelty, Novelty::Repeated);
}

pub(super) async fn a_run_that_was_counted_out_of_order_is_still_stored_once(store: &dyn Store) {
    // Slot 5 leaves no streak, because the check is not in the project then.
    let nothing = rules_with(Policy::built_in(None), &[]);
    let fifth = [report("login", "eu", 5, Passed)];
    store.record(&fifth, &nothing, at(5)).await.expect("recorded");
    let recorded = tell(store, 4, &[Passed, Passed, Passed]).await;
    let novelty: Vec<Novelty> = recorded.iter().map(|it| it.novelty).collect();
    assert_eq!(novelty, [Novelty::New, Novelty::Repeated, Novelty::New]);
    assert_eq!(store.runs(&everything()).await.expect("listed").len(), 3);
}

pub(super) async fn a_run_comes_back_whole(store: &dyn Store) {
    let failure = Failure {
        step: Some("sign in".into()),
        comparison: Some(Comparison { expected: "200".into(), received: "\"503\u{0}\"".into() }),
        position: Some(Position { file: "checks/login.js".into(), line: 7, column: 3 }),
        frame: Some("> 7 | expect".into()),
        ..Failure::new(FailureKind::Expectation, "expected 200\nreceived 503")
    };
    let trace = Trace {
        steps: vec![Step {
            name: "sign in".into(),
            parent: None,
            start: Duration::from_micros(1),
            duration: Some(seconds(2)),
            error: Some("expected 200".into()),
        }],
        requests: vec![Request {
            step: Some(0),
            start: Duration::ZERO,
            method: "POST".into(),
            url: "https://app.example.com/login".into(),
            status: Some(503),
            remote: Some("192.0.2.1:443".into()),
            sent: 17,
            received: 4096,
            timings: Timings { tls: Some(Duration::from_micros(9)), ..Timings::default() },
            certificate_until: "2027-02-01T23:59:59Z".parse().ok(),
            error: None,
            exchange: None,
        }],
        logs: vec![LogLine { at: seconds(1), level: LogLevel::Error, text: "no 'quotes'".into() }],
        measurements: vec![Measurement {
            name: "items".into(),
            value: 1e-9,
            tags: vec![("shop".into(), "de".into())],
        }],
        dropped: vec!["2 requests".into()],
    };
    let whole = Report { failure: Some(failure), trace, ..report("login", "eu", 1, Failed) };
    let bare = report("login", "us", 1, Passed);
    for report in [whole, bare] {
        tell_one(store, &report).await;
        let back = store.run(report.slot.run_id()).await.expect("read").expect("it is there");
        assert_eq!(back, report);
    }
}

pub(super) async fn a_result_its_decision_and_its_messages_are_one(store: &dyn Store) {
    let recorded = tell(store, 1, &[Failed, Failed]).await;
    let opened = recorded[0].transition.incident.as_ref().expect("it was opened");
    assert_eq!((recorded[0].incident, recorded[1].incident), (opened.id, opened.id));
    let history = history(store, 1).await;
    let kinds: Vec<DecisionKind> = history.decisions.iter().map(|(_, it)| it.kind).collect();
    assert_eq!(kinds, [DecisionKind::Opened, DecisionKind::Escalated]);
    assert_eq!(history.decisions[0].0, at(1) + seconds(1));
    assert_eq!(Some(&history.record.incident), recorded[1].transition.incident.as_ref());
    assert_eq!(
        outbox(store, 1).await,
        [
            "slack:#p2 failing owed",
            "slack:#p1 failing owed",
            "sms:ana failing owed",
            "sms:bo failing owed",
        ]
    );
    let first = &history.notifications[0];
    assert_eq!(first.notification.notice, recorded[0].transition.owed[0].notice);
    assert_eq!(
        (first.notification.owed_at, first.due_at),
        (at(1) + seconds(1), at(1) + seconds(1))
    );
}

pub(super) async fn nothing_is_recorded_of_nothing(store: &dyn Store) {
    assert!(store.record(&[], &rules(), at(1)).await.expect("recorded").is_empty());
    assert!(store.check_states().await.expect("read").is_empty());
}

/// A stream of results that looks arbitrary and is the same each time.
fn stream(mut seed: u64, length: u32) -> Vec<Report> {
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut result = |slot: u32| {
        let check = ["login", "search", "gone"][usize::try_from(next(3)).expect("small")];
        let place = ["eu", "us", "ap"][usize::try_from(next(3)).expect("small")];
        let outcome: Outcome =
            [Passed, Failed, Failed, Unknown][usize::try_from(next(4)).expect("small")];
        // Some come late and some twice.
        let late = u32::try_from(next(8)).expect("small").saturating_sub(5) * 2;
        report(check, place, slot.saturating_sub(late), outcome)
    };
    (0..length).map(|step| result(step / 2)).collect()
}

/// I5: however results are cut into batches, and when replayed one by one in the order recorded,
/// the same is decided and owed.
pub(super) async fn batches_decide_as_single_results_do(store: &dyn Store) {
    for seed in 0..4 {
        let other = Fresh::new().await;
        let fresh = Fresh::new().await;
        // The store under test is used once; the seeds after the first compare fresh ones.
        let batched: &dyn Store = if seed == 0 { store } else { &fresh.store };
        let results = stream(seed, 150);
        let now = at(1000);
        for batch in results.chunks(1 + usize::try_from(seed).expect("small") * 40) {
            batched.record(batch, &rules(), now).await.expect("recorded");
        }
        for result in &results {
            let one = std::slice::from_ref(result);
            other.store.record(one, &rules(), now).await.expect("recorded");
        }
        assert_eq!(everything_of(batched).await, everything_of(&other.store).await);
        fresh.close().await;
        other.close().await;
    }
}

/// All that a store knows, as text to compare.
async fn everything_of(store: &dyn Store) -> String {
    let filter = IncidentFilter { limit: 1000, ..IncidentFilter::default() };
    let mut known = vec![format!("{:#?}", store.check_states().await.expect("read"))];
    for record in store.incidents(&filter).await.expect("listed") {
        known.push(format!("{:#?}", history(store, record.id.0).await));
    }
    for check in ["login", "search", "gone"] {
        let decisions = store.decisions(&check_id(check), 1000).await.expect("read");
        known.push(format!("{decisions:#?}"));
    }
    known.push(format!("{:#?}", store.runs(&everything()).await.expect("listed")));
    known.join("\n")
}

pub(super) async fn a_failure_below_the_quorum_says_why_nobody_is_told(store: &dyn Store) {
    let policy = Policy { quorum: Quorum::All, ..Policy::built_in(None) };
    let both = rules_with(policy, &["login"]);
    let record = async |place: &str, slot: u32| {
        let one = [report("login", place, slot, Failed)];
        store.record(&one, &both, at(slot) + seconds(1)).await.expect("recorded")
    };
    assert!(record("eu", 1).await[0].transition.owed.is_empty());
    let decided = store.decisions(&check_id("login"), 1).await.expect("read");
    assert_eq!(decided[0].decision.kind, DecisionKind::NotTold);
    assert_eq!(decided[0].decision.reason, "failed in 1 of 2 regions, quorum 2: nobody is told");
    record("us", 1).await;
    let told = claim(store, Channel::Slack, at(2)).await;
    let states = told[0].notification.notice.regions.iter();
    let states: Vec<_> =
        states.map(|it| (it.region.as_str(), it.outcome, it.failures_in_a_row)).collect();
    assert_eq!(states, [("us", Failed, 1), ("eu", Failed, 1)]);
}

pub(super) async fn late_failures_count_and_tell_nobody(store: &dyn Store) {
    let kept = [1, 2, 3].map(|slot| report("login", "eu", slot, Failed));
    let recorded = store.record(&kept, &rules(), at(20)).await.expect("recorded");
    assert!(recorded.iter().all(|it| it.novelty == Novelty::New && it.incident.is_none()));
    let decided = store.decisions(&check_id("login"), 3).await.expect("read");
    assert!(decided.iter().all(|it| it.decision.reason.contains("late by")), "{decided:#?}");
    let fresh = tell(store, 20, &[Failed]).await;
    assert_eq!(fresh[0].transition.owed.len(), 4, "both tiers at once");
    assert_eq!(fresh[0].transition.owed[0].notice.failures_in_a_row, 4);
}

pub(super) async fn a_check_that_is_gone_has_its_incident_closed(store: &dyn Store) {
    tell(store, 1, &[Failed]).await;
    tell_one(store, &report("search", "eu", 1, Failed)).await;
    let left = rules_with(Policy::built_in(None), &["search"]);
    let closed = store.close_absent(&left, "", at(3)).await.expect("closed").unwrap_or_default();
    assert_eq!(closed.iter().map(|id| id.0).collect::<Vec<_>>(), [1]);
    assert_eq!(store.close_absent(&left, "", at(4)).await.expect("closed"), Some(Vec::new()));
    let history = history(store, 1).await;
    assert_eq!(history.record.incident.resolved_at, Some(at(3)));
    assert_eq!(
        outbox(store, 1).await,
        ["slack:#p2 failing superseded", "slack:#p2 withdrawn owed"]
    );
    let states = store.check_states().await.expect("read");
    assert_eq!(states.keys().collect::<Vec<_>>(), [&check_id("search")]);
    // Should it come back, it starts afresh.
    let back = tell(store, 5, &[Failed]).await;
    assert_eq!(back[0].transition.owed.len(), 1);
    assert_eq!(back[0].incident.map(|id| id.0), Some(3));
}

pub(super) async fn results_of_a_check_that_is_gone_decide_nothing(store: &dyn Store) {
    let recorded = tell_one(store, &report("gone", "eu", 1, Failed)).await;
    assert_eq!(recorded[0].novelty, Novelty::New);
    assert_eq!(store.runs(&everything()).await.expect("listed").len(), 1);
    assert!(store.check_states().await.expect("read").is_empty());
}
