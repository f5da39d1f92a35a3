//! Signing in to Django's admin, and what is reported when that does not work.

use std::time::Duration;

use crate::support::proxy::{Fault, Proxy};
use crate::support::targets::{PASSWORD, USER, django};
use crate::support::tripline::{Project, Run, Tested};

/// A check that signs in to the admin at `url`.
fn sign_in(url: &str, secret: &str, timeout: &str) -> String {
    format!(
        r##"
import {{ expect, secret, step, visit }} from "tripline";

export const options = {{ name: "Sign in to the admin", every: "60s", timeout: "{timeout}" }};

export default async function () {{
  const login = await step("open the sign-in page", () => visit("{url}/admin/"));
  expect(login.status).toBe(200);
  expect(login.url).toBe("{url}/admin/login/?next=/admin/");
  const home = await step("sign in", () =>
    login.form("#login-form").submit({{ username: "{USER}", password: secret("{secret}") }}));
  await step("see the admin", () => {{
    expect(home.status).toBe(200);
    expect(home.text("title")).toContain("Site administration");
  }});
}}
"##
    )
}

/// A check that sends the form without its token.
fn forge(url: &str) -> String {
    format!(
        r#"
import {{ expect, secret, step }} from "tripline";

export const options = {{ every: "60s" }};

export default async function () {{
  const answer = await step("send the form without its token", () =>
    fetch("{url}/admin/login/", {{
      method: "POST",
      body: new URLSearchParams({{ username: "{USER}", password: secret("RIGHT") }}),
    }}));
  expect(answer.status).toBe(200);
}}
"#
    )
}

fn project() -> Project {
    Project::new()
        .toml("[secrets]\nRIGHT = { env = \"RIGHT\" }\nWRONG = { env = \"WRONG\" }")
        .env("RIGHT", PASSWORD)
        .env("WRONG", "not-the-password")
}

fn run<'a>(tested: &'a Tested, check: &str) -> &'a Run {
    let found = tested.runs.iter().find(|run| run.check == check);
    found.unwrap_or_else(|| panic!("no run of {check}: {tested:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_signs_in_to_the_admin_and_sees_when_it_is_not_let_in() {
    let admin = django().await;
    let url = admin.url();
    let tested = project()
        .script("right.js", &sign_in(&url, "RIGHT", "20s"))
        .script("wrong.js", &sign_in(&url, "WRONG", "20s"))
        .script("forged.js", &forge(&url))
        .test(&[])
        .await;

    let right = run(&tested, "right");
    assert_eq!(right.outcome, "passed", "{right:#?}");
    let steps: Vec<&str> = right.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(steps, ["open the sign-in page", "sign in", "see the admin"]);

    // Django answers a wrong password with status 200: only what is seen tells the difference.
    let wrong = run(&tested, "wrong");
    assert_eq!(wrong.outcome, "failed", "{wrong:#?}");
    let failure = wrong.failure();
    assert_eq!(failure.kind, "expectation");
    assert_eq!(failure.step.as_deref(), Some("see the admin"));
    assert!(failure.message.contains("Site administration"), "{failure:#?}");
    assert!(failure.message.contains("Log in"), "{failure:#?}");

    let forged = run(&tested, "forged");
    assert_eq!(
        (forged.outcome.as_str(), forged.failure().kind.as_str()),
        ("failed", "expectation")
    );
    assert!(forged.failure().message.contains("403"), "{:#?}", forged.failure());

    assert_eq!(tested.code, Some(4), "{tested:#?}");
    for secret in [PASSWORD, "not-the-password"] {
        assert!(!format!("{tested:?}").contains(secret), "a secret in the report: {tested:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_a_broken_and_a_stopped_application_are_told_apart() {
    let admin = django().await;
    let slow = Proxy::start(admin.address(), Fault::Delay(Duration::from_secs(30))).await;
    let broken = Proxy::start(admin.address(), Fault::CutAfter(40)).await;
    let tested = project()
        .script("slow.js", &sign_in(&slow.url(), "RIGHT", "2s"))
        .script("broken.js", &sign_in(&broken.url(), "RIGHT", "20s"))
        .test(&[])
        .await;
    let slow = run(&tested, "slow");
    assert_eq!((slow.outcome.as_str(), slow.failure().kind.as_str()), ("failed", "timeout"));
    assert!(slow.duration_ms < 10_000.0, "it ended long after its deadline: {slow:#?}");
    let broken = run(&tested, "broken");
    assert_eq!((broken.outcome.as_str(), broken.failure().kind.as_str()), ("failed", "network"));

    let url = admin.url();
    drop(admin);
    let gone = project().script("gone.js", &sign_in(&url, "RIGHT", "20s")).test_one().await;
    let failure = gone.failure();
    assert_eq!((gone.outcome.as_str(), failure.kind.as_str()), ("failed", "network"));
    assert!(failure.message.contains("connection refused"), "{failure:#?}");

    for run in [slow, broken, &gone] {
        assert_eq!(run.failure().step.as_deref(), Some("open the sign-in page"), "{run:#?}");
    }
}
