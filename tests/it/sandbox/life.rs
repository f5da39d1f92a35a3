//! How children come and go.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tripline::domain::run::FailureKind;
use tripline::sandbox::protocol::Event;
use tripline::sandbox::{Options, Pool, run_in};

use super::{Fake, LONG, Watch, job, kind, message, options, pool, run_body, script, shell_script};

/// Waits until `true`, giving way to others.
async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("it comes true");
}

fn kill(process: u32) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).expect("an id");
    kill_process(pid, Signal::KILL).expect("it lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn children_are_ready_before_they_are_needed_and_replaced_when_used() {
    let pool = pool();
    until(|| pool.idle() == 2).await;
    let first = pool.lease().await.expect("a child");
    let second = pool.lease().await.expect("a child");
    assert_ne!(first.process_id(), second.process_id());
    until(|| pool.idle() == 2).await;
    let (first_ends, second_ends) = (Watch::of(first.process_id()), Watch::of(second.process_id()));
    drop(first);
    assert!(first_ends.ends(), "a lease was dropped");
    drop(pool);
    assert!(second_ends.ends(), "the pool was dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_is_never_exceeded_and_a_place_is_free_again_when_its_child_is_gone() {
    let pool = Pool::start(Options { most: 2, ..options() }).expect("a pool");
    let first = pool.lease().await.expect("a child");
    let _second = pool.lease().await.expect("a child");
    assert_eq!((pool.room(), pool.idle()), (0, 0));
    let mut third = std::pin::pin!(pool.lease());
    assert!(futures::poll!(third.as_mut()).is_pending());
    let gone = Watch::of(first.process_id());
    drop(first);
    third.await.expect("a child");
    assert!(gone.ends());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_child_that_died_is_not_handed_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("started");
    let lines =
        format!("echo $$ >>'{}'\nexec '{}' \"$@\"", list.display(), env!("CARGO_BIN_EXE_tripline"));
    let program = shell_script(&folder, &lines);
    let pool = Pool::start(Options { program, idle: 5, ..options() }).expect("a pool");
    let started = || -> Vec<u32> {
        let list = std::fs::read_to_string(&list).unwrap_or_default();
        list.lines().filter_map(|line| line.parse().ok()).collect()
    };
    until(|| pool.idle() == 5 && started().len() == 5).await;
    for id in started() {
        let watch = Watch::of(Some(id));
        kill(id);
        assert!(watch.ends());
    }
    let ran = run_body(&pool, "", LONG, &Fake::default()).await;
    assert_eq!(ran.failure(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_killed_from_outside_is_our_failure_and_keeps_what_it_said() {
    let pool = pool();
    let lease = pool.lease().await.expect("a child");
    let id = lease.process_id().expect("alive");
    let host = Fake::default();
    let job = job(&script("console.log('still here'); await sleep(1e6);"), LONG);
    let shoot = async {
        until(|| !host.events().is_empty()).await;
        kill(id);
    };
    let (ran, ()) = tokio::join!(run_in(lease, job, &host), shoot);
    assert_eq!(kind(&ran), Some(FailureKind::Crashed), "{}", message(&ran));
    assert_eq!(host.lines(), ["still here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_given_up_takes_its_child_along() {
    let pool = pool();
    let lease = pool.lease().await.expect("a child");
    let child = Watch::of(lease.process_id());
    let host = Fake::default();
    let job = job(&script("console.log('x'); for (;;) {}"), LONG);
    tokio::select! {
        ran = run_in(lease, job, &host) => panic!("it ended: {ran:?}"),
        () = until(|| !host.events().is_empty()) => {}
    }
    assert!(child.ends());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_run_sees_what_another_left_behind() {
    let pool = pool();
    let host = Fake::default();
    let spoil = "Object.prototype.spoilt = Array.prototype.spoilt = globalThis.spoilt = 1;\
                 Promise.prototype.then = null; console.log = null;";
    run_body(&pool, spoil, LONG, &host).await;
    let look = "console.log(typeof ({}).spoilt, typeof [].spoilt, typeof globalThis.spoilt);";
    let ran = run_body(&pool, look, LONG, &host).await;
    assert_eq!((ran.failure(), host.lines()), (None, vec!["undefined undefined undefined".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_at_once_all_end() {
    let pool = Pool::start(Options { most: 8, ..options() }).expect("a pool");
    let host = Fake::default();
    let body = "metric('n', 1); await sleep(20);";
    let runs = (0..40).map(|_| run_body(&pool, body, LONG, &host));
    let ran = futures::future::join_all(runs).await;
    assert!(ran.iter().all(|ran| ran.failure().is_none()));
    assert!(ran.iter().any(|ran| ran.queued > Duration::ZERO));
    let metrics = host.events().into_iter().filter(|e| matches!(e, Event::Metric { .. })).count();
    assert_eq!(metrics, 40);
}
