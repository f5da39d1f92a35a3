//! A process that is killed while it stores points, closes hours or forgets loses no point that it
//! acknowledged.
//!
//! The writer is this test binary again: `writer` does nothing unless its environment names a store,
//! and then stores a point a minute until it is killed, printing each after it was committed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tripline::store::Ledger;
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::SqliteStore;

use super::metrics::{HOUR, MINUTE, START, append, moment, select, series};
use super::sqlite::holder;
use crate::support::postgres::Database;

const STORE: &str = "TRIPLINE_TEST_CRASHING_METRICS";
/// So many points come each minute, so that closing an hour takes several steps.
const SERIES: usize = 600;

async fn open(place: &OsStr) -> Arc<dyn Ledger> {
    match place.to_str().filter(|text| text.starts_with("postgres:")) {
        Some(url) => Arc::new(PostgresStore::open(url).await.expect("opened")),
        None => Arc::new(SqliteStore::open(Path::new(place), &holder()).await.expect("opened")),
    }
}

#[tokio::test]
async fn writer() {
    let Some(place) = std::env::var_os(STORE) else { return };
    let store = open(&place).await;
    for number in 1_i32.. {
        let now = i64::from(number) * 7 * MINUTE;
        let mut points = Vec::with_capacity(SERIES);
        for index in 0..SERIES {
            let index = index.to_string();
            // Every tenth is late, most of these for a closed hour.
            let late = if number % 10 == 0 { 2 * HOUR + 1 } else { 0 };
            points.push(series("x", &[("index", &index)], &[(now - late, f64::from(number))]));
        }
        append(&*store, &points, now).await;
        let mut out = std::io::stdout();
        writeln!(out, "acknowledged {number}").expect("the parent reads");
        out.flush().expect("the parent reads");
        store.compact(moment(START + now)).await.expect("compacted");
    }
}

#[tokio::test]
async fn no_acknowledged_point_is_lost() {
    for kill_after in [3, 27, 55] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        killed_after(kill_after, folder.path().join("tripline.db").as_os_str()).await;
    }
    let database = Database::with_store().await;
    killed_after(40, OsStr::new(database.url())).await;
    database.discard().await;
}

async fn killed_after(count: i32, place: &OsStr) {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "store::metrics_crash::writer", "--nocapture", "--test-threads=1"])
        .env(STORE, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let number_of = |line: String| line.split_once("acknowledged ")?.1.parse::<i32>().ok();
    let mut acknowledged = out.lines().map_while(Result::ok).filter_map(number_of);
    let mut last = acknowledged.find(|number| *number >= count).expect("it writes until killed");
    child.kill().expect("killed");
    // What it had printed by then was acknowledged as well.
    last = acknowledged.last().unwrap_or(last);
    child.wait().expect("it ended");
    let store = open(place).await;
    let end = i64::from(last) * 7 * MINUTE;
    for _ in 0..2 {
        let found = select(&*store, &[], (-3 * HOUR, end)).await;
        assert_eq!(found.len(), SERIES);
        for one in &found {
            let mut numbers: Vec<f64> = one.values().to_vec();
            numbers.sort_unstable_by(f64::total_cmp);
            let wanted: Vec<f64> = (1..=last).map(f64::from).collect();
            // One more may be there that was not acknowledged: late, and so within this time.
            assert_eq!(numbers.get(..wanted.len()), Some(wanted.as_slice()), "{}", one.labels());
        }
        while store.compact(moment(START + end)).await.expect("compacted") {}
        assert_eq!(store.inspect().await.expect("looked at").told, Vec::<String>::new());
    }
    store.close().await;
}
