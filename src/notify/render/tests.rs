//! What messages look like, and that no text of a notice becomes more than text.

use std::time::Duration;

use proptest::prelude::*;

use super::{Buttons, Place, SMS_LIMIT, SlackMessage, living, plain, reply, slack, sms};
use crate::domain::Timestamp;
use crate::domain::failed_request::FailedRequest;
use crate::domain::id::{CheckId, IncidentId, NotificationId, PersonId, Region};
use crate::domain::incident::{Cause, Incident};
use crate::domain::notice::{Notice, NoticeKind, RegionState};
use crate::domain::notification::{Notification, NotificationState};
use crate::domain::policy::Recipient;
use crate::domain::restraint::{Acknowledgement, Actor, Via};
use crate::domain::run::Outcome;
use crate::domain::subject::Subject;
use crate::notify::{Outbound, Paging, Thread};

const LINK: &str = "https://tripline.example.com/incidents/42";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn owed(kind: NoticeKind) -> Notification {
    let region = |name: &str| Region::new(name).expect("a good name");
    Notification {
        id: NotificationId(7),
        incident: IncidentId(42),
        recipient: Recipient::Slack("#p1".into()),
        notice: Notice {
            check_name: "Sign in to the dashboard".into(),
            down: vec![region("eu-west-1"), region("us-east-1")],
            step: Some("sign in".into()),
            request: Some(a_request()),
            error: "expected 200, received 503 from https://app.example.com/login".into(),
            since: at("2026-11-21T02:10:05Z"),
            failures_in_a_row: 2,
            runbook: Some("https://wiki.example.com/login?a=1&b=2".into()),
            ..Notice::new(
                kind,
                Subject::Check(CheckId::new("shop/login").expect("a good name")),
                region("eu-west-1"),
                at("2026-11-21T02:14:10Z"),
            )
        },
        first_word: true,
        owed_at: at("2026-11-21T02:14:10Z"),
        failures: 0,
        possible_repeat: false,
    }
}

fn a_request() -> FailedRequest {
    FailedRequest {
        method: "POST".into(),
        url: "https://app.example.com/login".into(),
        status: Some(503),
        error: None,
        took: Duration::from_millis(412),
    }
}

/// The message on every channel, as a reviewer wants to see it.
fn everywhere(notification: &Notification) -> String {
    let message = Outbound {
        notification,
        phone: None,
        email: None,
        at: notification.owed_at,
        link: Some(LINK),
        thread: None,
    };
    let posted = slack(&message);
    let blocks = serde_json::to_string_pretty(&posted.blocks).expect("blocks are JSON");
    format!(
        "--- plain\n{}\n--- sms\n{}\n--- slack text\n{}\n--- slack blocks\n{blocks}",
        plain(&message),
        sms(&message),
        posted.text
    )
}

#[test]
fn failing() {
    insta::assert_snapshot!(everywhere(&owed(NoticeKind::Failing { tier: 1 })));
}

#[test]
fn still_failing_as_a_possible_repeat() {
    let notification = Notification {
        first_word: false,
        possible_repeat: true,
        ..owed(NoticeKind::Failing { tier: 2 })
    };
    insta::assert_snapshot!(everywhere(&notification));
}

#[test]
fn recovered() {
    let mut notification = Notification { first_word: false, ..owed(NoticeKind::Recovered) };
    notification.notice.down.clear();
    insta::assert_snapshot!(everywhere(&notification));
}

#[test]
fn recovered_before_anybody_heard_of_it() {
    let mut notification = owed(NoticeKind::Recovered);
    notification.notice.since = at("2026-11-20T23:59:00Z");
    insta::assert_snapshot!(everywhere(&notification));
}

fn state(name: &str, outcome: Outcome, failures_in_a_row: u32) -> RegionState {
    RegionState { region: Region::new(name).expect("a good name"), outcome, failures_in_a_row }
}

/// What [`owed`] says of a check in three regions.
fn in_three_regions(kind: NoticeKind) -> Notification {
    let mut notification = owed(kind);
    notification.notice.down.pop();
    notification.notice.regions = vec![
        state("eu-west-1", Outcome::Failed, 2),
        state("us-east-1", Outcome::Passed, 0),
        state("ap-south-1", Outcome::Unknown, 0),
    ];
    notification
}

