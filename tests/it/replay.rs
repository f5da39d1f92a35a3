//! `tripline policy replay`, by the real binary, on stores that lived through failures.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{SubsecRound as _, TimeDelta};
use serde_json::{Value, json};
use tripline::clock::{Clock as _, System};
use tripline::domain::Timestamp;
use tripline::domain::check::{Check, Expectations, RequestSpec, Work};
use tripline::domain::id::{CheckId, PersonId, Region};
use tripline::domain::incident::acting::Act;
use tripline::domain::notification::{Attempt, settle};
use tripline::domain::policy::{Channel, Policy, Roster, Target, Tier};
use tripline::domain::restraint::{Actor, Via};
use tripline::domain::run::{Failure, FailureKind, Report, Trace};
use tripline::domain::schedule::{Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::engine::judge::Rulebook;
use tripline::store::care::{Acted, Care};
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::{Holder, SqliteStore};
use tripline::store::{Horizons, IncidentFilter, Standing, Store};

use crate::support::postgres::Database;
use crate::support::providers::Providers;
use crate::support::site::Site;
use crate::support::tripline::{Project, REGION};
use crate::support::wait::until;

/// The check that failed, as `tripline.toml` has it.
const CHECK: &str = "[[check]]\nid = \"shop\"\nurl = \"http://127.0.0.1/\"\nevery = \"1m\"\n";

/// Its policy: `#p2` at the first failure, and ana at the second.
fn policy(first: u32) -> String {
    format!(
        "[people.ana]\nphone = \"+4930123456\"\n\
         [[policy]]\nname = \"shop\"\nreopen_within = \"0s\"\n\
         [[policy.tier]]\nwhen = {{ failures_in_a_row = {first} }}\nnotify = [\"slack:#p2\"]\n\
         [[policy.tier]]\nwhen = {{ failures_in_a_row = 4 }}\nnotify = [\"sms:ana\"]\n"
    )
}

/// Three days ago, at a whole minute.
fn start() -> Timestamp {
    let at = System.now() - TimeDelta::days(3);
    let seconds = at.timestamp().rem_euclid(60);
    at.trunc_subsecs(0) - TimeDelta::seconds(seconds)
}

/// The same rules as values.
fn rulebook() -> Rulebook {
    let ana = PersonId::new("ana").expect("a good name");
    let check = Check {
        id: CheckId::new("shop").expect("a good name"),
        name: "shop".into(),
        schedule: Schedule::Every(Interval::new(Duration::from_mins(1)).expect("in range")),
        regions: vec![Region::new(REGION).expect("a good name")],
        timeout: Duration::from_secs(20),
        policy: "shop".into(),
        runbook: None,
        labels: BTreeMap::new(),
        bodies: tripline::domain::exchange::Bodies::Kept,
        work: Work::Request(Box::new(RequestSpec {
            method: "GET".into(),
            url: "http://127.0.0.1/".into(),
            headers: Vec::new(),
            body: None,
            expect: Expectations::default(),
        })),
    };
    let tiers = vec![
        Tier::after(1, vec![Target::Slack("#p2".into())]),
        Tier::after(4, vec![Target::Sms("ana".into())]),
    ];
    let policy = Policy { reopen_within: Duration::ZERO, ..Policy::of("shop", tiers) };
    let people = [(ana, Some("+4930123456".to_owned()))].into();
    let roster = Roster { people, ..Roster::default() };
    Rulebook::new([check], [policy], roster).expect("it has its policy")
}

/// Has a store live through a result a minute: `f` failed, `.` passed, `a` failed and was acknowledged.
/// What is owed is sent as it comes.
async fn live(store: &(impl Store + Care), begun: Timestamp, letters: &str) {
    let rules = rulebook();
    for (minute, letter) in (0..).zip(letters.chars()) {
        let at = begun + TimeDelta::minutes(minute);
        let failed = Failure::new(FailureKind::Expectation, "expected 200, received 503");
        let report = Report {
            slot: Slot {
                check: CheckId::new("shop").expect("a good name"),
                region: Region::new(REGION).expect("a good name"),
                at,
            },
            started_at: at,
            duration: Duration::from_millis(20),
            failure: (letter != '.').then_some(failed),
            trace: Trace::default(),
            clock_ahead: TimeDelta::zero(),
        };
        let now = at + TimeDelta::seconds(1);
        store.record(&[report], &rules, now).await.expect("recorded");
        if letter == 'a' {
            let eva = Actor { name: "eva".into(), via: Via::Slack };
            let act = Act::Acknowledge { reason: None, lasts: Some(Duration::from_hours(1)) };
            let filter = IncidentFilter { open_only: true, limit: 1, ..IncidentFilter::default() };
            let open = store.incidents(&filter).await.expect("read").remove(0).id;
            let now = now + TimeDelta::seconds(5);
            let acted = store.act(open, (&act, &eva), &rules, now).await.expect("taken");
            assert!(matches!(acted, Acted::Done(_)), "{acted:?}");
        }
        for channel in [Channel::Slack, Channel::Sms] {
            let now = now + TimeDelta::seconds(10);
            send(store, channel, now).await;
        }
    }
}

async fn send(store: &impl Store, channel: Channel, now: Timestamp) {
    loop {
        let until = now + TimeDelta::seconds(15);
        let claims = store.claim_due(channel, now, until, 10).await.expect("claimed");
        if claims.is_empty() {
            return;
        }
        for claim in claims {
            let accepted = Attempt::Accepted { receipt: "C1/1".into() };
            let settled = settle(&claim.notification, &accepted, now, now, 0.0);
            let _: Standing =
                store.settle(&claim, now, now, &accepted, &settled).await.expect("settled");
        }
    }
}

/// Two outages: a short one, and a longer one that was acknowledged at its third failure.
const LIVED: &str = "..f..ffafff...";

/// What `tripline policy replay` prints as JSON.
async fn replayed(project: &Project, words: &[&str]) -> Value {
    let mut all = vec!["policy", "replay", "--since", "7d", "--format", "json"];
    all.extend(words);
    let (code, printed, said) = project.run(&all).await;
    assert_eq!(code, Some(0), "{printed}{said}");
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

fn targets(replayed: &Value) -> Vec<String> {
    let rows = replayed["targets"].as_array().expect("a list");
    let line = |row: &Value| {
        let edited = row.get("edited").map(|edited| format!(" edited {edited}"));
        format!(
            "{} told {} current {}{} difference {}",
            row["target"].as_str().expect("a target"),
            row["told"],
            row["current"],
            edited.unwrap_or_default(),
            row["difference"]
        )
    };
    rows.iter().map(line).collect()
}

/// What holds on both backends of a project whose store lived through [`LIVED`].
async fn tells_what_was_told_and_what_an_edited_project_would(project: &Project, begun: Timestamp) {
    let same = replayed(project, &[]).await;
    assert_eq!(
        targets(&same),
        [
            // Failing twice, acknowledged, and the end twice.
            "slack:#p2 told 5 current 5 difference 0",
        ],
        "{same:#}"
    );
    assert_eq!(same["results"], json!(LIVED.len()));
    assert_eq!(same["acknowledgements"]["applied"], json!(1));
    let whole: Timestamp = serde_json::from_value(same["results_since"].clone()).expect("a time");
    assert_eq!(whole, begun);
    let first = &same["messages"][0];
    assert_eq!(first["text"], "Failing: shop in test: expected 200, received 503");
    assert_eq!(first["kind"], "failing");
    assert!(first["why"].as_str().is_some_and(|why| why.contains("tier 1")), "{first}");

    project.write("edited.toml", &format!("[agent]\nregion = \"{REGION}\"\n{}{CHECK}", policy(3)));
    let edited = replayed(project, &["--config", "edited.toml"]).await;
    assert_eq!(
        targets(&edited),
        ["slack:#p2 told 5 current 5 edited 3 difference -2"],
        "the short outage is not told, and the other one later: {edited:#}"
    );
    let sides: Vec<&Value> =
        edited["messages"].as_array().expect("a list").iter().map(|it| &it["in"]).collect();
    let wanted = ["current", "current", "current", "edited", "both", "both"];
    assert_eq!(sides, wanted.map(|it| json!(it)).iter().collect::<Vec<_>>(), "{edited:#}");

    let words = ["policy", "replay", "--since", "7d", "--config", "edited.toml", "--limit", "2"];
    let (code, printed, said) = project.run(&words).await;
    assert_eq!(code, Some(0), "{printed}{said}");
    for words in [
        "14 results of 1 check",
        "The store has results since ",
        "slack:#p2             5           5           3          -2",
        "1 found an incident open in the replay",
        "- ",
        "and 3 more; `--limit` lists them",
    ] {
        assert!(printed.contains(words), "`{words}` in:\n{printed}");
    }
}

fn project() -> Project {
    Project::new().toml(&policy(1)).toml(CHECK)
}

async fn fresh(project: &Project) -> SqliteStore {
    let holder = Holder { command: "a test".into(), since: start() };
    SqliteStore::open(&project.path().join("tripline.db"), &holder).await.expect("opened")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_project_is_tried_on_what_happened() {
    let (project, begun) = (project(), start());
    let store = fresh(&project).await;
    live(&store, begun, LIVED).await;
    store.close().await;
    tells_what_was_told_and_what_an_edited_project_would(&project, begun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_project_is_tried_on_what_happened_in_postgresql() {
    let (database, begun) = (Database::empty().await, start());
    let store = PostgresStore::open(database.url()).await.expect("a new store");
    live(&store, begun, LIVED).await;
    store.close().await;
    let place = "[store]\nurl = { env = \"DATABASE_URL\" }\n";
    let project = project().toml(place).env("DATABASE_URL", database.url());
    tells_what_was_told_and_what_an_edited_project_would(&project, begun).await;
    database.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_cannot_be_replayed_and_that_is_said() {
    let (project, begun) = (project(), start());
    let store = fresh(&project).await;
    live(&store, begun, &format!("f.{}f..", ".".repeat(8))).await;
    let kept = begun + TimeDelta::minutes(5);
    store.forget(&Horizons::of_runs(kept), 1000).await.expect("forgotten");
    store.close().await;
    let replayed = replayed(&project, &[]).await;
    // The first outage is told of in the store, and not counted: its results are gone.
    assert_eq!(targets(&replayed), ["slack:#p2 told 2 current 2 difference 0"], "{replayed:#}");
    let since: Timestamp = serde_json::from_value(replayed["since"].clone()).expect("a time");
    assert_eq!(since, kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replayed_is_refused() {
    let project = project();
    let refused = async |words: &[&str], code: i32, wanted: &str| {
        let mut all = vec!["policy", "replay"];
        all.extend(words);
        let (ended, _, said) = project.run(&all).await;
        assert_eq!(ended, Some(code), "{words:?}: {said}");
        assert!(said.contains(wanted), "{words:?}: {said}");
    };
    refused(&[], 1, "tripline.db").await;
    refused(&["--check", "shp"], 2, "there is no check `shp`; there are shop").await;
    refused(&["--since", "1h", "--until", "2h"], 2, "the time is empty").await;
    refused(&["--config", "nowhere.toml"], 2, "there is no `nowhere.toml`").await;
    project.write("wrong.toml", "[[check]]\nid = \"shop\"\n");
    refused(&["--config", "wrong.toml"], 3, "`url` is missing").await;
    fresh(&project).await.close().await;
    let (code, printed, said) = project.run(&["policy", "replay"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.starts_with("The store has no results yet"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_open_is_acknowledged_at_once() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let mut project = providers.told_by(Project::new()).env("USER", "eva");
    for (id, team) in [("cart", "shop"), ("login", "shop"), ("search", "find")] {
        project = project.toml(&format!(
            "[[check]]\nid = \"{id}\"\nurl = \"{}\"\nevery = \"1s\"\nlabels = {{ team = \"{team}\" }}\n",
            site.url()
        ));
    }
    site.answer(500);
    let daemon = project.up().await;
    until("three incidents", Duration::from_secs(40), async || {
        (daemon.incidents().await.len() == 3).then_some(())
    })
    .await;
    // Nobody is asked where nobody sits.
    let (code, _, said) = project.run(&["ack", "--all", "--label", "team=shop"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("2 incidents would be acknowledged; say that they are meant"), "{said}");
    let (code, out, said) =
        project.run(&["ack", "--all", "--label", "team=shop", "--yes", "--for", "1h"]).await;
    assert_eq!(code, Some(0), "{said}");
    let mut lines: Vec<&str> = out.lines().filter_map(|it| it.split("  ").nth(1)).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["check:cart", "check:login"], "{out}");
    assert!(out.lines().all(|it| it.contains("is acknowledged by eva until ")), "{out}");
    let (_, out, _) = project.run(&["ack", "--all", "--yes", "--check", "search"]).await;
    assert!(out.contains("check:search") && out.lines().count() == 1, "{out}");
    let (code, out, _) = project.run(&["ack", "--all", "--yes"]).await;
    assert_eq!(code, Some(0));
    assert!(out.starts_with("Nothing to acknowledge"), "{out}");
    let (code, _, said) = project.run(&["ack", "--check", "search", "1"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(daemon.stop().await.success());
}
