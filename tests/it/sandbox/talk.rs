//! What a script says and asks, and what becomes of it.

use tripline::domain::run::FailureKind;
use tripline::sandbox::Describer;
use tripline::sandbox::protocol::{Event, Level};

use super::{DEADLINE, Fake, LONG, kind, message, pool, run_body, source};

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_in_order() {
    let (pool, host) = (pool(), Fake::answering([b"hello".to_vec()]));
    let body = r#"
        console.log("begin");
        const text = await step("outer", () => step("inner", async () => {
            return await (await fetch("http://target.example/")).text();
        }));
        metric("length", text.length);
        console.warn(secret("PASSWORD").length);
    "#;
    let ran = run_body(&pool, body, LONG, &host).await;
    assert_eq!(ran.failure(), None);
    let log = |level, text: &str| Event::Log { level, text: text.to_owned() };
    let start = |name: &str, parent| Event::StepStarted { name: name.to_owned(), parent };
    let end = |step| Event::StepEnded { step, error: None };
    let expected = [
        log(Level::Info, "begin"),
        start("outer", None),
        start("inner", Some(0)),
        end(1),
        end(0),
        Event::Metric { name: "length".to_owned(), value: 5.0, tags: Vec::new() },
        log(Level::Warn, "6"),
    ];
    assert_eq!(host.events(), expected);
    assert_eq!(host.requests.lock().expect("no panic")[0].step, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_beyond_the_deadline_is_a_time_out_that_names_what_it_waited_for() {
    let (pool, host) = (pool(), Fake::default());
    let body = r#"await step("look", () => fetch("http://slow.example/"));"#;
    let ran = run_body(&pool, body, DEADLINE, &host).await;
    assert_eq!(kind(&ran), Some(FailureKind::Timeout), "{}", message(&ran));
    assert!(message(&ran).contains("http://slow.example/"), "{}", message(&ran));
    assert_eq!(ran.step, Some(0));
    assert_eq!(*host.abandoned.lock().expect("no panic"), 1, "the request goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_request_is_dropped() {
    let (pool, host) = (pool(), Fake::default());
    let body = r#"
        const control = new AbortController();
        const request = fetch("http://slow.example/", { signal: control.signal });
        setTimeout(() => control.abort(), 10);
        await request.catch(() => console.log("aborted"));
        await sleep(50);
        console.log("later");
    "#;
    let ran = run_body(&pool, body, LONG, &host).await;
    assert_eq!((ran.failure(), host.lines()), (None, vec!["aborted".into(), "later".into()]));
    assert_eq!(*host.abandoned.lock().expect("no panic"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_at_once_are_answered() {
    let pool = pool();
    let host = Fake::answering(std::iter::repeat_n(vec![b'x'; 1000], 200));
    let body = r"
        const all = Array.from({ length: 200 }, (_, n) => fetch(`http://target.example/${n}`));
        let length = 0;
        for (const answer of await Promise.all(all)) length += (await answer.text()).length;
        console.log(length);
    ";
    let ran = run_body(&pool, body, LONG, &host).await;
    assert_eq!((ran.failure(), host.lines()), (None, vec!["200000".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn full_pipes_both_ways_do_not_stop_the_conversation() {
    let pool = pool();
    let host = Fake::answering(std::iter::repeat_n(vec![b'y'; 3 << 20], 8));
    // While large answers wait to be read, the script writes large requests.
    let body = r#"
        const body = "z".repeat(1 << 20);
        const all = [];
        for (let n = 0; n < 8; n++) all.push(fetch("http://target.example/", { method: "POST", body }));
        let length = 0;
        for (const answer of await Promise.all(all)) length += (await answer.arrayBuffer()).byteLength;
        console.log(length);
    "#;
    let ran = run_body(&pool, body, LONG, &host).await;
    assert_eq!((ran.failure(), host.lines()), (None, vec![(8 * (3 << 20)).to_string()]));
    let sent = host.requests.lock().expect("no panic").iter().map(|r| r.body.len()).sum::<usize>();
    assert_eq!(sent, 8 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_read_in_a_child() {
    let pool = pool();
    let text = "export const options = { name: 'Sign in', every: '30s' };\n\
                export default async () => {};\n";
    let mut reader = Describer::new(&pool);
    let described = reader.describe(source(text)).await.expect("looked at").expect("valid");
    assert!(described.has_default_function && described.options.is_some());
    let error = reader.describe(source("export default {")).await.expect("looked at");
    assert!(error.is_err());
    let deep = format!("{}1{};", "(".repeat(50_000), ")".repeat(50_000));
    let failure = reader.describe(source(&deep)).await.expect_err("no engine parses this");
    assert_eq!(failure.kind, FailureKind::Limit, "{failure:?}");
    let failure = reader.describe(source("for (;;) {}")).await.expect_err("it never ends");
    assert_eq!(failure.kind, FailureKind::Limit, "{failure:?}");
    let described = reader.describe(source(text)).await.expect("looked at").expect("valid");
    assert!(described.has_default_function, "the next one has a fresh child");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_script_does_to_its_realm_is_not_seen_by_the_next() {
    let pool = pool();
    let mut reader = Describer::new(&pool);
    let spoil = "globalThis.spoilt = true; Object.prototype.name = 'spoilt'; \
                 Array.prototype.map = undefined; export const options = {};";
    reader.describe(source(spoil)).await.expect("looked at").expect("valid");
    let look = "export const options = { name: String([typeof spoilt, {}.name, typeof [].map]) };";
    let described = reader.describe(source(look)).await.expect("looked at").expect("valid");
    let options = format!("{:?}", described.options);
    assert!(options.contains("undefined,,function"), "{options}");
}
