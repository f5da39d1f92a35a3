//! Storms in the real daemon: many checks fail at once, and everybody is told of all of it in few messages.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;
use tripline::clock::Stopwatch;

use crate::support::http;
use crate::support::provider::Answer;
use crate::support::providers::{ANA, BO, Message, Providers};
use crate::support::site::Site;
use crate::support::tripline::{Daemon, Notification, Project};
use crate::support::wait::until_true;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);
/// SMS to one person, and within how long.
const CAP: usize = 3;
const CAP_WITHIN: Duration = Duration::from_secs(15);

/// `count` checks of a site, each run every `every` seconds, and bounds that tests can wait for.
fn project(site: &Site, providers: &Providers, (count, every): (usize, u32)) -> Project {
    let mut checks = String::new();
    for number in 1..=count {
        let url = site.url();
        let _ = writeln!(
            checks,
            "[[check]]\nname = \"check-{number}\"\nurl = \"{url}/{number}\"\nevery = \"{every}s\"\n"
        );
    }
    let bounds = format!(
        "[storm]\nwithin = \"12s\"\nsms = {CAP}\nsms_within = \"{}s\"\n",
        CAP_WITHIN.as_secs()
    );
    let project = providers.told_by(Project::new());
    project.with("[storm]\nsms = 10000\n", &bounds).toml(&checks)
}

/// Waits until each of `count` checks was run.
async fn all_were_run(site: &Site, count: usize) {
    until_true("all checks were run", PATIENCE, async || {
        site.visits().into_iter().collect::<BTreeSet<String>>().len() >= count
    })
    .await;
}

