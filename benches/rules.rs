//! What a thousand rules over ten thousand series of a store cost at one time of their grid. The
//! points of each time are stored before it is measured.
//!
//! `cargo bench --bench rules`

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tripline::clock::{Manual, Stopwatch};
use tripline::config::{Environment, Files, settings};
use tripline::domain::Timestamp;
use tripline::domain::incident::Change;
use tripline::engine::judge::{ProjectJudge, Rulebook};
use tripline::engine::rules::{Observer, Rounds};
use tripline::query::{Labels, METRIC_NAME, Series};
use tripline::store::Ledger;
use tripline::store::metrics::Metrics;
use tripline::store::sqlite::{Holder, SqliteStore};

const RULES: usize = 1_000;
/// Series of each rule.
const HOSTS: usize = 10;
const STEP: i64 = 15_000;
const ROUNDS: i64 = 20;
/// So much is stored before the first time, in milliseconds.
const BEFORE: i64 = 600_000;

struct Nobody;

impl Observer for Nobody {
    fn on_evaluated(&self, _: &[Change]) {}
}

/// A point of every series at one time of the grid, counted from ten minutes before the start.
fn frame(start: Timestamp, number: i64) -> Vec<Series> {
    let at = start.timestamp_millis() - BEFORE + number * STEP;
    let mut all = Vec::with_capacity(RULES * HOSTS);
    for metric in 0..RULES {
        let name = format!("metric_{metric}_total");
        let grows = if metric.is_multiple_of(100) { 90 } else { 3 };
        let value = f64::from(i32::try_from(number * grows).expect("small"));
        for host in 0..HOSTS {
            let host = format!("host-{host}");
            let labels: Labels = [(METRIC_NAME, name.as_str()), ("host", &host), ("env", "prod")]
                .into_iter()
                .collect();
            all.push(Series::new(labels, vec![at], vec![value]).expect("one point is in order"));
        }
    }
    all
}

fn project() -> String {
    let mut text = "[rules]\nevery = \"15s\"\nsettle = \"0s\"\n".to_owned();
    for rule in 0..RULES {
        let expr = match rule % 4 {
            0 => format!("rate(metric_{rule}_total{{env='prod'}}[5m]) > 5"),
            1 => format!("sum(rate(metric_{rule}_total[5m])) > 50"),
            2 => format!("avg by (env) (metric_{rule}_total) > 1000"),
            _ => format!("deriv(metric_{rule}_total[5m]) > 5 and metric_{rule}_total > 10"),
        };
        let rule = format!(
            "[[rule]]\nname = \"rule {rule}\"\nexpr = \"{expr}\"\nfor = \"1m\"\n\
             notify = [\"slack:#p2\"]\n"
        );
        text.push_str(&rule);
    }
    text
}

/// Processor time of this process.
fn spent() -> Duration {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(usage.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(usage.tv_nsec).unwrap_or_default())
}

#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let start: Timestamp = "2026-11-21T02:00:00Z".parse().expect("a time");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("tripline.toml"), project()).expect("written");
    let (found, diagnostics) = settings::read(&Files::load(folder.path()), &Environment::default());
    assert!(!diagnostics.iter().any(tripline::config::Diagnostic::is_error), "{diagnostics:?}");
    let rules = tripline::app::rules::rule_set(&found.expect("settings")).expect("rules");
    let holder = Holder { command: "a bench".into(), since: start };
    let store = SqliteStore::open(&folder.path().join("t.db"), &holder).await.expect("opened");
    let store: Arc<dyn Ledger> = Arc::new(store);
    for number in 0..=BEFORE / STEP {
        let at =
            start - Duration::from_millis(u64::try_from(BEFORE - number * STEP).expect("small"));
        store.append(&frame(start, number), at).await.expect("stored");
    }
    let metrics = Arc::clone(&store) as Arc<dyn Metrics>;
    let mut rounds = Rounds::new(
        (Arc::clone(&store), metrics),
        (Arc::new(ArcSwap::from_pointee(rules)), Arc::new(ProjectJudge::new(Rulebook::default()))),
        Arc::new(Manual::new(start)),
        Arc::new(Nobody),
        "a bench".into(),
    );
    rounds.tick(start).await.expect("evaluated");
    for round in 1..=ROUNDS {
        let now = start + Duration::from_millis(u64::try_from(round * STEP).expect("small"));
        store.append(&frame(start, BEFORE / STEP + round), now).await.expect("stored");
        let (before, watch) = (spent(), Stopwatch::start());
        rounds.tick(now).await.expect("evaluated");
        let (cpu, elapsed) = (spent().saturating_sub(before), watch.elapsed());
        println!(
            "round {round:>2}: {:>7.1} ms of processor time, {:>7.1} ms",
            cpu.as_secs_f64() * 1000.0,
            elapsed.as_secs_f64() * 1000.0
        );
    }
}
