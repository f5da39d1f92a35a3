//! What people do about incidents, by the real binary, and who is told meanwhile.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tripline::clock::{Clock as _, System};

use crate::support::providers::{ANA, Providers};
use crate::support::site::Site;
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::{until, until_true};

/// How long something may take that takes a second or two on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// A project that watches `site` every second, and tells `#p2` of the first failure and `#p1` and ana by
/// `second`.
fn project(site: &Site, providers: &Providers, second: &str, more: &str) -> Project {
    let policy = format!(
        "[[policy]]\nname = \"shop\"\n{more}\n\
         [[policy.tier]]\nwhen = {{ failures_in_a_row = 1 }}\nnotify = [\"slack:#p2\"]\n\
         [[policy.tier]]\nwhen = {{ {second} }}\nnotify = [\"slack:#p1\", \"sms:ana\"]\n"
    );
    let check = format!("[[check]]\nname = \"shop\"\nurl = \"{}\"\nevery = \"1s\"\n", site.url());
    providers.told_by(Project::new()).toml(&policy).toml(&check).env("USER", "eva")
}

/// The detail of the one incident, once it `fits`.
async fn incident(daemon: &Daemon, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(what, PATIENCE, async || {
        let first = daemon.incidents().await.into_iter().next()?;
        let detail: Value = daemon.ask(&format!("/api/v1/incidents/{}", first.id)).await;
        fits(&detail).then_some(detail)
    })
    .await
}

/// Runs a command that must succeed; what it printed.
async fn said(project: &Project, words: &[&str]) -> String {
    let (code, out, words_of_it) = project.run(words).await;
    assert_eq!(code, Some(0), "{words:?}: {out}{words_of_it}");
    out
}

fn decided(detail: &Value, kind: &str) -> bool {
    detail["history"].as_array().is_some_and(|all| all.iter().any(|it| it["kind"] == kind))
}

