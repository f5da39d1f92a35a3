//! Errands: each leg is given away once, ends once, and is told of once.

use std::collections::BTreeSet;
use std::time::Duration;

use tripline::domain::Timestamp;
use tripline::domain::errand::{Errand, ErrandId, Stage};
use tripline::domain::id::IncidentId;
use tripline::domain::output::{Line, Numbered, What};
use tripline::domain::restraint::{Actor, Via};
use tripline::domain::run::Outcome::{Failed, Passed};
use tripline::domain::run::{LogLevel, LogLine};
use tripline::store::errands::{Asked, Bounds, Hand, NewErrand};
use tripline::store::{Ledger, RunFilter, Standing};
use uuid::Uuid;

use super::scene::{at, check_id, region, report, seconds};

const GENEROUS: Bounds =
    Bounds { since: Timestamp::UNIX_EPOCH, of_check: u32::MAX, of_all: u32::MAX };

fn wanted(number: u128, check: &str, regions: &[&str], now: Timestamp) -> NewErrand {
    NewErrand {
        id: ErrandId(Uuid::from_u128(number)),
        check: check_id(check),
        regions: regions.iter().map(|name| region(name)).collect(),
        incident: Some(IncidentId(7)),
        by: Actor { name: "Ana".into(), via: Via::Slack },
        until: now + seconds(30),
    }
}

async fn ask(store: &dyn Ledger, wanted: &NewErrand, now: Timestamp) -> Errand {
    match store.ask(wanted, GENEROUS, now).await.expect("stored") {
        Asked::Granted(errand) => errand,
        other => panic!("{other:?}"),
    }
}

async fn stages(store: &dyn Ledger, errand: &Errand) -> Vec<&'static str> {
    let errand = store.errand(errand.id).await.expect("read").expect("it is there");
    errand.legs.iter().map(|leg| leg.stage.as_str()).collect()
}

pub(super) async fn a_leg_is_given_away_once_and_ends_once(store: &dyn Ledger) {
    let errand = ask(store, &wanted(1, "login", &["us", "eu"], at(1)), at(1)).await;
    assert_eq!(store.errand(errand.id).await.expect("read").as_ref(), Some(&errand));
    assert_eq!(store.untold().await.expect("read"), std::slice::from_ref(&errand));
    let (eu, us) = (region("eu"), region("us"));
    let hand = |region, agent| Hand { errand: errand.id, region, agent };
    let take = async |hand, now| store.take(hand, at(9), now).await.expect("stored");
    assert!(take(hand(&eu, "one"), at(1)).await);
    assert!(!take(hand(&eu, "two"), at(1)).await, "it is somebody's");
    assert!(!take(hand(&eu, "one"), at(1)).await, "and is handed over once");
    assert_eq!(stages(store, &errand).await, ["taken", "asked"]);

    let mut failed = report("login", "eu", 1, Failed);
    failed.trace.logs.push(LogLine {
        at: Duration::from_millis(3),
        level: LogLevel::Info,
        text: "hello\u{0}".into(),
    });
    let bring = async |hand, report| store.bring(hand, report).await.expect("stored");
    assert_eq!(bring(hand(&eu, "two"), &failed).await, Standing::Lost);
    assert_eq!(bring(hand(&us, "one"), &failed).await, Standing::Lost, "nobody took it");
    assert_eq!(bring(hand(&eu, "one"), &failed).await, Standing::Held);
    assert_eq!(bring(hand(&eu, "one"), &failed).await, Standing::Held, "the answer was lost");
    let seen = store.errand(errand.id).await.expect("read").expect("it is there");
    let Stage::Ended(ended) = &seen.legs[0].stage else { panic!("{seen:?}") };
    assert_eq!((ended.outcome, ended.agent.as_str()), (Failed, "one"));
    assert_eq!(ended.duration, failed.duration);
    let whole = store.errand_run(errand.legs[0].run).await.expect("read").expect("it ended");
    assert_eq!(whole.trace.logs.len(), 1);
    assert_eq!((whole.failure, whole.slot.at), (failed.failure, at(1)));
    assert_eq!(store.errand_run(errand.legs[1].run).await.expect("read"), None);
    // It is no run of a slot.
    assert!(store.run(errand.legs[0].run).await.expect("read").is_none());
    let all = RunFilter { limit: 9, ..RunFilter::default() };
    assert!(store.runs(&all).await.expect("read").is_empty());
    assert!(store.states_of(&[check_id("login")]).await.expect("read").is_empty());
}

pub(super) async fn what_nobody_takes_or_brings_is_given_up(store: &dyn Ledger) {
    let errand = ask(store, &wanted(1, "login", &["eu", "us"], at(1)), at(1)).await;
    let (eu, us) = (region("eu"), region("us"));
    let hand = |region| Hand { errand: errand.id, region, agent: "one" };
    assert!(store.take(hand(&eu), at(3), at(1)).await.expect("stored"));
    assert_eq!(store.give_up(at(1)).await.expect("stored"), 0);
    assert!(!store.take(hand(&us), at(3), at(2)).await.expect("stored"), "its time is over");
    assert_eq!(store.give_up(at(2)).await.expect("stored"), 1);
    assert_eq!(stages(store, &errand).await, ["taken", "untaken"]);
    assert_eq!(store.give_up(at(3)).await.expect("stored"), 1);
    assert_eq!(stages(store, &errand).await, ["lost", "untaken"]);
    let late = report("login", "eu", 1, Passed);
    assert_eq!(store.bring(hand(&eu), &late).await.expect("stored"), Standing::Lost);
    assert_eq!(stages(store, &errand).await, ["lost", "untaken"], "it was said to be lost");
}

