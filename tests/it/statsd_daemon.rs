//! Our metrics, as statsd's own daemon reads them.

use std::time::Duration;

use crate::dashboard::{self, Asked};
use crate::support::site::Site;
use crate::support::targets::statsd;
use crate::support::tripline::{Project, REGION};
use crate::support::wait::until_true;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn every_run_is_counted_and_timed_in_lines_that_the_daemon_understands() {
    let sink = statsd().await;
    let (good, bad) = (Site::start().await, Site::start().await);
    bad.answer(500);
    let check = |name: &str, url: String| {
        format!("[[check]]\nname = \"{name}\"\nurl = \"{url}\"\nevery = \"1s\"\n")
    };
    let project = Project::new()
        .toml(&format!("[statsd]\nsend_to = \"{}\"\nprefix = \"trip\"\n", sink.address()))
        .toml(&check("good", good.url()))
        .toml(&check("bad", bad.url()));
    let daemon = project.up().await;
    until_true("three visits of each check", PATIENCE, async || {
        good.visits().len() >= 3 && bad.visits().len() >= 3
    })
    .await;
    let ended = daemon.stop().await;
    assert!(ended.success(), "{ended}");

    // Nothing is lost on the way, not even of the last moment.
    for (check, outcome, site) in [("good", "passed", &good), ("bad", "failed", &bad)] {
        let (counter, timer) = (
            format!("trip.runs.{check}.{REGION}.{outcome}"),
            format!("trip.duration.{check}.{REGION}"),
        );
        let visits = site.visits().len();
        until_true(&format!("{visits} on {counter} and {timer}"), PATIENCE, async || {
            sink.counter(&counter) == Some(whole(visits)) && sink.timer(&timer).len() == visits
        })
        .await;
        assert!(sink.timer(&timer).iter().all(|time| *time > 0.0 && *time < 20_000.0));
    }
    assert_eq!(sink.counter("statsd.bad_lines_seen"), Some(0.0));

    // What the dashboard asks for is what arrived. No run was unknown, so that word is left out.
    let here = |name: &str, check: &str| {
        name.replace("$prefix", "trip").replace("$check", check).replace("$region", REGION)
    };
    for asked in dashboard::asked() {
        let answered = ["good", "bad"].into_iter().any(|check| match &asked {
            Asked::Counter(name) if name.ends_with(".unknown") => true,
            Asked::Counter(name) => {
                let (name, outcomes) = name.rsplit_once('.').expect("a name has parts");
                let mut outcomes = outcomes.trim_matches(['{', '}']).split(',');
                outcomes.any(|it| sink.counter(&here(&format!("{name}.{it}"), check)).is_some())
            }
            Asked::Timer(name) => !sink.timer(&here(name, check)).is_empty(),
        });
        assert!(answered, "the dashboard asks in vain for {asked:?}");
    }
}

fn whole(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a small number"))
}