#[test]
fn failing_in_one_of_three_regions() {
    insta::assert_snapshot!(everywhere(&in_three_regions(NoticeKind::Failing { tier: 1 })));
}

#[test]
fn one_region_of_one_looks_like_a_check_without_regions() {
    let plain = owed(NoticeKind::Failing { tier: 1 });
    let mut single = plain.clone();
    single.notice.regions = vec![state("eu-west-1", Outcome::Failed, 2)];
    assert_eq!(everywhere(&single), everywhere(&plain));
}

#[test]
fn many_regions_are_counted() {
    let mut notification = owed(NoticeKind::Failing { tier: 1 });
    let region = |number: usize| match number {
        0..3 => state(&format!("r{number}"), Outcome::Failed, 4),
        3..11 => state(&format!("r{number}"), Outcome::Passed, 0),
        _ => state(&format!("r{number}"), Outcome::Unknown, 0),
    };
    notification.notice.regions = (0..14).map(region).collect();
    let text = plain(&Outbound {
        notification: &notification,
        phone: None,
        email: None,
        at: notification.owed_at,
        link: None,
        thread: None,
    });
    let line = text.lines().find(|line| line.starts_with("Regions")).expect("a line");
    assert_eq!(
        line,
        "Regions: r0 failed 4×, r1 failed 4×, r2 failed 4×, r3 passed, r4 passed, r5 passed, \
         r6 passed, r7 passed, 3 more passed, 3 more unknown"
    );
}

#[test]
fn withdrawn() {
    insta::assert_snapshot!(everywhere(&owed(NoticeKind::Withdrawn)));
}

/// What [`owed`] says of a subject that is no failing check.
fn blind(kind: NoticeKind, subject: Subject, name: &str) -> Notification {
    let mut notification = owed(kind);
    notification.notice = Notice {
        subject,
        check_name: name.into(),
        down: Vec::new(),
        step: None,
        request: None,
        error: "5 runs in a row ended unknown; the last: no capacity in time".into(),
        failures_in_a_row: 0,
        ..notification.notice
    };
    notification
}

#[test]
fn blind_for_a_check() {
    let login = CheckId::new("shop/login").expect("a good name");
    let subject = Subject::Coverage(login);
    insta::assert_snapshot!(everywhere(&blind(NoticeKind::Blind, subject, "Sign in")));
}

#[test]
fn a_region_sees_again() {
    let subject = Subject::Region(Region::new("eu-west-1").expect("a good name"));
    let mut notification = blind(NoticeKind::Recovered, subject, "eu-west-1");
    notification.first_word = false;
    notification.notice.error.clear();
    notification.notice.runbook = None;
    insta::assert_snapshot!(everywhere(&notification));
}

#[test]
fn headlines_stay_under_ten_words() {
    let mut notification = Notification {
        first_word: false,
        possible_repeat: true,
        ..owed(NoticeKind::Failing { tier: 2 })
    };
    notification.notice.check_name = "one two three four five six seven eight nine ten".into();
    let posted = slack(&Outbound {
        notification: &notification,
        phone: None,
        email: None,
        at: notification.owed_at,
        link: None,
        thread: None,
    });
    let header = serde_json::to_value(&posted.blocks[0]).expect("JSON");
    let text = header["text"]["text"].as_str().expect("a text");
    assert_eq!(text, "🔴 Still failing: one two three four five… (possible repeat)");
}

#[test]
fn an_sms_in_another_script_keeps_its_name() {
    let mut notification = owed(NoticeKind::Failing { tier: 2 });
    notification.notice.check_name = "ログイン".into();
    let text = sms(&Outbound {
        notification: &notification,
        phone: None,
        email: None,
        at: notification.owed_at,
        link: Some(LINK),
        thread: None,
    });
    assert_eq!(
        text,
        "#42 FAILING: ログイン in eu-west-1, step sign in: expected 200, received 503 from \
         (link). Since 02:10:05 UTC (4 min), 2 in a row."
    );
    assert!(text.encode_utf16().count() <= 134);
}

