//! What metrics cost: storing points of many series, the memory that they take, and asking for them.
//!
//! `cargo bench --bench metrics -- [--series N] [--frames N] [--seconds N] [--until PART] [sqlite|postgres]`,
//! on both where none is named, in a PostgreSQL that is started for it (or the one that
//! `TRIPLINE_TEST_POSTGRES` names). Each runs in a process of its own, so that its memory is its own. A
//! frame is a point of every series, ten seconds after the one before: a third are counters, a third
//! rarely change, and a third are noise with three digits.
//!
//! The parts, in their order: `append` stores all frames and says how much memory that took, `ask` reads
//! some of them from memory, `close` closes the hours and reads from chunks. With `--until append`, or `ask`,
//! what comes after that part is left out. Frames are stored for `--seconds N` at most (120): of a hub that
//! takes longer for a frame than the ten seconds that it is about, fewer are stored, and that is said.

#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

#[path = "../tests/it/support/port.rs"]
mod port;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/support/postgres.rs"]
mod postgres;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tripline::clock::Stopwatch;
use tripline::domain::Timestamp;
use tripline::query::{Comparison, Labels, METRIC_NAME, Matcher, Selection, Series};
use tripline::store::Ledger;
use tripline::store::metrics::{Bounds, Found};
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::{Holder, SqliteStore};

/// What is measured.
#[derive(Debug, Clone, Copy)]
struct Load {
    series: u32,
    frames: u32,
    /// No frame is begun after this long.
    patience: Duration,
    /// What comes after this part is left out.
    last: Part,
}

/// What is measured one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Append,
    Ask,
    Close,
}

impl Part {
    fn named(word: &str) -> Self {
        match word {
            "append" => Self::Append,
            "ask" => Self::Ask,
            "close" => Self::Close,
            other => panic!("there is no part `{other}`"),
        }
    }
}

/// Ten seconds, in milliseconds.
const STEP: i64 = 10_000;
const HOUR: i64 = 3_600_000;
/// A whole hour.
const START: i64 = 1_790_000_000_000 / HOUR * HOUR;
/// So many series have one name.
const OF_ONE_NAME: u32 = 2_000;

fn moment(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(millis).expect("a time")
}

fn labels(number: u32) -> Labels {
    let (name, host) = (number / OF_ONE_NAME, number % OF_ONE_NAME);
    let ending = if number.is_multiple_of(3) { "requests_total" } else { "seconds" };
    [
        (METRIC_NAME, format!("service_{name}_{ending}")),
        ("host", format!("host-{host}.eu-west-1.example.com")),
        ("region", format!("eu-west-{}", host % 3)),
        ("service", format!("service-{name}")),
    ]
    .into_iter()
    .collect()
}

/// The value of a series in a frame.
fn value(number: u32, frame: u32) -> f64 {
    let chance = number.wrapping_mul(2_654_435_761).wrapping_add(frame.wrapping_mul(40_503));
    let chance = (chance ^ chance >> 15).wrapping_mul(2_246_822_519);
    let chance = (chance ^ chance >> 13) % 1_000;
    match number % 3 {
        0 => f64::from(frame * (5 + number % 7) + chance % 3),
        1 => f64::from(number % 100 + u32::from(chance < 5)),
        _ => f64::from(chance) / 1_000.0,
    }
}

fn frame(all: &[Labels], frame: u32) -> Vec<Series> {
    let at = START + STEP * i64::from(frame + 1);
    let one = |(number, labels): (u32, &Labels)| {
        let value = value(number, frame);
        Series::new(labels.clone(), vec![at], vec![value]).expect("one point is in order")
    };
    (0..).zip(all).map(one).collect()
}

/// The resident memory of this process, in MiB.
fn memory() -> f64 {
    of_status("VmRSS:")
}

/// The most that it was, in MiB.
fn peak() -> f64 {
    of_status("VmHWM:")
}

fn of_status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn show(what: &str, value: f64, unit: &str) {
    println!("  {what:44} {value:>10.2} {unit}");
}

fn millis(watch: &Stopwatch) -> f64 {
    watch.elapsed().as_secs_f64() * 1000.0
}

async fn ask(store: &dyn Ledger, what: &str, matchers: &[(&str, &str)], span: (i64, i64)) {
    let matcher = |(name, value): &(&str, &str)| {
        Matcher::new(name, Comparison::Equal, value).expect("no pattern")
    };
    let matchers = matchers.iter().map(matcher).collect();
    let bounds = Bounds { series: 1_000_000, points: 100_000_000 };
    let selection = Selection { matchers, after: span.0, until: span.1 };
    let watch = Stopwatch::start();
    let found = store.select(&[selection], bounds).await.expect("read");
    let time = millis(&watch);
    let Found::Series(found) = found else { panic!("the bounds are wide") };
    let points: usize = found[0].iter().map(|it| it.times().len()).sum();
    show(&format!("{what}: {} series, {points} points", found[0].len()), time, "ms");
}

