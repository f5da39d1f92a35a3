//! Whether messages would arrive: drills of all paths, what is told of a path that is not proven, and the
//! heartbeat to others, by the real binary.

use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::support::hook::{FakeHook, FakePagerduty, ROUTING_KEY};
use crate::support::http;
use crate::support::provider::{Answer, Parts, Provider, Reply, Speak};
use crate::support::providers::{ANA, Providers};
use crate::support::site::Site;
use crate::support::smtp::FakeSmtp;
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::{throughout, until, until_true};
use crate::support::wall::Wall;

/// How long something may take that takes a second or two on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the daemon says of the path called `name`.
async fn path(daemon: &Daemon, name: &str) -> Value {
    let all: Value = daemon.ask("/api/v1/drills").await;
    let paths = all["paths"].as_array().cloned().unwrap_or_default();
    paths.into_iter().find(|it| it["path"] == name).unwrap_or_default()
}

/// The messages to `to` that say `text`.
fn said(providers: &Providers, to: &str, text: &str) -> usize {
    providers.arrived(to).iter().filter(|it| it.text.contains(text)).count()
}

async fn store(project: &Project, is_read_only: bool) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(project.path().join("tripline.db"));
    let options = options.read_only(is_read_only).busy_timeout(PATIENCE);
    options.connect().await.expect("connected")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_of_all_paths_leaves_a_receipt_for_each_and_disturbs_nobody_else() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let (hook, mail) = (FakeHook::hook().await, FakeSmtp::plain().await);
    let pagerduty = FakePagerduty::pagerduty().await;
    let settings = format!(
        "[webhook.chat]\nurl = \"{}/chat\"\n[email]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         from = \"tripline@example.com\"\n[pagerduty.shop]\nrouting_key = {{ env = \"KEY\" }}\n\
         api_url = \"{}\"\n[[policy]]\nname = \"all\"\n[[policy.tier]]\n\
         when = {{ failures_in_a_row = 1 }}\nnotify = [\"slack:#p2\", \"sms:devops\", \
         \"email:ops@example.com\", \"webhook:chat\", \"pagerduty:shop\"]\n[[check]]\nname = \"shop\"\n\
         url = \"{}\"\nevery = \"1s\"\n",
        hook.origin(),
        mail.port,
        pagerduty.origin(),
        site.url(),
    );
    let project = providers.told_by(Project::new()).toml(&settings).env("KEY", ROUTING_KEY);
    let daemon = project.up().await;
    let (code, out, words) = project.run(&["drill", "--now"]).await;
    assert_eq!(code, Some(0), "{out}{words}");
    for (path, proof) in [
        ("slack:#p2", "accepted"),
        ("sms:ana", "delivered"),
        ("sms:bo", "delivered"),
        ("email:ops@example.com", "accepted"),
        ("webhook:chat", "accepted"),
        ("pagerduty:shop", "accepted"),
    ] {
        let line = out.lines().find(|line| line.contains(path)).unwrap_or_else(|| panic!("{out}"));
        assert!(line.starts_with("proven") && line.contains(proof), "{line}");
    }
    for to in ["#p2", ANA] {
        assert_eq!(providers.arrived(to).len(), 1);
        assert_eq!(said(&providers, to, "nothing needs to be done"), 1, "{to}");
    }
    assert_eq!(hook.accepted()[0].json()["type"], "drill");
    assert!(mail.taken("ops@example.com")[0].text().contains("DRILL"));
    let events = pagerduty.accepted();
    assert_eq!((events.len(), &events[0]["event_action"]), (1, &"resolve".into()));
    assert!(daemon.incidents().await.is_empty(), "nothing is wrong");
    let health: Value = daemon.ask("/healthz").await;
    assert_eq!((&health["notifications"]["owed"], &health["heartbeat"]), (&0.into(), &Value::Null));
    let url = format!("{}/metrics", daemon.url());
    let client = crate::support::http::client();
    let metrics = client.get(url).send().await.expect("answered").text().await.expect("a text");
    let proven = "tripline_path_proven_timestamp_seconds{path=\"sms:ana\"} ";
    assert!(metrics.contains(proven), "{metrics}");
    assert!(metrics.contains("tripline_path_up{path=\"slack:#p2\"} 1"), "{metrics}");
    // Who asks only is told the same, and of what is no path that it is none.
    let (code, again, _) = project.run(&["drill", "--path", "sms:ana"]).await;
    assert_eq!(code, Some(0));
    assert!(again.contains("proven    sms:ana") && !again.contains("sms:bo"), "{again}");
    let (code, _, words) = project.run(&["drill", "--now", "--path", "sms:eva"]).await;
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("there is no path `sms:eva`; there are:"), "{words}");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_drill_takes_place_once_whatever_becomes_of_the_daemon() {
    let providers = Providers::start().await;
    let drill =
        "[drill]\ncron = \"0 10 * * 1\"\ntimezone = \"Europe/Berlin\"\nchannels = [\"slack\"]\n";
    let project = providers.told_by(Project::new()).toml(drill);
    let Some(wall) = Wall::find(project.path()) else { return };
    // A minute before ten o'clock in Berlin.
    wall.stop_at("2026-11-23T08:59:00Z".parse().expect("a time"));
    let environment = wall.environment().into_iter();
    let project = environment.fold(project, |it, (name, value)| it.env(&name, &value));
    let daemon = project.up().await;
    let looked = async || {
        let mut store = store(&project, true).await;
        let marks = sqlx::query_scalar("SELECT count(*) FROM drill_mark").fetch_one(&mut store);
        let marks: i64 = marks.await.expect("read");
        store.close().await.expect("closed");
        marks == 1
    };
    until_true("it has looked", PATIENCE, looked).await;
    assert!(providers.posts().is_empty());
    wall.stop_at("2026-11-23T09:00:00Z".parse().expect("a time"));
    until_true("#p1 has it", PATIENCE, async || said(&providers, "#p1", "DRILL") == 1).await;
    until_true("#p2, too", PATIENCE, async || said(&providers, "#p2", "DRILL") == 1).await;
    // What was accepted is stamped with the time that it took, for which the clock stood still.
    wall.stop_at("2026-11-23T09:01:00Z".parse().expect("a time"));
    for name in ["slack:#p1", "slack:#p2"] {
        let proven = async || path(&daemon, name).await["standing"] == "proven";
        until_true("it is known", PATIENCE, proven).await;
    }
    daemon.kill().await;
    let daemon = project.up().await;
    let once = async || providers.posts().len() == 2 && providers.texts().is_empty();
    throughout("no other comes", Duration::from_secs(4), once).await;
    let all: Value = daemon.ask("/api/v1/drills").await;
    assert_eq!(all["schedule"]["next_at"], "2026-11-30T09:00:00.000Z");
    // Nothing arrives for longer than a proof holds, but only because nobody was there at one round.
    wall.stop_at("2026-12-02T11:00:00Z".parse().expect("a time"));
    throughout("the next round is waited for", Duration::from_secs(3), once).await;
    wall.stop_at("2026-12-07T11:00:00Z".parse().expect("a time"));
    let told =
        async || said(&providers, "#p1", "Unproven") + said(&providers, "#p2", "Unproven") > 0;
    until_true("that is told", PATIENCE, told).await;
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sms_that_is_never_delivered_is_told_in_slack_until_one_is() {
    let providers = Providers::start().await;
    providers.twilio.let_fare(ANA, "undelivered", Some(30005));
    let project = providers.told_by(Project::new());
    let daemon = project.up().await;
    let (code, out, words) = project.run(&["drill", "--now", "--path", "sms:ana"]).await;
    assert_eq!(code, Some(5), "{out}{words}");
    assert!(out.contains("failed") && out.contains("undelivered, 30005"), "{out}");
    let unproven = async || said(&providers, "#p2", "Unproven: messages to sms:ana") == 1;
    until_true("#p2 is told", PATIENCE, unproven).await;
    assert!(said(&providers, "#p2", "undelivered, 30005") == 1, "{:#?}", providers.posts());
    let open = daemon.incidents().await;
    assert_eq!((open[0].subject.as_str(), open[0].status.as_str()), ("path:sms:ana", "open"));
    // Nobody else is told in place of ana, and no drill comes by itself.
    let calm = async || providers.texts().len() == 1 && providers.arrived("#p1").is_empty();
    throughout("nobody else is told", Duration::from_secs(3), calm).await;
    providers.twilio.let_fare(ANA, "delivered", None);
    let (code, out, words) = project.run(&["drill", "--now", "--path", "sms:ana"]).await;
    assert_eq!(code, Some(0), "{out}{words}");
    let over = async || daemon.incidents().await.iter().all(|it| it.status != "open");
    until_true("it is over", PATIENCE, over).await;
    until_true("that is told", PATIENCE, async || {
        providers.posts().iter().any(|it| it.text.contains("Arrives again"))
    })
    .await;
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_is_told_by_the_other_ways_until_slack_takes_something() {
    let providers = Providers::start().await;
    let project = providers.told_by(Project::new());
    providers.slack.answer_all(Answer::Named(200, "token_revoked"));
    let daemon = project.up().await;
    let (code, out, words) = project.run(&["drill", "--now", "--path", "slack:#p2"]).await;
    assert_eq!(code, Some(5), "{out}{words}");
    // The first tier is #p2, so the next one is told.
    until_true("ana is told", PATIENCE, async || !providers.arrived(ANA).is_empty()).await;
    let text = &providers.arrived(ANA)[0].text;
    assert!(text.contains("BROKEN: all messages by slack"), "{text}");
    assert!(text.contains("token_revoked"), "{text}");
    assert_eq!(daemon.incidents().await[0].subject, "path:slack");
    let broken = async || path(&daemon, "slack:#p1").await["standing"] == "broken";
    until_true("every channel of it is broken", PATIENCE, broken).await;
    providers.slack.answer_all(Answer::Accept);
    let (code, out, words) = project.run(&["drill", "--now", "--path", "slack:#p2"]).await;
    assert_eq!(code, Some(0), "{out}{words}");
    until_true("ana hears the end", PATIENCE, async || said(&providers, ANA, "ARRIVES AGAIN") == 1)
        .await;
    assert!(daemon.stop().await.success());
}

/// A dead man's switch: remembers the paths that were asked for.
struct Switch;

impl Speak for Switch {
    type Message = String;

    fn read(&self, request: &Parts) -> Result<String, Reply> {
        if request.method == "GET" { Ok(request.path.clone()) } else { Err(Reply::text(405, "")) }
    }

    fn accept(&self, _: &Parts, _: &String, _: usize) -> Reply {
        Reply::text(200, "OK")
    }

    fn refuse(&self, _: &Parts, answer: Answer) -> Reply {
        match answer {
            Answer::Redirect => Reply::text(302, "").with("location", &"/elsewhere"),
            Answer::Status(status) => Reply::text(status, ""),
            _ => Reply::text(500, ""),
        }
    }
}

/// What the health page says of the heartbeat.
async fn heartbeat(daemon: &Daemon) -> Value {
    let answer = http::client().get(format!("{}/healthz", daemon.url())).send().await;
    let health: Value = answer.expect("the daemon answers").json().await.expect("JSON");
    health["heartbeat"].clone()
}

/// Waits until the heartbeat is withheld, for a reason with `text`.
async fn withheld(daemon: &Daemon, text: &str) {
    until("it is withheld", Duration::from_mins(2), async || {
        let reasons = heartbeat(daemon).await["withheld"].to_string();
        reasons.contains(text).then_some(())
    })
    .await;
}

/// Waits until more heartbeats come.
async fn beats(switch: &Provider<Switch>) {
    let before = switch.accepted().len();
    until_true("it beats", PATIENCE, async || switch.accepted().len() > before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heartbeat_is_withheld_while_the_store_takes_nothing_or_messages_are_stuck() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let switch = Provider::start(Switch).await;
    let settings = format!(
        "[heartbeat]\nurl = {{ env = \"BEAT\" }}\nevery = \"1s\"\n[[check]]\nname = \"shop\"\n\
         url = \"{}\"\nevery = \"1s\"\n",
        site.url()
    );
    let project = providers.told_by(Project::new()).toml(&settings);
    let project = project.env("BEAT", &format!("{}/secret-beat", switch.origin()));
    let Some(wall) = Wall::find(project.path()) else { return };
    let environment = wall.environment().into_iter();
    let project = environment.fold(project, |it, (name, value)| it.env(&name, &value));
    let daemon = project.up().await;
    beats(&switch).await;
    assert_eq!(switch.accepted()[0], "/secret-beat");
    let last = async || heartbeat(&daemon).await["last_at"].is_string();
    until_true("it is shown", PATIENCE, last).await;

    // Another program keeps the store from being written.
    let mut other = store(&project, false).await;
    other.execute("BEGIN IMMEDIATE").await.expect("locked");
    withheld(&daemon, "the store does not take what is written").await;
    let sent = switch.accepted().len();
    throughout("none is sent", Duration::from_secs(3), async || switch.accepted().len() == sent)
        .await;
    other.execute("ROLLBACK").await.expect("unlocked");
    other.close().await.expect("closed");
    beats(&switch).await;
    assert_eq!(daemon.log().matches("the heartbeat is withheld").count(), 1, "it is said once");

    // A message cannot leave for longer than a minute.
    providers.slack.answer_all(Answer::Status(503));
    site.answer(500);
    until_true("it is tried", PATIENCE, async || !providers.posts().is_empty()).await;
    wall.set("+2m");
    withheld(&daemon, "a notification by slack has been owed for").await;
    providers.slack.answer_all(Answer::Accept);
    beats(&switch).await;

    // What is not taken is said once, and a redirect is not followed.
    switch.answer_all(Answer::Redirect);
    let failed = async || heartbeat(&daemon).await["failure"].to_string().contains("redirect");
    until_true("it is not taken", PATIENCE, failed).await;
    switch.answer_all(Answer::Accept);
    beats(&switch).await;
    assert!(switch.accepted().iter().all(|it| it == "/secret-beat"));
    assert!(!daemon.log().contains("secret-beat"), "{}", daemon.log());
    assert_eq!(daemon.log().matches("the heartbeat was not taken").count(), 1);
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_printed_is_no_path_and_is_not_called_proven() {
    let site = Site::start().await;
    let project = Project::new().toml(&format!(
        "[people.ana]\nphone = \"{ANA}\"\n[teams]\ndevops = [\"ana\"]\n\
         [[check]]\nname = \"front\"\nevery = \"1s\"\nurl = \"{}/\"\n",
        site.url()
    ));
    let (code, route, said) = project.run(&["route", "front"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(route.contains("slack:#p2 (NOT sent)"), "{route}");
    assert!(route.contains("sms:devops (NOT sent; ana"), "{route}");
    assert!(
        route.contains("NOT sent by sms") && route.contains("there is no `[twilio]`"),
        "{route}"
    );
    let (code, found, said) = project.run(&["oncall", "lint"]).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(found.contains("sms is not sent, only printed by `tripline up`"), "{found}");

    let daemon = project.up().await;
    for name in ["slack:#p2", "slack:#p1", "sms:ana"] {
        let path = path(&daemon, name).await;
        assert_eq!(path["standing"], "printed", "{path}");
        assert!(path["reason"].as_str().is_some_and(|it| it.contains("there is no `[")), "{path}");
    }
    let hub = ["drill", "--hub", daemon.url()];
    let (code, listed, said) = project.run(&hub).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(listed.contains("NOT sent  sms:ana") && !listed.contains("proven"), "{listed}");
    for more in [&["--now"][..], &["--now", "--path", "sms:ana"]] {
        let (code, listed, said) = project.run(&[&hub[..], more].concat()).await;
        assert_ne!(code, Some(0), "{listed}");
        assert!(said.contains("nothing was sent: messages are only printed to s"), "{said}");
    }
    daemon.stop().await;
}