/// Texts that try to be more than text, and anything else.
fn hostile() -> impl Strategy<Value = String> {
    const NASTY: [&str; 18] = [
        "evil。com",
        "<!channel>",
        "<@U123>",
        "<http://evil.example|click>",
        "@here",
        "@Everyone",
        "```",
        "`",
        "*bold*",
        "&lt;!here&gt;",
        "\u{202e}",
        "\n> quote",
        "https://evil.example/x",
        "evil.com",
        "\u{1b}[2J",
        ":fire:",
        "{}[]|^~€",
        "日本語",
    ];
    let piece = prop_oneof![
        prop::sample::select(&NASTY[..]).prop_map(String::from),
        any::<String>(),
        "[a-z <>&`@.]{0,900}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn any_notification() -> impl Strategy<Value = Notification> {
    let kind = prop_oneof![
        (1u32..).prop_map(|tier| NoticeKind::Failing { tier }),
        Just(NoticeKind::Blind),
        Just(NoticeKind::Recovered),
        Just(NoticeKind::Withdrawn),
    ];
    let request = (hostile(), hostile(), prop::option::of(hostile()), any::<Option<u16>>());
    let request = request.prop_map(|(method, url, error, status)| FailedRequest {
        method,
        url,
        status,
        error,
        ..a_request()
    });
    let step = (prop::option::of(hostile()), prop::option::of(request));
    let texts = (hostile(), step, hostile(), prop::option::of(hostile()));
    let regions = prop::collection::vec("[a-z0-9-]{1,128}", 0..20);
    let flags = any::<(bool, bool, bool, i64, u32)>();
    (kind, texts, regions, flags).prop_map(
        |(kind, (check_name, (step, request), error, runbook), regions, flags)| {
            let (first, repeat, matrix, incident, count) = flags;
            let mut notification = owed(kind);
            let outcomes = [Outcome::Failed, Outcome::Passed, Outcome::Unknown].iter().cycle();
            let states = regions.iter().zip(outcomes).filter(|_| matrix);
            notification.notice.regions =
                states.map(|(name, outcome)| state(name, *outcome, count)).collect();
            let regions = regions.iter().map(|name| Region::new(name).expect("a good name"));
            notification.notice.down = regions.collect();
            notification.notice.region =
                notification.notice.down.last().cloned().unwrap_or(notification.notice.region);
            notification.notice = Notice {
                check_name,
                step,
                request,
                error,
                runbook: runbook.filter(|text| url::Url::parse(text).is_err()),
                failures_in_a_row: count,
                ..notification.notice
            };
            notification.incident = IncidentId(incident);
            notification.first_word = first;
            notification.possible_repeat = repeat;
            notification
        },
    )
}

/// How such an incident may stand.
fn any_thread() -> impl Strategy<Value = Thread> {
    let flags = any::<(bool, bool, bool)>();
    let words = prop::collection::vec(hostile(), 0..5);
    let people = prop::collection::btree_map("[a-z0-9-]{1,60}", 0..4_usize, 0..30);
    (flags, words, hostile(), people).prop_map(
        |((over, acknowledged, known), words, name, people)| {
            let opened = at("2026-11-21T02:14:10Z");
            let region = Region::new("eu-west-1").expect("a good name");
            let cause = Cause::new(region, "no");
            let mut incident = Incident::opening(opened, opened, cause);
            incident.resolved_at = over.then_some(opened);
            let by = Actor { name, via: Via::Slack };
            let until = at("2026-11-21T06:14:10Z");
            let taken = Acknowledgement { by, reason: None, at: opened, until, taken_back: false };
            incident.story.acknowledged = acknowledged.then_some(taken);
            let person = |(name, state): (String, usize)| {
                (
                    PersonId::new(&name).expect("a good name"),
                    Paging::Stands(NotificationState::ALL[state]),
                )
            };
            Thread {
                receipt: None,
                incident,
                words: words.into_iter().map(|text| (opened, text)).collect(),
                woken: people.into_iter().map(person).collect(),
                last_success: known.then_some(opened),
            }
        },
    )
}

fn strings(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        serde_json::Value::Object(fields) => {
            fields.values().for_each(|value| strings(value, found));
        }
        _ => {}
    }
}

