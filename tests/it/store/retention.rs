//! How long what is kept: each kind of run in its time, incidents with all that is theirs, and uptime
//! by the hour after the runs are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tripline::domain::Timestamp;
use tripline::domain::coverage::{HOUR, Tally};
use tripline::domain::id::RunId;
use tripline::domain::policy::Channel;
use tripline::domain::run::Outcome::{self, Failed, Passed, Unknown};
use tripline::domain::run::{LogLevel, LogLine, Report};
use tripline::engine::accountant::{audit, by_the_hour, count_hour, round, tallies, vouch};
use tripline::store::accounts::{Accounts, Place};
use tripline::store::{Horizons, IncidentFilter, Ledger, RunFilter, Standing, Store};

use super::accounts::{every, hub, run, slots};
use super::scene::{
    accepted, at, attempt, check_id, claim, history, outbox, region, report, rules, seconds, tell,
    tell_one,
};

/// Slots of a day; slot 0 is at 3 o'clock.
const DAY: u32 = 2880;

fn everything() -> RunFilter {
    RunFilter { limit: 100_000, ..RunFilter::default() }
}

/// A result that says something.
fn talkative(check: &str, slot: u32, outcome: Outcome) -> Report {
    let mut report = report(check, "eu", slot, outcome);
    let line = LogLine { at: seconds(1), level: LogLevel::Info, text: format!("{check} {slot}") };
    report.trace.logs.push(line);
    report
}

/// Forgets all there is to forget, a few at a time.
async fn forget(store: &dyn Store, before: Horizons) -> u64 {
    let mut all = 0;
    loop {
        let some = store.forget(&before, 3).await.expect("forgotten");
        all += some;
        if some < 3 {
            return all;
        }
    }
}

/// The slots of the runs that are there, the earliest first.
async fn left(store: &dyn Store) -> Vec<u32> {
    let runs = store.runs(&everything()).await.expect("listed");
    let slot = |at: Timestamp| u32::try_from((at - super::scene::at(0)).num_seconds() / 30);
    runs.iter().rev().map(|run| slot(run.slot.at).expect("a slot")).collect()
}

async fn says_something(store: &dyn Store, check: &str, slot: u32) -> bool {
    let run = report(check, "eu", slot, Passed).slot.run_id();
    let report = store.run(run).await.expect("read").expect("it is there");
    !report.trace.logs.is_empty()
}

pub(super) async fn each_kind_of_run_is_forgotten_in_its_time(store: &dyn Ledger) {
    let outcomes = [Passed, Unknown, Failed, Passed, Passed, Unknown, Passed, Passed];
    for (slot, outcome) in (0..).zip(outcomes) {
        tell_one(store, &talkative("login", slot, outcome)).await;
    }
    // The failure opened an incident and the pass after it ended it: they stay, with what they said.
    let before = Horizons { details: at(7), passed: at(5), failed: at(0), incidents: None };
    assert_eq!(forget(store, before).await, 3, "0 and 4 are gone, 6 is silent");
    assert_eq!(left(store).await, [1, 2, 3, 5, 6, 7]);
    for (slot, speaks) in [(1, true), (2, true), (3, true), (6, false), (7, true)] {
        assert_eq!(says_something(store, "login", slot).await, speaks, "slot {slot}");
    }
    assert_eq!(forget(store, before).await, 0);
    // A late one is not looked for again; it goes when all of its time does.
    tell_one(store, &talkative("search", 1, Passed)).await;
    assert_eq!(forget(store, before).await, 0);
    forget(store, Horizons { failed: at(DAY), passed: at(2 * DAY), ..before }).await;
    assert_eq!(left(store).await, [2, 3]);
    assert_eq!(history(store, 1).await.decisions.len(), 2);
}

pub(super) async fn incidents_are_forgotten_with_all_that_is_theirs(store: &dyn Ledger) {
    // One that ended and was told, one of which a message is owed, one that is open.
    tell(store, 1, &[Failed, Passed]).await;
    for moment in [3, 4] {
        for due in claim(store, Channel::Slack, at(moment)).await {
            attempt(store, &due, at(moment), &accepted()).await;
        }
    }
    assert!(outbox(store, 1).await.iter().all(|it| !it.ends_with("owed")));
    tell(store, 5, &[Failed, Passed]).await;
    tell_one(store, &report("search", "eu", 7, Failed)).await;
    let before = |incidents| Horizons { incidents, ..Horizons::of_runs(at(2 * DAY)) };
    forget(store, before(None)).await;
    assert_eq!(left(store).await, [1, 2, 5, 6, 7]);
    forget(store, before(Some(at(2)))).await;
    assert_eq!(left(store).await, [1, 2, 5, 6, 7], "it ended a second after that");
    forget(store, before(Some(at(DAY)))).await;
    forget(store, before(Some(at(DAY)))).await;
    assert_eq!(left(store).await, [5, 6, 7]);
    let all = IncidentFilter { limit: 9, ..IncidentFilter::default() };
    let incidents = store.incidents(&all).await.expect("read");
    let numbers: Vec<i64> = incidents.iter().map(|it| it.id.0).collect();
    assert_eq!(numbers, [3, 2]);
    // Not even when all are over is a number given twice.
    tell_one(store, &report("search", "eu", 8, Passed)).await;
    for moment in [9, 10] {
        for due in claim(store, Channel::Slack, at(moment)).await {
            attempt(store, &due, at(moment), &accepted()).await;
        }
    }
    forget(store, before(Some(at(DAY)))).await;
    let next = tell_one(store, &report("login", "eu", 11, Failed)).await;
    assert_eq!(next[0].incident.map(|id| id.0), Some(4));
}

