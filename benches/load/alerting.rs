//! From a failing answer to the message that tells of it: on a quiet hub, on a busy one, and in a storm.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection as _};
use tripline::clock::Stopwatch;

use crate::control::{self, control};
use crate::daemon::Daemon;
use crate::lateness::lateness;
use crate::project::Project;
use crate::statistics::{Sample, double};
use crate::target::{Seen, Target};
use crate::{Priority, Row};

const WARM_UP: Duration = Duration::from_secs(5);
const SLACK: &str = "[slack]\nbot_token = { env = \"SLACK_BOT_TOKEN\" }\n";

/// Checks that start to fail one after the other, each told in a channel of its own: Slack takes one
/// message a second for a channel.
#[derive(Debug, Clone, Copy)]
struct Probes {
    count: usize,
    every: Duration,
    /// From one that starts to fail to the next.
    apart: Duration,
}

impl Probes {
    fn write(self, project: &mut Project, target: &Target) {
        for number in 0..self.count {
            let name = format!("alert-{number}");
            project.settings(&format!(
                "[[policy]]\nname = \"{name}\"\n[[policy.tier]]\n\
                 when = {{ failures_in_a_row = 1 }}\nnotify = [\"slack:#{name}\"]\n"
            ));
            let (url, every) = (target.url(number), format!("{}s", self.every.as_secs()));
            let more = format!("policy = \"{name}\"");
            project.url_check(&name, &format!("{url}/{name}"), &every, &more);
        }
    }

    /// Has them fail, and waits until all have been told.
    async fn fail(self, target: &Target) -> Result<Vec<Seen>> {
        for number in 0..self.count {
            target.answer(&format!("/alert-{number}"), 503).await?;
            tokio::time::sleep(self.apart).await;
        }
        tokio::time::sleep(self.every + WARM_UP).await;
        target.seen().await
    }

    /// How long it took from the failing answer to the message.
    fn rows(seen: &[Seen]) -> Vec<Row> {
        let mut failed: HashMap<&str, i64> = HashMap::new();
        let mut told: HashMap<&str, i64> = HashMap::new();
        for request in seen {
            if request.status == 503 && request.path.starts_with("/alert-") {
                failed.entry(request.path.trim_start_matches('/')).or_insert(request.answered);
            }
            if !request.channel.is_empty() {
                told.entry(request.channel.trim_start_matches('#')).or_insert(request.came);
            }
        }
        let took: Sample = failed
            .iter()
            .filter_map(|(name, at)| i32::try_from(told.get(name)? - at).ok())
            .map(|micros| f64::from(micros) / 1e3)
            .collect();
        vec![
            Row::new("failing answer to Slack message", took.spread()),
            Row::new("told", format!("{} of {} failures", took.len(), failed.len())),
        ]
    }
}

fn slack(target: &Target) -> String {
    format!("{SLACK}api_url = \"{}/api\"\n", target.url(0))
}

/// On a hub that has little else to do.
pub(crate) async fn quiet(priority: Priority) -> Result<Vec<Row>> {
    let apart = Duration::from_millis(150);
    let probes = Probes { count: 200, every: Duration::from_secs(10), apart };
    let target = Target::start(priority).await?;
    let mut project = Project::new(target.port)?;
    project.settings(&slack(&target));
    probes.write(&mut project, &target);
    let daemon = Daemon::start(&project, priority).await?;
    tokio::time::sleep(WARM_UP).await;
    let seen = probes.fail(&target).await?;
    drop(daemon);
    let load = format!("{} requests every 10 s; one starts to fail every 150 ms", probes.count);
    let mut rows = vec![Row::new("load", load)];
    rows.extend(Probes::rows(&seen));
    let bare = bare_commits(&project.path().join("bare")).await.context("failed to write")?;
    rows.push(Row::new("80 KiB written and synced, by themselves", bare.spread()));
    Ok(rows)
}

/// How long the disk alone takes for as much as one alarm writes, in milliseconds.
async fn bare_commits(path: &Path) -> std::io::Result<Sample> {
    const COMMITS: usize = 100;
    let pages = vec![7; 20 * 4096];
    let mut file = File::create(path)?;
    // As in a log that is begun anew, the file is as long as it gets.
    file.write_all(&pages.repeat(COMMITS))?;
    file.sync_all()?;
    file.rewind()?;
    let mut took = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let watch = Stopwatch::start();
        file.write_all(&pages)?;
        file.sync_data()?;
        took.push(watch.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took.into_iter().collect())
}