async fn measure(store: Arc<dyn Ledger>, load: Load) {
    let frames = append(&*store, load).await;
    let end = START + STEP * i64::from(frames);
    let name = [(METRIC_NAME, "service_0_seconds")];
    let one = [name[0], ("host", "host-1.eu-west-1.example.com")];
    if load.last >= Part::Ask {
        ask(&*store, "one series, from memory", &one, (START, end)).await;
        ask(&*store, "one name, from memory", &name, (START, end)).await;
        ask(&*store, "five minutes of all", &[], (end - 300_000, end)).await;
    }
    if load.last >= Part::Close {
        close(&*store, end).await;
        ask(&*store, "one series, from chunks", &one, (START, end)).await;
        ask(&*store, "one name, from chunks", &name, (START, end)).await;
        let watch = Stopwatch::start();
        let listed = store.labels(&[], START, end, 1_000_000).await.expect("listed");
        show(&format!("labels of {} series", listed.len()), millis(&watch), "ms");
        show("resident memory after closing", memory(), "MiB");
        let inspected = store.inspect().await.expect("looked at");
        assert!(inspected.told.is_empty(), "{inspected:?}");
        assert_eq!(inspected.points, u64::from(load.series) * u64::from(frames));
    }
    show("the most memory that was resident", peak(), "MiB");
    store.close().await;
}

/// Stores frames; says how many.
async fn append(store: &dyn Ledger, load: Load) -> u32 {
    let all: Vec<Labels> = (0..load.series).map(labels).collect();
    let (before, begun) = (memory(), Stopwatch::start());
    let (mut first, mut slowest, mut total) = (0.0, 0.0_f64, 0.0);
    let mut frames = 0;
    while frames < load.frames && begun.elapsed() < load.patience {
        let series = frame(&all, frames);
        let now = moment(START + STEP * i64::from(frames + 1));
        let watch = Stopwatch::start();
        let stored = store.append(&series, now).await.expect("stored");
        let time = millis(&watch);
        assert_eq!(stored.new, u64::from(load.series));
        if frames == 0 {
            first = time;
        } else {
            (slowest, total) = (slowest.max(time), total + time);
        }
        frames += 1;
    }
    let grown = memory() - before;
    show("frames", f64::from(frames), "");
    show("the first frame, with all labels", first, "ms");
    show("a frame", total / f64::from(frames.max(2) - 1), "ms");
    show("the slowest of them", slowest, "ms");
    show("resident memory, all of the process", memory(), "MiB");
    show("grown since the labels were made", grown, "MiB");
    show("that is for each series", grown * 1024.0 / f64::from(load.series), "KiB");
    frames
}

/// Closes all hours.
async fn close(store: &dyn Ledger, end: i64) {
    let (watch, mut slowest) = (Stopwatch::start(), 0.0_f64);
    loop {
        let step = Stopwatch::start();
        let more = store.compact(moment(end + 2 * HOUR)).await.expect("compacted");
        slowest = slowest.max(millis(&step));
        if !more {
            break;
        }
    }
    show("closing all hours", millis(&watch), "ms");
    show("its slowest step", slowest, "ms");
}

async fn on_sqlite(load: Load) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.db");
    let holder = Holder { command: "a bench".into(), since: moment(START) };
    let store = SqliteStore::open(&path, &holder).await.expect("opened");
    measure(Arc::new(store), load).await;
    let size = std::fs::metadata(&path).map_or(0, |file| file.len());
    show("the file", f64::from(u32::try_from(size >> 20).unwrap_or(u32::MAX)), "MiB");
}

async fn on_postgres(load: Load) {
    let database = postgres::Database::with_store().await;
    let store = PostgresStore::open(database.url()).await.expect("opened");
    measure(Arc::new(store), load).await;
    database.discard().await;
}

fn main() {
    let patience = Duration::from_mins(2);
    let mut load = Load { series: 100_000, frames: 390, patience, last: Part::Close };
    let mut backends = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut next = || arguments.next().expect("a value");
        match argument.as_str() {
            "--series" => load.series = next().parse().expect("a number"),
            "--frames" => load.frames = next().parse().expect("a number"),
            "--seconds" => load.patience = Duration::from_secs(next().parse().expect("a number")),
            "--until" => load.last = Part::named(&next()),
            "sqlite" | "postgres" => backends.push(argument),
            // Cargo says this to every benchmark.
            "--bench" => {}
            other => panic!("there is no `{other}`"),
        }
    }
    let [backend] = backends.as_slice() else {
        for backend in ["sqlite", "postgres"] {
            let own = std::env::current_exe().expect("this program");
            let others = std::env::args().skip(1).filter(|it| !backends.contains(it));
            let words = others.chain([backend.to_owned()]);
            let ended = Command::new(own).args(words).status().expect("started");
            assert!(ended.success(), "{backend} failed");
        }
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build()
        .expect("a runtime");
    println!("{backend}: {} series, {} frames", load.series, load.frames);
    runtime.block_on(async {
        if backend == "sqlite" { on_sqlite(load).await } else { on_postgres(load).await }
    });
}