/// Some results of two checks over four days, in order of time.
fn results() -> impl Strategy<Value = Vec<(u32, bool, Outcome)>> {
    let outcome = prop_oneof![6 => Just(Passed), 2 => Just(Failed), 1 => Just(Unknown)];
    prop::collection::vec((0..4 * DAY, any::<bool>(), outcome), 20..60).prop_map(|mut results| {
        results.sort_by_key(|(slot, ..)| *slot);
        results.dedup_by_key(|(slot, ..)| *slot);
        results
    })
}

/// Horizons that move on, as time does.
fn horizons() -> impl Strategy<Value = Vec<Horizons>> {
    let slot = || 0..4 * DAY;
    let one = (slot(), slot(), slot(), prop::option::of(slot()));
    prop::collection::vec(one, 1..5).prop_map(|all| {
        let horizon = |(details, passed, failed, incidents): (u32, u32, u32, Option<u32>)| {
            let incidents = incidents.map(at);
            Horizons { details: at(details), passed: at(passed), failed: at(failed), incidents }
        };
        all.into_iter().map(horizon).collect()
    })
}

/// The runs that open incidents, and others that are kept, refer to.
async fn referred(store: &dyn Store) -> BTreeSet<RunId> {
    let mut runs = BTreeSet::new();
    for check in ["login", "search"] {
        let decisions = store.decisions(&check_id(check), 100_000).await.expect("read");
        let of_incidents = decisions.iter().filter(|it| it.incident.is_some());
        runs.extend(of_incidents.filter_map(|decision| decision.run));
    }
    runs
}

/// For random results and random horizons: what is younger than its horizon stays as it was, what
/// an incident refers to stays as it was, open incidents stay, and what is older goes.
pub(super) async fn what_must_be_kept_is_kept(store: &dyn Ledger) {
    let mut runner = TestRunner::deterministic();
    let results = results().new_tree(&mut runner).expect("results").current();
    let horizons = prop::collection::vec(horizons(), 4).new_tree(&mut runner);
    let horizons = horizons.expect("horizons").current().concat();
    keeps(store, results, &horizons).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happened_what_must_be_kept_is_kept(
        results in results(),
        horizons in horizons(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let fresh = super::sqlite::Fresh::new().await;
            keeps(&fresh.store, results, &horizons).await;
            fresh.close().await;
        });
    }
}

async fn keeps(store: &dyn Ledger, results: Vec<(u32, bool, Outcome)>, horizons: &[Horizons]) {
    let mut told: BTreeMap<RunId, Report> = BTreeMap::new();
    for (slot, is_login, outcome) in results {
        let report = talkative(if is_login { "login" } else { "search" }, slot, outcome);
        tell_one(store, &report).await;
        told.insert(report.slot.run_id(), report);
    }
    let open = IncidentFilter { open_only: true, limit: 100, ..IncidentFilter::default() };
    let before = store.incidents(&open).await.expect("read");
    let mut past = Horizons { incidents: None, ..Horizons::of_runs(at(0)) };
    for next in horizons {
        forget(store, *next).await;
        past.details = past.details.max(next.details);
        past.passed = past.passed.max(next.passed);
        past.failed = past.failed.max(next.failed);
        let kept = referred(store).await;
        for (id, report) in &told {
            let found = store.run(*id).await.expect("read");
            check(report, found.as_ref(), kept.contains(id), &past, next);
        }
        assert_eq!(store.incidents(&open).await.expect("read"), before);
    }
}

