//! A process that is killed while it stores points, closes hours or forgets loses no point that it
//! acknowledged.

use std::ffi::OsStr;

use super::killed::{self, acknowledge, open};
use super::metrics::{HOUR, MINUTE, START, append, moment, select, series};
use crate::support::postgres::Database;

/// So many points come each minute, so that closing an hour takes several steps.
const SERIES: usize = 600;

#[tokio::test]
async fn writer() {
    let Some(place) = killed::place() else { return };
    let store = open(&place).await;
    for number in 1_u32.. {
        let now = i64::from(number) * 7 * MINUTE;
        let mut points = Vec::with_capacity(SERIES);
        for index in 0..SERIES {
            let index = index.to_string();
            // Every tenth is late, most of these for a closed hour.
            let late = if number % 10 == 0 { 2 * HOUR + 1 } else { 0 };
            points.push(series("x", &[("index", &index)], &[(now - late, f64::from(number))]));
        }
        append(&*store, &points, now).await;
        acknowledge(number);
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

async fn killed_after(count: u32, place: &OsStr) {
    let last = killed::killed_after(count, "store::metrics_crash::writer", place);
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
