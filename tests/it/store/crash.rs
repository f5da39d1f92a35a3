//! A process that is killed while it writes loses nothing that it acknowledged (I1, K3, K4).

use std::ffi::OsStr;

use tripline::domain::run::Outcome::{self, Failed, Passed};

use super::killed::{self, acknowledge, open};
use super::scene::{history, report, tell_one};
use crate::support::postgres::Database;

/// Every seventh result and the one after it fail, so that all kinds of commits are met.
fn outcome(slot: u32) -> Outcome {
    if slot % 7 < 2 { Failed } else { Passed }
}

#[tokio::test]
async fn writer() {
    let Some(place) = killed::place() else { return };
    let store = open(&place).await;
    for slot in 0.. {
        tell_one(&*store, &report("login", "eu", slot, outcome(slot))).await;
        acknowledge(slot);
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
    let last = killed::killed_after(slots, "store::crash::writer", place);
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
