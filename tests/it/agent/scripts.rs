//! Scripts in the sandbox, with the agent's network, cookies and secrets.

use tripline::domain::run::{FailureKind, Outcome};
use tripline::net::Budget;

use super::shop::Shop;
use super::{PASSWORD, run_script};

/// A script with `body` as its default function and `APP` as the shop.
fn script(shop: &Shop, body: &str) -> String {
    let app = shop.url("");
    format!(
        "import {{ expect, secret, step, totp, visit }} from \"tripline\";\n\
         const APP = \"{app}\";\n\
         export default async function () {{\n{body}\n}}\n"
    )
}

#[tokio::test]
async fn a_script_signs_in() {
    let shop = Shop::open().await;
    let body = r##"
  const page = await step("open the sign-in page", () => visit(`${APP}/login`));
  const home = await step("sign in", () => page.form("#login").submit({
    email: "ana@shop.example", password: secret("PASSWORD"), code: totp("SEED"),
  }));
  expect(home.status).toBe(200);
  expect(home.text("h1")).toContain("Welcome");
  console.log(`signed in with ${secret("PASSWORD")} and ${totp("SEED")}`);"##;
    let report = run_script(&script(&shop, body)).await;
    assert_eq!(report.outcome(), Outcome::Passed, "{report:#?}");
    let trace = &report.trace;
    let requests: Vec<_> =
        trace.requests.iter().map(|it| (it.method.as_str(), it.status, it.step)).collect();
    let expected =
        [("GET", Some(200), Some(0)), ("POST", Some(303), Some(1)), ("GET", Some(200), Some(1))];
    assert_eq!(requests, expected);
    assert!(trace.requests[0].timings.connect.is_some());
    assert!(trace.requests[1].timings.connect.is_none(), "the connection is kept");
    assert_eq!(trace.logs[0].text, "signed in with *** and ***");
    let starts: Vec<_> = trace.requests.iter().map(|request| request.start).collect();
    assert!(starts.is_sorted());
    let steps: Vec<_> = trace.steps.iter().map(|step| step.start).collect();
    assert!(steps[0] <= starts[0] && starts[0] <= steps[1] && steps[1] <= starts[1]);
    let agents: Vec<_> = shop.heard().iter().map(|it| it.2["user-agent"].clone()).collect();
    assert!(agents.iter().all(|agent| agent.as_bytes().starts_with(b"Tripline/")));
}

