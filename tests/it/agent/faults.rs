//! Requests that come to nothing through our own fault: no outage of the target.

use tripline::domain::run::{FailureKind, Outcome, Report};
use tripline::net::guard::Policy;
use tripline::net::{Dialer, Names, Proxy};
use url::Url;

use super::shop::Shop;
use super::{get, run_request_over, run_script, run_script_over};
use crate::support::forward::ForwardProxy;

fn over(proxy: &str) -> Dialer {
    let proxy = Proxy::at(&Url::parse(proxy).expect("a URL")).expect("a proxy");
    Dialer::new(Policy::default()).with_names(Names::Fixed([].into())).with_proxy(proxy)
}

/// A proxy that is not there.
fn gone() -> Dialer {
    over("http://127.0.0.1:1")
}

fn script(body: &str) -> String {
    format!(
        "import {{ expect }} from \"tripline\";\n\
         export const options = {{ every: \"30s\" }};\n\
         export default async function () {{\n{body}\n}}\n"
    )
}

fn told(report: &Report) -> (Outcome, Option<FailureKind>, &str) {
    let failure = report.failure.as_ref();
    let message = failure.map_or("passed", |failure| failure.message.as_str());
    (report.outcome(), failure.map(|failure| failure.kind), message)
}

const OURS: (Outcome, Option<FailureKind>) = (Outcome::Unknown, Some(FailureKind::Agent));

#[tokio::test]
async fn a_plain_request_that_the_proxy_does_not_take_is_unknown() {
    let report = run_request_over(gone(), get("https://shop.example/")).await;
    let (outcome, kind, message) = told(&report);
    assert_eq!((outcome, kind), OURS);
    assert_eq!(
        message,
        "the proxy 127.0.0.1:1 cannot be reached: connection refused by 127.0.0.1:1"
    );
    // One that wants credentials is one that we use wrongly; what it cannot reach is down.
    let proxy = ForwardProxy::start("ana:secret").await;
    let report = run_request_over(over(&proxy.url()), get("http://shop.example/")).await;
    let (outcome, kind, message) = told(&report);
    assert_eq!((outcome, kind), OURS);
    assert!(message.contains("407"), "{message}");
    let open = Proxy::at(&Url::parse(&proxy.url()).expect("a URL")).expect("a proxy");
    let open = over(&proxy.url()).with_proxy(open.with_credentials("ana:secret"));
    let report = run_request_over(open, get("https://nowhere.example/")).await;
    assert_eq!(told(&report).0, Outcome::Failed, "{report:#?}");
}

#[tokio::test]
async fn a_script_that_fails_for_a_fault_of_ours_is_unknown_even_if_it_catches_that() {
    let uncaught = script("await fetch(\"https://shop.example/\");");
    let report = run_script_over(gone(), &uncaught).await;
    let (outcome, kind, message) = told(&report);
    assert_eq!((outcome, kind), OURS);
    assert!(message.starts_with("TypeError: no answer to GET https://shop.example/"), "{message}");

    let caught = "let ok = false;
        try { ok = (await fetch(\"https://shop.example/\")).ok; } catch {}";
    let missed = script(&format!("{caught}\nexpect(ok).toBe(true);"));
    let report = run_script_over(gone(), &missed).await;
    let (outcome, kind, message) = told(&report);
    assert_eq!((outcome, kind), OURS);
    assert!(message.starts_with("the proxy 127.0.0.1:1 cannot be reached"), "{message}");
    assert!(message.contains("after that: "), "{message}");

    // The author said that it does not matter.
    let report = run_script_over(gone(), &script(caught)).await;
    assert_eq!(told(&report).0, Outcome::Passed);
}

#[tokio::test]
async fn what_the_target_itself_does_stays_its_failure() {
    let refused = script("await fetch(\"http://127.0.0.1:1/\");");
    let (outcome, kind) = (Outcome::Failed, Some(FailureKind::Network));
    let report = run_script(&refused).await;
    assert_eq!((told(&report).0, told(&report).1), (outcome, kind));
    // The proxy is not asked for this machine, so that request is none of its faults.
    let shop = Shop::open().await;
    let missed = script(&format!("expect(await fetch(\"{}\")).toBe(1);", shop.url("/none")));
    let report = run_script_over(gone(), &missed).await;
    assert_eq!(told(&report).0, Outcome::Failed);
}
