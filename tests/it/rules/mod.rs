//! Rules: from points to messages, over a real store, through restarts, late points and several hubs.

mod files;
mod looking_back;
mod stories;
mod world;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::TimeDelta;
use tripline::clock::Clock;
use tripline::domain::edition::{ABSENT, Origin, Rank};
use tripline::domain::id::IncidentId;
use tripline::domain::rule::Rule;
use tripline::domain::rule::state::Standing;
use tripline::engine::rules::CATCH_UP;
use tripline::engine::rules::replay::replay;
use tripline::engine::rules::snapshot::Snapshot;
use tripline::store::accounts::Expectation;
use tripline::store::postgres::PostgresStore;

use self::world::{World, at, rules};
use crate::support::postgres::Database;

const ERRORS: &str = r#"
[[rule]]
name = "errors"
expr = "rate(errors_total[2m]) * 60 > 10"
for = "2m"
every = "30s"
notify = ["slack:#p2"]
"#;

/// Errors of three hosts, of which two have too many for a while, in each of two hours.
fn errors(world: &World) {
    for (host, factor) in [("a", 1.0), ("b", 2.0), ("c", 0.0)] {
        world.count(&[("__name__", "errors_total"), ("host", host)], (-10, 200), |minute| {
            if (20..40).contains(&(minute % 60)) { 15.0 * factor } else { factor }
        });
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_changes_no_verdict() {
    let (whole, broken) = (World::new(ERRORS).await, World::new(ERRORS).await);
    errors(&whole);
    errors(&broken);
    let mut hub = whole.hub("one");
    whole.until(&mut hub, 150).await;
    // Started anew again and again, and away for most of an hour.
    for (start, minute) in [3, 21, 24, 80, 83, 110, 150].into_iter().enumerate() {
        let mut hub = broken.hub(&format!("start {start}"));
        broken.time.advance(Duration::from_secs(20));
        if minute == 80 {
            broken.time.set(at(76));
        }
        broken.until(&mut hub, minute).await;
    }
    let expected = [
        "rule:errors since 02:20:00 resolved",
        "rule:errors since 03:20:00 resolved",
        "rule:errors since 04:20:00 open",
    ];
    assert_eq!(whole.incidents().await, expected);
    assert_eq!(broken.incidents().await, expected);
    let (one, other) = (whole.store.rule_records().await, broken.store.rule_records().await);
    assert_eq!(one.expect("read").until, other.expect("read").until);
    assert_eq!(whole.taken(), broken.taken());
}

#[tokio::test]
async fn something_damaged_is_the_trouble_of_those_rules_that_need_it() {
    let more = r#"
        [[rule]]
        name = "orders"
        expr = "orders > 5"
        missing_after = "3m"
        notify = ["slack:#p2"]
        [[rule]]
        name = "always"
        expr = "vector(1) > 0"
        notify = ["slack:#p2"]
    "#;
    let world = World::new(&format!("{ERRORS}{more}")).await;
    errors(&world);
    world.count(&[("__name__", "orders")], (-10, 60), |_| 0.0);
    world.metrics.damage(Some("orders"));
    let mut hub = world.hub("one");
    world.until(&mut hub, 25).await;
    let incidents = world.incidents().await;
    for subject in ["rule:always", "rule:errors since 02:20:00", "unseen:orders"] {
        assert!(incidents.iter().any(|it| it.starts_with(subject)), "{incidents:?}");
    }
    assert_eq!(incidents.len(), 3, "{incidents:?}");
    let records = world.store.rule_records().await.expect("read");
    let snapshot = Snapshot::of(&world.rules.load(), &records);
    let said = snapshot.rules[1].state.error.as_deref().unwrap_or_default();
    assert!(said.starts_with("the store holds a chunk that cannot be read"), "{said}");
    world.metrics.damage(None);
    world.until(&mut hub, 26).await;
    let incidents = world.incidents().await;
    let over = |it: &String| it.starts_with("unseen:orders") && it.ends_with("resolved");
    assert!(incidents.iter().any(over), "{incidents:?}");
}

/// A counter whose points come so many seconds after their times; what the rule makes of it.
async fn with_points_late_by(seconds: i64) -> Vec<String> {
    let world = World::new(&format!("[rules]\nsettle = \"20s\"\n{ERRORS}")).await;
    let labels = [("__name__", "errors_total"), ("host", "a")];
    let mut hub = world.hub("one");
    for minute in 0..10 {
        world.time.set(at(minute) + TimeDelta::seconds(seconds));
        let total = 15.0 * f64::from(i32::try_from(minute).expect("small"));
        world.metrics.add(&labels, at(minute), total);
        world.catch_up(&mut hub).await;
        world.time.set(at(minute) + TimeDelta::seconds(25));
        world.catch_up(&mut hub).await;
    }
    world.until(&mut hub, 10).await;
    world.incidents().await
}

#[tokio::test]
async fn a_point_that_comes_late_counts_as_if_it_had_been_on_time() {
    let expected = ["rule:errors since 02:01:30 open"];
    for seconds in [0, 15, 19] {
        assert_eq!(with_points_late_by(seconds).await, expected, "{seconds} s late");
    }
}

#[tokio::test]
async fn of_several_hubs_each_time_is_passed_by_one() {
    let database = Database::with_store().await;
    let open = async || Arc::new(PostgresStore::open(database.url()).await.expect("opened"));
    let (first, second) = (open().await, open().await);
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::on(first.clone(), folder, ERRORS);
    errors(&world);
    let (mut one, mut other) = (world.hub("one"), world.hub_on(second.clone(), "other"));
    // Both hubs believe that it is their turn: one of the two passes each time.
    let mut alone = world.hub_on(second.clone(), "one");
    for _ in 0..60 {
        world.time.advance(Duration::from_secs(30));
        let now = world.time.now();
        let (a, b, c) = tokio::join!(one.tick(now), other.tick(now), alone.tick(now));
        for ticked in [a, b, c] {
            ticked.expect("evaluated");
        }
    }
    assert_eq!(world.incidents().await, ["rule:errors since 02:20:00 open"]);
    assert_eq!(world.taken(), ["opened rule:errors"]);
    // The first hub dies; the other goes on where it was when the lease has run out.
    drop((one, alone));
    world.time.advance(Duration::from_secs(20));
    world.until(&mut other, 60).await;
    assert_eq!(world.incidents().await, ["rule:errors since 02:20:00 resolved"]);
    assert_eq!(world.taken(), ["resolved rule:errors"]);
    drop((world, other));
    for store in [first, second] {
        tripline::store::Store::close(&*store).await;
    }
    database.discard().await;
}

/// A hub with an earlier edition of the project, which has no rule, beside those of `world`.
async fn beside_a_hub_that_is_behind(world: &World) {
    errors(world);
    let in_force = rules(ERRORS);
    let of = |rules: &[Arc<Rule>]| {
        Expectation::new(Vec::new(), at(0), Origin::Start, at(0)).with_rules(rules)
    };
    let all: Vec<_> = in_force.rules.iter().map(|it| Arc::clone(&it.rule)).collect();
    let (before, latest) = (of(&[]), of(&all));
    for said in [&before, &latest] {
        assert_eq!(world.store.expect(said, at(0)).await.expect("said"), Rank::Latest);
    }
    world.rules.store(Arc::new(in_force.of_edition(latest.edition.digest.clone())));
    let mut one = world.hub("one");
    world.until(&mut one, 30).await;
    let open = ["rule:errors since 02:20:00 open"];
    assert_eq!(world.incidents().await, open);
    // It is stopped, and another that has the latest edition is about to take its turn.
    let held = world.store.hold_edition(&latest.edition.digest, at(30)).await;
    assert_eq!(held.expect("said"), Rank::Latest);
    let mut behind = world.hub("behind");
    let nothing = rules("").of_edition(before.edition.digest.clone());
    behind.rules = Arc::new(ArcSwap::from_pointee(nothing));
    let mark = world.store.rule_records().await.expect("read").until;
    world.time.advance(Duration::from_secs(20));
    world.catch_up(&mut behind).await;
    assert_eq!(world.store.rule_records().await.expect("read").until, mark, "not its turn");
    // Nobody has it any more: the rules go on, and what is another's stays.
    world.until(&mut behind, 35).await;
    let records = world.store.rule_records().await.expect("read");
    assert!(records.until > mark && records.states.len() == 1, "{records:?}");
    assert_eq!(world.incidents().await, open);
    // For so long that this is the latest.
    let now = world.time.now() + ABSENT;
    let still = Expectation { since: now, ..before };
    assert_eq!(world.store.expect(&still, now).await.expect("said"), Rank::Latest);
    world.until(&mut behind, 37).await;
    assert_eq!(world.incidents().await, ["rule:errors since 02:20:00 resolved"]);
    assert!(world.store.rule_records().await.expect("read").states.is_empty());
}

#[tokio::test]
async fn a_hub_that_is_behind_ends_no_incident_of_a_rule() {
    beside_a_hub_that_is_behind(&World::new(ERRORS).await).await;
}

#[tokio::test]
async fn a_hub_that_is_behind_ends_no_incident_of_a_rule_in_postgres() {
    let database = Database::with_store().await;
    let store = Arc::new(PostgresStore::open(database.url()).await.expect("opened"));
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::on(store.clone(), folder, ERRORS);
    beside_a_hub_that_is_behind(&world).await;
    drop(world);
    tripline::store::Store::close(&*store).await;
    database.discard().await;
}

#[tokio::test]
async fn what_was_missed_for_too_long_is_passed_over() {
    let world = World::new(ERRORS).await;
    errors(&world);
    let mut hub = world.hub("one");
    world.until(&mut hub, 10).await;
    // No clock stands at a whole millisecond.
    world.time.set(at(110) + TimeDelta::seconds(20) + TimeDelta::nanoseconds(123_456_789));
    world.catch_up(&mut hub).await;
    assert!(at(110) - at(10) > CATCH_UP);
    // Of the two hours in which there were too many, the later one was looked at.
    assert_eq!(world.incidents().await, ["rule:errors since 03:20:00 resolved"]);
    // A clock that was set back keeps nothing waiting.
    world.time.set(at(30));
    world.time.advance(Duration::from_mins(1));
    world.until(&mut hub, 36).await;
    let until = world.store.rule_records().await.expect("read").until.expect("evaluated");
    assert!((at(34)..=at(36)).contains(&until), "{until}");
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_is_red_and_told() {
    let more = r#"
        [[rule]]
        name = "orders"
        expr = "orders > 5"
        missing_after = "3m"
        notify = ["slack:#p2"]
    "#;
    let world = World::new(&format!("{ERRORS}{more}")).await;
    errors(&world);
    world.count(&[("__name__", "orders")], (-10, 60), |_| 0.0);
    let mut hub = world.hub("one");
    world.until(&mut hub, 5).await;
    world.metrics.refuse(Some(("orders", "more than 200000 series")));
    world.until(&mut hub, 30).await;
    assert_eq!(
        world.incidents().await,
        ["unseen:orders since 02:05:00 open", "rule:errors since 02:20:00 open"],
        "the other rule is evaluated all the same"
    );
    let records = world.store.rule_records().await.expect("read");
    let snapshot = Snapshot::of(&world.rules.load(), &records);
    let orders = &snapshot.rules[1];
    assert_eq!(orders.state.standing, Standing::Failing);
    assert_eq!(orders.state.error.as_deref(), Some("more than 200000 series"));
    world.metrics.refuse(None);
    world.until(&mut hub, 32).await;
    assert_eq!(world.incidents().await[0], "unseen:orders since 02:05:00 resolved");
    let blind = world.store.incident(IncidentId(1)).await.expect("read").expect("it is there");
    assert_eq!(
        blind.record.incident.cause.error,
        "the rule cannot be evaluated since 02:05 UTC: more than 200000 series"
    );
    // Nothing was sent before the end, so one message says both.
    let told = world.told(2).await;
    let over = "Seen again: `orders`. Was blind 02:05:00-02:30:15 UTC (25 min), has recovered";
    assert!(told.iter().any(|text| text.starts_with(over)), "{told:#?}");
}

#[tokio::test]
async fn a_rule_that_is_taken_out_ends_its_incidents() {
    let world = World::new(ERRORS).await;
    errors(&world);
    let mut hub = world.hub("one");
    world.until(&mut hub, 30).await;
    assert_eq!(world.incidents().await, ["rule:errors since 02:20:00 open"]);
    world.rules.store(Arc::new(rules("")));
    world.until(&mut hub, 33).await;
    assert_eq!(world.incidents().await, ["rule:errors since 02:20:00 resolved"]);
    assert!(world.store.rule_records().await.expect("read").states.is_empty());
    let told = world.told(1).await;
    assert!(told[0].contains("Breached") || told[0].contains("No longer watched"), "{told:?}");
}

#[tokio::test]
async fn a_replay_says_what_the_daemon_would_have_said() {
    let world = World::new(ERRORS).await;
    errors(&world);
    let rules = world.rules.load_full();
    let replayed = replay(&*world.metrics, (&rules, &rules.rules[0]), (at(0), at(130))).await;
    let replayed = replayed.expect("evaluated");
    let times: Vec<String> = replayed
        .episodes
        .iter()
        .map(|it| {
            let [since, from, until] = [Some(it.since), Some(it.from), it.until]
                .map(|it| it.map_or("-".to_owned(), |it| it.format("%H:%M:%S").to_string()));
            format!("{since} {from}-{until} {}: {}", it.series, it.said)
        })
        .collect();
    assert_eq!(
        times,
        [
            "02:20:00 02:22:00-02:40:00 2: {host=\"a\"} 15; {host=\"b\"} 30",
            "03:20:00 03:22:00-03:40:00 2: {host=\"a\"} 15; {host=\"b\"} 30"
        ]
    );
    assert_eq!((replayed.moments.len(), replayed.bound), (260, Some(10.0)));
    assert_eq!(replayed.breached_for(), TimeDelta::minutes(36));
}
