//! Webhooks.

use serde_json::json;
use tripline::domain::notice::NoticeKind;
use tripline::domain::notification::Attempt;
use tripline::domain::policy::Recipient;
use tripline::notify::webhook::{Access, Webhooks};
use tripline::payload::Template;

use super::{FAILING, SOON, notification, send, with_ring, words};
use crate::support::hook::{FakeHook, Hooked, SECRET};
use crate::support::provider::Answer;
use crate::support::targets::verdicts;

const FORMER: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl1FpOZvEo";

fn chat() -> Recipient {
    Recipient::Webhook("chat".into())
}

fn webhooks(access: Access<'_>) -> Webhooks {
    with_ring();
    Webhooks::new([("chat", access)]).expect("a good webhook").within(SOON)
}

fn line(secret: &str, hooked: &Hooked) -> serde_json::Value {
    json!({ "secret": secret, "headers": hooked.headers, "body": hooked.body })
}

#[tokio::test]
async fn a_webhook_is_signed_so_that_the_library_of_the_specification_believes_it() {
    let fake = FakeHook::hook().await;
    let url = fake.origin() + "/hooks/1";
    let access = Access {
        url: &url,
        keys: &[SECRET, FORMER],
        headers: &[("x-team", "shop")],
        template: None,
    };
    let webhooks = webhooks(access);
    let failing = notification(chat(), FAILING);
    assert_eq!(words(&send(&webhooks, &failing, None).await), ("accepted", "204".into()));
    let sent = fake.accepted().remove(0);
    assert_eq!(sent.headers["x-team"], "shop");
    let mut forged = sent.clone();
    forged.body = forged.body.replace("42", "43");
    let asked = [line(SECRET, &sent), line(FORMER, &sent), line(SECRET, &forged)];
    let said = verdicts(&asked).await;
    assert_eq!(said, ["ok", "ok", "No matching signature found"]);

    let body = sent.json();
    assert_eq!(body["type"], "incident.opened");
    assert_eq!(body["timestamp"], "2026-11-21T02:14:10Z");
    let data = &body["data"];
    assert_eq!((&data["incident"], &data["subject"]), (&json!(42), &json!("check:login")));
    assert_eq!((&data["step"], &data["open"]), (&json!("sign in"), &json!(true)));
    assert_eq!(data["link"], super::LINK);
    let error = data["error"].as_str().expect("a text");
    assert!(!error.contains(['\r', '\n']), "{error}");
}

#[tokio::test]
async fn a_repeat_has_the_id_of_the_first_and_no_other_message_has() {
    let fake = FakeHook::hook().await;
    let url = fake.origin();
    let webhooks = webhooks(Access { url: &url, keys: &[SECRET], ..Access::default() });
    let failing = notification(chat(), FAILING);
    fake.answer([Answer::Cut]);
    assert_eq!(send(&webhooks, &failing, None).await.as_str(), "ambiguous");
    let mut again = failing.clone();
    again.possible_repeat = true;
    assert_eq!(send(&webhooks, &again, None).await.as_str(), "accepted");
    let mut other = notification(chat(), NoticeKind::Recovered);
    (other.id.0, other.first_word) = (8, false);
    assert_eq!(send(&webhooks, &other, None).await.as_str(), "accepted");
    let all: Vec<Hooked> = fake.arrivals().into_iter().filter_map(|it| it.message).collect();
    assert_eq!((all[0].id(), all[0].id() == all[2].id()), (all[1].id(), false));
    let marks: Vec<bool> =
        all.iter().map(|it| it.json()["data"]["possible_repeat"] == true).collect();
    assert_eq!(marks, [false, true, false]);
    assert_eq!(all[2].json()["type"], "incident.recovered");
    assert_eq!(all[2].json()["data"]["open"], false);
}

#[tokio::test]
async fn every_answer_has_its_consequence() {
    let fake = FakeHook::hook().await;
    let url = fake.origin() + "/secret-path";
    let webhooks = webhooks(Access { url: &url, ..Access::default() });
    let failing = notification(chat(), FAILING);
    let table = [
        (Answer::Status(400), "given_up", "the webhook answered 400"),
        (Answer::Status(401), "given_up", "credentials refused: the webhook answered 401"),
        (Answer::Status(403), "given_up", "credentials refused: the webhook answered 403"),
        (Answer::Status(404), "given_up", "nobody is there any more: the webhook answered 404"),
        (Answer::Status(410), "given_up", "nobody is there any more: the webhook answered 410"),
        (Answer::Status(408), "retry", "the webhook answered 408"),
        (Answer::Status(500), "retry", "the webhook answered 500"),
        (Answer::Redirect, "retry", "redirects are not followed: the webhook answered 302"),
        (Answer::Garbage, "accepted", "200"),
        (Answer::Flood, "accepted", "200"),
        (Answer::Hang, "ambiguous", "timed out"),
    ];
    for (answer, outcome, reason) in table {
        fake.answer([answer]);
        let attempt = send(&webhooks, &failing, None).await;
        assert_eq!(words(&attempt), (outcome, reason.into()), "{answer:?}");
    }
    fake.answer([Answer::Limited(7)]);
    let attempt = send(&webhooks, &failing, None).await;
    let Attempt::Retry { after, .. } = attempt else { panic!("{attempt:?}") };
    assert_eq!(after.map(|it| it.as_secs()), Some(7));
    assert!(fake.arrivals().iter().all(|it| it.message.is_some()), "nobody followed a redirect");

    let nobody = notification(Recipient::Webhook("gone".into()), FAILING);
    let reason = "there is no [webhook.gone] in tripline.toml any more";
    assert_eq!(words(&send(&webhooks, &nobody, None).await), ("given_up", reason.into()));
    drop(fake);
    let gone = self::webhooks(Access { url: &url, ..Access::default() });
    let (outcome, reason) = words(&send(&gone, &failing, None).await);
    assert_eq!(outcome, "retry", "{reason}");
    assert!(!reason.contains("secret-path"), "{reason}");
    assert!(!format!("{webhooks:?}").contains("secret-path"));
}

#[tokio::test]
async fn a_template_decides_what_is_sent_and_what_it_cannot_give_is_sent_in_our_form() {
    let fake = FakeHook::hook().await;
    let url = fake.origin();
    let text = r#"{"text": "{{ title }}", "share": "{{ 10 / (failures_in_a_row - 3) }}"}"#;
    let template = Template::parse(text).expect("a good template");
    let access = Access { url: &url, template: Some(&template), ..Access::default() };
    let webhooks = webhooks(access);
    let mut failing = notification(chat(), FAILING);
    assert_eq!(send(&webhooks, &failing, None).await.as_str(), "accepted");
    failing.notice.failures_in_a_row = 3;
    assert_eq!(send(&webhooks, &failing, None).await.as_str(), "accepted");
    let sent = fake.accepted();
    assert_eq!(sent[0].json(), json!({ "text": "Failing: Sign in", "share": -5.0 }));
    let plain = sent[1].json();
    assert_eq!(plain["type"], "incident.opened");
    let why = plain["data"]["template_error"].as_str().expect("a reason");
    assert!(why.starts_with("at `/share`: "), "{why}");
}