pub(super) async fn a_check_is_run_by_hand_once_at_a_time_and_not_too_often(store: &dyn Ledger) {
    let first = ask(store, &wanted(1, "login", &["eu"], at(1)), at(1)).await;
    let again = wanted(2, "login", &["us", "eu"], at(1));
    let asked = store.ask(&again, GENEROUS, at(1)).await.expect("stored");
    assert_eq!(asked, Asked::Going(region("eu")));
    assert_eq!(store.errand(again.id).await.expect("read"), None, "nothing is left of it");
    ask(store, &wanted(3, "login", &["us"], at(1)), at(1)).await;
    ask(store, &wanted(4, "search", &["eu"], at(2)), at(2)).await;
    store.give_up(at(2)).await.expect("stored");
    let bounded = async |number, check, of_check, of_all| {
        let bounds = Bounds { since: at(0), of_check, of_all };
        let wanted = wanted(number, check, &["eu"], at(3));
        store.ask(&wanted, bounds, at(3)).await.expect("stored")
    };
    assert_eq!(bounded(5, "login", 2, 9).await, Asked::TooManyOfCheck);
    assert_eq!(bounded(5, "login", 9, 3).await, Asked::TooManyOfAll);
    assert!(matches!(bounded(5, "login", 3, 4).await, Asked::Granted(_)));
    // However many ask at once, no more are granted than may be.
    let checks: Vec<(u128, String)> = (20..36).map(|it| (it, format!("cart-{it}"))).collect();
    let asked = checks.iter().map(|(number, check)| bounded(*number, check, 9, 6));
    let asked = futures::future::join_all(asked).await;
    let granted = asked.iter().filter(|it| matches!(it, Asked::Granted(_))).count();
    assert_eq!(granted, 2, "{asked:?}");
    let listed = store.errands_of(&check_id("login"), 2).await.expect("read");
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert_eq!(listed[0].id, ErrandId(Uuid::from_u128(5)), "the last asked for first");
    let all = store.errands_of(&check_id("login"), 9).await.expect("read");
    let ids: BTreeSet<ErrandId> = all.iter().map(|it| it.id).collect();
    assert!(ids.len() == 3 && ids.contains(&first.id));
}

pub(super) async fn an_errand_is_kept_until_it_is_told_and_old(store: &dyn Ledger) {
    let errand = ask(store, &wanted(1, "login", &["eu"], at(1)), at(1)).await;
    ask(store, &wanted(2, "search", &["eu"], at(5)), at(5)).await;
    assert_eq!(store.forget_errands(at(3)).await.expect("stored"), 0, "it was not told");
    store.note_told(errand.id, at(2)).await.expect("stored");
    store.note_told(errand.id, at(3)).await.expect("stored");
    let told = store.errand(errand.id).await.expect("read").expect("it is there");
    assert_eq!(told.told_at, Some(at(2)));
    let untold = store.untold().await.expect("read");
    assert_eq!(untold.iter().map(|it| it.check.as_str()).collect::<Vec<_>>(), ["search"]);
    assert_eq!(store.forget_errands(at(3)).await.expect("stored"), 1);
    assert_eq!(store.errand(errand.id).await.expect("read"), None);
    assert_eq!(store.untold().await.expect("read").len(), 1);
}

fn line(number: u32, what: What) -> Numbered {
    Numbered { number, line: Line { at: Duration::from_micros(1_234), what } }
}

pub(super) async fn the_output_of_a_run_is_kept_while_it_is_somebodys(store: &dyn Ledger) {
    let errand = ask(store, &wanted(1, "login", &["eu"], at(1)), at(1)).await;
    let (eu, run) = (region("eu"), errand.legs[0].run);
    let hand = |agent| Hand { errand: errand.id, region: &eu, agent };
    let tell =
        async |agent, lines: &[Numbered]| store.tell(hand(agent), lines).await.expect("stored");
    let took = Duration::from_millis(3);
    let lines = [
        line(0, What::Began { step: "sign in\u{0}".into() }),
        line(1, What::Ended { step: "sign in".into(), took, error: Some("no".into()) }),
        line(2, What::Sent { request: "GET https://shop.example/".into() }),
        line(3, What::Answered { request: "GET /".into(), took, answer: Ok(200) }),
        line(5, What::Answered { request: "GET /".into(), took, answer: Err("reset".into()) }),
        line(6, What::Logged { level: LogLevel::Warn, text: "\u{1f600}".into() }),
        line(7, What::Left),
    ];
    assert_eq!(tell("one", &lines).await, Standing::Lost, "nobody took it");
    assert!(store.take(hand("one"), at(9), at(1)).await.expect("stored"));
    assert_eq!(tell("two", &lines).await, Standing::Lost, "it is another's");
    assert_eq!(tell("one", &lines[..4]).await, Standing::Held);
    assert_eq!(tell("one", &lines[2..]).await, Standing::Held);
    let again = line(0, What::Left);
    assert_eq!(tell("one", &[again]).await, Standing::Held);
    let output = async |from, limit| store.output(run, from, limit).await.expect("read");
    assert_eq!(output(0, 99).await, lines, "a line stays as it was told first");
    assert_eq!(output(4, 2).await, lines[4..6]);
    let report = report("login", "eu", 1, Passed);
    assert_eq!(store.bring(hand("one"), &report).await.expect("stored"), Standing::Held);
    assert_eq!(tell("one", &[line(8, What::Left)]).await, Standing::Lost, "it is over");
    assert_eq!(store.forget_output(at(1)).await.expect("stored"), 0);
    assert_eq!(store.forget_output(at(2)).await.expect("stored"), 7);
    assert_eq!(output(0, 99).await, []);
    assert!(store.errand_run(run).await.expect("read").is_some(), "what came of it stays");
}
