//! The same questions over the same series, to a daemon and to a Prometheus beside it.
//!
//! A thousand counters of a day and an hour, a sample every 15 seconds, come into both from one file.
//! Both are asked by one client over HTTP in turns, a day at a step of 15 seconds, until the last byte of
//! the answer; what is told is the median after a first question that does not count. The answers must have as
//! many series and points as each other.
//!
//! Prometheus 2 closes ranges on the left, so each of its ranges has one sample more than ours.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tripline::clock::{Clock, Stopwatch, System};
use tripline::query::Series;

use crate::beside::{Beside, version};
use crate::counters::{DAY, STEP, counters};
use crate::daemon::Daemon;
use crate::machine::busyness;
use crate::project::Project;
use crate::statistics::Sample;
use crate::target::free_port;
use crate::{Priority, Row};

const HOUR: i64 = 3_600_000;
/// How often each is asked.
const ROUNDS: usize = 7;
/// How long an answer may take, which is how long both take at most.
const PATIENCE: Duration = Duration::from_mins(2);

const EXPRESSIONS: [&str; 8] = [
    "rate(x_total[5m])",
    "deriv(x_total[5m])",
    "sum(rate(x_total[5m]))",
    "sum(deriv(x_total[5m]))",
    "sum(increase(x_total[1h]))",
    "max(max_over_time(x_total[1h]))",
    "sum by (job) (x_total)",
    "quantile(0.9, x_total)",
];

/// Asks both.
pub(crate) async fn prometheus(priority: Priority) -> Result<Vec<Row>> {
    let project = Project::new(free_port()?)?;
    project.write()?;
    // Whole hours that are over in both, and young enough to be kept as they came.
    let begin = (System.now().timestamp_millis() / HOUR - 28) * HOUR;
    let file = project.path().join("series.om");
    write(&counters(begin), &file).context("failed to write the series")?;
    let stored = Stopwatch::start();
    import(&project, &file)?;
    let stored = stored.elapsed();
    let daemon = Daemon::start_written(&project, priority).await?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let server = start(&client, project.path(), &file).await?;
    let span = (begin + HOUR, begin + HOUR + DAY - STEP);
    let mut rows = vec![
        Row::new("beside", version("prometheus")?),
        Row::new("imported by us in", format!("{:.1} s", stored.as_secs_f64())),
    ];
    for text in EXPRESSIONS {
        let ask = async |origin: &str| ask(&client, origin, text, span).await;
        let (ours, theirs) = (ask(&daemon.url).await?.1, ask(&server.origin).await?.1);
        ensure!(ours == theirs, "`{text}` has {ours:?} here and {theirs:?} there");
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            here.push(ask(&daemon.url).await?.0);
            there.push(ask(&server.origin).await?.0);
        }
        let millis = |times: Vec<Duration>| -> f64 {
            times.iter().map(|it| it.as_secs_f64() * 1e3).collect::<Sample>().median()
        };
        let (here, there, Size { series, points }) = (millis(here), millis(there), ours);
        let took = format!("{here:>6.0} ms, there {there:>6.0} ms: {:.2} of it", here / there);
        rows.push(Row::new(text, format!("{took}; {series} series, {points} points")));
    }
    rows.push(Row::new("load of the machine at the end", busyness()));
    Ok(rows)
}

/// Writes what both read.
fn write(all: &[Arc<Series>], path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "# TYPE x counter")?;
    for series in all {
        let labels = series.labels();
        let (instance, job) = (labels.value("instance"), labels.value("job"));
        for (time, value) in series.times().iter().zip(series.values()) {
            let seconds = time / 1000;
            writeln!(file, "x_total{{instance=\"{instance}\",job=\"{job}\"}} {value} {seconds}")?;
        }
    }
    writeln!(file, "# EOF")?;
    file.flush()
}

fn import(project: &Project, file: &Path) -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(["metrics", "import"]).arg(file).current_dir(project.path());
    let done = command.env("SLACK_BOT_TOKEN", "xoxb-load").output();
    let done = done.context("failed to start tripline")?;
    ensure!(done.status.success(), "no import: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// Starts one over the series of `file`, which it keeps in `folder`.
async fn start(client: &reqwest::Client, folder: &Path, file: &Path) -> Result<Beside> {
    let at = |name: &str| -> PathBuf { folder.join(name) };
    fs::write(at("prometheus.yml"), "global: {}\n")?;
    let mut promtool = Command::new("promtool");
    promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(file).arg(at("blocks"));
    let made = promtool.output().context("failed to start promtool (Debian: prometheus)")?;
    ensure!(made.status.success(), "no blocks: {}", String::from_utf8_lossy(&made.stderr));
    let mut command = Command::new("prometheus");
    command.arg("--storage.tsdb.retention.time=100y");
    command.arg("--config.file").arg(at("prometheus.yml"));
    command.arg("--storage.tsdb.path").arg(at("blocks"));
    Beside::start(command, client).await
}

/// How much an answer holds.
#[derive(Debug, PartialEq, Eq)]
struct Size {
    series: usize,
    points: usize,
}

#[derive(Deserialize)]
struct Answer {
    data: Matrix,
}

#[derive(Deserialize)]
struct Matrix {
    result: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    values: Vec<IgnoredAny>,
}

/// How long the whole answer took, and how much it holds, which is counted afterwards.
async fn ask(
    client: &reqwest::Client,
    origin: &str,
    text: &str,
    (start, end): (i64, i64),
) -> Result<(Duration, Size)> {
    let form = [
        ("query", text.to_owned()),
        ("start", (start / 1000).to_string()),
        ("end", (end / 1000).to_string()),
        ("step", (STEP / 1000).to_string()),
    ];
    let watch = Stopwatch::start();
    let answer = client.post(format!("{origin}/api/v1/query_range")).form(&form).send().await?;
    let (status, body) = (answer.status(), answer.bytes().await?);
    let elapsed = watch.elapsed();
    ensure!(status.is_success(), "`{text}`: {}", String::from_utf8_lossy(&body));
    let lines = serde_json::from_slice::<Answer>(&body)?.data.result;
    let points = lines.iter().map(|line| line.values.len()).sum();
    Ok((elapsed, Size { series: lines.len(), points }))
}
