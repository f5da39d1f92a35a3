//! Accounting for slots: every expected one ends as a run or inside a gap with its reason.

use std::collections::BTreeMap;
use std::time::Duration;

use tripline::domain::Timestamp;
use tripline::domain::coverage::{Duty, Gap, GapReason, Tally};
use tripline::domain::edition::{Origin, Rank};
use tripline::domain::run::Outcome;
use tripline::domain::schedule::{Cron, Interval, Schedule};
use tripline::engine::accountant::{audit, round, tallies, vouch};
use tripline::store::accounts::{Accounts, Expectation, Expected, Known, Process};
use tripline::store::{Standing, Store};

use super::scene::{at, check_id, region, report, rules, seconds};

const PATIENCE: Duration = Duration::from_mins(1);

pub(super) fn every(name: &str, interval: u64) -> Expected {
    let interval = Interval::new(seconds(interval)).expect("in range");
    let (check, region) = (check_id(name), region("eu"));
    Expected { check, region, schedule: Schedule::Every(interval), duty: Duty::Run }
}

/// The only hub has these slots expected from `since` on.
pub(super) async fn expect(
    store: &(impl Accounts + ?Sized),
    expected: &[Expected],
    since: Timestamp,
) {
    // As if the project had been edited just then.
    let expectation = Expectation::new(expected.to_vec(), since, Origin::Start, since);
    let rank = store.expect(&expectation, since).await.expect("stored");
    assert_eq!(rank, Rank::Latest);
}

pub(super) fn hub(id: &str) -> Vec<Process> {
    [None, Some(region("eu"))].map(|region| Process { id: id.to_owned(), region }).into()
}

/// The hub comes round at `now`; the gaps that it finds.
async fn come_round(store: &impl Accounts, process: &[Process], now: Timestamp) -> Vec<Gap> {
    vouch(store, process, now).await.expect("stored");
    round(store, now, PATIENCE).await.expect("accounted")
}

/// The slots of `login` in `eu` within a period.
pub(super) async fn slots(
    store: &(impl Accounts + ?Sized),
    after: Timestamp,
    until: Timestamp,
) -> Vec<Timestamp> {
    slots_of(store, "login", (after, until)).await
}

/// The slots of a check in all its regions within a period.
pub(super) async fn slots_of(
    store: &(impl Accounts + ?Sized),
    name: &str,
    (after, until): (Timestamp, Timestamp),
) -> Vec<Timestamp> {
    let watches = store.watches(Some(&[check_id(name)]), (after, until)).await.expect("read");
    watches.iter().flat_map(|watch| watch.slots(after, until)).collect()
}

/// Stores a result of `login` for each of `slots`, a second after it.
pub(super) async fn run(store: &dyn Store, slots: &[Timestamp], outcome: Outcome) {
    for slot in slots {
        let mut report = report("login", "eu", 0, outcome);
        report.slot.at = *slot;
        report.started_at = *slot + Duration::from_millis(3);
        let now = *slot + seconds(1);
        store.record(&[report], &rules(), now).await.expect("recorded");
    }
}

pub(super) async fn a_watch_goes_on_until_it_changes(store: &(impl Store + Accounts)) {
    let cron = Cron::parse("*/5 * * * *", "Europe/Berlin").expect("a schedule");
    let by_cron = Expected { schedule: Schedule::Cron(Box::new(cron)), ..every("search", 30) };
    let (first, changed) = ([every("login", 30), by_cron.clone()], [every("login", 60), by_cron]);
    expect(store, &first, at(0)).await;
    expect(store, &first, at(10)).await;
    expect(store, &changed, at(20)).await;
    let watches = store.watches(None, (at(0), at(100))).await.expect("read");
    let told: Vec<_> = watches
        .iter()
        .map(|watch| (watch.check.as_str(), watch.schedule.clone(), watch.from, watch.until))
        .collect();
    let [login, later, search] = told.as_slice() else { panic!("{told:#?}") };
    assert_eq!(*login, ("login", first[0].schedule.clone(), at(0), Some(at(20))));
    assert_eq!(*later, ("login", changed[0].schedule.clone(), at(20), None));
    assert_eq!(*search, ("search", first[1].schedule.clone(), at(0), None));
    assert_eq!(store.watches(None, (at(20), at(30))).await.expect("read").len(), 2);
}

