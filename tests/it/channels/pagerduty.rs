//! PagerDuty.

use tripline::domain::notice::NoticeKind;
use tripline::domain::policy::Recipient;
use tripline::domain::subject::Subject;
use tripline::notify::pagerduty::{Access, Pagerduty};

use super::{FAILING, LINK, SOON, notification, send, with_ring, words};
use crate::support::hook::{FakePagerduty, ROUTING_KEY};
use crate::support::provider::Answer;

fn service() -> Recipient {
    Recipient::Pagerduty("shop".into())
}

fn pagerduty(api_url: &str, routing_key: &str, severity: Option<&str>) -> Pagerduty {
    with_ring();
    let access = Access { api_url, routing_key, severity };
    Pagerduty::new([("shop", access)]).expect("a good address").within(SOON)
}

#[tokio::test]
async fn an_incident_is_one_alert_from_its_opening_to_its_end() {
    let fake = FakePagerduty::pagerduty().await;
    let pagerduty = pagerduty(&fake.origin(), ROUTING_KEY, None);
    let kinds =
        [FAILING, NoticeKind::Failing { tier: 2 }, NoticeKind::Acknowledged, NoticeKind::Recovered];
    for kind in kinds {
        let attempt = send(&pagerduty, &notification(service(), kind), None).await;
        assert_eq!(words(&attempt), ("accepted", "tripline/42/check:login".into()));
    }
    let events = fake.accepted();
    let actions: Vec<&str> = events.iter().filter_map(|it| it["event_action"].as_str()).collect();
    assert_eq!(actions, ["trigger", "trigger", "acknowledge", "resolve"]);
    assert!(events.iter().all(|it| it["dedup_key"] == "tripline/42/check:login"), "{events:#?}");
    assert_eq!(events[0]["payload"]["severity"], "warning");
    assert_eq!(events[1]["payload"]["severity"], "critical");
    assert_eq!(events[0]["payload"]["source"], "eu");
    assert_eq!(events[0]["client_url"], LINK);
    assert_eq!(events[0]["links"][1]["href"], "https://wiki.example.com/login?a=1&b=2");
    let summary = events[0]["payload"]["summary"].as_str().expect("a text");
    assert!(summary.starts_with("Failing: Sign in: expected 200"), "{summary}");
    assert_eq!(events[3].get("payload"), None);
    let worst = self::pagerduty(&fake.origin(), ROUTING_KEY, Some("critical"));
    send(&worst, &notification(service(), FAILING), None).await;
    assert_eq!(fake.accepted()[4]["payload"]["severity"], "critical");
}

#[tokio::test]
async fn a_rehearsal_leaves_nothing_open() {
    let fake = FakePagerduty::pagerduty().await;
    let pagerduty = pagerduty(&fake.origin(), ROUTING_KEY, Some("critical"));
    let now = "2026-11-21T02:14:10Z".parse().expect("a time");
    assert_eq!(pagerduty.rehearse("shop", "TEST", now).await.as_str(), "accepted");
    let events = fake.accepted();
    let actions: Vec<_> = events.iter().map(|it| &it["event_action"]).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert_eq!(events[0]["dedup_key"], events[1]["dedup_key"]);
    assert_eq!(events[0]["payload"]["severity"], "info");
}

#[tokio::test]
async fn a_drill_shows_that_the_key_is_taken_and_pages_nobody() {
    let fake = FakePagerduty::pagerduty().await;
    let pagerduty = pagerduty(&fake.origin(), ROUTING_KEY, Some("critical"));
    let mut drill = notification(service(), NoticeKind::Drill);
    drill.notice.subject = Subject::Drill;
    assert_eq!(send(&pagerduty, &drill, None).await.as_str(), "accepted");
    let events = fake.accepted();
    assert_eq!((events.len(), &events[0]["event_action"]), (1, &"resolve".into()));
    assert_eq!(events[0].get("payload"), None);
}

#[tokio::test]
async fn every_answer_has_its_consequence() {
    let fake = FakePagerduty::pagerduty().await;
    let pagerduty = pagerduty(&fake.origin(), ROUTING_KEY, None);
    let failing = notification(service(), FAILING);
    let table = [
        (Answer::Limited(3), "retry", "PagerDuty answered 429"),
        (Answer::Status(500), "retry", "PagerDuty answered 500"),
        (Answer::Status(403), "broken", "PagerDuty answered 403"),
        (Answer::Hang, "ambiguous", "timed out"),
    ];
    for (answer, outcome, reason) in table {
        fake.answer([answer]);
        let attempt = send(&pagerduty, &failing, None).await;
        assert_eq!(words(&attempt), (outcome, reason.into()), "{answer:?}");
    }
    let wrong = self::pagerduty(&fake.origin(), "hunter2", None);
    let attempt = send(&wrong, &failing, None).await;
    let reason = "PagerDuty answered 400: Event object is invalid, 'routing_key' is invalid";
    assert_eq!(words(&attempt), ("broken", reason.into()));
    let gone = self::pagerduty(&fake.origin(), "hunter2", None);
    drop(fake);
    let (outcome, reason) = words(&send(&gone, &failing, None).await);
    assert_eq!(outcome, "retry");
    assert!(!reason.contains("hunter2"), "{reason}");
}
