//! Control targets: what a failure means where nothing else is reached either.

use std::sync::Arc;
use std::time::Duration;

use tripline::agent::{Agent, Assignments};
use tripline::domain::check::Work;
use tripline::domain::run::{FailureKind, Outcome, Report};
use tripline::net::guard::Policy;
use tripline::net::{Dialer, Names};
use url::Url;

use super::{NoScripts, agent, check, get, secrets, slot};
use crate::support::port;
use crate::support::site::Site;

/// Where nobody listens.
fn nowhere() -> String {
    format!("http://127.0.0.1:{}/", port::free())
}

/// An agent that makes one request to `url`, with these control targets.
fn agent_of(policy: Policy, url: &str, control: &[&str]) -> Agent {
    let dialer = Dialer::new(policy).with_names(Names::Fixed([].into()));
    let agent = agent(dialer, Arc::new(NoScripts));
    let check = check(Work::Request(Box::new(get(url))), Duration::from_secs(5));
    let targets = control.iter().map(|text| Url::parse(text).expect("a URL")).collect();
    agent.assign(Arc::new(Assignments::new(vec![check], secrets()).with_control(targets)));
    agent
}

async fn run(url: &str, control: &[&str]) -> Report {
    agent_of(Policy::default(), url, control).run_now(slot(), None).await
}

fn ended(report: &Report) -> (Outcome, Option<FailureKind>) {
    (report.outcome(), report.failure.as_ref().map(|failure| failure.kind))
}

#[tokio::test]
async fn a_failure_counts_where_one_control_target_answers() {
    let site = Site::start().await;
    site.answer(503);
    let failed = (Outcome::Failed, Some(FailureKind::Network));
    let nowhere = nowhere();
    assert_eq!(ended(&run(&nowhere, &[]).await), failed);
    assert_eq!(ended(&run(&nowhere, &[&nowhere, &site.url()]).await), failed);
    assert_eq!(site.visits(), ["/"], "any status is an answer");
}

#[tokio::test]
async fn a_failure_where_none_answers_is_unknown_and_says_what_it_was() {
    let nowhere = nowhere();
    let report = run(&nowhere, &[&nowhere, "http://nowhere.invalid/"]).await;
    assert_eq!(ended(&report), (Outcome::Unknown, Some(FailureKind::CutOff)));
    let failure = report.failure.expect("it did not pass");
    let headline = failure.headline();
    let first = "region cut off: no control target answers (127.0.0.1: ";
    assert!(headline.starts_with(first), "{headline}");
    assert!(headline.contains("nowhere.invalid: "), "{headline}");
    assert!(headline.ends_with("so this failure says nothing about the target"), "{headline}");
    assert!(failure.message.contains("\nthe failure was: "), "{}", failure.message);
    let (_, was) = failure.message.split_once('\n').expect("two lines");
    assert!(was.contains("connection refused"), "{was}");
}

#[tokio::test]
async fn a_run_that_passes_asks_nobody_and_many_that_fail_ask_once() {
    let (site, control) = (Site::start().await, Site::start().await);
    let agent = agent_of(Policy::default(), &site.url(), &[&control.url()]);
    assert_eq!(agent.run_now(slot(), None).await.outcome(), Outcome::Passed);
    assert!(control.visits().is_empty());
    site.answer(500);
    for _ in 0..20 {
        assert_eq!(agent.run_now(slot(), None).await.outcome(), Outcome::Failed);
    }
    let (asked, failed) = (control.visits().len(), 20);
    assert!((1..failed / 2).contains(&asked), "{asked} questions for {failed} failures");
}

#[tokio::test]
async fn what_the_policy_forbids_is_not_asked_and_proves_nothing() {
    let site = Site::start().await;
    let agent = agent_of(Policy::strict(), "http://nowhere.invalid/", &[&site.url()]);
    let report = agent.run_now(slot(), None).await;
    assert_eq!(ended(&report), (Outcome::Failed, Some(FailureKind::Network)));
    assert!(site.visits().is_empty());
}
