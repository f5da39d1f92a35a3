//! What the channels make of every answer that Slack and Twilio can give.

use std::time::Duration;

use tokio::net::TcpListener;
use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, IncidentId, NotificationId, PersonId, Region};
use tripline::domain::notice::{Notice, NoticeKind};
use tripline::domain::notification::{Attempt, Notification};
use tripline::domain::policy::Recipient;
use tripline::domain::subject::Subject;
use tripline::notify::printed::Printed;
use tripline::notify::slack::{self, Slack};
use tripline::notify::twilio::{self, Twilio};
use tripline::notify::{Outbound, Transport};

use crate::support::provider::Answer;
use crate::support::slack::{FakeSlack, TOKEN as SLACK_TOKEN, channel_id};
use crate::support::twilio::{ACCOUNT, FakeTwilio, TOKEN as TWILIO_TOKEN};

const LINK: &str = "https://tripline.example.com/incidents/42";
const PHONE: &str = "+4930123456";

/// Where a connection is refused.
async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    format!("http://{}", listener.local_addr().expect("it is bound"))
}

fn notification(recipient: Recipient) -> Notification {
    let at: Timestamp = "2026-11-21T02:14:10Z".parse().expect("a time");
    Notification {
        id: NotificationId(7),
        incident: IncidentId(42),
        recipient,
        notice: Notice {
            check_name: "Sign in".into(),
            step: Some("sign in".into()),
            error: "expected 200, received <!channel> 503".into(),
            failures_in_a_row: 1,
            ..Notice::new(
                NoticeKind::Failing { tier: 1 },
                Subject::Check(CheckId::new("login").expect("a good name")),
                Region::new("eu").expect("a good name"),
                at,
            )
        },
        first_word: true,
        owed_at: at,
        failures: 0,
        possible_repeat: false,
    }
}

fn with_ring() {
    // An error means that another test of this process installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn slack_access<'a>(api_url: &'a str, token: &'a str) -> slack::Access<'a> {
    slack::Access { api_url, bot_token: Some(token), ..slack::Access::default() }
}

/// Posts to `#p2` once, with two seconds instead of ten.
async fn post(access: &slack::Access<'_>) -> Attempt {
    with_ring();
    let slack = Slack::new(access).expect("a good address").within(Duration::from_secs(2));
    let notification = notification(Recipient::Slack("#p2".into()));
    let link = Some(LINK);
    slack
        .send(Outbound {
            notification: &notification,
            phone: None,
            email: None,
            at: notification.owed_at,
            link,
            thread: None,
        })
        .await
}

async fn text(api_url: &str, token: &str, phone: Option<&str>) -> Attempt {
    with_ring();
    let access =
        twilio::Access { api_url, account_sid: ACCOUNT, auth_token: token, from: "+15005550006" };
    let twilio = Twilio::new(&access).expect("a good address").within(Duration::from_secs(2));
    let ana = PersonId::new("ana").expect("a good name");
    let notification = notification(Recipient::Sms(ana));
    twilio
        .send(Outbound {
            notification: &notification,
            phone,
            email: None,
            at: notification.owed_at,
            link: Some(LINK),
            thread: None,
        })
        .await
}

/// `retry`, `ambiguous`, `given_up` or `accepted`, and the receipt or reason.
fn words(attempt: &Attempt) -> (&'static str, String) {
    (attempt.as_str(), attempt.detail().to_owned())
}

#[tokio::test]
async fn a_bot_posts_blocks_with_a_plain_text_beside_them() {
    let fake = FakeSlack::slack().await;
    let attempt = post(&slack_access(&fake.api_url(), SLACK_TOKEN)).await;
    let receipt = format!("{}/1795316705.000001", channel_id("#p2"));
    assert_eq!(words(&attempt), ("accepted", receipt));
    let posts = fake.accepted();
    assert_eq!((posts.len(), posts[0].channel.as_str()), (1, "#p2"));
    assert!(posts[0].text.contains("&lt;!channel&gt;"), "{}", posts[0].text);
    assert!(posts[0].text.ends_with(&format!("<{LINK}|Incident 42>")));
    assert!(posts[0].blocks.as_ref().is_some_and(|blocks| blocks[0]["type"] == "header"));
    for setting in ["link_names", "unfurl_links", "unfurl_media"] {
        assert_eq!(posts[0].body[setting], false, "{setting}");
    }
}

