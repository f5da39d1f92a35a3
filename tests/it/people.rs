//! After a message to a person left, by the real binary: what they answer, how it fares, and who is told
//! instead.

use std::time::Duration;

use crate::support::provider::Answer;
use crate::support::providers::{ANA, BO, Providers};
use crate::support::site::Site;
use crate::support::slack::{SlackPost, channel_id};
use crate::support::told::notifications;
use crate::support::tripline::{Daemon, Project};
use crate::support::twilio::{TOKEN, signature};
use crate::support::wait::{throughout, until, until_true};

/// How long something may take that takes a second or two on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where Twilio is told to reach the hub.
const OUTSIDE: &str = "https://hooks.example.com/trip";
const INBOUND: &str = "/api/v1/twilio/inbound";
const FALLBACK: &str = "fallback = [\"slack:#ops\"]";
const STATUS: &str = "/api/v1/twilio/status";

/// Watches `site` every second; a failure is told to ana by SMS, and bo is her team.
fn project(site: &Site, providers: &Providers, more_tiers: &str) -> Project {
    let check = format!(
        "[[check]]\nname = \"shop\"\nurl = \"{}\"\nevery = \"1s\"\npolicy = \"page\"\n\n\
         [[policy]]\nname = \"page\"\n\n[[policy.tier]]\nwhen = {{ failures_in_a_row = 1 }}\n\
         notify = [\"sms:ana\"]\n{more_tiers}",
        site.url()
    );
    providers.told_by(Project::new()).toml(&check)
}

/// The same where Twilio reaches the hub.
fn reached(mut project: Project) -> Project {
    let from = "from = \"+15005550006\"";
    project.change(from, &format!("{from}\ncallback_url = \"{OUTSIDE}\""));
    project
}

