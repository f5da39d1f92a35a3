//! What a thousand rules over ten thousand series cost at one time of their grid.
//!
//! `cargo bench --bench rules`

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tripline::clock::{Manual, Stopwatch};
use tripline::config::{Environment, Files, settings};
use tripline::domain::Timestamp;
use tripline::domain::incident::Change;
use tripline::engine::judge::{ProjectJudge, Rulebook};
use tripline::engine::rules::{Observer, Rounds};
use tripline::query::{Labels, Matcher, Selection, Series};
use tripline::store::metrics::{Bounds, Found, Metrics, Stored};
use tripline::store::sqlite::{Holder, SqliteStore};
use tripline::store::{Error, Ledger};

const RULES: usize = 1_000;
/// Series of each rule.
const HOSTS: usize = 10;
const STEP: i64 = 15_000;
const ROUNDS: i64 = 20;

/// Series by their metric.
#[derive(Debug, Default)]
struct Memory(HashMap<String, Vec<Arc<Series>>>);

#[async_trait]
impl Metrics for Memory {
    async fn append(&self, _: &[Series], _: Timestamp) -> Result<Stored, Error> {
        Ok(Stored::default())
    }

    async fn select(&self, selections: &[Selection], _: Bounds) -> Result<Found, Error> {
        let one = |Selection { matchers, after, until }: &Selection| {
            let name = matchers.iter().find(|it| &*it.name == "__name__");
            let of_metric = name.and_then(|it| self.0.get(&*it.value));
            let of_metric = of_metric.map(Vec::as_slice).unwrap_or_default();
            let selected = of_metric
                .iter()
                .filter(|it| matchers.iter().all(|matcher| matcher.selects(it.labels())));
            let cut = |series: &Arc<Series>| {
                let start = series.times().partition_point(|time| time <= after);
                let end = series.times().partition_point(|time| time <= until);
                let (times, values) =
                    (series.times()[start..end].to_vec(), series.values()[start..end].to_vec());
                Arc::new(Series::new(series.labels().clone(), times, values).expect("in order"))
            };
            selected.map(cut).collect()
        };
        Ok(Found::Series(selections.iter().map(one).collect()))
    }

    async fn labels(
        &self,
        _: &[Vec<Matcher>],
        _: i64,
        _: i64,
        _: usize,
    ) -> Result<Vec<Labels>, Error> {
        Ok(Vec::new())
    }
}

struct Nobody;

impl Observer for Nobody {
    fn on_evaluated(&self, _: &[Change]) {}
}

fn memory(start: Timestamp) -> Memory {
    let mut memory = Memory::default();
    for metric in 0..RULES {
        let name = format!("metric_{metric}_total");
        let series = (0..HOSTS).map(|host| {
            let host = format!("host-{host}");
            let labels: Labels = [("__name__", name.as_str()), ("host", &host), ("env", "prod")]
                .into_iter()
                .collect();
            let first = start.timestamp_millis() - 600_000;
            let times: Vec<i64> = (0..(ROUNDS + 45)).map(|at| first + at * STEP).collect();
            let values = (0..ROUNDS + 45).map(|at| {
                f64::from(i32::try_from(at).expect("small"))
                    * if metric % 100 == 0 { 90.0 } else { 3.0 }
            });
            Arc::new(Series::new(labels, times, values.collect()).expect("in order"))
        });
        let series = series.collect();
        memory.0.insert(name, series);
    }
    memory
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
    let mut rounds = Rounds::new(
        (store, Arc::new(memory(start))),
        (Arc::new(ArcSwap::from_pointee(rules)), Arc::new(ProjectJudge::new(Rulebook::default()))),
        Arc::new(Manual::new(start)),
        Arc::new(Nobody),
        "a bench".into(),
    );
    rounds.tick(start).await.expect("evaluated");
    for round in 1..=ROUNDS {
        let (before, watch) = (spent(), Stopwatch::start());
        let now = start + Duration::from_millis(u64::try_from(round * STEP).expect("small"));
        rounds.tick(now).await.expect("evaluated");
        let (cpu, elapsed) = (spent().saturating_sub(before), watch.elapsed());
        println!(
            "round {round:>2}: {:>7.1} ms of processor time, {:>7.1} ms",
            cpu.as_secs_f64() * 1000.0,
            elapsed.as_secs_f64() * 1000.0
        );
    }
}