/// A run as it was told and as it is found, when all up to `past` was forgotten, `next` last.
fn check(
    told: &Report,
    found: Option<&Report>,
    is_referred: bool,
    past: &Horizons,
    next: &Horizons,
) {
    let (slot, passed) = (told.slot.at, told.outcome() == Passed);
    let own = |horizons: &Horizons| if passed { horizons.passed } else { horizons.failed };
    if is_referred || (slot >= own(past) && !(passed && slot < past.details)) {
        assert_eq!(found, Some(told), "{next:?}");
    } else if slot >= own(past) {
        assert!(found.is_some(), "only what it said may be gone: {next:?}");
    }
    // What is older than all horizons may wait until its day is.
    let (day, oldest) = (Duration::from_hours(24), next.oldest());
    if !is_referred && slot + day < own(next) && !(slot < oldest && oldest <= slot + day) {
        assert!(found.is_none(), "{slot} was to be forgotten: {next:?}");
    }
}

fn place() -> Place {
    (check_id("login"), region("eu"))
}

pub(super) async fn uptime_outlives_the_runs(store: &dyn Ledger) {
    super::accounts::expect(store, &[every("login", 30)], at(0)).await;
    let process = hub("one");
    vouch(store, &process, at(0)).await.expect("stored");
    // Four hours, the second without a run, the third with failures.
    let hour = |number: u32| at(120 * number);
    run(store, &slots(store, hour(0), hour(1)).await, Passed).await;
    run(store, &slots(store, hour(2), at(250)).await, Failed).await;
    run(store, &slots(store, at(250), hour(4)).await, Passed).await;
    vouch(store, &process, hour(5)).await.expect("stored");
    round(store, hour(4) + Duration::from_mins(2), Duration::from_mins(1)).await.expect("done");
    let whole = async |period| tallies(store, None, period).await.expect("read");
    let periods = [(hour(0), hour(4)), (hour(2), hour(4)), (hour(1), at(450)), (hour(3), at(450))];
    let mut before = Vec::new();
    for period in periods {
        before.push(whole(period).await);
    }
    let tally: Tally = before[0][&place()];
    assert_eq!((tally.expected, tally.failed, tally.missed()), (480, 10, 120));
    assert_eq!(tally.durations.at_most(0.99), Some(Duration::from_millis(250)));
    // Three hours are counted, and their runs are forgotten.
    for number in 0..3 {
        assert_eq!(count_hour(store).await.expect("counted"), Some(hour(number)));
        for (period, known) in periods.into_iter().zip(&before) {
            assert_eq!(whole(period).await, *known, "{period:?} when {number} is counted");
        }
    }
    let bounded = Horizons { failed: at(0), ..Horizons::of_runs(at(450)) }.up_to(hour(3));
    forget(store, bounded).await;
    let runs = left(store).await;
    assert!(runs.len() < 360 - 200, "runs were forgotten: {}", runs.len());
    for (period, known) in periods.into_iter().zip(before) {
        assert_eq!(whole(period).await, known, "{period:?}");
    }
    let (start, end) = by_the_hour(store, (at(150), at(450))).await.expect("read");
    assert_eq!((start, end), (hour(1), at(450)), "whole hours are known, no less");
    let later = by_the_hour(store, (at(370), at(450))).await.expect("read");
    assert_eq!(later, (at(370), at(450)));
    // What is not accounted for is not counted, and not to be forgotten.
    assert_eq!(count_hour(store).await.expect("counted"), Some(hour(3)));
    assert_eq!(count_hour(store).await.expect("counted"), None);
    assert_eq!(store.tallied().await.expect("read"), Some((hour(0), hour(4))));
    store.forget_accounts(hour(2)).await.expect("forgotten");
    assert_eq!(whole((hour(0), hour(2))).await, BTreeMap::new());
    assert_eq!(whole((hour(2), hour(4))).await[&place()].expected, 240);
}

/// As `tripline store check` asks when it was said, after some were forgotten, that runs are kept for ever.
pub(super) async fn what_is_forgotten_is_not_missed_when_more_is_kept_later(store: &dyn Ledger) {
    super::accounts::expect(store, &[every("login", 3600)], at(0)).await;
    let process = hub("one");
    vouch(store, &process, at(0)).await.expect("stored");
    let end = at(2 * DAY);
    let mut all = slots(store, at(0), end).await;
    // Nobody knows why.
    let missed = all.remove(40);
    run(store, &all, Passed).await;
    vouch(store, &process, end).await.expect("stored");
    round(store, end + Duration::from_mins(2), Duration::from_mins(1)).await.expect("done");
    while count_hour(store).await.expect("counted").is_some() {}
    assert_eq!(store.forgotten_until().await.expect("read"), None);
    let whole = audit(store, at(0)).await.expect("read");
    assert_eq!((whole.expected, whole.ran, whole.unaccounted.len()), (48, 47, 0));
    assert!(at(DAY) < missed, "it is in the second half");
    // All runs of the first day, then those that passed of a few hours more, then all.
    let some = Horizons { passed: at(DAY + 360), ..Horizons::of_runs(at(DAY)) };
    for (before, left) in [(Horizons::of_runs(at(DAY)), 24..30), (some, 21..22)] {
        forget(store, before).await;
        let until = store.forgotten_until().await.expect("read").expect("some were forgotten");
        assert!(at(0) < until && until <= before.passed, "{until}");
        let found = audit(store, at(0)).await.expect("read");
        assert_eq!(found.unaccounted, []);
        assert!(left.contains(&found.expected), "{found:?}");
        let missed: u64 = found.missed.values().sum();
        assert_eq!((found.expected, missed), (found.ran + 1, 1), "{found:?}");
    }
    forget(store, Horizons::of_runs(at(9 * DAY))).await;
    assert_eq!(audit(store, at(0)).await.expect("read").unaccounted, []);
}