fn check_slack_text(text: &str) -> Result<(), TestCaseError> {
    let without_ours = text.replace(&format!("<{LINK}|Incident "), "").replacen('>', "", 1);
    let without_ours = if text.contains(LINK) { without_ours } else { text.to_owned() };
    prop_assert!(!without_ours.contains(['<', '>']), "a link or a mention: {text}");
    let lower = text.to_lowercase();
    for word in ["@here", "@channel", "@everyone", "@group"] {
        prop_assert!(!lower.contains(word), "a broadcast: {text}");
    }
    prop_assert_eq!(text.matches('`').count() % 2, 0, "code that does not end: {}", text);
    let hidden = text.chars().find(|c| c.is_control() && *c != '\n');
    prop_assert_eq!(hidden, None);
    let invisible = text.contains(['\u{202e}', '\u{200b}', '\u{feff}']);
    prop_assert!(!invisible, "invisible characters: {text:?}");
    Ok(())
}

/// That Slack takes a message, and that no text in it is more than text.
fn check_slack(posted: &SlackMessage) -> Result<(), TestCaseError> {
    let json = serde_json::to_value(posted).expect("JSON");
    let mut found = Vec::new();
    strings(&json, &mut found);
    for text in &found {
        check_slack_text(text)?;
    }
    let length = |value: &serde_json::Value| value.as_str().unwrap_or("").chars().count();
    let blocks = json["blocks"].as_array().expect("a list");
    prop_assert!(blocks.len() <= 50);
    for block in blocks {
        let limit = if block["type"] == "header" { 150 } else { 3000 };
        prop_assert!(length(&block["text"]["text"]) <= limit);
        let fields = block["fields"].as_array().cloned().unwrap_or_default();
        prop_assert!(fields.len() <= 10);
        prop_assert!(fields.iter().all(|field| (1..=2000).contains(&length(&field["text"]))));
        let elements = block["elements"].as_array().cloned().unwrap_or_default();
        prop_assert!(elements.len() <= 10);
    }
    prop_assert!(json.to_string().len() < 13_000);
    Ok(())
}

proptest! {
    #[test]
    fn no_text_becomes_more_than_text(notification in any_notification(), linked in any::<bool>()) {
        let link = linked.then_some(LINK);
        let message = Outbound { notification: &notification, phone: None, email: None, at: notification.owed_at, link, thread: None };
        let posted = slack(&message);
        check_slack(&posted)?;
        prop_assert!(posted.text.chars().count() <= 4000);
    }

    #[test]
    fn no_text_of_a_living_message_becomes_more_than_text(
        (notification, thread) in (any_notification(), any_thread()),
        (edited, shown, broadcast) in any::<(bool, bool, bool)>(),
    ) {
        let message =
            Outbound { notification: &notification, phone: None, email: None, at: notification.owed_at, link: Some(LINK), thread: Some(&thread) };
        let place = if edited { Place::Edited } else { Place::New };
        let buttons = if shown { Buttons::Shown } else { Buttons::Hidden };
        let written = living(&message, &thread, (place, buttons));
        check_slack(&written)?;
        check_slack(&reply(&message, broadcast))?;
        let json = serde_json::to_value(&written).expect("JSON");
        let header = json["blocks"][0]["text"]["text"].as_str().expect("a text");
        // The sign is no word.
        prop_assert!(header.split_whitespace().count() <= 10, "{header}");
    }

    #[test]
    fn an_sms_is_short_and_has_no_foreign_link(notification in any_notification()) {
        let text = sms(&Outbound { notification: &notification, phone: None, email: None, at: notification.owed_at, link: Some(LINK), thread: None });
        prop_assert!(!text.is_empty() && text.chars().count() <= SMS_LIMIT);
        let foreign = text.replace(LINK, "");
        prop_assert!(!foreign.contains("://") && !foreign.to_lowercase().contains("www."), "{text}");
        prop_assert!(!foreign.contains("evil.com"), "{}", text);
        prop_assert!(!text.contains(|c: char| c.is_control()));
    }
}