/// Waits until so many incidents are open.
async fn open(daemon: &Daemon, what: &str, fits: impl Fn(usize) -> bool) {
    until_true(what, PATIENCE, async || {
        let text = metrics(daemon).await;
        let open = text.lines().find_map(|line| line.strip_prefix("tripline_incidents_open "));
        open.and_then(|it| it.parse::<f64>().ok()).is_some_and(|it| fits(whole(it)))
    })
    .await;
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
fn whole(number: f64) -> usize {
    number as usize
}

async fn metrics(daemon: &Daemon) -> String {
    let url = format!("{}/metrics", daemon.url());
    let answer = http::client().get(url).send().await.expect("the daemon answers");
    answer.text().await.expect("a text")
}

/// Waits until nothing is owed by any way.
async fn nothing_owed(daemon: &Daemon) {
    until_true("nothing is owed", PATIENCE, async || {
        let backlog: Value = daemon.ask("/api/v1/notifications/backlog").await;
        let channels = backlog["channels"].as_array().expect("channels");
        channels.iter().all(|it| it["owed"] == 0)
    })
    .await;
}

/// All that was owed of the incidents up to `last`.
async fn all(daemon: &Daemon, last: usize) -> Vec<Notification> {
    let mut all = Vec::new();
    for incident in 1..=last {
        let incident = i64::try_from(incident).expect("a small number");
        let of_it = daemon.notifications(incident).await.into_iter();
        all.extend(of_it.map(|it| Notification { incident, ..it }));
    }
    all
}

/// How many incidents a message says that something is wrong with.
fn told_wrong(message: &Message) -> usize {
    if !message.is_digest() {
        return usize::from(!message.text.to_lowercase().contains("recovered"));
    }
    let before = message.text.split(" more incident").next().unwrap_or_default();
    let digits: Vec<char> = before.chars().rev().take_while(char::is_ascii_digit).collect();
    digits.iter().rev().collect::<String>().parse().unwrap_or(0)
}

/// Every notification ended in one accepted message of its own, or names the digest that told it.
fn assert_each_told_once(owed: &[Notification]) {
    let digests: BTreeSet<i64> =
        owed.iter().filter(|it| it.digest == Some(it.id)).map(|it| it.id).collect();
    for it in owed {
        let accepted = it.deliveries.iter().filter(|it| it.outcome == "accepted").count();
        match it.state.as_str() {
            "sent" => assert_eq!(accepted, 1, "{it:#?}"),
            "in_digest" => {
                let digest = it.digest.expect("it names its digest");
                assert!(digest != it.id && digests.contains(&digest), "{it:#?}");
                assert_eq!(accepted, 0, "{it:#?}");
            }
            "superseded" => assert_eq!(accepted, 0, "{it:#?}"),
            _ => panic!("not told: {it:#?}"),
        }
        if it.state != "superseded" {
            let (sent, accepted) = (it.stamps.sent, it.stamps.accepted);
            assert!(sent.is_some_and(|at| at >= it.stamps.decided), "{it:#?}");
            assert!(accepted >= sent, "{it:#?}");
        }
        if it.notice.kind == "failing" {
            assert!(it.stamps.failed.is_some_and(|at| at <= it.stamps.decided), "{it:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_failing_checks_are_told_in_few_messages() {
    const CHECKS: usize = 1000;
    let (site, providers) = (Site::start().await, Providers::start().await);
    let daemon = project(&site, &providers, (CHECKS, 10)).up().await;
    all_were_run(&site, CHECKS).await;
    let began = Stopwatch::start();
    site.answer(500);
    open(&daemon, "all fail", |open| open == CHECKS).await;
    let incidents = CHECKS;
    until_true("all of them are told", PATIENCE, async || {
        providers.arrived("#p2").iter().map(told_wrong).sum::<usize>() >= CHECKS
            && providers.arrived("#p1").iter().map(told_wrong).sum::<usize>() >= CHECKS
    })
    .await;
    let took = began.elapsed();
    let posts = providers.arrived("#p2");
    assert_eq!(posts.iter().map(told_wrong).sum::<usize>(), CHECKS, "{posts:#?}");
    let alone = posts.iter().filter(|it| !it.is_digest()).count();
    let _ = writeln!(
        std::io::stderr(),
        "{CHECKS} incidents in {} messages, {alone} of them alone, in {took:?}",
        posts.len()
    );
    assert!((5..20).contains(&alone), "{alone} alone of {}", posts.len());
    // One digest in two seconds at most.
    let most = usize::try_from(took.as_secs()).expect("minutes") / 2 + 2;
    assert!(posts.len() - alone <= most, "{} digests in {took:?}", posts.len() - alone);
    site.answer(200);
    open(&daemon, "all is over", |open| open == 0).await;
    nothing_owed(&daemon).await;
    assert_each_told_once(&all(&daemon, incidents).await);
    for person in [ANA, BO] {
        let texts = providers.arrived(person);
        for (index, text) in texts.iter().enumerate() {
            // What arrives is later than what is counted, by as much as it takes.
            let near = |it: &&Message| it.at <= text.at && text.at - it.at < near_cap();
            let before = texts[..=index].iter().filter(near).count();
            assert!(before <= CAP, "{before} SMS to {person} in {CAP_WITHIN:?}: {texts:#?}");
        }
        assert!(texts.iter().all(|it| it.text.chars().count() <= 320));
        let last = texts.iter().filter(|it| it.text.contains("No more SMS before")).count();
        assert!(last >= 1, "nobody was told that there are no more: {texts:#?}");
    }
    let text = metrics(&daemon).await;
    assert!(text.contains("tripline_notification_seconds_bucket"), "{text}");
    assert!(daemon.stop().await.success());
}

/// A little less than the time of the cap.
fn near_cap() -> chrono::TimeDelta {
    let near = CAP_WITHIN.saturating_sub(Duration::from_millis(500));
    chrono::TimeDelta::from_std(near).expect("seconds")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_while_a_digest_is_on_its_way_repeats_it_with_a_mark() {
    const CHECKS: usize = 40;
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = project(&site, &providers, (CHECKS, 2));
    let daemon = project.up().await;
    all_were_run(&site, CHECKS).await;
    site.answer(500);
    let digests = || providers.posts().iter().filter(|it| it.is_digest()).count();
    until_true("a few are told", PATIENCE, async || providers.arrived("#p2").len() >= 5).await;
    // Whatever comes now is read, and never answered.
    providers.answer_all(Answer::Hang);
    let before = digests();
    until_true("a digest is on its way", PATIENCE, async || digests() > before).await;
    daemon.kill().await;
    providers.answer_all(Answer::Accept);
    let daemon = project.up().await;
    open(&daemon, "all fail", |open| open == CHECKS).await;
    site.answer(200);
    open(&daemon, "all is over", |open| open == 0).await;
    nothing_owed(&daemon).await;
    assert_each_told_once(&all(&daemon, CHECKS).await);
    let repeated: Vec<Message> =
        providers.posts().into_iter().filter(|it| it.is_digest() && it.is_marked()).collect();
    assert!(!repeated.is_empty(), "the digest that may have arrived is repeated, with a mark");
    for place in ["#p2", "#p1"] {
        let unmarked = providers.arrived(place).into_iter().filter(|it| !it.is_marked());
        let told: usize = unmarked.map(|it| told_wrong(&it)).sum();
        assert!(told <= CHECKS, "{told} incidents were told at {place} without a mark");
    }
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_while_slack_wants_quiet_is_told_together() {
    const CHECKS: usize = 5;
    let (site, providers) = (Site::start().await, Providers::start().await);
    let daemon = project(&site, &providers, (CHECKS, 2)).up().await;
    all_were_run(&site, CHECKS).await;
    providers.slack.answer_all(Answer::Limited(6));
    site.answer(500);
    open(&daemon, "all fail", |open| open == CHECKS).await;
    until_true("people are woken meanwhile", PATIENCE, async || {
        !providers.arrived(ANA).is_empty() && !providers.arrived(BO).is_empty()
    })
    .await;
    providers.slack.answer_all(Answer::Accept);
    until_true("all of them are told", PATIENCE, async || {
        providers.arrived("#p2").iter().map(told_wrong).sum::<usize>() >= CHECKS
    })
    .await;
    let told = providers.arrived("#p2");
    assert_eq!(told.iter().map(told_wrong).sum::<usize>(), CHECKS, "{told:#?}");
    assert!(told.iter().any(Message::is_digest) && told.len() < CHECKS, "{told:#?}");
    site.answer(200);
    open(&daemon, "all is over", |open| open == 0).await;
    nothing_owed(&daemon).await;
    assert_each_told_once(&all(&daemon, CHECKS).await);
    assert!(daemon.stop().await.success());
}