fn texts(providers: &Providers, to: &str) -> Vec<String> {
    providers.arrived(to).into_iter().map(|message| message.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_keeps_the_sms_back_until_it_ends() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let second = "failures_in_a_row = 8";
    let project = project(&site, &providers, second, "acknowledged_for = \"15s\"");
    let daemon = project.up().await;
    site.answer(500);
    incident(&daemon, "an incident", |_| true).await;
    let out = said(&project, &["ack", "#1", "--reason", "on it"]).await;
    assert!(out.starts_with("#1 is acknowledged by eva until "), "{out}");

    let held = incident(&daemon, "a tier held back", |it| !it["incident"]["held"].is_null()).await;
    assert_eq!(held["incident"]["held"]["tiers"], serde_json::json!([2]));
    assert_eq!(held["incident"]["acknowledged"]["via"], "cli");
    until_true("those who follow hear who takes care", PATIENCE, async || {
        texts(&providers, "#p2").iter().any(|text| text.contains("eva"))
    })
    .await;
    assert_eq!(texts(&providers, ANA), [""; 0]);

    let over = incident(&daemon, "the end of it", |it| decided(it, "left_alone")).await;
    assert!(over["incident"]["acknowledged"].is_null(), "{over:#}");
    until_true("ana is called after all", PATIENCE, async || !texts(&providers, ANA).is_empty())
        .await;

    let trail = said(&project, &["why", "1"]).await;
    for words in ["#1 check:shop: open since", "acknowledged", "not told", "left alone", "on it"] {
        assert!(trail.contains(words), "{words}: {trail}");
    }
    assert_eq!(said(&project, &["why", "shop"]).await.lines().next(), trail.lines().next());
    let (code, _, words) = project.run(&["why", "shpo"]).await;
    assert!(code == Some(2) && words.contains("no check `shpo` has run; these have: "), "{words}");
    let (code, _, words) = project.run(&["unack", "1"]).await;
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("nobody has acknowledged the incident"), "{words}");
    let (code, _, words) = project.run(&["note", "99", "hello"]).await;
    assert_eq!((code, words.trim()), (Some(2), "error: there is no incident 99"));
    assert!(daemon.stop().await.success());
    let (code, _, words) = project.run(&["ack", "1"]).await;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("start it with `tripline up`"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_holds_all_back_until_it_is_ended() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = project(&site, &providers, "failures_in_a_row = 2", "");
    let daemon = project.up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    let (code, _, words) =
        project.run(&["silence", "--check", "shp", "--for", "1h", "--reason", "x"]).await;
    assert_eq!(
        (code, words.trim()),
        (Some(2), "error: there is no check `shp`; did you mean `shop`?")
    );
    let of_shop = ["silence", "--check", "shop", "--for", "1h", "--reason", "a deploy"];
    let out = said(&project, &of_shop).await;
    assert!(out.starts_with("Silence 1 of check shop until "), "{out}");
    let listed = said(&project, &["silences"]).await;
    assert!(listed.contains("eva: a deploy"), "{listed}");
    let route = said(&project, &["route", "shop"]).await;
    assert!(route.contains("nobody is told now: silence 1 by eva (command line) until"), "{route}");

    site.answer(500);
    let both = serde_json::json!([1, 2]);
    incident(&daemon, "both tiers held back", |it| it["incident"]["held"]["tiers"] == both).await;
    assert_eq!((texts(&providers, "#p2").len(), texts(&providers, ANA).len()), (0, 0));
    // Whoever edits the project meanwhile keeps nobody from acting.
    project.edit("\"sms:ana\"", "\"sms:anna\"");
    let (code, out, words) = project.run(&["unsilence", "1"]).await;
    assert_eq!(
        (code, out.as_str()),
        (
            Some(0),
            "Silence 1 of check shop is over; what it held back is told, if it still fails.\n"
        )
    );
    assert!(words.starts_with("warning: there are mistakes in tripline.toml"), "{words}");
    project.write("tripline.toml", "[[check]\n");
    let (code, _, words) = project.run(&["silences"]).await;
    assert!(code == Some(3) && words.contains("--hub names the daemon"), "{words}");
    until_true("all are told", PATIENCE, async || {
        !texts(&providers, "#p2").is_empty() && !texts(&providers, ANA).is_empty()
    })
    .await;
    let first = &texts(&providers, "#p2")[0];
    assert!(first.contains("a deploy"), "it is said what kept it back: {first}");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_still_fails_at_the_end_of_a_maintenance_is_told() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    site.answer(500);
    let now = System.now();
    let moment = |seconds| (now + TimeDelta::seconds(seconds)).to_rfc3339();
    let maintenance = format!(
        "[[maintenance]]\nname = \"move\"\nchecks = [\"shop\"]\nfrom = {}\nuntil = {}\n",
        moment(-120),
        moment(30)
    );
    let project = project(&site, &providers, "failures_in_a_row = 2", "").toml(&maintenance);
    let daemon = project.up().await;
    let held = incident(&daemon, "it is held back", |it| !it["incident"]["held"].is_null()).await;
    let why = held["incident"]["held"]["why"].as_str().expect("a reason").to_owned();
    assert!(why.starts_with("maintenance `move` until "), "{why}");
    until_true("all are told at its end", PATIENCE, async || {
        !texts(&providers, "#p2").is_empty() && !texts(&providers, ANA).is_empty()
    })
    .await;
    let end = now + TimeDelta::seconds(30);
    assert!(providers.arrived("#p2").iter().all(|message| message.at >= end));
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_acknowledges_is_asked_in_time_or_others_are_called() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let second = "unacknowledged_for = \"3s\"";
    let project = project(&site, &providers, second, "reopen_within = \"10m\"");
    let daemon = project.up().await;
    site.answer(500);
    until_true("ana is called", PATIENCE, async || !texts(&providers, ANA).is_empty()).await;
    let (p2, sms) = (&providers.arrived("#p2")[0], &providers.arrived(ANA)[0]);
    assert!((sms.at - p2.at).num_milliseconds() > 1_500, "{p2:#?}\n{sms:#?}");

    said(&project, &["resolve", "1", "--reason", "rolled back"]).await;
    let again = incident(&daemon, "it is opened again", |it| decided(it, "reopened")).await;
    assert_eq!(again["incident"]["id"], 1);
    assert_eq!(again["incident"]["reopened"], 1);
    until_true("p2 hears that it fails again", PATIENCE, async || {
        texts(&providers, "#p2").iter().any(|text| text.contains("fails again"))
    })
    .await;
    site.answer(200);
    incident(&daemon, "it is over", |it| it["incident"]["status"] == "resolved").await;
    assert_eq!(daemon.incidents().await.len(), 1);
    assert!(daemon.stop().await.success());
}
