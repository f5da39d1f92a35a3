//! What people do with a message: they click on its buttons, or answer it by SMS.

use data_encoding::HEXLOWER;
use reqwest::StatusCode;
use ring::hmac;
use serde_json::json;
use tripline::domain::Timestamp;
use url::form_urlencoded::Serializer;

use crate::support::providers::{ANA, BO};
use crate::support::slack::channel_id;
use crate::support::tripline::{Daemon, Project};
use crate::support::twilio::{TOKEN, signature};

/// Where people reach the hub, as a line of `[hub]`.
pub(super) const URL: &str = "url = \"https://tripline.example.com\"\n";
const OUTSIDE: &str = "https://tripline.example.com";
const INBOUND: &str = "/api/v1/twilio/inbound";
const INTERACTIVITY: &str = "/api/v1/slack/interactivity";
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// The same project where clicks and answers come in.
pub(super) fn answering(project: Project) -> Project {
    project
        .with("[slack]\n", "[slack]\nsigning_secret = { env = \"SLACK_SIGNING_SECRET\" }\n")
        .with("[twilio]\n", &format!("[twilio]\ncallback_url = \"{OUTSIDE}\"\n"))
        .env("SLACK_SIGNING_SECRET", SECRET)
}

/// `who` clicks on a button of the message of an incident in #p1.
pub(super) async fn click(
    client: &reqwest::Client,
    daemon: &Daemon,
    now: Timestamp,
    (who, action, incident): (&str, &str, u32),
) {
    let payload = json!({
        "type": "block_actions",
        "user": {"id": "U1", "username": who},
        "channel": {"id": channel_id("#p1")},
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
        "actions": [{"action_id": action, "value": incident.to_string(), "action_ts": "1"}],
    });
    let body = Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let signed_at = now.timestamp();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let seal = hmac::sign(&key, format!("v0:{signed_at}:{body}").as_bytes());
    let request = client
        .post(format!("{}{INTERACTIVITY}", daemon.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-slack-request-timestamp", signed_at.to_string())
        .header("x-slack-signature", format!("v0={}", HEXLOWER.encode(seal.as_ref())))
        .body(body);
    let answer = request.send().await.expect("the daemon answers");
    assert_eq!(answer.status(), StatusCode::OK, "{action} of {incident}");
}

/// `from` sends an SMS; what is answered.
pub(super) async fn answer(
    client: &reqwest::Client,
    daemon: &Daemon,
    (from, text): (&str, &str),
) -> String {
    let number = if from == "ana" { ANA } else { BO };
    // Each message has a name of its own.
    let name = format!("SM{}", HEXLOWER.encode(format!("{from}{text}").as_bytes()));
    let fields =
        [("MessageSid", name.as_str()), ("From", number), ("To", "+15005550006"), ("Body", text)];
    let seal = signature(TOKEN, &format!("{OUTSIDE}{INBOUND}"), &fields);
    let request = client
        .post(format!("{}{INBOUND}", daemon.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", seal)
        .body(Serializer::new(String::new()).extend_pairs(fields).finish());
    let answer = request.send().await.expect("the daemon answers");
    assert_eq!(answer.status(), StatusCode::OK, "{from}: {text}");
    let body = answer.text().await.expect("a text");
    let said = body.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
    said.map_or_else(String::new, |(said, _)| said.to_owned())
}