pub(super) async fn an_hour_is_counted_once(store: &dyn Ledger) {
    assert_eq!(count_hour(store).await.expect("counted"), None, "nothing ran");
    tell(store, 1, &[Passed, Passed, Unknown, Passed]).await;
    let hour = |number: u32| (at(120 * number), at(120 * number) + HOUR);
    let expected = BTreeMap::from([(place(), 5)]);
    let tally = async |number| store.tally(hour(number), &expected).await.expect("answered");
    assert_eq!(tally(0).await, Standing::Held);
    let counted = store.tallied_hours(None, hour(0)).await.expect("read");
    assert_eq!((counted[&place()].expected, counted[&place()].passed), (5, 3));
    // Another hub that stood still, when runs are gone; and one that would leave out an hour.
    forget(store, Horizons::of_runs(at(DAY))).await;
    assert_eq!((tally(0).await, tally(2).await), (Standing::Lost, Standing::Lost));
    assert_eq!(store.tallied_hours(None, hour(0)).await.expect("read"), counted);
    let other = store.tallied_hours(Some(&[check_id("search")]), hour(0)).await.expect("read");
    assert_eq!(other, BTreeMap::new());
    assert_eq!(store.tallied().await.expect("read"), Some(hour(0)));
    assert_eq!(tally(1).await, Standing::Held);
    assert_eq!(store.tallied().await.expect("read"), Some((hour(0).0, hour(1).1)));
    let late = report("login", "eu", 3, Passed);
    store.record(&[late], &rules(), at(4)).await.expect("recorded");
    assert_eq!(store.first_ran().await.expect("read"), Some(at(3)));
    assert!(Accounts::watches(store, None, hour(0)).await.expect("read").is_empty());
}

pub(super) async fn runs_that_come_late_change_the_count_of_their_hour(store: &dyn Ledger) {
    tell(store, 1, &[Passed, Failed, Passed]).await;
    for number in 0..2 {
        let hour = (at(120 * number), at(120 * (number + 1)));
        let standing = store.tally(hour, &BTreeMap::from([(place(), 120)])).await;
        assert_eq!(standing.expect("counted"), Standing::Held);
    }
    let told = async |period: (u32, u32)| -> BTreeMap<Place, Tally> {
        let period = (at(period.0), at(period.1));
        let counted = store.tallied_hours(None, period).await.expect("read");
        // What is counted is what is there, to the last class.
        let mut there = store.tallies(None, period).await.expect("read");
        for (place, tally) in &counted {
            there.entry(place.clone()).or_default().expected = tally.expected;
        }
        assert_eq!(counted, there);
        counted
    };
    told((0, 240)).await;
    // Late ones of both hours and of another check, one at a time and in a batch, one of them twice.
    let mut slow = report("login", "eu", 10, Failed);
    (slow.started_at, slow.duration) = (at(10) + seconds(11), seconds(31));
    tell_one(store, &slow).await;
    let batch = [
        report("login", "eu", 11, Unknown),
        report("login", "us", 120, Passed),
        report("login", "eu", 130, Passed),
        report("search", "eu", 130, Passed),
        report("search", "eu", 241, Passed),
        slow.clone(),
    ];
    store.record(&batch, &rules(), at(242)).await.expect("recorded");
    let counted = told((0, 120)).await;
    let login = counted[&place()];
    assert_eq!((login.passed, login.failed, login.unknown, login.expected), (2, 2, 1, 120));
    assert_eq!(login.lateness.0[9], 1);
    assert_eq!(counted[&(check_id("login"), region("us"))].passed, 1, "an hour ends with its slot");
    assert_eq!(told((120, 240)).await[&(check_id("search"), region("eu"))].passed, 1);
    // A slot that was run again, when the clock was set back, is counted as its later run.
    let mut again = report("login", "us", 120, Failed);
    again.started_at += seconds(2);
    store.record(&[again], &rules(), at(1)).await.expect("recorded");
    let us = told((0, 120)).await[&(check_id("login"), region("us"))];
    assert_eq!((us.passed, us.failed), (0, 1));
}