#[tokio::test]
async fn a_webhook_goes_before_the_bot() {
    let fake = FakeSlack::slack().await;
    let (api_url, hook) = (fake.api_url(), fake.webhook("hook"));
    let webhooks = [("#p2", hook.as_str())].into();
    let access = slack::Access { webhooks, ..slack_access(&api_url, SLACK_TOKEN) };
    assert_eq!(words(&post(&access).await), ("accepted", "webhook".into()));
    assert_eq!(fake.texts("hook").len(), 1);
    let elsewhere = slack::Access {
        webhooks: [("#p1", hook.as_str())].into(),
        bot_token: None,
        api_url: &api_url,
        interactive: false,
    };
    let reason = "no webhook is set for #p2, and no bot token";
    assert_eq!(words(&post(&elsewhere).await), ("given_up", reason.into()));
}

#[tokio::test]
async fn every_answer_of_slack_has_its_consequence() {
    let fake = FakeSlack::slack().await;
    let table = [
        (Answer::Status(500), "retry", "Slack answered 500"),
        (Answer::Status(503), "retry", "Slack answered 503"),
        (Answer::Redirect, "retry", "Slack answered 302"),
        (Answer::Named(200, "ratelimited"), "retry", "Slack answered ratelimited"),
        (Answer::Named(200, "internal_error"), "retry", "Slack answered internal_error"),
        (Answer::Garbage, "ambiguous", "an answer that is not Slack's"),
        (Answer::Hang, "ambiguous", "timed out"),
        (Answer::Flood, "ambiguous", "an answer of more than 64 KB"),
        (Answer::Drip, "ambiguous", "timed out"),
        (
            Answer::Named(200, "channel_not_found"),
            "given_up",
            "Slack answered channel_not_found: no such channel, or a private one without the bot",
        ),
        (
            Answer::Named(200, "token_revoked"),
            "broken",
            "Slack answered token_revoked: the bot token is not valid any more",
        ),
        (Answer::Named(200, "new_in_2027"), "given_up", "Slack answered new_in_2027"),
        (Answer::Status(404), "given_up", "Slack answered 404"),
    ];
    for (answer, outcome, reason) in table {
        fake.answer([answer]);
        let attempt = post(&slack_access(&fake.api_url(), SLACK_TOKEN)).await;
        assert_eq!(words(&attempt), (outcome, reason.into()), "{answer:?}");
    }
    assert_eq!(fake.arrivals().len(), table.len(), "each was asked once");
    let wrong = post(&slack_access(&fake.api_url(), "xoxb-other")).await;
    assert!(wrong.detail().starts_with("Slack answered invalid_auth"), "{wrong:?}");
}

#[tokio::test]
async fn every_answer_of_a_webhook_has_its_consequence() {
    let fake = FakeSlack::slack().await;
    let (api_url, hook) = (fake.api_url(), fake.webhook("hook"));
    let table = [
        (
            Answer::Named(403, "action_prohibited"),
            "given_up",
            "Slack answered 403: action_prohibited",
        ),
        (Answer::Named(404, "no_service"), "given_up", "Slack answered 404: no_service"),
        (
            Answer::Named(410, "channel_is_archived"),
            "given_up",
            "Slack answered 410: channel_is_archived",
        ),
        (Answer::Named(500, "rollup_error"), "retry", "Slack answered 500: rollup_error"),
        (Answer::Garbage, "ambiguous", "an answer that is not Slack's"),
    ];
    for (answer, outcome, reason) in table {
        fake.answer([answer]);
        let webhooks = [("#p2", hook.as_str())].into();
        let attempt = post(&slack::Access {
            api_url: &api_url,
            bot_token: None,
            webhooks,
            interactive: false,
        })
        .await;
        assert_eq!(words(&attempt), (outcome, reason.into()), "{answer:?}");
    }
}

