use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::domain::Timestamp;
use crate::query::{Labels, METRIC_NAME, Matcher, Selection, Series};
use crate::store::Error;
use crate::store::metrics::Stored;

/// Has one series of so many points, and notes how many it was allowed to read, and what was asked.
#[derive(Debug)]
struct Store {
    points: usize,
    allowed: Mutex<Vec<usize>>,
    asked: Mutex<Vec<(usize, usize)>>,
}

impl Store {
    fn of(points: usize) -> Arc<Self> {
        Arc::new(Self { points, allowed: Mutex::default(), asked: Mutex::default() })
    }

    fn allowed(&self) -> Vec<usize> {
        self.allowed.lock().expect("no test panics with it").clone()
    }
}

#[async_trait]
impl Metrics for Store {
    async fn append(&self, _: &[Series], _: Timestamp) -> Result<Stored, Error> {
        Ok(Stored::default())
    }

    async fn select(&self, selections: &[Selection], bounds: Bounds) -> Result<Found, Error> {
        self.allowed.lock().expect("no test panics with it").push(bounds.points);
        let asked = (selections.len(), bounds.series);
        self.asked.lock().expect("no test panics with it").push(asked);
        if self.points > bounds.points {
            return Ok(Found::TooMuch("too many points".into()));
        }
        let labels: Labels = [(METRIC_NAME, "x")].into_iter().collect();
        let times: Vec<i64> = (1_i64..).take(self.points).collect();
        let values = vec![1.0; self.points];
        let series = Arc::new(Series::new(labels, times, values).expect("in order"));
        Ok(Found::Series(selections.iter().map(|_| vec![Arc::clone(&series)]).collect()))
    }

    async fn measures(
        &self,
    ) -> Result<std::collections::BTreeMap<String, crate::query::Measure>, Error> {
        Ok(std::collections::BTreeMap::new())
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

const NOW: When = When::At(1_000_000);

async fn ask(queries: &Queries, text: &str, within: Duration) -> Result<Answer, Refusal> {
    queries.ask(text, NOW, &Settings::default(), within).await
}

#[tokio::test]
async fn only_who_needs_much_gets_much_room() {
    let little = Store::of(10);
    let queries = Queries::of(little.clone());
    ask(&queries, "x", LONGEST).await.expect("answered");
    assert_eq!(little.allowed(), [1_000_000]);
    let much = Store::of(1_000_001);
    let queries = Queries::of(much.clone());
    ask(&queries, "count_over_time(x[1h])", LONGEST).await.expect("answered");
    assert_eq!(much.allowed(), [1_000_000, 10_000_000]);
    let too_much = Queries::of(Store::of(10_000_001));
    let refused = ask(&too_much, "x", LONGEST).await.expect_err("refused");
    assert!(matches!(refused, Refusal::TooMuch(_)), "{refused}");
    // And all of it is given back.
    let whole = usize::try_from(ROOM / PIECE).expect("small");
    assert_eq!(queries.room.available_permits(), whole);
    assert_eq!(too_much.room.available_permits(), whole);
}

#[tokio::test]
async fn what_is_selected_again_is_read_once_and_the_project_says_how_many_series() {
    let store = Store::of(10);
    let queries = Queries::of(store.clone());
    let weeks = "x or (x offset 1w) or (x offset 1w + x{a=\"\"}) or sum(x)";
    ask(&queries, weeks, LONGEST).await.expect("answered");
    ask(&queries.about(500_000), "x", LONGEST).await.expect("answered");
    let asked = store.asked.lock().expect("no test panics with it").clone();
    assert_eq!(asked, [(3, 200_000), (1, 500_000)]);
}

#[tokio::test]
async fn all_share_one_room_and_nobody_waits_for_ever() {
    let queries = Queries::of(Store::of(10));
    let held = queries.place(LARGE).await.expect("there is room");
    let left = queries.room.available_permits();
    assert!(left < usize::try_from(LARGE.pieces()).expect("small"), "not for two of these");
    assert!(left >= usize::try_from(SMALL.pieces()).expect("small"), "but for others");
    let other = queries.clone();
    let taken = other.room.acquire_many(u32::try_from(left).expect("small")).await;
    let refused = ask(&queries, "x", Duration::from_millis(1)).await.expect_err("refused");
    assert_eq!(refused.to_string(), "query timed out in query queue");
    drop((taken, held));
    ask(&queries, "x", LONGEST).await.expect("answered");
}

#[tokio::test]
async fn what_is_not_done_in_time_is_stopped() {
    let queries = Queries::of(Store::of(900_000));
    let text = "sum_over_time(x[1h]) + sum_over_time(x[1h])";
    ask(&queries, text, LONGEST).await.expect("answered");
    let refused = ask(&queries, text, Duration::ZERO).await.expect_err("stopped");
    assert_eq!(refused.to_string(), "query timed out in expression evaluation");
}
