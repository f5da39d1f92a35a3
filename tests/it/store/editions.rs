//! Editions of the project: what is watched follows the latest, whichever hub starts with an earlier
//! one, and what is accounted for is never expected anew.

use tripline::domain::Timestamp;
use tripline::domain::coverage::GapReason;
use tripline::domain::edition::{ABSENT, Origin, Rank};
use tripline::domain::policy::Policy;
use tripline::domain::run::Outcome::{Failed, Passed};
use tripline::engine::accountant::{audit, count_hour, round, vouch};
use tripline::store::accounts::{Accounts, Expectation, Expected};
use tripline::store::{Ledger, Standing};

use super::accounts::{every, expect, hub, run, slots, slots_of};
use super::scene::{at, check_id, region, rules_with, seconds, tell};

fn read_by(before: &Expectation, expected: &[Expected], since: Timestamp) -> Expectation {
    let origin = Origin::Reload { before: before.edition.digest.clone() };
    Expectation::new(expected.to_vec(), since, origin, since)
}

fn started(expected: &[Expected], edited_at: Timestamp, since: Timestamp) -> Expectation {
    Expectation::new(expected.to_vec(), edited_at, Origin::Start, since)
}

/// The checks that are watched from `since` on.
async fn watched(store: &(impl Accounts + ?Sized), since: Timestamp) -> Vec<String> {
    let watches = store.watches(None, (since, since + seconds(1))).await.expect("read");
    watches.into_iter().map(|watch| watch.check.to_string()).collect()
}

pub(super) async fn a_hub_that_is_behind_changes_nothing(store: &dyn Ledger) {
    let say = async |said: &Expectation, now| store.expect(said, now).await.expect("answered");
    let (old, new) = ([every("search", 30)], [every("login", 30), every("search", 30)]);
    let before = started(&old, at(0), at(1));
    assert_eq!(say(&before, at(1)).await, Rank::Latest);
    let latest = read_by(&before, &new, at(10));
    assert_eq!(say(&latest, at(10)).await, Rank::Latest);
    // The check that is new fails, and another hub starts with what was before.
    tell(store, 11, &[Failed, Failed]).await;
    let behind = started(&old, at(0), at(20));
    assert_eq!(say(&behind, at(20)).await, Rank::Earlier);
    assert_eq!(watched(store, at(21)).await, ["login", "search"]);
    let rulebook = rules_with(Policy::built_in(None), &["search"]);
    let closed = async |edition: &Expectation| {
        let digest = &edition.edition.digest;
        let closed = store.close_absent(&rulebook, digest, at(21)).await.expect("answered");
        closed.map(|closed| closed.len())
    };
    assert_eq!(closed(&behind).await, None, "its incident is the others'");
    assert_eq!(
        store.hold_edition(&behind.edition.digest, at(22)).await.expect("said"),
        Rank::Earlier
    );
    assert_eq!(
        store.hold_edition(&latest.edition.digest, at(22)).await.expect("said"),
        Rank::Latest
    );
    // Nobody has the later one any more.
    let again = Expectation { since: at(22) + ABSENT, ..behind.clone() };
    assert_eq!(say(&again, at(22) + ABSENT - seconds(1)).await, Rank::Earlier);
    assert_eq!(say(&again, at(22) + ABSENT).await, Rank::Latest);
    assert_eq!(watched(store, at(23) + ABSENT).await, ["search"]);
    assert_eq!(closed(&latest).await, None);
    assert_eq!(closed(&behind).await, Some(1));
}

pub(super) async fn a_change_may_be_taken_back(store: &dyn Ledger) {
    let say = async |said: &Expectation, now| store.expect(said, now).await.expect("answered");
    let (old, new) = ([every("search", 30)], [every("login", 30), every("search", 30)]);
    let before = started(&old, at(0), at(1));
    assert_eq!(say(&before, at(1)).await, Rank::Latest);
    let latest = read_by(&before, &new, at(10));
    assert_eq!(say(&latest, at(10)).await, Rank::Latest);
    // By files that were written anew, or while a hub runs that has the latest.
    assert_eq!(say(&started(&old, at(12), at(13)), at(13)).await, Rank::Latest);
    assert_eq!(watched(store, at(14)).await, ["search"]);
    assert_eq!(say(&started(&new, at(14), at(15)), at(15)).await, Rank::Latest);
    let mut back = read_by(&latest, &old, at(16));
    back.edition.edited_at = at(0);
    assert_eq!(say(&back, at(16)).await, Rank::Latest);
    assert_eq!(watched(store, at(17)).await, ["search"]);
    // Both hubs: the second has it, too.
    assert_eq!(say(&back, at(18)).await, Rank::Latest);
    // One that still has what was taken back says so once more, and then that it has it still.
    assert_eq!(say(&latest, at(19)).await, Rank::Earlier);
    let mut still = latest.clone();
    (still.since, still.edition.origin) = (at(29), Origin::Behind);
    assert_eq!(say(&still, at(29)).await, Rank::Earlier);
    assert_eq!(watched(store, at(30)).await, ["search"]);
}