#[tokio::test]
async fn the_wish_of_the_provider_is_passed_on() {
    let slack = FakeSlack::slack().await;
    slack.answer_all(Answer::Limited(30));
    let attempt = post(&slack_access(&slack.api_url(), SLACK_TOKEN)).await;
    let half_a_minute = Some(Duration::from_secs(30));
    assert!(matches!(attempt, Attempt::Retry { after, .. } if after == half_a_minute));
    let twilio = FakeTwilio::twilio().await;
    twilio.answer_all(Answer::Limited(30));
    let attempt = text(&twilio.origin(), TWILIO_TOKEN, Some(PHONE)).await;
    assert!(matches!(attempt, Attempt::Retry { after, .. } if after == half_a_minute));
}

#[tokio::test]
async fn a_form_that_is_refused_is_replaced_by_plain_text_at_once() {
    let fake = FakeSlack::slack().await;
    let (api_url, hook) = (fake.api_url(), fake.webhook("hook"));
    fake.answer([Answer::Named(200, "invalid_blocks")]);
    let attempt = post(&slack_access(&api_url, SLACK_TOKEN)).await;
    assert_eq!(attempt.as_str(), "accepted");
    fake.answer([Answer::Named(400, "invalid_payload")]);
    let webhooks = [("#p2", hook.as_str())].into();
    let attempt =
        post(&slack::Access { api_url: &api_url, bot_token: None, webhooks, interactive: false })
            .await;
    assert_eq!(attempt.as_str(), "accepted");
    let had_blocks: Vec<bool> = fake
        .arrivals()
        .into_iter()
        .filter_map(|arrival| arrival.message)
        .map(|post| post.blocks.is_some())
        .collect();
    assert_eq!(had_blocks, [true, false, true, false]);
    let both = [Answer::Named(200, "msg_blocks_too_long"); 2];
    fake.answer(both);
    let attempt = post(&slack_access(&api_url, SLACK_TOKEN)).await;
    let reason = "Slack refused the message even as plain text: msg_blocks_too_long";
    assert_eq!(words(&attempt), ("given_up", reason.into()));
}

#[tokio::test]
async fn a_connection_that_is_cut_may_have_brought_the_message() {
    let slack = FakeSlack::slack().await;
    slack.answer([Answer::Cut]);
    let attempt = post(&slack_access(&slack.api_url(), SLACK_TOKEN)).await;
    let (outcome, reason) = words(&attempt);
    assert_eq!((outcome, reason.as_str()), ("ambiguous", "127.0.0.1 closed the connection"));
    let twilio = FakeTwilio::twilio().await;
    twilio.answer([Answer::Cut]);
    let attempt = text(&twilio.origin(), TWILIO_TOKEN, Some(PHONE)).await;
    assert_eq!(attempt.as_str(), "ambiguous", "{attempt:?}");
    assert_eq!((slack.arrivals().len(), twilio.arrivals().len()), (1, 1), "nobody repeats it");
}

#[tokio::test]
async fn what_did_not_leave_is_tried_again_and_no_reason_shows_a_secret() {
    let origin = closed_port().await;
    let hook = format!("{origin}/services/T/B/secret");
    let api_url = format!("{origin}/api");
    let webhooks = [("#p2", hook.as_str())].into();
    let access = slack::Access { api_url: &api_url, bot_token: None, webhooks, interactive: false };
    for attempt in [
        post(&slack_access(&api_url, SLACK_TOKEN)).await,
        post(&access).await,
        text(&origin, TWILIO_TOKEN, Some(PHONE)).await,
    ] {
        let (outcome, reason) = words(&attempt);
        assert_eq!(outcome, "retry");
        assert!(
            reason.ends_with(" cannot be reached: connection refused by 127.0.0.1"),
            "{reason}"
        );
        for secret in ["secret", SLACK_TOKEN, TWILIO_TOKEN, ACCOUNT, "http://"] {
            assert!(!reason.contains(secret), "{reason}");
        }
    }
}

