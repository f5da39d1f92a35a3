//! One message per incident in Slack: edited at every change, which is told in its thread.

use std::time::Duration;

use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, IncidentId, NotificationId, PersonId, Region};
use tripline::domain::incident::{Cause, Incident};
use tripline::domain::notice::{Notice, NoticeKind};
use tripline::domain::notification::{Attempt, Notification, NotificationState};
use tripline::domain::policy::Recipient;
use tripline::domain::restraint::{Acknowledgement, Actor, Via};
use tripline::domain::subject::Subject;
use tripline::notify::slack::{self, Slack};
use tripline::notify::{Outbound, Paging, Thread, Transport};

use crate::support::provider::Answer;
use crate::support::slack::{FakeSlack, SlackPost, TOKEN, channel_id};
use crate::support::targets::mistakes_in_slack;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn notification(kind: NoticeKind) -> Notification {
    let opened = at("2026-11-21T02:14:10Z");
    Notification {
        id: NotificationId(7),
        incident: IncidentId(42),
        recipient: Recipient::Slack("#p1".into()),
        notice: Notice {
            check_name: "Sign in".into(),
            step: Some("sign in".into()),
            error: "expected 200, received 503".into(),
            failures_in_a_row: 2,
            ..Notice::new(
                kind,
                Subject::Check(CheckId::new("login").expect("a good name")),
                Region::new("eu").expect("a good name"),
                opened,
            )
        },
        first_word: true,
        owed_at: opened,
        failures: 0,
        possible_repeat: false,
    }
}

fn thread(receipt: Option<String>) -> Thread {
    let opened = at("2026-11-21T02:14:10Z");
    let cause = Cause::new(Region::new("eu").expect("good"), "no");
    let mut incident = Incident::opening(opened, opened, cause);
    incident.id = Some(IncidentId(42));
    incident.tiers = [1].into();
    incident.told = [Recipient::Slack("#p1".into())].into();
    Thread { receipt, incident, words: Vec::new(), woken: [].into(), last_success: None }
}

/// A channel of the fake, and how far its incident's thread is.
struct World {
    fake: FakeSlack,
    thread: Thread,
    interactive: bool,
}

impl World {
    async fn new() -> Self {
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { fake: FakeSlack::slack().await, thread: thread(None), interactive: false }
    }

    /// Sends once, and remembers the receipt as the store would.
    async fn send(&mut self, notification: &Notification) -> Attempt {
        let api_url = self.fake.api_url();
        let access = slack::Access {
            api_url: &api_url,
            bot_token: Some(TOKEN),
            interactive: self.interactive,
            ..slack::Access::default()
        };
        let slack = Slack::new(&access).expect("a good address").within(Duration::from_secs(2));
        let thread = Some(&self.thread);
        let attempt = slack
            .send(Outbound {
                notification,
                phone: None,
                email: None,
                at: notification.owed_at,
                link: None,
                thread,
            })
            .await;
        if let Attempt::Accepted { receipt } = &attempt {
            self.thread.receipt = Some(receipt.clone());
        }
        attempt
    }

    /// How many messages there are in the channel and how many replies, and what the newest
    /// message says in its header.
    fn channel(&self) -> (usize, usize, String) {
        let shown = self.fake.shown("#p1");
        let newest = shown.last().map(|post| post.headline().to_owned()).unwrap_or_default();
        (shown.len(), self.replies().len(), newest)
    }

    fn replies(&self) -> Vec<SlackPost> {
        self.fake.accepted().into_iter().filter(|post| post.thread.is_some()).collect()
    }
}

fn acknowledged() -> Acknowledgement {
    let by = Actor { name: "ana".into(), via: Via::Slack };
    let (at, until) = (at("2026-11-21T02:15:00Z"), at("2026-11-21T06:15:00Z"));
    Acknowledgement { by, reason: None, at, until, taken_back: false }
}