/// While many incidents are open and many results arrive.
pub(crate) async fn busy(priority: Priority) -> Result<Vec<Row>> {
    const OPEN: usize = 1_000;
    const CALM: usize = 4_000;
    let apart = Duration::from_millis(250);
    let probes = Probes { count: 120, every: Duration::from_secs(5), apart };
    let target = Target::start(priority).await?;
    let mut project = Project::new(target.port)?;
    project.settings(&slack(&target));
    project.settings(&format!(
        "[webhook.sink]\nurl = \"{}/sink\"\n[[policy]]\nname = \"open\"\n[[policy.tier]]\n\
         when = {{ failures_in_a_row = 1 }}\nnotify = [\"webhook:sink\"]\n",
        target.url(1)
    ));
    for number in 0..OPEN + CALM {
        let name = if number < OPEN { format!("open-{number}") } else { format!("calm-{number}") };
        let url = format!("{}/{name}", target.url(number));
        project.url_check(&name, &url, "10s", "policy = \"open\"");
        if number < OPEN {
            target.answer(&format!("/{name}"), 503).await?;
        }
    }
    probes.write(&mut project, &target);
    let daemon = Daemon::start(&project, priority).await?;
    let (watch, mut open) = (Stopwatch::start(), 0);
    while open < OPEN {
        ensure!(watch.elapsed() < Duration::from_mins(1), "only {open} incidents were told of");
        tokio::time::sleep(Duration::from_millis(500)).await;
        open += target.seen().await?.iter().filter(|it| it.path == "/sink").count();
    }
    let watch = Stopwatch::start();
    let seen = probes.fail(&target).await?;
    let seconds = watch.elapsed().as_secs_f64();
    drop(daemon);
    let results = seen.iter().filter(|it| it.channel.is_empty() && it.path != "/sink").count();
    let load = format!("{:.0} results a second, {OPEN} incidents open", double(results) / seconds);
    Ok(std::iter::once(Row::new("load", load)).chain(Probes::rows(&seen)).collect())
}

/// Everything fails, and all of it is told in one channel.
pub(crate) async fn storm(priority: Priority) -> Result<Vec<Row>> {
    const CHECKS: usize = 1_000;
    const EVERY: Duration = Duration::from_secs(20);
    let target = Target::start(priority).await?;
    control(target.port, CHECKS, EVERY, Duration::from_secs(25), priority).await?;
    let bare = target.seen().await?;
    let bare = lateness(&bare, EVERY, |name| name.starts_with("control-"))?;
    let mut project = Project::new(target.port)?;
    project.settings(&slack(&target));
    project.settings(
        "[[policy]]\nname = \"storm\"\n[[policy.tier]]\nwhen = { failures_in_a_row = 1 }\n\
         notify = [\"slack:#storm\"]\n",
    );
    for number in 0..CHECKS {
        let name = format!("storm-{number}");
        let url = format!("{}/{name}", target.url(number));
        project.url_check(&name, &url, "20s", "policy = \"storm\"");
    }
    let daemon = Daemon::start(&project, priority).await?;
    tokio::time::sleep(WARM_UP).await;
    target.seen().await?;
    for number in 0..CHECKS {
        target.answer(&format!("/storm-{number}"), 503).await?;
    }
    tokio::time::sleep(Duration::from_secs(80)).await;
    let seen = target.seen().await?;
    drop(daemon);
    let late = lateness(&seen, EVERY, |name| name.starts_with("storm-"))?;
    let messages: Vec<i64> =
        seen.iter().filter(|it| !it.channel.is_empty()).map(|it| it.came).collect();
    // A burst of three is what Slack tolerates.
    let close = messages.windows(5).map(|five| five[4] - five[0]).min().unwrap_or_default();
    let close = f64::from(i32::try_from(close).unwrap_or(i32::MAX)) / 1e6;
    let told = Told::read(&project).await?;
    Ok(vec![
        Row::new("load", format!("{CHECKS} requests every 20 s, all of which fail at once")),
        Row::new("told", format!("{} of {CHECKS}: {}", told.took.len(), told.states)),
        Row::new("failing answer to its message accepted", told.took.spread()),
        Row::new("first failing answer to the last message", format!("{:.1} s", told.all_in)),
        Row::new("messages", format!("{}; five within {close:.1} s at least", messages.len())),
        Row::new("late at the target meanwhile", late.spread()),
        Row::new(format!("{} and so on, bare timers", control::name(0)), bare.spread()),
    ])
}

/// What the store remembers of who was told.
#[derive(Debug)]
struct Told {
    /// From the failing answer to the accepted message, in milliseconds.
    took: Sample,
    /// From the first failing answer to the last accepted message, in seconds.
    all_in: f64,
    /// How many messages stand where.
    states: String,
}

impl Told {
    async fn read(project: &Project) -> Result<Self> {
        let path = project.path().join("tripline.db");
        let options = SqliteConnectOptions::new().filename(path).disable_statement_logging();
        let mut connection: SqliteConnection = options.connect().await?;
        let found: Vec<(String, Option<i64>, Option<i64>)> = sqlx::query_as(
            "SELECT state, failed_at, accepted_at FROM notifications WHERE kind = 'failing'",
        )
        .fetch_all(&mut connection)
        .await?;
        connection.close().await?;
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for (state, ..) in &found {
            *states.entry(state).or_default() += 1;
        }
        let told: Vec<(i64, i64)> = found.iter().filter_map(|it| Some((it.1?, it.2?))).collect();
        let millis = |span: i64| f64::from(i32::try_from(span).unwrap_or(i32::MAX));
        let first = told.iter().map(|(failed, _)| *failed).min().unwrap_or_default();
        let last = told.iter().map(|(_, accepted)| *accepted).max().unwrap_or_default();
        let states: Vec<String> =
            states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        Ok(Self {
            took: told.iter().map(|(failed, accepted)| millis(accepted - failed)).collect(),
            all_in: millis(last - first) / 1e3,
            states: states.join(", "),
        })
    }
}
