//! The scenarios: what is loaded, for how long, and which figures come of it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tripline::clock::{Clock, Stopwatch, System};

use crate::agent::agent;
use crate::alertmanager::alertmanager;
use crate::change::change;
use crate::control::{self, control};
use crate::daemon::Daemon;
use crate::ingest::ingest;
use crate::lateness::lateness;
use crate::machine::{memory, processor_time};
use crate::pages::pages;
use crate::project::{Project, login_script, short_script};
use crate::prometheus::prometheus;
use crate::statistics::{Sample, double};
use crate::statsd::statsd;
use crate::target::{Seen, Target};
use crate::webhooks::webhooks;
use crate::{Priority, Row, alerting, api, series};

type Outcome = Pin<Box<dyn Future<Output = Result<Vec<Row>>>>>;
type Scenario = fn(Priority) -> Outcome;

/// All scenarios with their names.
pub(crate) const ALL: [(&str, Scenario); 21] = [
    ("script", |priority| Box::pin(script(priority))),
    ("url", |priority| Box::pin(url(priority))),
    ("late-url", |priority| Box::pin(late_url(priority))),
    ("late-mixed", |priority| Box::pin(late_mixed(priority))),
    ("alert", |priority| Box::pin(alerting::quiet(priority))),
    ("alert-busy", |priority| Box::pin(alerting::busy(priority))),
    ("storm", |priority| Box::pin(alerting::storm(priority))),
    ("webhooks", |priority| Box::pin(webhooks(priority))),
    ("start", |priority| Box::pin(start(priority))),
    ("pages", |priority| Box::pin(pages(priority))),
    ("statsd", |priority| Box::pin(statsd(priority))),
    ("ingest", |priority| Box::pin(ingest(priority))),
    ("change", |priority| Box::pin(change(priority))),
    ("agent", |priority| Box::pin(agent(priority))),
    ("api-small", |priority| Box::pin(api::on_sqlite(priority, 1_000_000))),
    ("series", |priority| Box::pin(series::minutes(priority))),
    ("series-hour", |priority| Box::pin(series::hour(priority))),
    ("prometheus", |priority| Box::pin(prometheus(priority))),
    ("alertmanager", |priority| Box::pin(alertmanager(priority))),
    ("api", |priority| Box::pin(api::on_sqlite(priority, 20_000_000))),
    ("api-postgres", |priority| Box::pin(api::on_postgres(priority, 20_000_000))),
];

/// Those that are run only when they are named, because of the disk or the time that they take, or of
/// what they need.
pub(crate) const ON_REQUEST: [&str; 5] =
    ["series-hour", "prometheus", "alertmanager", "api", "api-postgres"];

/// The scenario with this name.
pub(crate) fn named(name: &str) -> Option<Scenario> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, scenario)| *scenario)
}

/// After the start, until caches are warm and stocks are filled.
const WARM_UP: Duration = Duration::from_secs(5);
/// The interval of the checks in the lateness scenarios.
const LATE_EVERY: Duration = Duration::from_secs(20);

/// Processor time per operation over `time`; `counts` tells what an operation looks like at the
/// target.
async fn cost(
    daemon: &Daemon,
    target: &Target,
    time: Duration,
    counts: impl Fn(&Seen) -> bool,
) -> Result<(f64, Vec<Seen>)> {
    tokio::time::sleep(WARM_UP).await;
    target.seen().await?;
    let before = processor_time(daemon.id())?;
    tokio::time::sleep(time).await;
    let used = processor_time(daemon.id())?.saturating_sub(before);
    let seen = target.seen().await?;
    let operations = seen.iter().filter(|request| counts(request)).count();
    ensure!(operations > 0, "nothing reached the target");
    Ok((used.as_secs_f64() * 1e3 / double(operations), seen))
}

fn slot_of(seen: &Seen) -> Option<i64> {
    seen.path.strip_prefix("/login?slot=")?.parse().ok()
}

async fn script(priority: Priority) -> Result<Vec<Row>> {
    const CHECKS: usize = 20;
    let target = Target::start(priority).await?;
    let project = Project::new(target.port)?;
    for number in 0..CHECKS {
        let text = login_script(&target.url(number), "1s");
        project.script(&format!("login-{number}"), &text)?;
    }
    let daemon = Daemon::start(&project, priority).await?;
    let time = Duration::from_secs(40);
    let (cost, seen) = cost(&daemon, &target, time, |it| slot_of(it).is_some()).await?;
    let late: Sample = seen
        .iter()
        .filter_map(|it| Some((it.came, slot_of(it)?)))
        .filter_map(|(came, slot)| i32::try_from(came - slot * 1000).ok())
        .map(|micros| f64::from(micros) / 1e3)
        .collect();
    let finished = seen.iter().filter(|it| it.path == "/home").count();
    Ok(vec![
        Row::new("load", format!("{CHECKS} scripts of 100 lines and 3 requests, every 1 s")),
        Row::new("processor time, all processes", format!("{cost:.2} ms a run")),
        Row::new("slot to first request at the target", late.spread()),
        Row::new("signed in", format!("{finished} of {}", late.len())),
    ])
}

async fn url(priority: Priority) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for checks in [200, 2_000] {
        let target = Target::start(priority).await?;
        let mut project = Project::new(target.port)?;
        for number in 0..checks {
            let name = format!("url-{number}");
            project.url_check(&name, &format!("{}/{name}", target.url(number)), "2s", "");
        }
        let daemon = Daemon::start(&project, priority).await?;
        let time = Duration::from_secs(30);
        let (cost, seen) = cost(&daemon, &target, time, |_| true).await?;
        rows.extend([
            Row::new("load", format!("{checks} requests every 2 s, stored, statsd on")),
            Row::new("processor time, all processes", format!("{cost:.3} ms a check")),
            Row::new("checks measured", seen.len().to_string()),
        ]);
    }
    Ok(rows)
}