#[tokio::test]
async fn one_message_lives_and_its_thread_says_what_changed() {
    let mut world = World::new().await;
    world.send(&notification(NoticeKind::Failing { tier: 1 })).await;
    assert_eq!(world.channel(), (1, 0, "🔴 Failing: Sign in".into()));

    world.thread.incident.tiers.insert(2);
    world.send(&notification(NoticeKind::Failing { tier: 2 })).await;
    assert_eq!(world.channel(), (1, 1, "🔴 Failing: Sign in".into()));

    let ana = PersonId::new("ana").expect("a good name");
    world.thread.woken = [(ana, Paging::Stands(NotificationState::Sent))].into();
    world.thread.incident.story.acknowledged = Some(acknowledged());
    world.send(&notification(NoticeKind::Acknowledged)).await;
    assert_eq!(world.channel(), (1, 2, "🟡 Acknowledged: Sign in".into()));
    let message = world.fake.shown("#p1")[0].blocks.clone().expect("blocks").to_string();
    for fact in ["ana (Slack) until 2026-11-21 06:15 UTC", "`ana` (sent)"] {
        assert!(message.contains(fact), "{fact}: {message}");
    }

    world.thread.incident.resolved_at = Some(at("2026-11-21T02:20:00Z"));
    let receipt = world.send(&notification(NoticeKind::Recovered)).await.detail().to_owned();
    assert_eq!(world.channel(), (1, 3, "🟢 Recovered: Sign in".into()));
    let broadcast: Vec<bool> = world.replies().iter().map(SlackPost::is_broadcast).collect();
    assert_eq!(broadcast, [true, false, true], "what is to be seen, and its end");
    assert_eq!(receipt, format!("{}/1795316705.000007 in 1795316705.000001", channel_id("#p1")));
}

#[tokio::test]
async fn the_end_of_what_woke_nobody_stays_in_the_thread() {
    let mut world = World::new().await;
    world.send(&notification(NoticeKind::Failing { tier: 1 })).await;
    world.thread.incident.resolved_at = Some(at("2026-11-21T02:20:00Z"));
    world.send(&notification(NoticeKind::Recovered)).await;
    assert_eq!(world.channel(), (1, 1, "🟢 Recovered: Sign in".into()));
    assert!(!world.replies()[0].is_broadcast());
}

#[tokio::test]
async fn what_fails_between_edit_and_reply_leaves_one_message_and_one_reply() {
    for (answer, outcome) in [
        (Answer::Status(503), "retry"),
        (Answer::Named(200, "ratelimited"), "retry"),
        (Answer::Cut, "ambiguous"),
    ] {
        let mut world = World::new().await;
        world.send(&notification(NoticeKind::Failing { tier: 1 })).await;
        world.fake.answer([Answer::Accept, answer]);
        let mut next = notification(NoticeKind::Failing { tier: 2 });
        assert_eq!(world.send(&next).await.as_str(), outcome, "{answer:?}");
        next.failures = 1;
        next.possible_repeat = outcome == "ambiguous";
        assert_eq!(world.send(&next).await.as_str(), "accepted");
        assert_eq!(world.channel(), (1, 1, "🔴 Failing: Sign in".into()), "{answer:?}");
        let marked = world.replies()[0].text.contains("(possible repeat)");
        assert_eq!(marked, next.possible_repeat, "{answer:?}");
    }
}

