//! A process that is killed while it writes loses nothing that it acknowledged (I1, K3, K4).
//!
//! The writer is this test binary again: `writer` does nothing unless its environment names a
//! store, and then records until it is killed, printing each slot after it was committed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use tripline::domain::run::Outcome::{self, Failed, Passed};
use tripline::store::Store;
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::SqliteStore;

use super::scene::{history, report, tell_one};
use super::sqlite::holder;
use crate::support::postgres::Database;

const STORE: &str = "TRIPLINE_TEST_CRASHING_STORE";

/// Every seventh result and the one after it fail, so that all kinds of commits are met.
fn outcome(slot: u32) -> Outcome {
    if slot % 7 < 2 { Failed } else { Passed }
}

#[tokio::test]
async fn writer() {
    let Some(place) = std::env::var_os(STORE) else { return };
    let store = open(&place).await;
    for slot in 0.. {
        tell_one(&*store, &report("login", "eu", slot, outcome(slot))).await;
        let mut out = std::io::stdout();
        writeln!(out, "acknowledged {slot}").expect("the parent reads");
        out.flush().expect("the parent reads");
    }
}

/// Opens a file or the database at a URL.
async fn open(place: &OsStr) -> Box<dyn Store> {
    match place.to_str().filter(|text| text.starts_with("postgres:")) {
        Some(url) => Box::new(PostgresStore::open(url).await.expect("opened")),
        None => Box::new(SqliteStore::open(Path::new(place), &holder()).await.expect("opened")),
    }
}

#[tokio::test]
async fn what_a_killed_process_acknowledged_is_there() {
    for kill_after in [1u32, 8, 60, 333] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        killed_after(kill_after, folder.path().join("tripline.db").as_os_str()).await;
    }
}

#[tokio::test]
async fn what_a_killed_process_acknowledged_is_in_the_database() {
    for kill_after in [8u32, 60] {
        let database = Database::with_store().await;
        killed_after(kill_after, OsStr::new(database.url())).await;
        database.discard().await;
    }
}

/// Kills a writer after so many slots and looks for all that it acknowledged.
async fn killed_after(slots: u32, place: &OsStr) {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "store::crash::writer", "--nocapture", "--test-threads=1"])
        .env(STORE, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let slot_of = |line: String| line.split_once("acknowledged ")?.1.parse::<u32>().ok();
    let mut acknowledged = out.lines().map_while(Result::ok).filter_map(slot_of);
    let mut last = acknowledged.find(|slot| *slot >= slots).expect("it writes until killed");
    child.kill().expect("killed");
    // What it had printed by then was acknowledged as well.
    last = acknowledged.last().unwrap_or(last);
    child.wait().expect("it ended");
    let store = open(place).await;
    let mut incidents = 0;
    for slot in 0..=last {
        let run = report("login", "eu", slot, outcome(slot));
        let stored = store.run(run.slot.run_id()).await.expect("read");
        assert_eq!(stored.expect("acknowledged and there"), run);
        incidents += i64::from(slot % 7 == 0);
    }
    for incident in 1..=incidents {
        assert!(!history(&*store, incident).await.notifications.is_empty());
    }
    store.close().await;
}