#[tokio::test]
async fn an_sms_is_sent_as_twilio_wants_it() {
    let fake = FakeTwilio::twilio().await;
    let attempt = text(&fake.origin(), TWILIO_TOKEN, Some(PHONE)).await;
    assert_eq!(words(&attempt), ("accepted", format!("SM{:032x}", 1)));
    let sent = fake.accepted();
    assert_eq!((sent[0].to.as_str(), sent[0].from.as_str()), (PHONE, "+15005550006"));
    assert!(sent[0].body.starts_with("#42 FAILING: Sign in in eu"), "{}", sent[0].body);
    let nobody = text(&fake.origin(), TWILIO_TOKEN, None).await;
    assert_eq!(words(&nobody), ("given_up", "ana has no telephone number".into()));
    assert_eq!(fake.arrivals().len(), 1);
}

#[tokio::test]
async fn every_answer_of_twilio_has_its_consequence() {
    let fake = FakeTwilio::twilio().await;
    let table = [
        (
            Answer::Coded(400, 21211),
            "given_up",
            "Twilio answered 400 (21211): The 'To' number the number is not a valid phone number.",
        ),
        (
            Answer::Coded(403, 20003),
            "broken",
            "credentials refused: Twilio answered 403 (20003): Authenticate",
        ),
        (Answer::Coded(404, 20404), "given_up", {
            "Twilio answered 404 (20404): The request was refused."
        }),
        (Answer::Status(500), "retry", "Twilio answered 500"),
        (Answer::Redirect, "retry", "Twilio answered 302"),
        (Answer::Garbage, "ambiguous", "an answer that is not Twilio's"),
        (Answer::Hang, "ambiguous", "timed out"),
        (Answer::Flood, "ambiguous", "an answer of more than 64 KB"),
        (Answer::Drip, "ambiguous", "timed out"),
    ];
    for (answer, outcome, reason) in table {
        fake.answer([answer]);
        let attempt = text(&fake.origin(), TWILIO_TOKEN, Some(PHONE)).await;
        assert_eq!(words(&attempt), (outcome, reason.into()), "{answer:?}");
    }
    let wrong = text(&fake.origin(), "other", Some(PHONE)).await;
    let reason = "credentials refused: Twilio answered 401 (20003): Authenticate";
    assert_eq!(words(&wrong), ("broken", reason.into()));
}

#[tokio::test]
async fn without_credentials_a_message_is_shown_as_it_would_read() {
    let (sender, mut shown) = tokio::sync::mpsc::unbounded_channel();
    let printed = Printed::new(move |message| sender.send(message.clone()).expect("it listens"));
    let ana = PersonId::new("ana").expect("a good name");
    for recipient in [Recipient::Slack("#p2".into()), Recipient::Sms(ana)] {
        let notification = notification(recipient);
        let message = Outbound {
            notification: &notification,
            phone: None,
            email: None,
            at: notification.owed_at,
            link: Some(LINK),
            thread: None,
        };
        assert_eq!(words(&printed.send(message).await), ("accepted", "printed".into()));
    }
    let slack = shown.recv().await.expect("shown");
    assert!(slack.text.starts_with("Failing: Sign in\nin eu, step \"sign in\""), "{}", slack.text);
    let sms = shown.recv().await.expect("shown");
    assert!(sms.text.starts_with("#42 FAILING: Sign in in eu"), "{}", sms.text);
}
