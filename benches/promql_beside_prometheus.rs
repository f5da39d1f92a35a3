//! The same queries over the same data, here and in Prometheus: a thousand series of a day, a sample
//! and a step every 15 seconds. Prometheus answers over HTTP; what is asked is summed, so that
//! neither writing nor reading the answer weighs.
//!
//! `cargo bench --bench promql_beside_prometheus`; needs `prometheus` and `promtool`.

mod counters;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use counters::{DAY, STEP, counters};
use tripline::clock::Stopwatch;
use tripline::query::{Limits, Series, Settings, When, evaluate, parse, plan};

/// Some moment; milliseconds since 1970.
const BEGIN: i64 = 1_767_225_600_000;
const ROUNDS: usize = 5;

const EXPRESSIONS: [&str; 6] = [
    "sum(rate(x_total[5m]))",
    "sum(increase(x_total[1h]))",
    "sum(deriv(x_total[5m]))",
    "max(max_over_time(x_total[1h]))",
    "sum by (job) (x_total)",
    "quantile(0.9, x_total)",
];

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

/// Prometheus, until it is dropped.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(all: &[Arc<Series>], folder: &Path, address: &str) -> std::io::Result<Prometheus> {
    let at = |name: &str| folder.join(name);
    write(all, &at("series"))?;
    std::fs::write(at("prometheus.yml"), "global: {}\n")?;
    let mut promtool = Command::new("promtool");
    promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(at("series")).arg(at("data"));
    let made = promtool.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    assert!(made.success(), "promtool makes blocks");
    let mut command = Command::new("prometheus");
    command.arg("--storage.tsdb.retention.time=100y");
    command.arg(format!("--web.listen-address={address}"));
    command.arg("--config.file").arg(at("prometheus.yml"));
    command.arg("--storage.tsdb.path").arg(at("data"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Prometheus)
}

fn ours(all: &[Arc<Series>], text: &str, when: When) -> Duration {
    let settings = Settings { limits: Limits::default(), ..Settings::default() };
    let watch = Stopwatch::start();
    let expression = parse(text, &settings.limits).expect("an expression");
    let selections = plan(&expression, when, &settings).expect("a plan").len();
    let data = vec![all.to_vec(); selections];
    evaluate(&expression, when, &data, &settings).expect("an answer");
    watch.elapsed()
}

async fn theirs(
    client: &reqwest::Client,
    origin: &str,
    text: &str,
    (start, end): (i64, i64),
) -> Duration {
    let form = [
        ("query", text.to_owned()),
        ("start", (start / 1000).to_string()),
        ("end", (end / 1000).to_string()),
        ("step", (STEP / 1000).to_string()),
    ];
    let watch = Stopwatch::start();
    let answer = client.post(format!("{origin}/api/v1/query_range")).form(&form).send().await;
    let answer = answer.and_then(reqwest::Response::error_for_status).expect("it answers");
    answer.bytes().await.expect("a body");
    watch.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let all = counters(BEGIN);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = "127.0.0.1:29090";
    let _server = start(&all, folder.path(), address).expect("prometheus and promtool are there");
    let (client, origin) = (reqwest::Client::builder(), format!("http://{address}"));
    let client = client.no_proxy().build().expect("a client");
    let ready = async || {
        let answer = client.get(format!("{origin}/-/ready")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    while !ready().await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (start, end) = (BEGIN + 3_600_000, BEGIN + 3_600_000 + DAY - STEP);
    let when = When::Every { start, end, step: STEP };
    println!("{:>10} {:>12} {:>6}", "here, ms", "Prometheus", "ratio");
    for text in EXPRESSIONS {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            here.push(ours(&all, text, when));
            there.push(theirs(&client, &origin, text, (start, end)).await);
        }
        let (here, there) = (median(here), median(there));
        println!("{here:>10.1} {there:>12.1} {:>6.2}  {text}", here / there);
    }
}