#[tokio::test]
async fn an_edit_without_an_answer_is_repeated_without_a_mark_and_holds_nothing_up_for_long() {
    for answer in [Answer::Hang, Answer::Status(500), Answer::Cut, Answer::Garbage] {
        let mut world = World::new().await;
        world.send(&notification(NoticeKind::Failing { tier: 1 })).await;
        let mut next = notification(NoticeKind::Failing { tier: 2 });
        world.fake.answer([answer]);
        assert_eq!(world.send(&next).await.as_str(), "retry", "{answer:?}");
        assert_eq!(world.channel().1, 0);
        next.failures = 2;
        world.fake.answer([answer]);
        assert_eq!(world.send(&next).await.as_str(), "accepted", "{answer:?}");
        assert_eq!(world.channel().1, 1, "people are told all the same");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_edited_or_answered_is_followed_by_a_new_one() {
    let mut world = World::new().await;
    world.send(&notification(NoticeKind::Failing { tier: 1 })).await;
    world.fake.delete_all();
    world.send(&notification(NoticeKind::Failing { tier: 2 })).await;
    assert_eq!(world.channel(), (1, 0, "🔴 Failing: Sign in".into()));
    for refusals in [
        vec![Answer::Named(200, "cant_update_message")],
        vec![Answer::Named(200, "edit_window_closed")],
        vec![Answer::Accept, Answer::Named(200, "thread_not_found")],
    ] {
        let before = world.channel().0;
        world.fake.answer(refusals.clone());
        assert_eq!(world.send(&notification(NoticeKind::Noted)).await.as_str(), "accepted");
        assert_eq!(world.channel().0, before + 1, "{refusals:?}");
    }
    // The newest is the one that lives on.
    world.thread.incident.resolved_at = Some(at("2026-11-21T02:20:00Z"));
    world.send(&notification(NoticeKind::Recovered)).await;
    assert_eq!(world.channel(), (4, 1, "🟢 Recovered: Sign in".into()));
}

#[tokio::test]
async fn an_edit_whose_blocks_are_refused_is_made_in_plain_text_at_once() {
    let mut world = World::new().await;
    world.send(&notification(NoticeKind::Failing { tier: 1 })).await;
    world.fake.answer([Answer::Named(200, "invalid_blocks")]);
    world.thread.incident.story.acknowledged = Some(acknowledged());
    let attempt = world.send(&notification(NoticeKind::Acknowledged)).await;
    assert_eq!(attempt.as_str(), "accepted");
    let shown = world.fake.shown("#p1");
    assert_eq!(shown[0].blocks, Some(serde_json::json!([])), "the old ones are gone");
    assert!(shown[0].text.starts_with("Acknowledged: `Sign in`. Since"), "{}", shown[0].text);
}

/// The buttons of a message.
fn buttons(post: &SlackPost) -> Vec<String> {
    let blocks = post.blocks.as_ref().and_then(|it| it.as_array()).expect("blocks");
    let actions = blocks.iter().filter(|block| block["type"] == "actions");
    let elements = actions.flat_map(|block| block["elements"].as_array().expect("elements"));
    elements.map(|it| format!("{} {}", it["action_id"], it["value"]).replace('"', "")).collect()
}

#[tokio::test]
async fn buttons_are_there_while_they_do_something_and_all_is_what_slack_takes() {
    let mut world = World { interactive: true, ..World::new().await };
    let mut failing = notification(NoticeKind::Failing { tier: 1 });
    failing.notice.runbook = Some("https://wiki.example.com/login".into());
    world.send(&failing).await;
    let all = ["acknowledge 42", "silence 42", "run 42", "runbook 42"];
    assert_eq!(buttons(&world.fake.shown("#p1")[0]), all);
    world.thread.incident.story.acknowledged = Some(acknowledged());
    world.thread.words = vec![(at("2026-11-21T02:15:00Z"), "ana (Slack): on it".into())];
    failing.notice.kind = NoticeKind::Acknowledged;
    world.send(&failing).await;
    assert_eq!(buttons(&world.fake.shown("#p1")[0]), all[1..]);
    world.thread.incident.resolved_at = Some(at("2026-11-21T02:20:00Z"));
    failing.notice.kind = NoticeKind::Recovered;
    world.send(&failing).await;
    assert!(buttons(&world.fake.shown("#p1")[0]).is_empty());

    let sent: Vec<String> = world
        .fake
        .accepted()
        .into_iter()
        .map(|post| serde_json::json!({"text": post.text, "blocks": post.blocks}).to_string())
        .collect();
    let names = ["root", "edit1", "reply1", "edit2", "reply2"];
    let mut files: Vec<(&str, &str, String)> =
        names.into_iter().zip(sent).map(|(name, json)| (name, "Message", json)).collect();
    assert_eq!(files.len(), names.len());
    let found = mistakes_in_slack(&files).await;
    assert!(found.is_empty(), "{found:#?}");
    // The types would tell.
    files[0].2 = files[0].2.replace("plain_text", "plain_txt");
    assert!(!mistakes_in_slack(&files).await.is_empty());
}
