use chrono::TimeDelta;

use super::*;
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, Region};
use crate::domain::run::{Failure, FailureKind, Trace};
use crate::domain::slot::Slot;

fn now() -> Timestamp {
    "2026-11-21T04:12:31.250Z".parse().expect("a time")
}

fn written(second: i64, kind: Option<FailureKind>) -> Written {
    let at = now() + TimeDelta::seconds(second);
    Written::from(&Report {
        slot: Slot {
            check: CheckId::new("shop/login").expect("a good name"),
            region: Region::new("eu").expect("a good name"),
            at,
        },
        started_at: at,
        duration: Duration::from_millis(5),
        failure: kind.map(|kind| Failure::new(kind, "it broke")),
        trace: Trace::default(),
        clock_ahead: TimeDelta::zero(),
    })
}

fn seconds(oldest: &Oldest) -> Vec<i64> {
    let read = |text: &String| {
        let message: ReportMessage = serde_json::from_str(text).expect("JSON");
        (message.read(now()).expect("a report").slot.at - now()).num_seconds()
    };
    oldest.reports.iter().map(read).collect()
}

async fn spool(folder: &tempfile::TempDir, limit: u64) -> Spool {
    Spool::open(&folder.path().join("spool.db"), limit).await.expect("a spool")
}

#[tokio::test]
async fn reports_come_out_in_order_and_stay_until_they_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = spool(&folder, 1 << 20).await;
    for second in 0..5 {
        first.push(&written(second, None)).await.expect("room");
    }
    let some = first.oldest(3, 1 << 20).await.expect("readable");
    assert_eq!(seconds(&some), [0, 1, 2]);
    assert_eq!(first.oldest(3, 1 << 20).await.expect("readable"), some);
    assert_eq!(seconds(&first.oldest(3, 1).await.expect("readable")), [0]);
    first.remove(&some, &[]).await.expect("removed");
    // The file is not closed, as when the process is killed.
    let again = spool(&folder, 1 << 20).await;
    assert_eq!(seconds(&again.oldest(9, 1 << 20).await.expect("readable")), [3, 4]);
    assert_eq!(again.state().await.expect("known"), first.state().await.expect("known"));
    let rest = again.oldest(9, 1 << 20).await.expect("readable");
    again.remove(&rest, &[]).await.expect("removed");
    assert_eq!(again.state().await.expect("known"), SpoolState::default());
    assert_eq!(again.oldest(9, 1 << 20).await.expect("readable"), Oldest::default());
}

#[tokio::test]
async fn what_is_wanted_later_stays_and_holds_nothing_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = spool(&folder, 1 << 20).await;
    for second in 0..5 {
        spool.push(&written(second, None)).await.expect("room");
    }
    let some = spool.oldest(3, 1 << 20).await.expect("readable");
    spool.remove(&some, &[0, 2]).await.expect("removed");
    let next = spool.oldest(9, 1 << 20).await.expect("readable");
    assert_eq!(seconds(&next), [3, 4]);
    spool.remove(&next, &[]).await.expect("removed");
    assert_eq!(spool.oldest(9, 1 << 20).await.expect("readable"), Oldest::default());
    assert_eq!(spool.state().await.expect("known").reports, 2);
    assert_eq!(spool.offer_again().await.expect("offered"), 2);
    assert_eq!(seconds(&spool.oldest(9, 1 << 20).await.expect("readable")), [0, 2]);
    assert_eq!(spool.offer_again().await.expect("offered"), 0);
}

#[tokio::test]
async fn without_room_the_oldest_passed_runs_go_first_and_all_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = spool(&folder, 4_000).await;
    spool.push(&written(0, Some(FailureKind::Timeout))).await.expect("room");
    for second in 1..=40 {
        spool.push(&written(second, None)).await.expect("room");
    }
    let state = spool.state().await.expect("known");
    assert!(state.bytes <= 4_000 && state.thinned > 0 && state.lost == 0, "{state:?}");
    assert_eq!(state.reports + state.thinned, 41);
    let kept = seconds(&spool.oldest(99, 1 << 20).await.expect("readable"));
    assert_eq!((kept.first(), kept.last()), (Some(&0), Some(&40)));

    for second in 41..=90 {
        spool.push(&written(second, Some(FailureKind::Network))).await.expect("room");
    }
    let state = spool.state().await.expect("known");
    assert!(state.bytes <= 4_000, "{state:?}");
    assert_eq!((state.thinned, state.reports + state.lost), (40, 51));
    let kept = seconds(&spool.oldest(99, 1 << 20).await.expect("readable"));
    assert_eq!(kept.last(), Some(&90));
    assert!(kept.first().is_some_and(|first| *first > 40), "{kept:?}");
}

#[tokio::test]
async fn a_damaged_file_is_put_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spool.db");
    std::fs::write(&path, "this is no database, but long enough to look at".repeat(100))
        .expect("written");
    let spool = spool(&folder, 1 << 20).await;
    spool.push(&written(1, None)).await.expect("room");
    assert!(folder.path().join("spool.db.damaged").exists());
}
