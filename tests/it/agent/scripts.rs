//! Scripts in the sandbox, with the agent's network, cookies and secrets.

use tripline::domain::run::{FailureKind, Outcome};

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