#[tokio::test]
async fn more_answers_than_fit_into_memory_at_once_all_arrive() {
    const EACH: usize = 3 << 20;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let large = axum::Router::new().fallback(|| async { vec![b'x'; EACH] });
    let server = tokio::spawn(async move { axum::serve(listener, large).await });
    // Twice what one run may have in memory, asked for at once.
    let count = 2 * Budget::OF_ONE / EACH;
    let body = format!(
        "let all = 0;
         await Promise.all(Array.from({{ length: {count} }}, async () => {{
           const body = await (await fetch(\"http://{address}/\")).arrayBuffer();
           all += body.byteLength;
         }}));
         expect(all).toBe({});",
        count * EACH
    );
    let shop = Shop::open().await;
    let report = run_script(&script(&shop, &body)).await;
    assert_eq!(report.outcome(), Outcome::Passed, "{:#?}", report.failure);
    assert_eq!(report.trace.requests.len(), count);
    server.abort();
}

#[tokio::test]
async fn a_failure_shows_everything_but_the_secret() {
    let shop = Shop::open().await;
    let body = r"
  await step('sign in', async () => {
    const response = await fetch(`${APP}/login`, {
      method: 'POST',
      body: new URLSearchParams({ password: secret('PASSWORD') }),
    });
    expect(await response.text()).toBe('Welcome');
  });";
    let report = run_script(&script(&shop, body)).await;
    let failure = report.failure.as_ref().expect("it failed");
    assert_eq!(failure.kind, FailureKind::Expectation);
    assert_eq!(failure.step.as_deref(), Some("sign in"));
    let received = &failure.comparison.as_ref().expect("compared").received;
    assert!(received.contains("wrong password: ***"), "{received}");
    let headline = failure.headline();
    assert!(headline.starts_with("expected 'Welcome', received '"), "{headline}");
    assert!(headline.contains("wrong password: ***"), "{headline}");
    assert!(!failure.account().contains("wrong password"), "{}", failure.account());
    let frame = failure.frame.as_deref().expect("the place is known");
    assert!(frame.contains("> 10 |     expect(await response.text())"), "{frame}");
    let all = format!("{report:?}");
    assert!(!all.contains(PASSWORD) && !all.contains("correct+horse"), "{all}");
}

#[tokio::test]
async fn the_network_fails_in_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let source =
        format!("export default async function () {{ await fetch('http://{address}/?t=1'); }}");
    let report = run_script(&source).await;
    let failure = report.failure.expect("it failed");
    assert_eq!(failure.kind, FailureKind::Network);
    assert!(failure.message.contains(&format!("connection refused by {address}")), "{failure:?}");
    let error = report.trace.requests[0].error.as_deref();
    assert_eq!(error, Some(format!("connection refused by {address}").as_str()));
    let source = "export default async function () { await fetch('http://169.254.169.254/'); }";
    let failure = run_script(source).await.failure.expect("it failed");
    assert!(failure.message.contains("is a metadata service"), "{failure:?}");
}

#[tokio::test]
async fn requests_that_outlive_the_script_are_cut_off() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    // The script ends at once; nobody answers its request.
    let source = format!(
        "export default async function () {{ fetch('http://{address}/'); throw new Error('no'); }}"
    );
    let report = run_script(&source).await;
    assert_eq!(report.failure.map(|failure| failure.kind), Some(FailureKind::Exception));
    if let Some(request) = report.trace.requests.first() {
        let error = request.error.as_deref().expect("it had no answer");
        assert!(error.starts_with("cut off"), "{error}");
    }
}

#[tokio::test]
async fn what_requests_carried_is_reported_of_runs_that_fail_without_what_is_secret() {
    let answer = async || {
        let headers =
            [("set-cookie", "sid=c00kie-value; Path=/"), ("content-type", "application/json")];
        (headers, r#"{"error":"down","accessToken":"eyJhbGci","echo":"correct horse/battery"}"#)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let place = format!("http://{}", listener.local_addr().expect("bound"));
    let router = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let script = |end: &str| {
        format!(
            "import {{ secret }} from 'tripline';\n\
             export default async function () {{\n\
               await fetch('{place}/', {{ method: 'POST', headers: {{ authorization: 'Bearer abcdef' }},\n\
                 body: new URLSearchParams({{ user: 'ana', password: 'other-word', note: secret('PASSWORD') }}) }});\n\
               await fetch('{place}/again');\n\
               {end}\n\
             }}\n"
        )
    };
    let passed = run_script(&script("")).await;
    assert!(passed.failure.is_none(), "{:?}", passed.failure);
    assert!(passed.trace.requests.iter().all(|it| it.exchange.is_none()), "{:?}", passed.trace);
    let failed = run_script(&script("throw new Error('no');")).await;
    let exchanges: Vec<_> =
        failed.trace.requests.iter().map(|it| it.exchange.as_deref().expect("kept")).collect();
    let said = format!("{exchanges:?}");
    for secret in ["c00kie", "abcdef", "eyJhbGci", "horse", "battery", "other-word"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    assert_eq!(exchanges[0].sent.body.as_deref(), Some("user=ana&password=***&note=***"));
    assert_eq!(exchanges[0].sent.header("authorization"), Some("Bearer ***"));
    assert_eq!(exchanges[1].sent.header("cookie"), Some("sid=***"), "of the jar");
    let received = exchanges[1].received.as_ref().expect("an answer");
    assert_eq!(
        received.body.as_deref(),
        Some(r#"{"error":"down","accessToken":"***","echo":"***"}"#)
    );
    assert_eq!(received.header("set-cookie"), Some("sid=***; Path=/"));
}