pub(super) async fn every_slot_ends_as_a_run_or_in_a_gap(store: &(impl Store + Accounts)) {
    expect(store, &[every("login", 30)], at(0)).await;
    let first = hub("first");
    vouch(store, &first, at(0)).await.expect("stored");
    run(store, &slots(store, at(0), at(10)).await, Outcome::Passed).await;
    assert_eq!(come_round(store, &first, at(12)).await, []);
    // Nobody is there until slot 40; then another process, which misses what comes after 50.
    let second = hub("second");
    vouch(store, &second, at(40)).await.expect("stored");
    run(store, &slots(store, at(40), at(50)).await, Outcome::Failed).await;
    let gaps = come_round(store, &second, at(62)).await;
    let told: Vec<_> = gaps.iter().map(|gap| (gap.reason, gap.slots)).collect();
    assert_eq!(told, [(GapReason::HubDown, 30), (GapReason::Stalled, 10)]);
    let found = audit(store, at(0)).await.expect("read");
    assert_eq!((found.expected, found.ran, found.unaccounted.len()), (60, 20, 0));
    let missed = BTreeMap::from([(GapReason::HubDown, 30), (GapReason::Stalled, 10)]);
    assert_eq!(found.missed, missed);
    let tallies = tallies(store, None, (at(0), at(60))).await.expect("read");
    let tally = tallies[&(check_id("login"), region("eu"))];
    assert_eq!((tally.expected, tally.passed, tally.failed, tally.missed()), (60, 10, 10, 40));
    assert_eq!(tally.uptime(), Some(0.5));
}

pub(super) async fn what_is_switched_off_is_told_and_takes_nothing(
    store: &(impl Store + Accounts),
) {
    let paused = Expected { duty: Duty::Paused, ..every("login", 30) };
    expect(store, &[every("login", 30)], at(0)).await;
    let process = hub("one");
    vouch(store, &process, at(0)).await.expect("stored");
    run(store, &slots(store, at(0), at(10)).await, Outcome::Passed).await;
    expect(store, std::slice::from_ref(&paused), at(10)).await;
    expect(store, &[paused], at(15)).await;
    come_round(store, &process, at(22)).await;
    expect(store, &[every("login", 30)], at(30)).await;
    run(store, &slots(store, at(30), at(40)).await, Outcome::Passed).await;
    come_round(store, &process, at(42)).await;
    let gaps = store.gaps(None, (at(0), at(100)), 10).await.expect("read");
    let told: Vec<_> = gaps.iter().map(|gap| (gap.reason, gap.slots)).collect();
    assert_eq!(told, [(GapReason::Paused, 20)]);
    let found = audit(store, at(0)).await.expect("read");
    assert_eq!((found.expected, found.ran, found.unaccounted.len()), (40, 20, 0));
    let tallies = tallies(store, None, (at(0), at(40))).await.expect("read");
    let tally = tallies[&(check_id("login"), region("eu"))];
    assert_eq!((tally.expected, tally.coverage()), (20, Some(1.0)));
}

pub(super) async fn an_agent_that_lives_is_not_missed(store: &(impl Store + Accounts)) {
    expect(store, &[every("login", 1)], at(0)).await;
    let (hub, agent) = (hub("hub").remove(0), hub("agent").remove(1));
    // It runs nothing, and says every 5 s that it lives, at another beat than the hub comes round.
    for second in 0..240 {
        let now = at(0) + seconds(second);
        if second % 5 == 0 {
            vouch(store, std::slice::from_ref(&agent), now).await.expect("stored");
        }
        if second % 10 == 3 {
            come_round(store, std::slice::from_ref(&hub), now).await;
        }
    }
    let gaps = store.gaps(None, (at(0), at(8)), 100).await.expect("read");
    let told: BTreeMap<GapReason, u64> = gaps.iter().map(|gap| (gap.reason, gap.slots)).collect();
    let begin: u64 =
        told.iter().filter(|(why, _)| **why != GapReason::Stalled).map(|it| it.1).sum();
    assert_eq!(gaps.len(), told.len(), "before the hub came, and since: {gaps:#?}");
    assert!(told[&GapReason::Stalled] > 150 && begin <= 4, "{told:?}");
}

pub(super) async fn a_late_run_repairs_the_coverage(store: &(impl Store + Accounts)) {
    expect(store, &[every("login", 30)], at(0)).await;
    let process = hub("one");
    vouch(store, &process, at(0)).await.expect("stored");
    come_round(store, &process, at(22)).await;
    run(store, &slots(store, at(0), at(20)).await, Outcome::Passed).await;
    let tallies = tallies(store, Some(&[check_id("login")]), (at(0), at(20))).await.expect("read");
    let tally = tallies[&(check_id("login"), region("eu"))];
    assert_eq!((tally.coverage(), tally.uptime()), (Some(1.0), Some(1.0)));
    let found = audit(store, at(0)).await.expect("read");
    assert_eq!((found.ran, found.missed), (20, BTreeMap::new()));
}

