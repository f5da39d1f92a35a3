//! Scripts that abort, hang or flood an engine: each ends by its deadline, for the right reason,
//! and the next run knows nothing of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tripline::domain::run::FailureKind;
use tripline::sandbox::protocol::Event;
use tripline::sandbox::{Options, Pool, run};

use super::{DEADLINE, Fake, LONG, job, kind, message, options, pool, run_body};

fn hostile(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/hostile").join(name);
    fs::read_to_string(path).expect("a script of ours")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_script_ends_and_harms_nobody() {
    let pool = pool();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/hostile");
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder of ours")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 15);
    for name in names {
        let host = Fake::default();
        let ran = run_body(&pool, &hostile(&name), DEADLINE, &host).await;
        assert_ne!(kind(&ran), Some(FailureKind::Crashed), "{name}: {}", message(&ran));
        let said: usize = host.lines().iter().map(String::len).sum();
        assert!(said <= 256 << 10, "{name}: {said} bytes of console");
        let ran = run_body(&pool, "console.log('fine');", LONG, &Fake::default()).await;
        assert_eq!(ran.failure(), None, "after {name}");
    }
}

/// What the run comes to, in one line.
async fn fate(pool: &Pool, body: &str, timeout: Duration) -> String {
    let ran = run_body(pool, body, timeout, &Fake::default()).await;
    ran.failure().map_or_else(
        || "passed".to_owned(),
        |failure| format!("{}: {}", failure.kind.as_str(), failure.headline()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_told_which_limit_it_ran_into() {
    let pool = pool();
    let table = [
        ("for (;;) {}", "limit: the script was still computing at its deadline of 2 s"),
        ("[1, 2].sort(() => { for (;;) {} })", "limit: the script was still computing"),
        ("/^(a+)+$/.test('a'.repeat(60) + '!')", "limit: the script was still computing"),
        (
            "(function again() { Promise.resolve().then(again); })(); await new Promise(() => {});",
            "limit: the script was still computing",
        ),
        ("'x'.repeat(2 ** 29)", "limit: the script ran into the memory limit of 384 MiB"),
        (
            "let d = []; for (let i = 0; i < 1e5; i++) d = [d]; JSON.stringify(d)",
            "limit: the script ran into the stack limit",
        ),
    ];
    for (body, expected) in table {
        let timeout = if expected.contains("computing") { DEADLINE } else { LONG };
        let fate = fate(&pool, body, timeout).await;
        assert!(fate.starts_with(expected), "{body}: {fate}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processor_time_has_a_limit_of_its_own() {
    let pool = Pool::start(Options { processor_seconds: 1, ..options() }).expect("a pool");
    let fate = fate(&pool, "for (;;) {}", LONG).await;
    assert_eq!(fate, "limit: the script used more than 1 s of processor time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_lines_is_cut_short_and_counted() {
    let (pool, host) = (pool(), Fake::default());
    let ran = run_body(
        &pool,
        "for (let i = 0; i < 20000; i++) console.log('x'.repeat(100));",
        LONG,
        &host,
    )
    .await;
    assert_eq!(ran.failure(), None);
    let dropped = |event: &Event| matches!(event, Event::Dropped { .. });
    assert!(host.events().iter().any(dropped), "nothing says that lines are missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_the_kill_is_kept() {
    let (pool, host) = (pool(), Fake::default());
    let body =
        "await step('one', () => 1); console.log('two'); step('three', () => { for (;;) {} });";
    let ran = run_body(&pool, body, DEADLINE, &host).await;
    assert_eq!(kind(&ran), Some(FailureKind::Limit), "{}", message(&ran));
    assert_eq!((host.events().len(), ran.step), (4, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_engine_is_ours_and_says_where() {
    // The engine takes it for granted that a module with an await at its top level cannot throw
    // at once; a limit of the engine can.
    let text = "const again = () => again(); again(); await null; export default () => {};";
    let ran = run(&pool(), job(text, LONG), &Fake::default()).await;
    let failure = ran.failure().expect("it failed");
    assert_eq!(failure.kind, FailureKind::Crashed);
    let headline = failure.headline();
    assert!(headline.starts_with("engine error: panicked at "), "{headline}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shuffle_by_an_order_that_contradicts_itself_passes() {
    let body = "Array.from({ length: 2000 }, (_, n) => n).sort(() => Math.random() - 0.5);";
    assert_eq!(fate(&pool(), body, LONG).await, "passed");
}