/// How late the control is, under the same load.
async fn control_row(target: &Target, checks: usize, priority: Priority) -> Result<Row> {
    let time = Duration::from_secs(25);
    control(target.port, checks, LATE_EVERY, time, priority).await?;
    let seen = target.seen().await?;
    let late = lateness(&seen, LATE_EVERY, |name| name.starts_with("control-"))?;
    Ok(Row::new(format!("{} and so on, bare timers", control::name(0)), late.spread()))
}

/// The share of slots of `checks` checks that reached the target within `time`.
fn coverage(came: usize, checks: usize, time: Duration) -> Row {
    let slots = double(checks) * time.as_secs_f64() / LATE_EVERY.as_secs_f64();
    Row::new("reached the target", format!("{came} of about {slots:.0} slots"))
}

async fn late_url(priority: Priority) -> Result<Vec<Row>> {
    const CHECKS: usize = 2_000;
    let target = Target::start(priority).await?;
    let control = control_row(&target, CHECKS, priority).await?;
    let mut project = Project::new(target.port)?;
    for number in 0..CHECKS {
        let name = format!("url-{number}");
        project.url_check(&name, &format!("{}/{name}", target.url(number)), "20s", "");
    }
    let daemon = Daemon::start(&project, priority).await?;
    tokio::time::sleep(WARM_UP).await;
    target.seen().await?;
    let time = 2 * LATE_EVERY;
    tokio::time::sleep(time).await;
    let seen = target.seen().await?;
    drop(daemon);
    let late = lateness(&seen, LATE_EVERY, |name| name.starts_with("url-"))?;
    Ok(vec![
        Row::new("load", format!("{CHECKS} requests every 20 s")),
        Row::new("late at the target", late.spread()),
        control,
        coverage(late.all.len(), CHECKS, time),
    ])
}

async fn late_mixed(priority: Priority) -> Result<Vec<Row>> {
    const CHECKS: usize = 1_000;
    let target = Target::start(priority).await?;
    let mut project = Project::new(target.port)?;
    for number in 0..CHECKS {
        let url = target.url(number);
        if number % 2 == 0 {
            let name = format!("url-{number}");
            project.url_check(&name, &format!("{url}/{name}"), "20s", "");
        } else {
            let name = format!("script-{number}");
            project.script(&name, &short_script(&name, &url, "20s"))?;
        }
    }
    let control = control_row(&target, CHECKS, priority).await?;
    let daemon = Daemon::start(&project, priority).await?;
    tokio::time::sleep(WARM_UP).await;
    target.seen().await?;
    let time = 2 * LATE_EVERY;
    tokio::time::sleep(time).await;
    let seen = target.seen().await?;
    let (resident, proportional) = memory(daemon.id())?;
    let requests = lateness(&seen, LATE_EVERY, |name| name.starts_with("url-"))?;
    let scripts = lateness(&seen, LATE_EVERY, |name| name.starts_with("script-"))?;
    Ok(vec![
        Row::new("load", format!("{CHECKS} checks every 20 s, half of them scripts")),
        Row::new("late at the target, requests", requests.spread()),
        Row::new("late at the target, scripts", scripts.spread()),
        control,
        coverage(requests.all.len() + scripts.all.len(), CHECKS, time),
        Row::new("memory of the daemon", format!("{resident:.1} MiB resident")),
        Row::new("memory with its children", format!("{proportional:.1} MiB proportional")),
    ])
}

async fn start(priority: Priority) -> Result<Vec<Row>> {
    const STARTS: usize = 20;
    const CHECKS: usize = 1_000;
    let target = Target::start(priority).await?;
    let mut empty = Vec::new();
    for _ in 0..STARTS {
        let mut project = Project::new(target.port)?;
        project.url_check("one", &format!("{}/one", target.url(0)), "60s", "");
        let daemon = Daemon::start(&project, priority).await?;
        empty.push(daemon.start_up.as_secs_f64() * 1e3);
    }
    let mut project = Project::new(target.port)?;
    for number in 0..CHECKS {
        let url = target.url(number);
        if number % 2 == 0 {
            let name = format!("url-{number}");
            project.url_check(&name, &format!("{url}/{name}"), "20s", "");
        } else {
            let name = format!("script-{number}");
            project.script(&name, &short_script(&name, &url, "20s"))?;
        }
    }
    target.seen().await?;
    let began = System.now().timestamp_micros();
    let daemon = Daemon::start(&project, priority).await?;
    let watch = Stopwatch::start();
    let first = loop {
        if let Some(first) = target.seen().await?.first() {
            break first.came;
        }
        ensure!(watch.elapsed() < 2 * LATE_EVERY, "no check reached the target");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let first = i32::try_from(first - began).context("a long start")?;
    let many = daemon.start_up.as_secs_f64() * 1e3;
    Ok(vec![
        Row::new(
            "start to first answer, empty store",
            empty.into_iter().collect::<Sample>().spread(),
        ),
        Row::new(format!("the same with {CHECKS} checks, half scripts"), format!("{many:.0} ms")),
        Row::new(
            format!("start to first request, {CHECKS} checks"),
            format!("{:.0} ms", f64::from(first) / 1e3),
        ),
    ])
}
