//! Our metrics, as statsd's own daemon reads them.

use std::time::Duration;

use tripline::clock::{Clock as _, System};
use tripline::domain::Timestamp;

use crate::dashboard::{self, Asked};
use crate::net::trust::{Authority, for_localhost, serve};
use crate::support::site::Site;
use crate::support::targets::statsd;
use crate::support::tripline::{Project, REGION};
use crate::support::wait::until_true;

const PATIENCE: Duration = Duration::from_secs(30);
/// How long something may take that is done every minute.
const MINUTES: Duration = Duration::from_mins(3);

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

const STEPS: &str = r#"import { step } from "tripline";
export const options = { every: "1s" };
export default async function () {
  await step("open the page", () => fetch("URL"));
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn steps_lateness_certificates_coverage_and_incidents_arrive() {
    let sink = statsd().await;
    let (good, bad, authority) = (Site::start().await, Site::start().await, Authority::new());
    bad.answer(500);
    let secure = serve(&authority, for_localhost(), "http/1.1").await;
    let check = |name: &str, url: String| {
        format!("[[check]]\nname = \"{name}\"\nurl = \"{url}\"\nevery = \"1s\"\n")
    };
    let project = Project::new()
        .toml(&format!("[statsd]\nsend_to = \"{}\"\n", sink.address()))
        .toml(&check("bad", bad.url()))
        .toml(&check("secure", format!("https://localhost:{}/", secure.port)))
        .script("steps.js", &STEPS.replace("URL", &good.url()));
    project.write("ca.pem", &authority.pem);
    let authorities = project.path().join("ca.pem").display().to_string();
    let project = project.env("SSL_CERT_FILE", &authorities);

    let tested = project.test(&["secure"]).await;
    let until: Timestamp = "2090-01-31T00:00:00Z".parse().expect("a time");
    let seen: Vec<_> = tested.runs.iter().flat_map(|it| &it.requests).collect();
    let is_shown = !seen.is_empty() && seen.iter().all(|it| it.certificate_until == Some(until));
    assert!(is_shown, "{tested:#?}");

    let daemon = project.up().await;
    for (check, timer) in [("steps", "lateness"), ("bad", "lateness"), ("steps", "step")] {
        let step = if timer == "step" { ".open_the_page" } else { "" };
        let name = format!("tripline.{timer}.{check}.{REGION}{step}");
        until_true(&name, PATIENCE, async || !sink.timer(&name).is_empty()).await;
    }
    let name = format!("tripline.certificate_days.secure.{REGION}");
    until_true(&name, PATIENCE, async || {
        let left = (until - System.now()).as_seconds_f64() / 86_400.0;
        sink.gauge(&name).is_some_and(|days| (days - left).abs() < 0.01)
    })
    .await;
    assert_eq!(sink.gauge(&format!("tripline.certificate_days.steps.{REGION}")), None);
    let opened = "tripline.incidents.opened.check";
    until_true(opened, PATIENCE, async || sink.counter(opened) == Some(1.0)).await;
    // Every minute; slots are accounted for when their runs must have ended.
    for (name, value) in [
        ("tripline.incidents.open.check".to_owned(), 1.0),
        ("tripline.incidents.open.unseen".to_owned(), 0.0),
        (format!("tripline.coverage.steps.{REGION}"), 1.0),
        (format!("tripline.uptime.steps.{REGION}"), 1.0),
        (format!("tripline.uptime.bad.{REGION}"), 0.0),
    ] {
        until_true(&name, MINUTES, async || {
            sink.gauge(&name).is_some_and(|it| (it - value).abs() < 0.2)
        })
        .await;
    }
    assert_eq!(sink.counter("statsd.bad_lines_seen"), Some(0.0));
    assert!(daemon.stop().await.success());
}

fn whole(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a small number"))
}