/// Brings what Twilio brings; the status and the body of the answer.
async fn bring(daemon: &Daemon, path: &str, fields: &[(&str, &str)], token: &str) -> (u16, String) {
    let seal = signature(token, &format!("{OUTSIDE}{path}"), fields);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = crate::support::http::client()
        .post(format!("{}{path}", daemon.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", seal)
        .body(body);
    let answer = request.send().await.expect("the daemon answers");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

async fn answer(daemon: &Daemon, from: &str, message: &str, text: &str) -> String {
    let fields = [("MessageSid", message), ("From", from), ("To", "+15005550006"), ("Body", text)];
    let (status, body) = bring(daemon, INBOUND, &fields, TOKEN).await;
    assert_eq!(status, 200, "{body}");
    let said = body.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
    said.map_or_else(String::new, |(said, _)| said.to_owned())
}

/// Tells how the first message to a number fares.
async fn tell(daemon: &Daemon, providers: &Providers, to: &str, status: &str) {
    let taken = providers.twilio.taken(to).remove(0);
    assert_eq!(taken.callback.as_deref(), Some(format!("{OUTSIDE}{STATUS}").as_str()));
    let fields = [
        ("MessageSid", taken.sid.as_str()),
        ("MessageStatus", status),
        ("ErrorCode", "30003"),
        ("To", to),
    ];
    let (code, body) = bring(daemon, STATUS, &fields, TOKEN).await;
    assert_eq!(code, 204, "{body}");
}

/// All that was owed: who, what and how it stands.
async fn owed(daemon: &Daemon) -> Vec<String> {
    let all = notifications(daemon).await;
    let line = |it: &crate::support::tripline::Notification| {
        let to = format!("{}:{}", it.recipient.channel, it.recipient.address);
        format!("{to} {} {}", it.notice.kind, it.state)
    };
    all.iter().map(line).collect()
}

async fn acknowledged(daemon: &Daemon) -> serde_json::Value {
    let incident: serde_json::Value = daemon.ask("/api/v1/incidents/1").await;
    assert!(incident["incident"]["id"].is_number(), "{incident}");
    incident["incident"]["acknowledged"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_by_sms_keeps_the_next_tier_asleep() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let second =
        "\n[[policy.tier]]\nwhen = { unacknowledged_for = \"20s\" }\nnotify = [\"sms:bo\"]\n";
    let daemon = reached(project(&site, &providers, second)).up().await;
    let said = answer(&daemon, ANA, "SM0a", "ack").await;
    assert_eq!(said, "No incident of which you were told is open.");
    site.answer(500);
    until_true("ana is told", PATIENCE, async || providers.arrived(ANA).len() == 1).await;
    let text = &providers.arrived(ANA)[0].text;
    assert!(text.contains(" Reply ACK 1."), "{text}");

    let forged = [("MessageSid", "SM1a"), ("From", ANA), ("Body", "ACK 1")];
    for token in ["", "another token"] {
        let (status, body) = bring(&daemon, INBOUND, &forged, token).await;
        assert_eq!(status, 403, "{body}");
    }
    let lost = [("MessageSid", "SM00000000000000000000000000000001"), ("MessageStatus", "failed")];
    assert_eq!(bring(&daemon, STATUS, &lost, "another token").await.0, 403);
    assert!(acknowledged(&daemon).await.is_null(), "nothing was stored");

    assert_eq!(answer(&daemon, "+15551234567", "SM1b", "ACK 1").await, "", "a stranger");
    let help = answer(&daemon, ANA, "SM1c", "HELP").await;
    assert!(help.starts_with("Answer ACK 1 to take care of incident 1"), "{help}");
    assert!(help.ends_with("Open: 1 shop."), "{help}");
    let strange = answer(&daemon, ANA, "SM1d", "I am on it").await;
    assert!(strange.starts_with("That was not understood. Answer ACK 1"), "{strange}");
    assert_eq!(answer(&daemon, ANA, "SM1e", "ack 99").await, "There is no incident 99.");
    assert!(acknowledged(&daemon).await.is_null(), "nobody took it yet");

    let said = answer(&daemon, ANA, "SM1f", "ack").await;
    assert!(said.starts_with("You take care of incident 1 (shop) until "), "{said}");
    let by = acknowledged(&daemon).await;
    assert_eq!((by["by"].as_str(), by["via"].as_str()), (Some("ana"), Some("sms")));
    let back = format!("{}/api/v1/incidents/1/unacknowledge", daemon.url());
    let by = serde_json::json!({"by": "ana"});
    let back = crate::support::http::client().post(back).json(&by).send().await;
    assert!(back.expect("the daemon answers").status().is_success());
    let nobody = async || acknowledged(&daemon).await.is_null();
    until_true("nobody takes care of it", PATIENCE, nobody).await;
    until_true("ana is told again", PATIENCE, async || providers.arrived(ANA).len() == 2).await;
    assert_eq!(answer(&daemon, ANA, "SM1f", "ack").await, "That was done already.");
    assert!(nobody().await, "what came before is not done again");
    let said = answer(&daemon, ANA, "SM1g", "Ack#1").await;
    assert!(said.starts_with("You take care of incident 1 (shop)"), "{said}");

    let asleep = async || providers.arrived(BO).is_empty();
    throughout("bo sleeps", Duration::from_secs(25), asleep).await;
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_delivered_goes_to_the_next_way_and_then_to_the_next_person_once() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let mut project = reached(project(&site, &providers, ""));
    project.change("[people.ana]", "[people.ana]\nslack = \"UANA12345\"");
    let daemon = project.up().await;
    site.answer(500);
    until_true("ana is told", PATIENCE, async || providers.arrived(ANA).len() == 1).await;
    tell(&daemon, &providers, ANA, "sent").await;
    providers.slack.answer([Answer::Named(200, "channel_not_found")]);
    tell(&daemon, &providers, ANA, "undelivered").await;
    tell(&daemon, &providers, ANA, "undelivered").await;
    until_true("bo is told", PATIENCE, async || providers.arrived(BO).len() == 1).await;
    assert_eq!(providers.posts().len(), 1, "ana was tried in Slack first");
    assert_eq!(providers.posts()[0].to, "UANA12345");
    let text = &providers.arrived(BO)[0].text;
    assert!(text.contains("told to you because a message did not reach ana"), "{text}");
    tell(&daemon, &providers, BO, "delivered").await;
    let calm = async || providers.texts().len() == 2 && providers.posts().len() == 1;
    throughout("nobody is told again", Duration::from_secs(3), calm).await;
    assert_eq!(
        owed(&daemon).await,
        ["sms:ana failing given_up", "slack:UANA12345 failing given_up", "sms:bo failing sent"]
    );
    let (code, trail, words) = project.run(&["why", "1"]).await;
    assert_eq!(code, Some(0), "{words}");
    let trail = trail.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "not arrived sms:ana: failing (undelivered, 30003)",
        "told instead the SMS to ana did not arrive (not delivered: undelivered, 30003): ana is told \
         by Slack instead",
        "bo is told by SMS instead",
        "delivered sms:bo: failing (delivered",
    ] {
        assert!(trail.contains(said), "`{said}` in:\n{trail}");
    }

    site.answer(200);
    until_true("bo hears the end", PATIENCE, async || providers.arrived(BO).len() == 2).await;
    until_true("ana, too", PATIENCE, async || providers.arrived(ANA).len() == 2).await;
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_is_asked_where_it_cannot_tell() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    providers.twilio.let_fare(ANA, "undelivered", Some(30005));
    site.answer(500);
    let daemon = project(&site, &providers, "").up().await;
    until_true("bo is told", PATIENCE, async || providers.arrived(BO).len() == 1).await;
    assert_eq!(providers.twilio.taken(ANA)[0].callback, None);
    assert!(!providers.arrived(ANA)[0].text.contains("Reply"), "nobody would hear it");
    let fields = [("MessageSid", "SM1a"), ("From", ANA), ("Body", "ACK 1")];
    assert_eq!(bring(&daemon, INBOUND, &fields, TOKEN).await.0, 404);
    let incident: serde_json::Value = daemon.ask("/api/v1/incidents/1").await;
    let of_ana = &incident["notifications"][0];
    assert_eq!(of_ana["deliveries"][0]["proof"]["status"], "undelivered");
    assert_eq!(of_ana["deliveries"][0]["proof"]["code"], 30005);
    let sentence = of_ana["succession"]["sentence"].as_str().unwrap_or_default();
    assert!(sentence.ends_with("bo is told by SMS instead"), "{sentence}");
    let proven = async || {
        let incident: serde_json::Value = daemon.ask("/api/v1/incidents/1").await;
        incident["notifications"][1]["deliveries"][0]["proof"]["status"] == "delivered"
    };
    until_true("it is known that bo has it", PATIENCE, proven).await;
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_after_it_heard_of_a_loss_has_others_told_once() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = reached(project(&site, &providers, ""));
    site.answer(500);
    let daemon = project.up().await;
    until_true("ana is told", PATIENCE, async || providers.arrived(ANA).len() == 1).await;
    tell(&daemon, &providers, ANA, "undelivered").await;
    daemon.kill().await;
    let daemon = project.up().await;
    let sent = async || {
        let all = owed(&daemon).await;
        (all.len() == 2 && all[1] == "sms:bo failing sent").then_some(all)
    };
    let all = until("bo is told", Duration::from_mins(2), sent).await;
    assert_eq!(all[0], "sms:ana failing given_up");
    // If it was killed while that left, it came twice, and says so.
    let told = providers.arrived(BO);
    let unmarked = told.iter().filter(|it| !it.is_marked()).count();
    assert!(unmarked <= 1 && told.len() <= 2, "{told:#?}");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_refused_is_told_of_once_at_the_fallback() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let check = format!("[[check]]\nname = \"shop\"\nurl = \"{}\"\nevery = \"1s\"\n", site.url());
    let project = providers.told_by(Project::new()).toml(&check).hub(FALLBACK);
    providers.twilio.answer_all(Answer::Coded(401, 20003));
    site.answer(500);
    let daemon = project.up().await;
    until_true("#ops is told", PATIENCE, async || providers.arrived("#ops").len() == 1).await;
    let text = &providers.arrived("#ops")[0].text;
    assert!(text.contains("nothing can be sent by SMS until somebody sets it right"), "{text}");
    let decided = async || {
        let incident: serde_json::Value = daemon.ask("/api/v1/incidents/1").await;
        let all = incident["notifications"].as_array().cloned().unwrap_or_default();
        let sms = all.iter().filter(|it| it["recipient"]["channel"] == "sms");
        let told: Vec<_> = sms.filter_map(|it| it["succession"]["sentence"].as_str()).collect();
        (told.len() == 2).then(|| told.join("\n"))
    };
    let sentences = until("it is decided about both", PATIENCE, decided).await;
    assert!(sentences.contains("slack:#ops is told instead"), "{sentences}");
    assert!(sentences.contains("the fallback is told the same"), "{sentences}");
    let calm = async || providers.arrived("#ops").len() == 1;
    throughout("#ops is told once", Duration::from_secs(3), calm).await;
    assert_eq!(daemon.log().matches("NOTHING CAN BE SENT BY THIS CHANNEL").count(), 1);
    // A token that is right again is found by the next message.
    providers.twilio.answer_all(Answer::Accept);
    site.answer(200);
    until_true("ana hears the end", PATIENCE, async || providers.arrived(ANA).len() == 1).await;
    // What is over is said at the message that told of it.
    let said = |post: &SlackPost| post.channel == channel_id("#ops") && post.thread.is_some();
    let ends = async || providers.slack.accepted().iter().any(said);
    until_true("#ops, too", PATIENCE, ends).await;
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_channel_that_is_gone_is_told_at_the_fallback() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let check = format!("[[check]]\nname = \"shop\"\nurl = \"{}\"\nevery = \"1s\"\n", site.url());
    let project = providers.told_by(Project::new()).toml(&check).hub(FALLBACK);
    providers.slack.answer([Answer::Named(200, "is_archived")]);
    site.answer_once(500);
    let daemon = project.up().await;
    until_true("#ops is told", PATIENCE, async || !providers.arrived("#ops").is_empty()).await;
    let text = &providers.arrived("#ops")[0].text;
    assert!(text.contains("told to you because a message did not reach slack:#p2"), "{text}");
    assert!(daemon.stop().await.success());
}