pub(super) async fn what_ended_meanwhile_is_not_accounted_for(store: &dyn Ledger) {
    expect(store, &[every("login", 30), every("search", 30)], at(0)).await;
    let known = store.known().await.expect("read");
    expect(store, &[every("login", 30)], at(20)).await;
    assert_eq!(store.account(&[], known, at(45)).await.expect("answered"), Standing::Lost);
    let known = store.known().await.expect("read");
    assert_eq!(store.account(&[], known, at(45)).await.expect("answered"), Standing::Held);
}

/// All slots up to `now` end as runs or in gaps.
async fn accounted(store: &dyn Ledger, now: Timestamp) -> u64 {
    let found = audit(store, at(0)).await.expect("read");
    assert!(found.unaccounted.is_empty(), "{found:?}");
    assert!(found.until >= Some(now), "{found:?}");
    found.expected
}

pub(super) async fn what_is_accounted_for_is_not_expected_anew(store: &dyn Ledger) {
    expect(store, &[every("login", 30)], at(0)).await;
    let process = hub("one");
    vouch(store, &process, at(0)).await.expect("stored");
    // A hub reads the project, and stands still before it says so.
    let before = started(&[every("login", 30)], at(0), at(0));
    let queued = read_by(&before, &[every("login", 30), every("search", 30)], at(10));
    vouch(store, &process, at(40)).await.expect("stored");
    round(store, at(40), seconds(60)).await.expect("accounted");
    let known = store.known().await.expect("read");
    assert_eq!(known.until, Some(at(38)));
    assert_eq!(store.expect(&queued, at(40)).await.expect("stored"), Rank::Latest);
    let first = slots_of(store, "search", (at(0), at(50))).await;
    assert!(first.first() > Some(&at(38)), "{first:?}");
    // Whoever looked at what is expected before accounts for nothing by that.
    assert_eq!(store.account(&[], known, at(45)).await.expect("answered"), Standing::Lost);
    vouch(store, &process, at(60)).await.expect("stored");
    round(store, at(60), seconds(60)).await.expect("accounted");
    assert_eq!(accounted(store, at(58)).await, 58 + 20);
}

pub(super) async fn what_was_accounted_for_ahead_of_time_is_taken_back(store: &dyn Ledger) {
    expect(store, &[every("login", 30)], at(0)).await;
    let process = hub("one");
    let come_round = async |now| {
        vouch(store, &process, now).await.expect("stored");
        round(store, now, seconds(60)).await.expect("accounted");
        while count_hour(store).await.expect("counted").is_some() {}
    };
    vouch(store, &process, at(0)).await.expect("stored");
    run(store, &slots(store, at(0), at(10)).await, Passed).await;
    // The clock jumps ahead by three hours, and all that is not run yet is missed.
    come_round(at(370)).await;
    assert!(store.tallied().await.expect("read").is_some_and(|(_, until)| until > at(10)));
    // It is set right, and then somebody edits the project.
    expect(store, &[every("login", 30), every("search", 30)], at(12)).await;
    assert_eq!(store.accounted_until().await.expect("read"), Some(at(12)));
    let gaps = store.gaps(None, (at(0), at(1000)), 10).await.expect("read");
    assert!(gaps.iter().all(|gap| gap.last <= at(12) && gap.slots <= 2), "{gaps:?}");
    let place = (check_id("search"), region("eu"));
    run(store, &slots(store, at(12), at(130)).await, Passed).await;
    come_round(at(400)).await;
    assert_eq!(accounted(store, at(398)).await, 398 + 386);
    let told = audit(store, at(0)).await.expect("read").missed;
    assert!(told.get(&GapReason::Stalled) > Some(&0) || told.get(&GapReason::HubDown) > Some(&0));
    // The hours are counted again, with what is expected now.
    let hours = store.tallied_hours(None, (at(0), at(360))).await.expect("read");
    assert_eq!(hours[&place].expected, 348, "{hours:?}");
    let login = hours[&(check_id("login"), region("eu"))];
    assert_eq!((login.expected, login.passed), (360, 128), "{hours:?}");
}