pub(super) async fn a_gap_grows_from_round_to_round(store: &(impl Store + Accounts)) {
    expect(store, &[every("login", 30)], at(0)).await;
    let process = hub("one");
    vouch(store, &process, at(0)).await.expect("stored");
    for number in 1..=5 {
        come_round(store, &process, at(10 * number)).await;
    }
    let gaps = store.gaps(Some(&check_id("login")), (at(0), at(100)), 10).await.expect("read");
    let [gap] = gaps.as_slice() else { panic!("one gap, not {gaps:#?}") };
    assert_eq!((gap.slots, gap.reason), (48, GapReason::Stalled));
    let all = slots(store, at(0), at(48)).await;
    assert_eq!((Some(&gap.first), Some(&gap.last)), (all.first(), all.last()));
}

pub(super) async fn lateness_is_a_distribution(store: &(impl Store + Accounts)) {
    expect(store, &[every("login", 30)], at(0)).await;
    run(store, &slots(store, at(0), at(4)).await, Outcome::Passed).await;
    let tallies = store.tallies(None, (at(0), at(4))).await.expect("read");
    let Tally { lateness, .. } = tallies[&(check_id("login"), region("eu"))];
    assert_eq!(lateness.at_most(0.99), Some(Duration::from_millis(5)));
    assert_eq!(lateness.0.iter().sum::<u64>(), 4);
}

pub(super) async fn old_accounts_are_forgotten(store: &(impl Store + Accounts)) {
    expect(store, &[every("login", 30), every("search", 30)], at(0)).await;
    let process = hub("one");
    come_round(store, &process, at(20)).await;
    expect(store, &[every("login", 30)], at(20)).await;
    store.forget_accounts(at(30)).await.expect("forgotten");
    assert_eq!(store.gaps(None, (at(0), at(100)), 10).await.expect("read"), []);
    let watches = store.watches(None, (at(0), at(100))).await.expect("read");
    assert_eq!(watches.len(), 1, "the one that goes on stays: {watches:#?}");
}

pub(super) async fn of_two_hubs_one_accounts_for_a_slot(store: &(impl Store + Accounts)) {
    expect(store, &[every("login", 30)], at(0)).await;
    vouch(store, &hub("one"), at(0)).await.expect("stored");
    // Both saw that nothing is accounted for. The one that stood still believes that all was missed.
    let missed = |first, last, slots| Gap {
        check: check_id("login"),
        region: region("eu"),
        first: at(first),
        last: at(last),
        slots,
        reason: GapReason::HubDown,
    };
    let account = async |gap: Option<Gap>, until_now, until| {
        let known = Known { until: until_now, ..store.known().await.expect("read") };
        store.account(gap.as_slice(), known, until).await.expect("answered")
    };
    let whole = Some(missed(1, 10, 10));
    assert_eq!(account(None, None, at(10)).await, Standing::Held);
    assert_eq!(account(whole.clone(), None, at(10)).await, Standing::Lost);
    assert_eq!(account(whole.clone(), Some(at(5)), at(12)).await, Standing::Lost);
    assert_eq!(store.gaps(None, (at(0), at(100)), 10).await.expect("read"), []);
    assert_eq!(store.accounted_until().await.expect("read"), Some(at(10)));
    let more = missed(11, 20, 10);
    assert_eq!(account(Some(more.clone()), Some(at(10)), at(20)).await, Standing::Held);
    assert_eq!(account(whole, Some(at(10)), at(20)).await, Standing::Lost);
    let gaps = store.gaps(None, (at(0), at(100)), 10).await.expect("read");
    assert_eq!(gaps, std::slice::from_ref(&more));
    // One that begins alike takes its place.
    let longer = missed(11, 25, 15);
    assert_eq!(account(Some(longer.clone()), Some(at(20)), at(25)).await, Standing::Held);
    let place = (check_id("login"), region("eu"));
    let latest = store.latest_gaps(std::slice::from_ref(&place)).await.expect("read");
    assert_eq!(latest, [(place, longer)].into());
    assert!(
        store.latest_gaps(&[(check_id("search"), region("eu"))]).await.expect("read").is_empty()
    );
}

pub(super) async fn a_slot_that_nobody_knows_of_is_found(store: &(impl Store + Accounts)) {
    expect(store, &[every("login", 30)], at(0)).await;
    let known = store.known().await.expect("read");
    assert_eq!(store.account(&[], known, at(10)).await.expect("stored"), Standing::Held);
    let found = audit(store, at(0)).await.expect("read");
    assert_eq!((found.expected, found.unaccounted.len()), (10, 10));
    let from = audit(store, at(4)).await.expect("read");
    assert_eq!(from.unaccounted.len(), 6, "what is older is not asked for");
}
